# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Is the component that is missing in the J1702-420 field noticed, and where?"""

import sys
from pathlib import Path
import pytest
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
