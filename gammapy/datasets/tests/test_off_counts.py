# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of on-off data whose alpha differs: pixels, energy bins, datasets."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import (
    MapDatasetOnOff,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDatasetOnOff,
)
from gammapy.datasets.residuals.convolution import maximum_images
from gammapy.datasets.residuals.grids import parse_region
from gammapy.datasets.residuals.kernels import make_sky_kernel
from gammapy.datasets.residuals.kernels.rows import RowKernel
from gammapy.datasets.residuals.off_counts import has_several_alphas
from gammapy.datasets.residuals.smoothing import Smoothing
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.stats import WStatCountsStatistic
from gammapy.stats.on_off_profile import OnOffProfile
from gammapy.stats.residuals import compute_sqrt_ts_on_off

AXIS = MapAxis.from_energy_bounds(1, 10, 2, unit="TeV", name="energy")
GEOM = WcsGeom.create(npix=24, binsz=0.05, axes=[AXIS])


def make_on_off(alpha, npred, *, seed=0, geom=GEOM, cls=MapDatasetOnOff, **kwargs):
    """Noise with the expected on counts of a background, and its off counts."""
    rng = np.random.default_rng(seed)
    alpha = np.broadcast_to(alpha, geom.data_shape)
    data = {
        "counts": rng.poisson(npred, alpha.shape),
        "counts_off": rng.poisson(npred / alpha),
        "acceptance": np.full(alpha.shape, 2.0),
        "acceptance_off": 2 / alpha,
    }
    maps = {
        values: Map.from_geom(geom, data=data[values].astype(float)) for values in data
    }
    return cls(**maps, name=f"on-off-{seed}", **kwargs)


def log_uniform(low, high, seed=9, geom=GEOM):
    rng = np.random.default_rng(seed)
    return np.exp(rng.uniform(np.log(low), np.log(high), geom.data_shape))


def within(data, radius):
    """All pixels within a radius in pixels, as a last axis, 0 beyond the borders."""
    offsets = np.arange(-radius, radius + 1)
    padded = np.pad(data, ((0, 0), (radius, radius), (radius, radius)))
    n_y, n_x = data.shape[1:]
    return np.stack(
        [
            padded[:, radius + y : radius + y + n_y, radius + x : radius + x + n_x]
            for y in offsets
            for x in offsets
            if x**2 + y**2 <= radius**2
        ],
        axis=-1,
    )


def exact_profile(datasets, weights, radius, signal=0.0):
    """Every pixel, bin and dataset within a disc as a group of its own.

    The signal is a cube, of one dataset.
    """
    signal = within(np.broadcast_to(signal, GEOM.data_shape), radius)
    groups = {"counts": [], "counts_off": [], "alpha": []}
    for dataset, weight in zip(datasets, weights, strict=True):
        alpha = dataset.acceptance.data / dataset.acceptance_off.data
        groups["counts"].append(within(dataset.counts.data * weight, radius))
        groups["counts_off"].append(within(dataset.counts_off.data * weight, radius))
        groups["alpha"].append(within(alpha * weight, radius))
    # From (n_energy, n_lat, n_lon, n) to (n_lat, n_lon, all).
    counts, k, alpha = (
        np.concatenate([part for array in arrays for part in array], axis=-1)
        for arrays in groups.values()
    )
    return OnOffProfile(counts.sum(axis=-1), k, alpha, signal.sum(axis=(0, -1)))


@pytest.mark.parametrize("npred", [0.03, 0.5, 40])
def test_map_is_that_of_all_pixels(npred):
    datasets = [
        make_on_off(log_uniform(0.02, 0.5), npred, seed=1),
        make_on_off(log_uniform(0.1, 1, seed=8), npred, seed=2),
    ]
    mask = np.random.default_rng(3).random(GEOM.data_shape) > 0.3
    datasets[0].mask_fit = Map.from_geom(GEOM, data=mask)
    # A source of about 5 sigma at most.
    for dataset in datasets:
        dataset.counts.data[:, 12, 12] += np.round(2 + npred**0.5)
    for apply_mask, weight in ((True, mask), (False, 1)):
        result = SpatialResiduals.from_datasets(
            datasets, correlation_radius="0.15 deg", apply_mask=apply_mask
        )
        expected = exact_profile(datasets, [weight, 1], radius=3).sqrt_ts
        assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-3)
    assert expected.max() > 2
    names = set(result._maps)
    assert not any("alpha" in name or "moment" in name for name in names)


