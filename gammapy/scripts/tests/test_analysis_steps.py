# Licensed under a 3-clause BSD style license - see LICENSE.rst
import re
from pathlib import Path
import pytest
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.analysis import AnalysisConfig
from gammapy.analysis.tests.test_session import MAPS
from gammapy.datasets import Datasets
from gammapy.scripts.analysis import chosen_steps
from gammapy.scripts.main import cli
from gammapy.utils import pbar
from gammapy.utils.scripts import make_path
from gammapy.utils.testing import requires_data, requires_dependency, run_cli


@requires_data()
def test_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(f"general: {{outdir: out}}\n{MAPS}")
    args = ["analysis", "run", "--out", "data/runs.yaml"]
    run_cli(cli, args)
    reduced = {path.name for path in (tmp_path / "data").iterdir()}
    beside = {"runs_background.ecsv", "runs_background.png"}
    beside |= {"runs_groups.ecsv", "runs_groups.png"}
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

    result = run_cli(cli, [*args, "--overwrite", *steps])
    results = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"fit_result.yaml", "models.yaml", "residuals_maps.fits"} <= results
    assert "flux_points.ecsv" not in results
    (dataset, _) = datasets = Datasets.read("data/runs.yaml", "out/models.yaml")
    assert datasets.models.names[0] == "MSH 15-52"
    assert dataset.mask_fit.data[:, 0, 0].sum() == 10
    assert len(Table.read("out/residuals_spectrum.ecsv")) == 12
    check_output(result, datasets)


@pytest.mark.parametrize(
    "given, expected",
    [
        ((), []),
        (("residuals", "fit", "fit"), ["fit", "residuals"]),
        (("all",), ["fit", "residuals", "flux-points"]),
        (("all", "report", "fit"), ["fit", "residuals", "flux-points", "report"]),
        (("report", "excess-map"), ["excess-map", "report"]),
    ],
)
def test_steps_beside_all(given, expected):
    assert chosen_steps(given) == expected


#: What counts during the steps, and how far.
BARS = (
    "Obs Id: 100%",
    "Data reduction: 100%",
    "1/1 [",
    "Fit: ",
    "Residuals: 100%",
    "Sums: 100%",
    "Files: 100%",
)


def check_output(result, datasets):
    """Fitted parameters and all files are printed, and each step shows a bar."""
    table = Table.read("out/parameters.ecsv")
    assert_allclose(table["value"], datasets.parameters.value, rtol=1e-12)
    lines = result.stdout.splitlines()
    begin = lines.index("Fitted parameters, 4 of 14:")
    fitted = dict(line.strip().split("  ", 1) for line in lines[begin + 1 : begin + 5])
    amplitude = datasets.parameters["amplitude"]
    value, error = amplitude.value / 1e-12, amplitude.error / 1e-12
    expected = f"({value:.1f} +- {error:.1f})e-12 TeV-1 s-1 cm-2"
    assert fitted["MSH 15-52.spectral.amplitude"].strip() == expected
    index = datasets.parameters["index"]
    expected = f"{index.value:.2f} +- {index.error:.2f}"
    assert fitted["MSH 15-52.spectral.index"].strip() == expected
    assert lines[begin + 5].startswith("stat = ")
    # All files are listed, folder by folder, and what is listed is there.
    files = lines[begin + 6 :]
    listed, folder = set(), None
    for line in files:
        if line.startswith("Written to "):
            folder = Path(line.removeprefix("Written to ").rstrip(":"))
        else:
            listed.add(folder / line.split()[0])
    assert listed == {*Path("data").iterdir(), *Path("out").iterdir()}
    used, given = (
        AnalysisConfig.read(name).model_dump(
            exclude={"metadata": True, "general": {"log"}}
        )
        for name in ("out/config_used.yaml", "config.yaml")
    )
    assert used == given and used["fit"]["fit_range"]["min"] == 1 * u.TeV
    for name in ("data/runs_background.png", "out/residuals_maps.png"):
        assert min(plt.imread(name).shape[:2]) > 100
    for words in BARS:
        assert words in result.stderr
    assert not pbar.SHOW_PROGRESS_BAR and pbar.INTERVAL is None


@requires_data()
@requires_dependency("tqdm")
def test_bars_are_one_at_a_time(tmp_path):
    """A line of the output has one bar; of a command whose output is a file, few."""
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL_datasets.yaml"
    args = ["residuals", str(make_path(path)), "--outdir", str(tmp_path)]
    text = run_cli(cli, args).stderr
    states = [state for state in re.split(r"[\r\n]", text) if "%|" in state]
    assert all(state.count("%|") == 1 for state in states)
    names = [state.split(":")[0] for state in states]
    assert names == ["Sums", "Sums", "Residuals", "Residuals"]


@pytest.mark.parametrize("step", ["fitt", "write"])
def test_unknown_step(step):
    result = run_cli(cli, ["analysis", "run", "--step", step], exit_code=2)
    assert "'residuals'" in result.output
