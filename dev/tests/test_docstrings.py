# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of docstrings that extend those of the base."""

import ast
import inspect
import sys
from pathlib import Path
from textwrap import dedent, indent
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from docstring_names import order_of  # noqa: E402
from merging import OverlayError, merge_module  # noqa: E402

PATH = "gammapy/modeling/fit.py"
BASE = """
Run it.

Slowly.

Parameters
----------
a : int
    First, and
    more.

    Even more.

b : int
    Second.
x, y : float
    Pair.
**kwargs : dict
    Options.

Returns
-------
result : int
    Sum.

Notes
-----
Careful.
"""


def function(text, head="def run(a, b, x, y, **kwargs)"):
    """Text of a function with a docstring."""
    return f'{head}:\n    """{indent(dedent(text).strip(), "    ").strip()}\n    """\n'


def merged_text(base, overlay):
    """Text of a merged module."""
    merged = merge_module(base, overlay, PATH)
    assert merge_module(base, overlay, PATH) == merged
    return merged.text


def merge(overlay, base=BASE, head="def run(a, b, x, y, **kwargs)", name="run"):
    """The docstring of a function, extended."""
    text = merged_text(function(base), function(overlay, head))
    (node,) = [node for node in ast.parse(text).body if node.name == name]
    # what was not meant to change has its bytes
    raw = ast.get_docstring(node, clean=False)
    assert raw.endswith("\n    ") and not raw.endswith("\n\n    ")
    return inspect.cleandoc(raw) + "\n"


def expected(old, new, base=BASE):
    """The docstring of the base with one part replaced."""
    base = dedent(base).lstrip("\n")
    assert base.count(old) == 1
    return base.replace(old, new)


def errors(overlay, base=BASE, head="def run(a, b, x, y, **kwargs)"):
    """Errors of a merge, without the path."""
    return module_errors(function(base), function(overlay, head))


def module_errors(base, overlay):
    """Errors of a merge of two modules, without the path."""
    with pytest.raises(OverlayError) as error:
        merge_module(base, overlay, PATH)
    assert all(line.startswith(f"{PATH}:") for line in error.value.lines)
    return [line.removeprefix(f"{PATH}:") for line in error.value.lines]


