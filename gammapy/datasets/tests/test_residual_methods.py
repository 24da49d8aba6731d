# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual methods of the dataset classes.

What is imported inside the tests is needed by them alone: tests of defects can be run
without it.
"""

import copy
import logging
from functools import partial
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, PolygonSkyRegion
import matplotlib.pyplot as plt
from gammapy.datasets import (
    Datasets,
    FluxPointsDataset,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.estimators import FluxPoints
from gammapy.maps import HpxGeom, Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.stats import CashCountsStatistic
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
from gammapy.utils.testing import mpl_plot_check, requires_data, requires_dependency

METHODS = ("diff", "diff/model", "diff/sqrt(model)", "significance")
AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
GEOM = WcsGeom.create(skydir=(0, 0), npix=(40, 30), binsz=0.05, axes=[AXIS])
REGION = CircleSkyRegion(SkyCoord(0.3, 0.2, unit="deg"), 0.3 * u.deg)
ONE_BIN = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")


@pytest.fixture(autouse=True)
def no_figures():
    plt.close("all")
    yield
    plt.close("all")


def map_of(data, geom=GEOM):
    return Map.from_geom(geom, data=np.broadcast_to(data, geom.data_shape).copy())


def ring(geom=GEOM, inner=0.3, outer=0.65):
    separation = geom.separation(geom.center_skydir).to_value("deg")
    return map_of((separation > inner) & (separation < outer), geom)


def make_dataset(counts, background, geom=GEOM, name="test", **kwargs):
    """Dataset with no source, so that the model is the background."""
    return MapDataset(
        counts=map_of(np.asarray(counts, dtype=float), geom),
        background=map_of(np.asarray(background, dtype=float), geom),
        name=name,
        **kwargs,
    )


def make_on_off(counts, off, alpha, geom=GEOM, cls=MapDatasetOnOff, **kwargs):
    return cls(
        counts=map_of(np.asarray(counts, dtype=float), geom),
        counts_off=map_of(np.asarray(off, dtype=float), geom),
        acceptance=map_of(1.0, geom),
        acceptance_off=map_of(1 / np.asarray(alpha, dtype=float), geom),
        name="on-off",
        **kwargs,
    )


def poisson(mu, geom=GEOM, seed=0):
    return np.random.default_rng(seed).poisson(mu, geom.data_shape)


def full_dataset(name="full", seed=0):
    """Dataset with a source, a background model and both masks."""
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = dataset.edisp = None
    exposure = np.full(dataset.exposure.data.shape, 1e13)
    dataset.exposure.quantity = exposure * u.Unit("cm2 s")
    dataset.background.data += 2.0
    dataset.counts.data = poisson(2.0, seed=seed)
    dataset.mask_safe.data[...] = ring(inner=0, outer=0.7).data
    dataset.mask_fit = GEOM.energy_mask(energy_min=1.5 * u.TeV)
    source = SkyModel(
        spatial_model=GaussianSpatialModel(lon_0="0.2 deg", sigma="0.1 deg"),
        spectral_model=PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1"),
        name="src",
    )
    dataset.models = Models([source, FoVBackgroundModel(dataset_name=name)])
    return dataset


def error_bars(ax):
    """Lower and upper end of each vertical error bar, shape (n, 2)."""
    segments = ax.containers[0].lines[2][1].get_segments()
    return np.array(
        [segment[:, 1] if len(segment) else [np.nan, np.nan] for segment in segments]
    )


def bar_lengths(ax):
    """Downward and upward error of each drawn point."""
    low, high = error_bars(ax).T
    y = points(ax)
    return y - low, high - y


def points(ax):
    return np.asarray(u.Quantity(ax.containers[0].lines[0].get_ydata()).value)


def shaded(ax, label):
    """Energy ranges in TeV that a mask shades."""
    spans = [patch for patch in ax.patches if patch.get_label() == label]
    extents = [
        span.get_extents().transformed(ax.transData.inverted()) for span in spans
    ]
    return [(round(extent.x0, 3), round(extent.x1, 3)) for extent in extents]


def brute_force_weights(shape, **kwargs):
    """Response of Map.smooth at each pixel to each pixel, shape (n, n)."""
    geom = WcsGeom.create(npix=shape[::-1], binsz=0.05)
    responses = []
    for image in np.eye(shape[0] * shape[1]).reshape(-1, *shape):
        smoothed = Map.from_geom(geom, data=image).smooth(**kwargs)
        responses.append(smoothed.data.ravel())
    return np.array(responses).T


# Defect 1: the map is not divided by the smoothed mask


@pytest.mark.parametrize("mask", ["mask_fit", "mask_safe"])
def test_uniform_difference_is_uniform_on_the_map(mask):
    dataset = make_dataset(counts=6, background=5, **{mask: ring()})
    ax = dataset.plot_residuals_spatial()
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    inside = ring().data[0]
    # Four energy bins, with one count more than the model in each.
    assert_allclose(image[inside], 4, rtol=1e-6)
    assert np.isnan(image[~inside]).all()


def test_map_and_cube_treat_the_border_alike():
    counts = np.zeros((1, 30, 40))
    counts[0, 0, :] = 10
    geom = GEOM.to_image().to_cube([ONE_BIN])
    dataset = make_dataset(counts, 0.5, geom, mask_fit=map_of(True, geom))
    ax = dataset.plot_residuals_spatial()
    cube = dataset.residuals(width="0.1 deg", kernel="gauss")
    assert_allclose(ax.images[0].get_array(), cube.data[0], rtol=1e-6)


# Defect 2: smoothed diff/sqrt(model) is not in sigma


@pytest.mark.parametrize("kernel", ["gauss", "disk", "box"])
@pytest.mark.parametrize("mode", ["constant", "reflect", "nearest", "mirror", "wrap"])
def test_smoothed_noise_has_width_one(kernel, mode):
    axis = MapAxis.from_energy_bounds(1, 10, 3000, unit="TeV")
    geom = WcsGeom.create(npix=16, binsz=0.05, axes=[axis])
    dataset = make_dataset(poisson(20, geom), 20, geom)
    options = {"kernel": kernel, "width": 2 if kernel == "disk" else 1.5, "mode": mode}
    if kernel == "box":
        options["width"] = 3
    data = dataset.residuals("diff/sqrt(model)", **options).data
    # Each pixel has 3000 independent values, also those at the border.
    width = data.std(axis=0)
    assert_allclose(width.mean(), 1, atol=0.013)
    assert_allclose(width[[0, 0, -1, -1], [0, -1, 0, -1]].mean(), 1, atol=0.03)
    assert_allclose(data.mean(), 0, atol=0.02)


@pytest.mark.parametrize("method", ["diff/sqrt(model)", "significance"])
def test_noise_on_the_map_has_width_one(method):
    geom = WcsGeom.create(npix=600, binsz=0.02, axes=[AXIS])
    dataset = make_dataset(poisson(3, geom), 3, geom, mask_safe=ring(geom, 0.5, 5.9))
    ax = dataset.plot_residuals_spatial(method=method, smooth_radius="0.03 deg")
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    values = image[np.isfinite(image)]
    assert values.size > 250000
    assert_allclose(values.std(), 1, atol=0.025)
    assert_allclose(values.mean(), 0, atol=0.03)


# Defect 3: the residual spectrum, item by item


def test_masked_bins_are_gaps():
    mask = GEOM.energy_mask(energy_min=3 * u.TeV)
    dataset = make_dataset(5, 4, mask_fit=mask)
    ax = dataset.plot_residuals_spectral()
    y = points(ax)
    assert_allclose(np.isnan(y), [True, True, False, False])
    assert_allclose(y[2:], 1200)


def test_empty_bins_have_bars():
    counts = np.zeros((4, 30, 40))
    counts[1:, 5, 5] = 4
    dataset = make_dataset(counts, 1 / 1200)
    errn, errp = bar_lengths(dataset.plot_residuals_spectral())
    # No counts: the likelihood 2 mu rises by one at half a count.
    assert_allclose(errp[0], 0.5, rtol=1e-3)
    assert_allclose(errn[0], 0, atol=1e-6)
    stat = CashCountsStatistic(4, 1)
    assert_allclose(errn[1:], stat.compute_errn(), rtol=1e-3)
    assert_allclose(errp[1:], stat.compute_errp(), rtol=1e-3)
    assert np.all(errp[1:] > errn[1:])


def test_diff_over_model_spectrum():
    dataset = make_dataset(5, 4)
    ax = dataset.plot_residuals_spectral(method="diff/model")
    assert_allclose(points(ax), 0.25)
    stat = CashCountsStatistic(6000, 4800)
    assert_allclose(bar_lengths(ax)[1], stat.compute_errp() / 4800, rtol=1e-4)


def test_spectrum_with_a_bin_without_model():
    background = np.ones(GEOM.data_shape)
    background[0] = 0
    dataset = make_dataset(np.where(background, 2, 0), background)
    ax = dataset.plot_residuals_spectral(method="diff/sqrt(model)")
    assert np.isfinite(ax.get_ylim()).all()
    assert_allclose(points(ax), [0, *[1200**0.5] * 3])

    # Counts where the model has none are infinitely far off.
    dataset.counts.data[0, 3, 3] = 1
    plt.figure()
    ax = dataset.plot_residuals_spectral(method="diff/sqrt(model)")
    assert np.isfinite(ax.get_ylim()).all()
    assert np.isnan(points(ax)[0])


@pytest.mark.parametrize("factor", [1.5, 0.5])
def test_bars_are_not_clipped(factor):
    # All residuals have one sign: limits that are a multiple of the lowest end of the
    # bars lie inside the bars.
    dataset = make_dataset(4 * factor, 4)
    ax = dataset.plot_residuals_spectral()
    low, high = ax.get_ylim()
    bars = error_bars(ax)
    assert low < bars.min() and high > bars.max()
    assert low < 0 < high


def test_mask_shading_respects_the_region():
    mask = map_of(False)
    mask.data[2:] = GEOM.region_mask([REGION]).data[2:]  # inside from 3.16 TeV on
    mask.data[:, :3, :] = True  # far away everywhere
    safe = map_of(True)
    safe.data[3] = ~GEOM.region_mask([REGION]).data[3]
    dataset = make_dataset(5, 4, mask_fit=mask, mask_safe=safe)
    ax = dataset.plot_residuals_spectral(region=REGION)
    assert shaded(ax, "Mask fit") == [(3.162, 10)]
    assert shaded(ax, "Mask safe") == [(1, 5.623)]
    assert_allclose(np.isnan(points(ax)), [True, True, False, True])


def test_mask_shading_without_region():
    mask = map_of(False)
    mask.data[[0, 1, 3], 4, 5] = True
    dataset = make_dataset(5, 4, mask_fit=mask)
    ax = dataset.plot_residuals_spectral(kwargs_fit={"color": "tab:red"})
    assert shaded(ax, "Mask fit") == [(1, 3.162), (5.623, 10)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Mask fit"]
    assert ax.patches[0].get_facecolor()[:3] == plt.matplotlib.colors.to_rgb("tab:red")


def test_wstat_off_counts_are_masked_like_counts():
    mask = map_of(False)
    mask.data[:, :10, :10] = True
    kwargs = {"counts": 4, "off": 3, "alpha": 0.5}
    masked = make_on_off(**kwargs, mask_fit=mask)
    ax = masked.plot_residuals_spectral()
    lengths = bar_lengths(ax)

    # A dataset of these pixels alone.
    small = make_on_off(**kwargs, geom=WcsGeom.create(npix=10, binsz=0.05, axes=[AXIS]))
    expected = bar_lengths(small.plot_residuals_spectral(plt.figure().add_subplot()))
    assert_allclose(points(ax), 100 * (4 - 0.5 * 3))
    assert_allclose(lengths, expected, rtol=1e-5)


def test_wstat_bars_without_off_counts():
    dataset = make_on_off(counts=1, off=0, alpha=0.5)
    dataset.exposure = full_dataset().exposure
    dataset.models = full_dataset().models["src"].copy(datasets_names="on-off")
    ax = dataset.plot_residuals_spectral()
    errn, errp = bar_lengths(ax)
    assert_allclose(points(ax), 1200 - dataset.npred_signal().data.sum(axis=(1, 2)))
    # Nothing is known of the background but that it is not large.
    assert_allclose(errn, 1200**0.5, rtol=0.02)
    assert_allclose(errp, 1200**0.5, rtol=0.02)


def test_wstat_noise_has_width_one():
    # With alpha = 1 a background that is profiled with the on counts hides half.
    axis = MapAxis.from_energy_bounds(1, 10, 4000, unit="TeV")
    geom = RegionGeom.create(None, axes=[axis])
    on, off = poisson(50, geom, 1), poisson(50, geom, 2)
    dataset = make_on_off(on, off, 1.0, geom, SpectrumDatasetOnOff)
    ax = dataset.plot_residuals_spectral()
    errn, errp = bar_lengths(ax)
    y = points(ax)
    pull = y / np.where(y > 0, errn, errp)
    assert_allclose(pull.std(), 1, atol=0.04)
    assert_allclose(dataset.residuals().data.std(), 10, rtol=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_cash_weighted(method):
    weights = map_of(0.25)
    weights.data[:, :5] = 0
    dataset = make_dataset(9, 4, mask_fit=weights)
    dataset.stat_type = "cash_weighted"
    n, m = 0.25 * 9, 0.25 * 4
    variance = 0.25**2 * 4
    expected = {
        "diff": n - m,
        "diff/model": (n - m) / m,
        "diff/sqrt(model)": (n - m) / variance**0.5,
        "significance": (2 * (n * np.log(n / m) - n + m) * m / variance) ** 0.5,
    }[method]
    residuals = dataset.residuals(method).data
    assert np.isnan(residuals[:, :5]).all()
    assert_allclose(residuals[:, 5:], expected)

    n_pixels = 25 * 40
    scale = {"diff": n_pixels, "diff/model": 1}.get(method, n_pixels**0.5)
    ax = dataset.plot_residuals_spectral(method=method)
    assert_allclose(points(ax), expected * scale, rtol=1e-6)
    stat = CashCountsStatistic(9 * 0.25 * n_pixels / 0.25, 4 * n_pixels)
    if method == "diff":
        assert_allclose(bar_lengths(ax)[1], 0.25 * stat.compute_errp(), rtol=1e-4)
    assert shaded(ax, "Mask fit") == [(1, 10)]


# Defect 4: NaN of the model


def test_nan_of_the_model_stays_where_it_is():
    background = np.full(GEOM.data_shape, 4.0)
    background[:, 10, 12] = np.nan  # masked
    background[:, 20, 30] = np.nan  # not masked
    mask = map_of(True)
    mask.data[:, 10, 12] = False
    dataset = make_dataset(5, background, mask_fit=mask)
    bad = ~np.isfinite(background)
    data = dataset.residuals(width=2).data
    assert_allclose(data[~bad], 1)
    assert np.isnan(data[bad]).all()

    ax = dataset.plot_residuals_spatial()
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert_allclose(image[~bad[0]], 4)
    assert np.isnan(image[bad[0]]).all()


# What the smoothing does


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": "gauss", "width": 1.3},
        {"kernel": "gauss", "width": "0.07 deg", "truncate": 2.0, "mode": "reflect"},
        {"kernel": "gauss", "width": 4, "mode": "wrap"},
        {"kernel": "box", "width": 4, "mode": "constant"},
        {"kernel": "box", "width": 3, "mode": "nearest"},
        {"kernel": "disk", "width": 2.5, "mode": "constant"},
        {"kernel": "disk", "width": 2, "mode": "mirror"},
        {"kernel": "disk", "width": 3.2, "mode": "reflect"},
        {"kernel": "gauss", "width": 1, "mode": ["reflect", "constant"]},
        {"kernel": "gauss", "width": 1, "mode": "constant", "cval": 3.0},
        {"kernel": "gauss", "width": 0},
    ],
)
def test_smoothing_against_map_smooth(options):
    from gammapy.datasets.residuals.smoothing import Smoothing

    options = {"mode": "constant"} | options
    shape = (9, 7)
    smoothing = Smoothing.create(WcsGeom.create(npix=(7, 9), binsz=0.05), **options)
    weights = brute_force_weights(shape, **options)
    if "cval" in options:
        weights = weights - brute_force_weights(shape, **options | {"cval": 0.0})
        assert np.ptp(weights, axis=1).max() < 1e-12
        weights = brute_force_weights(shape, **options | {"cval": 0.0})
    images = np.random.default_rng(0).normal(size=(2, *shape))
    flat = images.reshape(2, -1)
    smoothed = smoothing.apply(images)
    assert_allclose(smoothed.reshape(2, -1), flat @ weights.T, atol=1e-13)
    variance = smoothing.apply_squared(images)
    assert_allclose(variance.reshape(2, -1), flat @ (weights**2).T, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", ["gauss", "disk", "box"])
def test_smoothed_residuals_against_sums_by_hand(method, kernel):
    geom = WcsGeom.create(npix=(12, 10), binsz=0.05, axes=[ONE_BIN])
    model = np.random.default_rng(1).uniform(1, 5, geom.data_shape)
    counts = poisson(model, geom)
    mask = ring(geom, 0.1, 0.3)
    dataset = make_dataset(counts, model, geom, mask_fit=mask)
    options = {"kernel": kernel, "width": 3, "mode": "constant"}
    weights = brute_force_weights((10, 12), **options)
    inside = mask.data.ravel()
    n = weights @ (inside * counts.ravel())
    m = weights @ (inside * model.ravel())
    variance = weights**2 @ (inside * model.ravel())
    # Weights of a box or disk are equal but for rounding.
    weights = np.where(weights > 1e-15, weights, 0)
    sqrt_ts = compute_sqrt_ts_weighted(n, np.round(weights, 14), inside * model.ravel())
    if kernel != "gauss":
        cash = np.sign(n - m) * np.sqrt(2 * (n * np.log(n / m) - n + m) * m / variance)
        assert_allclose(sqrt_ts, cash, rtol=1e-6)
    expected = {
        "diff": (n - m) / (weights @ inside),
        "diff/model": (n - m) / m,
        "diff/sqrt(model)": (n - m) / variance**0.5,
        "significance": sqrt_ts,
    }[method]
    data = dataset.residuals(method, kernel=kernel, width=3).data.ravel()
    # The significance of graded weights is good to 1e-3.
    assert_allclose(data[inside], expected[inside], rtol=1e-6, atol=1e-4)
    assert np.isnan(data[~inside]).all()

    ax = dataset.plot_residuals_spatial(
        method=method, smooth_kernel=kernel, smooth_radius=3.0
    )
    image = np.ma.filled(ax.images[0].get_array(), np.nan).ravel()
    assert_allclose(image, data)


def test_no_counts_in_reach_of_a_box(caplog):
    # Running sums of a box filter leave rounding errors where there is nothing.
    counts, background = np.zeros((2, 1, 30, 40))
    background[:, :, :20] = 0.7
    counts[:, :, :20] = poisson(0.7, WcsGeom.create(npix=(20, 30)))
    geom = GEOM.to_image().to_cube([ONE_BIN])
    dataset = make_dataset(counts, background, geom)
    with caplog.at_level(logging.WARNING):
        data = dataset.residuals("significance", kernel="box", width=5).data
    assert not caplog.records
    assert_allclose(data[..., 25:], 0)
    assert np.isfinite(data).all()


def test_defaults_of_the_smoothing():
    dataset = full_dataset()
    expected = dataset.residuals(width="0.1 deg", kernel="gauss", mode="constant").data
    assert_allclose(dataset.residuals(kernel="gauss").data, expected)
    assert_allclose(dataset.residuals(width="0.1 deg").data, expected)
    plain = dataset.counts.data - dataset.npred().data
    mask = dataset.mask.data
    assert_allclose(dataset.residuals().data[mask], plain[mask])
    assert np.isnan(dataset.residuals().data[~mask]).all()


@pytest.mark.parametrize("method", METHODS[:3])
def test_unmasked_residuals_are_those_of_before(method):
    # Far from borders nothing of the smoothed differences changes.
    dataset = full_dataset()
    dataset.mask_fit = dataset.mask_safe = None
    counts, npred = dataset.counts.data, dataset.npred().data
    plain = {
        "diff": counts - npred,
        "diff/model": (counts - npred) / npred,
        "diff/sqrt(model)": (counts - npred) / np.sqrt(npred),
    }[method]
    assert_allclose(dataset.residuals(method).data, plain)
    if method == "diff/sqrt(model)":
        return
    n, m = (
        map_of(array).smooth(width=2).data[:, 10:-10, 10:-10]
        for array in (counts, npred)
    )
    smoothed = dataset.residuals(method, width=2).data[:, 10:-10, 10:-10]
    assert_allclose(smoothed, (n - m) / (m if method == "diff/model" else 1))


# Energy range


@pytest.mark.parametrize("smooth", [{}, {"width": 2}])
def test_energy_range(smooth):
    dataset = full_dataset()
    dataset.mask_fit = None
    edges = AXIS.edges
    residuals = dataset.residuals(energy_min=edges[1], energy_max="6 TeV", **smooth)
    used = residuals.data[1:3]
    assert np.isnan(residuals.data[[0, 3]]).all()
    whole = dataset.residuals(**smooth).data
    assert_allclose(used, whole[1:3])
    assert np.isfinite(used).any()


def test_energy_range_of_plots():
    counts = np.ones(GEOM.data_shape) * np.array([2, 3, 4, 5])[:, None, None]
    dataset = make_dataset(counts, 1)
    options = {"energy_min": "1.7 TeV", "energy_max": "6 TeV"}
    ax = dataset.plot_residuals_spatial(**options)
    assert_allclose(ax.images[0].get_array(), 2 + 3)
    ax = dataset.plot_residuals_spectral(plt.figure().add_subplot(), **options)
    assert_allclose(points(ax), [np.nan, 2 * 1200, 3 * 1200, np.nan])
    assert_allclose(u.Quantity(ax.get_xlim()).value, [1, 10])

    ax_map, ax_spectrum = dataset.plot_residuals(**options, method="diff/model")
    assert_allclose(ax_map.images[0].get_array(), 5 / 2)
    assert_allclose(points(ax_spectrum), [np.nan, 2, 3, np.nan])
    with pytest.raises(ValueError, match="No energy bin of dataset 'test'"):
        dataset.residuals(energy_min="20 TeV")
    with pytest.raises(ValueError, match="not below"):
        dataset.plot_residuals_spatial(energy_min="6 TeV", energy_max="1 TeV")


# On-off datasets


def test_on_off_residuals():
    on, off, alpha = 9.0, 6.0, 0.5
    dataset = make_on_off(on, off, alpha)
    m = alpha * off
    assert_allclose(dataset.residuals().data, on - m)
    assert_allclose(dataset.residuals("diff/model").data, (on - m) / m)
    # Li & Ma 1983, eq. 17
    total = on + off
    n_on = on * np.log((1 + alpha) / alpha * on / total)
    n_off = off * np.log((1 + alpha) * off / total)
    expected = np.sqrt(2 * (n_on + n_off))
    assert_allclose(dataset.residuals("significance").data, expected, rtol=1e-6)
    smoothed = dataset.residuals("diff/model", width=2)
    assert_allclose(smoothed.data, (on - m) / m)


@pytest.mark.parametrize("kernel, width, n", [("box", 3, 9), ("disk", 1, 5)])
def test_smoothed_on_off_significance_is_that_of_the_sums(kernel, width, n):
    dataset = make_on_off(9.0, 6.0, 0.5)
    summed = make_on_off(9.0 * n, 6.0 * n, 0.5)
    data = dataset.residuals("significance", kernel=kernel, width=width).data
    expected = summed.residuals("significance").data
    assert_allclose(data[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], rtol=1e-6)
    # Fewer pixels at the border.
    assert np.all(data[:, 0] < expected[:, 0])
    ax = dataset.plot_residuals_spatial(None, "significance", kernel, float(width))
    joint = make_on_off(9.0 * n * 4, 6.0 * n * 4, 0.5).residuals("significance")
    inner = np.s_[2:-2, 2:-2]
    assert_allclose(ax.images[0].get_array()[inner], joint.data[0][inner], rtol=1e-6)


@pytest.mark.parametrize("kernel", ["box", "disk"])
def test_smoothed_on_off_noise_has_width_one(kernel):
    geom = WcsGeom.create(npix=200, binsz=0.05, axes=[ONE_BIN])
    off = poisson(10, geom, 1)
    mask = ring(geom, 1, 4.8)
    dataset = make_on_off(poisson(5, geom), off, 0.5, geom, mask_safe=mask)
    data = dataset.residuals("significance", kernel=kernel, width=3).data[mask.data]
    assert_allclose(data.std(), 1, atol=0.03)
    assert_allclose(data.mean(), 0, atol=0.05)


@pytest.mark.parametrize("options", [{"width": 3}, {"kernel": "box", "mode": "wrap"}])
def test_on_off_significance_needs_equal_weights(options):
    dataset = make_on_off(9.0, 6.0, 0.5)
    with pytest.raises(ValueError, match="'on-off' needs sums .* 'box' or 'disk'"):
        dataset.residuals("significance", **options)
    with pytest.raises(ValueError, match="equal weights"):
        dataset.plot_residuals_spatial(method="significance")
    assert not plt.get_fignums()


def test_incomplete_datasets():
    dataset = make_dataset(1, 1)
    dataset.counts = None
    with pytest.raises(ValueError, match="'test' has no counts"):
        dataset.residuals()
    dataset = make_on_off(9.0, 6.0, 0.5)
    dataset.counts_off = None
    with pytest.raises(ValueError, match="'on-off' has no counts_off"):
        dataset.residuals()


# Spectra


def make_spectrum(on_off=False, mask=True):
    geom = RegionGeom.create("icrs;circle(0, 0, 0.2)", axes=[AXIS])
    background = np.array([9, 4, 2, 1.0]).reshape(geom.data_shape)
    counts = background + np.array([3, -2, 0, 1]).reshape(geom.data_shape)
    mask_fit = map_of(np.array([1, 1, 0, 1], bool).reshape(geom.data_shape), geom)
    kwargs = {"mask_fit": mask_fit} if mask else {}
    if on_off:
        return make_on_off(
            counts, background * 5, 0.2, geom, SpectrumDatasetOnOff, **kwargs
        )
    return SpectrumDataset(
        counts=map_of(counts, geom),
        background=map_of(background, geom),
        name="spectrum",
        **kwargs,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("on_off", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_spectrum_datasets(method, on_off, mask):
    dataset = make_spectrum(on_off, mask)
    model = np.array([9, 4, 2, 1.0])
    diff = np.array([3, -2, 0, 1.0])
    expected = {"diff": diff, "diff/model": diff / model}.get(
        method, diff / np.sqrt(model)
    )
    expected[2] = np.nan if mask else 0
    data = dataset.residuals(method).data.squeeze()
    # Of few counts the significance is something else, of the same sign.
    if method == "significance":
        assert_allclose(np.sign(data), np.sign(expected))
        assert np.nanmax(np.abs(data)) < 1.2
    else:
        assert_allclose(data, expected)
    assert_allclose(points(dataset.plot_residuals_spectral(method=method)), data)

    with mpl_plot_check():
        axes = dataset.plot_fit(kwargs_residuals={"method": method})
    assert_allclose(points(axes[1]), data)
    assert axes[1].get_ylabel() == f"Residuals\n{dataset._residuals_labels[method]}"
    assert_allclose(axes[0].get_xlim(), axes[1].get_xlim())
    assert axes[0].get_xlabel() == "" and axes[1].get_xlabel().startswith("Energy")
    if method == "significance":
        finite = np.isfinite(data)
        assert_allclose(np.array(bar_lengths(axes[1]))[:, finite], 1)


def test_healpix_has_no_map_with_smoothing():
    geom = HpxGeom.create(nside=8, axes=[AXIS])
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=3.0),
        background=Map.from_geom(geom, data=2.0),
        name="healpix",
    )
    for draw in (dataset.plot_residuals_spatial, dataset.plot_residuals):
        with pytest.raises(ValueError, match="'healpix' is on a HpxGeom") as error:
            draw()
        # No argument of the smoothing was given.
        assert "smooth" not in str(error.value) and not plt.get_fignums()
    with pytest.raises(TypeError, match="'healpix' is on a HpxGeom"):
        dataset.plot_residuals_spectral()
    assert_allclose(dataset.residuals("diff").data, 1)
    with pytest.raises(ValueError, match="leave out the arguments of the smoothing"):
        dataset.residuals("diff", width="1 deg")


@requires_data()
@pytest.mark.parametrize("method", ["significance", "sigma"])
def test_flux_points_have_no_significance(method):
    path = "$GAMMAPY_DATA/estimators/crab_hess_fp/crab_hess_fp.fits"
    dataset = FluxPointsDataset(data=FluxPoints.read(path), name="points")
    dataset.models = SkyModel(PowerLawSpectralModel(), name="crab")
    message = f"of flux points: '{method}'. .* choose from 'diff', 'diff/model'"
    options = {"kwargs_residuals": {"method": method}}
    for call in (
        partial(dataset.residuals, method),
        partial(dataset.plot_residuals, method=method),
        partial(dataset.plot_fit, **options),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    plt.close("all")
    dnde, model = dataset.data.dnde.quantity, dataset.flux_pred()
    ratio = (dataset.residuals("diff") / (dnde - model)).to_value("")
    ratio = ratio[np.isfinite(ratio)]
    assert len(ratio) == 4  # of five, one of which is NaN
    assert_allclose(ratio, 1)


def test_spectrum_has_no_map():
    for dataset in (make_spectrum(), make_spectrum(on_off=True)):
        with pytest.raises(NotImplementedError):
            dataset.plot_residuals_spatial()
        with pytest.raises(NotImplementedError, match="plot_residuals_spectral"):
            dataset.plot_residuals()
        with pytest.raises(ValueError, match="Only WCS maps can be smoothed"):
            dataset.residuals(width=2)
    dataset = MapDataset(counts=make_spectrum().counts, name="region")
    with pytest.raises(ValueError, match="'region' is a spectrum"):
        dataset.plot_residuals_spatial()
    assert not plt.get_fignums()


def test_plot_fit_with_weights():
    dataset = make_spectrum()
    dataset.mask_fit = map_of(0.5, dataset.counts.geom)
    dataset.stat_type = "cash_weighted"
    axes = dataset.plot_fit(kwargs_residuals={"method": "diff/model"})
    assert_allclose(points(axes[1]), [1 / 3, -0.5, 0, 1])
    assert shaded(axes[0], "Mask fit") == [(1, 10)]


@requires_data()
@pytest.mark.parametrize("method", METHODS)
def test_spectrum_on_off_of_a_file(method):
    filename = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
    dataset = SpectrumDatasetOnOff.read(filename)
    spectrum = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    dataset.models = SkyModel(spectrum)
    ax_spectrum, ax = dataset.plot_fit(kwargs_residuals={"method": method})
    y = points(ax)
    mask = dataset.mask.data.squeeze()
    assert np.isnan(y[~mask]).all()
    assert np.isfinite(y[mask]).sum() > 20
    assert_allclose(y, dataset.residuals(method).data.squeeze(), rtol=1e-6)
    assert_allclose(ax.get_xlim(), ax_spectrum.get_xlim())


# Drawing


@pytest.mark.parametrize("method", METHODS)
def test_colours_of_the_map(method):
    from gammapy.visualization.residuals import SYMBOLS

    dataset = full_dataset()
    dataset.counts.data[2, 14, 20] = 200
    ax = dataset.plot_residuals_spatial(method=method)
    image = ax.images[0]
    low, high = image.get_clim()
    assert low == -high
    if method in ("diff", "diff/model"):
        assert 0 < high <= np.nanmax(np.abs(np.ma.filled(image.get_array(), np.nan)))
    else:
        assert high == 5
    assert image.get_cmap().name == "coolwarm"
    assert image.colorbar.ax.get_ylabel() == SYMBOLS[method]


def test_colours_that_are_given():
    dataset = full_dataset()
    options = {"cmap": "RdBu_r", "kwargs_colorbar": {"label": "mine"}, "axes_loc": {}}
    given = copy.deepcopy(options)
    ax = dataset.plot_residuals_spatial(vmax=7, **options)
    assert options == given
    assert ax.images[0].get_clim() == (-7, 7)
    assert ax.images[0].get_cmap().name == "RdBu_r"
    assert ax.images[0].colorbar.ax.get_ylabel() == "mine"

    options = {"method": "significance", "add_cbar": False, "vmin": -1, "vmax": 2}
    ax = dataset.plot_residuals_spatial(**options)
    assert ax.images[0].get_clim() == (-1, 2)
    assert ax.images[0].colorbar is None


def test_models_on_the_map():
    dataset = full_dataset()
    ax = dataset.plot_residuals_spatial(models=True)
    gids = {artist.get_gid() for artist in ax.get_children()}
    assert {"position:src", "outline:src", "name:src"} <= gids
    ax = dataset.plot_residuals_spatial()
    assert "position:src" not in {artist.get_gid() for artist in ax.get_children()}
    ax, _ = dataset.plot_residuals(models="src")
    assert "position:src" in {artist.get_gid() for artist in ax.get_children()}
    plt.close("all")
    with pytest.raises(ValueError, match="no components .*nobody"):
        dataset.plot_residuals(models=["nobody"])
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "region, n_outlines",
    [
        (REGION, 1),
        ("icrs;circle(0.3, 0.2, 0.3)", 1),
        (REGION | CircleSkyRegion(SkyCoord(-0.4, 0, unit="deg"), 0.2 * u.deg), 2),
    ],
)
def test_two_panels(region, n_outlines):
    dataset = full_dataset()
    kwargs_spatial, kwargs_spectral = {"vmax": 3}, {"region": region, "marker": "s"}
    before = dict(kwargs_spatial), dict(kwargs_spectral)
    with mpl_plot_check():
        ax_spatial, ax_spectral = dataset.plot_residuals(
            kwargs_spatial=kwargs_spatial,
            kwargs_spectral=kwargs_spectral,
            method="significance",
        )
    assert (kwargs_spatial, kwargs_spectral) == before
    outlines = [
        artist for artist in ax_spatial.get_children() if artist.get_gid() == "region"
    ]
    assert len(outlines) == n_outlines
    mask = dataset.mask.data & GEOM.region_mask(region).data
    n, m = (
        np.where(mask, cube.data, 0).sum(axis=(1, 2))
        for cube in (dataset.counts, dataset.npred())
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.sign(n - m) * np.sqrt(2 * (n * np.log(n / m) - n + m))
    assert_allclose(points(ax_spectral), expected, atol=1e-6)
    assert ax_spectral.get_ylabel() == "Residuals (significance)"
    assert ax_spectral.containers[0].lines[0].get_marker() == "s"
    assert ax_spatial.images[0].colorbar.ax.get_ylabel().startswith("Significance")


def test_arguments_of_a_panel_win():
    dataset = full_dataset()
    axes = dataset.plot_residuals(
        kwargs_spatial={"method": "diff", "energy_min": "3 TeV"},
        kwargs_spectral={"method": "diff/model"},
        method="significance",
        energy_min="1.7 TeV",
    )
    expected = dataset.plot_residuals_spatial(energy_min="3 TeV")
    assert_allclose(axes[0].images[0].get_array(), expected.images[0].get_array())
    assert axes[1].get_ylabel() == "Residuals ((data - model) / model)"
    assert_allclose(np.isnan(points(axes[1])), [True, False, False, False])


def test_axes_that_are_given():
    dataset = full_dataset()
    figure = plt.figure()
    ax_spatial = figure.add_subplot(121, projection=GEOM.to_image().wcs)
    ax_spectral = figure.add_subplot(122)
    axes = dataset.plot_residuals(ax_spatial, ax_spectral)
    assert axes[0] is ax_spatial and axes[1] is ax_spectral
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError):
        dataset.plot_residuals(ax_spatial=ax_spatial)


def fully_masked(dataset):
    dataset.mask_fit = map_of(False)
    return dataset


@pytest.mark.parametrize(
    "name, kwargs",
    [
        ("residuals", {"method": "ratio"}),
        ("plot_residuals_spatial", {"method": "ratio"}),
        ("plot_residuals_spectral", {"method": "ratio"}),
        ("plot_residuals", {"method": "ratio"}),
        ("plot_residuals", {"kwargs_spectral": {"method": "ratio"}}),
    ],
)
def test_method_that_is_not_known(name, kwargs):
    with pytest.raises(ValueError, match="'ratio'.*'diff', .*'significance'"):
        getattr(full_dataset(), name)(**kwargs)
    assert not plt.get_fignums()


def test_nothing_is_drawn_on_errors():
    dataset = fully_masked(full_dataset())
    assert np.isnan(dataset.residuals().data).all()
    for name in ("plot_residuals_spectral", "plot_residuals"):
        with pytest.raises(ValueError, match="All bins .* are masked"):
            getattr(dataset, name)()
    assert not plt.get_fignums()

    # An error of matplotlib itself comes late.
    dataset = full_dataset()
    for name in ("plot_residuals_spatial", "plot_residuals_spectral"):
        with pytest.raises((AttributeError, TypeError)):
            getattr(dataset, name)(no_such_property=1)
    with pytest.raises(ValueError, match="Invalid region"):
        dataset.plot_residuals(kwargs_spectral={"region": 5})
    with pytest.raises(ValueError, match="Invalid kernel: 'cone'"):
        dataset.plot_residuals_spatial(smooth_kernel="cone")
    with pytest.raises(ValueError, match="'ratio'"):
        make_spectrum().plot_fit(kwargs_residuals={"method": "ratio"})
    assert not plt.get_fignums()

    # A figure of the user stays open, and empty.
    figure = plt.figure()
    with pytest.raises(ValueError, match="'ratio'"):
        dataset.plot_residuals(method="ratio")
    assert plt.get_fignums() == [figure.number] and not figure.axes


def state_of(dataset):
    """Everything that a plot could change, as a flat list."""
    names = ["counts", "background", "exposure", "mask_safe", "mask_fit"]
    names += ["counts_off", "acceptance", "acceptance_off"]
    maps = [getattr(dataset, name, None) for name in names]
    state = [
        None if image is None else (image.geom, image.data.tobytes()) for image in maps
    ]
    for par in dataset.models.parameters if dataset.models else []:
        state.append((par.name, par.value, par.error, par.frozen, par.min, par.max))
    covariance = dataset.models.covariance.data.tobytes() if dataset.models else None
    # The background of on-off datasets is computed each time.
    ids = [id(image) for image in maps if image is not maps[1]] + [id(dataset.models)]
    return [*state, covariance, ids, dataset.stat_sum(), dataset.npred().data.tobytes()]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_changes(method):
    on_off = make_on_off(poisson(3), poisson(9, seed=2), 0.5, mask_fit=ring())
    for dataset in (full_dataset(), on_off, make_spectrum(), make_spectrum(True)):
        before = state_of(dataset)
        dataset.residuals(method)
        if not dataset.counts.geom.is_region:
            dataset.residuals(method, width=2.0, kernel="box")
            options = {"smooth_kernel": "disk", "models": True, "energy_min": "1.5 TeV"}
            dataset.plot_residuals_spatial(method=method, **options)
            dataset.plot_residuals(
                method=method,
                kwargs_spatial={"smooth_kernel": "box"},
                kwargs_spectral={"region": REGION},
            )
        else:
            dataset.plot_fit(kwargs_residuals={"method": method})
        dataset.plot_residuals_spectral(plt.figure().add_subplot(), method=method)
        plt.figure()
        Datasets([dataset]).plot_residuals(method=method)
        assert state_of(dataset) == before
        plt.close("all")


# Joint residuals


@pytest.fixture()
def datasets():
    first, second = full_dataset("one", 1), full_dataset("two", 2)
    backgrounds = [dataset.models[1] for dataset in (first, second)]
    datasets = Datasets([first, second])
    datasets.models = Models([first.models["src"], *backgrounds])
    return datasets


@pytest.mark.parametrize("method", METHODS)
def test_joint_residuals(datasets, method):
    from gammapy.datasets import SpatialResiduals, SpectralResiduals
    from gammapy.visualization.residuals import SYMBOLS

    with mpl_plot_check():
        ax_spatial, ax_spectral = datasets.plot_residuals(
            region=REGION, method=method, energy_min="3 TeV"
        )
    joint = SpatialResiduals.from_datasets(datasets, energy_min="3 TeV")
    image = np.ma.filled(ax_spatial.images[0].get_array(), np.nan)
    assert_allclose(image, joint.residual(method).data[0])
    residuals = SpectralResiduals.from_datasets(datasets, REGION, energy_min="3 TeV")
    table = residuals.to_table(method)
    assert_allclose(points(ax_spectral), table["residual"])
    drawn = residuals.mask
    lengths = np.array(bar_lengths(ax_spectral))
    # Masked points have no bars.
    lengths = lengths if lengths.shape[1] == 2 else lengths[:, drawn]
    assert_allclose(lengths[0], table["residual_errn"][drawn], rtol=1e-6)
    assert_allclose(lengths[1], table["residual_errp"][drawn], rtol=1e-6)
    assert ax_spectral.get_ylabel() == SYMBOLS[method]
    gids = [artist.get_gid() for artist in ax_spatial.get_children()]
    assert gids.count("region") == 1 and "position:src" in gids


def test_joint_residuals_with_options(datasets):
    from gammapy.datasets import SpatialResiduals, SpectralResiduals

    ax_spatial, ax_spectral = datasets.plot_residuals(
        kwargs_spatial={"vsig": 3, "models": False},
        kwargs_spectral={"method": "diff"},
        exclude="src",
        kernel="gauss",
        correlation_radius="0.15 deg",
    )
    options = {"kernel": "gauss", "correlation_radius": "0.15 deg"}
    joint = SpatialResiduals.from_datasets(datasets, exclude="src", **options)
    image = np.ma.filled(ax_spatial.images[0].get_array(), np.nan)
    assert_allclose(image, joint.sqrt_ts.data[0])
    assert ax_spatial.images[0].get_clim() == (-3, 3)
    gids = [artist.get_gid() for artist in ax_spatial.get_children()]
    assert "region" not in gids and "position:src" not in gids
    table = SpectralResiduals.from_datasets(datasets, exclude="src").to_table()
    assert_allclose(points(ax_spectral), table["residual"])


def test_joint_residuals_of_spectra():
    first, second = make_spectrum(mask=False), make_spectrum()
    second._name = "second"
    datasets = Datasets([first, second])
    ax_spatial, ax_spectral = datasets.plot_residuals(method="diff")
    assert ax_spatial is None
    assert_allclose(points(ax_spectral), [6, -4, 0, 2])
    ax = plt.figure().add_subplot()
    assert datasets.plot_residuals(ax_spectral=ax)[1] is ax
    plt.close("all")
    with pytest.raises(ValueError, match=r"\['kernel'\]"):
        datasets.plot_residuals(kernel="gauss")
    with pytest.raises(ValueError, match="is a spectrum; a region"):
        datasets.plot_residuals(region=REGION)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "kwargs, match",
    [
        ({"method": "ratio"}, "'ratio'"),
        ({"kwargs_spatial": {"method": "ratio"}}, "'ratio'"),
        ({"region": 5}, "region"),
        ({"models": "nobody"}, "nobody"),
        ({"energy_min": "20 TeV"}, "No energy bin"),
        ({"kernel": "cone"}, "'cone'"),
        ({"energy_edges": [1, 10**0.5, 10] * u.TeV}, "give 2 maps"),
    ],
)
def test_joint_residuals_with_errors(datasets, kwargs, match):
    with pytest.raises((TypeError, ValueError), match=match):
        datasets.plot_residuals(**kwargs)
    assert not plt.get_fignums()


def test_joint_residuals_change_nothing(datasets):
    before = [state_of(dataset) for dataset in datasets]
    datasets.plot_residuals(region=REGION, exclude="src")
    datasets.plot_residuals(apply_mask=False)
    assert [state_of(dataset) for dataset in datasets] == before


@requires_dependency("ray")
def test_joint_residuals_of_actors(datasets):
    import ray
    from gammapy.datasets.actors import DatasetsActor

    expected = datasets.plot_residuals(region=REGION)
    models = datasets.models
    datasets.models = None
    actors = DatasetsActor(datasets)
    actors.models = models
    try:
        figure = plt.figure()
        axes = actors.plot_residuals(region=REGION)
        assert axes[0].figure is figure
        image, other = (drawn[0].images[0].get_array() for drawn in (axes, expected))
        assert_allclose(np.ma.filled(image, np.nan), np.ma.filled(other, np.nan))
        assert_allclose(points(axes[1]), points(expected[1]))
    finally:
        ray.shutdown()


def test_plain_axes_do_for_a_map_without_models():
    dataset = full_dataset()
    ax = plt.subplots()[1]
    assert dataset.plot_residuals_spatial(ax) is ax
    axes = plt.subplots(1, 2)[1]
    dataset.plot_residuals(*axes)
    n_children = len(ax.get_children())
    with pytest.raises(TypeError, match="WCSAxes"):
        dataset.plot_residuals_spatial(ax, models=True)
    assert len(ax.get_children()) == n_children


def test_axes_are_checked_before_anything_is_drawn():
    dataset = full_dataset()
    ax = plt.subplot(projection=GEOM.to_image().wcs)
    n_children = len(ax.get_children())
    for plot in (dataset.plot_residuals, Datasets([dataset]).plot_residuals):
        for bad in (3, ax):
            with pytest.raises(TypeError, match="axes: expected plain Axes"):
                plot(ax_spatial=ax, ax_spectral=bad)
    with pytest.raises(TypeError, match="WCSAxes"):
        Datasets([dataset]).plot_residuals(ax_spatial=plt.figure().add_subplot())
    assert len(ax.get_children()) == n_children


def test_polygons():
    dataset = full_dataset()
    vertices = SkyCoord([0, 0.5, 0.5, 0], [0, 0, 0.4, 0.4], unit="deg")
    polygon = PolygonSkyRegion(vertices)
    axes = dataset.plot_residuals(kwargs_spectral={"region": polygon})
    assert [line.get_gid() for line in axes[0].lines].count("region") == 1
    axes = Datasets([dataset]).plot_residuals(region=polygon)
    assert [line.get_gid() for line in axes[0].lines].count("region") == 1


def test_a_limit_beyond_the_data():
    ax = full_dataset().plot_residuals_spatial(vmin=30)
    assert ax.images[-1].get_clim() == (30, 60)
    ax = full_dataset().plot_residuals_spatial(vmax=-30)
    assert ax.images[-1].get_clim() == (-60, -30)
