# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Deficits of counts, and spectra with a negative amplitude."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
import astropy.units as u
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.estimators.flux import FluxEstimator
from gammapy.estimators.map.ts import BrentqFluxEstimator, SimpleMapDataset
from gammapy.estimators.parameter import ParameterSensitivityEstimator
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
GEOM = RegionGeom.create("icrs;circle(0, 0, 0.1)", axes=[AXIS])
ALPHA, N_OFF = 0.2, 3000


def region_map(value):
    return RegionNDMap.from_geom(GEOM, data=float(value))


def make_exposure():
    exposure = RegionNDMap.create(
        GEOM.region, axes=[AXIS.copy(name="energy_true")], unit="m2 s"
    )
    exposure.data += 1e10
    return exposure


def make_on_off(n_on, n_off=N_OFF):
    return SpectrumDatasetOnOff(
        counts=region_map(n_on),
        counts_off=region_map(n_off),
        acceptance=region_map(1),
        acceptance_off=region_map(1 / ALPHA),
        exposure=make_exposure(),
        name="test",
    )


def make_source(amplitude=1e-12):
    spectral_model = PowerLawSpectralModel(amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    return SkyModel(spectral_model, name="source")


def wstat(n_on, signal):
    """Statistic of on-off counts, minimised over the background numerically."""
    backgrounds = np.geomspace(300, 1200, 200001)
    on, off = signal + backgrounds, backgrounds / ALPHA
    stat = 2 * (on - n_on * np.log(on) + off - N_OFF * np.log(off))
    best = stat.argmin()
    return stat[best], backgrounds[best]


def asimov_significance(signal, n_on):
    """Of a signal, with the background that the counts prefer beside it."""
    counts = signal + wstat(n_on, signal)[1]
    return np.sqrt(wstat(counts, 0)[0] - wstat(counts, signal)[0])


@pytest.mark.parametrize("n_on", [580, 540, 620])
@pytest.mark.parametrize("fit", [None, Fit("minuit")])
def test_sensitivity_of_on_off(n_on, fit):
    # Not NaN for 580 and 540 counts over 600 either (issue 6719).
    dataset = make_on_off(n_on)
    dataset.models = [make_source()]
    options = {} if fit is None else {"fit": fit}
    points = FluxPointsEstimator(
        source="source", selection_optional=["sensitivity"], **options
    ).run([dataset])
    signal = points.norm_sensitivity.data.item() * 90  # the model predicts 90 counts
    expected = brentq(
        lambda n_sig: asimov_significance(n_sig, n_on) - 5, 50, 500, xtol=0.01
    )
    assert_allclose(signal, expected, rtol=5e-3)


def test_sensitivity_far_from_the_fitted_value():
    dataset = make_on_off(600)
    dataset.models = [make_source(amplitude=1e-24)]
    amplitude = dataset.models[0].spectral_model.amplitude
    estimator = ParameterSensitivityEstimator(amplitude, 0)
    signal = estimator.run(Datasets([dataset])) / 1e-12 * 90
    expected = brentq(
        lambda n_sig: asimov_significance(n_sig, 600) - 5, 50, 500, xtol=0.01
    )
    assert_allclose(signal, expected, rtol=5e-3)


def test_sensitivity_beyond_a_maximum(caplog):
    dataset = make_on_off(600)
    dataset.models = [make_source()]
    amplitude = dataset.models[0].spectral_model.amplitude
    amplitude.max = 1.5e-12
    estimator = ParameterSensitivityEstimator(amplitude, 0)
    assert np.isnan(estimator.run(Datasets([dataset])))
    assert "'amplitude' is beyond its maximum 1.5e-12, so it is NaN" in caplog.text
    assert amplitude.value == 1e-12


@pytest.mark.parametrize("counts", [0, 3, 10, 40])
def test_sensitivity_of_ts_maps_does_not_depend_on_the_counts(counts):
    model = np.array([1.0, 4.0, 1.0])
    background = np.array([2.0, 3.0, 5.0])
    dataset = SimpleMapDataset(
        counts=np.full(3, counts / 3), background=background, model=model, norm_guess=1
    )
    estimator = BrentqFluxEstimator(
        rtol=1e-3, n_sigma=1, n_sigma_ul=2, selection_optional=["sensitivity"]
    )
    norm = estimator.run(dataset)["norm_sensitivity"]
    npred = background + norm * model
    ts = 2 * (npred * np.log(npred / background) - norm * model).sum()
    assert_allclose(np.sqrt(ts), 5, rtol=2e-3)


def make_deficit(counts=540):
    return SpectrumDataset(
        counts=region_map(counts),
        background=region_map(600),
        exposure=make_exposure(),
        name="test",
    )


@pytest.mark.parametrize("amplitude", [1e-12, -1e-12, -6e-13])
@pytest.mark.parametrize("fit", [None, Fit("minuit")])
def test_negative_reference(amplitude, fit, caplog):
    # The upper limit of the flux is not below the flux (issue 5906).
    dataset = make_deficit()
    dataset.models = [make_source(amplitude)]
    options = {} if fit is None else {"fit": fit}
    points = FluxPointsEstimator(
        source="source", selection_optional=["ul", "errn-errp"], **options
    ).run([dataset])
    assert dataset.models[0].spectral_model.amplitude.value == amplitude
    assert ("The spectrum of 'source' is negative" in caplog.text) == (amplitude < 0)

    # 90 counts are an amplitude of 1e-12, that is 0.9e-12 between 1 and 10 TeV.
    flux = points.flux.to_unit("1e-14 cm-2 s-1").data.item()
    assert_allclose(flux, -60, rtol=1e-3)
    limit = brentq(
        lambda n_sig: 2 * (n_sig - 540 * np.log(1 + n_sig / 540)) - 4, 1, 200
    )
    flux_ul = points.flux_ul.to_unit("1e-14 cm-2 s-1").data.item()
    assert_allclose(flux_ul, -60 + limit, rtol=1e-2)
    error = points.flux_err.to_unit("1e-14 cm-2 s-1").data.item()
    assert_allclose(error, np.sqrt(540), rtol=1e-2)
    ts = 2 * (60 + 540 * np.log(0.9))
    assert_allclose(points.sqrt_ts.data.item(), -np.sqrt(ts), rtol=1e-3)
    assert points.reference_model.spectral_model.amplitude.value == abs(amplitude)


def test_negative_reference_of_a_flux():
    dataset = make_deficit()
    dataset.models = [make_source(-1e-12)]
    result = FluxEstimator(source="source", selection_optional=["ul"]).run([dataset])
    assert_allclose(result["norm"], -60 / 90, rtol=1e-2)
    assert result["norm_ul"] > result["norm"] and result["ref_flux"] > 0


def test_spectrum_that_changes_its_sign(caplog):
    spectral_model = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    steep = PowerLawSpectralModel(index=4, amplitude="4e-12 cm-2 s-1 TeV-1")
    dataset = make_deficit()
    dataset.models = [SkyModel(spectral_model - steep, name="source")]
    FluxPointsEstimator(energy_edges=[1, 10] * u.TeV).run([dataset])
    assert "opposite sign" not in caplog.text
