# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Histories of fits: what is written, and read again."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_equal
from astropy.table import Table
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.diagnostics import (
    FitHistory,
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    HotSpots,
)
from gammapy.maps import Map
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    GaussianPrior,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
    TemplateSpatialModel,
)
from gammapy.stats.fit_statistics import FitStatisticPenalty
from gammapy.utils.testing import check_bad_input
from .goodness_fields import norms_field
from .history_fields import COUNTS, fitted, spectra, ts_of_norm


@pytest.fixture
def history(tmp_path):
    return FitHistory(tmp_path / "history")


def data_files(history):
    return sorted(path.name for path in (history.folder / "data").iterdir())


def test_table(history):
    datasets = spectra()
    history.add("fixed", datasets)
    history.add("norm", datasets, fitted(datasets, "norm"), note="What is the norm?")
    table = history.table()
    assert table["name"].tolist() == ["fixed", "norm"]
    assert table["n_free"].tolist() == [0, 1] and table["n_dof"].tolist() == [None, 1]
    ts, n_events = ts_of_norm(), sum(COUNTS)
    assert_allclose(table["ts"], [np.nan, ts], rtol=1e-6)
    assert_allclose(table["sigma"][1], np.sqrt(ts), rtol=1e-6)
    for name, penalty in (("aic", 2), ("bic", np.log(n_events))):
        assert_allclose(np.diff(table[name]), penalty - ts, rtol=1e-6)
    # With an absolute scale, too.
    assert_allclose(table["aic"] - table["stat"], [0, 2])
    assert table["data"].tolist() == [1, 1]
    assert table["success"].tolist() == [False, True]
    assert table["note"][1] == "What is the norm?"
    assert table["caveat"].tolist() == ["", "not fitted"]
    assert np.isnan(table["spot"]).all() and table["n_spots"].tolist() == [None, None]
    assert (
        "norm" in history and len(history) == 2 and history.names == ["fixed", "norm"]
    )
    assert "TS = 6.0 for 1 more parameter, 2.5 sigma" in str(history)
    assert "TS = 6.0" in history._repr_html_()
    assert history.to_dict()["steps"][1]["n_free"] == 1


def test_empty_history(history):
    assert len(history) == 0 and len(history.table()) == 0
    assert history.verdict == "There is no step yet."
    assert "stat" in str(history) and not history.folder.exists()
    with pytest.raises(KeyError, match="there are none"):
        history["first"]


def covariance(models):
    """Covariance of the free parameters, linked ones once."""
    free = models.parameters.free_unique_parameters
    return models.covariance.get_subcovariance(free).data


def test_read_again(history):
    datasets = spectra("one", "two")
    norm = datasets.models[0].parameters["norm"]
    norm.prior = GaussianPrior(mu=1, sigma=0.2)
    # Both datasets have the same norm.
    datasets.models[1].spectral_model.norm = norm
    datasets[1].mask_fit = datasets[1].counts.copy(data=True)
    datasets[1].mask_fit.data[0] = False
    result = fitted(datasets, "norm")
    history.add("linked", datasets, result)
    step = FitHistory(history.folder)["linked"]
    again = step.datasets
    assert_allclose(again.stat_sum(), datasets.stat_sum(), rtol=1e-12)
    assert_allclose(covariance(again.models), covariance(datasets.models))
    first, second = (model.parameters["norm"] for model in again.models)
    assert first is second and first.prior.sigma.value == 0.2
    assert_equal(again[1].mask_fit.data, datasets[1].mask_fit.data)
    assert step.record["n_free"] == 1
    assert step.parameters["link"].tolist().count("one-bkg.spectral.norm") == 1
    assert step.result.success and step.result.backend == "newton"
    assert step.result.total_stat == result.total_stat
    assert step.result.nfev == result.optimize_result.nfev
    assert_allclose(covariance(step.result.models), covariance(datasets.models))
    assert_allclose(step.result.covariance_result.matrix[1, 1], norm.error**2)
    assert set(step.result.parameters.free_parameters.value) == {norm.value}
    assert "one, two" in str(step)


