# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that are damaged or hold something else: one line with the name of the file."""

import json
import pytest
from click.testing import CliRunner
from pydantic import ValidationError
import numpy as np
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.datasets import Datasets, SpatialResiduals
from gammapy.datasets.residuals.grids import parse_region
from gammapy.maps import Map, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import Models, TemplateNPredModel
from gammapy.scripts.analysis import cli_run_analysis
from gammapy.scripts.nuisance import cli_nuisance
from gammapy.scripts.residuals import cli_residuals
from gammapy.utils.testing import check_bad_input
from gammapy.workflow import WorkflowConfig


@pytest.fixture(scope="module")
def good(scene, tmp_path_factory):
    """File of spatial residuals."""
    path = tmp_path_factory.mktemp("good") / "residuals.fits"
    scene.spatial.write(path)
    return path


# --- residuals -------------------------------------------------------------


def with_entry(name, value):
    """Change of an entry of the metadata; None removes it."""

    def change(hdulist):
        meta = json.loads(hdulist["RESIDUALS"].data["meta"][0])
        meta[name] = value
        if value is None:
            del meta[name]
        with_table({"meta": [json.dumps(meta).encode()]})(hdulist)

    return change


def with_table(columns):
    def change(hdulist):
        del hdulist["RESIDUALS"]
        hdulist.append(fits.BinTableHDU(Table(columns), name="RESIDUALS"))

    return change


def without(name):
    def change(hdulist):
        del hdulist[name]

    return change


def with_header(key, value):
    def change(hdulist):
        hdulist["COUNTS"].header[key] = value

    return change


def cut(hdulist):
    hdulist["COUNTS"].data = hdulist["COUNTS"].data[:, :5]


DAMAGES = [
    (with_entry("correlation_radius", "3 TeV"), "correlation_radius|'3 TeV'|an angle"),
    (with_entry("correlation_radius", "x"), "correlation_radius|'x'|an angle"),
    (with_entry("correlation_radius", "-1 deg"), "correlation_radius|-1.0|above 0"),
    (with_entry("n_pixels_correlated", "x"), "n_pixels_correlated|'x'|above 0"),
    (with_entry("n_pixels_correlated", -1), "n_pixels_correlated|-1|above 0"),
    (with_entry("kernel", "cone"), "kernel|'cone'|'tophat'"),
    (with_entry("exclude", 3), "exclude|3|names of models"),
    (with_entry("datasets_names", 3), "datasets_names|3|names of datasets"),
    (with_entry("models", "x: ["), "models cannot be read"),
    (with_entry("models", "!nix 1"), "models cannot be read|'!nix'"),
    (with_entry("models", "- 1"), "models cannot be read|got [1]"),
    (with_entry("format", "x"), "format|'x'|a number"),
    (with_entry("maps", ["counts"]), "lacks the maps npred, npred_background"),
    (with_entry("maps", ["nix"]), "no map nix"),
    (with_entry("nix", 3), "unknown entries nix"),
    (with_entry("kernel", None), "lacks 'kernel'"),
    (with_entry("maps", None), "lacks 'maps'"),
    (with_entry("models", None), "lacks 'models'"),
    (with_table({"meta": [b"{"]}), "damaged|Expecting property name"),
    (with_table({"meta": [b"[1]"]}), "a dict|got [1]"),
    (with_table({"a": [1]}), "no spatial residuals|meta"),
    (without("COUNTS"), "no map counts"),
    (without("SQRT_TS_BANDS"), "no map sqrt_ts"),
    (without("RESIDUALS"), "no spatial residuals: it lacks the extension RESIDUALS"),
    (with_header("CRVAL1", 9.0), "not on that of counts: |83.6, 22 deg instead of 9"),
    (with_header("CTYPE1", "NIX"), "no map counts"),
    (cut, "no map counts|(1, 5, 20)"),
]


@pytest.mark.parametrize("change, words", DAMAGES)
def test_damaged_residuals(change, words, good, tmp_path):
    path = tmp_path / "damaged.fits"
    with fits.open(good, memmap=False) as hdulist:
        hdulist = fits.HDUList([hdu.copy() for hdu in hdulist])
    change(hdulist)
    hdulist.writeto(path)
    before = path.read_bytes()
    read = lambda: SpatialResiduals.read(path)  # noqa: E731
    check_bad_input(read, ValueError, repr(str(path)), *words.split("|"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.3, 0.6, 0.9, 0.999])
def test_truncated_residuals(fraction, good, tmp_path):
    """The last bytes were missing silently."""
    path = tmp_path / "truncated.fits"
    content = good.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises((OSError, ValueError), match="truncated.fits'") as caught:
        SpatialResiduals.read(path)
    assert "\n" not in str(caught.value)


def test_no_residuals(good, tmp_path):
    text = tmp_path / "text.fits"
    text.write_text("hello")
    read = SpatialResiduals.read
    for path in (text, tmp_path, tmp_path / "missing.fits"):
        check_bad_input(
            lambda path=path: SpatialResiduals.read(path), OSError, str(path)
        )
    check_bad_input(lambda: SpatialResiduals.read(3), TypeError, "filename", "got 3")
    residuals = read(good)
    check_bad_input(
        lambda: residuals.write(good, overwrite="no"), TypeError, "overwrite", "'no'"
    )
    check_bad_input(lambda: residuals.write(good), OSError, str(good), "overwrite=True")


# --- YAML ------------------------------------------------------------------

