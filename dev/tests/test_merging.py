# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the merge of one module, each rule on a small made-up one."""

import re
import sys
from pathlib import Path
from textwrap import dedent
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from merging import OverlayError, merge_module  # noqa: E402

PATH = "gammapy/modeling/fit.py"
LICENSE = "# Licensed under a 3-clause BSD style license - see LICENSE.rst\n"


def merge(base, overlay, path=PATH):
    """Merge two texts, twice: the same bytes each time."""
    base, overlay = dedent(base).lstrip("\n"), dedent(overlay).lstrip("\n")
    merged = merge_module(base, overlay, path)
    assert merge_module(base, overlay, path) == merged
    compile(merged.text, path, "exec")
    return merged


def check(base, overlay, expected, path=PATH):
    """Check the text of a merged module and return it."""
    merged = merge(base, overlay, path)
    assert merged.text == dedent(expected).lstrip("\n")
    return merged


def errors(base, overlay, path=PATH):
    """Lines of the error of a merge."""
    with pytest.raises(OverlayError) as error:
        merge(base, overlay, path)
    lines = error.value.lines
    assert "\n".join(lines) == str(error.value)
    assert all("\n" not in line for line in lines)
    return list(lines)


BASE = '''
# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fitting."""
import logging
import numpy as np
from .parameter import Parameter

__all__ = ["Fit", "run"]

log = logging.getLogger(__name__)
LIMIT = 3  # rounds


# how to run
@log_calls
def run(a,   b):   # odd formatting stays
    """Run it."""
    return a + b


class Fit(Parent, metaclass=Meta):
    """A fit."""

    tag = "fit"
    backend: str = "minuit"

    def __init__(self):
        self._x = 1

    # the value
    @property
    def x(self):
        """The x."""
        return self._x

    @x.setter
    def x(self, value):
        self._x = value

    class Config:
        a = 1
        b = 2

    async def wait(self):
        return 1
'''


def changed(old, new):
    """The base with one part of its text replaced."""
    text = dedent(BASE).lstrip("\n")
    old, new = [
        dedent(definition).lstrip("\n") if definition.startswith("\n") else definition
        for definition in (old, new)
    ]
    assert text.count(old) == 1
    return text.replace(old, new)


