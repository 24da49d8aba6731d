# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import astropy.units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
)
from gammapy.modeling.tests.test_newton import (
    draw,
    make_map,
    make_source,
    make_spectrum,
)

EDGES = [1.5, 3.2, 5.6, 10] * u.TeV
NEWTON = "FluxPointsEstimator: backend 'newton', all that is fitted is norms"
SCALARS = ("norm", "ts", "stat", "stat_null", "npred", "npred_excess", "counts")


@pytest.fixture()
def maps():
    """Two maps with a common extended and a point source, and enough counts."""
    datasets = Datasets([make_map(name, n_pixels=15) for name in ("one", "two")])
    for dataset in datasets:
        dataset.background.data = 10 * dataset.background.data
        dataset.exposure.data = 20 * dataset.exposure.data
    extended = make_source(
        "extended", spatial_model=GaussianSpatialModel(sigma="0.2 deg")
    )
    point = make_source(
        "point",
        amplitude=2e-13,
        spatial_model=PointSpatialModel(lon_0="0.35 deg", lat_0="-0.2 deg"),
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([extended, point, *backgrounds])
    return draw(datasets)


@pytest.fixture()
def spectra():
    """Four spectra, two of each night, with a common source."""
    datasets = Datasets([make_spectrum(f"run-{number}") for number in range(4)])
    for idx, dataset in enumerate(datasets):
        start = (idx // 2 + idx % 2 * 0.1) * u.d
        dataset.gti = GTI.create(start, start + 30 * u.min, Time("2020-01-01"))
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([make_source(amplitude=5e-12), *backgrounds])
    return draw(datasets)


@pytest.fixture()
def pair(spectra):
    """Two spectra with a common source."""
    pair = Datasets(spectra[:2])
    pair.models = [
        model for model in spectra.models if model.name[:5] not in ("run-2", "run-3")
    ]
    return pair


def tight_fit():
    """Minuit, as exact as needed."""
    options = {"backend": "minuit", "tol": 1e-6}
    return Fit(optimize_opts=options, confidence_opts=options)


def state(datasets):
    return [(par.name, par.value, par.error, par.frozen) for par in datasets.parameters]


def run_both(datasets, cls=FluxPointsEstimator, **options):
    """Flux points by Newton's method, and those of Minuit."""
    source = "point" if "point" in datasets.models.names else "src"
    options = {"energy_edges": EDGES, "source": source} | options
    before = state(datasets)
    ours = cls(**options).run(datasets)
    assert state(datasets) == before
    return ours, cls(**options, fit=tight_fit()).run(datasets)


def assert_same(ours, minuit, names=SCALARS, errors=("norm_err",)):
    """Values to 0.1 percent of the error, as the issue of this asks."""
    assert ours.meta == minuit.meta
    assert_allclose(ours.geom.axes["energy"].edges, minuit.geom.axes["energy"].edges)
    error = minuit.norm_err.data
    assert np.all(error > 0)
    assert_allclose(ours.norm.data, minuit.norm.data, rtol=0, atol=1e-3 * error.min())
    for name in names:
        values = [getattr(fit, name).data for fit in (ours, minuit)]
        assert_allclose(*values, rtol=1e-3, atol=1e-3)
        assert values[0].dtype.kind == values[1].dtype.kind
    for name in errors:
        values = [getattr(fit, name).data for fit in (ours, minuit)]
        # The covariance that Migrad leaves is not as good as that of Hesse.
        rtol = 0.1 if name == "norm_err" else 2e-3
        assert_allclose(*values, rtol=rtol)
    assert_array_equal(ours.success.data, minuit.success.data)


@pytest.mark.parametrize("reoptimize", [True, False])
def test_flux_points_are_those_of_minuit(pair, reoptimize, caplog):
    caplog.set_level(logging.DEBUG)
    ours, minuit = run_both(
        pair,
        energy_edges=EDGES[::2],
        reoptimize=reoptimize,
        selection_optional=["errn-errp", "ul", "scan"],
    )
    assert NEWTON in caplog.text
    assert "'minuit', the backend or options were given" in caplog.text
    errors = ("norm_err", "norm_errn", "norm_errp", "norm_ul")
    assert_same(ours, minuit, errors=errors)
    rows = [fit.to_table(sed_type="likelihood") for fit in (ours, minuit)]
    assert rows[0].colnames == rows[1].colnames
    for name in ("ref_dnde", "ref_flux", "e_ref", "e_min", "e_max"):
        assert_allclose(rows[0][name], rows[1][name], rtol=1e-12)
    # Its values depend on the error, so they are not quite the same.
    scans = [(row["norm_scan"][0], row["stat_scan"][0]) for row in rows]
    assert_allclose(*[scan[0] for scan in scans], rtol=0.02)
    for values, stats in scans:
        low = np.argmin(abs(values - rows[0]["norm"][0]))
        assert np.argmin(stats) == low
        assert np.all(stats >= rows[0]["stat"][0] - 1e-6)


def test_flux_points_of_maps(maps):
    ours, minuit = run_both(maps, reoptimize=True)
    assert_same(ours, minuit)


def test_scan_at_given_values(pair):
    ours, minuit = run_both(
        pair,
        reoptimize=True,
        selection_optional=["scan"],
        norm={"scan_values": np.array([0.5, 1.0, 2.0])},
    )
    tables = [fit.to_table(sed_type="likelihood") for fit in (ours, minuit)]
    assert_allclose(*[table["stat_scan"] for table in tables], rtol=0, atol=2e-3)


def test_sensitivity_goes_the_old_way(pair):
    ours, minuit = run_both(
        pair, energy_edges=EDGES[:2], reoptimize=True, selection_optional="all"
    )
    assert_same(ours, minuit)
    # Its root is found to a percent.
    values = [fit.norm_sensitivity.data for fit in (ours, minuit)]
    assert_allclose(*values, rtol=0.02)
    assert np.all(values[0] > 0)


def test_bounds_sigmas_and_null_value(pair):
    ours, minuit = run_both(
        pair,
        n_sigma=2,
        n_sigma_ul=3,
        selection_optional=["errn-errp", "ul"],
        norm={"min": 0.2, "max": 30, "value": 2.5},
    )
    assert_same(ours, minuit, errors=("norm_err", "norm_errp", "norm_ul"))


def test_nuisance_table(pair):
    ours, minuit = run_both(pair, reoptimize=True, debug=True)
    tables = [fit.nuisance for fit in (ours, minuit)]
    assert tables[0].colnames == tables[1].colnames
    # One energy bin of two runs does not tell three norms: Minuit reports some errors.
    undetermined = tables[0]["undetermined"].tolist()
    names = ["src.spectral.norm", "run-0-bkg.spectral.norm", "run-1-bkg.spectral.norm"]
    assert undetermined == ["", ", ".join(names), ""]
    assert np.isnan(tables[0]["run-0-bkg.spectral.norm_err"][1])
    tables = [table[[0, 2]] for table in tables]
    for name in tables[0].colnames:
        if name in ("message", "nfev", "message_null", "nfev_null"):
            continue
        values = [table[name] for table in tables]
        if values[0].dtype.kind != "f":
            assert_array_equal(*values)
            continue
        is_error = "_err" in name or "_pull" in name
        rtol = 0.1 if is_error else 1e-3
        assert_allclose(*values, rtol=rtol, atol=1e-4)


# --- what is where ---------------------------------------------------------


def test_edges_that_are_no_edges_and_bins_without_data(maps, caplog):
    edges = [0.1, 0.5, 1.0, 2.0, 5.0, 50] * u.TeV
    ours, minuit = run_both(maps, energy_edges=edges)
    for name in ("norm", "norm_err", "ts", "counts", "npred"):
        values = [getattr(fit, name).data for fit in (ours, minuit)]
        assert_allclose(*values, rtol=0.02, atol=1e-2)
    edges = [fit.geom.axes["energy"].edges.value for fit in (ours, minuit)]
    assert_allclose(*edges)


def test_bin_that_is_masked(maps):
    for dataset in maps:
        dataset.mask_fit = dataset.counts.geom.energy_mask(energy_min=4 * u.TeV)
    ours, minuit = run_both(maps)
    assert_array_equal(np.isnan(ours.norm.data), np.isnan(minuit.norm.data))
    assert np.isnan(ours.norm.data.ravel()[0])
    values = [fit.norm.data.ravel()[-1] for fit in (ours, minuit)]
    assert_allclose(*values, rtol=1e-3)


def test_bin_without_counts(maps):
    for dataset in maps:
        dataset.counts.data[-1] = 0
    ours, minuit = run_both(maps, reoptimize=True)
    for name in ("norm", "stat", "ts"):
        values = [getattr(fit, name).data.ravel() for fit in (ours, minuit)]
        assert_allclose(values[0][:2], values[1][:2], rtol=1e-3)
        assert_allclose(values[0][2], values[1][2], atol=0.05)


def test_negative_excess(maps):
    for dataset in maps:
        dataset.counts.data[:, 3:8, 2:6] //= 8
    ours, minuit = run_both(maps, energy_edges=EDGES[:3])
    assert np.any(ours.norm.data < 0)
    assert_same(ours, minuit)


def test_prior_of_the_source_does_not_count(maps):
    """Its spectrum is replaced by the norm."""
    amplitude = maps.models["point"].spectral_model.amplitude
    amplitude.prior = GaussianPrior(mu=1e-12, sigma=1e-13)
    norm = maps.models["one-bkg"].spectral_model.norm
    norm.prior = GaussianPrior(mu=0.9, sigma=0.02)
    ours, minuit = run_both(maps, reoptimize=True)
    assert_same(ours, minuit)


def test_parameter_linked_to_the_source(maps):
    other = maps.models["extended"].spectral_model
    other.amplitude = maps.models["point"].spectral_model.amplitude
    ours, _ = run_both(maps, reoptimize=True)
    norm = ours.norm.data
    # It is frozen, with that of the source.
    other.amplitude = other.amplitude.copy()
    other.amplitude.frozen = True
    ours, _ = run_both(maps, reoptimize=True)
    assert_allclose(ours.norm.data, norm, rtol=1e-9)


def test_what_changed_since_the_last_evaluation_counts(maps):
    maps.stat_sum()
    before = FluxPointsEstimator(energy_edges=EDGES, source="point").run(maps)
    for dataset in maps:
        dataset.exposure.data *= 2
    ours, minuit = run_both(maps)
    assert_same(ours, minuit)
    assert_allclose(ours.norm.data, before.norm.data / 2, rtol=0.2)
    # The datasets themselves are as they were, with what they evaluated.
    assert all(dataset.evaluators["point"].needs_update is False for dataset in maps)


def test_counts_that_are_no_integers(maps):
    for dataset in maps:
        dataset.counts.data = dataset.npred().data
    ours, minuit = run_both(maps, energy_edges=EDGES[:3])
    assert_array_equal(ours.counts.data, minuit.counts.data)


def test_negative_counts(maps, caplog):
    caplog.set_level(logging.DEBUG)
    maps[0].counts.data[0, 7, 7] = -2
    FluxPointsEstimator(energy_edges=EDGES[:2], source="point").run(maps)
    assert "'minuit', dataset 'one' has negative counts" in caplog.text


def test_light_curve(spectra, caplog):
    caplog.set_level(logging.DEBUG)
    intervals = [
        Time(["2019-12-31T23:00", "2020-01-01T12:00"]),
        Time(["2020-01-01T20:00", "2020-01-02T12:00"]),
    ]
    options = {
        "source": "src",
        "energy_edges": [1, 3.2, 10] * u.TeV,
        "time_intervals": intervals,
        "selection_optional": ["errn-errp", "ul"],
        "reoptimize": True,
    }
    ours, minuit = run_both(spectra, LightCurveEstimator, **options)
    assert caplog.text.count("LightCurveEstimator: backend 'newton'") == 2
    assert ours.norm.data.shape == (2, 2, 1, 1)
    for name in ("norm", "norm_errn", "norm_errp", "norm_ul", "ts", "npred", "counts"):
        values = [getattr(fit, name).data for fit in (ours, minuit)]
        assert_allclose(*values, rtol=2e-3)


# --- when Minuit makes them ------------------------------------------------


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"fit": Fit("minuit")}, "the backend or options were given"),
        ({"fit": Fit(optimize_opts={})}, "the backend or options were given"),
        ({"sum_over_energy_groups": True}, "sum_over_energy_groups adds up bins"),
        ({"norm": {"frozen": True}}, "the norm is frozen"),
    ],
)
def test_options_for_minuit(maps, options, reason, caplog):
    caplog.set_level(logging.DEBUG)
    estimator = FluxPointsEstimator(energy_edges=EDGES, source="point", **options)
    try:
        estimator.run(maps)
    except ValueError:
        assert estimator.norm.frozen  # There is nothing to fit.
    assert f"backend 'minuit', {reason}" in caplog.text


