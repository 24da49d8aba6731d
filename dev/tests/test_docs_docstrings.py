# Licensed under a 3-clause BSD style license - see LICENSE.rst
import importlib
import sys
import textwrap
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import check_docs  # noqa: E402
import docs_api  # noqa: E402

GOOD = '''
"""Module."""
from pydantic import BaseModel

__all__ = ["Config", "Thing", "twice"]


def twice(x, *, y=2):
    """Multiply.

    Parameters
    ----------
    x : float
        Number.
    y : float, optional
        Factor. Default is 2.

    Returns
    -------
    z : float
        Product.

    Raises
    ------
    ValueError
        If y is 0.

    Examples
    --------
    >>> from thing import twice
    >>> twice(4)
    8
    >>> open("new.txt", "w").close()
    """
    if y == 0:
        raise ValueError("y is 0")
    return x * y


class Thing:
    """Something.

    Parameters
    ----------
    x : float
        Number.
    """

    def __init__(self, x):
        self._x = x

    @property
    def x(self):
        """Number."""
        return self._x

    @staticmethod
    def make():
        """Make one.

        Returns
        -------
        thing : `Thing`
            One.

        Examples
        --------
        >>> from thing import Thing
        >>> Thing.make().x
        1
        """
        return Thing(1)


class Config(BaseModel):
    """Configuration.

    Attributes
    ----------
    low, high : float
        Bounds.

    Examples
    --------
    >>> from thing import Config
    >>> Config(low=1).high
    2
    """

    low: int = 1
    high: int = 2
'''


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Check names of a module with a changed text."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(old="", new=""):
        assert old in GOOD
        path = tmp_path / "thing.py"
        path.write_text(GOOD.replace(old, new))
        monkeypatch.delitem(sys.modules, "thing", raising=False)
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        module = importlib.import_module("thing")
        entries = [
            docs_api.Entry("thing", name, getattr(module, name))
            for name in module.__all__
        ]
        return [problem for _ in entries for problem in check_docs.check_entry(_)]

    return check


def test_good(check, tmp_path):
    assert check() == []
    assert not Path("new.txt").exists()


@pytest.mark.parametrize(
    "old, new, problem",
    [
        (
            '    """Multiply.\n',
            '    """Multiply\n',
            "thing.twice: Summary does not end",
        ),
        ('        """Number."""\n', "", "thing.Thing.x: The object does not have"),
        ("*, y=2", "*, y=2, n=3", "thing.twice: Parameters {'n'} not documented"),
        ("*, y=2", "*, z=2", "thing.twice: Unknown parameters {'y'}"),
        ("    y : float, optional\n", "    y\n", 'thing.twice: Parameter "y" has no'),
        (
            "    Returns\n    -------\n    z : float\n        Product.\n",
            "",
            "No Returns",
        ),
        ("    ValueError\n", "    TypeError\n", "thing.twice: raises ValueError"),
        ("    8\n", "    9\n", "thing.twice: ****"),
        (">>> twice(4)", ">>> twice(4)  # doctest: +SKIP", "a part of its example"),
        ("low, high : float", "low : float", "thing.Config: Parameters"),
    ],
)
def test_problem(check, old, new, problem):
    assert any(problem in _ for _ in check(old, new))


def test_no_example(check):
    text = GOOD.partition("    Examples\n")[2].partition('    """')[0]
    (problem,) = check("    Examples\n" + text)
    assert problem == "thing.twice: there is no example"


def test_example_with_data(check, monkeypatch):
    needs = ">>> print('$GAMMAPY_DATA')\n    >>> twice(4)"
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    assert check(">>> twice(4)", needs) == []
    monkeypatch.setenv("GAMMAPY_DATA", "/")
    assert len(check(">>> twice(4)", needs)) == 1


def test_raised_by():
    def function():
        def inner():
            raise KeyError("no")

        try:
            inner()
        except KeyError:
            raise
        if inner:
            raise TypeError("x") from None
        raise NotImplementedError("y")

    assert check_docs.raised_by(function) == {"TypeError"}


# --- names -----------------------------------------------------------------


@pytest.fixture(scope="module")
def entries():
    """What the fork adds and changes."""
    return {_.full_name: _ for _ in docs_api.public_entries()}


def test_entries(entries):
    """Names are those that a user imports, with the members that differ."""
    assert entries["gammapy.datasets.SpatialResiduals"].members is None
    assert entries["gammapy.visualization.plot_nuisance"].kind == "function"
    assert entries["gammapy.modeling.linearity.NotLinearError"].kind == "exception"
    assert entries["gammapy.stats.residuals.RESIDUAL_METHODS"].kind == "data"
    assert entries["gammapy.scripts.residuals.cli_residuals"].title == (
        "gammapy residuals"
    )
    dataset = entries["gammapy.datasets.MapDataset"]
    assert dataset.own_members() == [
        "plot_residuals",
        "plot_residuals_spatial",
        "plot_residuals_spectral",
        "residuals",
    ]
    assert not dataset.has_own_docstring
    fit = entries["gammapy.modeling.Fit"]
    assert fit.has_own_docstring and "optimize" in fit.undocumented
    assert "stat_profile" not in fit.undocumented
    # A mixin that is not exported is shown with what inherits from it.
    assert "gammapy.datasets.spectrum.PlotMixin" not in entries
    assert "plot_fit" in entries["gammapy.datasets.SpectrumDataset"].own_members()


def test_entries_can_be_imported(entries):
    for entry in entries.values():
        module = importlib.import_module(entry.module)
        assert getattr(module, entry.name) is entry.obj
        assert not entry.name.startswith("_")


def test_pages(entries, tmp_path):
    """Each name has a page and is in the index; what has gone leaves no page."""
    stale = tmp_path / "gammapy.gone.rst"
    stale.touch()
    docs_api.write_pages(list(entries.values()), tmp_path)
    assert not stale.exists()
    index = (tmp_path / "index.rst").read_text()
    for name in entries:
        assert (tmp_path / f"{name}.rst").exists()
        assert f"<{name}>" in index
    page = (tmp_path / "gammapy.datasets.MapDataset.rst").read_text()
    assert ".. automethod:: MapDataset.residuals" in page
    assert "docs.gammapy.org/2.1/api/gammapy.datasets.MapDataset.html" in page
    page = (tmp_path / "gammapy.scripts.residuals.cli_residuals.rst").read_text()
    assert "    Usage: gammapy residuals [OPTIONS] DATASETS [MODELS]" in page

    before = {_.name: _.stat().st_mtime_ns for _ in tmp_path.iterdir()}
    docs_api.write_pages(list(entries.values()), tmp_path)
    assert {_.name: _.stat().st_mtime_ns for _ in tmp_path.iterdir()} == before


def test_documented(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        textwrap.dedent('''
        def f():
            """Text."""
        def g():
            pass
        class A:
            def f(self):
                """Text."""
            def g(self):
                pass
        ''')
    )
    assert docs_api.documented(path) == {"f", "A.f"}