class TestEntries:
    def test_replaced(self):
        overlay = "Parameters\n----------\nb : str, optional\n    Ours.\n\n    More."
        old, new = (
            "b : int\n    Second.\n",
            "b : str, optional\n    Ours.\n\n    More.\n",
        )
        assert merge(overlay) == expected(old, new)

    def test_replaced_keeps_the_blank_line_below(self):
        overlay = "Parameters\n----------\na : str\n    Ours."
        old = "a : int\n    First, and\n    more.\n\n    Even more.\n"
        assert merge(overlay) == expected(old, "a : str\n    Ours.\n")

    @pytest.mark.parametrize(
        "head, above",
        [
            ("run(a, b, x, y, *, new=1, **kwargs)", "    Pair.\n"),
            ("run(a, b, x, new, y, **kwargs)", "    Pair.\n"),
            ("run(a, b, new, x, y, **kwargs)", "    Second.\n"),
            ("run(*args, new=1, **kwargs)", "    Pair.\n"),
            ("run(a, undocumented, new, b, **kwargs)", "    Even more.\n"),
        ],
    )
    def test_new(self, head, above):
        """A new entry is below its predecessor, as near as there is one."""
        overlay = "Parameters\n----------\nnew : int\n    New."
        text = merge(overlay, head=f"def {head}")
        assert text == expected(above, f"{above}new : int\n    New.\n")

    def test_new_before_all(self):
        overlay = "Parameters\n----------\nnew : int\n    New."
        text = merge(overlay, head="def run(new, a)")
        assert text == expected("a : int\n", "new : int\n    New.\na : int\n")

    def test_several(self):
        overlay = """
        Parameters
        ----------
        m, n : int
            Pair of ours.
        k : int
            Last.
        """
        text = merge(overlay, head="def run(a, b, m, n, k, x, y, **kwargs)")
        added = "m, n : int\n    Pair of ours.\nk : int\n    Last.\n"
        assert text == expected("    Second.\n", "    Second.\n" + added)

    def test_combined(self):
        """Names that are described together are replaced together."""
        overlay = "Parameters\n----------\nx, y : int\n    Ours."
        assert merge(overlay) == expected("y : float\n    Pair.", "y : int\n    Ours.")
        overlay = "Parameters\n----------\na, b : int\n    Ours."
        old = "a : int\n    First, and\n    more.\n\n    Even more.\n\nb : int\n"
        text = merge(overlay)
        assert text == expected(old + "    Second.\n", "a, b : int\n    Ours.\n\n")

    def test_combined_with_a_new_one(self):
        overlay = "Parameters\n----------\nb, c : int\n    Ours."
        text = merge(overlay, head="def run(a, b, c)")
        assert text == expected("b : int\n    Second.", "b, c : int\n    Ours.")

    def test_part_of_combined(self):
        overlay = "Parameters\n----------\n\nx : int\n    Ours."
        assert errors(overlay) == [
            "5: docstring of run: Parameters: x is one of x, y in the base: describe"
            " them together"
        ]

    @pytest.mark.parametrize("star", ["**kwargs", r"\*\*kwargs", "kwargs"])
    def test_stars(self, star):
        base = expected("**kwargs : dict", f"{star} : dict")
        texts = [base, "Parameters\n----------\n**kwargs : dict\n    Ours."]
        texts = [function(text).replace('"""', 'r"""', 1) for text in texts]
        merged = merged_text(*texts)
        assert "    **kwargs : dict\n        Ours.\n" in merged
        assert "Options" not in merged

    @pytest.mark.parametrize("header", ["b: int", "b :int", "b:int", "b", "b :"])
    def test_colons(self, header):
        """The base is not always as numpydoc wants it."""
        base = expected("b : int", header)
        overlay = "Parameters\n----------\nb : str\n    Ours."
        old = f"\n{header}\n    Second."
        assert merge(overlay, base) == expected(old, "\nb : str\n    Ours.", base)

    def test_unknown(self):
        overlay = "Parameters\n----------\nbb : int\n    Ours.\nc : int\n    Ours."
        assert errors(overlay) == [
            f"{line}: docstring of run: Parameters: {name} is not in the signature, and"
            " not in the base's docstring"
            for line, name in ((4, "bb"), (6, "c"))
        ]

    def test_instance_is_no_parameter(self):
        base = "class A:\n    def f(self):\n        '''F.'''\n"
        head = "class A:\n    def f(self):\n        '''"
        overlay = (
            head + "Parameters\n        ----------\n        self : A\n        '''\n"
        )
        (line,) = module_errors(base, overlay)
        assert line.startswith(
            "5: docstring of A.f: Parameters: self is not in the sig"
        )

    def test_twice_in_the_base(self):
        base = expected("a : int", "b : int")
        (line,) = errors("Parameters\n----------\nb : int\n    Ours.", base)
        assert line == "4: docstring of run: Parameters: b is in the base twice"

    def test_other_parameters(self):
        base = BASE + "\nOther Parameters\n----------------\nc : int\n    Rare.\n"
        head = "def run(a, b, c, d)"
        overlay = "Other Parameters\n----------------\nd : int\n    Ours."
        assert merge(overlay, base, head).endswith("Rare.\nd : int\n    Ours.\n")
        (line,) = errors("Parameters\n----------\nc : int\n    Ours.", base, head)
        assert line.endswith("Parameters: c is in section Other Parameters of the base")

    def test_without_type(self):
        overlay = "Parameters\n----------\na\n    Ours."
        assert "\na\n    Ours.\n\nb : int" in merge(overlay)


