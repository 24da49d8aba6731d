# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Exclusion masks of large parts of the sky, against separations of astropy."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_equal
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import ExclusionMaskMaker, RingBackgroundMaker
from gammapy.makers.exclusion_sky import (
    dilate,
    hysteresis,
    label_regions,
    measure_rings,
)
from gammapy.maps import Map, MapAxis, WcsGeom

AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV)


def make_geom(proj="CAR", **kwargs):
    return WcsGeom.create(proj=proj, frame="galactic", axes=[AXIS], **kwargs)


def make_image(geom, npred, background, seed=0, name="image"):
    random = np.random.default_rng(seed)
    on_sky = np.isfinite(geom.to_image().get_coord().lon.value)
    counts = random.poisson(np.where(on_sky, npred, 0))
    return MapDataset(
        counts=Map.from_geom(geom, data=counts[np.newaxis].astype(float)),
        background=Map.from_geom(geom, data=background[np.newaxis]),
        mask_safe=Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool)),
        name=name,
    )


def make_field(geom, sources=(), per_pixel=4.0, seed=0):
    """Noise of the same rate per solid angle, and Gaussian sources of 2 deg."""
    image = geom.to_image()
    coords = image.get_coord().skycoord
    solid_angle = image.solid_angle().to_value("deg2")
    solid_angle = np.where(np.isfinite(solid_angle), solid_angle, 4.0)
    background = per_pixel * solid_angle / solid_angle.max()
    npred = background.copy()
    for lon, lat, counts in sources:
        position = SkyCoord(lon, lat, unit="deg", frame="galactic")
        shape = np.exp(-0.5 * (coords.separation(position).deg / 2) ** 2) * solid_angle
        npred += counts * np.nan_to_num(shape) / np.nansum(shape)
    return make_image(geom, npred, background, seed)


def warnings_of(caplog):
    lines = [
        record.message for record in caplog.records if record.levelno == logging.WARNING
    ]
    caplog.clear()
    return lines


@pytest.mark.parametrize(
    "geom",
    [
        make_geom(binsz=5),
        make_geom(npix=(40, 16), binsz=1, refpix=(20, -62)),
        make_geom("CEA", npix=(72, 20), binsz=5),
    ],
)
def test_rings_on_the_sky(geom):
    random = np.random.default_rng(0)
    shape = geom.data_shape[1:]
    image = make_image(geom, np.full(shape, 3.0), random.uniform(1, 2, shape))
    outside = random.uniform(size=shape) > 0.2
    mask = Map.from_geom(geom.to_image(), data=outside)
    radii = (6.3, 11.7) if geom.npix[0][0] == 40 else (12.3, 21.7)
    off = measure_rings(image, radii[0] * u.deg, np.ptp(radii) * u.deg, mask)
    coords = geom.to_image().get_coord().skycoord
    for y in range(0, shape[0], 3):
        separation = coords.separation(coords[y, 7]).deg
        ring = outside & (separation > radii[0]) & (separation <= radii[1])
        assert_equal(off["counts_off"][y, 7], image.counts.data[0][ring].sum())
        expected = image.background.data[0][ring].sum()
        assert_allclose(off["acceptance_off"][y, 7], expected)


def test_rings_of_ordinary_maps():
    """Identical to those of Gammapy."""
    geom = make_geom(npix=(60, 50), binsz=0.05)
    image = make_field(geom)
    mask = Map.from_geom(geom.to_image(), data=np.ones((50, 60), dtype=bool))
    mask.data[20:30, 10:20] = False
    maker = RingBackgroundMaker("0.4 deg", "0.3 deg", exclusion_mask=mask)
    expected = maker.make_maps_off(image)
    off = measure_rings(image, 0.4 * u.deg, 0.3 * u.deg, mask)
    for name, values in off.items():
        assert_equal(values, expected[name].data[0])


def test_margin():
    geom = make_geom(binsz=2).to_image()
    found = np.zeros(geom.data_shape, dtype=bool)
    found[[40, 85, 20], [0, 30, 170]] = True
    coords = geom.get_coord().skycoord
    # Radii are rounded up to an odd number of pixels.
    separation = [coords.separation(coord).deg for coord in coords[found]]
    expected = np.min(separation, axis=0) <= 10 * (1 + 1e-9)
    assert_equal(dilate(found, geom, 9 * u.deg), expected)