def test_datasets_of_two_alphas():
    datasets = [make_on_off(1, 0.8, seed=1), make_on_off(0.02, 0.8, seed=2)]
    # No off counts of the larger alpha in a part of the map.
    datasets[0].counts_off.data[:, :8] = 0
    datasets[1].mask_safe = Map.from_geom(GEOM, data=np.ones(GEOM.data_shape, bool))
    datasets[1].mask_safe.data[:, :, :4] = False
    weights = [1, datasets[1].mask_safe.data]
    result = SpatialResiduals.from_datasets(datasets, correlation_radius="0.1 deg")
    expected = exact_profile(datasets, weights, radius=2).sqrt_ts
    assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-9)
    # A sum is no different when it is shared by processes, or turned round.
    turned = SpatialResiduals.from_datasets(datasets[::-1], n_jobs=2)
    assert_allclose(turned.sqrt_ts.data, result.sqrt_ts.data, atol=1e-9)


def test_map_and_spectrum_with_a_signal():
    source = SkyModel(
        spatial_model=GaussianSpatialModel(sigma="0.2 deg"),
        spectral_model=PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"),
        name="src",
    )
    axis = MapAxis.from_energy_edges([1, 10], unit="TeV", name="energy_true")
    exposure = Map.from_geom(GEOM.to_image().to_cube([axis]), unit="cm2 s")
    exposure.data += 1e13
    dataset = make_on_off(log_uniform(0.02, 1), 0.2, exposure=exposure)
    dataset.models = [source]
    signal = dataset.npred_signal().data
    assert signal.sum() > 50
    dataset.counts.data += np.random.default_rng(1).poisson(signal)
    result = SpatialResiduals.from_datasets(dataset, correlation_radius="0.15 deg")
    expected = exact_profile([dataset], [1], radius=3, signal=signal).sqrt_ts
    assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-3)

    region = "icrs;circle(0, 0, 0.3)"
    inside = GEOM.to_image().region_mask(parse_region(region)).data
    spectrum = SpectralResiduals.from_datasets(dataset, region)
    n, k, s, a = (
        array[:, inside]
        for array in (
            dataset.counts.data,
            dataset.counts_off.data,
            signal,
            dataset.acceptance.data / dataset.acceptance_off.data,
        )
    )
    expected = OnOffProfile(n.sum(axis=1), k, a, s.sum(axis=1))
    assert_allclose(spectrum.sqrt_ts, expected.sqrt_ts, atol=1e-3)
    errors = spectrum.to_table()["residual_errn"]
    assert_allclose(errors, expected.compute_errn(), rtol=1e-3)


def test_one_alpha_is_as_it_was():
    # Acceptances differ, alpha does not.
    datasets = [make_on_off(0.25, 1.5, seed=seed) for seed in (1, 2)]
    for name in ("acceptance", "acceptance_off"):
        getattr(datasets[1], name).data *= log_uniform(0.5, 2)
    assert not has_several_alphas(datasets, lambda dataset: [True, True])
    # What is masked does not count.
    datasets[0].acceptance_off.data[0, 3, 3] = 0
    mask = np.ones(GEOM.data_shape, dtype=bool)
    mask[1, 4, 4] = False
    datasets[1].mask_fit = Map.from_geom(GEOM, data=mask)
    datasets[1].acceptance.data[1, 4, 4] *= 7
    assert not has_several_alphas(datasets, lambda dataset: [True, True])
    assert has_several_alphas(datasets, lambda dataset: [True, True], apply_mask=False)
    result = SpatialResiduals.from_datasets(datasets, kernel=None)
    sums = {
        name: sum(
            (getattr(dataset, name).data * used).sum(axis=0)
            for dataset, used in zip(
                datasets, [datasets[0].acceptance_off.data > 0, mask], strict=True
            )
        )
        for name in ("counts", "counts_off")
    }
    expected = compute_sqrt_ts_on_off(sums["counts"], sums["counts_off"], 0.25, 0)
    # Both take the square root of a difference of large terms.
    assert_allclose(result.sqrt_ts.data[0], expected, atol=2e-6)