class TestValues:
    def test_replaced(self):
        overlay = "Returns\n-------\nresult : float\n    Ours."
        text = merge(overlay)
        assert text == expected("result : int\n    Sum.", "result : float\n    Ours.")

    def test_new(self):
        overlay = "Returns\n-------\n...\nmore : float\n    Ours."
        text = merge(overlay)
        assert text == expected("    Sum.\n", "    Sum.\nmore : float\n    Ours.\n")

    def test_not_there(self):
        assert errors("Returns\n-------\nresults : float\n    Ours.") == [
            "4: docstring of run: Returns: results is not in the base's docstring,"
            " which has result: write ... above what is new"
        ]

    def test_rest_of_nothing(self):
        assert errors("Yields\n------\n...\nx : int\n    Ours.") == [
            "4: docstring of run: Yields: ... stands for nothing in the base"
        ]
        (line,) = errors("Parameters\n----------\n...")
        assert line.endswith("... has a meaning in Returns, Yields, Receives only")

    def test_type_alone(self):
        base = BASE.replace("result : int", "`~gammapy.maps.Map`")
        overlay = "Returns\n-------\n`~gammapy.maps.Map`\n    Ours."
        assert "`~gammapy.maps.Map`\n    Ours.\n" in merge(overlay, base)

    def test_raises(self):
        base = BASE + "\nRaises\n------\nValueError\n    If a is 0.\n"
        overlay = "Raises\n------\nTypeError\n    If not an int.\nValueError\n    X."
        assert merge(overlay, base).endswith(
            "\n\nRaises\n------\nValueError\n    X.\nTypeError\n    If not an int.\n"
        )


class TestSections:
    def test_missing(self):
        """New sections are where numpydoc has them, in this order."""
        overlay = """
        Examples
        --------
        >>> run()

        Raises
        ------
        ValueError
            If not.

        See Also
        --------
        walk
        """
        text = merge(overlay)
        raises = "\n\nRaises\n------\nValueError\n    If not.\n\n"
        text = text.replace(raises + "See Also\n--------\nwalk\n\n", "\n\n")
        assert text == BASE.lstrip("\n") + "\nExamples\n--------\n>>> run()\n"

    def test_appended(self):
        overlay = "Notes\n-----\nOurs.\n\nMore.\n\nExamples\n--------\n>>> run()\n1"
        text = (
            BASE.lstrip("\n") + "\nOurs.\n\nMore.\n\nExamples\n--------\n>>> run()\n1\n"
        )
        assert merge(overlay) == text
        assert merge("Examples\n--------\n>>> walk()", text) == text + "\n>>> walk()\n"

    @pytest.mark.parametrize("line", ["=====", "-----", "~~~~~", "---", "---------"])
    @pytest.mark.parametrize("title", ["Notes", "Note", "notes"])
    def test_headings_of_the_base(self, title, line):
        base = BASE.replace("Notes\n-----", f"{title}\n{line}")
        assert merge("Notes\n-----\nOurs.", base) == base.lstrip("\n") + "\nOurs.\n"

    def test_underlines_of_ours(self):
        assert merge("Notes\n~~~~~\nOurs.") == BASE.lstrip("\n") + "\nOurs.\n"
        assert "Raises\n======\nE\n" in merge("Raises\n======\nE")

    def test_first_line_below_the_quotes(self):
        text = function(BASE)
        ours = function("Notes\n-----\nOurs.").replace('"""Notes', '"""\n    Notes')
        assert merged_text(text, ours).endswith('    Ours.\n    """\n')

    def test_one_line(self):
        text = merge("Raises\n------\nE\n    If.", "Run it.")
        assert text == "Run it.\n\nRaises\n------\nE\n    If.\n"

    def test_blank_lines_of_the_base_stay(self):
        base = BASE.replace("    Sum.\n\n", "    Sum.\n\n\n")
        text = merge("Returns\n-------\nresult : int\n    Ours.", base)
        assert text == expected("    Sum.", "    Ours.", base)
        # a section that follows the other without a blank line
        base = BASE.replace("    Options.\n\nReturns", "    Options.\nReturns")
        head = "def run(a, b, x, y, *, new, **kwargs)"
        overlay = "Parameters\n----------\nnew : int\n    New."
        text = merge(overlay, base, head=head)
        assert text == expected("Pair.\n", "Pair.\nnew : int\n    New.\n", base)

    def test_heading_in_an_example(self):
        """What is printed in an example is no section."""
        base = BASE + "\n::\n\n    Parameters\n    ----------\n    a : int\n"
        text = merge("Parameters\n----------\na : int\n    Ours.", base)
        assert text.endswith("::\n\n    Parameters\n    ----------\n    a : int\n")
        assert "a : int\n    Ours.\n\nb : int" in text

    def test_unknown(self):
        assert errors("Inputs\n------\na : int") == [
            "2: docstring of run: Inputs is no section of numpydoc"
        ]
        assert errors("Notes\n-----\nOurs.\n\nExample\n-------\n>>> 1") == [
            "6: docstring of run: Example is no section of numpydoc"
        ]

    def test_twice_and_empty(self):
        overlay = "Notes\n-----\nOurs.\n\nRaises\n------\n\nNotes\n-----\nOurs."
        assert errors(overlay) == [
            "6: docstring of run: Raises is empty",
            "9: docstring of run: Notes is there twice",
        ]

    def test_loose_text(self):
        (line,) = errors("Parameters\n----------\n    a : int")
        assert line == "2: docstring of run: Parameters begins with no entry"

    def test_references(self):
        base = BASE + "\nReferences\n----------\n.. [1] A et al.\n"
        overlay = "References\n----------\n.. [2] B et al."
        assert merge(overlay, base).endswith("[1] A et al.\n\n.. [2] B et al.\n")
        (line,) = errors(overlay.replace("2", "1"), base)
        assert line == "4: docstring of run: References: the base has a reference [1]"

    def test_sentence_replaces(self):
        text = merged_text(function(BASE), function("Ours.\n\nNotes\n-----\nAll."))
        assert text == function("Ours.\n\nNotes\n-----\nAll.")


