# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Score tests against new fits, on simulated fields."""

import copy
import json
import pickle
from unittest.mock import Mock
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import chi2, kstest
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.datasets import (
    Datasets,
    MapDataset,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.diagnostics import HotSpotEstimator, ScoreTestEstimator, ScoreTests
from gammapy.diagnostics.score_steps import p_value_of
from gammapy.maps import Map, MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    Models,
    SkyModel,
    TemplateSpatialModel,
    UniformPrior,
)
from gammapy.utils.testing import check_bad_input
from .score_fields import (
    FIELDS,
    UNKNOWN,
    backgrounds,
    freeze,
    gauss,
    make_datasets,
    make_field,
    make_source,
    point,
    power_law,
    simulate,
    ts_of_refit,
)

# Of these the prediction must be right wherever it is made.
EXACT = ("tilt", "index", "curvature", "cutoff")

#: Shapes without a smooth statistic: the edge of a disk passes pixels, and a point
#: source is shared between pixels, so that it may end where the slope jumps.
ROUGH = ("ellipse of disk", "source source-1")

#: Insignificant differences of TS: images of points and of Gaussians are drawn in
#: different ways.
LEAST = {"extension of src": 1.0}


def row_of(tests, name):
    """Row of a test."""
    (row,) = [row for row in tests.table if row["name"] == name]
    return row


def run_field(name, seed, **options):
    """Row of a test on a simulated field, and the TS of the new fit."""
    datasets = make_field(name, seed, **options)
    spots = UNKNOWN if name.startswith("source") else None
    tests = ScoreTestEstimator(hot_spots=spots).run(datasets)
    return row_of(tests, name), *ts_of_refit(datasets, tests, name)


def check_against_refit(name, seeds):
    for seed in seeds:
        row, ts, result = run_field(name, seed)
        assert result.success or name in ROUGH
        least = LEAST.get(name, 0.1)
        is_right = abs(row["ts"] - ts) < max(0.1 * ts, least)
        if name.startswith(EXACT):
            assert is_right
        assert is_right or row["flag"], f"{name}, seed {seed}: {row['ts']} not {ts}"
        # A fit gains at least what the step does.
        if "extension" not in name:
            assert row["ts_step"] < ts + (0.25 if name in ROUGH else 0.02)


@pytest.mark.parametrize("name", FIELDS)
def test_ts_of_refit(name):
    check_against_refit(name, [1])


@pytest.mark.long
@pytest.mark.parametrize("name", FIELDS)
def test_ts_of_many_refits(name):
    check_against_refit(name, range(100))


# --- without anything to free ---------------------------------------------------


def spectrum_dataset(seed, tilt=0.0):
    """A spectrum with a background alone, whose norm is fitted."""
    axis = MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=8)
    level = 300 * axis.center.value[:, np.newaxis, np.newaxis] ** -1.0
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
    background.data += level
    counts = background.copy()
    factor = axis.center.value[:, np.newaxis, np.newaxis] ** -tilt
    counts.data = np.random.default_rng(seed).poisson(level * factor).astype(float)
    dataset = SpectrumDataset(name="run", counts=counts, background=background)
    dataset.models = [FoVBackgroundModel(dataset_name="run")]
    norm = dataset.models[0].spectral_model.norm
    norm.value = counts.data.sum() / level.sum()
    return Datasets([dataset])


def tilts(n_fields):
    """TS and p-value of the tilt in simulated spectra without one."""
    rows = [
        ScoreTestEstimator().run(spectrum_dataset(seed)).table[0]
        for seed in range(n_fields)
    ]
    return np.array([(row["ts"], row["p_value"]) for row in rows]).T


