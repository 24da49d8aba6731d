# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual methods of the dataset classes.

What only the fork has is imported inside the tests, so that the tests of defects can
be run on Gammapy 2.1, where they fail.
"""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion
import matplotlib.pyplot as plt
from gammapy.datasets import (
    MapDataset,
    MapDatasetOnOff,
)
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)

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


def brute_force_weights(shape, **kwargs):
    """Response of Map.smooth at each pixel to each pixel, shape (n, n)."""
    geom = WcsGeom.create(npix=shape[::-1], binsz=0.05)
    responses = []
    for image in np.eye(shape[0] * shape[1]).reshape(-1, *shape):
        smoothed = Map.from_geom(geom, data=image).smooth(**kwargs)
        responses.append(smoothed.data.ravel())
    return np.array(responses).T


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


# Defect 4: NaN of the model


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
    from gammapy.datasets.smoothing import Smoothing

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
    n, m = (map_of(_).smooth(width=2).data[:, 10:-10, 10:-10] for _ in (counts, npred))
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


@pytest.mark.parametrize("kernel", ["box", "disk"])
def test_smoothed_on_off_noise_has_width_one(kernel):
    geom = WcsGeom.create(npix=200, binsz=0.05, axes=[ONE_BIN])
    off = poisson(10, geom, 1)
    mask = ring(geom, 1, 4.8)
    dataset = make_on_off(poisson(5, geom), off, 0.5, geom, mask_safe=mask)
    data = dataset.residuals("significance", kernel=kernel, width=3).data[mask.data]
    assert_allclose(data.std(), 1, atol=0.03)
    assert_allclose(data.mean(), 0, atol=0.05)


def test_incomplete_datasets():
    dataset = make_dataset(1, 1)
    dataset.counts = None
    with pytest.raises(ValueError, match="'test' has no counts"):
        dataset.residuals()
    dataset = make_on_off(9.0, 6.0, 0.5)
    dataset.counts_off = None
    with pytest.raises(ValueError, match="'on-off' has no counts_off"):
        dataset.residuals()


def test_method_that_is_not_known():
    with pytest.raises(ValueError, match="'ratio'.*'diff', .*'significance'"):
        full_dataset().residuals("ratio")
