# Licensed under a 3-clause BSD style license - see LICENSE.rst
from functools import partial
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from regions import CircleSkyRegion, EllipseSkyRegion, RectangleSkyRegion
import matplotlib.pyplot as plt
from matplotlib.text import Text
from gammapy.maps import Map, WcsGeom
from gammapy.modeling import models as gm
from gammapy.visualization import plot_models
from gammapy.visualization.sky.models import select_components, select_names
from gammapy.visualization.sky.outlines import sky_outlines

GEOM = WcsGeom.create(skydir=(0, 0), npix=(100, 80), binsz=0.05, frame="galactic")
KINDS = {
    "point": gm.PointSpatialModel,
    "gauss": partial(gm.GaussianSpatialModel, e=0.7),
    "disk": gm.DiskSpatialModel,
    "shell": gm.ShellSpatialModel,
    "ring": partial(gm.Shell2SpatialModel, eta=0.3),
    "gauss-general": gm.GeneralizedGaussianSpatialModel,
    "constant": gm.ConstantSpatialModel,
    "template": gm.TemplateSpatialModel,
}
# What each kind calls its size.
SIZES = {"gauss": "sigma", "shell": "radius"} | dict.fromkeys(
    ["disk", "ring", "gauss-general"], "r_0"
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def sky_model(spatial, name, amplitude=1e-12):
    amplitude = amplitude * u.Unit("cm-2 s-1 TeV-1")
    return gm.SkyModel(
        gm.PowerLawSpectralModel(amplitude=amplitude), spatial, name=name
    )


def point(lon, lat, name, frame="galactic", **kwargs):
    spatial = gm.PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame=frame)
    return sky_model(spatial, name, **kwargs)


def disk(lon, lat, r_0, name, frame="galactic", **kwargs):
    spatial = gm.DiskSpatialModel(
        lon_0=lon * u.deg, lat_0=lat * u.deg, r_0=r_0 * u.deg, frame=frame, **kwargs
    )
    return sky_model(spatial, name)


def map_axes(geom=GEOM):
    return Map.from_geom(geom).plot()


def artists(ax, kind):
    """Artists of one kind by the name of their component."""
    found = [
        artist
        for artist in ax.get_children()
        if str(artist.get_gid()).startswith(f"{kind}:")
    ]
    return {artist.get_gid().split(":", 1)[1]: artist for artist in found}


def radii(line, ax, center):
    """Distances on the sky of the vertices of a line from a position."""
    coords = ax.wcs.pixel_to_world(*line.get_data())
    return coords.separation(center).deg


def text_boxes(ax):
    """Boxes of names, without their leader lines."""
    ax.figure.canvas.draw()
    names = artists(ax, "name")
    return {name: Text.get_window_extent(text) for name, text in names.items()}


def random_models(n, seed):
    """Components of all kinds all over the map."""
    rng = np.random.default_rng(seed)
    models = gm.Models()
    for idx in range(n):
        kind = list(KINDS)[idx % len(KINDS)]
        kwargs = {
            "lon_0": rng.uniform(-2.3, 2.3) * u.deg,
            "lat_0": rng.uniform(-1.8, 1.8) * u.deg,
            "frame": "galactic",
        }
        if kind in SIZES:
            kwargs[SIZES[kind]] = rng.uniform(0.1, 0.5) * u.deg
        if kind == "template":
            kwargs = {"map": Map.from_geom(GEOM, data=1.0, unit="sr-1")}
        spatial = KINDS[kind](**({} if kind == "constant" else kwargs))
        if kind not in ("constant", "template"):
            spatial.lon_0.error = spatial.lat_0.error = 0.03
        model = sky_model(spatial, f"HESS J17{idx:02d}-{kind}", (1 + idx) * 1e-13)
        if idx % 4 == 0:
            model.freeze()
        models.append(model)
    return models


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("figsize", [(4, 3), (7, 5.6)])
def test_names_cover_nothing(seed, figsize):
    """Twenty components: names of the brightest, apart, inside, off the markers."""
    figure = plt.figure(figsize=figsize)
    ax = figure.add_subplot(projection=GEOM.wcs)
    Map.from_geom(GEOM).plot(ax=ax, add_cbar=True)
    models = random_models(20, seed)
    plot_models(models, ax, style="names")
    placed = [
        model for model in models if not model.name.endswith(("constant", "template"))
    ]
    assert set(artists(ax, "position")) == {label.name for label in placed}
    brightest = {label.name for label in placed[-12:]}
    boxes = text_boxes(ax)
    assert set(boxes) <= brightest
    # In a small figure a few names may find no place.
    assert len(boxes) == 12 if figsize[0] == 7 else len(boxes) >= 8

    values, inside = list(boxes.values()), ax.get_window_extent()
    for idx, box in enumerate(values):
        assert not any(box.overlaps(value) for value in values[idx + 1 :])
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1
        for marker in artists(ax, "position").values():
            x, y = ax.transData.transform(marker.get_xydata())[0]
            assert not box.padded(2).contains(x, y)