def test_step_that_was_only_optimised(history):
    datasets = spectra()
    datasets.models.parameters["norm"].frozen = False
    history.add("optimised", datasets, Fit("newton").optimize(datasets))
    result = history["optimised"].result
    assert result.success and result.covariance_result is None
    assert history.add("as it is", datasets).result is None


def test_statistics_are_kept(history):
    datasets = spectra("one", "two")
    datasets[1].mask_fit = datasets[1].counts.copy(data=True)
    datasets[1].stat_type = "cash_weighted"
    history.add("fixed", datasets)
    history.add("norms", datasets, fitted(datasets, "norm"))
    assert [dataset.stat_type for dataset in history["norms"].datasets] == [
        "cash",
        "cash_weighted",
    ]
    table = history.table()
    for name in ("aic", "bic", "sigma"):
        assert np.isnan(table[name]).all()
    assert table["ts"][1] > 0 and "weighted" in table["caveat"][1]


def test_data_are_written_once(history):
    datasets = spectra("one", "two")
    history.add("fixed", datasets)
    before = data_files(history)
    assert len(before) == 2
    history.add("norms", datasets, fitted(datasets, "norm"))
    assert data_files(history) == before
    datasets = datasets.copy()
    datasets.models = history["norms"].models
    datasets[1].mask_fit = datasets[1].counts.copy(data=True)
    datasets[1].mask_fit.data[0] = False
    history.add("masked", datasets)
    assert len(data_files(history)) == 3
    table = history.table()
    assert table["data"].tolist() == [1, 1, 2]
    assert np.isnan(table["ts"][2]) and table["n_dof"].mask.tolist() == [1, 0, 1]
    assert table["caveat"][2] == "other data"
    assert "masks differ" in history.verdict
    comparison = history.compare("norms", "masked")
    assert np.isnan(comparison.aic) and "changed: two" in str(comparison)


def test_order_and_names_of_datasets_do_not_matter(history):
    history.add("first", spectra("one", "two"))
    datasets = spectra("one", "two")
    models = datasets.models
    datasets = Datasets([datasets[1], datasets[0]])
    datasets.models = models
    history.add("second", datasets)
    table = history.table()
    assert table["data"].tolist() == [1, 1] and table["ts"][1] == 0
    assert table["caveat"][1] == "not fitted, same model"


def test_overwrite(history):
    for name, counts in (("a", COUNTS), ("b", (90, 90, 90, 90)), ("c", COUNTS)):
        history.add(name, spectra(counts=counts))
    check_bad_input(
        lambda: history.add("b", spectra()), ValueError, "name: step 'b' exists"
    )
    assert len(data_files(history)) == 2
    history.add("b", spectra(), overwrite=True, note="again")
    assert history.names == ["a", "b", "c"] and history["b"].note == "again"
    assert history.table()["ts"].tolist()[1:] == [0, 0]
    # What nobody needs is gone.
    assert len(data_files(history)) == 1
    history.remove("a")
    assert history.names == ["b", "c"] and len(history["c"].datasets) == 1


def test_template_models(history, tmp_path):
    datasets = norms_field(5000, n_pix=20, n_energy=2, n_norms=2)
    datasets[0].fake(0)
    geom = datasets[0].counts.geom
    image = Map.from_geom(geom.to_image(), data=1.0, unit="sr-1")
    image.data[5:10, 5:10] = 5
    path = tmp_path / "template.fits"
    image.write(path)
    disc = SkyModel(
        PowerLawSpectralModel(), TemplateSpatialModel.read(path), name="disc"
    )
    datasets[0].exposure = Map.create(
        npix=20,
        binsz=0.1,
        axes=[geom.axes["energy"].rename("energy_true")],
        unit="cm2 s",
    )
    datasets[0].exposure.data += 1e12
    (template,) = [model for model in datasets.models if model.name == "blob-1"]
    datasets.models = Models([disc, *datasets.models])
    stat = datasets.stat_sum()
    history.add("first", datasets, hot_spots=False, residuals=False)
    history.add("second", datasets, hot_spots=False, residuals=False)
    # What was given is as it was.
    assert disc.spatial_model.filename == str(path) and template.filename is None
    assert len(data_files(history)) == 3
    path.unlink()
    folder = history.folder.rename(tmp_path / "moved")
    again = FitHistory(folder)["second"].datasets
    assert_allclose(again.stat_sum(), stat, rtol=1e-9)
    assert isinstance(again.models["blob-1"], TemplateNPredModel)