class TestWhere:
    """Functions, wrappers, classes, fields, modules."""

    NOTES = "Notes\n-----\nOurs."

    def test_function(self):
        ours = function(self.NOTES) + "    # ours\n    return 1\n"
        merged = merge_module(function(BASE), ours, PATH)
        assert merged.text == function(BASE + "\nOurs.") + "    # ours\n    return 1\n"
        assert merged.replaced == set(merged.extended) == {"run"}

    def test_extension(self):
        """What the check of the docstrings needs."""
        ours = function(self.NOTES, "def run(a, new)")
        extension = merge_module(function(BASE), ours, PATH).extended["run"]
        assert inspect.cleandoc(extension.base) == BASE.strip()
        assert inspect.cleandoc(extension.overlay) == self.NOTES
        assert extension.parameters == ("a", "b", "x", "y", "kwargs")

    def test_wrapper(self):
        ours = (
            function(self.NOTES, "def run(*args)") + "    return _upstream_run(*args)\n"
        )
        merged = merge_module(function(BASE), ours, PATH)
        assert merged.wrapped == set(merged.extended) == {"run"}
        text = function(BASE).replace("def run", "def _upstream_run")
        head, _, body = function(BASE + "\nOurs.").partition("\n")
        assert merged.text.startswith(text)
        assert merged.text.endswith(f"{body}    return _upstream_run(*args)\n")

    def test_method_and_property(self):
        base = "class A:\n" + indent(function("F."), "    ") + "\n    x = 1\n"
        base += "\n    @property\n    def y(self):\n        '''Y.'''\n"
        base += "\n    @y.setter\n    def y(self, value):\n        '''Set.'''\n"
        notes = "'''Notes\n        -----\n        Ours.\n        '''\n"
        ours = "class A:\n    @property\n    def y(self):\n        " + notes
        ours += "\n    @y.setter\n    def y(self, value):\n        " + notes
        merged = merge_module(base, ours, PATH)
        assert set(merged.extended) == {"A.y", "A.y.setter"}
        for old in ("Y.", "Set."):
            new = f"{old}\n\n        Notes\n        -----\n        Ours.\n        "
            base = base.replace(f"'''{old}'''", f"'''{new}'''")
        assert merged.text == base

    @pytest.mark.parametrize("where", ["base", "overlay"])
    def test_class(self, where):
        """The signature is that of ``__init__``, ours if there is one."""
        init = "\n    def __init__(self, a, new, b):\n        self._a = 1\n"
        old = function(BASE, "class A") + (init if where == "base" else "\n    n = 1\n")
        ours = function("Parameters\n----------\nnew : int\n    New.", "class A")
        ours += init if where == "overlay" else ""
        merged = merge_module(old, ours, PATH)
        assert "Even more.\n\n    new : int\n        New.\n" in merged.text or (
            "Even more.\n    new : int\n        New.\n\n" in merged.text
        )
        assert "A.__doc__" in merged.replaced and set(merged.extended) == {"A.__doc__"}

    def test_fields(self):
        """Attributes of a pydantic model are in the order of its fields."""
        base = "class A(B):\n    '''A.\n\n    Attributes\n    ----------\n    a : int\n"
        base += "        A.\n    c : int\n        C.\n    '''\n\n    a: int = 1\n"
        base += "    c: int = 2\n"
        ours = "class A:\n    '''Attributes\n    ----------\n    b : int\n        B.\n"
        ours += (
            "    d, e : int\n        D.\n    '''\n\n    b: int = 3\n    c: int = 2\n"
        )
        ours += "    d: int = 4\n    e: int = 5\n"
        text = merged_text(base, ours)
        names = ["a : int", "b : int", "c : int", "d, e : int"]
        assert [line.strip() for line in text.splitlines() if " : " in line] == names
        doc = ast.get_docstring(ast.parse(text).body[0])
        assert doc.count("\n\n") == 1

        (line,) = module_errors(base, ours.replace("    b : int", "    bb : int"))
        assert line == (
            "4: docstring of A.__doc__: Attributes: bb is no member of the class, and"
            " not in the base's docstring"
        )

    def test_attributes(self):
        base = "class A:\n    '''A.'''\n\n    def __init__(self):\n        self.a = 1\n"
        base += "\n    def f(self):\n        pass\n"
        ours = "class A:\n    '''Attributes\n    ----------\n    a : int\n    '''\n"
        assert "    Attributes\n    ----------\n    a : int\n" in merged_text(
            base, ours
        )
        ours = "class A:\n    '''Methods\n    -------\n    f()\n        F.\n    '''\n"
        assert "    Methods\n    -------\n    f()\n" in merged_text(base, ours)

    def test_attributes_that_are_parameters(self):
        """They are in the order of the signature, whatever the class assigns."""
        base = "class A:\n    '''A.\n\n    Attributes\n    ----------\n    a : int\n"
        base += (
            "        A.\n    '''\n\n    def __init__(self, a):\n        self.a = a\n"
        )
        ours = "class A:\n    '''Attributes\n    ----------\n    b : int\n    '''\n"
        ours += "\n    b = None\n\n    def __init__(self, a, b):\n        self.b = b\n"
        assert "        A.\n    b : int\n    '''\n" in merged_text(base, ours)

    def test_class_that_is_kept_whole(self):
        base = function("A.\n\nParameters\n----------\na : int", "class A")
        base += "\n    def __init__(self, a):\n        pass\n"
        overlay = function("Parameters\n----------\nb : int", "class A(_upstream_A)")
        overlay += "\n    def __init__(self, a, b):\n        pass\n"
        merged = merge_module(base, overlay, PATH)
        assert set(merged.extended) == merged.wrapped == {"A"}
        assert merged.text.count("a : int\n    b : int\n") == 1

    def test_module(self):
        base = '"""Mod.\n\nNotes\n-----\nOld.\n"""\n\nx = 1\n'
        merged = merge_module(base, '"""Notes\n-----\nOurs.\n"""\n', PATH)
        assert merged.text == base.replace("Old.\n", "Old.\n\nOurs.\n")
        assert set(merged.extended) == {"__doc__"}
        ours = '"""Parameters\n----------\nx : int\n"""\n'
        (line,) = module_errors(base, ours)
        assert "docstring of __doc__: Parameters: x is not in the signature" in line

    def test_other_indentation(self):
        base = function(BASE).replace("    ", "  ")
        text = merged_text(base, function(self.NOTES))
        head, _, more = function(BASE + "\nOurs.").partition("Parameters")
        assert text.startswith(head)
        assert "    Notes\n    -----\n    Careful.\n\n    Ours.\n" in text

    def test_comment_behind(self):
        base = function(BASE).rstrip("\n") + "  # noqa: E501\n"
        ours = function(self.NOTES)
        assert merged_text(base, ours).endswith('    Ours.\n    """  # noqa: E501\n')

    def test_nothing_to_extend(self):
        ours = function(self.NOTES)
        for base in ("def run():\n    pass\n", "run = 1\n", ""):
            assert module_errors(base, ours) == [
                "2: docstring of run: begins with a section, but the base has none to"
                " extend"
            ]

    def test_every_error_is_listed(self):
        base = function(BASE) + "\n\n" + function(BASE, "def walk()")
        bad = "Raise\n-----\nE\n\nParameters\n----------\nz : int"
        ours = function(bad) + "\n\n" + function(bad, "def walk()")
        assert len(module_errors(base, ours)) == 4