class TestReplace:
    def test_nothing(self):
        assert merge(BASE, LICENSE).text == dedent(BASE).lstrip("\n")
        assert merge("x = 1", "").text == "x = 1"

    def test_function(self):
        overlay = "def run():\n    pass  # ours\n"
        old = """
        @log_calls
        def run(a,   b):   # odd formatting stays
            \"\"\"Run it.\"\"\"
            return a + b
        """
        new = 'def run():\n    """Run it."""\n    pass  # ours\n'
        merged = check(BASE, overlay, changed(old, new))
        assert merged.replaced == {"run"}
        assert merged.wrapped == merged.added == set()
        assert list(merged.locked) == ["run"]
        digest = merged.locked["run"]
        for text in (digest.code, digest.docstring):
            assert re.fullmatch("sha256:[0-9a-f]{64}", text)
        assert digest.code != digest.docstring

    def test_comments_and_decorators_go_along(self):
        overlay = (
            LICENSE + "\n# stray\n\n# our way\n# to run\n@once\ndef run():\n    pass"
        )
        merged = merge(BASE, overlay)
        assert '\n\n\n# our way\n# to run\n@once\ndef run():\n    "' in merged.text
        for gone in ("how to run", "log_calls", "stray"):
            assert gone not in merged.text

    def test_licence_is_no_comment_of_a_definition(self):
        merged = merge(BASE, LICENSE + "def run():\n    pass\n")
        assert merged.text.count("Licensed") == 1
        assert "# how to run\ndef run" in merged.text

    def test_comment_inside_a_string_is_none(self):
        base = 's = """\n# text"""\ndef f():\n    pass\n'
        check(
            base, "# c\ndef f():\n    g\n", 's = """\n# text"""\n# c\ndef f():\n    g\n'
        )

    def test_constant(self):
        overlay = "LIMIT: int = {\n    1,\n}  # ours"
        old = "LIMIT = 3  # rounds\n"
        check(BASE, overlay, changed(old, overlay + "\n"))

    def test_async(self):
        overlay = """
        class Fit:
            async def wait(self):
                return 2
        """
        check(BASE, overlay, changed("return 1\n", "return 2\n"))

    def test_last_line_without_newline(self):
        base = "x = 1\n\n\ndef f():\n    return 'é'"
        overlay = "def f():\n    return 'ü'"
        check(base, overlay, "x = 1\n\n\ndef f():\n    return 'ü'\n")

    def test_not_ascii_and_continued_lines(self):
        base = "é = 'ééé' + \\\n    'x'  # é\nü = 2\n"
        check(base, "é = '''\nß\n'''\n", "é = '''\nß\n'''\nü = 2\n")

    def test_last_comment_of_a_body_goes(self):
        base = "def f():\n    return 1\n\n    # end\n\n\n# of g\ndef g():\n    pass\n"
        expected = "def f():\n    pass\n\n\n# of g\ndef g():\n    pass\n"
        check(base, "def f():\n    pass\n", expected)

    def test_other_kind(self):
        merged = check(
            "def f():\n    pass\n", "class f:\n    pass\n", "class f:\n    pass\n"
        )
        assert merged.replaced == {"f"}

    def test_overloads_are_one(self):
        one = "@overload\ndef f(a: int): ...\n@typing.overload\ndef f(a: str): ...\n"
        base = one + "def f(a):\n    return a\n\n\nx = 1\n"
        merged = check(
            base, "def f(a):\n    pass\n", "def f(a):\n    pass\n\n\nx = 1\n"
        )
        assert merged.replaced == {"f"}
        check("def f():\n    pass\n", base[:-8], base[:-8])

    def test_registrations(self):
        base = """
        @singledispatch
        def f(a):
            return a


        @f.register
        def _(a: int):
            return 1


        @f.register(str)
        def _(a):
            return 2
        """
        overlay = "@f.register\ndef _(a: int):\n    return 3\n"
        merged = check(base, overlay, dedent(base).replace("return 1", "return 3"))
        assert merged.replaced == {"f.register(int)"}
        overlay = "@f.register(str)\ndef _(a):\n    return 3\n"
        check(base, overlay, dedent(base).replace("return 2", "return 3"))


class TestConditional:
    VERSION = """
    # Licensed under a 3-clause BSD style license - see LICENSE.rst
    # Note that we need to fall back.
    try:
        from setuptools_scm import get_version
        version = get_version()
    except Exception:
        version = "2.1"
    """

    def test_statement_is_replaced(self):
        overlay = 'from importlib import metadata\n\nversion = metadata.version("g")\n'
        merged = check(self.VERSION, overlay, LICENSE + "\n" + overlay)
        assert merged.replaced == {"version"}

    def test_function(self):
        base = "if a:\n    def f(): ...\nelse:\n    def f(): ...\nx = 1\n"
        check(base, "def f():\n    pass\n", "def f():\n    pass\nx = 1\n")

    def test_name_that_is_also_imported(self):
        base = "try:\n    import ray\nexcept ImportError:\n    ray = None\n"
        check(base, "ray = 1\n", "ray = 1\n")

    def test_other_names_refused(self):
        base = "if a:\n    x = 1\n    y = 2\n"
        assert errors(base, "\nx = 3\n") == [
            f"{PATH}:1: x cannot be replaced: the statement on line 1 of the base binds"
            " y too"
        ]
        (line,) = errors("x = y = 2\n", "x = 3\n")
        assert line.endswith("binds y too")
        (line,) = errors("x, y = 2, 3\n", "x = 3\n")
        assert line.endswith("binds y too")

    def test_bound_twice_refused(self):
        assert errors("x = 1\nx = 2\n", "x = 3\n") == [
            f"{PATH}:1: x is bound more than once in the base (lines 1, 2)"
        ]
        (line,) = errors("x = 1\ndel x\n", "x = 3\n")
        assert "more than once" in line

    def test_comprehension_binds_nothing(self):
        check("y = [x for x in 'a']\n", "x = 1\n", "y = [x for x in 'a']\nx = 1\n")


