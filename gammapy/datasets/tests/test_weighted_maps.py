# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals, SpectralResiduals
from gammapy.datasets.residuals.kernels import make_kernel
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.stats.residuals import compute_sqrt_ts
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
from gammapy.utils.testing import requires_data

AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")
GEOM = WcsGeom.create(npix=(60, 50), binsz=0.05, axes=[AXIS])


def make_dataset(counts, background, mask=None, geom=GEOM, stat_type=None):
    counts, background = (
        Map.from_geom(geom, data=np.broadcast_to(array, geom.data_shape).astype(float))
        for array in (counts, background)
    )
    mask = None if mask is None else Map.from_geom(geom, data=mask)
    dataset = MapDataset(counts=counts, background=background, mask_fit=mask, name="d")
    if stat_type:
        dataset.stat_type = stat_type
    return dataset


def footprints(image, shape):
    """What each pixel sees, of shape (n_y, n_x, k_y * k_x)."""
    padded = np.pad(image, [(n // 2, n // 2) for n in shape])
    return sliding_window_view(padded, shape).reshape(*image.shape, -1)


def sqrt_ts_by_hand(dataset, weights):
    """The footprint function, pixel by pixel."""
    kernel = weights[::-1, ::-1]
    mask = np.ones(GEOM.data_shape) if dataset.mask is None else dataset.mask.data
    n, m = (
        footprints((image.data * mask)[0], kernel.shape)
        for image in (dataset.counts, dataset.background)
    )
    return compute_sqrt_ts_weighted(n @ kernel.ravel(), kernel.ravel(), m)


@pytest.mark.parametrize("rate", [1e-3, 0.02, 0.3, 5, 1e4])
def test_gauss_is_the_footprint_function(rate):
    random = np.random.default_rng(int(1e3 * rate))
    background = rate * np.linspace(0.2, 2, 60) * np.ones(GEOM.data_shape)
    mask = random.random(GEOM.data_shape) > 0.1
    mask[:, :10, :20] = False
    dataset = make_dataset(random.poisson(background), background, mask)
    result = SpatialResiduals.from_datasets(dataset, kernel="gauss")
    expected = sqrt_ts_by_hand(
        dataset, make_kernel("gauss", "0.1 deg", GEOM.to_image())
    )
    used = result.mask.data[0]
    assert_allclose(result.sqrt_ts.data[0][used], expected[used], atol=1e-3)
    assert np.isnan(result.sqrt_ts.data[0][~used]).all()


@pytest.mark.parametrize("shape", [(3, 5), (7, 7)])
def test_map_is_the_footprint_function(shape):
    random = np.random.default_rng(1)
    weights = random.gamma(0.5, size=shape)
    weights[0, 0] = 0
    kernel = Map.create(npix=shape[::-1], binsz=0.05)
    kernel.data = weights
    background = random.uniform(0.1, 2, GEOM.data_shape)
    counts = random.poisson(background)
    # Bright sources, and a hole.
    counts[0, 30, 30] += 200
    counts[0, 10:20, 40:50] = 0
    dataset = make_dataset(counts, background)
    result = SpatialResiduals.from_datasets(dataset, kernel=kernel)
    expected = sqrt_ts_by_hand(dataset, weights)
    assert expected.max() > 10
    assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-3)


@pytest.mark.parametrize(
    "kernel, n_weights",
    [("tophat", 2), ("tophat", 40), ("gauss", 2), ("gauss", 40), (None, 2)],
)
def test_masks_with_weights(kernel, n_weights):
    random = np.random.default_rng(4)
    background = random.uniform(0.5, 2, GEOM.data_shape)
    choice = np.linspace(0.2, 1, n_weights)
    mask = random.choice(choice, GEOM.data_shape)
    counts = random.poisson(background)
    dataset = make_dataset(counts, background, mask, stat_type="cash_weighted")
    result = SpatialResiduals.from_datasets(dataset, kernel=kernel)
    weights = make_kernel(kernel, "0.1 deg", GEOM.to_image())
    weights = np.ones((1, 1)) if weights is None else weights
    f = footprints(mask[0], weights.shape) * weights.ravel()
    n, m = (footprints(array[0], weights.shape) for array in (counts, background))
    # With many weights each is shared by two levels.
    n_seen, atol = np.sum(f * n, -1), 1e-3 if n_weights == 2 else 1e-2
    expected = compute_sqrt_ts_weighted(n_seen, f, m)
    assert_allclose(result.sqrt_ts.data[0], expected, atol=atol)

    if n_weights == 2:
        spectrum = SpectralResiduals.from_datasets(dataset)
        total = [np.sum(background[mask == level]) for level in choice]
        expected = compute_sqrt_ts_weighted(np.sum(mask * counts), choice, total)
        assert_allclose(spectrum.sqrt_ts, expected)


@pytest.mark.parametrize("rate", [0.05, 2])
def test_gauss_far_from_the_equator(rate):
    """Each row has its own kernel: again the footprint function."""
    geom = WcsGeom.create(
        skydir=(0, 0), npix=(60, 24), binsz=0.5, proj="CAR", axes=[AXIS]
    )
    # Rows from 68 to 80 deg.
    geom = WcsGeom(_shifted(geom.wcs, 136), geom.npix, axes=[AXIS])
    random = np.random.default_rng(1)
    background = random.uniform(0.5, 1.5, geom.data_shape) * rate
    dataset = make_dataset(random.poisson(background), background, geom=geom)
    result = SpatialResiduals.from_datasets(
        dataset, kernel="gauss", correlation_radius="1 deg"
    )
    coords = geom.to_image().get_coord().skycoord
    for y, x in [(12, 30), (3, 10), (20, 50), (23, 0)]:
        separation = coords[y, x].separation(coords).deg
        weights = np.exp(-0.5 * separation**2) * (separation <= 5)
        counts = np.sum(weights * dataset.counts.data[0])
        expected = compute_sqrt_ts_weighted(counts, weights.ravel(), background.ravel())
        assert_allclose(result.sqrt_ts.data[0, y, x], expected, atol=1e-3)


def _shifted(wcs, n_rows):
    wcs = wcs.deepcopy()
    wcs.wcs.crpix[1] -= n_rows
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("n_counts", [1e3, 1e6])
@pytest.mark.parametrize("background", [0, 1e-8])
@pytest.mark.parametrize("kernel", ["gauss", "tophat"])
def test_a_bright_source_makes_no_spots(n_counts, background, kernel):
    """Rounding errors of the transforms are no counts without a model."""
    y, x = np.mgrid[:50, :60]
    source = n_counts / (18 * np.pi) * np.exp(-((x - 30) ** 2 + (y - 25) ** 2) / 18)
    counts = np.random.default_rng(0).poisson(source)
    dataset = make_dataset(counts, source + background)
    image = SpatialResiduals.from_datasets(dataset, kernel=kernel).sqrt_ts.data
    assert np.isfinite(image).all()
    assert np.abs(image).max() < 5


@pytest.mark.parametrize("kernel", ["gauss", "tophat"])
def test_next_to_nothing_beside_a_bright_field(kernel):
    background = np.full(GEOM.data_shape, 1e-12)
    background[:, :, :30] = 1e5
    counts = np.random.default_rng(0).poisson(background)
    dataset = make_dataset(counts, background)
    image = SpatialResiduals.from_datasets(dataset, kernel=kernel).sqrt_ts.data[0]
    assert np.abs(image).max() < 5
    assert_allclose(image[:, 45:], 0, atol=1e-3)

    dataset.counts.data[0, 25, 50] += 1
    image = SpatialResiduals.from_datasets(dataset, kernel=kernel).sqrt_ts.data[0]
    # In a top-hat it is one count over 13e-12; the centre of a Gaussian is one pixel.
    m = 13e-12 if kernel == "tophat" else 1e-12
    assert_allclose(image[25, 50], np.sqrt(2 * (-np.log(m) - 1)), atol=0.1)
    assert_allclose(image.max(), image[25, 50], atol=0.01)


def test_one_count_over_nothing():
    counts = np.zeros(GEOM.data_shape)
    counts[0, 25, 30] = 1
    for kernel, n_pixels in (("gauss", 1), ("tophat", 13)):
        dataset = make_dataset(counts, 1e-12 / n_pixels)
        image = SpatialResiduals.from_datasets(dataset, kernel=kernel).sqrt_ts.data[0]
        assert_allclose(image[25, 30], 7.3, atol=0.15)
        assert np.isfinite(image).all()


def test_tophat_is_cash():
    random = np.random.default_rng(0)
    background = random.uniform(0.1, 3, GEOM.data_shape)
    dataset = make_dataset(random.poisson(background), background)
    weights = make_kernel("tophat", "0.1 deg", GEOM.to_image())
    n, m = (
        footprints(image.data[0], weights.shape) @ weights.ravel()
        for image in (dataset.counts, dataset.background)
    )
    image = SpatialResiduals.from_datasets(dataset).sqrt_ts.data[0]
    assert_allclose(image, compute_sqrt_ts(n, m), atol=1e-9)


@pytest.mark.parametrize("mode", ["constant", "reflect", "nearest"])
def test_smoothed_residuals(mode):
    """Weights of the smoothing, pixel by pixel, with what a border counts twice."""
    geom = WcsGeom.create(npix=(12, 10), binsz=0.05, axes=[AXIS])
    random = np.random.default_rng(3)
    background = random.uniform(0.1, 1, geom.data_shape)
    dataset = make_dataset(random.poisson(background), background, geom=geom)
    options = {"kernel": "gauss", "width": 1.2, "mode": mode}
    result = dataset.residuals("significance", **options).data[0]
    weights = np.zeros((120, 120))
    for idx in range(120):
        point = Map.from_geom(geom.to_image())
        point.data.flat[idx] = 1
        weights[:, idx] = point.smooth(**options).data.ravel()
    weights[weights < 1e-15] = 0
    counts = weights @ dataset.counts.data.ravel()
    expected = compute_sqrt_ts_weighted(counts, weights, background.ravel())
    assert_allclose(result.ravel(), expected, atol=1e-3)


def test_noise_of_few_counts_has_no_spots():
    """M^2 / M2 = 5: below 1e-5 of the values are beyond 4.5 on either side."""
    random = np.random.default_rng(0)
    geom = WcsGeom.create(npix=(300, 300), binsz=0.05, axes=[AXIS])
    weights = make_kernel("gauss", "0.1 deg", geom.to_image())
    rate = 5 * np.sum(weights**2) / np.sum(weights) ** 2
    counts = random.poisson(rate, geom.data_shape)
    dataset = make_dataset(counts, rate, geom=geom)
    image = SpatialResiduals.from_datasets(dataset, kernel="gauss").sqrt_ts.data[0]
    inner = image[10:-10, 10:-10]
    # The old definition had 5.2 and -3.6 here.
    assert inner.max() < 4.5 and inner.min() > -4.5
    assert_allclose([inner.mean(), inner.std()], [0, 1], atol=0.05)


@requires_data()
def test_noise_of_a_real_model_has_no_spots():
    """Counts drawn from the fitted model of 3FHL above 83 GeV, few per pixel."""
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    datasets = Datasets.read(
        f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    )
    dataset = datasets[0]
    npred = dataset.npred().data
    random = np.random.default_rng(0)
    highest = []
    for _idx in range(5):
        dataset.counts.data = random.poisson(npred)
        residuals = SpatialResiduals.from_datasets(
            dataset, kernel="point-source", energy_min="40 GeV"
        )
        highest.append(np.nanmax(residuals.sqrt_ts.data))
    # The former scaled likelihood ratio had up to 6.
    assert 2 < np.median(highest) < 4.2
    assert np.max(highest) < 5


def test_files_of_format_1_have_other_significances(tmp_path, caplog):
    dataset = make_dataset(1, 1.0)
    residuals = SpatialResiduals.from_datasets(dataset, kernel="gauss")
    filename = tmp_path / "residuals.fits"
    residuals.write(filename)
    with caplog.at_level(logging.WARNING):
        SpatialResiduals.read(filename)
    assert not caplog.records
    with fits.open(filename) as hdulist:
        meta = (
            hdulist["RESIDUALS"].data["meta"][0].replace('"format": 3', '"format": 1')
        )
        hdulist["RESIDUALS"] = fits.BinTableHDU(
            Table({"meta": [meta.encode()]}), name="RESIDUALS"
        )
        hdulist.writeto(filename, overwrite=True)
    again = SpatialResiduals.read(filename)
    assert_allclose(again.sqrt_ts.data, residuals.sqrt_ts.data)
    assert len(caplog.records) == 1
    assert "has the format 1: its significances of kernels" in caplog.text
