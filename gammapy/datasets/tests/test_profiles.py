# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals in rings and along a line, against sums pixel by pixel."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
import matplotlib.pyplot as plt
from gammapy.datasets import (
    Datasets,
    MapDataset,
    RadialResiduals,
    SliceResiduals,
    SpectrumDataset,
)
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.stats.residuals import compute_sqrt_ts

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
# Far from the equator, where angles in pixels are no angles on the sky.
GEOM = WcsGeom.create(skydir=(10, 50), npix=(24, 20), binsz=0.1, axes=[AXIS])
CENTER = SkyCoord(10.2, 50.1, unit="deg")
RINGS = {"radius_max": "0.75 deg", "width": "0.25 deg"}
ENDS = {
    "start": SkyCoord(9.2, 49.6, unit="deg"),
    "end": SkyCoord(10.8, 50.5, unit="deg").galactic,
}
LINE = ENDS | {"width": "0.3 deg", "step": "0.2 deg"}


def make_datasets(geoms=None):
    """Datasets of which the second is a cutout of the first, with masks and models."""
    geoms = geoms or [GEOM, GEOM.cutout(SkyCoord(10.6, 50.4, unit="deg"), 1.3 * u.deg)]
    random = np.random.default_rng(0)
    datasets = Datasets()
    for number, geom in enumerate(geoms):
        dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=f"d{number}")
        dataset.psf = dataset.edisp = None
        dataset.exposure.data += 1e9
        dataset.background.data += 1.0 + number
        dataset.mask_safe.data[...] = random.uniform(size=geom.data_shape) < 0.9
        datasets.append(dataset)
    datasets[0].mask_fit = geoms[0].energy_mask(energy_min=AXIS.edges[1])
    source = SkyModel(
        spatial_model=GaussianSpatialModel(
            lon_0=CENTER.ra, lat_0=CENTER.dec, sigma="0.23 deg"
        ),
        spectral_model=PowerLawSpectralModel(amplitude="1e-10 cm-2 s-1 TeV-1"),
        name="src",
    )
    source.spectral_model.amplitude.error = 1e-11
    source.spatial_model.sigma.error = 0.02
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    backgrounds[0].spectral_model.norm.error = 0.1
    datasets.models = Models([source, *backgrounds])
    for dataset in datasets:
        npred = dataset.npred()
        dataset.counts = npred.copy(data=random.poisson(npred.data))
    return datasets


@pytest.fixture(scope="module")
def datasets():
    return make_datasets()


def unit_vectors(positions):
    """Vectors to the positions, shape (..., 3)."""
    return np.moveaxis(positions.icrs.cartesian.xyz.value, 0, -1)


def radius_by_hand(positions):
    cosine = unit_vectors(positions) @ unit_vectors(CENTER)
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


def distance_by_hand(positions):
    """Distance along the great circle through both ends, NaN outside its band."""
    start, end = (unit_vectors(ENDS[name]) for name in ("start", "end"))
    pole = np.cross(start, end)
    pole /= np.linalg.norm(pole)
    vectors = unit_vectors(positions)
    across = np.rad2deg(np.arcsin(vectors @ pole))
    along = np.arctan2(vectors @ np.cross(pole, start), vectors @ start)
    return np.where(np.abs(across) <= 0.15, np.rad2deg(along), np.nan)


def sums_by_hand(datasets, edges, place, bins=slice(None)):
    """Counts, model and solid angle of each bin, pixel by pixel."""
    counts, npred, area = np.zeros((3, len(edges) - 1))
    seen = set()
    for dataset in datasets:
        model = dataset.npred().data
        mask = dataset.mask.data
        image = dataset.counts.geom.to_image()
        positions = image.get_coord().skycoord
        places = np.searchsorted(edges, place(positions), side="right") - 1
        solid_angle = image.solid_angle().to_value("deg2")
        names = np.rint(positions.ra.deg * 1e6) + 1j * np.rint(positions.dec.deg * 1e6)
        for j, i in np.ndindex(image.data_shape):
            idx = places[j, i]
            used = mask[bins, j, i]
            if not 0 <= idx < len(counts) or not used.any():
                continue
            counts[idx] += dataset.counts.data[bins, j, i][used].sum()
            npred[idx] += model[bins, j, i][used].sum()
            # Where datasets share a pixel it counts once.
            area[idx] += 0 if names[j, i] in seen else solid_angle[j, i]
            seen.add(names[j, i])
    return counts, npred, area


def check_table(result, expected, method="significance"):
    counts, npred, area = expected
    table = result.to_table(method)
    assert_allclose(table["counts"], counts)
    assert_allclose(table["npred"], npred)
    assert_allclose(table["npred_background"] + table["npred_src"], npred)
    assert_allclose(table["solid_angle"].quantity.to_value("deg2"), area)
    assert_allclose(table["residual"], compute_sqrt_ts(counts, npred))


