# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from overlay_base import ROOT, base_folder  # noqa: E402
from overlay_plan import overlay_files  # noqa: E402
from topic_imports import (  # noqa: E402
    closure,
    imports_of_later,
    read_later,
    read_units,
)
from topic_select import qualified_definitions  # noqa: E402
from topics import Topic, owner_of, read_topics, topic_of  # noqa: E402
from upstream import LIMITS  # noqa: E402

FILES = [file.removeprefix("gammapy/") for file in overlay_files(ROOT)]


@pytest.fixture(scope="module")
def topics():
    return read_topics()


@pytest.fixture(scope="module")
def units(topics):
    return read_units(topics, base_folder() / "gammapy")


def test_every_file_has_a_topic(topics):
    found = {topic_of(file, topics) for file in FILES}
    assert found == {topic.name for topic in topics if topic.files}


def test_every_definition_has_a_topic(topics):
    listed = {key for topic in topics for key in topic.definitions}
    found = set()
    for file in sorted({key.partition(":")[0] for key in listed}):
        text = (ROOT / "gammapy" / file).read_text()
        for name in qualified_definitions(text, file):
            owner_of(file, name, topics)
            found |= {f"{file}:{name}", f"{file}:{name.partition('.')[0]}"}
    # None is listed that is not there.
    assert listed <= found


def test_no_topic_imports_a_later_one(units, topics):
    found = imports_of_later(units, topics)
    listed = read_later()
    lines = [line for file in found if file not in listed for line in found[file]]
    assert not lines, "\n".join(lines)
    # No reason is left over.
    assert set(listed) <= set(found)


def test_sizes(units, topics):
    sizes = {topic.name: 0 for topic in topics}
    for unit in units:
        sizes[unit.topic] += unit.n_lines
    limits = {topic.name: LIMITS[topic.kind] for topic in topics}
    too_large = {name: n for name, n in sizes.items() if n > limits[name]}
    assert not too_large


def test_closure():
    topics = [
        Topic("a", "A"),
        Topic("b", "B", needs=("a",)),
        Topic("c", "C"),
        Topic("d", "D", needs=("b",)),
    ]
    assert closure(topics[3], topics) == {"a", "b", "d"}
    assert closure(topics[2], topics) == {"c"}


IMPORTING = "def use():\n    from gammapy.old import added, there\n"


def test_units(tmp_path):
    base, overlay, merged = (tmp_path / name / "gammapy" for name in "bom")
    texts = {
        "old.py": "from .new import helper\n\n\ndef there():\n    return helper()\n"
        "\n\ndef added():\n    return there()\n",
        "new.py": '"""Text."""\n\n\ndef helper():\n    # Why.\n    return 1\n',
        "user.py": IMPORTING,
    }
    of_base = {"old.py": "def there():\n    pass\n"}
    for folder, files in ((base, of_base), (overlay, texts), (merged, texts)):
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    topics = [
        Topic("first", "1", files=("new.py",)),
        Topic("second", "2", files=("old.py",), needs=("first",)),
        Topic("third", "3", definitions=("old.py:added",)),
        Topic("fourth", "4", files=("user.py",)),
    ]
    found = read_units(topics, base, overlay, merged)
    units = {(unit.file, unit.definition): unit for unit in found}
    assert units["new.py", ""].n_lines == 2
    assert units["old.py", "there"].needs == {"first": {"gammapy.new:helper"}}
    # The base has the one function, and the other comes with another topic.
    assert units["old.py", "added"].topic == "third"
    assert units["user.py", ""].needs == {"third": {"gammapy.old:added"}}
    lines = imports_of_later(found, topics)
    assert list(lines) == ["user.py"]
    assert lines["user.py"] == [
        "the file of 'fourth' needs 'third' for gammapy.old:added"
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("stats/weighted_poisson.py", "residuals-weighted"),
        ("modeling/tests/test_scans.py", "scans"),
        ("modeling/tests/test_newton.py", "norm-fits"),
        ("report/templates/report.css", "report-blocks"),
        ("datasets/tests/test_evaluator.py", "evaluators"),
    ],
)
def test_topic_of(file, name, topics):
    assert topic_of(file, topics) == name


def test_file_without_a_topic():
    topics = [
        Topic("a", "A", ("x*.py",), ()),
        Topic("b", "B", ("*y.py",), ()),
    ]
    with pytest.raises(ValueError, match="gammapy/z.py is on no topic"):
        topic_of("z.py", topics)
    with pytest.raises(ValueError, match=r"gammapy/xy.py is on the topics \['a', 'b'"):
        topic_of("xy.py", topics)


ENTRY = '[[topic]]\nname = "{}"\ntitle = "T"\nfiles = []\nneeds = {}\n'


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("a", []), ("a", [])], "two topics 'a'"),
        ([("a", ["b"]), ("b", [])], r"'a' needs \['b'\], which do not come before"),
    ],
)
def test_bad_lists(tmp_path, entries, words):
    path = tmp_path / "topics.toml"
    path.write_text("".join(ENTRY.format(*entry) for entry in entries))
    with pytest.raises(ValueError, match=words):
        read_topics(path)
