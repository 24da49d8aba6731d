# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.estimators.map.ts import BrentqFluxEstimator, SimpleMapDataset


@pytest.mark.parametrize("counts", [0, 3, 10, 40])
def test_brentq_sensitivity_is_independent_of_counts(counts):
    model, background = np.array([1.0, 4.0, 1.0]), np.array([2.0, 3.0, 5.0])
    dataset = SimpleMapDataset(
        model=model,
        counts=np.array([0.0, counts, 0.0]),
        background=background,
        norm_guess=1.0,
    )
    estimator = BrentqFluxEstimator(
        rtol=1e-3,
        n_sigma=1,
        n_sigma_ul=2,
        n_sigma_sensitivity=5,
        selection_optional=["sensitivity"],
    )
    norm = estimator.run(dataset)["norm_sensitivity"]
    npred = background + norm * model
    ts = 2 * (npred * np.log(npred / background) - norm * model).sum()
    assert_allclose(np.sqrt(ts), 5, rtol=2e-3)

    dataset.model *= 0
    assert np.isnan(estimator.run(dataset)["norm_sensitivity"])
