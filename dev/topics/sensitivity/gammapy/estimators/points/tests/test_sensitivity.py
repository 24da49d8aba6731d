# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import ParameterSensitivityEstimator
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.stats import wstat


@pytest.fixture()
def single_bin_maps():
    """Maps with the value 1."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    axis_true = axis.copy(name="energy_true")
    region = "icrs;circle(0, 0, 0.1)"
    exposure = RegionNDMap.create(region, axes=[axis_true], unit="cm2 s", data=1.0)
    return RegionNDMap.create(region, axes=[axis], data=1.0), exposure * 1e14


@pytest.mark.parametrize("amplitude", [-1e-13, 1e-16, 1e-12, 1e-10])
def test_parameter_sensitivity_fitted_value(single_bin_maps, amplitude):
    one, exposure = single_bin_maps
    dataset = SpectrumDataset(counts=one, background=one * 600, exposure=exposure)
    spectral_model = PowerLawSpectralModel(amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    dataset.models = SkyModel(spectral_model)

    estimator = ParameterSensitivityEstimator(spectral_model.amplitude, 0, n_sigma=5)
    value = estimator.run(Datasets([dataset]))
    # An amplitude of 1e-12 cm-2 s-1 TeV-1 predicts 90 counts
    signal = value / 1e-12 * 90
    ts = 2 * ((signal + 600) * np.log(1 + signal / 600) - signal)
    assert_allclose(np.sqrt(ts), 5, rtol=5e-3)
    assert spectral_model.amplitude.value == amplitude

    spectral_model.amplitude.max = 1e-12
    assert np.isnan(estimator.run(Datasets([dataset])))


@pytest.mark.parametrize("n_on", [0, 540, 740])
def test_parameter_sensitivity_on_off(single_bin_maps, n_on):
    one, exposure = single_bin_maps
    dataset = SpectrumDatasetOnOff(
        counts=one * n_on,
        counts_off=one * 3000,
        acceptance=one,
        acceptance_off=one * 5,
        exposure=exposure,
    )
    spectral_model = PowerLawSpectralModel(amplitude="-1e-13 cm-2 s-1 TeV-1")
    dataset.models = SkyModel(spectral_model)

    estimator = ParameterSensitivityEstimator(spectral_model.amplitude, 0, n_sigma=5)
    signal = estimator.run(Datasets([dataset])) / 1e-12 * 90
    assert np.isfinite(signal)
    if n_on == 740:
        # 740 counts over 600 have a significance of 5 sigma
        ts = wstat(740, 3000, 0.2, 0) - wstat(740, 3000, 0.2, 140)
        assert_allclose(np.sqrt(ts), 5, rtol=1e-3)
        assert_allclose(signal, 140, rtol=5e-3)
