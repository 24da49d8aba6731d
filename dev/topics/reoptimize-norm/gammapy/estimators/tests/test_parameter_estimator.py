# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators.parameter import ParameterEstimator
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import FoVBackgroundModel


def test_parameter_estimator_reoptimize_only_free_parameter():
    # 48 counts, 40 expected
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    dataset = SpectrumDataset(name="a", counts=background * 1.2, background=background)
    dataset.models = [FoVBackgroundModel(dataset_name="a")]
    norm = dataset.models.parameters["norm"]
    norm.scan_values = np.array([1.0, 1.5])

    estimator = ParameterEstimator(
        null_value=1, selection_optional=["ul", "scan"], reoptimize=True
    )
    result = estimator.run(Datasets([dataset]), norm)

    assert result["success"]
    assert_allclose(result["norm"], 1.2, rtol=1e-3)
    assert_allclose(result["norm_err"], np.sqrt(48) / 40, rtol=1e-3)
    assert_allclose(result["ts"], 2 * (48 * np.log(1.2) - 8), rtol=1e-3)
    assert_allclose(result["stat_scan"][0], result["stat_null"])
    difference = 2 * (20 - 48 * np.log(1.5))
    assert_allclose(np.diff(result["stat_scan"]), difference, rtol=1e-3)
    assert result["norm_ul"] > 1.5
    assert not norm.frozen