def test_null_of_spectra():
    ts, p_value = tilts(60)
    assert kstest(ts, chi2(1).cdf).pvalue > 0.01
    assert kstest(p_value, "uniform").pvalue > 0.01


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "n_free"),
    [("tilt of one-bkg", 1), ("curvature of src", 1), ("position of src", 2)],
)
def test_null(name, n_free):
    kind = {"tilt": "background"}.get(name.split()[0], name.split()[0])
    rows = []
    for seed in range(200):
        datasets = make_field(name, seed, size=0)
        tests = ScoreTestEstimator(kinds=[kind]).run(datasets)
        rows.append(row_of(tests, name))
    ts = np.array([row["ts"] for row in rows])
    assert kstest(ts, chi2(n_free).cdf).pvalue > 0.01
    p_local = np.array([row["p_local"] for row in rows])
    assert kstest(p_local, "uniform").pvalue > 0.01


@pytest.mark.long
def test_null_of_extension():
    name = "extension of src"
    ts = []
    for seed in range(200):
        datasets = make_field(name, seed, size=0)
        tests = ScoreTestEstimator(kinds=["extension"]).run(datasets)
        ts.append(row_of(tests, name)["ts"])
    ts = np.array(ts)
    # Half of them have a negative slope; 3 standard deviations.
    n_zero = np.sum(ts <= 1e-9)
    assert abs(n_zero - 100) < 3 * np.sqrt(50)
    assert kstest(ts[ts > 1e-9], chi2(1).cdf).pvalue > 0.01


def test_p_values():
    # chi2(1) above 9, chi2(2) above 9 is exp(-4.5).
    assert p_value_of(9.0, 1) == pytest.approx(2.6998e-3, rel=1e-4)
    assert p_value_of(9.0, 2) == pytest.approx(np.exp(-4.5))
    assert p_value_of(9.0, 1, n_one_sided=1) == pytest.approx(1.3499e-3, rel=1e-4)
    expected = (2.6998e-3 + np.exp(-4.5)) / 2
    assert p_value_of(9.0, 2, n_one_sided=1) == pytest.approx(expected, rel=1e-4)
    assert p_value_of(0.0, 1, n_one_sided=1) == 1
    assert np.isnan(p_value_of(np.nan, 1))


# --- by hand ----------------------------------------------------------------------


def test_frozen_norm():
    datasets = spectrum_dataset(0)
    norm = datasets.models[0].spectral_model.norm
    expected = norm.value
    counts = datasets[0].counts.data.sum()
    npred = datasets[0].background.data.sum()
    norm.value, norm.frozen = 1.1, True
    tests = ScoreTestEstimator(kinds=["background"]).run(datasets)
    row = row_of(tests, "norm of run-bkg")
    # Twice the logarithm of the ratio of the likelihoods of Poisson counts.
    ts = 2 * (counts * np.log(expected / 1.1) - (expected - 1.1) * npred)
    assert row["ts"] == pytest.approx(ts, rel=0.01)
    assert row["value"] == pytest.approx(expected, abs=0.01)
    assert row["p_local"] == pytest.approx(chi2.sf(ts, 1), rel=0.1)
    # Two tests: 1 - (1 - p)^2.
    n_tests = len(tests.table)
    assert n_tests == 2
    assert row["p_value"] == pytest.approx(1 - (1 - row["p_local"]) ** n_tests)


def test_prior_counts():
    datasets = spectrum_dataset(0, tilt=0.2)
    tilt = datasets.models[0].spectral_model.tilt
    free = row_of(ScoreTestEstimator().run(datasets), "tilt of run-bkg")
    tilt.prior = GaussianPrior(mu=0, sigma=0.05)
    held = row_of(ScoreTestEstimator().run(datasets), "tilt of run-bkg")
    assert 0 < held["value"] < free["value"]
    stat = datasets.stat_sum()
    tilt.frozen = False
    Fit(backend="newton").run(datasets)
    assert held["ts"] == pytest.approx(stat - datasets.stat_sum(), rel=0.05)
    assert held["value"] == pytest.approx(tilt.value, rel=0.02)