class TestClass:
    def test_members(self):
        overlay = """
        class Fit:
            tag = "ours"

            def __init__(self):
                self._x = 2
        """
        expected = changed('tag = "fit"', 'tag = "ours"').replace("_x = 1", "_x = 2")
        merged = check(BASE, overlay, expected)
        assert merged.replaced == {"Fit.tag", "Fit.__init__"}
        assert set(merged.locked) == {"Fit", *merged.replaced}

    def test_nested(self):
        overlay = """
        class Fit:
            class Config:
                b = 3
                c = 4
        """
        merged = check(BASE, overlay, changed("b = 2\n", "b = 3\n        c = 4\n"))
        assert merged.replaced == {"Fit.Config.b"}
        assert merged.added == {"Fit.Config.c"}

    def test_docstring(self):
        overlay = 'class Fit:\n    """Ours.\n\n    Longer.\n    """\n'
        old = '    """A fit."""\n'
        merged = check(
            BASE, overlay, changed(old, '    """Ours.\n\n    Longer.\n    """\n')
        )
        assert merged.replaced == {"Fit.__doc__"}

    def test_new_docstring(self):
        overlay = 'class A:\n    """Doc."""\n'
        expected = 'class A:\n    """Doc."""\n\n    # c\n    x = 1\n'
        merged = check("class A:\n    # c\n    x = 1\n", overlay, expected)
        assert merged.added == {"A.__doc__"}

    def test_setter_alone(self):
        overlay = """
        class Fit:
            @x.setter
            def x(self, value):
                self._x = value + 1
        """
        merged = check(BASE, overlay, changed("_x = value", "_x = value + 1"))
        assert merged.replaced == {"Fit.x.setter"}

    def test_property_alone_keeps_the_setter(self):
        overlay = """
        class Fit:
            @property
            def x(self):
                return 2
        """
        check(BASE, overlay, changed("return self._x\n", "return 2\n"))

    def test_new_deleter_goes_below(self):
        overlay = """
        class Fit:
            @x.deleter
            def x(self):
                del self._x

            tag = "ours"
        """
        old = "        self._x = value\n"
        new = old + "\n    @x.deleter\n    def x(self):\n        del self._x\n"
        merged = check(BASE, overlay, changed(old, new).replace('"fit"', '"ours"'))
        assert merged.added == {"Fit.x.deleter"}

    def test_accessor_of_nothing(self):
        overlay = """
        class Fit:
            @y.setter
            def y(self, value):
                pass
        """
        assert errors(BASE, overlay) == [
            f"{PATH}:2: Fit.y.setter targets nothing: the base has no Fit.y"
        ]

    @pytest.mark.parametrize("header", ["Fit", "Fit()", "Fit(Parent, metaclass=Meta)"])
    def test_header(self, header):
        overlay = f"class {header}:\n    tag = 1\n"
        check(BASE, overlay, changed('tag = "fit"', "tag = 1"))

    @pytest.mark.parametrize("header", ["class Fit(Parent)", "@final\nclass Fit"])
    def test_other_header(self, header):
        (line,) = errors(BASE, f"{header}:\n    tag = 1\n")
        assert line.endswith(
            "the header of class Fit differs from the base's: repeat that one, or write"
            " `class Fit:` to leave it"
        )

    def test_decorated(self):
        base = "@data\nclass A:\n    x: int = 1\n"
        for header in ("", "@data\n"):
            overlay = header + "class A:\n    x: int = 2\n"
            check(base, overlay, "@data\nclass A:\n    x: int = 2\n")

    def test_one_line_body(self):
        where = f"{PATH}:1: A has its body on the line of its header"
        assert errors("class A: x = 1\n", "class A:\n    x = 2\n") == [
            where + " in the base"
        ]
        assert errors("class A:\n    x = 1\n", "class A: x = 2\n") == [where]


