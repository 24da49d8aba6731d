# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The kernel in a corner of each map."""

import os
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse
from matplotlib.text import Text
from gammapy.datasets import MapDataset, SpatialResiduals
from gammapy.datasets.residuals.kernels import KERNELS, shape_of
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import models as gm
from gammapy.utils.testing import requires_data
from gammapy.visualization import plot_spatial_residuals

AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")
AXIS_TRUE = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy_true")
GEOM = WcsGeom.create(npix=60, binsz=0.02, frame="galactic", axes=[AXIS])
MAPS = ["counts", "npred", "excess", "diff", "significance"]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_dataset(geom=GEOM):
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name="test")
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e12) * u.Unit(
        "cm2 s"
    )
    dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=0.1 * u.deg)
    dataset.edisp = EDispKernelMap.from_diagonal_response(AXIS, AXIS_TRUE)
    dataset.background.data += 2.0
    dataset.counts.data += 2.0
    dataset.mask_safe.data[...] = True
    return dataset


def box_of(ax):
    found = ax.findobj(lambda artist: artist.get_gid() == "box:kernel")
    return found[0] if found else None


def drawn(ax):
    """Outline, its width and height in pixels of the map, and text."""
    box = box_of(ax)
    (outline,) = box.findobj(lambda artist: artist.get_gid() == "kernel")
    (text,) = [item.get_text() for item in box.findobj(Text) if item.get_text()]
    extent = outline.get_window_extent()
    corners = ax.transData.inverted().transform([extent.min, extent.max])
    return outline, np.abs(np.diff(corners, axis=0))[0], text


def kernels():
    """Each kernel of the registry with radius in pixels and text."""
    spatial = gm.GaussianSpatialModel(sigma="0.05 deg", frame="galactic")
    source = gm.SkyModel(gm.PowerLawSpectralModel(), spatial)
    y, x = np.mgrid[-20:21, -20:21]
    geom = WcsGeom.create(npix=41, binsz=0.02, frame="galactic")
    weights = Map.from_geom(geom, data=np.exp(-0.5 * np.hypot(x, y) ** 2 / 5**2))
    r_68 = np.sqrt(-2 * np.log(0.32))
    return [
        ("tophat", "tophat", 7, "radius 0.14 deg"),
        ("gauss", "gauss", 7, r"$\sigma$ = 0.14 deg"),
        ("point-source", "point-source", r_68 * 5, "PSF (68%) 0.15 deg"),
        ("model", source, r_68 * 5 * np.hypot(1, 0.5), "source (68%) 0.17 deg"),
        ("map", weights, r_68 * 5, "kernel (68%) 0.15 deg"),
        (None, None, 0.5, "pixel 0.02 deg"),
    ]


@pytest.mark.parametrize("name, kernel, radius, text", kernels())
def test_each_kernel(name, kernel, radius, text):
    dataset = make_dataset()
    options = {"kernel": kernel, "correlation_radius": "0.14 deg"}
    axes = plot_spatial_residuals(dataset, panels=["significance"], **options)
    axes["significance"].figure.canvas.draw()
    for ax in axes.values():
        outline, size, written = drawn(ax)
        assert isinstance(outline, Ellipse) == (kernel is not None)
        assert_allclose(size, 2 * radius, rtol=0.02, atol=0.2)
        assert written == text
        # It is in a corner, inside the map.
        box, inside = box_of(ax).get_window_extent(), ax.get_window_extent()
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1
        assert min(box.x0 - inside.x0, inside.x1 - box.x1) < 8
        assert min(box.y0 - inside.y0, inside.y1 - box.y1) < 8


def test_all_kernels_say_how_large_they_are():
    assert {item[0] for item in kernels()} == set(KERNELS)
    for kernel in KERNELS.values():
        assert "{size}" in kernel.size_label


def test_each_map_has_it():
    axes = plot_spatial_residuals(make_dataset(), panels=MAPS)
    assert all(box_of(ax) is not None for ax in axes.values())
    assert box_of(axes["counts"].figure.axes[-1]) is None


