# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pickle
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import kstest
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.diagnostics import GoodnessOfFit, GoodnessOfFitEstimator
from gammapy.diagnostics import goodness as goodness_module
from gammapy.diagnostics import toys as toys_module
from gammapy.modeling import Fit
from gammapy.modeling.models import GaussianPrior
from gammapy.utils.testing import check_bad_input, requires_dependency
from .goodness_fields import (
    norms_field,
    on_off_spectrum,
    simulate,
    source_field,
    source_model,
)

LOGGER = "gammapy.diagnostics.goodness"


def fitted(datasets, seed=0, backend="newton"):
    """Datasets with counts of their models, and these fitted to them."""
    simulate(datasets, np.random.default_rng(seed))
    Fit(backend).run(datasets)
    return datasets


def row_of(goodness, name):
    return {row["test"]: row for row in goodness.table}[name]


@pytest.fixture(scope="module")
def norms():
    return fitted(norms_field(4000, n_pix=30, n_energy=5))


@pytest.fixture(scope="module")
def source():
    return fitted(source_field(3000, names=("one", "two")))


def test_result(source, tmp_path):
    before = [par.value for par in source.parameters], source.stat_sum()
    goodness = GoodnessOfFitEstimator(n_toys=0, random_state=1).run(source)
    assert before == ([par.value for par in source.parameters], source.stat_sum())
    table = goodness.table
    assert list(table["test"])[:4] == [
        "all", "dataset one", "dataset two", "energy 1-2.15 TeV",
    ]  # fmt: skip
    assert {"spectrum of source", "ring around source"} <= set(table["test"])
    row = row_of(goodness, "all")
    # Cells of many counts: the moments are nearly those of the chi2.
    n_dof = row["n_cells"] - row["n_absorbed"]
    assert_allclose(row["stat_expected"], n_dof, rtol=0.03)
    assert_allclose(row["stat_std"], np.sqrt(2 * n_dof), rtol=0.06)
    # Positions, size, spectrum and two norms; the cells lose a part of them.
    assert 4 < row["n_absorbed"] < 8
    assert goodness.p_value == row["p_value"]
    assert 0.01 < goodness.p_value < 0.99
    assert "No sign of a bad fit" in goodness.verdict
    path = tmp_path / "goodness.ecsv"
    goodness.write(path)
    other = GoodnessOfFit.read(path)
    assert str(other) == str(goodness)
    assert other.verdict in other._repr_html_()


def test_sums_of_cells():
    """With a cell for all, the statistic is the one of the sums."""
    datasets = fitted(norms_field(50, n_pix=10, n_energy=1, n_norms=1))
    goodness = GoodnessOfFitEstimator(min_npred=45, random_state=0).run(datasets)
    counts, npred = datasets[0].counts.data.sum(), datasets[0].npred().data.sum()
    row = row_of(goodness, "all")
    assert row["n_cells"] == 1
    wanted = 2 * (npred - counts + counts * np.log(counts / npred))
    assert_allclose(row["stat"], wanted, atol=1e-8)
    # One norm takes away all that there is.
    assert_allclose(row["n_absorbed"], 1, atol=0.02)
    assert_allclose(row["stat_expected"], 0, atol=1e-3)


def test_masks(norms):
    """What is masked does not matter, whatever is there."""
    datasets = pickle.loads(pickle.dumps(norms))
    dataset = datasets[0]
    dataset.mask_fit.data[:2] = False
    dataset.mask_fit.data[:, :, 20:] = False
    estimator = GoodnessOfFitEstimator(n_toys=0, random_state=0, components=[])
    before = estimator.run(datasets).table
    dataset.counts.data[~dataset.mask_fit.data] = 1e6
    after = estimator.run(datasets).table
    assert_allclose(before["stat"], after["stat"])
    assert before["n_cells"][0] < 0.7 * 3000 / 10


# --- p-values ----------------------------------------------------------------


def p_values(datasets, n_fields, names=("all",), backend="newton", **options):
    """P-values of fits to simulations of the present models."""
    random = np.random.default_rng(11)
    truth = [(par, par.value) for par in datasets.parameters]
    options = {"components": [], "n_toys": 0} | options
    found = []
    for seed in range(n_fields):
        for par, value in truth:
            par.value = value
        simulate(datasets, random)
        Fit(backend).run(datasets)
        estimator = GoodnessOfFitEstimator(random_state=seed, **options)
        goodness = estimator.run(datasets)
        found.append([row_of(goodness, name)["p_value"] for name in names])
    return np.array(found)


