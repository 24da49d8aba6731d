# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpatialResiduals
from gammapy.datasets.matched_filter import source_stamps
from gammapy.irf import PSFMap
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import models

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
GEOM = WcsGeom.create(
    skydir=(30, 20), npix=(30, 24), binsz=0.05, axes=[AXIS], frame="galactic"
)
INDEX_2 = models.PowerLawSpectralModel(index=2)


def make_dataset(name="one", geom=GEOM, sigma=0.1, background=3.0, exposure=1e13):
    """Dataset with a Gaussian PSF; the counts are the background."""
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=sigma * u.deg)
    dataset.edisp = None
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, exposure) * u.cm**2
    dataset.exposure.quantity *= u.s
    dataset.background.data += background
    dataset.counts.data = dataset.background.data.copy()
    dataset.mask_safe.data[...] = True
    return dataset


@pytest.fixture()
def datasets():
    """Two datasets of different responses that overlap in part, one with a mask."""
    cutout = GEOM.cutout(SkyCoord(29.8, 20.1, unit="deg", frame="galactic"), 0.9)
    one = make_dataset()
    two = make_dataset("two", cutout, sigma=0.06, background=1.0, exposure=3e12)
    one.mask_fit = GEOM.energy_mask(energy_min=2 * u.TeV)
    one.mask_safe.data[:, :, :6] = False
    random = np.random.default_rng(0)
    for dataset in (one, two):
        dataset.counts.data = random.poisson(dataset.background.data)
    return Datasets([one, two])


def offset_in(geom, other):
    """Row and column of a geometry where the first pixel of another lies."""
    position = other.to_image().pix_to_coord((0, 0))
    x, y = geom.to_image().coord_to_pix(position)
    return int(np.rint(y.item())), int(np.rint(x.item()))


def sum_by_hand(datasets, quantity, power):
    """Sum over datasets, bins and pixels, one by one, of values times s^power.

    Also the sum of s^2 over all of the filter.
    """
    n_y, n_x = GEOM.data_shape[1:]
    total, norm = np.zeros((n_y, n_x)), 0.0
    for dataset in datasets:
        source = models.SkyModel(INDEX_2, models.PointSpatialModel())
        stamps = source_stamps(dataset, source)
        r_y, r_x = stamps.shape[1] // 2, stamps.shape[2] // 2
        row, column = offset_in(GEOM, dataset.counts.geom)
        mask = dataset.mask.data
        for k, stamp in enumerate(stamps):
            if not mask[k].any():
                continue
            norm += np.sum(stamp**2)
            for i, j in np.argwhere(mask[k]):
                value = 1.0
                if quantity is not None:
                    value = getattr(dataset, quantity).data[k, i, j]
                # a pixel (y, x) sees (i, j) at this place of the stamp
                for a in range(2 * r_y + 1):
                    for b in range(2 * r_x + 1):
                        y, x = row + i - (a - r_y), column + j - (b - r_x)
                        if 0 <= y < n_y and 0 <= x < n_x:
                            total[y, x] += value * stamp[a, b] ** power
    return total, norm


def test_against_sums_by_hand(datasets):
    result = SpatialResiduals.from_datasets(datasets, kernel="point-source")
    mask = result.mask.data[0]
    assert mask.sum() > 400
    for name, quantity in [("counts", "counts"), ("npred", "background")]:
        expected, norm = sum_by_hand(datasets, quantity, power=1)
        data = getattr(result, name).data[0]
        assert_allclose(data[mask], expected[mask] / norm, rtol=1e-8)

    n, m = result.counts.data[0][mask], result.npred.data[0][mask]
    variance = sum_by_hand(datasets, "background", power=2)[0][mask] / norm**2
    expected = np.sign(n - m) * np.sqrt(2 * (n * np.log(n / m) - n + m) * m / variance)
    assert_allclose(result.sqrt_ts.data[0][mask], expected, atol=1e-6)
    expected = (n - m) / np.sqrt(variance)
    residual = result.residual("diff/sqrt(model)").data[0][mask]
    assert_allclose(residual, expected, rtol=1e-6, atol=1e-9)
    # How much of the filter lies inside the mask.
    coverage = sum_by_hand(datasets, None, power=2)[0][mask] / norm
    diff = result.residual("diff").data[0][mask]
    assert_allclose(diff, (n - m) / coverage, rtol=1e-6)