def test_tilts_together():
    name = "tilts of all backgrounds"
    datasets = make_field("tilt of one-bkg", 0)
    tests = ScoreTestEstimator().run(datasets)
    row = row_of(tests, name)
    assert row["n_free"] == 2
    assert "one-bkg tilt: 0 -> 0.1" in row["change"]
    assert row["ts"] == pytest.approx(ts_of_refit(datasets, tests, name)[0], rel=0.05)


def test_all_of_a_component():
    names = ["index", "sigma", "lon_0", "lat_0"]
    datasets = make_datasets()
    datasets.models = [make_source(gauss(sigma="0.27 deg")), *backgrounds()]
    simulate(datasets, 0)
    datasets.models = [freeze(make_source(), *names), *backgrounds()]
    Fit(backend="newton").run(datasets)
    tests = ScoreTestEstimator().run(datasets)
    row = row_of(tests, "all frozen parameters of src")
    # index, position, size, ellipse
    assert row["n_free"] == 6
    ts = ts_of_refit(datasets, tests, "all frozen parameters of src")[0]
    assert row["ts"] == pytest.approx(ts, rel=0.1)
    assert "sigma" in tests.verdict


def test_linked_once():
    datasets = make_datasets()
    sources = [make_source(), make_source(gauss(lon_0="-0.5 deg"), name="other")]
    sources[1].spectral_model.index = sources[0].spectral_model.index
    sources[0].spectral_model.index.frozen = True
    datasets.models = [*sources, *backgrounds()]
    simulate(datasets, 0)
    Fit(backend="newton").run(datasets)
    tests = ScoreTestEstimator(kinds=["spectrum"]).run(datasets)
    assert list(tests.table["name"]) == ["index of src"]
    models = tests.take("index of src", datasets.models)
    assert models["src"].parameters["index"] is models["other"].parameters["index"]


def test_one_component():
    """What is not tested is still there: a point and an ellipse, both frozen."""
    datasets = make_field("index of src", 0)
    sources = [
        make_source(point(lon_0="-0.5 deg"), name="point"),
        make_source(gauss(lat_0="0.6 deg", e=0.5), name="ellipse"),
    ]
    for source in sources:
        freeze(source, *source.parameters.names)
        source.spectral_model.amplitude.value = 1e-14
    datasets.models = [*datasets.models, *sources]
    everything = ScoreTestEstimator().run(datasets)
    tests = ScoreTestEstimator(components=["src"]).run(datasets)
    assert set(tests.table["component"]) == {"src"}
    ts = row_of(everything, "index of src")["ts"]
    assert row_of(tests, "index of src")["ts"] == pytest.approx(ts, rel=1e-3)


# --- what cannot be tested as exactly ---------------------------------------------


def test_on_off():
    axis = MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=8)
    true = MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=8, name="energy_true")
    dataset = SpectrumDatasetOnOff.create(
        RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis]).geom,
        energy_axis_true=true,
        name="run",
    )
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e14) * u.Unit(
        "cm2 s"
    )
    dataset.edisp = None
    dataset.mask_safe.data[...] = True
    dataset.acceptance.data[...] = 1
    dataset.acceptance_off.data[...] = 5
    dataset.models = [SkyModel(power_law(index=2.5), name="src")]
    random = np.random.default_rng(0)
    dataset.counts_off.data = random.poisson(np.full(dataset.data_shape, 50.0))
    signal = dataset.npred_signal().data
    dataset.counts.data = random.poisson(signal + 10).astype(float)
    dataset.models = [freeze(SkyModel(power_law(), name="src"), "index")]
    datasets = Datasets([dataset])
    Fit(backend="newton").run(datasets)
    tests = ScoreTestEstimator().run(datasets)
    row = row_of(tests, "index of src")
    ts = ts_of_refit(datasets, tests, "index of src")[0]
    assert ts > 10
    assert row["ts"] == pytest.approx(ts, rel=0.05)