def test_names_keep_clear_of_other_text():
    ax = map_axes()
    x, y = ax.wcs.world_to_pixel(SkyCoord(0, 0, unit="deg", frame="galactic"))
    other = ax.text(x + 2, y + 2, "a note that was here before")
    plot_models([point(0, 0, "HESS J1745-290")], ax)
    (box,) = text_boxes(ax).values()
    assert not box.overlaps(other.get_window_extent())


def test_names_without_a_place_are_left_out():
    """A name as wide as the map cannot be written."""
    ax = map_axes()
    plot_models([point(0, 0, "x" * 200)], ax, style="names")
    assert not artists(ax, "name")
    assert list(artists(ax, "position")) == ["x" * 200]


def test_brightest_have_names():
    models = [point(0.3 * i, 0, f"m{i}", amplitude=(1 + i) * 1e-13) for i in range(4)]
    ax = map_axes()
    plot_models(models, ax, max_names=2)
    assert set(artists(ax, "name")) == {"m2", "m3"}
    assert set(artists(ax, "position")) == {"m0", "m1", "m2", "m3"}


def test_frozen_and_free_differ():
    models = [disk(-0.5, 0, 0.2, "free"), disk(0.5, 0, 0.2, "frozen")]
    models[1].freeze()
    ax = map_axes()
    plot_models(models, ax)
    lines = artists(ax, "outline")
    assert lines["free"].get_linestyle() == "-"
    assert lines["frozen"].get_linestyle() == ":"
    for kind in ("outline", "position", "name"):
        drawn = artists(ax, kind)
        assert drawn["free"].get_color() != drawn["frozen"].get_color()


@pytest.mark.parametrize("color, rim", [("black", "white"), ("white", "black")])
def test_rim_contrasts(color, rim):
    ax = map_axes()
    plot_models([point(0, 0, "m")], ax, color=color)
    (effect,) = artists(ax, "name")["m"].get_path_effects()
    assert effect._gc["foreground"] == rim


@pytest.mark.parametrize("binsz", [0.05, (0.1, 0.05)])
@pytest.mark.parametrize("frame", ["galactic", "icrs"])
def test_outlines_are_those_of_to_region(frame, binsz):
    geom = WcsGeom.create(skydir=(120, 40), width=4, binsz=binsz, frame="galactic")
    center = geom.center_skydir.directional_offset_by(30 * u.deg, 1 * u.deg)
    center = center.transform_to(frame)
    lon, lat = center.data.lon.deg, center.data.lat.deg
    shell = gm.ShellSpatialModel(
        lon_0=lon * u.deg, lat_0=lat * u.deg, radius="0.3 deg", width="0.1 deg"
    )
    shell.frame = frame
    ax = map_axes(geom)
    plot_models([disk(lon, lat, 0.4, "disk", frame), sky_model(shell, "shell")], ax)
    outlines = [
        line
        for line in ax.lines
        if str(line.get_gid()) in ("outline:disk", "outline:shell")
    ]
    found = [radii(outline, ax, center) for outline in outlines]
    for radius, values in zip([0.4, 0.3, 0.4], found, strict=True):
        assert_allclose(values, radius, rtol=1e-5)


@pytest.mark.parametrize("frame", ["galactic", "icrs"])
@pytest.mark.parametrize("shape", [EllipseSkyRegion, RectangleSkyRegion])
def test_turned_outlines(shape, frame):
    """Where pixels are square and small, regions draws the same."""
    center = SkyCoord(0.3, -0.4, unit="deg", frame="galactic").transform_to(frame)
    region = shape(center, 0.4 * u.deg, 1 * u.deg, 30 * u.deg)
    (outline,) = sky_outlines(region)
    found = np.array(GEOM.wcs.world_to_pixel(outline))
    expected = region.to_pixel(GEOM.wcs).as_artist().get_verts()
    distances = [np.hypot(*(found - point[:, None])).min() for point in expected]
    assert max(distances) < 0.2
    assert_allclose(found.max(axis=1), expected.max(axis=0), atol=0.1)