class TestNew:
    def test_before_the_next_counterpart(self):
        overlay = """
        # a new one
        def new():
            pass


        CONST = 1


        def run():
            pass


        def last():
            pass
        """
        text = merge(BASE, overlay).text
        assert (
            "LIMIT = 3  # rounds\n\n\n# a new one\ndef new():\n    pass\n\n\n"
            'CONST = 1\n\n\n# how to run\ndef run():\n    """Run it."""\n    pass\n\n\n'
            "class Fit"
        ) in text
        assert text.endswith("        return 1\n\n\ndef last():\n    pass\n")

    def test_before_a_constant(self):
        overlay = "NEW = 1\n\n\ndef f():\n    pass\n\n\nLIMIT = 4\n"
        new = "\nNEW = 1\n\n\ndef f():\n    pass\n\n\nLIMIT = 4\n"
        assert f"(__name__){new}" in merge(BASE, overlay).text

    def test_members(self):
        overlay = """
        class Fit:
            debug: bool = False
            backend: str = "other"

            def first(self):
                pass

            # ours
            @property
            def x(self):
                pass

            n = 1

            def end(self):
                pass
        """
        text = merge(BASE, overlay).text
        assert '"fit"\n    debug: bool = False\n    backend: str = "other"\n' in text
        assert (
            "        self._x = 1\n\n    def first(self):\n        pass\n\n    # ours\n"
            '    @property\n    def x(self):\n        """The x."""\n        pass\n\n'
            "    @x.setter"
        ) in text
        assert text.endswith(
            "        return 1\n\n    n = 1\n\n    def end(self):\n        pass\n"
        )

    def test_class_is_copied_with_any_body(self):
        overlay = "class New(Fit):\n    if True:\n        x = 1\n"
        assert merge(BASE, overlay).text.endswith("return 1\n\n\n" + overlay)

    def test_module_docstring(self):
        check("x = 1\n", '"""Doc."""\n', '"""Doc."""\n\nx = 1\n')
        base = LICENSE + "# of x\nx = 1\n"
        check(base, '"""Doc."""\n', LICENSE + '"""Doc."""\n\n# of x\nx = 1\n')
        merged = check(BASE, '"""Ours."""\n', changed('"""Fitting."""', '"""Ours."""'))
        assert merged.replaced == {"__doc__"}

    def test_into_an_empty_module(self):
        check("", "def f():\n    pass\n", "def f():\n    pass\n")
        check(LICENSE, "import a\n\nx = 1\n", LICENSE + "\nimport a\n\nx = 1\n")


class TestAll:
    def test_union(self):
        overlay = '__all__ = ["run", "walk", "Apple"]\n'
        new = '__all__ = ["Apple", "Fit", "run", "walk"]'
        merged = check(BASE, overlay, changed('__all__ = ["Fit", "run"]', new))
        assert merged.locked == {}

    def test_order_of_the_base_is_kept(self):
        base = '__all__ = ("b", "a")\n'
        check(base, '__all__ = ["a", "0"]\n', '__all__ = ("b", "a", "0")\n')

    def test_long(self):
        names = [f"a_rather_long_name_{number}" for number in range(4)]
        base = f"__all__ = {names[:3]}\n".replace("'", '"')
        rows = "".join(f'    "{name}",\n' for name in names)
        expected = f"__all__ = [\n{rows}]\n"
        check(base, f"__all__ = {names[3:]}\n", expected)
        check(
            '__all__ = [\n    "b",\n]\n',
            '__all__ = ["c"]\n',
            '__all__ = [\n    "b",\n    "c",\n]\n',
        )

    def test_nothing_new_keeps_the_bytes(self):
        base = "__all__ = ['a',\n  'b']\n"
        check(base, '__all__ = ["b"]\n', base)

    def test_refused(self):
        message = "is not a plain list of names"
        (line,) = errors("__all__ = ['a']\n", "__all__ = names()\n")
        assert line == f"{PATH}:1: __all__ {message}"
        for base in ("__all__ = names()\n", "__all__ = [\n  'a',  # first\n]\n"):
            (line,) = errors(base, "__all__ = ['b']\n")
            assert line == f"{PATH}:1: __all__ of the base {message}"
        (line,) = errors("__all__ = ['a']\n__all__ += b\n", "__all__ = ['b']\n")
        assert "more than once" in line


