# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One name per thing in Python, in configuration files and in a shell."""

import inspect
import warnings
from typing import get_args
import pytest
from pydantic import BaseModel
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.analysis.sections import ExclusionMakerConfig, ResidualsConfig
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.diagnostics import FitHistory, HotSpotEstimator, ScoreTestEstimator
from gammapy.makers import ExclusionMaskMaker, FoVBackgroundMaker
from gammapy.modeling import Fit
from gammapy.report import FitReport
from gammapy.scripts import report, residuals
from gammapy.scripts.main import add_subcommands, cli
from gammapy.utils.deprecation import GammapyDeprecationWarning
from gammapy.visualization import (
    plot_nuisance,
    plot_spatial_residuals,
    plot_spectral_residuals,
)

#: What a flag or key is an option of, in Python.
RESIDUALS = (
    SpatialResiduals.from_datasets,
    SpectralResiduals.from_datasets,
    plot_spatial_residuals,
    plot_spectral_residuals,
)
COMMANDS = {
    "residuals": (
        *RESIDUALS,
        HotSpotEstimator,
        ScoreTestEstimator,
        Analysis.write,
    ),
    "nuisance": (plot_nuisance, Analysis.write),
    "history": (FitHistory.add, Analysis.write),
    "report": (FitReport, Analysis.write),
}
OLD_FLAGS = {"residuals": residuals.OLD_FLAGS, "report": report.OLD_FLAGS}
#: Flags that have no option in Python, and why.
WITHOUT_OPTION = {
    "residuals": {"dataset": "datasets are selected by their names"},
    "nuisance": {"plot": "the file of a figure"},
    "report": {"out": "the file of the page"},
    "history": {
        "compare": "a method",
        "step": "steps are selected by their names",
        "notes": "columns are selected by their names",
        "plot": "the file of a figure",
    },
}


def names(*functions):
    """Names of the parameters of functions."""
    return {name for each in functions for name in inspect.signature(each).parameters}


def flags(command):
    """Names of the flags of a command as Python has them."""
    return {
        option.lstrip("-").replace("-", "_")
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }


@pytest.fixture(scope="module")
def commands():
    add_subcommands()
    return cli.commands


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_options_of_python(commands, name):
    known = names(*COMMANDS[name]) | set(WITHOUT_OPTION[name])
    # What a step of a history holds is what FitHistory.add is given.
    assert flags(commands[name]) - known == set()
    assert set(WITHOUT_OPTION[name]) <= flags(commands[name])


def test_keys_are_options_of_python():
    assert set(ResidualsConfig.model_fields) <= names(*RESIDUALS)
    keys = set(ExclusionMakerConfig.model_fields)
    assert keys - names(ExclusionMaskMaker) == {"filename"}
    background = AnalysisConfig().datasets.background
    added = {"energy_min", "energy_max", "debug"}
    assert added <= set(type(background).model_fields) & names(FoVBackgroundMaker)
    assert "debug" in set(type(AnalysisConfig().fit).model_fields) & names(Fit)


def test_flags_are_keys(commands):
    """What a configuration says of residuals can be said in a shell, in one word."""
    assert set(ResidualsConfig.model_fields) <= flags(commands["residuals"])


def sections_of(cls):
    """A section and all sections in it."""
    yield cls
    for field in cls.model_fields.values():
        for kind in get_args(field.annotation) or [field.annotation]:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from sections_of(kind)


def test_old_names_are_gone(commands):
    renamed = residuals.OLD_FLAGS
    old = {name.lstrip("-").replace("-", "_") for name in renamed} - {"out"}
    for name in COMMANDS:
        assert not old & flags(commands[name])
    # "radius" is that of a circle.
    added = {
        name
        for cls in (ResidualsConfig, ExclusionMakerConfig)
        for name in cls.model_fields
    }
    assert not old & added
    keys = {key for cls in sections_of(AnalysisConfig) for key in cls.model_fields}
    assert not (old - {"radius"}) & keys


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [(name, *pair) for name, renamed in OLD_FLAGS.items() for pair in renamed.items()],
)
def test_old_flags_warn(commands, name, old, new):
    command = commands[name]
    values = {"--radius": ["0.2 deg"], "--section": ["goodness"]}
    values |= {"--no-mask-fit": [], "--spots": []}
    given = {
        flag: [__file__, __file__, flag, *values.get(old, ["3"])] for flag in (old, new)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = command.make_context(name, given[new]).params
    match = f"The flag '{old}' is deprecated since 2.2: use '{new}'"
    with pytest.warns(GammapyDeprecationWarning, match=match):
        assert command.make_context(name, given[old]).params == expected