def test_pixels_that_are_no_squares():
    geom = WcsGeom.create(npix=(30, 60), binsz=(0.04, 0.02), axes=[AXIS])
    dataset = make_dataset(geom)
    options = {"panels": "significance", "correlation_radius": "0.2 deg"}
    ax = plot_spatial_residuals(dataset, **options)["significance"]
    ax.figure.canvas.draw()
    assert_allclose(drawn(ax)[1], [10, 20], atol=0.3)
    ax = plot_spatial_residuals(dataset, kernel=None, panels="counts")["counts"]
    assert drawn(ax)[2] == "pixel 0.02 x 0.04 deg"


def test_kernel_keeps_clear():
    """Of crosses and of excesses, in the corner that is left."""
    dataset = make_dataset()
    for rows, columns in [(slice(0, 8), slice(0, 12)), (slice(52, 60), slice(0, 12))]:
        dataset.counts.data[:, rows, columns] += 20
    position = GEOM.to_image().pix_to_coord((54, 4))
    lon, lat = position[:2]
    spatial = gm.PointSpatialModel(lon_0=lon, lat_0=lat, frame="galactic")
    model = gm.SkyModel(gm.PowerLawSpectralModel(), spatial, name="corner")
    model.spectral_model.amplitude.value = 0
    dataset.models = [model]
    options = {"panels": "significance", "models_style": "markers"}
    ax = plot_spatial_residuals(dataset, **options)["significance"]
    ax.figure.canvas.draw()
    box, inside = box_of(ax).get_window_extent(), ax.get_window_extent()
    assert inside.x1 - box.x1 < 8 and inside.y1 - box.y1 < 8


def test_size_that_is_not_known():
    """Files from before have no size of a matched filter, and maps no kernel."""
    residuals = SpatialResiduals.from_datasets(make_dataset(), kernel="point-source")
    residuals._kernel_radius = None
    assert shape_of(residuals, 0) is None
    ax = plot_spatial_residuals(residuals, panels="significance")["significance"]
    assert box_of(ax) is None


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@requires_data()
def test_galactic_centre():
    """A disc of 0.3 deg on the map of 3FHL, 6 pixels in radius."""
    folder = os.path.expandvars("$GAMMAPY_DATA/fermi-3fhl-gc/fermi-3fhl-gc")
    counts = Map.read(f"{folder}-counts-cube.fits.gz")
    counts = Map.from_geom(counts.geom, data=counts.data.astype(float))
    background = Map.from_geom(counts.geom, data=1.0)
    dataset = MapDataset(counts=counts, background=background, name="gc")
    options = {"panels": "counts", "correlation_radius": "0.3 deg", "models": False}
    ax = plot_spatial_residuals(dataset, **options)["counts"]
    ax.figure.canvas.draw()
    _outline, size, text = drawn(ax)
    assert_allclose(size, 12, rtol=0.02)
    assert text == "radius 0.3 deg"


@pytest.mark.parametrize(
    "kernel, width, size, text",
    [
        ("gauss", "0.06 deg", 6, r"$\sigma$ = 0.06 deg"),
        ("disk", "0.1 deg", 10, "radius 0.1 deg"),
        ("box", 5, 5, "width 0.1 deg"),
        ("gauss", 0, 1, "width 0.02 deg"),
    ],
)
def test_maps_of_one_dataset(kernel, width, size, text):
    """What is smoothed with, and the extreme of what has the last colour."""
    dataset = make_dataset()
    dataset.counts.data[0, 20, 30] = 400
    options = {"smooth_kernel": kernel, "smooth_radius": width}
    for method in ("significance", "diff/sqrt(model)", "diff"):
        ax = dataset.plot_residuals_spatial(
            plt.figure().add_subplot(), method, **options
        )
        ax.figure.canvas.draw()
        outline, found, written = drawn(ax)
        assert_allclose(found, size, atol=0.2)
        assert written == text
        assert isinstance(outline, Ellipse) == (kernel != "box" and size > 1)
        extremes = {item.xy: item.get_text() for item in ax.texts if item.get_gid()}
        if method == "diff":
            assert not extremes
        elif width == 0:
            image = np.ma.getdata(ax.images[0].get_array())
            # Cash of 400 counts where 2 are expected, and (400 - 2) / sqrt(2).
            value = np.sqrt(2 * (400 * np.log(200) - 398))
            value = value if method == "significance" else 398 / np.sqrt(2)
            assert_allclose(image[20, 30], value)
            assert extremes == {
                (30, 20): f"{value:.1f}" if value < 100 else f"{value:.0f}"
            }
        else:
            assert len(extremes) >= 1