class TestImports:
    @pytest.mark.parametrize(
        "line",
        [
            "import logging",
            "import numpy as np",
            "from .parameter import Parameter",
            "from gammapy.modeling.parameter import Parameter",
        ],
    )
    def test_known(self, line):
        assert merge(BASE, line).text == dedent(BASE).lstrip("\n")

    @pytest.mark.parametrize(
        "above, line",
        [
            ('"""Fitting."""', "from __future__ import annotations"),
            ("import logging", "import os.path"),
            ("import logging", "from pathlib import (\n    Path,  # why\n)"),
            ("import numpy as np", "import astropy"),
            ("import numpy as np", "from gammapy.maps import Map as M"),
            ("from .parameter import Parameter", "from . import nuisance"),
        ],
    )
    def test_new(self, above, line):
        check(BASE, line, changed(f"{above}\n", f"{above}\n{line}\n"))

    def test_joined(self):
        overlay = "from .parameter import A, Parameter\nfrom .parameter import z as y\n"
        old = "from .parameter import Parameter"
        check(
            BASE, overlay, changed(old, "from .parameter import A, Parameter, z as y")
        )

    def test_joined_when_long(self):
        names = [f"a_rather_long_name_{number}" for number in range(4)]
        rows = "".join(f"    {name},\n" for name in names)
        expected = f"from a import (\n{rows})\n"
        base = f"from a import {', '.join(names[1:])}\n"
        check(base, f"from a import {names[0]}\n", expected)
        check(
            "from a import (\n    b,\n)\n",
            "from a import c",
            "from a import (\n    b,\n    c,\n)\n",
        )

    def test_not_joined_to_a_comment(self):
        base = "from a import b  # noqa\nimport c\n"
        check(base, "from a import d, b\n", base + "from a import d\n")

    def test_in_a_package_after_the_last(self):
        base = "from .b import B\nimport os\n\nx = 1\n"
        overlay = "from .a import A\nfrom .b import C\nfrom . import n\n"
        expected = """
        from .b import B, C
        import os
        from .a import A
        from . import n

        x = 1
        """
        check(base, overlay, expected, path="gammapy/modeling/__init__.py")

    def test_relative_in_a_package(self):
        base = "from .b import B\n"
        overlay = "from gammapy.modeling.b import B\n"
        check(base, overlay, base, path="gammapy/modeling/__init__.py")

    def test_none_in_the_base(self):
        base = '"""Doc."""\n\n\ndef f():\n    pass\n'
        expected = '"""Doc."""\n\nimport a\nfrom .b import c\n\n\ndef f():\n    pass\n'
        merged = merge(base, "from .b import c\nimport a\n")
        assert merged.text == expected

    def test_conditional(self):
        base = "try:\n    import ray\nexcept ImportError:\n    ray = None\n"
        check(base, "import ray\n", base)
        base = "if TYPE_CHECKING:\n    from a import b\n"
        assert errors(base, "from a import b\n") == [
            f"{PATH}:1: import of b from a.b: the base binds that name to something"
            " else (a.b under TYPE_CHECKING)"
        ]

    @pytest.mark.parametrize(
        "line, bound",
        [
            ("import other as np", "numpy"),
            ("from .other import Parameter", "gammapy.modeling.parameter.Parameter"),
            ("from .other import Fit", "a definition"),
        ],
    )
    def test_clash(self, line, bound):
        (line,) = errors(BASE, line)
        assert f"the base binds that name to something else ({bound})" in line

    def test_deleted(self):
        (line,) = errors("from a import b\ndel b\n", "from a import b\n")
        assert line.endswith("(a.b, deleted)")

    def test_definition_over_an_import(self):
        (line,) = errors(BASE, "def Parameter():\n    pass\n")
        assert line == f"{PATH}:1: Parameter is an import in the base (line 5)"


