# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files say what they hold to readers that do not know Gammapy: ds9, TOPCAT and others.

Headers, world coordinates and units are read as the standards have them, with nothing
of Gammapy; ECSV files with a reader of YAML and one of CSV.
"""

import csv
import io
import json
import warnings
import pytest
import yaml
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from gammapy.datasets import (
    Datasets,
    MapDataset,
    RadialResiduals,
    SpatialResiduals,
    SpectralResiduals,
)
from gammapy.diagnostics import (
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    HotSpots,
    PSMap,
    PSMapEstimator,
)
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import ExclusionMaskMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.parameter_table import parameters_table
from gammapy.utils.ecsv import write_plain

EDGES = [1, 2.1544346900318843, 4.6415888336127775, 10]
AXIS = MapAxis.from_energy_edges(EDGES * u.TeV)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
GEOM = WcsGeom.create(
    skydir=(343.3, -0.4), npix=(22, 18), binsz=0.1, axes=[AXIS], frame="galactic"
)
#: Units of the images, "" for none.
UNITS = {
    "COUNTS": "count",
    "NPRED": "count",
    "NPRED_BACKGROUND": "count",
    "VARIANCE": "count2",
    "SQRT_TS": "",
    "MASK": "",
    "COVERAGE": "",
}


@pytest.fixture(scope="module")
def datasets():
    """Noise with a spot, and a source in the model."""
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name="run 1")
    dataset.psf = dataset.edisp = None
    dataset.exposure.data += 1e10
    dataset.background.data += 4
    dataset.mask_safe.data[...] = True
    dataset.mask_safe.data[:, :, :2] = False
    source = SkyModel(
        PowerLawSpectralModel(amplitude="3e-10 cm-2 s-1 TeV-1"),
        GaussianSpatialModel(
            lon_0="343.3 deg", lat_0="-0.4 deg", sigma="0.15 deg", frame="galactic"
        ),
        name="HESS J1702-420",
    )
    source.spatial_model.parameters.freeze_all()
    datasets = Datasets([dataset])
    datasets.models = [source, FoVBackgroundModel(dataset_name="run 1")]
    dataset.counts.data = np.random.default_rng(1).poisson(dataset.npred().data)
    dataset.counts.data[:, 13:15, 15:17] += 15
    Fit("newton").run(datasets)
    return datasets


def check_strictly(hdulist):
    """Whatever the standard of FITS says of files, names and units."""
    for hdu in hdulist:
        hdu.verify("exception")
        for keyword in hdu.header:
            assert keyword == keyword.upper()
        assert hdu.name == hdu.name.upper()
        units = [hdu.header[key] for key in hdu.header if key.startswith("TUNIT")]
        units += [hdu.header["BUNIT"]] if "BUNIT" in hdu.header else []
        for unit in units:
            assert unit.strip() and u.Unit(unit, format="fits", parse_strict="raise")


def check_image(hdu, geom, unit):
    """An image by itself: unit, energies, and where its pixels are on the sky."""
    header = hdu.header
    assert header.get("BUNIT", "") == unit
    edges = geom.axes["energy"].edges
    assert hdu.data.shape == geom.data_shape
    assert header["E_UNIT"] == "TeV"
    for idx, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True), start=1):
        # All digits.
        assert header[f"E_MIN{idx}"] == low.value
        assert header[f"E_MAX{idx}"] == high.value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wcs = WCS(header)
    assert wcs.naxis == hdu.header["NAXIS"] == 3
    assert list(wcs.wcs.ctype) == ["GLON-CAR", "GLAT-CAR", "GROUP"]
    y, x = 4, 7
    lon, lat, group = wcs.wcs_pix2world([[x, y, len(edges) - 2]], 0)[0]
    assert_allclose(group, len(edges) - 1)
    # The projection of the grid by hand: a plate carree around its centre.
    centre = geom.center_skydir
    assert_allclose(lon, centre.l.deg - 0.1 * (x - 10.5), atol=1e-3)
    assert_allclose(lat, centre.b.deg + 0.1 * (y - 8.5), atol=1e-3)


@pytest.mark.parametrize("energy_edges", [None, EDGES * u.TeV])
def test_spatial_residuals(datasets, energy_edges, tmp_path):
    path = tmp_path / "maps.fits"
    residuals = SpatialResiduals.from_datasets(datasets, energy_edges=energy_edges)
    residuals.write(path)
    with fits.open(path) as hdulist:
        check_strictly(hdulist)
        for name, unit in UNITS.items():
            check_image(hdulist[name], residuals.counts.geom, unit)
        # Eight bits, which all readers know.
        assert hdulist["MASK"].header["BITPIX"] == 8
        assert_allclose(hdulist["COUNTS"].data, residuals.counts.data)
        bands = hdulist[hdulist["COUNTS"].header["BANDSHDU"]]
        assert bands.columns["E_MIN"].unit == "TeV"
        assert json.loads(hdulist["RESIDUALS"].data["META"][0])["kernel"] == "tophat"
    read = SpatialResiduals.read(path)
    for name, map_ in residuals._maps.items():
        same = read._maps[name]
        assert same.unit == map_.unit and same.data.dtype == map_.data.dtype
        np.testing.assert_array_equal(same.data, map_.data)
        assert same.geom == map_.geom


def test_maps_of_a_matched_filter(datasets, tmp_path):
    """Fluxes have their unit, significances have none."""
    path = tmp_path / "maps.fits"
    residuals = SpatialResiduals.from_datasets(datasets, kernel=datasets.models[0])
    residuals.write(path)
    with fits.open(path) as hdulist:
        check_strictly(hdulist)
        for name in ("COUNTS", "NPRED"):
            assert u.Unit(hdulist[name].header["BUNIT"], format="fits") == "cm-2 s-1"
        assert "BUNIT" not in hdulist["SQRT_TS"].header
    assert SpatialResiduals.read(path).unit == "cm-2 s-1"


def test_file_without_these_entries(datasets, tmp_path):
    """Files that were written before are read."""
    path = tmp_path / "maps.fits"
    residuals = SpatialResiduals.from_datasets(datasets)
    residuals.write(path)
    with fits.open(path) as hdulist:
        for name in UNITS:
            header = hdulist[name].header
            for key in [*header["E_*"], *header["C*3"]]:
                header.remove(key)
            header["WCSAXES"], header["BUNIT"] = 2, ""
        hdulist["MASK"].data = hdulist["MASK"].data.astype(np.int64)
        hdulist["RESIDUALS"].columns.change_name("META", "meta")
        hdulist.writeto(tmp_path / "before.fits")
    read = SpatialResiduals.read(tmp_path / "before.fits")
    np.testing.assert_array_equal(read.sqrt_ts.data, residuals.sqrt_ts.data)
    assert read.mask.is_mask


def test_ps_map(datasets, tmp_path):
    path = tmp_path / "ps.fits"
    result = PSMapEstimator(radius="0.15 deg").run(datasets)
    result.write(path)
    units = {"PS": "", "SIGMA": "", "WORST_ENERGY": "TeV", "COUNTS": "count"}
    with fits.open(path) as hdulist:
        check_strictly(hdulist)
        for name, unit in units.items():
            check_image(hdulist[name], result.ps.geom, unit)
        columns = hdulist["EXTREMES"].columns
        units = {column.name: column.unit for column in columns}
        assert units["lon"] == units["lat"] == "deg"
        assert units["worst_energy"] == "TeV"
    assert PSMap.read(path).counts.unit == ""


def test_exclusion_mask(datasets, tmp_path):
    path = tmp_path / "mask.fits"
    maker = ExclusionMaskMaker("0.1 deg", "0.3 deg", "0.4 deg")
    result = maker.run(datasets)
    result.write(path)
    with fits.open(path) as hdulist:
        check_strictly(hdulist)
        np.testing.assert_array_equal(hdulist[0].data, result.mask.data)
        assert hdulist[0].header["BITPIX"] == 8
        assert "BUNIT" not in hdulist["SQRT_TS"].header
        wcs = WCS(hdulist["SQRT_TS"].header)
        assert wcs.naxis == 2
        assert hdulist["ROUNDS"].columns["area"].unit == "deg2"


def read_ecsv(path, standards=("fits", "vounit")):
    """Columns with their units, metadata and rows, with nothing but YAML and CSV."""
    lines = path.read_text().splitlines()
    assert lines[0] == "# %ECSV 1.0"
    header = [line[2:] for line in lines[1:] if line.startswith("# ")]
    # Safe: without what only Python, numpy or astropy know.
    header = yaml.safe_load("\n".join(header))
    text = "\n".join(line for line in lines if not line.startswith("#"))
    delimiter = header.get("delimiter", " ")
    names, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    columns = {column["name"]: column for column in header["datatype"]}
    assert names == list(columns)
    kinds = {column["datatype"] for column in columns.values()}
    assert kinds <= {"float64", "int64", "string", "bool"}
    for row in rows:
        assert len(row) == len(names)
    for column in columns.values():
        if column.get("unit"):
            for standard in standards:
                unit = u.Unit(column["unit"], format=standard, parse_strict="raise")
                assert unit != u.dimensionless_unscaled
    return (
        columns,
        header.get("meta"),
        [dict(zip(names, row, strict=True)) for row in rows],
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda datasets: SpectralResiduals.from_datasets(datasets),
        lambda datasets: RadialResiduals.from_datasets(
            datasets, GEOM.center_skydir, radius_max="0.6 deg", width="0.2 deg"
        ),
        lambda datasets: GoodnessOfFitEstimator().run(datasets),
    ],
)
def test_results_in_tables(make, datasets, tmp_path):
    path = tmp_path / "result.ecsv"
    result = make(datasets)
    result.write(path)
    read_ecsv(path)
    # Gammapy reads the same from it as it wrote.
    result.read(path).write(tmp_path / "again.ecsv")
    assert (tmp_path / "again.ecsv").read_text() == path.read_text()


def test_hot_spots(datasets, tmp_path):
    """An amplitude has a unit that a reader of FITS units knows."""
    path = tmp_path / "spots.ecsv"
    estimator = HotSpotEstimator(correlation_radii=["0.15 deg"], n_toys=0)
    spots = estimator.run(datasets)
    assert len(spots.table)
    spots.write(path)
    columns, _meta, rows = read_ecsv(path)
    assert u.Unit(columns["amplitude"]["unit"], format="fits") == "cm-2 s-1 TeV-1"
    assert columns["energy_min"]["unit"] == "TeV" and columns["lon"]["unit"] == "deg"
    # All digits, however few are shown.
    assert float(rows[0]["energy_min"]) == spots.table["energy_min"][0]
    assert float(rows[0]["amplitude"]) == spots.table["amplitude"][0]
    read = HotSpots.read(path)
    assert read.table["amplitude"].unit == spots.table["amplitude"].unit


def test_nuisance_tables(datasets, tmp_path):
    """Also when they are written by astropy alone."""
    path = tmp_path / "nuisance.ecsv"
    amplitude = datasets.parameters["amplitude"]
    amplitude.scan_n_values = 3
    profile = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    estimator = FluxPointsEstimator(
        energy_edges=EDGES * u.TeV,
        source="HESS J1702-420",
        reoptimize=True,
        debug=True,
    )
    name = "run 1-bkg.spectral.norm"
    for table in (profile["nuisance"], estimator.run(datasets).nuisance):
        table.write(path, overwrite=True)
        # Units as astropy writes them.
        read_ecsv(path, ["generic"])
        write_plain(table, path)
        _columns, meta, rows = read_ecsv(path)
        value, error = dict(meta)["best_fit"][name]
        norm = datasets.parameters["norm"]
        assert_allclose([value, error], [norm.value, norm.error])
        assert [float(row[name]) for row in rows] == table[name].tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plain = Table(table, meta={})
            hdu = fits.BinTableHDU(plain, name="NUISANCE")
        check_strictly([hdu])
    write_plain(parameters_table(datasets.models), tmp_path / "parameters.ecsv")
    _columns, _meta, rows = read_ecsv(tmp_path / "parameters.ecsv")
    units = {row["unit"] for row in rows} - {""}
    for unit in units:
        u.Unit(unit, format="fits", parse_strict="raise")


def test_region_geometry_is_not_needed(datasets, tmp_path):
    """A spectrum of a region has the region as a text that ds9 reads."""
    path = tmp_path / "spectrum.ecsv"
    region = "galactic;circle(343.3, -0.4, 0.3)"
    SpectralResiduals.from_datasets(datasets, region).write(path)
    _columns, meta, _rows = read_ecsv(path)
    text = dict(meta)["bins"]["region"]
    geom = RegionGeom.create(text)
    assert_allclose(geom.region.radius.to_value("deg"), 0.3)