DOCUMENTS = {
    "tag": ("!nix {a: 1}", "'!nix'"),
    "object": ("general: !!python/object:os.system {}", "os.system"),
    "empty": ("", "it is empty"),
    "comment": ("# nothing", "it is empty"),
    "list": ("- 1\n- 2", "got [1, 2]"),
    "number": ("3", "got 3"),
    "text": ("hello", "got 'hello'"),
    "broken": ("a: [1", "line 1"),
    "tabs": ("a:\n\t- 1", "line 2"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_bad_yaml(name, tmp_path):
    text, words = DOCUMENTS[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    for read in (AnalysisConfig.read, WorkflowConfig.read, Datasets.read):
        check_bad_input(lambda read=read: read(path), ValueError, str(path), words)
    for parse in (AnalysisConfig.from_yaml, WorkflowConfig.from_yaml, Models.from_yaml):
        check_bad_input(lambda parse=parse: parse(text), ValueError, words)
    for command, arguments in [
        (cli_residuals, [path]),
        (cli_nuisance, [path]),
        (cli_run_analysis, ["--filename", path]),
    ]:
        check_command(command, arguments, str(path), words)


def check_command(command, arguments, *words):
    """The command prints one line on what is wrong, and has the exit code 2."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 2
    (line,) = result.output.strip().splitlines()
    for word in ("Error: ", *words):
        assert word in line


def test_truncated_dataset(scene, tmp_path):
    scene.datasets.write(tmp_path / "datasets.yaml")
    path = tmp_path / "run.fits"
    content = path.read_bytes()
    for fraction in (0, 0.1, 0.5):
        path.write_bytes(content[: int(fraction * len(content))])
        check_command(cli_residuals, [path], "Cannot read datasets", "run.fits")
        arguments = [tmp_path / "datasets.yaml"]
        check_command(cli_residuals, arguments, "Cannot read datasets", "datasets.yaml")


RESIDUALS = [
    ("energy_edges", ["1 TeV"], "two or more increasing"),
    ("energy_edges", ["2 TeV", "1 TeV"], "two or more increasing"),
    ("energy_edges", [1, 2], "an energy such as '1 TeV'"),
    ("energy_min", 5, "an energy such as '1 TeV'"),
    ("kernel", "cone", "'tophat'"),
    ("apply_mask", "x", "boolean"),
    ("region", "crab", "'crab'"),
    ("radius", "1 deg", "keys are energy_min"),
]


@pytest.mark.parametrize("key, value, words", RESIDUALS)
def test_bad_values_in_yaml(key, value, words):
    with pytest.raises(ValidationError, match=words) as caught:
        AnalysisConfig(residuals={key: value})
    assert f"residuals.{key}" in str(caught.value) or key in str(caught.value)


@pytest.mark.parametrize("kind", ["map", "spectrum"])
def test_energy_edges_of_a_session(kind, scene):
    """Of spectra they were silently taken as a range."""
    dataset = scene.dataset
    if kind == "spectrum":
        region = parse_region("icrs;circle(83.6, 22, 0.5)")
        dataset = dataset.to_spectrum_dataset(region, name="spectrum")
    session = Analysis(AnalysisConfig(residuals={"energy_edges": ["2 TeV", "50 TeV"]}))
    session.datasets = Datasets([dataset])
    words = ("energy_edges", "2, 50 TeV", "1, 31.622777 TeV")
    check_bad_input(session.get_residuals, ValueError, *words)


# --- geometries ------------------------------------------------------------


def shifted(geom, shift=1e-4):
    """The same geometry, elsewhere by less than is printed."""
    center = (83.6 + shift, 22.0)
    other = WcsGeom.create(npix=20, binsz=0.1, skydir=center, axes=geom.axes)
    assert str(other) == str(geom)
    return other


@pytest.mark.parametrize("name", ["background", "mask_safe", "mask_fit"])
def test_cubes_whose_printed_geometries_look_the_same(name, scene):
    dataset = scene.dataset.copy(name="run")
    map_ = getattr(dataset, name)
    geom = shifted(map_.geom)
    setattr(dataset, name, Map.from_geom(geom, data=map_.data, dtype=map_.data.dtype))
    words = (f"'run': {name}", "83.6001, 22 deg instead of 83.6, 22 deg")
    for run in (SpatialResiduals.from_datasets, lambda files: files.residuals()):
        check_bad_input(lambda run=run: run(dataset), ValueError, *words)


def test_template_whose_printed_geometry_looks_the_same(scene):
    dataset = scene.dataset.copy(name="run")
    geom = shifted(dataset.counts.geom)
    template = Map.from_geom(geom, data=np.ones(geom.data_shape))
    dataset.models = [TemplateNPredModel(template, datasets_names=["run"])]
    words = ("map of a model", "83.6001, 22 deg instead of 83.6, 22 deg")
    for run in (SpatialResiduals.from_datasets, Fit("newton").run):
        check_bad_input(lambda run=run: run([dataset]), ValueError, *words)


def test_nearest_edges_can_be_pasted(scene):
    """The digits of the message are enough for them to be taken as edges."""
    wrong = [2.0, 50.0] * u.TeV
    words = ("nearest ones are 1, 31.622777 TeV",)
    make = SpatialResiduals.from_datasets
    check_bad_input(
        lambda: make(scene.datasets, energy_edges=wrong), ValueError, *words
    )
    residuals = make(scene.datasets, energy_edges=[1, 31.622777] * u.TeV)
    # 10^0 and 10^1.5, of four bins from 1 to 100 TeV.
    assert residuals.energy_axis.edges.value.tolist() == pytest.approx([1, 10**1.5])