def test_moved_and_read_by_gammapy(history, tmp_path, monkeypatch):
    history.add("fixed", spectra())
    folder = history.folder.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    step = FitHistory("moved")["fixed"]
    monkeypatch.chdir("/")
    assert step.datasets.names == ["run"] and step.folder.parents[1] == folder
    path = folder / "steps" / "0000-fixed"
    datasets = Datasets.read(path / "datasets.yaml", path / "models.yaml")
    assert_allclose(datasets.stat_sum(), step.datasets.stat_sum())


@pytest.fixture
def field():
    datasets = norms_field(5000, n_pix=20, n_energy=2, n_norms=1)
    datasets[0].fake(0)
    datasets[0].counts.data[:, 10, 10] += 60
    return datasets


def test_summary_of_maps(history, field):
    result = Fit("newton").run(field)
    step = history.add("background", field, result)
    assert step.goodness is None
    table = history.table()
    spots = step.hot_spots
    assert_allclose(table["spot"][0], spots.table["sqrt_ts"][0])
    assert table["n_spots"][0] == len(spots.table) and spots.meta["n_toys"] == 0
    width = SpatialResiduals.from_datasets(field).distribution()["std"][0]
    assert_allclose(table["residual_std"][0], width)
    assert_allclose(step.residuals_distribution["std"], width)
    spectrum = SpectralResiduals.from_datasets(field).to_table("significance")
    assert_allclose(step.residuals_spectrum["counts"], spectrum["counts"])
    # Models that are not sources have no position: the text is empty, not a number.
    assert spots.table["nearest"].tolist() == [""] * len(spots.table)
    assert step.record["verdicts"]["hot spots"] == spots.verdict


def test_results_that_are_given_or_asked_for(history, field):
    result = Fit("newton").run(field)
    spots = HotSpotEstimator(threshold=3, n_toys=0, random_state=0)
    goodness = GoodnessOfFitEstimator(n_toys=0, random_state=0).run(field)
    residuals = SpatialResiduals.from_datasets(field, energy_min="2 TeV")
    step = history.add(
        "given",
        field,
        result,
        residuals=residuals,
        hot_spots=spots,
        goodness=goodness,
    )
    assert step.hot_spots.meta["threshold"] == 3
    assert step.goodness.verdict == goodness.verdict
    assert_allclose(history.table()["p_value"], goodness.p_value)
    assert_allclose(history.table()["p_worst"], goodness.p_worst)
    assert step.residuals_spectrum is None
    assert_allclose(step.residuals_distribution["std"], residuals.distribution()["std"])
    step = history.add(
        "asked", field, result, hot_spots=spots.run(field), goodness=True
    )
    assert step.hot_spots.meta["threshold"] == 3
    assert_allclose(step.goodness.p_value, goodness.p_value)
    step = history.add("none", field, result, residuals=False, hot_spots=False)
    assert step.record["results"] == [] and step.hot_spots is None


def test_what_cannot_be_made_is_noted(history, field, monkeypatch, caplog):
    def run(self, datasets):
        raise ValueError("The maps are not on one grid.")

    monkeypatch.setattr(HotSpotEstimator, "run", run)
    step = history.add("background", field)
    assert step.record["notes"] == ["No HotSpots: The maps are not on one grid."]
    assert "not on one grid" in caplog.text
    # An error only where somebody asked for it, and then no step is written.
    check_bad_input(
        lambda: history.add("asked", field, hot_spots=True), ValueError, "one grid"
    )
    assert history.names == ["background"]


