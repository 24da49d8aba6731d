# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Is the component that is missing in the J1702-420 field noticed, and where?"""

import sys
from pathlib import Path
import pytest
import numpy as np
from scipy.stats import gamma
from gammapy.diagnostics import GoodnessOfFitEstimator
from gammapy.modeling import Fit

sys.path.insert(0, str(Path(__file__).parents[1]))
import j1702_scene  # noqa: E402

MISSING = "HESS J1702-420A"


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_missing_component(seed):
    """It lies within another one, whose image is the worst test."""
    datasets = j1702_scene.make_datasets(seed=seed)
    datasets.models = [model for model in datasets.models if model.name != MISSING]
    assert Fit("newton").run(datasets).success
    goodness = GoodnessOfFitEstimator(n_toys=0, random_state=0).run(datasets)
    assert goodness.is_bad
    assert goodness.worst()["test"][0] == "image of HESS J1702-420B"
    assert goodness.worst()["p_value"][0] < 1e-3


@pytest.mark.long
def test_nothing_missing():
    datasets = j1702_scene.make_datasets(seed=0)
    assert Fit("newton").run(datasets).success
    goodness = GoodnessOfFitEstimator(random_state=0).run(datasets)
    assert not goodness.is_bad


# --- smaller mistakes ---------------------------------------------------------


def hold(datasets, name, parameter, change):
    """Hold a parameter at a wrong value and fit all others: what it costs."""
    par = datasets.models[name].parameters[parameter]
    # Norms change by a factor, indices by a number.
    par.value = par.value * (1 + change) if parameter == "norm" else par.value + change
    par.frozen = True
    assert Fit("newton").run(datasets).success
    return datasets.stat_sum()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "parameter", "change", "tests"),
    [
        ("HESS J1708-443", "index", -0.3, ("spectrum", "image")),
        ("bin-2-bkg", "norm", 0.1, ("dataset bin-2",)),
    ],
)
def test_wrong_value(name, parameter, change, tests):
    """It is found, in the right test, which has few cells and so needs toys."""
    datasets = j1702_scene.make_datasets(seed=0)
    hold(datasets, name, parameter, change)
    goodness = GoodnessOfFitEstimator(n_toys=200, random_state=0).run(datasets)
    assert goodness.is_bad
    worst = goodness.worst()["test"][0]
    assert worst in [f"{test} of {name}" for test in tests] or worst in tests


@pytest.fixture
def expected():
    """The scene with its expected counts, and the statistic of the truth."""
    datasets = j1702_scene.make_datasets(seed=0)
    for dataset in datasets:
        counts = np.where(dataset.mask_safe.data, dataset.npred().data, 0)
        dataset.counts.data = counts
    return datasets, datasets.stat_sum()


def typical_p_value(goodness):
    """P-value after trials, and the worst test, where noise is what it is in the mean.

    The statistic of expected counts is what the mistake adds.
    """
    table = goodness.table
    mean, std = (np.asarray(table[name]) for name in ("stat_expected", "stat_std"))
    shape = (mean / std) ** 2
    p_values = gamma.sf(table["stat"] + mean, shape, scale=mean / shape)
    worst = int(np.argmin(p_values))
    return 1 - (1 - p_values[worst]) ** len(table), table["test"][worst]


THREE_SIGMA = 0.0027


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "parameter", "change", "test"),
    [
        ("HESS J1708-443", "index", -0.25, "spectrum of HESS J1708-443"),
        ("HESS J1702-420B", "index", -0.37, "spectrum of HESS J1702-420B"),
        ("diffuse", "index", -0.41, "spectrum of diffuse"),
        ("HESS J1702-420A", "index", 0.48, "image of HESS J1702-420A"),
        ("bin-2-bkg", "norm", -0.08, "dataset bin-2"),
    ],
)
def test_smallest_mistake(expected, name, parameter, change, test):
    """What the guide says is found at three sigma after trials, and no less is."""
    datasets, _stat = expected
    values = list(datasets.parameters.value)
    for share, is_found in ((1.0, True), (0.8, False)):
        datasets.parameters.value = values
        hold(datasets, name, parameter, share * change)
        estimator = GoodnessOfFitEstimator(n_toys=0, random_state=0)
        p_value, worst = typical_p_value(estimator.run(datasets))
        assert (p_value < THREE_SIGMA) == is_found
        assert worst == test


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "parameter", "change", "ts"),
    [
        ("bin-0-bkg", "norm", -0.03, 3.8),
        ("bin-2-bkg", "norm", -0.03, 6.9),
        ("HESS J1708-410", "index", 0.3, 1.1),
        ("HESS J1702-420A", "index", -0.3, 7.4),
        ("HESS J1702-420B", "index", -0.3, 27.4),
    ],
)
def test_what_a_mistake_costs(expected, name, parameter, change, ts):
    """The statistic of a test that knows what to look for, as the guide has it."""
    datasets, stat = expected
    assert abs(hold(datasets, name, parameter, change) - stat - ts) < 0.1
