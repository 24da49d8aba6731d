# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy nuisance`` on files that Gammapy wrote."""

import subprocess
import sys
from pathlib import Path
import pytest
import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import FoVBackgroundMaker, RingBackgroundMaker
from gammapy.maps import Map, MapAxis, RegionNDMap, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.scripts.main import cli
from gammapy.utils.testing import run_cli

AXIS = MapAxis.from_energy_edges([1, 2, 5, 10] * u.TeV)


def make_flux_points():
    """Flux points of a spectrum whose background norm is fitted in each bin."""
    region = "icrs;circle(0, 0, 0.1)"
    background = RegionNDMap.create(region, axes=[AXIS], data=100.0)
    axis_true = AXIS.copy(name="energy_true")
    dataset = SpectrumDataset(
        counts=background.copy(data=np.reshape([130.0, 110.0, 120.0], (3, 1, 1))),
        background=background,
        exposure=RegionNDMap.create(region, axes=[axis_true], unit="cm2 s", data=1e13),
        name="run",
    )
    source = SkyModel(PowerLawSpectralModel(), name="source")
    source.spectral_model.index.frozen = True
    norm = FoVBackgroundModel(dataset_name="run")
    norm.spectral_model.norm.max = 0.9
    norm.spectral_model.norm.value = 0.8
    dataset.models = [source, norm]
    estimator = FluxPointsEstimator(
        energy_edges=[1, 2, 10] * u.TeV,
        source="source",
        selection_optional=[],
        reoptimize=True,
        debug=True,
    )
    return estimator.run(dataset)


def make_datasets():
    """Maps with the rows of two background makers."""
    geom = WcsGeom.create(npix=21, binsz=0.1, axes=[AXIS])
    makers = [
        FoVBackgroundMaker(method="fit", debug=True),
        RingBackgroundMaker(r_in="0.3 deg", width="0.3 deg", debug=True),
    ]
    datasets = Datasets()
    for idx in range(2):
        dataset = MapDataset(
            counts=Map.from_geom(geom, data=1.0 + idx),
            background=Map.from_geom(geom, data=1.0),
            mask_safe=Map.from_geom(geom, data=True, dtype=bool),
            name=f"run-{idx}",
        )
        for maker in makers:
            dataset = maker.run(dataset)
        datasets.append(dataset)
    return datasets


@pytest.fixture(scope="module")
def flux_points():
    return make_flux_points()


@pytest.fixture(scope="module")
def files(tmp_path_factory, flux_points):
    path = tmp_path_factory.mktemp("files")
    flux_points.write(path / "points.fits")
    flux_points.write(path / "points.ecsv")
    flux_points.nuisance.write(path / "table.ecsv")
    datasets = make_datasets()
    datasets.write(path / "datasets.yaml")
    plain = datasets[0].copy(name="plain")
    plain.meta_table = None
    plain.write(path / "plain.fits")
    columns = ["e_ref", "e_min", "e_max", "dnde", "dnde_err", "success"]
    flux_points.to_table(sed_type="dnde")[columns].write(path / "without.ecsv")
    return path


def run_bad(args):
    result = run_cli(cli, ["--log-level", "warning", *args], exit_code=2)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def cells(result):
    """Words of the lines that are printed."""
    return [line.split() for line in result.stdout.splitlines()]


def test_installed_command(files, tmp_path, flux_points):
    script = Path(sys.executable).with_name("gammapy")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "gammapy"]
    args = ["nuisance", str(files / "points.fits"), "--plot", "norms.svg"]
    result = subprocess.run(
        [*command, *args], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )

    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "nuisance: 2 rows, 0 failed, 2 with a parameter at a bound"
    assert lines[1].split() == flux_points.nuisance.colnames
    norms = flux_points.nuisance["run-bkg.spectral.norm"]
    # All columns are there, whatever the width of a terminal.
    column = lines[1].split().index("run-bkg.spectral.norm")
    assert column > 0
    assert [f"{norm:.4g}" in line for norm, line in zip(norms, lines[-2:], strict=True)]
    # The labels are in the figure, with the name of the parameter broken into lines.
    figure = (tmp_path / "norms.svg").read_text()
    assert "run-bkg" in figure
    assert "Energy [TeV]" in figure


