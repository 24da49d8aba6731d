# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.visualization.wcsaxes.ticklabels import TickLabels
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.contour import ContourSet
from matplotlib.patches import Rectangle
from gammapy.datasets import (
    Datasets,
    MapDataset,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDatasetOnOff,
)
from gammapy.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom
from gammapy.modeling import models as gm
from gammapy.stats import WStatCountsStatistic
from gammapy.utils.testing import mpl_plot_check
from gammapy.visualization import (
    plot_residuals_distribution,
    plot_spatial_residuals,
    plot_spectral_residuals,
)
from gammapy.visualization.residuals import SYMBOLS, format_energy_range
from gammapy.visualization.residuals.points import shown_edges
from gammapy.visualization.sky.contours import contour_levels

AXIS = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4)
AXIS_TRUE = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=6, name="energy_true")
GEOM = WcsGeom.create(
    skydir=(0, 0), npix=(50, 40), binsz=0.05, frame="galactic", axes=[AXIS]
)
REGION = "galactic;circle(0, 0, 0.4)"


def make_models():
    spectrum = gm.PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1")
    bright = gm.GaussianSpatialModel(lon_0="0.2 deg", sigma="0.2 deg", frame="galactic")
    bright.lon_0.error = bright.lat_0.error = 0.03
    frozen = gm.PointSpatialModel(lon_0="-0.4 deg", lat_0="0.3 deg", frame="galactic")
    models = gm.Models(
        [
            gm.SkyModel(spectrum, bright, name="bright"),
            gm.SkyModel(spectrum.copy(), frozen, name="frozen"),
            gm.SkyModel(spectrum.copy(), gm.ConstantSpatialModel(), name="everywhere"),
            gm.FoVBackgroundModel(dataset_name="test"),
        ]
    )
    models["frozen"].freeze()
    models["everywhere"].spectral_model.amplitude.value = 0
    return models


@pytest.fixture()
def datasets():
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name="test")
    dataset.psf = dataset.edisp = None
    dataset.exposure.quantity = np.full((6, 40, 50), 3e13) * u.Unit("cm2 s")
    dataset.background.data += 3.0
    dataset.mask_safe.data[...] = True
    dataset.mask_fit = GEOM.energy_mask(energy_min=3 * u.TeV)
    dataset.counts.data = np.random.default_rng(0).poisson(3, (4, 40, 50))
    dataset.counts.data[:, 20:23, 10:13] += 12  # a source that the model lacks
    dataset.models = make_models()
    return Datasets([dataset])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def gids(ax):
    return {artist.get_gid() for artist in ax.get_children() if artist.get_gid()}


def test_spatial_panels(datasets):
    with mpl_plot_check():
        axes = plot_spatial_residuals(datasets, region=REGION)
    assert list(axes) == ["counts", "npred", "significance", "distribution"]
    residuals = SpatialResiduals.from_datasets(datasets)
    drawn = {name: axes[name].images[0] for name in list(axes)[:3]}
    for name, map_ in [
        ("counts", residuals.counts),
        ("npred", residuals.npred),
        ("significance", residuals.sqrt_ts),
    ]:
        assert_allclose(np.ma.getdata(drawn[name].get_array()), map_.data[0])

    limits = [drawn[name].get_clim() for name in ("counts", "npred")]
    assert limits[0] == limits[1]
    assert limits[0][0] == 0
    assert_allclose(limits[0][1], np.nanmax(residuals.counts.data))
    assert drawn["significance"].get_clim() == (-5, 5)
    assert axes["counts"].get_title() == "Counts, 3.16 - 100 TeV"
    assert all("region" in gids(axes[name]) for name in drawn)


def test_colour_bars_are_labelled(datasets):
    panels = ["counts", "excess", "diff", "diff/sqrt(model)", "significance"]
    axes = plot_spatial_residuals(datasets, panels=panels, models=False)
    figure = axes["counts"].figure
    labels = [axis.get_ylabel() for axis in figure.axes if axis not in axes.values()]
    assert labels == [
        "Counts within 0.1 deg",
        "Excess counts within 0.1 deg",
        "Counts - model per pixel",
        r"(Counts - model) / $\sqrt{\mathrm{model}}$",
        r"Significance [$\sigma$]",
    ]


def test_energy_groups_have_a_column_each(datasets):
    edges = [AXIS.edges[1], AXIS.edges[2], AXIS.edges[4]]
    axes = plot_spatial_residuals(datasets, energy_edges=u.Quantity(edges))
    assert [len(axis) for axis in axes.values()] == [2] * 4
    left = [row[0].get_position().x0 for row in axes.values()]
    right = [row[1].get_position().x0 for row in axes.values()]
    assert max(left) < min(right)