def test_template():
    """A source of which no shape is known."""
    datasets = make_datasets()
    axis = datasets[0].exposure.geom.axes["energy_true"]
    geom = datasets[0].counts.geom.to_image().to_cube([axis])
    image = np.exp(-0.5 * (geom.separation(geom.center_skydir).deg / 0.3) ** 2)
    template = Map.from_geom(geom, data=image, unit="sr-1")
    shape = TemplateSpatialModel(template, filename="template.fits")
    truth = SkyModel(power_law(index=2.45), shape, name="cloud")
    datasets.models = [truth, *backgrounds(tilt=0.1)]
    simulate(datasets, 0)
    cloud = freeze(SkyModel(power_law(), shape, name="cloud"), "index")
    datasets.models = [cloud, *backgrounds()]
    Fit(backend="newton").run(datasets)
    tests = ScoreTestEstimator().run(datasets)
    assert any("cloud (TemplateSpatialModel)" in note for note in tests.notes)
    for name in ("index of cloud", "tilt of one-bkg", "curvature of cloud"):
        ts = ts_of_refit(datasets, tests, name)[0]
        assert row_of(tests, name)["ts"] == pytest.approx(ts, rel=0.1)


def test_differences():
    """Without exact derivatives, because of a prior that is no Gaussian."""
    datasets = make_field("index of src", 0)
    amplitude = datasets.models["src"].parameters["amplitude"]
    amplitude.prior = UniformPrior(min=0, max=1)
    before = repr_of(datasets)
    tests = ScoreTestEstimator(hot_spots=UNKNOWN).run(datasets)
    assert repr_of(datasets) == before
    assert any("Derivatives are differences" in note for note in tests.notes)
    assert any("other shapes of src" in note for note in tests.notes)
    assert row_of(tests, "source source-1")["n_free"] == 1
    # Within its range the prior is the same everywhere.
    amplitude.prior = None
    for name in ("index of src", "curvature of src", "tilt of one-bkg"):
        row, ts = row_of(tests, name), ts_of_refit(datasets, tests, name)[0]
        assert row["ts"] == pytest.approx(ts, rel=0.1, abs=0.1) or row["flag"]


# --- sources ----------------------------------------------------------------------


def test_hot_spot():
    datasets = make_field("source source-1", 0, size=1.5)
    spots = HotSpotEstimator(
        correlation_radii=["0.2 deg"], n_toys=20, random_state=0
    ).run(datasets)
    tests = ScoreTestEstimator(kinds=["source"], hot_spots=spots).run(datasets)
    row = tests.table[0]
    assert row["name"] == "source spot-1"
    ts, _result = ts_of_refit(datasets, tests, "source spot-1")
    assert row["ts"] == pytest.approx(ts, rel=0.1)
    assert row["p_local"] == pytest.approx(spots.table["p_global"][0])
    assert "The new source spot-1 would gain TS = " in tests.verdict
    models = tests.take("source spot-1", datasets.models)
    separation = models["spot-1"].position.separation(UNKNOWN)
    assert separation < 0.06 * u.deg
    # A second search has the same names.
    datasets.models = models
    again = ScoreTestEstimator(kinds=["source"], hot_spots=spots).run(datasets)
    assert again.table["name"][0] == "source new-spot-1"
    assert again.table["ts"][0] < 0.2 * row["ts"]
    # Of five parameters.
    assert again.table["ts_step"][0] >= 0 and again.table["p_local"][0] > 0.1
    datasets.models = again.take("source new-spot-1", models)
    third = ScoreTestEstimator(kinds=["source"], hot_spots=spots).run(datasets)
    assert third.table["name"][0] == "source new-new-spot-1"


def test_no_source_in_a_hole():
    datasets = make_field("source source-1", 0, size=0)
    for dataset in datasets:
        around = dataset.counts.geom.separation(UNKNOWN).deg < 0.3
        dataset.counts.data[:, around] = 0
    tests = ScoreTestEstimator(kinds=["source"], hot_spots=UNKNOWN).run(datasets)
    row = tests.table[0]
    assert (row["ts"], row["value"]) == (0, 0)
    assert row["p_value"] == pytest.approx(1)
    assert "Nothing that was tested gains much" in tests.verdict


