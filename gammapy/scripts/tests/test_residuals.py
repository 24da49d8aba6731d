# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy residuals`` on files that Gammapy wrote."""

import os
import subprocess
import sys
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_equal
import astropy.units as u
from astropy.table import Table
from matplotlib.image import imread
from gammapy.datasets import (
    Datasets,
    FluxPointsDataset,
    MapDataset,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDataset,
)
from gammapy.diagnostics import HotSpotEstimator, HotSpots
from gammapy.estimators import FluxPoints
from gammapy.makers import RingBackgroundMaker
from gammapy.maps import Map, MapAxis, RegionNDMap, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.scripts.common import InputError, write_files
from gammapy.scripts.main import cli
from gammapy.utils.testing import run_cli
from gammapy.visualization import plot_spatial_residuals

MAP_FILES = {"spatial_residuals.fits", "spatial_residuals.png"}
SPECTRUM_FILES = {"spectral_residuals.ecsv", "spectral_residuals.png"}
ALL_FILES = MAP_FILES | SPECTRUM_FILES | {"parameters.ecsv"}

AXIS = MapAxis.from_energy_edges([1, 2, 5, 10] * u.TeV)
AXIS_TRUE = AXIS.copy(name="energy_true")
GEOM = WcsGeom.create(npix=41, binsz=0.05, frame="galactic", axes=[AXIS])
REGION = "galactic;circle(0.3, 0, 0.3)"


def make_models():
    """A source at the centre and one 0.8 deg away, with a background at its limit."""
    near = SkyModel(
        PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"),
        GaussianSpatialModel(sigma="0.1 deg", frame="galactic"),
        name="near",
    )
    far = near.copy(name="far")
    far.spatial_model.lon_0.value = 0.8
    backgrounds = [
        FoVBackgroundModel(dataset_name=f"set-{number}") for number in range(2)
    ]
    backgrounds[1].spectral_model.norm.max = 1
    return Models([near, far, *backgrounds])


def make_dataset(name):
    """Counts are the background, but for a hot pixel at (0.2, 0.5) above 2 TeV."""
    counts = Map.from_geom(GEOM, data=3.0)
    counts.set_by_coord((0.2 * u.deg, 0.5 * u.deg, 3 * u.TeV), 40)
    exposure = Map.from_geom(GEOM.to_image().to_cube([AXIS_TRUE]), unit="cm2 s")
    exposure.data += 1e12
    mask_fit = GEOM.energy_mask(energy_min=2 * u.TeV)
    return MapDataset(
        counts=counts,
        background=Map.from_geom(GEOM, data=3.0),
        exposure=exposure,
        mask_safe=Map.from_geom(GEOM, data=True, dtype=bool),
        mask_fit=mask_fit,
        name=name,
    )