class TestKept:
    def test_function(self):
        overlay = """
        # ours
        def run(*args):
            # first
            return _upstream_run(*args) + 1
        """
        old = "def run(a,   b):   # odd formatting stays\n"
        new = old.replace("run", "_upstream_run")
        body = '    """Run it."""\n    return a + b\n'
        added = """

        # ours
        def run(*args):
            \"\"\"Run it.\"\"\"
            # first
            return _upstream_run(*args) + 1
        """
        merged = check(BASE, overlay, changed(old + body, new + body + dedent(added)))
        assert merged.wrapped == {"run"}
        assert merged.replaced == set()
        assert merged.locked.keys() == merge(BASE, "def run():\n    ...").locked.keys()

    def test_methods_work(self):
        base = """
        class Fit:
            def __init__(self):
                self.a = 1

            @staticmethod
            def s():
                return "s"

            @classmethod
            def c(cls):
                return cls.__name__

            @property
            def p(self):
                "Doc."
                return self.a

            def __private(self):
                return 1

            def get(self):
                return self.__private()

            async def wait(self):
                return 1
        """
        overlay = """
        class Fit:
            def __init__(self):
                self._upstream_Fit___init__()
                self.a += 1

            @staticmethod
            def s():
                return Fit._upstream_Fit_s() + "!"

            @classmethod
            def c(cls):
                return cls._upstream_Fit_c() + "!"

            @property
            def p(self):
                return self._upstream_Fit_p + 10

            def __private(self):
                return self._upstream_Fit___private() + 1

            async def wait(self):
                return await self._upstream_Fit_wait() + 1
        """
        merged = merge(base, overlay)
        space = {}
        exec(merged.text, space)
        fit = space["Fit"]()
        assert (fit.a, fit.s(), fit.c(), fit.p, fit.get()) == (2, "s!", "Fit!", 12, 2)
        assert space["Fit"].p.__doc__ == "Doc."
        with pytest.raises(StopIteration, match="2"):
            fit.wait().send(None)
        assert len(merged.wrapped) == 6

    def test_property_with_setter(self):
        overlay = """
        class Fit:
            @property
            def x(self):
                return self._upstream_Fit_x + 1

            @x.setter
            def x(self, value):
                self._upstream_Fit_x = value - 1
        """
        # only the class, which needs nothing of the module
        base = "class Fit(" + BASE.partition("class Fit(")[2]
        merged = merge(base.replace("Parent, metaclass=Meta", ""), overlay)
        assert merged.wrapped == {"Fit.x", "Fit.x.setter"}
        assert "    @_upstream_Fit_x.setter\n    def _upstream_Fit_x(" in merged.text
        space = {}
        exec(merged.text, space)
        fit = space["Fit"]()
        assert fit.x == 2
        fit.x = 7
        assert (fit.x, fit._x) == (7, 6)

    def test_setter_alone(self):
        overlay = """
        class Fit:
            @x.setter
            def x(self, value):
                self._upstream_Fit_x = value - 1
        """
        assert errors(BASE, overlay) == [
            f"{PATH}:2: the original of Fit.x.setter can be kept only together with the"
            " property: redefine Fit.x too"
        ]

    def test_class(self):
        base = "class A:\n    def f(self):\n        return 1\n"
        overlay = """
        class A(_upstream_A):
            def f(self):
                return super().f() + 1
        """
        merged = merge(base, overlay)
        space = {}
        exec(merged.text, space)
        assert space["A"]().f() == 2
        assert merged.wrapped == {"A"}
        assert list(merged.locked) == ["A"]

    def test_constants(self):
        base = "registry = {1: 2}\n\n\nclass A:\n    register: dict = {1: 2}\n"
        overlay = """
        registry = {**_upstream_registry, 3: 4}

        class A:
            register = {**_upstream_A_register, 5: 6}
        """
        expected = """
        _upstream_registry = {1: 2}
        registry = {**_upstream_registry, 3: 4}


        class A:
            _upstream_A_register: dict = {1: 2}
            register = {**_upstream_A_register, 5: 6}
        """
        check(base, overlay, expected)

    def test_nested_class(self):
        overlay = """
        class Fit:
            class Config:
                a = _upstream_Fit_Config_a + 1
        """
        old = "        a = 1\n"
        new = "        _upstream_Fit_Config_a = 1\n"
        new += "        a = _upstream_Fit_Config_a + 1\n"
        check(BASE, overlay, changed(old, new))

    def test_own_docstring(self):
        overlay = 'def run():\n    """Ours."""\n    return _upstream_run\n'
        assert merge(BASE, overlay).text.count("Run it.") == 1
        overlay = "def run(): return _upstream_run\n"
        assert errors(BASE, overlay) == [
            f"{PATH}:1: write the body of run on lines of its own: it has the docstring"
            " of the base"
        ]

    @pytest.mark.parametrize(
        "overlay",
        [
            "def run():\n    return _upstream_walk\n",
            "def walk():\n    return _upstream_walk\n",
            "class Fit:\n    def __init__(self):\n        self._upstream_walk()\n",
        ],
    )
    def test_of_nothing(self, overlay):
        (line,) = errors(BASE, overlay)
        number = len(overlay.splitlines())
        assert line == (
            f"{PATH}:{number}: _upstream_walk keeps nothing: the overlay replaces no"
            " definition of that name that the base has"
        )

    def test_ambiguous(self):
        base = "def A_f(): ...\nclass A:\n    def f(self): ...\n"
        overlay = base.replace("...", "_upstream_A_f()")
        assert errors(base, overlay)[-1].endswith(
            "_upstream_A_f stands for 2 definitions"
        )

    def test_conditional(self):
        base = "if a:\n    def f(): ...\n"
        (line,) = errors(base, "def f():\n    _upstream_f()\n")
        assert "cannot be kept: line 1 of the base defines it inside a compound" in line

    def test_reserved(self):
        (line,) = errors(BASE, "def _upstream_run():\n    pass\n")
        assert line.endswith("_upstream_run: names in _upstream_ are for originals")


