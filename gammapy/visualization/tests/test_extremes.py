# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Extremes and contours of maps in sigma: what is written, and where."""

import os
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy import ndimage
import astropy.units as u
from astropy.coordinates import SkyCoord
import matplotlib.pyplot as plt
from matplotlib.contour import ContourSet
from matplotlib.path import Path
from matplotlib.text import Text
from gammapy.datasets import MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import models as gm
from gammapy.utils.testing import requires_data
from gammapy.visualization import plot_spatial_residuals
from gammapy.visualization.sky.contours import contour_levels
from gammapy.visualization.sky.extremes import MAX_EXTREMES, find_extremes

SIZE = 80
AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")
GEOM = WcsGeom.create(npix=SIZE, binsz=0.05, frame="galactic", axes=[AXIS])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def blobs(*items, shape=(SIZE, SIZE)):
    """Image of Gaussians (height, x, y, sigma in pixels)."""
    y, x = np.indices(shape)
    image = np.zeros(shape)
    for height, x_0, y_0, sigma in items:
        image += height * np.exp(-0.5 * np.hypot(x - x_0, y - y_0) ** 2 / sigma**2)
    return image


def residuals_of(image, models=()):
    """Residuals with this significance."""
    names = ["counts", "npred", "npred_background", "variance", "coverage"]
    maps = {name: Map.from_geom(GEOM, data=1.0) for name in names}
    maps["mask"] = Map.from_geom(GEOM, data=True, dtype=bool)
    maps["sqrt_ts"] = Map.from_geom(GEOM, data=image[np.newaxis])
    return SpatialResiduals(
        maps,
        models=gm.DatasetModels(list(models)),
        datasets_names=["test"],
        kernel="tophat",
        correlation_radius=0.1 * u.deg,
    )


def drawn(residuals, panel="significance", **options):
    return plot_spatial_residuals(residuals, panels=panel, **options)[panel]


def dots(ax):
    """Pixels of the dots."""
    lines = [
        line for line in ax.lines if str(line.get_gid()).startswith("extreme-position:")
    ]
    return [tuple(line.get_xydata()[0]) for line in lines]


def values(ax):
    """Written extremes by the pixel to which they belong."""
    return {
        text.xy: text.get_text() for text in ax.texts if text.get_gid() == "extreme"
    }


def contours(ax):
    found = [item for item in ax.collections if isinstance(item, ContourSet)]
    return found[0] if found else None


def text_boxes(ax):
    """Boxes of all texts, those in corners, too."""
    ax.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts if text.get_text()]
    corners = ax.findobj(lambda artist: str(artist.get_gid()).startswith("box:"))
    return boxes + [corner.get_window_extent() for corner in corners]


def assert_apart(boxes):
    for idx, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[idx + 1 :])


def assert_matched(ax):
    """Values are beside their dots, or have a line to them."""
    scale = ax.figure.dpi / 72
    ax.figure.canvas.draw()
    for text in ax.texts:
        if text.get_gid() == "extreme":
            point = ax.transData.transform(text.xy)
            box = Text.get_window_extent(text)
            distance = np.hypot(*(point - np.clip(point, box.min, box.max)))
            assert distance < 10 * scale or text.arrow_patch is not None


def test_find_extremes():
    image = np.zeros((6, 7))
    image[1, 1], image[2, 2], image[1, 2] = 6, 8, 5.5
    image[4, 5], image[0, 6] = -9, 5
    image[5, 0], image[3, 0] = np.inf, np.nan
    extremes = find_extremes(image, 5)
    assert [(extreme.value, extreme.x, extreme.y) for extreme in extremes] == [
        (np.inf, 0, 5),
        (-9, 5, 4),
        (8, 2, 2),
    ]
    assert [extreme.text for extreme in extremes] == [r"$\infty$", "-9.0", "8.0"]
    assert find_extremes(np.full((2, 2), np.nan), 5) == []


def test_bright_source():
    """The value of a source of 131 sigma is written, whatever the contours are."""
    image = blobs((131, 30, 40, 6), (12.3, 65, 15, 2), (-8.4, 12, 70, 2))
    ax = drawn(residuals_of(image))
    expected = {(30, 40): "131", (65, 15): "12.3", (12, 70): "-8.4"}
    assert set(dots(ax)) == set(expected)
    assert values(ax) == expected
    assert_matched(ax)
    assert_apart(text_boxes(ax))