def make_spectrum():
    background = RegionNDMap.create(REGION, axes=[AXIS], data=3.0)
    counts = background.copy(data=np.reshape([2.0, 3.0, 9.0], (3, 1, 1)))
    return SpectrumDataset(counts=counts, background=background, name="spectrum")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with the files of two map datasets and their models."""
    path = tmp_path_factory.mktemp("files")
    datasets = Datasets([make_dataset(f"set-{number}") for number in range(2)])
    datasets.models = make_models()
    datasets.write(path / "datasets.yaml", path / "models.yaml")
    spectra = Datasets([make_spectrum()])
    spectra.write(path / "spectra.yaml")
    return path


@pytest.fixture
def args(files, tmp_path, monkeypatch):
    """Arguments for the map datasets; the working folder is a new one."""
    monkeypatch.chdir(tmp_path)
    return ["residuals", str(files / "datasets.yaml"), str(files / "models.yaml")]


def run_installed(args):
    """Run the command as a user does, without a display."""
    script = Path(sys.executable).with_name("gammapy")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "gammapy"]
    env = {
        name: os.environ[name]
        for name in os.environ
        if name not in ("DISPLAY", "MPLBACKEND")
    }
    return subprocess.run(
        [*command, *args], capture_output=True, text=True, env=env, timeout=300
    )


def run_bad(args):
    """Run with bad input: one line, which is returned, and the exit code 2."""
    result = run_cli(cli, ["--log-level", "warning", *args], exit_code=2)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = [
        line
        for line in result.stderr.splitlines()
        if "it/s" not in line and line.strip()
    ]
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
    assert len(lines) == 1
    return lines[0]


def names_in(path):
    return {written.name for written in Path(path).iterdir()}


def test_installed_command(args, files):
    options = ["--energy-min", "2 TeV", "--energy-max", "5 TeV", "--region", REGION]
    options += ["--correlation-radius", "0.12 deg", "--panels", "significance,counts"]
    result = run_installed([*args, *options, "--n-jobs", "2", "--outdir", "deep/out"])

    assert result.returncode == 0, result.stderr
    assert names_in("deep/out") == ALL_FILES
    datasets = Datasets.read(files / "datasets.yaml", files / "models.yaml")
    energies = {"energy_min": 2 * u.TeV, "energy_max": 5 * u.TeV}
    expected = SpatialResiduals.from_datasets(
        datasets, correlation_radius="0.12 deg", **energies
    )
    spatial = SpatialResiduals.read("deep/out/spatial_residuals.fits")
    assert_equal(spatial.sqrt_ts.data, expected.sqrt_ts.data)
    assert_allclose(spatial.energy_axis.edges, [2, 5] * u.TeV)
    assert spatial.to_dict() == expected.to_dict()

    expected = SpectralResiduals.from_datasets(datasets, REGION, **energies)
    expected = expected.to_table("significance")
    table = Table.read("deep/out/spectral_residuals.ecsv")
    assert table.colnames == expected.colnames
    assert_allclose(table["residual"], expected["residual"])
    assert np.isfinite(table["residual"]).tolist() == [False, True, False]
    # Two panels side by side, and the spectrum with its residuals.
    height, width, _ = imread("deep/out/spatial_residuals.png").shape
    assert width > 1.5 * height > 500
    assert imread("deep/out/spectral_residuals.png").shape[0] > 500

    summary = result.stdout.splitlines()
    assert summary[0] == "Datasets: set-0, set-1"
    assert summary[1] == "Maps: 2 - 5 TeV, tophat of 0.12 deg"
    assert "the region" in summary[4] and "in 1 bins" in summary[4]
    assert summary[6].startswith("Written to deep/out: spatial_residuals.fits, ")
    assert "100%" in result.stderr


def test_parameters(args):
    result = run_cli(cli, args)
    line = next(
        line for line in result.stdout.splitlines() if line.startswith("Parameters")
    )
    assert line == (
        "Parameters: 22, of which 12 are free; at a bound: set-1-bkg.spectral.norm"
    )
    table = Table.read("residuals/parameters.ecsv")
    models = make_models()
    assert table["model"].tolist()[:2] == ["near", "near"]
    assert_allclose(table["value"], models.parameters.value, rtol=1e-6)


def test_worst_pixel_and_nearest_component(args):
    result = run_cli(cli, [*args, "--kernel", "none", "--exclude", "near"])

    # 40 counts, where background (3) and "far" (nothing) are the model, twice, and
    # 3 of 3 in the other bin of the fit range.
    total, model = 86, 12
    sigma = np.sqrt(2 * (total * np.log(total / model) - total + model))
    line = next(line for line in result.stdout.splitlines() if line.startswith("Worst"))
    assert line == (
        f"Worst pixel: +{sigma:.1f} sigma at 0.200, +0.500 deg (galactic); "
        "nearest component: near (left out), 0.54 deg away"
    )


def test_hot_spots(args, files):
    """The same as the estimator finds, in the file, in the text and on the maps."""
    options = [
        "--correlation-radius",
        "0.1 deg",
        "--kernel",
        "gauss",
        "--hot-spots",
        "--n-toys",
        "20",
    ]
    result = run_cli(
        cli, [*args, *options, "--panels", "significance", "--random-state", "3"]
    )
    assert names_in("residuals") == ALL_FILES | {"hot_spots.ecsv"}
    datasets = Datasets.read(files / "datasets.yaml", files / "models.yaml")
    expected = HotSpotEstimator(
        correlation_radii=["0.1 deg", "0.2 deg", "0.4 deg"], n_toys=20, random_state=3
    ).run(datasets)
    spots = HotSpots.read("residuals/hot_spots.ecsv")
    assert spots.verdict == expected.verdict
    assert_allclose(spots.table["sqrt_ts"], expected.table["sqrt_ts"])
    assert spots.table["sqrt_ts"][0] > 4
    assert f"Hot spots: {spots.verdict}" in result.stdout
    row = next(
        line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["1"]
    )
    assert float(row[1]) == pytest.approx(0.2, abs=0.05)

    run_cli(cli, [*args, "--overwrite"])
    assert names_in("residuals") == ALL_FILES


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--no-apply-mask"], {"apply_mask": False}),
        (["--exclude", "near", "--exclude", "far"], {"exclude": ["near", "far"]}),
        (
            ["--kernel", "gauss", "--correlation-radius", "0.07 deg"],
            {"kernel": "gauss", "correlation_radius": "0.07 deg"},
        ),
        (["--kernel", "point-source"], {"kernel": "point-source"}),
        (["--energy-edges", "2 TeV, 5 TeV"], {"energy_edges": ["2 TeV", "5 TeV"]}),
    ],
)
def test_options(args, files, options, expected):
    datasets = Datasets.read(files / "datasets.yaml", files / "models.yaml")
    expected = SpatialResiduals.from_datasets(datasets, **expected)
    run_cli(cli, [*args, *options])
    residuals = SpatialResiduals.read("residuals/spatial_residuals.fits")
    assert_equal(residuals.sqrt_ts.data, expected.sqrt_ts.data)


def test_energy_unit(args):
    """It is that of all that is printed and written."""
    result = run_cli(cli, [*args, "--energy-unit", "GeV"])
    assert "TeV" not in result.stdout
    assert "Maps: 2000 - 10000 GeV, " in result.stdout
    maps = SpatialResiduals.read("residuals/spatial_residuals.fits")
    assert maps.energy_axis.unit == "GeV"
    table = Table.read("residuals/spectral_residuals.ecsv")
    assert table["e_min"].unit == "GeV"


@pytest.fixture()
def drawn(monkeypatch):
    """Axes of the maps that the command drew, of all datasets and of each."""
    found = {}

    def draw(*args, **kwargs):
        found[kwargs.get("by")] = plot_spatial_residuals(*args, **kwargs)
        return found[kwargs.get("by")]

    monkeypatch.setattr("gammapy.scripts.residuals.plot_spatial_residuals", draw)
    return found


def test_style_of_maps(args, drawn):
    panels = ["--panels", "counts"]
    run_cli(cli, [*args, *panels, "--stretch", "log", "--no-crop", "--by", "dataset"])
    assert names_in("residuals") == ALL_FILES | {"spatial_residuals_by_dataset.png"}
    each = drawn["dataset"]["counts"]
    assert list(each) == ["set-0", "set-1"]
    for ax in (drawn[None]["counts"], *each.values()):
        assert "(log scale)" in ax.images[0].colorbar.ax.get_ylabel()
        assert ax.get_xlim() == (-0.5, 40.5)
    # The figure of several energy groups has a column for each.
    edges = ["--energy-edges", "1 TeV,2 TeV,10 TeV", *panels, "--overwrite"]
    run_cli(cli, [*args, *edges, "--stretch", "linear"])
    assert names_in("residuals") == ALL_FILES
    assert len(drawn[None]["counts"]) == 2
    for ax in drawn[None]["counts"]:
        assert "scale" not in ax.images[0].colorbar.ax.get_ylabel()
    line = run_bad([*args, *edges, "--by", "dataset"])
    assert "by='dataset' draws one energy group, and energy_edges make 2" in line
    line = run_bad([*args, "--stretch", "root", "--overwrite"])
    assert "'root' is not one of 'auto', 'linear', 'sqrt', 'asinh', 'log'" in line


def test_numbers_of_components(args, drawn):
    run_cli(cli, [*args, "--models-style", "markers", "--panels", "counts"])
    ax = drawn[None]["counts"]
    gids = [str(text.get_gid()).split(":")[0] for text in ax.texts]
    assert "number" in gids and "name" not in gids
    (legend,) = ax.figure.legends
    assert legend.get_texts()[0].get_text().startswith("1  ")


def test_method_and_dataset(args, files):
    run_cli(cli, [*args, "--method", "diff/model", "--dataset", "set-1"])
    dataset = Datasets.read(files / "datasets.yaml", files / "models.yaml")["set-1"]
    expected = SpectralResiduals.from_datasets(dataset).to_table("diff/model")
    table = Table.read("residuals/spectral_residuals.ecsv")
    assert_allclose(table["residual"], expected["residual"])
    residuals = SpatialResiduals.read("residuals/spatial_residuals.fits")
    assert residuals.datasets_names == ["set-1"]


def test_region_file(args):
    circles = ["circle(0.3, 0, 0.3)", "circle(-0.4, 0.2, 0.2)"]
    text = "\n".join(["# Region file format: DS9", "galactic", *circles])
    Path("two.reg").write_text(text + "\n# text(0,0) text={note}\n")
    run_cli(cli, [*args, "--region", "two.reg"])
    run_cli(cli, [*args, "--region", f"galactic;{';'.join(circles)}", "--outdir", "b"])
    run_cli(cli, [*args, "--region", f"galactic;{circles[0]}", "--outdir", "c"])

    two, same, one = (
        Table.read(f"{folder}/spectral_residuals.ecsv")
        for folder in ("residuals", "b", "c")
    )
    assert_allclose(two["counts"], same["counts"])
    assert np.all(two["counts"][1:] > 1.3 * one["counts"][1:])


def test_without_models(args):
    result = run_cli(cli, args[:2])
    assert names_in("residuals") == MAP_FILES | SPECTRUM_FILES
    assert "Parameters" not in result.stdout
    assert "nearest" not in result.stdout


def test_overwrite(args, files):
    run_cli(cli, args)
    before = {path: path.read_bytes() for path in Path("residuals").iterdir()}
    line = run_bad([*args, "--energy-min", "5 TeV"])
    assert "residuals/spatial_residuals.fits' and 4 more exist" in line
    assert "--overwrite" in line
    assert {path: path.read_bytes() for path in Path("residuals").iterdir()} == before

    Path("residuals/notes.txt").write_text("mine")
    spectra = str(files / "spectra.yaml")
    run_cli(cli, ["residuals", spectra, "--overwrite"])
    # No maps of another fit stay beside the new spectrum.
    assert names_in("residuals") == SPECTRUM_FILES | {"notes.txt"}
    new = Path("residuals/spectral_residuals.ecsv")
    assert new.read_bytes() != before[new]


def test_spectra_have_no_maps(args, files):
    # The FITS file of the dataset does as well.
    for name in ("spectra.yaml", "spectrum.fits"):
        result = run_cli(cli, ["residuals", str(files / name), "--outdir", name])
        assert names_in(name) == SPECTRUM_FILES
        assert "Maps" not in result.stdout
        assert "Worst pixel" not in result.stdout
        sigma = np.sqrt(2 * (9 * np.log(9 / 3) - 9 + 3))
        assert f"worst +{sigma:.1f} sigma at 5 - 10 TeV" in result.stdout


def test_on_off_maps(args):
    image = make_dataset("run").to_image()
    image.mask_safe.data[...] = True
    dataset = RingBackgroundMaker(r_in="0.3 deg", width="0.2 deg").run(image)
    dataset.write("run.fits")
    run_cli(cli, ["residuals", "run.fits"])
    residuals = SpatialResiduals.read("residuals/spatial_residuals.fits")
    expected = SpatialResiduals.from_datasets(dataset)
    assert_allclose(residuals.sqrt_ts.data, expected.sqrt_ts.data, atol=1e-5)


def test_flux_points_are_left_out(args, caplog):
    table = Table({"e_ref": [1, 3] * u.TeV, "dnde": [1, 2] * u.Unit("cm-2 s-1 TeV-1")})
    table["dnde_err"] = table["dnde"] / 10
    table.meta["SED_TYPE"] = "dnde"
    points = FluxPointsDataset(data=FluxPoints.from_table(table), name="points")
    Datasets([points, make_spectrum()]).write("mixed.yaml")
    Datasets([points]).write("points.yaml", overwrite=True)

    result = run_cli(cli, ["residuals", "mixed.yaml"])
    assert "Datasets: spectrum\n" in result.stdout
    assert "are ignored: points" in caplog.text
    caplog.clear()
    result = run_cli(cli, ["residuals", "points.yaml", "--outdir", "b"], exit_code=2)
    assert "Error: None of the datasets has counts" in result.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--energy-min", "2"], "'2' is not an energy such as '2 TeV'"),
        (["--energy-min", "-2 TeV"], "'-2 TeV' is not an energy"),
        (["--energy-min", "5 TeV", "--energy-max", "2 TeV"], "is not below"),
        (["--energy-min", "20 TeV"], "No energy bin of dataset 'set-0'"),
        (
            ["--correlation-radius", "1 TeV"],
            "'1 TeV' is not an angle such as '0.1 deg'",
        ),
        (["--correlation-radius", "0.001 deg"], "is not between the size of a pixel"),
        (["--kernel", "disk"], "'disk' is not one of 'tophat'"),
        (["--panels", "counts,model"], "'model' is not one of counts, npred"),
        (["--exclude", "nobody"], "no model named 'nobody'"),
        (["--dataset", "set-9"], "no dataset 'set-9'; there are set-0, set-1"),
        (["--region", "missing.reg"], "no file 'missing.reg'"),
        (["--region", "somewhere"], "'somewhere' has no region"),
        (["--region", "image;circle(10, 10, 3)"], "is in pixels"),
        (["--region", "galactic;-circle(0, 0, 0.3)"], "excludes regions"),
        (["--region", "galactic;circle(9, 9, 0.3)"], "No pixel"),
        (["--region", "galactic;circle(0.9, 0, 0.3)"], "reaches beyond the maps"),
        (["--n-jobs", "0"], "'--n-jobs'"),
        (["--colour", "red"], "No such option"),
    ],
)
def test_bad_options(args, options, message):
    assert message in run_bad([*args, *options])
    assert names_in(".") == set()


def test_bad_files(args, files):
    datasets, models = args[1:]
    assert "'none.yaml' does not exist" in run_bad(["residuals", "none.yaml"])
    assert "Missing argument 'DATASETS'" in run_bad(["residuals"])
    assert "it lacks 'datasets'" in run_bad(["residuals", models])
    assert "it lacks 'components'" in run_bad(["residuals", datasets, datasets])
    assert names_in(".") == set()

    Path("broken.yaml").write_text("datasets: [")
    assert "broken.yaml" in run_bad(["residuals", "broken.yaml"])
    Path("lost.yaml").write_text(
        "datasets:\n- {name: a, type: MapDataset, filename: lost.fits}\n"
    )
    assert "lost.fits" in run_bad(["residuals", "lost.yaml"])
    Path("text.fits").write_text("no FITS")
    assert "text.fits" in run_bad(["residuals", "text.fits"])


def test_models_of_other_datasets_are_named(args, caplog):
    run_cli(cli, [*args, "--dataset", "set-0"])
    assert "it is not used" not in caplog.text
    Models([FoVBackgroundModel(dataset_name="other")]).write("other.yaml")
    run_cli(cli, [*args[:2], "other.yaml", "--outdir", "b"])
    assert "'other-bkg' is of other, not of the datasets set-0, set-1" in caplog.text


def test_errors_leave_nothing_behind(tmp_path):
    def fail(path):
        path.write_text("half")
        raise OSError("the disk is full")

    def write(path):
        path.write_text("new")

    with pytest.raises(InputError, match="the disk is full"):
        write_files(tmp_path / "a" / "b", {"first": write, "second": fail})
    assert names_in(tmp_path) == set()

    (tmp_path / "first").write_text("old")
    with pytest.raises(InputError):
        write_files(tmp_path, {"first": write, "second": fail})
    assert names_in(tmp_path) == {"first"}
    assert (tmp_path / "first").read_text() == "old"
