# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names, numbers and legends of components on maps."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.legend import Legend
from matplotlib.text import Text
from gammapy.catalog import SourceCatalog3FHL
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import models as gm
from gammapy.utils.testing import check_bad_input, requires_data
from gammapy.visualization import plot_models, plot_spatial_residuals

AXIS = MapAxis.from_energy_edges([1, 3, 10] * u.TeV, name="energy")
GEOM = WcsGeom.create(npix=(80, 60), binsz=0.05, frame="galactic", axes=[AXIS])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def point(lon, lat, name):
    spatial = gm.PointSpatialModel(
        lon_0=lon * u.deg, lat_0=lat * u.deg, frame="galactic"
    )
    return gm.SkyModel(gm.PowerLawSpectralModel(), spatial, name=name)


def points(number, seed=0):
    """Components all over the map, some of them close together."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-1.8, 1.8, number), rng.uniform(-1.3, 1.3, number)
    return [
        point(x, y, f"HESS J17{idx:02d}-420")
        for idx, (x, y) in enumerate(zip(lon, lat, strict=True))
    ]


def residuals_of(models, exclude=()):
    dataset = MapDataset(
        counts=Map.from_geom(GEOM, data=5.0),
        background=Map.from_geom(GEOM, data=5.0),
        name="test",
    )
    residuals = SpatialResiduals.from_datasets(dataset)
    maps = residuals._maps
    return SpatialResiduals(
        maps,
        models=gm.DatasetModels(models),
        datasets_names=["test"],
        kernel="tophat",
        correlation_radius=0.1 * u.deg,
        exclude=exclude,
    )


def datasets_of(models):
    """One dataset with these models, without PSF."""
    axis_true = MapAxis.from_energy_edges([1, 3, 10] * u.TeV, name="energy_true")
    dataset = MapDataset.create(GEOM, energy_axis_true=axis_true, name="test")
    dataset.psf = dataset.edisp = None
    dataset.exposure.quantity = np.ones(dataset.exposure.data.shape) * u.Unit("cm2 s")
    dataset.counts.data += 5
    dataset.background.data += 5
    dataset.mask_safe.data[...] = True
    dataset.models = models
    return Datasets([dataset])


def texts_of(ax, kind):
    """Texts of one kind by component."""
    prefix = f"{kind}:"
    return {
        text.get_gid().removeprefix(prefix): text
        for text in ax.texts
        if str(text.get_gid()).startswith(prefix)
    }


def numbers(ax):
    return {name: text.get_text() for name, text in texts_of(ax, "number").items()}


def legend_texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def legend_on(ax):
    found = [artist for artist in ax.get_children() if isinstance(artist, Legend)]
    return found[0] if found else None


def boxes_of(texts):
    return [Text.get_window_extent(text) for text in texts]


def assert_apart(boxes):
    for idx, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[idx + 1 :])


def test_names_while_they_fit():
    models = points(4)
    axes = plot_spatial_residuals(
        residuals_of(models), panels=["counts", "significance"]
    )
    for ax in axes.values():
        assert set(texts_of(ax, "name")) == {model.name for model in models}
        assert not numbers(ax)
    assert not axes["counts"].figure.legends


@pytest.mark.parametrize("number", [13, 40])
def test_numbers_when_names_do_not_fit(number):
    models = points(number)
    panels = ["counts", "significance", "distribution"]
    axes = plot_spatial_residuals(residuals_of(models), panels=panels)
    expected = {model.name: str(idx) for idx, model in enumerate(models, start=1)}
    figure = axes["counts"].figure
    figure.canvas.draw()
    for panel in panels[:2]:
        ax = axes[panel]
        # All of them, the same on both maps.
        assert numbers(ax) == expected
        assert not texts_of(ax, "name")
        if number == 13:
            assert_apart(boxes_of(texts_of(ax, "number").values()))
    (legend,) = figure.legends
    texts = [f"{idx}  {model.name}" for idx, model in enumerate(models, start=1)]
    assert legend_texts(legend) == texts
    # It is in the figure, below all else.
    box = legend.get_window_extent()
    assert box.y0 >= 0 and box.x0 >= 0 and box.x1 <= figure.bbox.x1
    renderer = figure.canvas.get_renderer()
    lowest = min(ax.get_tightbbox(renderer).y0 for ax in figure.axes)
    assert box.y1 <= lowest


def test_maps_keep_their_size():
    """The figure grows for the legend; panels stay as large as they were."""
    residuals = residuals_of(points(3))
    sizes = []
    for style in ("names", "markers"):
        axes = plot_spatial_residuals(
            residuals, panels=["counts", "distribution"], models_style=style
        )
        figure = axes["counts"].figure
        figure.canvas.draw()
        sizes.append([ax.get_window_extent().size for ax in figure.axes])
    assert_allclose(sizes[0], sizes[1], rtol=1e-6)


def test_explicit_styles():
    few, many = residuals_of(points(2)), residuals_of(points(30))
    ax = plot_spatial_residuals(few, panels="counts", models_style="markers")["counts"]
    assert set(numbers(ax).values()) == {"1", "2"}
    ax = plot_spatial_residuals(many, panels="counts", models_style="names")["counts"]
    assert not numbers(ax) and 0 < len(texts_of(ax, "name")) <= 12
    message = "models_style: got 'marker'"
    check_bad_input(
        lambda: plot_spatial_residuals(few, models_style="marker"), ValueError, message
    )
    datasets = datasets_of(points(2))
    ax, _ax_spectral = datasets.plot_residuals(models_style="markers")
    assert set(numbers(ax).values()) == {"1", "2"}
    assert legend_on(ax) is not None


def test_legend_on_given_axes():
    """Below the map where the figure has room, else in a corner of the map."""
    models = points(5)
    texts = [f"{idx}  {model.name}" for idx, model in enumerate(models, start=1)]
    for bottom, is_below in ((0.5, True), (0.12, False)):
        figure = plt.figure(figsize=(6, 6))
        ax = figure.add_axes([0.15, bottom, 0.75, 0.4], projection=GEOM.wcs)
        Map.from_geom(GEOM.to_image()).plot(ax=ax)
        plot_models(models, ax, style="markers")
        legend = legend_on(ax)
        assert legend_texts(legend) == texts
        figure.canvas.draw()
        box, inside = legend.get_window_extent(), ax.get_window_extent()
        assert (box.y1 <= inside.y0) == is_below
        assert box.y0 >= 0 and box.x0 >= 0 and box.x1 <= figure.bbox.x1
    # One for all maps of a figure.
    figure = plt.figure(figsize=(8, 4))
    axes = [figure.add_subplot(1, 2, idx, projection=GEOM.wcs) for idx in (1, 2)]
    plot_spatial_residuals(
        residuals_of(models),
        panels=["counts", "npred"],
        axes=axes,
        models_style="markers",
    )
    assert [legend_on(ax) is not None for ax in axes] == [True, False]


def test_max_names_means_names():
    ax = Map.from_geom(GEOM.to_image()).plot()
    plot_models(points(5), ax, max_names=2)
    assert len(texts_of(ax, "name")) == 2 and not numbers(ax)


def test_fitted_frozen_and_left_out_differ():
    spatial = gm.DiskSpatialModel(r_0=0.3 * u.deg, frame="galactic")
    models = []
    for idx, name in enumerate(("fitted", "frozen", "gone")):
        disk = spatial.copy(lon_0=(idx - 1) * u.deg)
        models.append(gm.SkyModel(gm.PowerLawSpectralModel(), disk, name=name))
    models[1].freeze()
    residuals = residuals_of(models, exclude=["gone"])
    for style in ("names", "markers"):
        axes = plot_spatial_residuals(residuals, panels="npred", models_style=style)
        ax = axes["npred"]
        lines = {line.get_gid(): line for line in ax.lines if line.get_gid()}
        styles = [lines[f"outline:{model.name}"].get_linestyle() for model in models]
        assert styles == ["-", ":", "--"]
        markers = [lines[f"position:{model.name}"].get_marker() for model in models]
        assert markers == ["x", "x", "+"]
        colors = [lines[f"position:{model.name}"].get_color() for model in models]
        assert colors[0] == colors[2] == to_rgb("white") != colors[1]
        if style == "names":
            names = texts_of(ax, "name")
            written = [names[model.name].get_text() for model in models]
            assert written == ["fitted", "frozen", "gone (left out)"]
        else:
            (legend,) = ax.figure.legends
            assert legend_texts(legend) == [
                "1  fitted",
                "2  frozen (frozen)",
                "3  gone (left out)",
            ]
            handles = legend.legend_handles
            assert [handle.get_linestyle() for handle in handles] == ["-", ":", "--"]


def test_exclude_marks_what_is_left_out():
    """The same from the datasets."""
    datasets = datasets_of(points(2))
    name = datasets.models.names[1]
    axes = plot_spatial_residuals(datasets, panels="counts", exclude=name)
    assert texts_of(axes["counts"], "name")[name].get_text() == f"{name} (left out)"


@requires_data()
def test_sources_of_the_galactic_centre():
    """22 sources of 3FHL: each has its number, beside it or with a line to it."""
    geom = WcsGeom.create(npix=(200, 100), binsz=0.1, frame="galactic", axes=[AXIS])
    catalog = SourceCatalog3FHL()
    inside = geom.to_image().contains(catalog.positions)
    models = [
        source.sky_model()
        for source, is_inside in zip(catalog, inside, strict=True)
        if is_inside
    ]
    assert len(models) == 22
    ax = Map.from_geom(geom.to_image()).plot()
    plot_models(models, ax)
    assert numbers(ax) == {
        model.name: str(idx) for idx, model in enumerate(models, start=1)
    }
    assert len(legend_texts(legend_on(ax))) == 22
    ax.figure.canvas.draw()
    texts = texts_of(ax, "number")
    assert_apart(boxes_of(texts.values()))
    for model in models:
        text = texts[model.name]
        position = model.spatial_model.position.galactic
        point = ax.transData.transform(np.ravel(ax.wcs.world_to_pixel(position)))
        box = Text.get_window_extent(text)
        distance = np.hypot(*(point - np.clip(point, box.min, box.max)))
        assert distance < 10 * ax.figure.dpi / 72 or text.arrow_patch is not None