def test_outline_that_reaches_in():
    """Centred left of the map: no cross, but outline and name."""
    models = [disk(2.8, 0, 0.6, "near"), disk(4, 0, 0.6, "far"), point(3, 0, "off")]
    ax = map_axes()
    plot_models(models, ax)
    assert not artists(ax, "position")
    assert list(artists(ax, "outline")) == ["near"]
    (box,) = text_boxes(ax).values()
    inside = ax.get_window_extent()
    assert inside.x0 <= box.x0 and box.x1 <= inside.x1


def test_outline_around_the_map_is_not_named_twice():
    ax = map_axes()
    plot_models([disk(0, 0, 30, "everywhere")], ax)
    assert not artists(ax, "outline")
    assert list(artists(ax, "position")) == ["everywhere"]


def test_other_side_of_the_sky():
    geom = WcsGeom.create(skydir=(0, 0), width=4, frame="galactic", proj="TAN")
    ax = map_axes(geom)
    plot_models([disk(180, 0, 0.5, "antipode")], ax)
    assert not artists(ax, "position") and not artists(ax, "outline")


def test_outline_over_the_edge_of_the_sky():
    """It goes on at the opposite edge without a line across the map."""
    geom = WcsGeom.create(binsz=2, frame="galactic", proj="AIT")
    ax = map_axes(geom)
    plot_models([disk(180, 0, 20, "anticentre")], ax)
    x, y = artists(ax, "outline")["anticentre"].get_data()
    assert np.isnan(x).any()
    assert np.nanmax(np.hypot(np.diff(x), np.diff(y))) < geom.data_shape[1] / 4


def test_no_extension():
    flat = gm.GaussianSpatialModel(sigma="0 deg", frame="galactic")
    ax = map_axes()
    plot_models([sky_model(flat, "flat")], ax)
    assert not artists(ax, "outline")
    assert list(artists(ax, "position")) == ["flat"]


def test_no_place_on_the_sky():
    template = gm.TemplateSpatialModel(Map.from_geom(GEOM, data=1.0, unit="sr-1"))
    models = gm.Models(
        [
            sky_model(template, "template"),
            sky_model(gm.ConstantSpatialModel(), "constant"),
            sky_model(None, "spectrum"),
            gm.FoVBackgroundModel(dataset_name="test"),
        ]
    )
    ax = map_axes()
    before = len(ax.get_children())
    plot_models(models, ax)
    assert len(ax.get_children()) == before


@pytest.mark.parametrize("frame", ["galactic", "icrs"])
def test_position_error(frame):
    """95 percent of positions: 2.448 times the errors, in pixels of 0.05 deg."""
    center = SkyCoord(0.5, 0.2, unit="deg", frame="galactic").transform_to(frame)
    model = point(center.data.lon.deg, center.data.lat.deg, "m", frame)
    spatial = model.spatial_model
    cos_lat = np.cos(center.data.lat).value
    spatial.lon_0.error, spatial.lat_0.error = 0.1 / cos_lat, 0.05
    ax = map_axes()
    plot_models([model], ax)
    values = radii(artists(ax, "position-error")["m"], ax, center)
    scale = np.sqrt(-2 * np.log(0.05))
    assert_allclose(
        [values.max(), values.min()], [0.1 * scale, 0.05 * scale], rtol=0.01
    )
    if frame == "galactic":
        x, y = artists(ax, "position-error")["m"].get_data()
        expected = [2 * 0.1 * scale / 0.05, 2 * 0.05 * scale / 0.05]
        assert_allclose([np.ptp(x), np.ptp(y)], expected, rtol=0.01)


def test_position_error_leans_as_its_correlation():
    model = point(0, 0, "m")
    covariance = np.zeros((5, 5))
    names = model.parameters.names
    lon, lat = names.index("lon_0"), names.index("lat_0")
    covariance[lon, lon], covariance[lat, lat] = 0.2**2, 0.1**2
    covariance[lon, lat] = covariance[lat, lon] = 0.8 * 0.2 * 0.1
    model.covariance = covariance
    ax = map_axes()
    plot_models([model], ax)
    x, y = artists(ax, "position-error")["m"].get_data()
    coords = ax.wcs.pixel_to_world(x[:-1], y[:-1]).galactic
    points = [coords.l.wrap_at("180d").deg, coords.b.deg]
    # Of points spread evenly over an ellipse the covariance is half its square.
    found = np.cov(points, bias=True) * 2 / (-2 * np.log(0.05))
    assert_allclose(found, covariance[np.ix_([lon, lat], [lon, lat])], rtol=0.01)


