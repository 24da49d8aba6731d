# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is drawn of maps of the sky: colours, view, coordinates."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.testing import requires_data
from gammapy.visualization import plot_spatial_residuals
from gammapy.visualization.sky.stretch import find_stretch
from gammapy.visualization.tests.test_residuals import TextRecorder

AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_dataset(counts, background=4.0, **kwargs):
    options = {"npix": (50, 40), "binsz": 0.1, "frame": "galactic"} | kwargs
    geom = WcsGeom.create(axes=[AXIS], **options)
    maps = [
        Map.from_geom(geom, data=np.broadcast_to(values, geom.data_shape).astype(float))
        for values in (counts, background)
    ]
    return MapDataset(counts=maps[0], background=maps[1], name="test")


def with_source(brightness):
    counts = np.full((1, 40, 50), 4.0)
    counts[0, 20, 30] = brightness
    return make_dataset(counts)


def draw(dataset, **options):
    options = {"kernel": None, "panels": ["counts", "npred"]} | options
    return plot_spatial_residuals(dataset, **options)


def bar_of(ax):
    return ax.images[0].colorbar


def colours(ax, *values):
    """Places of values between the ends of the colours, 0 and 1."""
    return np.array([float(ax.images[0].norm(value)) for value in values])


@pytest.mark.parametrize(
    "brightness, name", [(12, "linear"), (70, "sqrt"), (3000, "asinh")]
)
def test_stretch_that_dynamic_range_asks_for(brightness, name):
    """The background has a colour that is not the darkest, and the bar says how."""
    axes = draw(with_source(brightness))
    # Colours end at 300 times what half a percent of the pixels exceed.
    highest = min(brightness, 300 * 4)
    for ax in axes.values():
        assert ax.images[0].get_clim() == (0, highest)
        assert colours(ax, 4)[0] > 0.15
        assert_allclose(colours(ax, 0, highest), [0, 1], atol=1e-12)
    expected = "Counts per pixel"
    if name != "linear":
        expected += f" ({name} scale)"
    label = bar_of(axes["counts"]).ax.get_ylabel()
    assert label.replace("\n", " ") == expected


def test_stretches_are_those_of_their_names():
    def shown(stretch):
        ax = draw(with_source(64), stretch=stretch)["counts"]
        return colours(ax, 4, 16, 32)

    x = np.array([4, 16, 32]) / 64
    assert_allclose(shown("linear"), x)
    assert_allclose(shown("sqrt"), np.sqrt(x))
    assert_allclose(shown("log"), np.log1p(1000 * x) / np.log1p(1000))
    # It goes over to a logarithm at half of the median.
    knee = 2 / 64
    assert_allclose(shown("asinh"), np.arcsinh(x / knee) / np.arcsinh(1 / knee))
    assert_allclose(shown("auto"), np.sqrt(x))


def test_auto_looks_at_what_is_shown():
    """Empty pixels and those that are no numbers do not count, nor what is masked."""
    sparse = np.array([0, 0, 0, 0, 1, 1, 2, np.nan, np.inf])
    assert find_stretch("auto", sparse, 0, 2)[0] == "linear"
    assert find_stretch("auto", np.array([np.nan]), 0, 1) == ("linear", None)
    dataset = with_source(1e6)
    dataset.mask_safe = dataset.counts.copy(data=dataset.counts.data < 100)
    for ax in draw(dataset).values():
        assert ax.images[0].get_clim() == (0, 4)
        assert "scale" not in bar_of(ax).ax.get_ylabel()


def test_ticks_of_a_stretched_colour_bar():
    """Round values that keep their distance from each other, over the whole bar."""
    for brightness, stretch in [(64, "sqrt"), (3000, "asinh"), (70, "log")]:
        ax = draw(with_source(brightness), stretch=stretch, vmax=brightness)["counts"]
        bar = bar_of(ax)
        ticks = bar.get_ticks()
        assert ticks[0] == 0
        digits = {f"{tick:.5e}".split("e")[0] for tick in ticks[1:]}
        assert digits <= {"1.00000", "2.00000", "3.00000", "5.00000"}
        places = colours(ax, *ticks)
        assert len(ticks) >= 4 and places[-1] > 0.8
        assert np.diff(places).min() > 0.1
        labels = [float(text.get_text()) for text in bar.ax.get_yticklabels()]
        assert_allclose(labels, ticks)