def test_processes():
    datasets = make_field("source source-1", 0)
    positions = SkyCoord([UNKNOWN, SkyCoord("0.5 deg", "-0.6 deg", frame="icrs")])
    options = {"kinds": ["source"], "hot_spots": positions}
    one, two = (
        ScoreTestEstimator(n_jobs=n_jobs, **options).run(datasets) for n_jobs in (1, 2)
    )
    assert len(one.table) == 2
    assert str(two) == str(one)
    assert two.table["ts"].tolist() == one.table["ts"].tolist()


# --- nothing changes ----------------------------------------------------------------


def state_of(datasets):
    """What must not change."""
    models = datasets.models
    return {
        "values": [par.value for par in models.parameters],
        "errors": [par.error for par in models.parameters],
        "frozen": [par.frozen for par in models.parameters],
        "bounds": [(par.min, par.max) for par in models.parameters],
        "ids": [id(par) for par in models.parameters],
        "covariance": models.covariance.data.tolist(),
        "stat": datasets.stat_sum(),
        "evaluators": [
            (id(evaluator), id(evaluator.exposure), id(evaluator.model))
            for dataset in datasets
            for evaluator in dataset.evaluators.values()
        ],
        "background": [
            id(dataset.models[f"{dataset.name}-bkg"]) for dataset in datasets
        ],
    }


def repr_of(datasets):
    return repr(state_of(datasets))


