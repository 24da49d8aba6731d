# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Limits beyond a bound, and norms that some flux points do not determine."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
import astropy.units as u
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.estimators import (
    FluxPointsEstimator,
    LightCurveEstimator,
    ParameterEstimator,
)
from gammapy.modeling import Fit, Parameter
from gammapy.modeling.models import FoVBackgroundModel, Models, PointSpatialModel
from gammapy.modeling.tests.test_newton import make_map, make_source, make_spectrum

EDGES = [1, 3, 10] * u.TeV


def make_faint():
    """One spectrum with counts above the background that it has, which is fixed."""
    dataset = make_spectrum(n_bins=2, background=2.0)
    dataset.counts.data[:, 0, 0] = [30, 8]
    dataset.models = [make_source(amplitude=1e-13)]
    dataset.gti = GTI.create(0 * u.h, 1 * u.h)
    return Datasets([dataset])


def true_end(n_counts, signal, background, sigma, sign):
    """Norm where 2 (m - n ln m) has risen by sigma squared above its minimum."""
    best = (n_counts - background) / signal

    def rise(norm):
        npred = background + norm * signal
        return 2 * (npred - n_counts - n_counts * np.log(npred / n_counts)) - sigma**2

    return best, brentq(rise, best, best + sign * 0.999 * n_counts / signal)


def make_estimator(cls=FluxPointsEstimator, norm=None, **kwargs):
    kwargs = {"selection_optional": ["errn-errp", "ul"]} | kwargs
    return cls(energy_edges=EDGES, source="src", norm=norm, **kwargs)


def bounded_norm(**kwargs):
    return Parameter("norm", 1, interp="log", **kwargs)


def expected_limits(datasets):
    signal = datasets[0].npred_signal().data[:, 0, 0]
    numbers = zip(datasets[0].counts.data[:, 0, 0], signal, strict=True)
    return np.array([true_end(n, s, 2.0, 2, 1)[1] for n, s in numbers])


@pytest.mark.parametrize(
    "fit", [None, "newton", "minuit"], ids=["automatic", "newton", "minuit"]
)
def test_upper_limit_beyond_a_bound(fit, caplog):
    datasets = make_faint()
    expected = expected_limits(datasets)
    bound = np.mean(expected)
    assert expected[0] < bound < expected[1] or expected[1] < bound < expected[0]
    kwargs = {} if fit is None else {"fit": Fit(fit)}
    points = make_estimator(norm=bounded_norm(max=bound), **kwargs).run(datasets)
    limits = points.norm_ul.data[:, 0, 0]
    is_inside = expected < bound
    assert_allclose(limits[is_inside], expected[is_inside], rtol=1e-3)
    assert np.isnan(limits[~is_inside]).all()
    warnings = [record for record in caplog.records if "norm_ul" in record.getMessage()]
    assert len(warnings) == 1
    edges = {0: "1-3.162 TeV", 1: "3.162-10 TeV"}[int(np.flatnonzero(~is_inside)[0])]
    text = warnings[0].getMessage()
    assert text.startswith("norm_ul: NaN, because the statistic does not rise by 4")
    assert f"norm.max = {bound:.4g}, for 'src' in {edges}." in text


def test_limits_without_bounds_are_right(caplog):
    datasets = make_faint()
    points = make_estimator(norm=bounded_norm()).run(datasets)
    assert_allclose(points.norm_ul.data[:, 0, 0], expected_limits(datasets), rtol=1e-5)
    assert "norm_ul" not in caplog.text


def test_limit_of_one_flux_point(caplog):
    """Outside a run what must be known is said at once."""
    datasets = make_faint()
    signal = datasets[0].npred_signal().data[:, 0, 0]
    best, end = true_end(38, signal.sum(), 4.0, 2, 1)
    estimator = make_estimator(norm=bounded_norm(max=(best + end) / 2), fit=Fit())
    models = datasets.models.copy()
    models["src"].spectral_model = estimator.get_scale_model(models)
    datasets.models = models
    norm = models["src"].spectral_model.norm
    assert np.isnan(estimator.estimate_ul(datasets, norm)["norm_ul"])
    assert "norm_ul: NaN, because the statistic does not rise by 4 up to" in caplog.text


@pytest.mark.parametrize("fit", [None, "minuit"], ids=["automatic", "minuit"])
def test_errors_beyond_bounds(fit, caplog):
    datasets = make_faint()
    datasets[0].counts.data[:, 0, 0] = [2, 8]
    signal = datasets[0].npred_signal().data[:, 0, 0]
    best, end = true_end(8, signal[1], 2.0, 1, -1)
    kwargs = {} if fit is None else {"fit": Fit(fit)}
    estimator = make_estimator(norm=bounded_norm(min=0), **kwargs)
    points = estimator.run(datasets)
    errn = points.norm_errn.data[:, 0, 0]
    assert np.isnan(errn[0])
    assert_allclose(errn[1], best - end, rtol=1e-3)
    assert np.isfinite(points.norm_errp.data).all()
    text = [
        record.getMessage()
        for record in caplog.records
        if "norm.min = 0" in record.getMessage()
    ]
    assert len(text) == 1
    assert text[0].startswith("norm_errn: NaN")
    assert "1-3.162 TeV" in text[0]


