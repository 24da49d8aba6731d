# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
import matplotlib.pyplot as plt
from gammapy.datasets import (
    Datasets,
    MapDataset,
    SpatialResiduals,
    SpectralResiduals,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import models as gm
from gammapy.utils.testing import mpl_plot_check
from gammapy.visualization import (
    plot_residuals_distribution,
    plot_spatial_residuals,
    plot_spectral_residuals,
)
from gammapy.visualization.residuals import format_energy_range

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
    return {_.get_gid() for _ in ax.get_children() if _.get_gid()}


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

    limits = [drawn[_].get_clim() for _ in ("counts", "npred")]
    assert limits[0] == limits[1]
    assert limits[0][0] == 0
    assert_allclose(limits[0][1], np.nanmax(residuals.counts.data))
    assert drawn["significance"].get_clim() == (-5, 5)
    assert axes["counts"].get_title() == "Counts, 3.16 - 100 TeV"
    assert all("region" in gids(axes[_]) for _ in drawn)


def test_colour_bars_are_labelled(datasets):
    panels = ["counts", "excess", "diff", "diff/sqrt(model)", "significance"]
    axes = plot_spatial_residuals(datasets, panels=panels, models=False)
    figure = axes["counts"].figure
    labels = [_.get_ylabel() for _ in figure.axes if _ not in axes.values()]
    assert labels == [
        "Counts within 0.1 deg",
        "Excess counts within 0.1 deg",
        "Counts - model per pixel",
        r"(Counts - model) / $\sqrt{\mathrm{model}}$",
        r"Significance [$\sigma$]",
    ]


def test_contours_only_beyond_the_colours(datasets):
    ax = plot_spatial_residuals(datasets, panels="significance")["significance"]
    highest = np.nanmax(SpatialResiduals.from_datasets(datasets).sqrt_ts.data)
    assert highest > 9
    levels = ax.collections[0].levels
    assert levels.min() == 7
    assert np.all(np.diff(levels) == 2)
    assert levels.max() < highest

    axes = plot_spatial_residuals(datasets, panels="significance", vsig=100)
    assert not axes["significance"].collections


def test_energy_groups_have_a_column_each(datasets):
    edges = [AXIS.edges[1], AXIS.edges[2], AXIS.edges[4]]
    axes = plot_spatial_residuals(datasets, energy_edges=u.Quantity(edges))
    assert [len(_) for _ in axes.values()] == [2] * 4
    left = [row[0].get_position().x0 for row in axes.values()]
    right = [row[1].get_position().x0 for row in axes.values()]
    assert max(left) < min(right)


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
    area = sum(bar.get_width() * bar.get_height() for bar in ax.patches)
    assert_allclose(area, 1, rtol=1e-3)


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
    ends = np.array([_[:, 1] for _ in vertical.get_segments() if len(_)])
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
        (span,) = (_ for _ in ax.patches if _.get_label() == "Masked")
        bounds = span.get_window_extent().transformed(ax.transData.inverted())
        assert_allclose([bounds.x0, bounds.x1], [1, 10**0.5], rtol=1e-3)


def test_spectral_methods(datasets):
    for method, label in [
        ("diff/model", "(Counts - model) / model"),
        ("significance", r"Significance [$\sigma$]"),
    ]:
        _, bottom = plot_spectral_residuals(datasets, method=method, models=False)
        assert bottom.get_ylabel() == label
    segments = bottom.containers[0][2][1].get_segments()
    lengths = [np.ptp(_[:, 1]) for _ in segments if len(_) and np.isfinite(_).all()]
    assert_allclose(lengths, 2)


def test_computed_residuals_are_drawn_as_they_are(datasets):
    residuals = SpatialResiduals.from_datasets(datasets, kernel=None)
    axes = plot_spatial_residuals(residuals, panels="counts")
    assert axes["counts"].figure.axes[1].get_ylabel() == "Counts per pixel"
    with pytest.raises(ValueError, match="energy_min comes too late"):
        plot_spatial_residuals(residuals, energy_min="1 TeV")
    with pytest.raises(ValueError, match="region comes too late"):
        plot_spectral_residuals(SpectralResiduals.from_datasets(datasets), REGION)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"panels": ["counts", "sigma"]}, "'sigma'.*'significance'"),
        ({"energy_min": "1 PeV"}, "No energy bin"),
        ({"models": ["crab"]}, r"\['crab'\]"),
        ({"region": "crab"}, "Invalid region: 'crab'"),
        ({"panels": ["counts"], "axes": {"npred": None}}, r"panels \['counts'\]"),
    ],
)
def test_bad_input_leaves_no_figure(options, match, datasets):
    with pytest.raises(ValueError, match=match):
        plot_spatial_residuals(datasets, **options)
    assert plt.get_fignums() == []


def test_bad_spectral_input_leaves_no_figure(datasets):
    for options in ({"method": "sigma"}, {"models": ["crab"]}, {"region": "crab"}):
        with pytest.raises(ValueError):
            plot_spectral_residuals(datasets, **options)
    assert plt.get_fignums() == []


def test_models_on_a_map(datasets):
    ax = plot_spatial_residuals(datasets, panels="excess")["excess"]
    names = gids(ax)
    assert {"position:bright", "position-error:bright", "name:bright"} <= names
    assert {"outline:bright", "position:frozen", "name:frozen"} <= names
    # A point has no outline, no error is no ellipse, a constant has no place.
    assert not names & {"outline:frozen", "position-error:frozen"}
    assert not any("everywhere" in _ or "bkg" in _ for _ in names)

    position = next(_ for _ in ax.lines if _.get_gid() == "position:frozen")
    expected = ax.wcs.world_to_pixel_values(-0.4 % 360, 0.3)
    assert_allclose(np.ravel(position.get_data()), expected)
    colors = {
        _.get_gid(): _.get_color() for _ in ax.lines if "position" in str(_.get_gid())
    }
    assert colors["position:bright"] != colors["position:frozen"]


@pytest.mark.parametrize("region", ["galactic;point(0, 0)", "two"])
def test_regions(datasets, region):
    if region == "two":
        region = [f"galactic;circle({lon}, 0, 0.1)" for lon in (0.1, 0.5)]
        region = [RegionGeom.create(_).region for _ in region]
    ax = plot_spatial_residuals(datasets, panels="counts", region=region)["counts"]
    n_drawn = sum(_.get_gid() == "region" for _ in ax.get_children())
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
    for select, expected in [(False, set()), (["frozen"], {"frozen"})]:
        ax = plot_spatial_residuals(datasets, panels="counts", models=select)["counts"]
        assert {_.split(":")[1] for _ in gids(ax)} == expected


def test_format_energy_range():
    assert format_energy_range(4.15e7 * u.keV, 5e8 * u.keV) == "41.5 - 500 GeV"
    assert format_energy_range(0.5 * u.TeV, 20 * u.TeV) == "0.5 - 20 TeV"
    assert format_energy_range(2 * u.eV, 3 * u.eV) == "0.002 - 0.003 keV"


def test_plots_change_nothing(datasets):
    before = [(_.name, _.value, _.error, _.frozen) for _ in datasets.parameters]
    counts = datasets[0].counts.data.copy()
    plot_spatial_residuals(datasets, region=REGION)
    plot_spectral_residuals(datasets, REGION)
    after = [(_.name, _.value, _.error, _.frozen) for _ in datasets.parameters]
    assert before == after
    assert (datasets[0].counts.data == counts).all()