def test_rings_pixel_by_pixel(datasets):
    edges = np.array([0, 0.25, 0.5, 0.75])
    result = RadialResiduals.from_datasets(datasets, CENTER, **RINGS)
    assert_allclose(result.edges.value, edges)
    check_table(result, sums_by_hand(datasets, edges, radius_by_hand))
    assert_allclose(result.energy_range.to_value("TeV"), [1, 10])
    above = RadialResiduals.from_datasets(
        datasets, CENTER, energy_min=AXIS.edges[2], **RINGS
    )
    check_table(above, sums_by_hand(datasets, edges, radius_by_hand, slice(2, None)))
    assert_allclose(above.energy_range[0].to_value("TeV"), AXIS.edges[2].value)


def test_line_pixel_by_pixel(datasets):
    result = SliceResiduals.from_datasets(datasets, **LINE)
    edges = result.edges.value
    length = ENDS["start"].separation(ENDS["end"]).deg
    assert_allclose(np.diff(edges), 0.2)
    assert edges[-2] < length <= edges[-1]
    expected = sums_by_hand(datasets, edges, distance_by_hand)
    used = result.mask
    counts, npred, area = (values[used] for values in expected)
    table = result.to_table("diff")[used]
    assert_allclose(table["counts"], counts)
    assert_allclose(table["npred"], npred)
    assert_allclose(table["solid_angle"], area)
    assert not any(values[~used].any() for values in expected)


def test_line_through_a_center_is_that_between_its_ends(datasets):
    start, end = ENDS["start"], ENDS["end"].icrs
    angle, length = start.position_angle(end), start.separation(end)
    middle = start.directional_offset_by(angle, length / 2)
    options = {"width": "0.3 deg", "step": length / 8}
    one = SliceResiduals.from_datasets(datasets, start=start, end=end, **options)
    other = SliceResiduals.from_datasets(
        datasets,
        center=middle,
        angle=middle.position_angle(end),
        length=length,
        **options,
    )
    assert_allclose(other.edges.value, one.edges.value - length.deg / 2, atol=1e-12)
    assert_allclose(other.to_table()["counts"], one.to_table()["counts"])


def test_component_as_center(datasets):
    at_position = RadialResiduals.from_datasets(datasets, CENTER, **RINGS)
    for center in ("src", datasets.models["src"]):
        result = RadialResiduals.from_datasets(datasets, center, **RINGS)
        assert result.center.separation(CENTER).deg < 1e-9
        assert_allclose(result.to_table()["npred"], at_position.to_table()["npred"])


def test_order_of_datasets_does_not_matter(datasets):
    one = RadialResiduals.from_datasets(datasets, CENTER, **RINGS).to_table()
    other = RadialResiduals.from_datasets(datasets[::-1], CENTER, **RINGS).to_table()
    for name in one.colnames:
        assert_allclose(other[name], one[name])


def test_datasets_on_several_grids():
    other = WcsGeom.create(skydir=(10.03, 50), npix=(30, 30), binsz=0.07, axes=[AXIS])
    datasets = make_datasets([GEOM, other])
    result = RadialResiduals.from_datasets(datasets, CENTER, **RINGS)
    edges = result.edges.value
    counts, npred, _area = sums_by_hand(datasets, edges, radius_by_hand)
    assert_allclose(result.to_table()["counts"], counts)
    assert_allclose(result.to_table()["npred"], npred)
    areas = [sums_by_hand([data], edges, radius_by_hand)[2] for data in datasets]
    assert_allclose(result.solid_angle.value, np.max(areas, axis=0))


def test_band(datasets):
    result = RadialResiduals.from_datasets(datasets, CENTER, band=True, **RINGS)
    edges, slopes = result.edges.value, []
    for par in datasets.parameters.free_parameters:
        if not par.error > 0:
            continue
        value, ends = par.value, []
        for sign in (-1, 1):
            par.value = value + sign * 0.05 * par.error
            ends.append(sums_by_hand(datasets, edges, radius_by_hand)[1])
        par.value = value
        slopes.append((ends[1] - ends[0]) / 0.1)
    assert len(slopes) == 3
    expected = np.linalg.norm(slopes, axis=0)
    assert_allclose(result.npred_err, expected, rtol=1e-2)
    # The source has the same counts however wide it is, but not in each ring.
    assert np.ptp(result.npred_err / result.to_table()["npred"]) > 0.02