class TestRefused:
    @pytest.mark.parametrize(
        "statement",
        [
            "print(1)",
            "x, y = 1, 2",
            "LIMIT += 1",
            "a.b = 1",
            "if TYPE_CHECKING:\n    import a",
            "try:\n    import a\nfinally:\n    pass",
            "for _ in x:\n    pass",
            "with x:\n    pass",
            "del LIMIT",
        ],
    )
    def test_statement(self, statement):
        first = statement.splitlines()[0]
        assert errors(BASE, f"import logging\n{statement}\n") == [
            f"{PATH}:2: refused statement `{first}`: an overlay module holds imports"
            " and definitions only"
        ]

    def test_import_star(self):
        assert errors(BASE, "from a import *\n") == [
            f"{PATH}:1: refused statement: `import *`"
        ]

    def test_in_a_class(self):
        assert errors(BASE, "class Fit:\n    import a\n    pass\n") == [
            f"{PATH}:{line}: refused statement `{text}`: class Fit holds"
            " definitions only"
            for line, text in ((2, "import a"), (3, "pass"))
        ]

    def test_every_error_is_listed(self):
        overlay = "print(1)\nimport other as np\nclass Fit(A):\n    x: 1\n    f()\n"
        assert len(errors(BASE, overlay)) == 4

    def test_defined_twice(self):
        overlay = "def run():\n    ...\n\n\nrun = 1\n"
        assert errors(BASE, overlay) == [f"{PATH}:5: run is defined on line 1 already"]

    def test_shared_line(self):
        assert errors("x = 1; y = 2\n", "x = 3\n") == [
            f"{PATH}:1: x shares its line with another statement in the base"
        ]
        (line, _) = errors("x = 1\n", "x = 2; y = 3\n")
        assert line == f"{PATH}:1: x shares its line with another statement"

    def test_syntax(self):
        (line,) = errors(BASE, "x = 1\ndef f(:\n")
        assert line.startswith(f"{PATH}:2: ")
        (line,) = errors(BASE, "x = 1\r\n")
        assert line == f"{PATH}:1: holds carriage returns: use plain newlines"

    def test_merged_text_must_compile(self):
        overlay = "class Fit:\n  def new(self):\n    pass\n"
        (line,) = errors(BASE, overlay)
        assert line.endswith("(in the merged text)")
