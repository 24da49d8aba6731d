# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The main job, in its small configuration."""

import sys
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
import matplotlib.image
from gammapy.datasets import Datasets
from gammapy.diagnostics import FitHistory
from gammapy.estimators import FluxPoints
from gammapy.utils.testing import requires_data

sys.path.insert(0, str(Path(__file__).parents[1]))
import hess_j1702  # noqa: E402
import j1702_scene  # noqa: E402

FIGURES = ("spatial_residuals.png", "spectral_residuals.png")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder of a run, in which a file of the user's lay before."""
    out = tmp_path_factory.mktemp("results")
    (out / "mine.txt").write_text("keep")
    assert hess_j1702.main(["--small", "--out", str(out)]) == 0
    return out


def test_parameters_are_found(results):
    table = Table.read(results / "fitted_vs_true.ecsv")
    # spectrum, position, size and shape of the source, and two background norms
    assert len(table) == 9
    deviation = (table["fitted"] - table["true"]) / table["error"]
    assert np.all(np.abs(deviation) <= 4)
    assert_allclose(table["deviation"], deviation)


def test_each_iteration_is_in_the_history(results):
    history = FitHistory(results)
    assert history.names == ["background", "J1702-420B"]
    for step in history:
        for name in FIGURES:
            picture = matplotlib.image.imread(results / f"{step.name}-{name}")
            assert picture.shape[0] > 500 and picture.std() > 0.05
        datasets = Datasets.read(
            step.folder / "datasets.yaml", step.folder / "models.yaml"
        )
        assert_allclose(datasets.models.parameters.value, step.parameters["value"])
        assert step.result.success and step.goodness.n_tests > 0
    table = history.table()
    assert table["ts"][1] > 1000 and table["n_dof"][1] == 7
    assert table["p_value"][0] < 1e-10 and table["p_value"][1] > 0.001
    # Adding the source that is there makes the residuals noise.
    assert table["spot"][0] > 20 and not table["spot"][1] > 6
    assert table["residual_std"][0] > 1.5
    assert abs(table["residual_std"][1] - 1) < 0.15


def test_nuisance_tables(results):
    table = Table.read(results / "nuisance_profile.ecsv")
    assert len(table) == 11 and all(table["success"])
    norms = [
        column for column in table.colnames if column.endswith("-bkg.spectral.norm")
    ]
    assert norms == ["bin-0-bkg.spectral.norm", "bin-1-bkg.spectral.norm"]
    flux_points = FluxPoints.read(results / "flux_points.fits")
    assert {"norm_ul", "sqrt_ts"} <= set(flux_points.available_quantities)
    assert matplotlib.image.imread(results / "flux_points.png").std() > 0.05
    table = flux_points.nuisance
    assert set(norms) < set(table.colnames)
    for name in norms:
        pulls = (table[name] - 1) / table[f"{name}_err"]
        assert np.all(np.abs(pulls) < 6)


def test_a_second_run_replaces_only_its_own_files(results):
    assert (results / "mine.txt").read_text() == "keep"
    assert not list(results.rglob(".new-*"))


def test_missed_parameters_are_named(capsys):
    truth = j1702_scene.true_models(j1702_scene.SMALL)
    models = truth.copy()
    models["HESS J1702-420B"].spectral_model.index.value += 1
    table = hess_j1702.compare_to_truth(models, truth)
    assert not hess_j1702.judge(table)
    assert "HESS J1702-420B index: 3.616" in capsys.readouterr().out


def test_data_without_gammapy_data(monkeypatch, caplog, tmp_path):
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    assert hess_j1702.main(["--data", "--out", str(tmp_path)]) == 2
    assert "GAMMAPY_DATA" in caplog.text


@pytest.mark.parametrize("options", [["--seed", "-1"], ["--small", "--data"]])
def test_bad_options(options):
    with pytest.raises(SystemExit) as error:
        hess_j1702.main(options)
    assert error.value.code == 2


@pytest.mark.long
@requires_data()
def test_real_data(tmp_path):
    assert hess_j1702.main(["--data", "--out", str(tmp_path)]) == 0
    table = FitHistory(tmp_path).table()
    assert table["ts"][1] > 400
    assert abs(table["residual_std"][1] - 1) < 0.15