def test_nothing_changes(monkeypatch):
    datasets = make_field("sigma of src", 0)
    before = repr_of(datasets)
    maps = [dataset.counts.data.copy() for dataset in datasets]
    estimator = ScoreTestEstimator(hot_spots=UNKNOWN)
    first = estimator.run(datasets)
    assert repr_of(datasets) == before
    for dataset, data in zip(datasets, maps, strict=True):
        assert_allclose(dataset.counts.data, data)
    # Also when it is interrupted; and again the same comes out.
    with monkeypatch.context() as patch:
        patch.setattr(
            "gammapy.diagnostics.score_runs.Runs.row",
            Mock(side_effect=KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            estimator.run(datasets)
    assert repr_of(datasets) == before
    assert str(estimator.run(datasets)) == str(first)


def test_order_does_not_matter():
    datasets = make_field("index of src", 0)
    other = Datasets([datasets[1], datasets[0]])
    other.models = list(reversed(datasets.models))
    one, two = (
        {row["name"]: row["ts"] for row in ScoreTestEstimator().run(part).table}
        for part in (datasets, other)
    )
    assert one.keys() == two.keys()
    for name, ts in one.items():
        assert two[name] == pytest.approx(ts, abs=0.02)


def test_no_minimum():
    datasets = make_field("index of src", 0)
    datasets.models["src"].parameters["amplitude"].value *= 1.1
    tests = ScoreTestEstimator().run(datasets)
    assert any("not at a minimum" in note for note in tests.notes)
    datasets.models["src"].parameters["amplitude"].value /= 1.1
    right = ScoreTestEstimator().run(datasets)
    ts = row_of(right, "index of src")["ts"]
    assert row_of(tests, "index of src")["ts"] == pytest.approx(ts, rel=0.2)


# --- result -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field():
    return make_field("index of src", 0)


@pytest.fixture(scope="module")
def tests(field):
    return ScoreTestEstimator(hot_spots=UNKNOWN).run(field)


def test_result(tests):
    assert tests.verdict.startswith("Freeing the index of src would gain TS = 19")
    assert tests.n_significant >= 1
    table = tests.table
    assert list(table["p_value"]) == sorted(table["p_value"])
    assert set(ScoreTests.COLUMNS) == set(table.colnames)
    assert "index: 2.2 -> 2.2" in row_of(tests, "index of src")["change"]
    assert "steps" not in str(tests)


def test_file(tests, field, tmp_path):
    path = tmp_path / "tests.ecsv"
    tests.write(path)
    other = ScoreTests.read(path)
    assert str(other) == str(tests)
    assert other.verdict == tests.verdict
    name = "source source-1"
    one, two = (part.take(name, field.models) for part in (tests, other))
    assert_allclose(one.parameters.value, two.parameters.value)
    json.dumps(tests.to_dict(), allow_nan=False)
    assert pickle.loads(pickle.dumps(tests)).verdict == tests.verdict
    assert copy.deepcopy(tests).verdict == tests.verdict


def test_take(tests, field):
    before = [par.value for par in field.models.parameters]
    models = tests.take("curvature of src", field.models)
    spectrum = models["src"].spectral_model
    assert spectrum.tag[0] == "LogParabolaSpectralModel"
    assert spectrum.beta.frozen is False
    assert spectrum.alpha.frozen is True
    assert spectrum.reference.quantity == 3 * u.TeV
    assert [par.value for par in field.models.parameters] == before
    assert "source-1" in tests.take("source source-1", field.models).names
    check_bad_input(
        lambda: tests.take("index of srd", field.models),
        ValueError,
        "name",
        "index of srd",
    )
    check_bad_input(lambda: tests.take(3, field.models), TypeError, "name", "3")
    check_bad_input(
        lambda: tests.take("index of src", Models(backgrounds())),
        ValueError,
        "models",
        "'src'",
    )


def test_empty():
    datasets = spectrum_dataset(0)
    datasets.models[0].spectral_model.tilt.frozen = False
    tests = ScoreTestEstimator().run(datasets)
    assert len(tests.table) == 0
    assert tests.verdict == "Nothing is frozen that could be tested."
    assert set(ScoreTests.COLUMNS) == set(tests.table.colnames)


def test_idle_parameters():
    datasets = make_datasets()
    source = make_source(gauss(lon_0="20 deg"), name="far")
    datasets.models = [freeze(source, "index"), *backgrounds()]
    simulate(datasets, 0)
    tests = ScoreTestEstimator().run(datasets)
    assert not any(row["component"] == "far" for row in tests.table)
    assert any("index of far" in note for note in tests.notes)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"kinds": ["tilt"]}, ValueError, ("kinds", "'tilt'", "background")),
        ({"kinds": 3}, TypeError, ("kinds", "3")),
        ({"components": "src"}, TypeError, ("components", "'src'")),
        ({"hot_spots": "here"}, TypeError, ("hot_spots", "'here'")),
        ({"max_difference": 0}, ValueError, ("max_difference", "0")),
        ({"p_threshold": "x"}, TypeError, ("p_threshold", "'x'")),
        ({"kind": ["tilt"]}, TypeError, ("kind", "kinds")),
        ({"n_jobs": 0}, ValueError, ("n_jobs", "0")),
        ({"parallel_backend": "x"}, ValueError, ("parallel_backend", "'x'")),
    ],
)
def test_bad_options(options, kind, words):
    check_bad_input(lambda: ScoreTestEstimator(**options), kind, *words)


def test_bad_datasets(field):
    estimator = ScoreTestEstimator()
    check_bad_input(lambda: estimator.run(None), TypeError, "datasets", "None")
    check_bad_input(lambda: estimator.run([]), ValueError, "datasets", "none")
    empty = MapDataset(name="empty", counts=field[0].counts)
    check_bad_input(lambda: estimator.run(empty), ValueError, "models")
    points = MapDataset(name="points", counts=field[0].counts)
    points.stat_type = "chi2"
    check_bad_input(lambda: estimator.run([points]), TypeError, "'points'", "chi2")
    check_bad_input(
        lambda: ScoreTestEstimator(components=["srd"]).run(field),
        ValueError,
        "components",
        "'srd'",
        "src",
    )
    broken = make_field("index of src", 0)
    broken.models["src"].parameters["amplitude"].value = np.nan
    check_bad_input(lambda: estimator.run(broken), ValueError, "src")


def test_bad_table():
    check_bad_input(lambda: ScoreTests(Table()), ValueError, "ScoreTests", "ts_step")
