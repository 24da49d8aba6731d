# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The analysis of MSH 15-52 that one configuration file describes, in a shell."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
import pytest
import yaml
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, SpatialResiduals
from gammapy.estimators import FluxPoints
from gammapy.makers import FoVBackgroundMaker
from gammapy.maps import Map
from gammapy.utils.testing import requires_data

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "user-guide"))
from pages import is_same_line  # noqa: E402
import hess_runs  # noqa: E402

CONFIG = Path(__file__).parents[1] / "msh1552.yaml"
GUIDE = Path(__file__).parents[2] / "docs" / "user-guide" / "hli.rst"
SHELL = [sys.executable, "-c", "from gammapy.scripts.main import cli; cli()"]


def run(folder, *args):
    """Run the command gammapy in a folder, which gets what it prints."""
    command = [*SHELL, *args]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (folder / "printed.txt").write_text(result.stdout)
    return result.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder of the results of ``gammapy analysis run``, and what it logged."""
    folder = tmp_path_factory.mktemp("analysis")
    (folder / "msh1552.yaml").write_text(CONFIG.read_text())
    options = ["--out", "msh1552/datasets.yaml", "--step", "all"]
    log = run(folder, "analysis", "run", "--filename", "msh1552.yaml", *options)
    (folder / "printed.txt").rename(folder / "fitted.txt")
    return folder / "msh1552", log


@requires_data()
@pytest.mark.long
def test_same_as_by_hand(results):
    folder, log = results
    mask = Map.read(folder / "datasets_exclusion.fits")
    mask.data = mask.data.astype(bool)
    by_hand = hess_runs.make_datasets(
        Path(os.environ["GAMMAPY_DATA"]) / "hess-dl3-dr1", mask
    )
    datasets = Datasets.read(folder / "datasets.yaml", folder / "models.yaml")
    assert datasets.names == ["zenith-35-36.7", "zenith-36.7-41"]
    for dataset, other in zip(datasets, by_hand, strict=True):
        assert_allclose(dataset.counts.data, other.counts.data)
        assert_allclose(dataset.mask_fit.data, other.mask_fit.data)
        assert_allclose(dataset.background.data, other.background.data, rtol=1e-4)

    table = Table.read(folder / "datasets_background.ecsv")
    other = FoVBackgroundMaker.nuisance(by_hand)
    assert len(table) == 20
    table.sort("obs_id")
    other.sort("obs_id")
    assert_allclose(table["counts_off"], other["counts_off"])
    assert_allclose(table["norm"], other["norm"], rtol=1e-6)
    assert_allclose(table["norm_err"], other["norm_err"], rtol=1e-3)
    summary = Table.read(folder / "datasets_groups.ecsv")
    assert summary["n_runs"].tolist() == [10, 10]
    assert "fov_background" in log and "flux_point e_min" in log


@requires_data()
@pytest.mark.long
def test_exclusion_mask(results):
    folder, log = results
    path = folder / "datasets_exclusion.fits"
    mask = Map.read(path)
    separation = mask.geom.separation(hess_runs.MSH_1552.target).deg
    assert np.all(mask.data[separation < 0.3] == 0)
    assert np.all(mask.data[separation > 0.6] == 1)
    rounds = Table.read(path, hdu="ROUNDS")
    assert len(rounds) >= 2 and rounds["n_new"][-1] == 0
    assert rounds["max"][-1] < 5
    assert log.count("exclusion_mask round=") == len(rounds)
    significance = Map.read(path, hdu="SQRT_TS")
    assert np.nanmax(significance.data[separation < 0.1]) > 10


@requires_data()
@pytest.mark.long
def test_fit_residuals_and_flux_points(results):
    folder, _ = results
    fit = yaml.safe_load((folder / "fit_result.yaml").read_text())
    assert fit["OptimizeResult"]["success"] is True
    residuals = SpatialResiduals.read(folder / "residuals_maps.fits")
    row = residuals.distribution()[0]
    assert abs(row["mean"]) < 0.2 and abs(row["std"] - 1) < 0.2
    table = Table.read(folder / "residuals_spectrum.ecsv")
    used = table[np.isfinite(table["residual"])]
    assert_allclose(used["e_min"][0], 1)
    assert len(used) == 9 and np.all(np.abs(used["residual"]) < 3)
    for name in ("datasets_groups", "residuals_maps", "residuals_spectrum"):
        assert np.ptp(plt.imread(folder / f"{name}.png")) > 0.5

    points = FluxPoints.read(folder / "flux_points.ecsv")
    table = points.to_table(sed_type="dnde")
    assert_allclose(table["sqrt_ts"], [19.7, 12.2, 3.4], rtol=0.02)
    nuisance = Table.read(folder / "flux_points_nuisance.ecsv")
    norms = nuisance["zenith-35-36.7-bkg.spectral.norm"]
    assert len(norms) == 3 and np.all(np.abs(norms - 1) < 0.2)


@requires_data()
@pytest.mark.long
def test_workflow(results, tmp_path):
    config = yaml.safe_load(CONFIG.read_text())
    steps = ["data-selection", "fit", "residuals", "flux-points", "write"]
    config["general"]["steps"] = steps
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run(tmp_path, "workflow", "run")
    folder, other = tmp_path / "msh1552", results[0]
    names = {path.name for path in other.iterdir()}
    assert names == {path.name for path in folder.iterdir()}
    for name in (
        "datasets_background",
        "datasets_groups",
        "residuals_spectrum",
        "flux_points",
    ):
        table, expected = (
            Table.read(place / f"{name}.ecsv") for place in (folder, other)
        )
        assert table.colnames == expected.colnames and len(table) == len(expected)
        for column in table.colnames:
            if table[column].dtype.kind == "f":
                assert_allclose(table[column], expected[column], rtol=1e-5)


@requires_data()
@pytest.mark.long
def test_commands_of_the_guide(results):
    folder, log = results
    text = GUIDE.read_text().replace("\\\n", " ")
    commands = [
        shlex.split(line)
        for line in text.splitlines()
        if line.startswith("    $ gammapy") and "analysis run" not in line
    ]
    assert len(commands) == 4
    for _prompt, _gammapy, *args in commands:
        run(folder.parent, *args)
    residuals = SpatialResiduals.read(
        folder.parent / "above-3-TeV/spatial_residuals.fits"
    )
    edges = residuals.counts.geom.axes["energy"].edges
    assert_allclose(edges.to_value("TeV"), [3.1623, 31.6228], rtol=1e-4)
    assert np.ptp(plt.imread(folder / "norms.png")) > 0.5
    # The fitted parameters that it quotes.
    printed = (folder.parent / "fitted.txt").read_text().splitlines()
    fitted = [line for line in printed if " +- " in line or "stat = " in line]
    quoted = re.search(r"Fitted parameters.*?stat = .*?$", text, re.DOTALL | re.M)
    assert len(fitted) == 10
    for line, other in zip(quoted[0].splitlines()[1:], fitted, strict=True):
        assert is_same_line(line, other)
    # The rounds that it quotes.
    rounds = re.findall(r"exclusion_mask round=.*", log)
    assert rounds == re.findall(r"exclusion_mask round=.*", text)


#: A piece of the configuration in the guide.
PIECE = re.compile(
    r"\.\. code-block:: yaml\n    :class: msh1552\n\n((?:    .*\n|\n(?=    ))+)"
)


def test_guide_has_the_configuration():
    pieces = "".join(PIECE.findall(GUIDE.read_text()))
    lines = [line[4:] for line in pieces.splitlines() if line.strip()]
    assert lines == [line for line in CONFIG.read_text().splitlines() if line.strip()]
