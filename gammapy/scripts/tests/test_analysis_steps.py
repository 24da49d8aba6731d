# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from astropy.table import Table
from gammapy.analysis.tests.test_session import MAPS
from gammapy.datasets import Datasets
from gammapy.scripts.main import cli
from gammapy.utils.testing import requires_data, run_cli


@requires_data()
def test_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(f"general: {{outdir: out}}\n{MAPS}")
    args = ["analysis", "run", "--out", "data/runs.yaml"]
    run_cli(cli, args)
    reduced = {path.name for path in (tmp_path / "data").iterdir()}
    beside = {"runs_background.ecsv", "runs_groups.ecsv", "runs_groups.png"}
    files = {"runs.yaml", "zenith-35-39.fits", "zenith-39-41.fits"}
    assert reduced == files | beside
    assert not (tmp_path / "out").exists()
    (dataset, _) = Datasets.read("data/runs.yaml")
    assert dataset.mask_fit is None

    result = run_cli(cli, args, exit_code=1)
    assert "'data/runs.yaml' exists; --overwrite replaces it" in result.output

    steps = ["--step", "fit", "--step", "residuals"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "residuals_maps.png").write_text("mine")
    elsewhere = ["analysis", "run", "--out", "elsewhere/runs.yaml", *steps]
    result = run_cli(cli, elsewhere, exit_code=1)
    assert "'out/residuals_maps.png' exists" in result.output
    # before anything is reduced
    assert not (tmp_path / "elsewhere").exists()

    run_cli(cli, [*args, "--overwrite", *steps])
    results = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"fit_result.yaml", "models.yaml", "residuals_maps.fits"} <= results
    assert "flux_points.ecsv" not in results
    (dataset, _) = datasets = Datasets.read("data/runs.yaml", "out/models.yaml")
    assert datasets.models.names[0] == "MSH 15-52"
    assert dataset.mask_fit.data[:, 0, 0].sum() == 10
    assert len(Table.read("out/residuals_spectrum.ecsv")) == 12


@pytest.mark.parametrize("step", ["fitt", "write"])
def test_unknown_step(step):
    result = run_cli(cli, ["analysis", "run", "--step", step], exit_code=2)
    assert "'residuals'" in result.output