class TestLiterals:
    def merge(self, base, ours):
        """Merge two literals of the docstring of a function."""
        texts = [f"def f():\n    {body}\n" for body in (base, ours)]
        return merged_text(*texts)

    NOTES = '"""Notes\n    -----\n    {}\n    """'

    def test_single_quotes(self):
        for quote in "'\"":
            text = self.merge(f"{quote}F.{quote}", self.NOTES.format("Ours."))
            new = '    """F.\n\n    Notes\n    -----\n    Ours.\n    """\n'
            assert text == "def f():\n" + new

    def test_raw(self):
        text = self.merge('r"""F \\m."""', "r" + self.NOTES.format(r"\n"))
        assert 'r"""F \\m.\n' in text and "    \\n\n" in text
        text = self.merge('r"""F \\m."""', self.NOTES.format("Ours."))
        assert 'r"""F \\m.\n' in text

    def test_escapes(self):
        with pytest.raises(
            OverlayError, match="f: holds a backslash: write it without"
        ):
            self.merge('"""F."""', "r" + self.NOTES.format(r"\n"))
        with pytest.raises(OverlayError, match="f: holds a backslash: write it with r"):
            self.merge('r"""F."""', self.NOTES.format(r"\\n"))
        with pytest.raises(OverlayError, match="cannot be joined to a string with esc"):
            self.merge('"F.\\n"', self.NOTES.format("Ours."))

    def test_quotes_inside(self):
        with pytest.raises(
            OverlayError, match="holds ''', which are the quotes of the"
        ):
            self.merge("'''F.'''", self.NOTES.format("a = '''b'''"))

    def test_two_strings(self):
        with pytest.raises(OverlayError, match="docstring of f: is no plain string"):
            self.merge('"F." "G."', self.NOTES.format("Ours."))


def test_order_of():
    new = ast.parse("def f(self, *args, c, **kwargs): ...").body[0]
    old = ast.parse("def f(self, a, b, *, d): ...").body[0]
    order = order_of(old, new)
    assert order["Parameters"] == ["a", "b", "args", "c", "d", "kwargs"]