def is_uniform(values):
    return kstest(values, "uniform").pvalue > 0.01


def test_uniform():
    """7 parameters in some 14 cells; with 7 taken away none would be left."""
    values = p_values(norms_field(220, n_pix=30, n_energy=4), 25)
    values = values[np.isfinite(values)]
    assert values.size > 20
    assert is_uniform(values)


FIELDS = {
    "few counts in 14 cells": lambda: norms_field(220),
    "few counts in 262 cells": lambda: norms_field(3800, n_pix=60, n_energy=12),
    "many counts": lambda: norms_field(60_000, n_pix=30, n_energy=5),
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(FIELDS))
def test_uniform_in_fields(name):
    values = p_values(FIELDS[name](), 500)
    values = values[np.isfinite(values)]
    assert values.size > 400
    assert is_uniform(values)


@pytest.mark.long
def test_uniform_in_regions():
    names = ("spectrum of source", "ring around source", "all")
    datasets = source_field(4000, n_pix=30, n_energy=14)
    found = p_values(datasets, 500, names, components=["source"])
    for values in found.T:
        assert is_uniform(values[np.isfinite(values)])


@pytest.mark.long
def test_uniform_on_off():
    assert is_uniform(p_values(on_off_spectrum(), 500, backend="minuit")[:, 0])


@pytest.mark.long
def test_uniform_of_toys():
    """Few cells: each p-value from simulations."""
    datasets = norms_field(90, n_pix=20, n_energy=3, n_norms=3)
    assert is_uniform(p_values(datasets, 500, n_toys=200)[:, 0])


# --- toys ---------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["cash", "wstat"])
def test_toys_agree_with_moments(backend, norms):
    """Simulations that are fitted do not use the formulas."""
    datasets = norms if backend == "cash" else fitted(on_off_spectrum(), 0, "minuit")
    options = {"random_state": 3, "components": []}
    moments = GoodnessOfFitEstimator(n_toys=0, **options).run(datasets).table[0]
    toys = GoodnessOfFitEstimator(n_toys=150, **options).run(datasets).table[0]
    error = moments["stat_std"] / np.sqrt(150)
    assert abs(toys["stat_expected"] - moments["stat_expected"]) < 3.5 * error
    assert_allclose(toys["stat_std"], moments["stat_std"], rtol=0.2)
    assert_allclose(toys["p_value"], moments["p_value"], atol=0.15)
    assert (toys["n_toys"], moments["n_toys"]) == (150, 0)


def test_full_fits(norms):
    """Norms are fitted on arrays as `Fit` does it."""
    options = {"random_state": 3, "components": [], "n_toys": 4}
    linear, full = (
        GoodnessOfFitEstimator(refit=refit, **options).run(norms).table
        for refit in ("linear", "all")
    )
    assert_allclose(linear["stat_expected"], full["stat_expected"], rtol=1e-3)
    assert_allclose(linear["stat_std"], full["stat_std"], rtol=1e-2)


def test_toys_where_needed(source, monkeypatch):
    monkeypatch.setattr(goodness_module, "N_TOYS", 60)
    goodness = GoodnessOfFitEstimator(random_state=2).run(source)
    n_dof = goodness.table["n_cells"] - goodness.table["n_absorbed"]
    n_toys = np.where(n_dof < 10, 60, 0)
    assert 0 < np.sum(n_toys > 0) < len(n_toys)
    assert_allclose(goodness.table["n_toys"], n_toys)
    assert np.isfinite(goodness.table["p_value"]).all()


def test_seed(norms):
    options = {"n_toys": 5, "components": []}
    first = GoodnessOfFitEstimator(**options).run(norms)
    seed = first.meta["random_state"]
    again = GoodnessOfFitEstimator(random_state=seed, **options).run(norms)
    assert_allclose(first.table["p_value"], again.table["p_value"], rtol=0)
    other = GoodnessOfFitEstimator(random_state=seed + 1, **options).run(norms)
    assert np.any(first.table["stat_std"] != other.table["stat_std"])
    parallel = GoodnessOfFitEstimator(random_state=seed, n_jobs=2, **options)
    assert_allclose(first.table["p_value"], parallel.run(norms).table["p_value"])