@pytest.mark.parametrize("cls", [RadialResiduals, SliceResiduals])
def test_write_and_read(cls, datasets, tmp_path):
    path = tmp_path / "residuals.ecsv"
    args = {"center": "src"} | RINGS if cls is RadialResiduals else LINE
    result = cls.from_datasets(datasets, band=True, **args)
    result.write(path)
    other = cls.read(path)
    for name in result.to_table().colnames:
        assert_allclose(other.to_table()[name], result.to_table()[name], rtol=1e-14)
        assert other.to_table()[name].unit == result.to_table()[name].unit
    assert str(other) == str(result)
    if cls is RadialResiduals:
        assert other.center.separation(result.center).deg < 1e-12
        message = "no SliceResiduals but a 'RadialResiduals'"
        with pytest.raises(ValueError, match=message):
            SliceResiduals.read(path)
    else:
        assert other.origin.separation(result.origin).deg < 1e-12
        assert_allclose(other.angle, result.angle)
        assert other.width == result.width


def test_drawn(datasets):
    result = RadialResiduals.from_datasets(datasets, "src", band=True, **RINGS)
    ax_counts, ax_residuals = result.plot("diff")
    table = result.to_table("diff")
    area = table["solid_angle"]
    (points,) = [box for box in ax_counts.containers if box.get_label() == "Counts"]
    assert_allclose(points.lines[0].get_xdata(), [0.125, 0.375, 0.625])
    assert_allclose(points.lines[0].get_ydata(), table["counts"] / area)
    (bars,) = points.lines[2]
    length = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    assert_allclose(length, (table["residual_errn"] + table["residual_errp"]) / area)
    curves = {patch.get_label(): patch for patch in ax_counts.patches}
    assert_allclose(curves["src"].get_data().values, table["npred_src"] / area)
    band = curves[r"Model $\pm 1\sigma$"].get_data()
    assert_allclose(band.values - band.baseline, 2 * table["npred_err"] / area)
    assert_allclose(ax_residuals.containers[0].lines[0].get_ydata(), table["residual"])
    assert ax_residuals.get_xlabel() == "Radius [deg]"
    assert ax_counts.get_ylabel() == r"Counts per deg$^2$"
    assert ax_counts.get_xlim() == (0, 0.75)
    plt.close(ax_counts.figure)


ANYWHERE = SkyCoord(200, 0, unit="deg")
BAD_RINGS = [
    ({"center": "crab"}, ValueError, "no model named 'crab'"),
    ({"center": 3}, TypeError, "center: expected a SkyCoord, a model or the name"),
    ({"center": SkyCoord([1, 2], [3, 4], unit="deg")}, ValueError, "one position"),
    ({"center": "d0-bkg"}, (TypeError, ValueError), "center: expected"),
    ({"width": "0.01 deg"}, ValueError, "smaller than the pixels of dataset 'd0'"),
    ({"width": "0 deg"}, ValueError, "width: expected a number above 0"),
    ({"radius_max": "1 TeV"}, ValueError, "radius_max: expected an angle"),
    ({"center": ANYWHERE}, ValueError, "No pixel of d0, d1 lies in the bins"),
    ({"exclude": ["x"]}, ValueError, "no model named 'x'"),
    ({"energy_min": "50 TeV"}, ValueError, "No energy bin of dataset 'd0'"),
    ({"radius": "1 deg"}, TypeError, "no option 'radius', did you mean"),
]


@pytest.mark.parametrize(("options", "error", "match"), BAD_RINGS)
def test_bad_rings(options, error, match, datasets):
    with pytest.raises(error, match=match):
        RadialResiduals.from_datasets(datasets, **{"center": "src"} | options)


BAD_LINES = [
    ({}, "Set start and end of the line, or center, angle and length"),
    ({"start": "src"}, "Set start and end"),
    (ENDS | {"center": "src"}, "Set start and end"),
    ({"start": "src", "end": "src"}, "two positions, got the same one"),
    ({"center": "src", "angle": "1 m", "length": "1 deg"}, "angle: expected an angle"),
]


@pytest.mark.parametrize(("options", "match"), BAD_LINES)
def test_bad_lines(options, match, datasets):
    with pytest.raises(ValueError, match=match):
        SliceResiduals.from_datasets(datasets, **options)


def test_all_masked(datasets):
    dataset = datasets[0].copy(name="masked")
    dataset.mask_fit = Map.from_geom(GEOM, data=False)
    with pytest.raises(ValueError, match="All pixels of the datasets in the bins"):
        RadialResiduals.from_datasets(dataset, CENTER)
    region = RegionGeom.create("icrs;circle(10, 50, 0.3)", axes=[AXIS])
    spectrum = SpectrumDataset.create(region, energy_axis_true=AXIS_TRUE)
    with pytest.raises(TypeError, match="it is a spectrum"):
        RadialResiduals.from_datasets(spectrum, CENTER)


def test_no_errors_no_band(datasets, caplog):
    other = make_datasets()
    for par in other.parameters:
        par.error = 0
    with caplog.at_level(logging.WARNING):
        result = RadialResiduals.from_datasets(other, CENTER, band=True, **RINGS)
    assert result.npred_err is None and "There is no band" in caplog.text