@pytest.mark.parametrize("name", ["points.fits", "points.ecsv", "table.ecsv"])
def test_formats_and_parameters(files, flux_points, name):
    result = run_cli(cli, ["nuisance", str(files / name)])
    everything = cells(result)
    assert everything[1] == flux_points.nuisance.colnames
    norms = flux_points.nuisance["run-bkg.spectral.norm"]
    for words, norm in zip(everything[-2:], norms, strict=True):
        assert f"{norm:.4g}" in words

    result = run_cli(cli, ["nuisance", str(files / name), "--parameters", "*.norm"])
    assert cells(result)[1] == flux_points.nuisance.colnames


def test_parameters_hide_others(tmp_path):
    table = Table({"x": [1.0, 2.0], "success": [True, False], "at_limit": ["", ""]})
    for name in ("a.norm", "a.index"):
        table[name] = [0.5, 0.6]
        table[f"{name}_err"] = [0.1, 0.2]
        table[f"{name}_pull"] = [1.0, 2.0]
    table.meta["scan"] = ["x"]
    table.write(tmp_path / "profile.ecsv")

    args = ["nuisance", str(tmp_path / "profile.ecsv"), "--parameters", "*.index"]
    args += ["--plot", str(tmp_path / "profile.svg")]
    result = run_cli(cli, args)
    lines = cells(result)
    assert lines[0][1:5] == ["2", "rows,", "1", "failed,"]
    expected = ["x", "success", "at_limit", "a.index", "a.index_err", "a.index_pull"]
    assert lines[1] == expected
    figure = (tmp_path / "profile.svg").read_text()
    assert "a.index" in figure
    assert "a.norm" not in figure


def test_light_curve(flux_points, tmp_path):
    table = flux_points.nuisance.copy()
    table["time_min"] = [58849.0, 58849.04167] * u.d
    table.write(tmp_path / "light_curve.ecsv")
    result = run_cli(cli, ["nuisance", str(tmp_path / "light_curve.ecsv")])
    for words, time in zip(cells(result)[-2:], ["00000", "04167"], strict=True):
        assert f"58849.{time}" in words


def test_datasets(files, tmp_path):
    args = ["nuisance", str(files / "datasets.yaml")]
    result = run_cli(cli, [*args, "--plot", str(tmp_path / "runs.svg")])
    lines = result.stdout.splitlines()
    starts = [line for line in lines if "background: 2 rows" in line]
    assert [start.split(":")[0] for start in starts] == [
        "fov_background",
        "ring_background",
    ]
    datasets = Datasets.read(files / "datasets.yaml", lazy=False)
    fov = FoVBackgroundMaker.nuisance(datasets)
    fov_lines = lines[lines.index(starts[0]) : lines.index(starts[1])]
    for row, line in zip(fov, fov_lines[-2:], strict=True):
        assert line.split()[:2] == [row["dataset"], row["obs_id"]]
        assert f"{row['norm']:.4g}" in line.split()

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"runs-fov_background.svg", "runs-ring_background.svg"}
    rings = (tmp_path / "runs-ring_background.svg").read_text()
    for label in ("alpha", "counts_off", "run-0", "Observation", "Measured"):
        assert f"<!-- {label} -->" in rings
    assert "Fit" not in rings
    assert "norm" in (tmp_path / "runs-fov_background.svg").read_text()


def test_one_dataset(files):
    result = run_cli(cli, ["nuisance", str(files / "run-1.fits")])
    assert "fov_background: 1 row, 0 failed" in result.stdout
    assert "run-0" not in result.stdout


def test_figures_are_not_replaced(files, tmp_path):
    figure = tmp_path / "norms.png"
    figure.write_text("mine")
    args = ["nuisance", str(files / "points.fits"), "--plot", str(figure)]
    assert f"'{figure}' exists; --overwrite replaces it." in run_bad(args)
    assert figure.read_text() == "mine"
    run_cli(cli, [*args, "--overwrite"])
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["norms.png"]


def test_bad_input(files, tmp_path):
    for name in ("plain.fits", "without.ecsv"):
        assert "debug=True" in run_bad(["nuisance", str(files / name)])
    assert "does not exist" in run_bad(["nuisance", "nothing.fits"])
    points = str(files / "points.fits")
    line = run_bad(["nuisance", points, "--parameters", "tilt"])
    assert "fitted were: run-bkg.spectral.norm" in line
    assert "a.xyz is not a figure" in run_bad(["nuisance", points, "--plot", "a.xyz"])
    Map.create(npix=3).write(tmp_path / "map.fits")
    line = run_bad(["nuisance", str(tmp_path / "map.fits")])
    assert "neither flux points nor a dataset" in line
    broken = tmp_path / "broken.ecsv"
    broken.write_text("x y\n1")
    assert "Cannot read" in run_bad(["nuisance", str(broken)])