@pytest.mark.long
@requires_dependency("ray")
@pytest.mark.parametrize("refit", ["linear", "all"])
def test_ray(norms, refit):
    """Other processes find the same, whatever makes them."""
    import ray

    options = {"n_toys": 4, "components": [], "random_state": 5, "refit": refit}
    alone = GoodnessOfFitEstimator(**options).run(norms)
    try:
        ray.init(num_cpus=2, log_to_driver=False)
        together = GoodnessOfFitEstimator(n_jobs=2, parallel_backend="ray", **options)
        goodness = together.run(norms)
    finally:
        ray.shutdown()
    for name in ("stat_expected", "stat_std", "p_value"):
        assert_allclose(goodness.table[name], alone.table[name], rtol=1e-12)


def test_interrupted(norms, monkeypatch, caplog):
    run, calls = toys_module.Toys.run, []

    def interrupted(self, seed):
        calls.append(seed)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return run(self, seed)

    monkeypatch.setattr(toys_module.Toys, "run", interrupted)
    estimator = GoodnessOfFitEstimator(n_toys=50, random_state=0, components=[])
    goodness = estimator.run(norms)
    assert set(goodness.table["n_toys"]) == {7}
    note = "Interrupted after 7 of 50 toys, which are used."
    assert note in goodness.notes
    assert note in caplog.text
    calls[:] = [None] * 7
    with pytest.raises(KeyboardInterrupt):
        estimator.run(norms)


def test_weighted(norms):
    """With equal weights the statistic of the cells is as it was."""
    datasets = pickle.loads(pickle.dumps(norms))
    datasets[0].stat_type = "cash_weighted"
    options = {"random_state": 0, "n_toys": 0, "components": []}
    plain = GoodnessOfFitEstimator(**options).run(norms).table[0]
    equal = GoodnessOfFitEstimator(**options).run(datasets).table[0]
    assert_allclose(equal["stat"], plain["stat"], rtol=1e-9)
    assert_allclose(equal["n_absorbed"], plain["n_absorbed"], rtol=0.02)
    assert_allclose(equal["stat_expected"], plain["stat_expected"], rtol=0.01)
    weights = np.where(np.indices(datasets[0].data_shape)[2] % 2, 1.0, 0.3)
    datasets[0].mask_fit.data = weights
    Fit("newton").run(datasets)
    options["n_toys"] = 100
    goodness = GoodnessOfFitEstimator(**options).run(datasets)
    row = goodness.table[0]
    options["n_toys"] = 0
    moments = GoodnessOfFitEstimator(**options).run(datasets).table[0]
    assert row["n_cells"] < plain["n_cells"]
    error = moments["stat_std"] / 10
    assert abs(row["stat_expected"] - moments["stat_expected"]) < 3.5 * error
    assert 0.001 < row["p_value"] < 0.999


# --- what is wrong is found ----------------------------------------------------


def worst_of(datasets, **options):
    options = {"random_state": 0} | options
    goodness = GoodnessOfFitEstimator(**options).run(datasets)
    assert goodness.is_bad
    assert "Not a good fit" in goodness.verdict
    worst = goodness.worst()
    assert len(worst) == 3
    assert worst["p_value"][0] < 1e-3
    return list(worst["test"])


def test_wrong_index():
    """Of the source: its region is the worst, which the verdict says."""
    datasets = source_field(4000, n_energy=12)
    source = datasets.models["source"]
    source.spectral_model.amplitude.value *= 8
    source.spatial_model.lon_0.value = source.spatial_model.lat_0.value = 0.9
    simulate(datasets, np.random.default_rng(2))
    source.spectral_model.index.value += 0.3
    source.spectral_model.index.frozen = True
    Fit("newton").run(datasets)
    assert worst_of(datasets, n_toys=0)[0] == "spectrum of source"