def test_models_for_minuit(maps, caplog):
    caplog.set_level(logging.DEBUG)
    maps.models["extended"].spectral_model.index.frozen = False
    FluxPointsEstimator(energy_edges=EDGES, source="point", reoptimize=True).run(maps)
    assert "'minuit', Not linear in norms: 'index' of 'extended'" in caplog.text
    caplog.clear()
    # Unless it stays as it is.
    FluxPointsEstimator(energy_edges=EDGES, source="point").run(maps)
    assert NEWTON in caplog.text


def test_weights_for_minuit(maps, caplog):
    caplog.set_level(logging.DEBUG)
    for dataset in maps:
        dataset.stat_type = "cash_weighted"
    FluxPointsEstimator(energy_edges=EDGES, source="point").run(maps)
    assert "'minuit', dataset 'one' has weights" in caplog.text


def test_own_methods_are_called(maps):
    class Estimator(FluxPointsEstimator):
        def estimate_best_fit(self, datasets, parameter):
            return super().estimate_best_fit(datasets, parameter) | {"norm": 42.0}

    points = Estimator(energy_edges=EDGES, source="point").run(maps)
    assert_array_equal(points.norm.data.ravel(), 42)


def test_state_of_an_own_estimator(maps):
    class Estimator(FluxPointsEstimator):
        last = None

        def estimate_flux_point(self, datasets, energy_min, energy_max):
            self.last = energy_max
            return super().estimate_flux_point(datasets, energy_min, energy_max)

    estimator = Estimator(energy_edges=EDGES, source="point", n_jobs=1, debug=True)
    before = vars(estimator).copy()
    estimator.run(maps)
    assert estimator.last == EDGES[-1]
    assert vars(estimator) == before | {"last": EDGES[-1]}


def test_plain_fit_is_not_asked_for(maps, caplog):
    caplog.set_level(logging.DEBUG)
    options = {"energy_edges": EDGES, "source": "point"}
    FluxPointsEstimator(**options, fit=Fit()).run(maps)
    assert NEWTON in caplog.text
    points = FluxPointsEstimator(**options, fit=Fit("newton")).run(maps)
    assert_allclose(points.norm.data, FluxPointsEstimator(**options).run(maps).norm)


def test_processes_are_not_needed(maps):
    options = {"energy_edges": EDGES, "source": "point", "reoptimize": True}
    estimator = FluxPointsEstimator(**options, n_jobs=2)
    points = estimator.run(maps)
    assert estimator.n_jobs == 2
    expected = FluxPointsEstimator(**options).run(maps)
    assert_array_equal(points.norm.data, expected.norm.data)


def test_wrong_source_is_an_error(maps):
    estimator = FluxPointsEstimator(energy_edges=EDGES, source="nobody")
    with pytest.raises((ValueError, KeyError), match="nobody"):
        estimator.run(maps)