def test_position_error_of_one_coordinate():
    model = point(0, 0, "m")
    model.spatial_model.lat_0.error = 0.1
    ax = map_axes()
    plot_models([model, point(1, 0, "no error")], ax)
    lines = artists(ax, "position-error")
    assert list(lines) == ["m"]
    x, y = lines["m"].get_data()
    assert_allclose(np.ptp(x), 0, atol=1e-6)
    assert_allclose(np.ptp(y), 2 * 0.1 * np.sqrt(-2 * np.log(0.05)) / 0.05, rtol=1e-4)


def test_any_sky_axes_keep_their_limits():
    """Axes without a map of Gammapy, and models in another frame."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [83.6, 22], [50, 40], [-0.02, 0.02]
    ax = plt.figure().add_subplot(projection=wcs)
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 80)
    crab = SkyCoord(83.6, 22, unit="deg").galactic
    plot_models([disk(crab.l.deg, crab.b.deg, 0.2, "Crab")], ax)
    x, y = artists(ax, "position")["Crab"].get_data()
    assert_allclose([x[0], y[0]], [49, 39], atol=1e-6)
    x, y = artists(ax, "outline")["Crab"].get_data()
    assert_allclose([np.ptp(x), np.ptp(y)], 20, rtol=1e-3)
    assert ax.get_xlim() == (0, 100) and ax.get_ylim() == (0, 80)


def test_linked_position():
    first, second = point(0.5, 0.2, "first"), disk(0, 0, 0.3, "second")
    second.spatial_model.lon_0 = first.spatial_model.lon_0
    ax = map_axes()
    plot_models([first, second], ax)
    first, second = (
        artists(ax, "position")[name].get_xdata() for name in ("first", "second")
    )
    assert_allclose(first, second, atol=1e-6)


def test_single_model_and_none():
    ax = map_axes()
    assert plot_models(None, ax) is ax
    assert not artists(ax, "position")
    plot_models(point(0, 0, "m"), ax)
    assert list(artists(ax, "position")) == ["m"]


def test_selection():
    models = gm.Models(
        [point(0, 0, "a"), point(1, 0, "b"), gm.FoVBackgroundModel(dataset_name="d")]
    )
    for select, expected in [
        (True, ["a", "b"]),
        (np.True_, ["a", "b"]),
        (False, []),
        (None, []),
        ("b", ["b"]),
        (["b", "a"], ["a", "b"]),
        (models, ["a", "b"]),
        (models["b"], ["b"]),
        ([models["d-bkg"]], []),
    ]:
        assert [
            component.name for component in select_components(models, select)
        ] == expected
        assert sorted(select_names(["a", "b"], select)) == expected


def test_bad_input_draws_nothing():
    models = [point(0, 0, "a")]
    ax = map_axes()
    n_children = len(ax.get_children())
    with pytest.raises(ValueError, match=r"\['crab'\]; there are \['a'\]"):
        plot_models(models, ax, select="crab")
    for select in (5, [5]):
        with pytest.raises(TypeError, match="expected True, False, names or Models"):
            plot_models(models, ax, select=select)
    assert len(ax.get_children()) == n_children
    plain = plt.figure().add_subplot()
    n_children = len(plain.get_children())
    with pytest.raises(TypeError, match="needs WCSAxes, not Axes"):
        plot_models(models, plain)
    assert len(plain.get_children()) == n_children


def test_models_are_not_changed():
    models = random_models(7, seed=0)
    before = [(par.name, par.value, par.error, par.frozen) for par in models.parameters]
    covariance = models.covariance.data.copy()
    plot_models(models, map_axes())
    assert before == [
        (par.name, par.value, par.error, par.frozen) for par in models.parameters
    ]
    assert_allclose(models.covariance.data, covariance)


def test_circle_near_a_pole():
    center = SkyCoord(10, 88, unit="deg")
    (outline,) = sky_outlines(CircleSkyRegion(center, 3 * u.deg))
    assert_allclose(outline.separation(center).deg, 3)