def test_spectral_panels(datasets):
    with mpl_plot_check():
        top, bottom = plot_spectral_residuals(datasets, REGION)
    table = SpectralResiduals.from_datasets(datasets, REGION).to_table("diff")
    curves = {patch.get_label(): patch for patch in top.patches}
    # One source is outside the region, one has no flux: both have no curve.
    assert set(curves) == {"Model", "Background", "bright", "Masked"}
    assert_allclose(curves["Model"].get_data().values, table["npred"])
    assert_allclose(curves["bright"].get_data().values, table["npred_bright"])

    points, _, (horizontal, vertical) = bottom.containers[0]
    assert_allclose(points.get_ydata(), table["residual"])
    ends = np.array(
        [segment[:, 1] for segment in vertical.get_segments() if len(segment)]
    )
    used = np.isfinite(table["residual"])
    low = (table["residual"] - table["residual_errn"])[used]
    high = (table["residual"] + table["residual_errp"])[used]
    ends = ends[np.isfinite(ends).all(axis=1)]
    assert_allclose(ends, np.transpose([low, high]))
    assert top.get_ylim()[0] < np.nanmax(table["npred_bright"])
    # No bar is clipped, and the energies are shared.
    assert bottom.get_ylim()[0] < low.min() and bottom.get_ylim()[1] > high.max()
    assert_allclose([top.get_xlim(), bottom.get_xlim()], [(1, 100), (1, 100)])
    assert bottom.get_xlabel() == "Energy [TeV]"


def test_masked_energies_are_shaded(datasets):
    for ax in plot_spectral_residuals(datasets):
        (span,) = (patch for patch in ax.patches if patch.get_label() == "Masked")
        bounds = span.get_window_extent().transformed(ax.transData.inverted())
        assert_allclose([bounds.x0, bounds.x1], [1, 10**0.5], rtol=1e-3)


def test_computed_residuals_are_drawn_as_they_are(datasets):
    residuals = SpatialResiduals.from_datasets(datasets, kernel=None)
    axes = plot_spatial_residuals(residuals, panels="counts")
    label = axes["counts"].figure.axes[1].get_ylabel()
    assert label.startswith("Counts per pixel")
    with pytest.raises(ValueError, match="energy_min comes too late"):
        plot_spatial_residuals(residuals, energy_min="1 TeV")
    with pytest.raises(ValueError, match="region comes too late"):
        plot_spectral_residuals(SpectralResiduals.from_datasets(datasets), REGION)


def image_of(ax):
    return ax.images[0]


def contours(ax):
    return [
        collection
        for collection in ax.collections
        if isinstance(collection, ContourSet)
    ]


def bars(container):
    """Ends of the horizontal and vertical error bars that are drawn, shape (n, 2)."""
    ends = []
    for idx, bar in enumerate(container[2]):
        segments = [
            segment
            for segment in bar.get_segments()
            if len(segment) and np.isfinite(segment).all()
        ]
        ends.append(np.array([segment[:, idx] for segment in segments]))
    return ends


def test_models_on_a_map(datasets):
    ax = plot_spatial_residuals(datasets, panels="excess")["excess"]
    names = gids(ax)
    assert {"position:bright", "position-error:bright", "name:bright"} <= names
    assert {"outline:bright", "position:frozen", "name:frozen"} <= names
    # A point has no outline, no error is no ellipse, a constant has no place.
    assert not names & {"outline:frozen", "position-error:frozen"}
    assert not any("everywhere" in name or "bkg" in name for name in names)


def test_contour_levels():
    def levels(highest, lowest=0, vsig=5):
        return list(contour_levels(np.array([lowest, 0, highest, np.nan]), vsig))

    assert levels(6.9) == []
    assert levels(10) == [7, 9]
    assert levels(4, lowest=-9.5) == [-9, -7]
    assert levels(12, lowest=-7.5) == [-7, 7, 9, 11]
    assert levels(22) == [7, 9, 11, 13, 15, 17, 19, 21]
    # Further apart, but low ones are kept: a weak source beside a strong one.
    assert levels(100) == [7, 9, 11, 13, 20, 30, 45, 68]
    assert levels(6, vsig=3) == [5]
    assert levels(np.inf) == []
    assert levels(np.nan, lowest=np.nan, vsig=5) == []


def test_infinite_significance(datasets):
    """Counts without model: the end of the colours, no contour, a note."""
    datasets.models = None
    datasets[0].background.data[:, 10, 10] = 0
    datasets[0].counts.data[:, 10, 10] = 3
    axes = plot_spatial_residuals(
        datasets, kernel=None, panels=["significance", "distribution", "diff/model"]
    )
    for panel in ("significance", "diff/model"):
        image = image_of(axes[panel])
        value = image.get_array()[10, 10]
        assert np.isfinite(value) and value > image.get_clim()[1]
        assert np.isfinite(image.get_clim()).all()
        assert image.colorbar.extend in ("max", "both")
    labels = axes["distribution"].get_legend_handles_labels()[1]
    assert "Pixels (1 infinite)" in labels
    assert np.isfinite(axes["distribution"].get_xlim()).all()