def test_stretch_leaves_residuals_alone():
    axes = draw(with_source(3000), panels=["excess", "significance"], stretch="log")
    for ax in axes.values():
        low, high = ax.images[0].get_clim()
        assert_allclose(colours(ax, low / 2, 0, high / 4), [0.25, 0.5, 0.625])
        assert "scale" not in bar_of(ax).ax.get_ylabel()


@pytest.mark.parametrize(
    "options, kind, match",
    [
        ({"stretch": "root"}, ValueError, "stretch: got 'root'; choose from 'auto'"),
        ({"stretch": "asin"}, ValueError, "did you mean 'asinh'"),
        ({"stretch": None}, ValueError, "stretch: got None"),
        ({"crop": "no"}, TypeError, "crop: expected True or False"),
    ],
)
def test_bad_style_leaves_no_figure(options, kind, match):
    with pytest.raises(kind, match=match):
        draw(with_source(10), **options)
    with pytest.raises(kind, match=match):
        Datasets([with_source(10)]).plot_residuals(**options)
    assert plt.get_fignums() == []


def masked_dataset():
    dataset = make_dataset(4.0)
    mask = np.zeros((1, 40, 50), dtype=bool)
    mask[0, 10:20, 5:35] = True
    dataset.mask_safe = dataset.counts.copy(data=mask)
    return dataset


def test_view_is_cropped_to_the_mask():
    axes = draw(masked_dataset(), panels=["counts", "significance"])
    for ax in axes.values():
        # One pixel around columns 5 to 34 and rows 10 to 19.
        assert_allclose(ax.get_xlim(), (3.5, 35.5))
        assert_allclose(ax.get_ylim(), (8.5, 20.5))
        assert ax.images[0].get_array().shape == (40, 50)
        assert ax.images[0].get_extent() == [-0.5, 49.5, -0.5, 39.5]
    # Axes have the shape of what is shown: 32 x 12 pixels, and so one column.
    size = axes["counts"].get_window_extent().size
    assert_allclose(size[0] / size[1], 32 / 12, rtol=0.01)
    left = [ax.get_position().x0 for ax in axes.values()]
    assert left[0] == left[1]

    ax = draw(masked_dataset(), crop=False)["counts"]
    assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-0.5, 49.5), (-0.5, 39.5)])


def test_crop_where_there_is_nothing_to_crop():
    ax = draw(make_dataset(4.0))["counts"]
    assert_allclose([ax.get_xlim(), ax.get_ylim()], [(-0.5, 49.5), (-0.5, 39.5)])


def test_crop_keeps_what_any_energy_group_shows():
    axis = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
    geom = WcsGeom.create(npix=30, axes=[axis])
    counts = Map.from_geom(geom, data=1.0)
    mask = np.zeros(geom.data_shape, dtype=bool)
    mask[0, 5:10, 5:10] = mask[1, 15:20, 12:25] = True
    mask_fit = Map.from_geom(geom, data=mask)
    dataset = MapDataset(counts=counts, background=counts, mask_fit=mask_fit)
    axes = draw(dataset, energy_edges=axis.edges, panels=["counts"])
    for ax in axes["counts"]:
        assert_allclose([ax.get_xlim(), ax.get_ylim()], [(3.5, 25.5), (3.5, 20.5)])