def test_each_contour_has_its_value():
    image = blobs((131, 25, 40, 7), (-40, 60, 50, 7))
    ax = drawn(residuals_of(image))
    found = contours(ax)
    texts = [text for text in ax.texts if text.get_gid() == "contour-label"]
    labels = sorted(float(text.get_text()) for text in texts)
    assert labels == sorted(found.levels)
    assert 7 in labels and -7 in labels
    for text in texts:
        x, y = text.get_position()
        (value,) = ndimage.map_coordinates(image, [[y], [x]], order=1)
        assert_allclose(value, float(text.get_text()), rtol=0.15)
    # A level that is too close to the next one has no room, and is not there.
    assert set(labels) < set(contour_levels(image, 5))
    lines = [
        line
        for path in found.get_paths()
        for line in path.to_polygons(closed_only=False)
    ]
    # The label is a gap, which can cut a line in two.
    assert len(labels) <= len(lines) <= 2 * len(labels)


def test_labels_leave_room_for_higher_contours():
    """Lines lie close together on one side: labels are on the other one."""
    y, x = np.indices((SIZE, SIZE))
    # Arcs on the left, and straight lines at the other sides, where it is steep.
    image = 12.9 - 0.15 * np.hypot(x - 60, y - 40)
    image -= 4.0 * (np.clip(x - 60, 0, None) + np.clip(np.abs(y - 40) - 20, 0, None))
    ax = drawn(residuals_of(np.clip(image, 0, None)))
    assert list(contours(ax).levels) == [7, 9, 11]


def test_small_areas_have_values_only():
    image = blobs((30, 30, 40, 1.2), (9, 60, 20, 0.8))
    ax = drawn(residuals_of(image))
    assert contours(ax) is None
    assert values(ax) == {(30, 40): "30.0", (60, 20): "9.0"}


def test_values_of_many_areas():
    """More areas than can be read: the highest ones, and how many there are."""
    image = np.zeros((SIZE, SIZE))
    places = [(x, y) for x in range(4, SIZE, 9) for y in range(4, SIZE, 9)]
    heights = 6 + 0.1 * np.arange(len(places))
    for (x, y), height in zip(places, heights, strict=True):
        image[y, x] = height
    ax = drawn(residuals_of(image))
    assert len(dots(ax)) == len(places) == 81
    highest = places[-MAX_EXTREMES:]
    assert set(values(ax)) == set(highest)
    (box,) = ax.findobj(lambda artist: artist.get_gid() == "box:extremes")
    text = box.findobj(Text)[0].get_text()
    highest = heights[-MAX_EXTREMES - 1]
    assert text == f"{81 - MAX_EXTREMES} more dots, up to {highest:.1f}"
    assert_matched(ax)


def test_area_in_a_corner():
    """The value of a source at the border of the map is inside; the kernel moves."""
    ax = drawn(residuals_of(blobs((20, 1, 1, 2))))
    assert values(ax) == {(1, 1): "20.0"}
    boxes, inside = text_boxes(ax), ax.get_window_extent()
    assert_apart(boxes)
    for box in boxes:
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1


def test_names_keep_clear_of_values():
    image = blobs((40, 30, 40, 5), (14, 45, 44, 2))
    spatial = [
        gm.PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame="galactic")
        for lon, lat in [(0.5, 0.05), (-0.3, 0.2), (0.2, 0.1)]
    ]
    models = [
        gm.SkyModel(gm.PowerLawSpectralModel(), model, name=f"HESS J1702-42{idx}")
        for idx, model in enumerate(spatial)
    ]
    ax = drawn(residuals_of(image, models), models_style="names")
    names = [text for text in ax.texts if str(text.get_gid()).startswith("name:")]
    assert len(names) == 3
    assert values(ax) == {(30, 40): "40.0", (45, 44): f"{image[44, 45]:.1f}"}
    assert_apart(text_boxes(ax))


def test_no_line_through_a_value():
    """The value of a spot on the outline of a component is beside the outline."""
    image = blobs((9, 40, 40, 1.0))
    spatial = gm.GaussianSpatialModel(
        lon_0="0.2 deg", lat_0="0.05 deg", sigma="0.25 deg", frame="galactic"
    )
    model = gm.SkyModel(gm.PowerLawSpectralModel(), spatial, name="source")
    ax = drawn(residuals_of(image, [model]))
    (outline,) = [line for line in ax.lines if line.get_gid() == "outline:source"]
    (text,) = [text for text in ax.texts if text.get_gid() == "extreme"]
    ax.figure.canvas.draw()
    path = Path(ax.transData.transform(outline.get_xydata()))
    assert not path.intersects_bbox(Text.get_window_extent(text), filled=False)
    assert_matched(ax)