@pytest.mark.parametrize("panel", ["counts", "excess", "diff/model", "significance"])
def test_no_model_anywhere(datasets, panel):
    datasets.models = None
    datasets[0].background.data[...] = 0
    ax = plot_spatial_residuals(datasets, panels=panel)[panel]
    assert np.isfinite(image_of(ax).get_clim()).all()
    ax.figure.canvas.draw()


def test_one_pixel(datasets):
    datasets[0].mask_safe.data[...] = False
    datasets[0].mask_safe.data[:, 20, 20] = True
    axes = plot_spatial_residuals(datasets, kernel=None)
    for panel in ("counts", "npred", "significance"):
        array = np.ma.masked_invalid(image_of(axes[panel]).get_array())
        assert array.count() == 1
    axes["counts"].figure.canvas.draw()


def test_colour_limits(datasets):
    def limits(**options):
        axes = plot_spatial_residuals(datasets, panels=["counts", "npred"], **options)
        first, second = (image_of(axis).get_clim() for axis in axes.values())
        assert first == second
        return first

    residuals = SpatialResiduals.from_datasets(datasets)
    highest = max(
        np.nanmax(image.data) for image in (residuals.counts, residuals.npred)
    )
    assert_allclose(limits(), (0, highest))
    assert limits(vmin=2, vmax=7) == (2, 7)
    assert_allclose(limits(vmin=2), (2, highest))
    assert limits(vmin=-4, vmax=0) == (-4, 0)
    assert limits(vmin=1e6) == (1e6, 1e6 + 1)


def test_residual_panels_have_symmetric_colours(datasets):
    panels = ["excess", "diff", "diff/model", "diff/sqrt(model)", "significance"]
    axes = plot_spatial_residuals(datasets, panels=panels, vsig=4)
    for ax in axes.values():
        low, high = image_of(ax).get_clim()
        assert low == -high < 0
    assert image_of(axes["significance"]).get_clim() == (-4, 4)
    # Masked is not mistaken for agreement.
    cmap = image_of(axes["diff"]).get_cmap()
    assert np.abs(cmap(0.5)[0] - cmap.get_bad()[0]) > 0.1


@pytest.mark.parametrize(
    "npix, binsz, n_columns",
    [
        ((60, 10), 0.1, 1),
        ((10, 60), 0.1, 4),
        ((50, 40), 0.1, 2),
        ((40, 60), (0.2, 0.1), 2),
    ],
)
def test_layout_follows_the_shape_of_the_map(npix, binsz, n_columns):
    geom = WcsGeom.create(npix=npix, binsz=binsz, frame="galactic", axes=[AXIS])
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE)
    dataset.background.data += 3
    dataset.counts.data += 3
    dataset.mask_safe.data[...] = True
    axes = plot_spatial_residuals(dataset, kernel=None)
    figure = axes["counts"].figure
    figure.canvas.draw()
    left = {round(axis.get_position(original=True).x0, 3) for axis in axes.values()}
    assert len(left) == n_columns
    # Pixels have the shape that they have on the sky.
    ax = axes["counts"]
    (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)])
    lon, lat = np.broadcast_to(binsz, 2)
    assert_allclose((y1 - y0) / (x1 - x0), lat / lon, rtol=1e-6)
    assert_nothing_is_clipped(figure)