def test_given_axes_are_cropped_and_models_stay_in_view():
    dataset = masked_dataset()
    image = dataset.counts.geom.to_image()
    models = []
    for name, pixel in (("in", (20, 15)), ("out", (45, 35))):
        lon, lat = image.pix_to_coord(pixel)
        spatial = PointSpatialModel(lon_0=lon, lat_0=lat, frame="galactic")
        models.append(SkyModel(PowerLawSpectralModel(), spatial, name=name))
    true = AXIS.copy(name="energy_true")
    dataset.exposure = Map.from_geom(image.to_cube([true]), data=1.0, unit="cm2 s")
    dataset.models = models
    ax = plt.figure().add_subplot(projection=image.wcs)
    axes = draw(dataset, panels=["counts"], axes=[ax])
    assert axes["counts"] is ax
    assert_allclose(ax.get_xlim(), (3.5, 35.5))
    drawn = {artist.get_gid() for artist in ax.get_children()}
    assert "position:in" in drawn
    assert not any("out" in str(gid) for gid in drawn)


def test_options_of_joint_residuals():
    datasets = Datasets([masked_dataset()])
    ax, _ = datasets.plot_residuals(kwargs_spatial={"crop": False, "kernel": None})
    assert_allclose(ax.get_xlim(), (-0.5, 49.5))
    options = {"kernel": None, "stretch": "log"}
    ax, _ = datasets.plot_residuals(kwargs_spatial=options)
    assert_allclose(ax.get_xlim(), (3.5, 35.5))


def drawn_labels(ax):
    """Tick labels that are drawn: longitudes and latitudes, as text."""
    # The map is drawn before any colour bar with axes of its kind.
    there = list(TextRecorder(ax.figure).texts.values())[:2] or [[], []]
    for kind, texts in zip(("lon", "lat"), there, strict=True):
        mine = [text for text in ax.texts if text.get_gid() == f"tick:{kind}"]
        texts += [text.get_text() for text in mine]
    return there


@pytest.mark.parametrize("size", [None, 2.4])
@pytest.mark.parametrize(
    "frame, skydir", [("galactic", (0, 0)), ("icrs", (266.4, -29))]
)
@pytest.mark.parametrize("width", [(6, 3), (0.4, 0.3), (20, 10)])
def test_three_labels_per_axis(size, frame, skydir, width):
    binsz = width[0] / 60
    options = {"npix": None, "width": width, "binsz": binsz, "skydir": skydir}
    dataset = make_dataset(4.0, frame=frame, **options)
    axes = None
    if size is not None:
        wcs = dataset.counts.geom.to_image().wcs
        axes = [plt.figure(figsize=(size, size)).add_subplot(projection=wcs)]
    ax = draw(dataset, panels=["counts"], axes=axes)["counts"]
    labels = drawn_labels(ax)
    assert all(len(texts) >= 3 for texts in labels)
    names = [coord.get_axislabel() for coord in ax.coords]
    assert (
        names
        == {
            "galactic": ["Galactic Longitude", "Galactic Latitude"],
            "icrs": ["Right Ascension", "Declination"],
        }[frame]
    )


def test_labels_are_the_coordinates_of_their_places():
    dataset = make_dataset(4.0, npix=(60, 30), skydir=(0, 0))
    ax = draw(dataset, panels=["counts"])["counts"]
    lon, lat = drawn_labels(ax)
    assert lon == ["3°", "2°", "1°", "0°", "359°", "358°", "357°"]
    minus = "\N{MINUS SIGN}"
    values = ["1.5°", "1.0°", "0.5°", "0.0°"]
    assert sorted(lat) == sorted([*values, *(minus + text for text in values[:3])])


@pytest.mark.parametrize("frame", ["galactic", "icrs"])
def test_all_sky_in_rectangles(frame):
    options = {"npix": None, "binsz": 2, "proj": "CAR", "frame": frame}
    ax = draw(make_dataset(4.0, **options), panels=["counts"])["counts"]
    lon, lat = drawn_labels(ax)
    assert len(lon) >= 5 and len(lat) >= 5
    assert "90°" in lat and "0°" in lat
    texts = [text.get_text() for text in ax.texts]
    assert not any("coords" in text for text in texts)
    assert ax.coords[0].get_axislabel() == "Galactic Longitude" or frame == "icrs"


