# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from sources import OverlayError  # noqa: E402
from topic_edits import Edit, apply_edits, read_edits  # noqa: E402
from topic_select import qualified_definitions, select_definitions  # noqa: E402

TEXT = '''"""A module."""
import math


def area(radius):
    """Area of a circle.

    Parameters
    ----------
    radius : float
        Radius.
    """
    # from school
    value = 3 * radius**2
    if radius < 0:
        value = 3 * 0
    return value


class Fit:
    def run(self):
        value = 1
        return value
'''
PLACE = {"file": "gammapy/fit.py", "definition": "area"}


def apply(module=TEXT, **edit):
    return apply_edits(module, [Edit(**PLACE | edit)])


def test_statements():
    text = apply(at="if radius", action="replace", text="value = abs(value)\n")
    assert "    value = abs(value)\n    return value\n" in text and "if " not in text
    text = apply(at="value =", number=1, action="before", text="check(radius)")
    assert "    check(radius)\n    # from school\n    value = 3" in text
    text = apply(at="value =", number=2, action="after", text="\nlog(value)\n")
    assert "        value = 3 * 0\n        log(value)\n    return" in text
    text = apply(at="if radius", action="delete")
    assert "radius < 0" not in text and "return value" in text


def test_words():
    text = apply(old="3 * radius", new="math.pi * radius")
    assert "value = math.pi * radius**2" in text and "3 * 0" in text
    # The class below has the same statement, which is not meant.
    assert apply(old="return value", new="return float(value)").endswith(
        "        value = 1\n        return value\n"
    )
    text = apply(definition="", old="import math", new="import math\nimport numpy")
    assert text.startswith('"""A module."""\nimport math\nimport numpy\n\n')


def test_docstring():
    text = apply(docstring="Notes\n-----\nOf a flat one.\n")
    assert "        Radius.\n\n    Notes\n    -----\n    Of a flat one.\n" in text
    compile(text, "fit.py", "exec")


@pytest.mark.parametrize(
    "edit",
    [
        {"at": "if radius", "action": "replace", "text": "value = abs(value)"},
        {"at": "value = 3 * r", "action": "before", "text": "check(radius)"},
        {"at": "return", "action": "after", "text": "# end\npass"},
        {"at": "if radius", "action": "delete"},
        {"old": "3 * radius", "new": "math.pi * radius"},
        {"old": "return value", "new": "return value + value"},
        {"docstring": "Notes\n-----\nOf a flat one.\n"},
    ],
)
def test_again(edit):
    """What is there already changes nothing."""
    once = apply(**edit)
    assert once != TEXT
    assert apply(once, **edit) == once


def test_again_with_others_between():
    page = "toc\n   a\n"
    edits = [Edit("i.rst", old="   a\n", new=f"   a\n   {name}\n") for name in "bc"]
    both = apply_edits(page, edits)
    assert both == "toc\n   a\n   c\n   b\n"
    assert apply_edits(both, edits) == both
    notes = [{"docstring": f"Notes\n-----\n{text}.\n"} for text in ("One", "Two")]
    both = apply(apply(**notes[0]), **notes[1])
    assert both.count("Notes") == 1 and "One.\n\n    Two." in both
    assert apply(apply(both, **notes[0]), **notes[1]) == both


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"definition": "volume", "old": "a", "new": "b"}, "0 such definitions"),
        ({"at": "value =", "action": "delete"}, "'value =' are there 2 times"),
        ({"at": "while", "action": "before", "text": "x"}, "'while' are there 0 times"),
        ({"old": "3 *", "new": "4 *", "number": 3}, "2 times, not 3"),
        ({"definition": "Fit", "docstring": "Notes\n-----\nA"}, "no docstring"),
    ],
)
def test_no_place(edit, words):
    with pytest.raises(OverlayError, match=words):
        apply(**edit)


def test_other_files():
    edit = Edit("docs/index.rst", old="   a\n", new="   a\n   b\n")
    once = apply_edits("toc\n   a\n", [edit])
    assert once == "toc\n   a\n   b\n"
    assert apply_edits(once, [edit]) == once


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('file = "a.py"\n', "needs exactly one of"),
        ('file = "a.py"\nat = "x"\nold = "y"\n', "needs exactly one of"),
        ('file = "a.py"\nat = "x"\naction = "add"\n', "action is not one of"),
        ('file = "a.py"\nwords = "x"\n', "edit 1: .*words"),
    ],
)
def test_bad_edits(entry, words):
    with pytest.raises(OverlayError, match=words):
        read_edits(f"[[edit]]\n{entry}", "edits.toml")


OURS = '''"""Ours."""
import math
from gammapy.stats import cash, wstat

__all__ = ["area", "volume"]


def area(radius):
    return math.pi * cash(radius)


def volume(radius):
    return wstat(radius)


class Fit:
    name = "fit"

    def run(self):
        return 1
'''


def test_select():
    names = qualified_definitions(OURS, "gammapy/a.py")
    assert names == ["area", "volume", "Fit.name", "Fit.run"]
    text = select_definitions(OURS, "gammapy/a.py", ["volume", "Fit.run"])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines == [
        '"""Ours."""',
        "from gammapy.stats import wstat",
        '__all__ = ["volume"]',
        "def volume(radius):",
        "return wstat(radius)",
        "class Fit:",
        "def run(self):",
        "return 1",
    ]
    assert select_definitions(OURS, "gammapy/a.py", names) == OURS