def test_missing_source():
    """One that has a hard spectrum is seen at high energies."""
    datasets = source_field(4000, n_pix=30, n_energy=12)
    hidden = source_model("hidden", index=1.5, amplitude="3e-13 TeV-1 s-1 cm-2")
    hidden.spatial_model.lon_0.value = 0.9
    models = list(datasets.models)
    datasets.models = [*models, hidden]
    simulate(datasets, np.random.default_rng(2))
    datasets.models = models
    datasets.models["source"].spatial_model.freeze()
    Fit("newton").run(datasets)
    names = ["energy 3.16-5.62 TeV", "energy 5.62-10 TeV"]
    assert worst_of(datasets, n_toys=0)[0] in names


def test_wrong_norm():
    """3 percent in one of two datasets."""
    datasets = source_field(40_000, n_pix=20, names=("one", "two"))
    simulate(datasets, np.random.default_rng(1))
    norm = datasets.models["two-bkg"].spectral_model.norm
    norm.value, norm.frozen = 0.97, True
    source = datasets.models["source"]
    source.spatial_model.freeze()
    Fit("newton").run(datasets)
    assert worst_of(datasets, min_npred=30)[0] == "dataset two"


# --- bad input -------------------------------------------------------------------


def test_no_free_parameters(norms):
    datasets = pickle.loads(pickle.dumps(norms))
    for par in datasets.parameters:
        par.frozen = True
    options = {"random_state": 0, "components": [], "n_toys": 0}
    goodness = GoodnessOfFitEstimator(**options).run(datasets)
    assert "No parameter is free" in goodness.notes[0]
    assert goodness.table["n_absorbed"][0] == 0
    assert np.isfinite(goodness.p_value)
    options["n_toys"] = 3
    assert GoodnessOfFitEstimator(**options).run(datasets).table["n_toys"][0] == 3


def test_no_covariance(norms, caplog):
    datasets = pickle.loads(pickle.dumps(norms))
    models = datasets.models
    models.covariance = np.zeros((len(models.parameters),) * 2)
    datasets = Datasets(list(datasets))
    options = {"random_state": 0, "components": []}
    goodness = GoodnessOfFitEstimator(**options).run(datasets)
    assert "no covariance" in goodness.notes[0]
    assert "no covariance" in caplog.text
    assert np.isnan(goodness.table["n_absorbed"]).all()
    assert np.isnan(goodness.table["p_value"]).all()
    assert goodness.verdict.startswith("Not judged: The models have no covariance")
    # Simulations need none.
    toys = GoodnessOfFitEstimator(n_toys=60, **options).run(datasets)
    wanted = GoodnessOfFitEstimator(n_toys=60, **options).run(norms)
    assert_allclose(toys.table["p_value"], wanted.table["p_value"], atol=0.02)


def test_not_at_a_minimum(norms):
    datasets = pickle.loads(pickle.dumps(norms))
    norm = datasets.models["field-bkg"].spectral_model.norm
    stat = datasets.stat_sum()
    norm.value += 3 * norm.error
    fall = datasets.stat_sum() - stat
    options = {"random_state": 0, "components": [], "n_toys": 0}
    (note, *_more) = GoodnessOfFitEstimator(**options).run(datasets).notes
    assert "not at a minimum" in note
    assert_allclose(float(note.split("about ")[1].strip(".")), fall, rtol=0.3)
    assert not GoodnessOfFitEstimator(**options).run(norms).notes[:-1]


def test_wrong_covariance(norms):
    datasets = pickle.loads(pickle.dumps(norms))
    models = datasets.models
    datasets._covariance.data = 9 * models.covariance.data
    for par in datasets.parameters:
        par.error *= 3
    options = {"random_state": 0, "components": [], "n_toys": 0}
    notes = GoodnessOfFitEstimator(**options).run(datasets).notes
    assert "factors of 8" in notes[0] or "factors of 9" in notes[0]


def test_list_of_datasets(norms):
    """It does not know how models are correlated, which matters here."""
    options = {"random_state": 0, "components": [], "n_toys": 0}
    together = GoodnessOfFitEstimator(**options).run(norms)
    apart = GoodnessOfFitEstimator(**options).run(list(norms))
    note = "no correlations between models"
    assert any(note in text for text in apart.notes)
    assert not any(note in text for text in together.notes)
    assert apart.table["n_absorbed"][0] > together.table["n_absorbed"][0] + 0.1