@pytest.mark.parametrize("proj", ["AIT", "MOL"])
@pytest.mark.parametrize("lon_0", [0, 90])
def test_all_sky_in_an_ellipse(proj, lon_0):
    options = {"npix": None, "binsz": 4, "proj": proj, "skydir": (lon_0, 0)}
    ax = draw(make_dataset(4.0, **options), panels=["counts"])["counts"]
    lon, lat = drawn_labels(ax)
    expected = [(lon_0 + offset) % 360 for offset in (-120, -60, 0, 60, 120)]
    expected = [value - value % 60 for value in expected] if lon_0 else expected
    assert {int(text[:-1]) for text in lon} >= set(expected)
    assert len(lat) == 5
    # Each is where its coordinate is.
    for text in ax.texts:
        if text.get_gid() == "tick:lon":
            found = ax.wcs.pixel_to_world_values(*text.xy)
            assert_allclose(found, [int(text.get_text()[:-1]), 0], atol=1e-6)
    names = [coord.get_axislabel() for coord in ax.coords]
    assert names == ["Galactic Longitude", "Galactic Latitude"]
    # They are there though no label is on the frame: the box of all is larger by them.
    width = ax.get_tightbbox(TextRecorder(ax.figure)).x0
    assert width < min(text.get_window_extent().x0 for text in ax.texts) - 5


def test_part_of_an_all_sky_map():
    """A strip of an AIT map has labels of its own; a hemisphere in ZEA is not cut."""
    dataset = make_dataset(4.0, npix=None, binsz=4, proj="AIT")
    lat = np.nan_to_num(dataset.counts.geom.get_coord().lat.to_value("deg"), nan=99)
    dataset.mask_safe = dataset.counts.copy(data=np.abs(lat) < 17)
    ax = draw(dataset, panels=["counts"])["counts"]
    lon, lat = drawn_labels(ax)
    assert len(lon) >= 3 and set(lat) == {"0°", "15°", "\N{MINUS SIGN}15°"}
    dataset = make_dataset(4.0, npix=None, binsz=4, width=(300, 300), proj="ZEA")
    ax = draw(dataset, panels=["counts"])["counts"]
    assert all(len(texts) >= 3 for texts in drawn_labels(ax))
    assert not any(patch.get_gid() == "edge" for patch in ax.patches)


def test_map_of_one_pixel():
    ax = draw(make_dataset(4.0, npix=(1, 1)))["counts"]
    assert ax.images[0].get_array().shape == (1, 1)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("proj", ["CAR", "AIT"])
def test_all_sky_of_one_dataset(proj):
    """The methods of a dataset name and label the coordinates as well."""
    dataset = make_dataset(4.0, npix=None, binsz=4, proj=proj)
    ax = dataset.plot_residuals_spatial(smooth_radius="4 deg")
    lon, lat = drawn_labels(ax)
    assert len(lon) >= 5 and len(lat) >= 5
    names = [coord.get_axislabel() for coord in ax.coords]
    assert names == ["Galactic Longitude", "Galactic Latitude"]
    assert not any("coords" in text.get_text() for text in ax.texts)
    # The axes of such a map are an ellipse, whose names are texts.
    written = [text.get_text() for text in ax.texts if text.get_gid() == "axis"]
    assert written == (names if proj == "AIT" else [])
    dataset = make_dataset(4.0, npix=None, width=(6, 3), binsz=0.1)
    labels = drawn_labels(dataset.plot_residuals_spatial())
    assert all(len(texts) >= 3 for texts in labels)


@requires_data()
def test_real_maps_are_not_black():
    """3FHL around the Crab: the median of the counts has a colour of its own."""
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    datasets = Datasets.read(
        f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    )
    residuals = SpatialResiduals.from_datasets(datasets)
    middle = np.nanmedian(residuals.counts.data)
    assert middle / np.nanmax(residuals.counts.data) < 0.02
    axes = plot_spatial_residuals(residuals, panels=["counts", "npred"])
    for ax in axes.values():
        assert colours(ax, middle)[0] > 0.12
        assert "asinh scale" in bar_of(ax).ax.get_ylabel().replace("\n", " ")
    ax = plot_spatial_residuals(residuals, panels=["counts"], stretch="linear")
    assert colours(ax["counts"], middle)[0] < 0.05
