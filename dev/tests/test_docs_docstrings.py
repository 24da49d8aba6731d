# Licensed under a 3-clause BSD style license - see LICENSE.rst
import importlib
import re
import sys
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = "examples/tutorials/**/*.py"
sys.path.insert(0, str(ROOT / "dev"))

import check_docs  # noqa: E402
import docs_api  # noqa: E402
import merged  # noqa: E402

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
        return [
            problem for entry in entries for problem in check_docs.check_entry(entry)
        ]

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
    assert any(problem in found for found in check(old, new))


class TestExtended:
    """Of a docstring that extends the base's, what is new is checked."""

    BASE = "Multiply\n\nParameters\n----------\nx : float\n    Number.\n"

    @pytest.fixture
    def check(self, tmp_path, monkeypatch):
        """Check a function whose docstring was extended."""
        monkeypatch.syspath_prepend(str(tmp_path))

        def check(ours, base=self.BASE):
            monkeypatch.delitem(sys.modules, "more", raising=False)
            text = f"'''{base}\n{ours}'''".replace("\n", "\n    ")
            text = f"def f(x, y=2, z=3):\n    {text}\n    return x\n"
            (tmp_path / "more.py").write_text(text)
            importlib.invalidate_caches()
            monkeypatch.setattr(sys, "dont_write_bytecode", True)
            module = importlib.import_module("more")
            # the base does not describe y, which it has; z is ours
            extension = merged.Extension(base, ours, ("x", "y"))
            entry = docs_api.Entry(
                "more", "f", module.f, extended={"__doc__": extension}
            )
            return check_docs.check_entry(entry)

        return check

    GOOD = "z : int\n    Ours.\n\nExamples\n--------\n>>> 1\n1\n"

    def test_good(self, check):
        """No period, no Returns, y: that is not for us to correct."""
        assert check(self.GOOD) == []

    @pytest.mark.parametrize(
        "old, new, problem",
        [
            ("z : int\n    Ours.\n", "", "Parameters z not documented"),
            ("    Ours.\n", "", 'Parameter "z" has no description'),
            ("z : int", "z", 'Parameter "z" has no type'),
            (">>> 1\n1", ">>> 1\n2", "****"),
            (">>> 1\n1\n", "", "there is no example"),
        ],
    )
    def test_problem(self, check, old, new, problem):
        (found,) = check(self.GOOD.replace(old, new))
        assert problem in found

    def test_examples_of_the_base(self, check):
        """They are not run; with them ours need none."""
        base = "Multiply\n\nExamples\n--------\n>>> 1  # doctest: +SKIP\n>>> 1\n2\n\n"
        base += self.BASE.partition("\n\n")[2]
        assert check("z : int\n    Ours.\n", base) == []


def test_example_with_numbers(check):
    """Numbers are compared as such, to 1e-5."""
    assert check(">>> twice(4)\n    8", ">>> twice(0.1) + 0.1\n    0.3") == []
    (problem,) = check(">>> twice(4)\n    8", ">>> twice(0.1) + 0.1\n    0.31")
    assert "Expected:\n    0.31\nGot:\n    0.30000000000000004" in problem


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
    return {entry.full_name: entry for entry in docs_api.public_entries()}


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


def test_names_with_a_page(entries):
    """What users call has a page, helpers of other modules have none."""
    listed = {entry.full_name for entry in docs_api.listed_entries(entries.values())}
    assert set(docs_api.CALLED) < listed < set(entries)
    for name in (
        "gammapy.datasets.MapDataset",
        "gammapy.modeling.newton.fit_norms",
        "gammapy.scripts.residuals.cli_residuals",
        "gammapy.visualization.residuals.SpatialResidualsPlotter",
    ):
        assert name in listed
    for name in (
        "gammapy.analysis.sections.StackConfig",
        "gammapy.modeling.nuisance.fit_row",
        "gammapy.stats.goodness.cash_moments",
        "gammapy.utils.atomic.write_files",
        "gammapy.visualization.plotter.BasePlotter",
    ):
        assert name in entries and name not in listed
    # All that the code of guide, tutorials and README imports has one.
    texts = [ROOT / "README.rst", *ROOT.glob("docs/**/*.rst"), *ROOT.glob(TUTORIALS)]
    pattern = re.compile(r"^ *from (gammapy\.[\w.]+) import (\w+(?:, \w+)*)$", re.M)
    imported = {
        f"{module}.{name}"
        for path in texts
        for module, names in pattern.findall(path.read_text(encoding="utf-8"))
        for name in names.split(", ")
    }
    assert len(imported & listed) > 20
    assert imported & (set(entries) - listed) == set()


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

    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    docs_api.write_pages(list(entries.values()), tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_members_in():
    found = {"A.f": 1, "A.g.setter": 2, "A": 3, "B.f": 4, "__doc__": 5}
    assert docs_api.members_in(found, "A") == {"f": 1, "g.setter": 2}