def test_light_curve_warns_once(caplog):
    datasets = make_faint()
    other = datasets[0].copy(name="later")
    other.gti = GTI.create(2 * u.h, 3 * u.h)
    other.models = datasets.models
    datasets = Datasets([*datasets, other])
    estimator = make_estimator(LightCurveEstimator, norm=bounded_norm(max=0.5))
    curve = estimator.run(datasets)
    assert curve.norm_ul.data.shape[0] == 2
    assert np.isnan(curve.norm_ul.data).all()
    warnings = [record for record in caplog.records if "norm_ul" in record.getMessage()]
    assert len(warnings) == 1
    assert "1-3.162 TeV, 3.162-10 TeV" in warnings[0].getMessage()


def test_parameter_estimator(caplog):
    datasets = make_faint()
    amplitude = datasets.parameters["amplitude"]
    amplitude.max = 1e-13
    amplitude.value = 0.5e-13
    estimator = ParameterEstimator(selection_optional=["ul", "errn-errp"])
    result = estimator.run(datasets, "amplitude")
    assert np.isnan(result["amplitude_ul"])
    assert np.isnan(result["amplitude_errp"])
    assert "amplitude_ul: NaN" in caplog.text


# --- norms that are not determined -----------------------------------------


def make_runs(is_masked):
    """Three runs with a background each; the third is masked below 3 TeV."""
    names = ["one", "two", "three"]
    datasets = Datasets([make_spectrum(name, n_bins=4) for name in names])
    if is_masked:
        datasets[2].mask_safe.data[:2] = False
    else:
        datasets = Datasets(list(datasets)[:2])
    datasets.models = Models(
        [
            make_source(),
            *(FoVBackgroundModel(dataset_name=name) for name in datasets.names),
        ]
    )
    rng = np.random.default_rng(3)
    for dataset in datasets:
        dataset.counts.data = rng.poisson(dataset.npred().data).astype(float)
    return datasets


def test_one_run_below_its_threshold(caplog):
    caplog.set_level(logging.DEBUG)
    options = {"reoptimize": True, "debug": True}
    with_it = make_estimator(**options).run(make_runs(is_masked=True))
    text = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING"
    ]
    text = [line for line in text if "not determined" in line]
    assert text == [
        "three-bkg.spectral.norm: not determined by the data, kept at its value "
        "without an error, for 'src' in 1-3.162 TeV."
    ]
    # No detour.
    assert "backend 'minuit'" not in caplog.text
    without = make_estimator(**options).run(make_runs(is_masked=False))
    for name in ("norm", "norm_err", "norm_errp", "norm_errn", "norm_ul", "ts", "stat"):
        values = [getattr(points, name).data[0, 0, 0] for points in (with_it, without)]
        assert np.isfinite(values).all()
        assert_allclose(values[0], values[1], rtol=1e-6)
    assert with_it.success.data.all()
    table = with_it.nuisance
    assert table["undetermined"].tolist() == ["three-bkg.spectral.norm", ""]
    assert table["three-bkg.spectral.norm"][0] == 1
    assert np.isnan(table["three-bkg.spectral.norm_err"][0])
    assert np.isfinite(table["three-bkg.spectral.norm_err"][1])


def make_field(is_far):
    """Map with a point source, and maybe another one 6 deg away."""
    dataset = make_map()
    models = [
        make_source("src", spatial_model=PointSpatialModel()),
        FoVBackgroundModel(dataset_name="map"),
    ]
    if is_far:
        position = PointSpatialModel(lon_0="6 deg", lat_0="0 deg")
        models.append(make_source("far", spatial_model=position))
    dataset.models = models
    rng = np.random.default_rng(0)
    dataset.counts.data = rng.poisson(dataset.npred().data).astype(float)
    return Datasets([dataset])


def test_source_off_the_map(caplog):
    results = []
    for is_far in (True, False):
        datasets = make_field(is_far)
        points = make_estimator(reoptimize=True).run(datasets)
        norm = datasets.models["src"].parameters["amplitude"]
        norm.scan_values = [0.5e-12, 1.5e-12]
        profile = Fit().stat_profile(datasets, norm, reoptimize=True)
        assert all(fit.success for fit in profile["fit_results"])
        result = Fit("newton").run(datasets)
        assert result.success
        results.append(
            [
                *points.norm.data[:, 0, 0],
                *points.norm_err.data[:, 0, 0],
                *points.norm_ul.data[:, 0, 0],
                *(profile["stat_scan"] - result.total_stat),
                norm.value * 1e12,
                norm.error * 1e12,
            ]
        )
        if is_far:
            assert result.undetermined == ["far.spectral.amplitude"]
            far = datasets.models["far"].parameters["amplitude"]
            assert far.value == 1e-12
            assert np.isnan(far.error)
    assert np.isfinite(results).all()
    assert_allclose(results[0], results[1], rtol=1e-6)
    warnings = [record for record in caplog.records if "far" in record.getMessage()]
    # Flux points, profile and fit warn once each.
    assert len(warnings) == 3