def assert_nothing_is_clipped(figure):
    """All labels inside the figure, none over those of another panel."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [axis.get_tightbbox(renderer) for axis in figure.axes]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1


def assert_nothing_overlaps(axes):
    """Panels and colour bars keep their labels to themselves."""
    rows = [np.ravel(axis) for axis in axes.values()]
    figure = rows[0][0].figure
    assert_nothing_is_clipped(figure)
    renderer = figure.canvas.get_renderer()
    drawn = [artist.get_tightbbox(renderer) for row in rows for artist in row]
    bars = [axis for axis in figure.axes if not any(axis in row for row in rows)]
    for idx, box in enumerate(drawn):
        assert not any(box.overlaps(later) for later in drawn[idx + 1 :])
        for bar in bars:
            assert not box.overlaps(bar.yaxis.label.get_window_extent(renderer))


@pytest.mark.parametrize("n_groups", [1, 2, 3])
def test_no_label_is_clipped(datasets, n_groups):
    edges = AXIS.edges[[0, 1, 2, 4]][3 - n_groups :]
    datasets[0].mask_fit = None
    panels = ["counts", "npred", "diff/sqrt(model)", "significance", "distribution"]
    axes = plot_spatial_residuals(datasets, energy_edges=edges, panels=panels)
    assert_nothing_overlaps(axes)


def test_stretched_map_and_short_colour_bar():
    """180 by 2 degrees: legible, with labels in several lines."""
    geom = WcsGeom.create(npix=(900, 10), binsz=0.2, frame="galactic", axes=[AXIS])
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE)
    dataset.background.data += 3
    dataset.mask_safe.data[...] = True
    axes = plot_spatial_residuals(dataset, kernel=None)
    figure = axes["counts"].figure
    assert_nothing_is_clipped(figure)
    height = axes["counts"].get_window_extent().height
    assert height / figure.dpi > 1
    bar = image_of(axes["npred"]).colorbar
    assert bar.ax.get_ylabel().split() == ["Predicted", "counts", "per", "pixel"]
    assert bar.ax.yaxis.label.get_window_extent().height < 1.05 * height


def test_half_of_the_map_without_data(datasets):
    datasets[0].mask_safe.data[:, :, 25:] = False
    ax = plot_spatial_residuals(datasets, panels="significance")["significance"]
    array = np.ma.masked_invalid(image_of(ax).get_array())
    assert np.ma.getmaskarray(array)[:, 26:].all()
    # No contour along the border of the data.
    for path in (path for drawn in contours(ax) for path in drawn.get_paths()):
        assert np.all(path.vertices[:, 0] < 25) or not len(path.vertices)


def test_given_axes_are_used(datasets):
    figure = plt.figure()
    ax = figure.add_subplot(projection=GEOM.to_image().wcs)
    axes = plot_spatial_residuals(datasets, panels="excess", axes={"excess": ax})
    assert axes["excess"] is ax
    assert plt.get_fignums() == [figure.number]

    top, bottom = plt.figure().subplots(2)
    assert plot_spectral_residuals(datasets, axes=(top, bottom)) == (top, bottom)


def test_distribution_panel(datasets):
    residuals = SpatialResiduals.from_datasets(datasets)
    ax = plot_residuals_distribution(residuals)
    lines = {line.get_label(): line for line in ax.lines}
    normal = lines["N(0, 1)"]
    assert_allclose(normal.get_ydata().max(), 1 / np.sqrt(2 * np.pi), rtol=1e-3)
    row = residuals.distribution()[0]
    (fitted,) = (label for label in lines if "sigma" in label)
    assert f"{row['mean']:.2f}" in fitted and f"{row['std']:.2f}" in fitted
    x, y = lines[fitted].get_data()
    assert_allclose(x[np.argmax(y)], row["mean"], atol=x[1] - x[0])

    (histogram,) = ax.patches
    density, edges, _ = histogram.get_data()
    assert_allclose(np.sum(density * np.diff(edges)), 1)
    values = residuals.sqrt_ts.data[np.isfinite(residuals.sqrt_ts.data)]
    expected, _ = np.histogram(values, bins=edges)
    assert_allclose(density * values.size * np.diff(edges), expected)
    assert edges[0] <= values.min() and values.max() <= edges[-1]
    assert ax.get_xlim()[0] <= values.min() and values.max() <= ax.get_xlim()[1]


def test_distribution_in_a_mask(datasets):
    residuals = SpatialResiduals.from_datasets(datasets)
    mask = GEOM.to_image().region_mask(REGION)
    ax = plot_residuals_distribution(residuals, mask=mask)
    density, edges, _ = ax.patches[0].get_data()
    values = residuals.sqrt_ts.data[0][mask.data]
    assert_allclose(
        density, np.histogram(values, bins=edges, density=True)[0], atol=1e-12
    )


def test_distribution_of_nothing(datasets):
    residuals = SpatialResiduals.from_datasets(datasets)
    figure, ax = plt.subplots()
    n_children = len(ax.get_children())
    nothing = GEOM.to_image().region_mask("galactic;circle(90, 0, 1)")
    with pytest.raises(ValueError, match="No pixel in the mask has a finite"):
        plot_residuals_distribution(residuals, ax, mask=nothing)
    assert len(ax.get_children()) == n_children
    with pytest.raises(TypeError, match="plain Axes, got"):
        wcs_axes = figure.add_subplot(projection=GEOM.to_image().wcs)
        plot_residuals_distribution(residuals, wcs_axes)


BAD_SPATIAL = [
    ({"panels": ["counts", "sigma"]}, ValueError, "'sigma'.*'significance'"),
    ({"energy_min": "1 PeV"}, ValueError, "No energy bin"),
    ({"models": ["crab"]}, ValueError, r"\['crab'\]"),
    ({"models": 3}, TypeError, "models: expected True, False"),
    ({"region": "crab"}, ValueError, "Invalid region: 'crab'"),
    ({"region": 5}, ValueError, "Invalid region: 5"),
    ({"region": []}, ValueError, "Invalid region"),
    ({"axes": {"npred": None}}, ValueError, "no axes for the panels"),
    ({"axes": [None]}, ValueError, "1 axes for 4 panels"),
    ({"panels": ["counts"], "axes": {"counts": None}}, TypeError, "not NoneType"),
    ({"vsig": 0}, ValueError, "vsig: expected a number above 0"),
    ({"vsig": -3}, ValueError, "vsig: expected a number above 0"),
    ({"vsig": np.nan}, ValueError, "vsig: expected a number above 0"),
    ({"vsig": None}, TypeError, "vsig: expected a number above 0"),
    ({"vmin": 5, "vmax": 5}, ValueError, "vmax 5 is not above vmin 5"),
    ({"vmax": 0}, ValueError, "vmax 0 is not above vmin 0"),
    ({"vmax": "high"}, TypeError, "vmax: expected a finite number, got 'high'"),
    ({"energy_minimum": 1}, TypeError, "energy_minimum"),
]


@pytest.mark.parametrize("options, kind, match", BAD_SPATIAL)
def test_bad_input_leaves_no_figure(options, kind, match, datasets):
    with pytest.raises(kind, match=match):
        plot_spatial_residuals(datasets, **options)
    assert plt.get_fignums() == []


def test_no_datasets_leave_no_figure():
    for plot in (plot_spatial_residuals, plot_spectral_residuals):
        with pytest.raises(ValueError, match="at least one dataset"):
            plot(Datasets())
    assert plt.get_fignums() == []


def test_bad_spatial_input_leaves_axes_as_they_are(datasets):
    figure = plt.figure()
    sky = figure.add_subplot(121, projection=GEOM.to_image().wcs)
    plain = figure.add_subplot(122)
    before = [len(axis.get_children()) for axis in (sky, plain)]
    for axes, match in [
        ({"counts": sky, "npred": plain}, "A sky map needs WCSAxes, not Axes"),
        ({"counts": sky, "distribution": sky}, "plain Axes, got WCSAxes"),
    ]:
        with pytest.raises(TypeError, match=match):
            plot_spatial_residuals(datasets, panels=list(axes), axes=axes)
    with pytest.raises(ValueError, match="2 axes for 1 energy groups"):
        plot_spatial_residuals(datasets, panels="counts", axes={"counts": [sky, sky]})
    assert [len(axis.get_children()) for axis in (sky, plain)] == before
    assert plt.get_fignums() == [figure.number]


BAD_SPECTRAL = [
    ({"method": "sigma"}, ValueError, "'sigma'"),
    ({"models": ["crab"]}, ValueError, r"\['crab'\]"),
    ({"models": [3]}, TypeError, "models: expected True"),
    ({"region": "crab"}, ValueError, "Invalid region: 'crab'"),
    ({"region": 5}, ValueError, "Invalid region: 5"),
    ({"region": "galactic;circle(90, 0, 1)"}, ValueError, "No pixel"),
    ({"energy_min": "1 PeV"}, ValueError, "No energy bin"),
]


@pytest.mark.parametrize("options, kind, match", BAD_SPECTRAL)
def test_bad_spectral_input_draws_nothing(options, kind, match, datasets):
    figure, axes = plt.subplots(2)
    before = [len(axis.get_children()) for axis in axes]
    for given in ({}, {"axes": axes}):
        with pytest.raises(kind, match=match):
            plot_spectral_residuals(datasets, **options, **given)
    assert plt.get_fignums() == [figure.number]
    assert [len(axis.get_children()) for axis in axes] == before


def test_bad_spectral_axes(datasets):
    figure, (first, second, third) = plt.subplots(3)
    sky = figure.add_subplot(projection=GEOM.to_image().wcs)
    before = len(first.get_children())
    for axes, kind, match in [
        ((first, second, third), ValueError, "there are 3"),
        (first, ValueError, "there are 1"),
        ((first, sky), TypeError, "got WCSAxes"),
        ((first, None), TypeError, "got None"),
    ]:
        with pytest.raises(kind, match=match):
            plot_spectral_residuals(datasets, axes=axes)
    assert len(first.get_children()) == before


@pytest.mark.parametrize("method", list(SYMBOLS))
def test_spectral_methods(datasets, method):
    _, ax = plot_spectral_residuals(datasets, REGION, method=method, models=False)
    assert ax.get_ylabel() == SYMBOLS[method]
    table = SpectralResiduals.from_datasets(datasets, REGION).to_table(method)
    used = np.isfinite(table["residual"])
    table = table[used]
    assert_allclose(ax.containers[0][0].get_ydata()[used], table["residual"])
    horizontal, vertical = bars(ax.containers[0])
    assert_allclose(horizontal, np.transpose([table["e_min"], table["e_max"]]))
    ends = [
        table["residual"] - table["residual_errn"],
        table["residual"] + table["residual_errp"],
    ]
    assert_allclose(vertical, np.transpose(ends))
    low, high = ax.get_ylim()
    assert low == -high and low < vertical.min() and vertical.max() < high
    lines = sorted(
        line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 2
    )
    in_sigma = method in ("significance", "diff/sqrt(model)")
    assert lines == ([-3, 0, 3] if in_sigma else [0])
    if in_sigma:
        assert high > 3


def test_gaps_where_all_is_masked(datasets):
    mask = np.array([True, False, False, True])
    datasets[0].mask_fit = Map.from_geom(GEOM, data=np.ones((4, 40, 50), dtype=bool))
    datasets[0].mask_fit.data &= mask[:, None, None]
    top, bottom = plot_spectral_residuals(datasets)
    for ax in (top, bottom):
        assert np.isfinite(ax.containers[0][0].get_ydata()).tolist() == mask.tolist()
        (span,) = (patch for patch in ax.patches if isinstance(patch, Rectangle))
        bounds = [span.get_x(), span.get_x() + span.get_width()]
        assert_allclose(bounds, AXIS.edges[[1, 3]].value)
    labels = [text.get_text() for text in top.get_legend().get_texts()]
    assert labels.count("Masked") == 1 and labels[-1] == "Masked"
    assert bottom.get_legend() is None


def test_axis_shows_little_of_what_is_masked():
    edges = np.geomspace(1, 1e8, 17)
    mask = np.zeros(16, dtype=bool)
    mask[4:8] = True
    # Used are 1e2 to 1e4: half a decade more, or less where less is used.
    assert_allclose(shown_edges(edges, mask), (10**1.5, 10**4.5))
    assert_allclose(shown_edges(edges, np.ones(16, dtype=bool)), (1, 1e8))
    edges = np.geomspace(1, 10, 11)
    mask = np.arange(10) == 5
    assert_allclose(shown_edges(edges, mask), (10**0.4, 10**0.7))
    mask[0] = True
    assert_allclose(shown_edges(edges, mask), (1, 10))


def test_bins_without_counts(datasets):
    """The upper half of their bar is on the axes."""
    dataset = datasets[0]
    dataset.counts.data[2:] = 0
    dataset.counts.data[0] *= 1000
    dataset.mask_fit = None
    top, _ = plot_spectral_residuals(datasets, REGION)
    _, _, (vertical,) = top.containers[0]
    table = SpectralResiduals.from_datasets(datasets, REGION).to_table()
    found = np.array([segment[:, 1] for segment in vertical.get_segments()])
    assert_allclose(found[2:, 0], 0)
    assert_allclose(found[2:, 1], table["residual_errp"][2:])
    assert 0 < top.get_ylim()[0] < 0.5 * found[2:, 1].min()
    assert top.get_yscale() == "log"


def test_counts_without_model(datasets):
    """An infinite residual is an open triangle, at the border it points to."""
    datasets.models = None
    datasets[0].background.data[2:] = 0
    datasets[0].mask_fit = None
    _, ax = plot_spectral_residuals(datasets, method="diff/model")
    (triangles,) = (line for line in ax.lines if line.get_gid() == "infinite")
    assert_allclose(triangles.get_xdata(), AXIS.center[2:].value)
    assert triangles.get_marker() == "^"
    assert np.all((triangles.get_ydata() > 0.9) & (triangles.get_ydata() < 1))
    assert np.isfinite(ax.get_ylim()).all()


@pytest.mark.parametrize("nbin", [1, 1000])
def test_few_and_many_bins(nbin):
    axis = MapAxis.from_energy_bounds("2 TeV", "3 TeV", nbin=nbin)
    geom = WcsGeom.create(npix=2, axes=[axis])
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE)
    dataset.mask_safe.data[...] = True
    dataset.background.data += 4
    dataset.counts.data += 5
    top, bottom = plot_spectral_residuals(dataset)
    assert len(top.containers[0][0].get_xdata()) == nbin
    assert_allclose(bottom.containers[0][0].get_ydata(), 4)
    size = bottom.containers[0][0].get_markersize()
    assert size == 3.5 if nbin == 1 else 1 <= size < 2
    top.figure.canvas.draw()
    labels = [tick.get_text() for tick in bottom.get_xticklabels() if tick.get_text()]
    shown = [label for label in map(float, labels) if 2 <= label <= 3]
    assert len(shown) >= 3


def test_legend_is_above_the_data(datasets):
    models = gm.Models()
    for idx in range(20):
        model = make_models()["bright"].copy(name=f"HESS J17{idx:02d}-420")
        model.spectral_model.amplitude.value /= 10
        models.append(model)
    datasets.models = models
    top, _ = plot_spectral_residuals(datasets, REGION)
    top.figure.canvas.draw()
    box = top.get_legend().get_window_extent()
    points = top.containers[0][0].get_xydata()
    points = top.transData.transform(points[np.isfinite(points).all(axis=1)])
    assert len(points) and not any(box.contains(*point) for point in points)
    assert box.x0 >= top.get_window_extent().x0
    labels = [text.get_text() for text in top.get_legend().get_texts()]
    assert labels[:2] == ["Counts", "Model"] and len(labels) == 24
    styles = {
        (patch.get_edgecolor(), str(patch.get_linestyle()))
        for patch in top.patches
        if patch.get_label().startswith("HESS")
    }
    assert len(styles) == 20


def test_models_of_datasets_include_backgrounds(datasets):
    top, _ = plot_spectral_residuals(datasets, REGION, models=datasets.models)
    labels = {patch.get_label() for patch in top.patches}
    assert labels == {"Model", "Background", "bright", "Masked"}
    # What was left out of the model is no unknown name.
    options = {"models": datasets.models, "exclude": ["bright"]}
    top, _ = plot_spectral_residuals(datasets, REGION, **options)
    assert "bright" not in {patch.get_label() for patch in top.patches}


def test_on_off(datasets):
    counts_off = RegionNDMap.create(REGION, axes=[AXIS], data=20.0)
    acceptance = RegionNDMap.create(REGION, axes=[AXIS], data=1.0)
    acceptance_off = RegionNDMap.create(REGION, axes=[AXIS], data=5.0)
    dataset = SpectrumDatasetOnOff(
        counts=RegionNDMap.create(REGION, axes=[AXIS], data=6.0),
        counts_off=counts_off,
        acceptance=acceptance,
        acceptance_off=acceptance_off,
    )
    top, bottom = plot_spectral_residuals(dataset, method="significance")
    curves = {patch.get_label(): patch for patch in top.patches}
    label = r"Background ($\alpha$ $\times$ off counts)"
    assert_allclose(curves[label].get_data().values, 4)
    expected = WStatCountsStatistic(6, 20, 0.2).sqrt_ts
    assert_allclose(bottom.containers[0][0].get_ydata(), expected)


def test_energies_in_a_unit_of_few_digits():
    axis = MapAxis.from_energy_bounds(1e9 * u.keV, 1e11 * u.keV, nbin=4)
    assert axis.unit == "keV"
    dataset = MapDataset.create(
        WcsGeom.create(npix=2, axes=[axis]), energy_axis_true=AXIS_TRUE
    )
    dataset.mask_safe.data[...] = True
    dataset.background.data += 4
    _, ax = plot_spectral_residuals(dataset)
    assert ax.get_xlabel() == "Energy [TeV]"
    assert_allclose(ax.get_xlim(), (1, 100))
    assert_allclose(ax.containers[0][0].get_xdata(), axis.center.to_value("TeV"))


def test_region_outline(datasets):
    """The circle of the region on the map, and nothing where it is outside."""
    ax = plot_spatial_residuals(datasets, panels="counts", region=REGION)["counts"]
    (line,) = (line for line in ax.lines if line.get_gid() == "region")
    center = SkyCoord(0, 0, unit="deg", frame="galactic")
    coords = ax.wcs.pixel_to_world(*line.get_data())
    assert_allclose(coords.separation(center).deg, 0.4, rtol=1e-6)
    limits = ax.get_xlim(), ax.get_ylim()
    far = "galactic;circle(90, 0, 1)"
    ax = plot_spatial_residuals(datasets, panels="counts", region=far)["counts"]
    assert (ax.get_xlim(), ax.get_ylim()) == limits


@pytest.mark.parametrize("region", ["galactic;point(0, 0)", "two"])
def test_regions(datasets, region):
    if region == "two":
        region = [f"galactic;circle({lon}, 0, 0.1)" for lon in (0.1, 0.5)]
        region = [RegionGeom.create(part).region for part in region]
    ax = plot_spatial_residuals(datasets, panels="counts", region=region)["counts"]
    n_drawn = sum(artist.get_gid() == "region" for artist in ax.get_children())
    assert n_drawn == (2 if isinstance(region, list) else 1)


def test_groups_that_are_masked(datasets):
    """An empty panel, not an error."""
    axes = plot_spatial_residuals(datasets, energy_edges=AXIS.edges[[0, 1, 4]])
    assert not axes["distribution"][0].patches
    assert axes["distribution"][1].patches


@pytest.mark.parametrize("method", ["diff", "diff/model", "diff/sqrt(model)"])
def test_nothing_at_all(datasets, method):
    datasets.models = None
    datasets[0].background.data[...] = 0
    datasets[0].counts.data[...] = 0
    plot_spectral_residuals(datasets, method=method)
    plot_spatial_residuals(datasets)


def test_selected_models(datasets):
    everything = {"bright", "frozen"}
    for select, expected in [
        (False, set()),
        (["frozen"], {"frozen"}),
        (datasets.models, everything),
    ]:
        ax = plot_spatial_residuals(datasets, panels="counts", models=select)["counts"]
        found = [gid for gid in gids(ax) if not gid.startswith("box:")]
        assert {gid.split(":")[1] for gid in found} == expected


def test_format_energy_range():
    assert format_energy_range(4.15e7 * u.keV, 5e8 * u.keV) == "41.5 - 500 GeV"
    assert format_energy_range(0.5 * u.TeV, 20 * u.TeV) == "0.5 - 20 TeV"
    assert format_energy_range(2 * u.eV, 3 * u.eV) == "0.002 - 0.003 keV"


def test_plots_change_nothing(datasets):
    before = [
        (par.name, par.value, par.error, par.frozen) for par in datasets.parameters
    ]
    counts = datasets[0].counts.data.copy()
    plot_spatial_residuals(datasets, region=REGION)
    plot_spectral_residuals(datasets, REGION)
    after = [
        (par.name, par.value, par.error, par.frozen) for par in datasets.parameters
    ]
    assert before == after
    assert (datasets[0].counts.data == counts).all()


@pytest.mark.parametrize("kernel", ["point-source", "bright"])
def test_labels_of_a_matched_filter(datasets, kernel):
    """Sums of a matched filter are no counts, but fluxes of its source."""
    panels = ["counts", "npred", "excess", "diff", "significance"]
    kernel = kernel if kernel == "point-source" else datasets.models[kernel]
    options = {"kernel": kernel, "stretch": "sqrt"}
    axes = plot_spatial_residuals(datasets, panels=panels, **options)
    assert_nothing_overlaps(axes)
    bars = [image_of(axes[panel]).colorbar for panel in panels]
    labels = [bar.ax.get_ylabel().replace("\n", " ") for bar in bars]
    *of_sums, significance = labels
    quantities = ["Counts", "Predicted counts", "Excess counts", "Counts - model"]
    for label, quantity in zip(of_sums, quantities, strict=True):
        assert label.startswith(f"{quantity} as integral flux [10⁻")
        assert "cm⁻² s⁻¹]" in label
        assert label.endswith(" (sqrt scale)") == (quantity in quantities[:2])
    assert significance.startswith("Significance")
    # Numbers times the power of ten are the values that have the colours.
    for bar, label in zip(bars, of_sums, strict=False):
        digits = label.split("10⁻")[1].split(" ")[0]
        power = -int(digits.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")))
        texts = [text.get_text() for text in bar.ax.get_yticklabels()]
        numbers = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
        assert_allclose(np.array(numbers) * 10.0**power, bar.get_ticks(), rtol=1e-5)
        assert 1 <= bar.mappable.get_clim()[1] / 10.0**power < 10


def test_models_are_drawn_as_they_were(datasets):
    residuals = SpatialResiduals.from_datasets(datasets)
    source = datasets.models["bright"]
    source.spatial_model.lon_0.value = -0.7
    source.spatial_model.lon_0.error = 0.3
    datasets.models["frozen"].spatial_model.lon_0.frozen = False

    def drawn(of):
        ax = plot_spatial_residuals(of, panels=["counts"])["counts"]
        lines = [line for line in ax.lines if line.get_gid()]
        return {
            line.get_gid(): np.array(line.get_xydata(), dtype=float) for line in lines
        }

    before, now = drawn(residuals), drawn(datasets)
    position = before["position:bright"][0]
    lon = GEOM.to_image().pix_to_coord(position)[0]
    assert_allclose(lon.to_value("deg"), 0.2, atol=1e-6)
    assert abs(now["position:bright"][0] - position)[0] > 10
    kept = residuals.models
    assert_allclose(kept.parameters["lon_0"].error, 0.03)
    assert kept["frozen"].spatial_model.lon_0.frozen


class TextRecorder(RendererAgg):
    """Renderer that keeps where it wrote the tick labels of maps."""

    def __init__(self, figure):
        super().__init__(*figure.bbox.size, figure.dpi)
        self.boxes, self.texts = {}, {}
        figure.draw(self)

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
        if isinstance(mtext, TickLabels):
            width, height, _ = self.get_text_width_height_descent(s, prop, ismath)
            boxes = self.boxes.setdefault(mtext, [])
            boxes.append((x, y, x + width, y + height))
            self.texts.setdefault(mtext, []).append(s)


@pytest.mark.parametrize(
    ("width", "frame", "skydir"),
    [
        (3.6, "galactic", (345.3, -0.3)),
        (0.5, "galactic", (345.3, -0.3)),
        (3.6, "icrs", (83.6, 22)),
        (3, "icrs", (10, 75)),
        ((8, 1), "galactic", (345.3, -0.3)),
        ((1, 8), "icrs", (83.6, 22)),
    ],
)
@pytest.mark.parametrize("size", [2.4, None])
def test_tick_labels_keep_their_distance(width, frame, skydir, size):
    geom = WcsGeom.create(skydir=skydir, width=width, binsz=0.02, frame=frame)
    counts = Map.from_geom(geom.to_cube([AXIS.squash()]), data=1.0)
    dataset = MapDataset(counts=counts, background=counts, name="test")
    axes = None
    if size is not None:
        axes = [plt.figure(figsize=(size, size)).add_subplot(projection=geom.wcs)]
    ax = plot_spatial_residuals(dataset, panels=["counts"], axes=axes)["counts"]
    recorder = TextRecorder(ax.figure)
    fontsize = 10 * ax.figure.dpi / 72
    for idx, boxes in enumerate(recorder.boxes.values()):
        low, high = np.sort(boxes, axis=0)[:, [idx, idx + 2]].T
        assert np.all(low[1:] - high[:-1] > 0.25 * fontsize)
        if len(low) > 2:
            # None was left out between others.
            steps = np.diff(low + high) / 2
            assert steps.max() < 1.5 * steps.min()
        if size is None:
            assert len(low) >= 2