def test_prior(norms):
    """A prior that decides leaves the fit nothing to take away."""
    datasets = pickle.loads(pickle.dumps(norms))
    for par in datasets.parameters.free_parameters:
        par.prior = GaussianPrior(mu=par.value, sigma=1e-4)
    Fit("newton").run(datasets)
    options = {"random_state": 0, "components": []}
    row = GoodnessOfFitEstimator(n_toys=0, **options).run(datasets).table[0]
    assert row["n_absorbed"] < 0.01
    toys = GoodnessOfFitEstimator(n_toys=100, **options).run(datasets).table[0]
    error = row["stat_std"] / 10
    assert abs(toys["stat_expected"] - row["stat_expected"]) < 3.5 * error


def test_without_counts(norms):
    """Zero counts are data, too; none at all are not."""
    datasets = pickle.loads(pickle.dumps(norms))
    datasets[0].counts.data[...] = 0
    options = {"random_state": 0, "components": [], "n_toys": 0}
    goodness = GoodnessOfFitEstimator(**options).run(datasets)
    npred = datasets[0].npred().data.sum()
    assert_allclose(goodness.table["stat"][0], 2 * npred, rtol=1e-9)
    assert goodness.is_bad
    datasets[0].counts = None
    run = GoodnessOfFitEstimator(**options).run
    check_bad_input(lambda: run(datasets), ValueError, "'field' has no counts")


def test_bad_input(norms):
    run = GoodnessOfFitEstimator(random_state=0).run
    datasets = pickle.loads(pickle.dumps(norms))
    datasets[0].mask_fit.data[...] = False
    check_bad_input(lambda: run(datasets), ValueError, "field", "masked", "mask_fit")
    check_bad_input(lambda: run([]), ValueError, "at least one dataset")
    check_bad_input(lambda: run(None), TypeError, "datasets")

    def make(**options):
        return lambda: GoodnessOfFitEstimator(**options)

    check_bad_input(make(min_npred=0), ValueError, "min_npred", "0")
    check_bad_input(make(n_toys=-1), ValueError, "n_toys", "-1")
    check_bad_input(make(n_toys="many"), TypeError, "n_toys", "many")
    check_bad_input(make(refit="norm"), ValueError, "refit", "linear")
    check_bad_input(make(random_state=0.5), ValueError, "random_state", "0.5")
    check_bad_input(make(energy_edges=["1 m"]), ValueError, "energy_edges")
    check_bad_input(make(p_threshold=0), ValueError, "p_threshold")
    check_bad_input(make(n_jobs=0), ValueError, "n_jobs")
    check_bad_input(make(n_toy=3), TypeError, "n_toy", "n_toys")
    check_bad_input(make(components="blob-1"), TypeError, "components")
    run = make(components=["blop-1"])().run
    check_bad_input(lambda: run(norms), ValueError, "components", "blob-1")
    run = make(energy_edges=["1 TeV", "5 TeV", "10 TeV"])().run
    check_bad_input(lambda: run(norms), ValueError, "5 TeV", "field")


def test_verdict():
    names = list(GoodnessOfFit.COLUMNS)
    rows = [
        ("all", 90, 95.0, 88.0, 13.0, 2.0, 0, 0.3),
        ("energy 1-2 TeV", 9, 30.0, 8.0, 4.0, 1.0, 1000, 1e-4),
        ("dataset b", 9, 8.0, 8.0, 4.0, 1.0, 0, np.nan),
    ]
    goodness = GoodnessOfFit(Table(rows=rows, names=names), {"p_threshold": 0.01})
    assert goodness.n_tests == 2
    # Two trials.
    assert_allclose(goodness.p_worst, 1 - (1 - 1e-4) ** 2)
    assert goodness.verdict == (
        "Not a good fit (p = 0.3 in all 90 cells, 0.0002 for the worst of 2 tests "
        "after trials); worst are energy 1-2 TeV (p = 0.0001), all (p = 0.3)."
    )


def test_log(norms, caplog):
    caplog.set_level(logging.WARNING, logger=LOGGER)
    options = {"random_state": 0, "components": [], "n_toys": 0}
    goodness = GoodnessOfFitEstimator(**options).run(norms)
    logged = [record.message for record in caplog.records if record.name == LOGGER]
    assert logged == goodness.notes
