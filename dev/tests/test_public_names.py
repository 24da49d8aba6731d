# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whatever was public can be imported from where it was, and takes what it took."""

import importlib
import inspect
import sys
from operator import attrgetter
from pathlib import Path
import click
import pytest
from gammapy.scripts.main import cli

sys.path.insert(0, str(Path(__file__).parents[1]))
import public_names  # noqa: E402

NAMES = public_names.read_record()


def of_kind(kind):
    return [tuple(rest) for first, *rest in NAMES if first == kind]


def get(module, name):
    return attrgetter(name)(importlib.import_module(module))


def test_record_is_complete():
    kinds = ("class", "name", "function", "key", "flag")
    n_names = {kind: len(of_kind(kind)) for kind in kinds}
    assert sum(n_names.values()) == len(NAMES) == len(set(NAMES))
    assert min(n_names.values()) > 20


def test_classes():
    """Old pickles load."""
    for module, name in of_kind("class"):
        assert inspect.isclass(get(module, name))


@pytest.mark.parametrize(("module", "name"), of_kind("name"))
def test_name(module, name):
    assert name in importlib.import_module(module).__all__
    get(module, name)


def problem_of(old, parameters):
    """What calls that were right are no longer, None if there is nothing."""
    kinds = inspect.Parameter
    by_place = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    has_any = any(par.kind is kinds.VAR_KEYWORD for par in parameters.values())
    split = old.index("*") if "*" in old else len(old)
    given = [name for name in by_place if name not in ("self", "cls")]
    if tuple(given[:split]) != tuple(old[:split]):
        return f"{given} does not begin with {old[:split]}"
    missing = [name for name in old[split + 1 :] if name not in parameters]
    return f"lacks {missing}" if missing and not has_any else None


@pytest.mark.parametrize(
    ("module", "name", "old"),
    [(module, name, old) for module, name, *old in of_kind("function")],
)
def test_arguments(module, name, old):
    found = get(module, name)
    if not callable(found):  # a property
        assert not old
        return
    assert problem_of(old, inspect.signature(found).parameters) is None


@pytest.mark.parametrize(
    ("old", "is_right"),
    [
        (["a"], True),
        (["a", "*", "b"], True),
        (["a", "*", "c"], False),
        (["b"], False),
        (["a", "b"], False),
        ([], True),
    ],
)
def test_problem(old, is_right):
    def changed(a, *, b=1):
        pass

    problem = problem_of(old, inspect.signature(changed).parameters)
    assert (problem is None) is is_right


@pytest.mark.parametrize(("module", "section", "key"), of_kind("key"))
def test_key(module, section, key):
    assert key in get(module, section).model_fields


def commands(group):
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def test_flags():
    known = {
        (command.callback.__module__, flag)
        for command in commands(cli)
        for flag in (
            *(flag for option in command.params for flag in option.opts),
            *(flag for option in command.params for flag in option.secondary_opts),
            # Old names stay for a release.
            *getattr(command, "old_flags", {}),
        )
    }
    known |= {
        (command.callback.__module__, flag)
        for command in commands(cli)
        for flag in getattr(command, "old_flags", {})
    }
    missing = set(of_kind("flag")) - known
    assert not missing


def test_read_names(tmp_path):
    package = tmp_path / "gammapy"
    package.mkdir()
    (package / "one.py").write_text(
        '__all__ = ["f", "C"]\n'
        "def f(a, b=1, *, c=2, **kwargs): pass\n"
        "def hidden(a): pass\n"
        "class C:\n    def __init__(self, d): pass\n    def _g(self, e): pass\n"
    )
    (package / "two.py").write_text(
        "class MyConfig:\n    key: int = 3\n"
        '@click.option("--flag", "-f", help="--no")\n'
        "def run(flag): pass\n"
    )
    assert public_names.read_names(package) == {
        ("class", "gammapy.one", "C"),
        ("class", "gammapy.two", "MyConfig"),
        ("name", "gammapy.one", "f"),
        ("name", "gammapy.one", "C"),
        ("function", "gammapy.one", "f", "a", "b", "*", "c"),
        ("function", "gammapy.one", "C.__init__", "d"),
        ("key", "gammapy.two", "MyConfig", "key"),
        ("flag", "gammapy.two", "--flag"),
        ("flag", "gammapy.two", "-f"),
        ("function", "gammapy.two", "run", "flag"),
    }
    path = tmp_path / "data" / "names.txt"
    public_names.write_record(package, path)
    assert set(public_names.read_record(path)) == public_names.read_names(package)