def test_spectrum_is_that_of_all_pixels():
    datasets = [
        make_on_off(log_uniform(0.02, 0.5), 0.1, seed=1),
        make_on_off(log_uniform(0.1, 1, seed=8), 0.1, seed=2),
    ]
    result = SpectralResiduals.from_datasets(datasets)
    k, alpha = (
        np.concatenate([array.reshape(2, -1) for array in arrays], axis=1)
        for arrays in (
            [dataset.counts_off.data for dataset in datasets],
            [
                dataset.acceptance.data / dataset.acceptance_off.data
                for dataset in datasets
            ],
        )
    )
    counts = sum(dataset.counts.data.sum(axis=(1, 2)) for dataset in datasets)
    expected = OnOffProfile(counts, k, alpha)
    assert_allclose(result.sqrt_ts, expected.sqrt_ts, atol=1e-3)
    table = result.to_table("diff")
    assert_allclose(table["residual"], counts - np.sum(k * alpha, axis=1))
    assert_allclose(table["residual_errn"], expected.compute_errn(), rtol=1e-3)
    assert_allclose(table["residual_errp"], expected.compute_errp(), rtol=1e-3)


def test_spectra_of_two_alphas_without_off_counts():
    geom = RegionGeom.create(None, axes=[AXIS])
    datasets = [
        make_on_off(alpha, 4, seed=seed, geom=geom, cls=SpectrumDatasetOnOff)
        for seed, alpha in enumerate((1, 0.05))
    ]
    datasets[0].counts_off.data[0] = 0
    datasets[0].counts.data[0] = 30
    result = SpectralResiduals.from_datasets(datasets)
    k = np.stack([dataset.counts_off.data.ravel() for dataset in datasets], axis=-1)
    counts = sum(dataset.counts.data.ravel() for dataset in datasets)
    expected = OnOffProfile(counts, k, [1, 0.05])
    # Half of what the second dataset does not explain is background of the first.
    assert_allclose(expected.npred_background[0], counts[0] / 2)
    assert_allclose(result.sqrt_ts, expected.sqrt_ts)
    assert_allclose(result.to_table()["residual_errp"], expected.compute_errp())


def test_rounding_errors_are_no_acceptance():
    """As a ring background leaves them where all of the ring is excluded."""
    dataset = make_on_off(log_uniform(0.1, 0.2), 1.0)
    dataset.acceptance_off.data[0, 20, 20] = np.nan
    dataset.acceptance_off.data[1, 20, 20] = np.inf
    results = []
    for value in (0, 1e-14, -1e-14):
        dataset.acceptance_off.data[:, 8:12, 8:12] = value
        dataset.counts_off.data[:, 8:12, 8:12] = value / 3
        results.append(SpatialResiduals.from_datasets(dataset))
        assert not results[-1].mask.data[:, 8:12, 8:12].any()
    assert results[0].mask.data.sum() > 500
    for result in results[1:]:
        assert_allclose(result.sqrt_ts.data, results[0].sqrt_ts.data)


@pytest.mark.parametrize("kernel, width, radius", [("disk", 1, 1), (None, None, 0)])
def test_residuals_of_one_dataset(kernel, width, radius):
    """Smoothed maps, and images that are summed over energy."""
    dataset = make_on_off(log_uniform(0.05, 1), 1.0)
    if kernel:
        data = dataset.residuals("significance", kernel=kernel, width=width).data
        for idx in range(2):
            alpha = dataset.acceptance.data / dataset.acceptance_off.data
            n, k, a = (
                within(array[idx : idx + 1], radius)[0]
                for array in (dataset.counts.data, dataset.counts_off.data, alpha)
            )
            expected = OnOffProfile(n.sum(axis=-1), k, a).sqrt_ts
            assert_allclose(data[idx], expected, atol=1e-3)
    else:
        # One pixel has one alpha.
        data = dataset.residuals("significance").data
        alpha = dataset.acceptance.data / dataset.acceptance_off.data
        stat = WStatCountsStatistic(dataset.counts.data, dataset.counts_off.data, alpha)
        assert_allclose(data, stat.sqrt_ts, atol=2e-6)
    kernel = kernel or "box"
    ax = dataset.plot_residuals_spatial(None, "significance", kernel, width or 1)
    expected = exact_profile([dataset], [1], radius).sqrt_ts
    assert_allclose(ax.images[0].get_array(), expected, atol=1e-3)


@pytest.mark.parametrize("alphas, width", [((1, 0.1), 1.008), ((0.5, 1 / 6), 1.005)])
def test_noise_of_a_map_has_width_one(alphas, width):
    """Two energy bins of different alpha in one dataset, 10 background counts each."""
    geom = WcsGeom.create(npix=200, binsz=0.05, axes=[AXIS])
    alpha = np.reshape(alphas, (2, 1, 1))
    dataset = make_on_off(alpha, 10, geom=geom, seed=4)
    row = SpatialResiduals.from_datasets(dataset, kernel=None).distribution()[0]
    assert_allclose(row["std"], width, atol=3.5 * row["std_err"])