def test_regions_across_the_seam():
    geom = make_geom(binsz=10).to_image()
    mask = np.zeros(geom.data_shape, dtype=bool)
    mask[3, [0, 1, -1]] = True  # one region
    mask[8, [0, -1]] = mask[9, 0] = True  # one more
    mask[12, 0] = mask[13, -1] = True  # that meets at a corner
    mask[5, 20:24] = mask[16, 35] = True
    labels, n_regions = label_regions(mask, geom)
    assert n_regions == 5
    assert_equal(labels > 0, mask)
    assert len(np.unique(labels[mask])) == 5
    assert labels[3, 0] == labels[3, -1] != labels[8, 0]
    assert labels[12, 0] == labels[13, -1]
    # Not so where the map does not close.
    strip = make_geom(npix=(36, 18), binsz=5).to_image()
    assert label_regions(mask, strip)[1] == 8

    image = np.where(mask, 4.0, 0)
    image[3, -1] = 7
    found = hysteresis(image, geom, 3, 5)
    assert_equal(np.argwhere(found), [[3, 0], [3, 1], [3, 35]])


def test_whole_sky(caplog):
    """Sources at the seam and near the pole, and noise elsewhere."""
    sources = [(180, 0, 300), (40, 80, 300)]
    options = {"correlation_radius": "4 deg", "r_in": "12 deg", "width": "8 deg"}
    result = ExclusionMaskMaker(**options).run(make_field(make_geom(binsz=2), sources))
    assert warnings_of(caplog) == []
    assert result.is_stable
    coords = result.mask.geom.get_coord().skycoord
    separation = np.min(
        [
            coords.separation(SkyCoord(*source[:2], unit="deg", frame="galactic")).deg
            for source in sources
        ],
        axis=0,
    )
    assert not result.mask.data[separation < 3].any()
    assert result.mask.data[separation > 12].all()
    last = result.rounds[-1]
    assert last["n_regions"] == 2
    assert_allclose([last["mean"], last["std"]], [0, 1], atol=0.05)
    # The source at the seam looks as the one half of it beside the other.
    found = ~result.mask.data
    near = found[:, :10].sum() / found[:, -10:].sum()
    assert 0.5 < near < 2


def test_corners_without_sky(caplog):
    geom = make_geom("AIT", binsz=2)
    on_sky = np.isfinite(geom.to_image().get_coord().lon.value)
    maker = ExclusionMaskMaker("4 deg", "12 deg", "8 deg", dilation="6 deg")
    result = maker.run(make_field(geom, [(0, 0, 300), (170, 10, 300)]))
    (line,) = warnings_of(caplog)
    assert "Rings within 20 deg in pixels" in line
    assert "this AIT map" in line
    assert_equal(np.isfinite(result.sqrt_ts.data), on_sky)
    assert result.mask.data[~on_sky].all()
    assert not result.mask.get_by_coord(SkyCoord(0, 0, unit="deg", frame="galactic"))
    last = result.rounds[-1]
    assert_allclose(last["area"], 4 * last["n_pixels"], rtol=0.05)
    assert_allclose([last["mean"], last["std"]], [0, 1], atol=0.07)


def test_no_position_has_a_ring():
    image = make_field(make_geom(width=3, binsz=0.05))
    with pytest.raises(ValueError, match="No position has a ring of 5.0 deg"):
        ExclusionMaskMaker(r_in="5 deg").run(image)
    image = make_field(make_geom(binsz=2))
    start = Map.from_geom(image.counts.geom.to_image(), data=False, dtype=bool)
    with pytest.raises(ValueError, match="No position has a ring"):
        ExclusionMaskMaker("4 deg", "12 deg", "8 deg", mask=start).run(image)


def test_positions_without_a_ring_are_counted(caplog):
    geom = make_geom(width=3, binsz=0.1)
    image = make_field(geom)
    second = make_field(geom, seed=1).copy(name="second")
    for dataset in (image, second):
        dataset.mask_safe.data[0, :, :8] = False
    # The ring holds pixels at 20 to 25 pixels, beyond the map near its centre.
    y, x = np.indices(geom.data_shape[1:])
    y, x = y.ravel(), x.ravel()
    used = x >= 8
    x_used, y_used = x[used], y[used]
    distance = np.hypot(x_used[:, np.newaxis] - x_used, y_used[:, np.newaxis] - y_used)
    has_ring = np.any((distance >= 20) & (distance <= 25), axis=1)
    n_without = np.sum(~has_ring)
    assert n_without > 10
    result = ExclusionMaskMaker(r_in="2 deg", width="0.5 deg").run(
        Datasets([image, second])
    )
    (line,) = warnings_of(caplog)
    assert line.startswith(f"{n_without} of {used.sum()} positions have no ring of 2.0")
    assert "smaller r_in" in line
    assert np.isnan(result.sqrt_ts.data).sum() == n_without + 30 * 8
    ExclusionMaskMaker().run(image)
    assert warnings_of(caplog) == []