def test_no_colours_no_values():
    image = blobs((30, 30, 40, 3))
    ax = drawn(residuals_of(image), vsig=31)
    assert not dots(ax) and not values(ax) and contours(ax) is None
    ax = drawn(residuals_of(image), panel="counts")
    assert not dots(ax) and not values(ax)


def test_infinite_significance():
    image = np.zeros((SIZE, SIZE))
    image[20, 30] = np.inf
    assert values(drawn(residuals_of(image))) == {(30, 20): r"$\infty$"}


def test_all_of_the_sky():
    """Corners without sky are not in the way."""
    geom = WcsGeom.create(binsz=3, proj="AIT", frame="galactic", axes=[AXIS])
    center = SkyCoord(60, 20, unit="deg", frame="galactic")
    coords = geom.to_image().get_coord()
    known = np.isfinite(coords.lon)
    sky = SkyCoord(
        np.nan_to_num(coords.lon), np.nan_to_num(coords.lat), frame="galactic"
    )
    counts = 20 + 300.0 * (sky.separation(center) < 4 * u.deg)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=np.where(known, counts, 0)[np.newaxis]),
        background=Map.from_geom(geom, data=20.0),
        name="sky",
    )
    ax = drawn(SpatialResiduals.from_datasets(dataset, kernel=None))
    ((place, text),) = values(ax).items()
    # Cash of 320 counts where 20 are expected.
    assert text == f"{np.sqrt(2 * (320 * np.log(16) - 300)):.1f}"
    position = geom.to_image().pix_to_coord(place)
    found = SkyCoord(*position[:2], frame="galactic")
    assert found.separation(center) < 4 * u.deg


def test_methods_in_sigma_share_their_colours():
    rng = np.random.default_rng(0)
    counts = rng.poisson(4, (1, SIZE, SIZE))
    counts[0, 20, 30] = 60
    dataset = MapDataset(
        counts=Map.from_geom(GEOM, data=counts),
        background=Map.from_geom(GEOM, data=4.0),
        name="test",
    )
    panels = ["diff/sqrt(model)", "significance", "diff/model"]
    axes = plot_spatial_residuals(dataset, kernel=None, panels=panels, vsig=4)
    limits = [axes[panel].images[0].get_clim() for panel in panels]
    assert limits[0] == limits[1] == (-4, 4)
    assert limits[2] != (-4, 4)
    # What the colours no longer show is written: (60 - 4) / 2.
    assert values(axes["diff/sqrt(model)"])[30, 20] == "28.0"
    axes = plot_spatial_residuals(dataset, kernel=None, panels=["diff", "excess"])
    first, second = (ax.images[0].get_clim() for ax in axes.values())
    assert first == second


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@requires_data()
def test_galactic_centre():
    """3FHL without sources: each area beyond 5 sigma has its value."""
    folder = os.path.expandvars("$GAMMAPY_DATA/fermi-3fhl-gc/fermi-3fhl-gc")
    counts, background = (
        Map.read(f"{folder}-{name}-cube.fits.gz") for name in ("counts", "background")
    )
    counts = Map.from_geom(counts.geom, data=counts.data.astype(float))
    background = Map.from_geom(counts.geom, data=background.data.astype(float))
    dataset = MapDataset(counts=counts, background=background, name="gc")
    residuals = SpatialResiduals.from_datasets(dataset)
    ax = drawn(residuals)
    image = residuals.sqrt_ts.data[0]
    written = values(ax)
    n_areas = 0
    for sign in (1, -1):
        areas, n_found = ndimage.label(sign * image > 5, np.ones((3, 3)))
        n_areas += n_found
        for idx in range(1, n_found + 1):
            extreme = sign * np.max(sign * image[areas == idx])
            y, x = np.argwhere((areas == idx) & (image == extreme))[0]
            assert written[x, y] == f"{extreme:.1f}"
    assert n_areas == len(written) == len(dots(ax)) > 10
    place = max(written, key=lambda pixel: float(written[pixel]))
    position = counts.geom.to_image().pix_to_coord(place)
    sgr_a = SkyCoord(359.944, -0.046, unit="deg", frame="galactic")
    assert SkyCoord(*position[:2], frame="galactic").separation(sgr_a) < 0.2 * u.deg
    assert_matched(ax)
    assert_apart(text_boxes(ax))