@pytest.mark.parametrize(
    "spatial",
    [
        models.PointSpatialModel(),
        models.GaussianSpatialModel(sigma="0.08 deg"),
        models.DiskSpatialModel(r_0="0.12 deg", frame="galactic"),
    ],
)
def test_excess_is_the_amplitude(spatial):
    kernel = models.SkyModel(INDEX_2, spatial, name="kernel")
    one, two = make_dataset(), make_dataset("two", sigma=0.05, exposure=4e12)
    position = GEOM.to_image().pix_to_coord((12, 14))
    amplitude = 3.5
    injected = kernel.copy(name="injected")
    injected.spatial_model.frame = "galactic"
    injected.spatial_model.lon_0.quantity = position[0]
    injected.spatial_model.lat_0.quantity = position[1]
    injected.spectral_model.amplitude.value *= amplitude
    for dataset in (one, two):
        dataset.models = [injected]
        dataset.counts = dataset.npred()
        dataset.models = None
    result = SpatialResiduals.from_datasets([one, two], kernel=kernel)
    assert result.kernel == "model" and result.correlation_radius is None
    peak = np.unravel_index(np.argmax(result.excess.data), result.excess.data.shape)
    assert peak == (0, 14, 12)
    assert_allclose(result.excess.data[peak], amplitude, rtol=0.02)
    # What was passed in has not moved.
    assert kernel.spatial_model.lon_0.value == spatial.lon_0.value == 0


def test_energy_groups_are_filtered_alone(datasets):
    edges = AXIS.edges[[0, 1, 3]]
    both = SpatialResiduals.from_datasets(
        datasets, kernel="point-source", energy_edges=edges
    )
    assert both.counts.data.shape == (2, *GEOM.data_shape[1:])
    high = SpatialResiduals.from_datasets(
        datasets, kernel="point-source", energy_min=edges[1]
    )
    assert_allclose(both.sqrt_ts.data[1], high.sqrt_ts.data[0], atol=1e-9)
    # Below 2 TeV there is the second dataset alone.
    second = datasets["two"].counts.geom.data_shape
    assert both.mask.data[0].sum() == second[1] * second[2]


def test_uniform_field_stays_uniform_at_borders():
    dataset = make_dataset()
    dataset.mask_safe.data[:, 5:9, :11] = False
    dataset.counts.data = dataset.counts.data + 0.5
    result = SpatialResiduals.from_datasets(dataset, kernel="point-source")
    diff = result.residual("diff/model").data[result.mask.data]
    assert_allclose(diff, 0.5 / 3, rtol=1e-9)


def test_reads_back(tmp_path, datasets):
    residuals = SpatialResiduals.from_datasets(datasets, kernel="point-source")
    residuals.write(tmp_path / "residuals.fits")
    other = SpatialResiduals.read(tmp_path / "residuals.fits")
    assert other.kernel == "point-source"
    assert other.to_dict() == residuals.to_dict()


def test_bad_input():
    dataset = make_dataset()
    dataset.exposure = None
    with pytest.raises(ValueError, match="'one' has no exposure"):
        SpatialResiduals.from_datasets(dataset, kernel="point-source")
    dataset = make_dataset(exposure=0)
    with pytest.raises(ValueError, match="predicts no counts.*'one'"):
        SpatialResiduals.from_datasets(dataset, kernel="point-source")
    for amplitude in (-1e-12, 0, np.nan):
        spectrum = models.PowerLawSpectralModel()
        spectrum.amplitude.value = amplitude
        kernel = models.SkyModel(spectrum, models.PointSpatialModel())
        with pytest.raises(ValueError, match=f"with amplitude {amplitude:.3g}"):
            SpatialResiduals.from_datasets(make_dataset(), kernel=kernel)
    with pytest.raises(ValueError, match="Invalid kernel: 'point'.*'point-source'"):
        SpatialResiduals.from_datasets(make_dataset(), kernel="point")

    template = models.SkyModel(
        INDEX_2, models.TemplateSpatialModel(make_dataset().exposure), name="t"
    )
    with pytest.raises(ValueError, match="'t' has a TemplateSpatialModel"):
        SpatialResiduals.from_datasets(make_dataset(), kernel=template)

    on_off = MapDatasetOnOff.from_map_dataset(
        make_dataset(), acceptance=1, acceptance_off=2
    )
    on_off.counts_off = on_off.counts.copy()
    with pytest.raises(ValueError, match="On-off datasets need the kernel 'tophat'"):
        SpatialResiduals.from_datasets(on_off, kernel="point-source")