def test_noise_of_spectra_has_width_one():
    """Two datasets of different alpha, 10 background counts each per bin."""
    n_bins = 3000
    axis = MapAxis.from_energy_bounds(1, 10, n_bins, unit="TeV", name="energy")
    geom = RegionGeom.create(None, axes=[axis])
    datasets = [
        make_on_off(alpha, 10, seed=seed, geom=geom, cls=SpectrumDatasetOnOff)
        for seed, alpha in enumerate((1, 0.02))
    ]
    result = SpectralResiduals.from_datasets(datasets)
    assert_allclose(result.sqrt_ts.std(), 1.008, atol=3.5 / np.sqrt(2 * n_bins))
    # The errors are those of the difference, so that their ratio has width 1, too.
    table = result.to_table("diff")
    pull = table["residual"] / np.where(
        table["residual"] > 0, table["residual_errn"], table["residual_errp"]
    )
    assert_allclose(pull.std(), 1, atol=0.06)


@pytest.mark.long
@pytest.mark.parametrize("low, high", [(0.02, 1), (0.1, 1), (1 / 6, 0.5)])
@pytest.mark.parametrize("counts", [10, 20, 50])
def test_noise_of_pixels_of_any_alpha(low, high, counts):
    """Alpha differs from pixel to pixel, the discs have a given background."""
    geom = WcsGeom.create(npix=600, binsz=0.05, axes=[AXIS])
    alpha = log_uniform(low, high, geom=geom)
    n_pixels = 29
    dataset = make_on_off(alpha, counts / (2 * n_pixels), geom=geom, seed=6)
    residuals = SpatialResiduals.from_datasets(dataset, correlation_radius="0.15 deg")
    row = residuals.distribution()[0]
    assert_allclose(row["std"], 1, atol=0.02 + 3 * row["std_err"])
    assert_allclose(row["mean"], 0, atol=0.05 + 3 * row["mean_err"])


def test_maximum_of_a_kernel():
    images = np.random.default_rng(0).random((2, 11, 13))
    kernel = np.zeros((3, 5))
    kernel[0, 0] = kernel[2, 1:4] = kernel[1, [0, 4]] = 1
    expected = np.zeros(images.shape)
    for y, x in zip(*np.nonzero(kernel), strict=True):
        # What lies at (y, x) of the kernel is moved there.
        moved = np.zeros(images.shape)
        source = np.pad(images, ((0, 0), (1, 1), (2, 2)))
        moved[...] = source[:, 2 - y : 2 - y + 11, 4 - x : 4 - x + 13]
        expected = np.maximum(expected, moved)
    assert_allclose(maximum_images(images, kernel), expected)
    assert maximum_images(images, None) is images

    smoothing = Smoothing.create(WcsGeom.create(npix=(13, 11)), kernel="disk", width=2)
    assert_allclose(smoothing.maximum(images), within(images, 2).max(axis=-1))


def test_maximum_of_discs_of_each_row():
    geom = WcsGeom.create(npix=(36, 18), binsz=10, proj="CAR")
    kernel = make_sky_kernel("tophat", "25 deg", geom)
    assert isinstance(kernel, RowKernel)
    # Which pixels belong to a disc the sum of single pixels says.
    single = np.eye(18 * 36).reshape(-1, 18, 36)
    is_within = kernel.apply(single) > 0.5
    image = np.random.default_rng(0).random((18, 36))
    expected = np.max(is_within * image.reshape(-1, 1, 1), axis=0)
    assert_allclose(kernel.maximum(image[np.newaxis])[0], expected)


def test_map_around_the_sky():
    geom = WcsGeom.create(npix=(36, 18), binsz=10, proj="CAR", axes=[AXIS])
    dataset = make_on_off(log_uniform(0.1, 1, geom=geom), 0.3, geom=geom)
    dataset.counts.data[:, 16, 0] += 3
    result = SpatialResiduals.from_datasets(dataset, correlation_radius="25 deg")
    alpha = dataset.acceptance.data / dataset.acceptance_off.data
    single = np.eye(18 * 36).reshape(-1, 18, 36)
    kernel = make_sky_kernel("tophat", "25 deg", geom.to_image())
    # The pixels of each disc, as groups of both energy bins.
    is_within = np.moveaxis(kernel.apply(single), 0, -1)
    n, k, a = (
        np.concatenate([is_within * plane.ravel() for plane in data], axis=-1)
        for data in (dataset.counts.data, dataset.counts_off.data, alpha)
    )
    expected = OnOffProfile(n.sum(axis=-1), k, a).sqrt_ts
    assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-3)