def test_empty_texts_of_results_are_read(tmp_path):
    columns = {name: [1.0] for name in HotSpots.COLUMNS} | {"nearest": [""]}
    HotSpots(Table(columns), {"frame": "icrs"}).write(tmp_path / "spots.ecsv")
    table = HotSpots.read(tmp_path / "spots.ecsv").table
    assert table["nearest"].tolist() == [""]


class Penalty(FitStatisticPenalty):
    def stat_sum(self):
        return 7.0


def test_penalties_are_noted(history, caplog):
    datasets = spectra()
    datasets._penalties = [Penalty(datasets.models.parameters)]
    step = history.add("penalty", datasets)
    assert "Penalties" in step.record["notes"][0] and "Penalties" in caplog.text
    assert_allclose(step.record["stat"], datasets.stat_sum())


def test_results_of_other_models(history, caplog):
    datasets = spectra()
    result = fitted(datasets, "norm")
    datasets.models.parameters["norm"].value = 1.3
    check_bad_input(
        lambda: history.add("norm", datasets, result),
        ValueError,
        "result: it is not of these models",
        "run-bkg.spectral.norm is 1.125",
        "1.3",
    )
    result = fitted(datasets, "norm")
    datasets[0].counts.data += 5
    step = history.add("other counts", datasets, result)
    assert "they changed after the fit" in step.record["notes"][0]
    assert "they changed after the fit" in caplog.text


def test_undetermined_norms_are_no_parameters(history):
    datasets = spectra("one", "two")
    datasets[1].mask_safe = datasets[1].counts.copy(data=False)
    result = fitted(datasets, "norm")
    assert len(result.undetermined) == 1
    step = history.add("norms", datasets, result)
    assert (
        step.record["n_free"] == 1 and step.result.undetermined == result.undetermined
    )


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda h, d: FitHistory(3), TypeError, ["folder", "3"]),
        (lambda h, d: h.add(1, d), TypeError, ["name", "1"]),
        (lambda h, d: h.add(" ", d), ValueError, ["name"]),
        (lambda h, d: h.add("a", 3), TypeError, ["datasets", "3"]),
        (lambda h, d: h.add("a", d, "b"), TypeError, ["result", "'b'"]),
        (lambda h, d: h.add("a", d, note=1), TypeError, ["note"]),
        (lambda h, d: h.add("a", d, overwrite="no"), TypeError, ["overwrite"]),
        (lambda h, d: h.add("a", d, residuals=3), TypeError, ["residuals", "3"]),
        (lambda h, d: h.add("a", d, residuals=[3]), TypeError, ["residuals", "3"]),
        (lambda h, d: h.add("a", d, hot_spots=3), TypeError, ["hot_spots", "3"]),
        (lambda h, d: h.add("a", d, goodness=3), TypeError, ["goodness", "3"]),
    ],
)
def test_bad_input(history, call, kind, words):
    check_bad_input(lambda: call(history, spectra()), kind, *words)
    assert len(history) == 0


def test_folder_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="is a file"):
        FitHistory(tmp_path / "file")


def test_names_of_any_kind(history):
    names = ["../up", "a/b", "with space", "ünï", "-", "0003-x"]
    for name in names:
        history.add(name, spectra())
    assert FitHistory(history.folder).names == names
    assert {path.name for path in history.folder.iterdir()} == {"data", "steps"}


def test_misspelt_name(history):
    history.add("background", spectra())
    with pytest.raises(KeyError, match="did you mean 'background'"):
        history["back-ground"]
    assert history[-1].name == "background"


def test_datasets_without_models(history, caplog):
    datasets = Datasets([dataset.copy(name=dataset.name) for dataset in spectra()])
    with caplog.at_level(logging.WARNING):
        step = history.add("data", datasets)
    assert step.datasets.names == ["run"] and len(step.models) == 0
    assert history.table()["n_free"][0] == 0
