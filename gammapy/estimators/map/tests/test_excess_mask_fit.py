# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator
from gammapy.irf import EDispKernelMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.stats import WStatCountsStatistic

AXIS = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4)
GEOM = WcsGeom.create(npix=(41, 37), binsz=0.02, axes=[AXIS])
RADIUS = 0.11 * u.deg
#: Pixel (row, column) that is summed by hand
PIXEL = (11, 25)
BACKGROUND = np.array([8.0, 4.0, 2.0, 1.0]).reshape(-1, 1, 1)


def make_dataset(kind="cash", mask_fit=None, bad_bin=True):
    """Noise, with the model wildly wrong in the first energy bin."""
    rng = np.random.default_rng(42)
    axis_true = AXIS.copy(name="energy_true")
    exposure = Map.from_geom(GEOM.to_image().to_cube([axis_true]), unit="cm2 s")
    exposure.data += 1e11 * np.array([1, 2, 4, 8]).reshape(-1, 1, 1)
    expected = Map.from_geom(GEOM, data=np.ones(GEOM.data_shape) * BACKGROUND)
    kwargs = {
        "name": "field",
        "counts": Map.from_geom(GEOM, data=rng.poisson(expected.data)),
        "exposure": exposure,
        "edisp": EDispKernelMap.from_diagonal_response(AXIS, axis_true),
        "mask_safe": Map.from_geom(GEOM, data=np.ones(GEOM.data_shape, bool)),
        "mask_fit": mask_fit,
    }
    wrong = expected.copy()
    if bad_bin:
        wrong.data[0] *= 0.2
    if kind == "cash":
        return MapDataset(background=wrong, **kwargs)
    counts_off = rng.poisson(5 * expected.data)
    acceptance_off = 5 * expected.data
    if bad_bin:
        counts_off[0] //= 5
    return MapDatasetOnOff(
        counts_off=Map.from_geom(GEOM, data=counts_off),
        acceptance=expected.copy(),
        acceptance_off=Map.from_geom(GEOM, data=acceptance_off),
        **kwargs,
    )


def above(energy):
    return GEOM.energy_mask(energy_min=u.Quantity(energy))


def ragged():
    """Without the first bin, each pixel row starts at another energy; and a hole."""
    mask = above("3 TeV").copy()
    mask.data[1, :18] = False
    mask.data[1:3, :6] = False
    mask.data[:, 20:25, 20:25] = False
    return mask


def in_disc():
    row, column = np.indices(GEOM.data_shape[1:])
    distance = np.hypot(row - PIXEL[0], column - PIXEL[1])
    return distance * 0.02 * u.deg < RADIUS


def model():
    return SkyModel(
        PowerLawSpectralModel(amplitude="1e-8 cm-2 s-1 TeV-1"),
        GaussianSpatialModel(sigma="0.1 deg"),
        name="source",
    )


@pytest.mark.parametrize("kind", ["cash", "wstat"])
@pytest.mark.parametrize("edges", [None, [1, 10, 100] * u.TeV])
def test_a_masked_bad_bin_changes_nothing(kind, edges):
    """It does not enter the sums."""
    masked = make_dataset(kind, mask_fit=above("3 TeV"))
    without = make_dataset(kind).slice_by_energy(3 * u.TeV, 101 * u.TeV)
    estimator = ExcessMapEstimator(RADIUS, energy_edges=edges)
    result = estimator.run(masked)["sqrt_ts"].data
    if edges is not None:
        edges = [3.16, 10, 100] * u.TeV
    expected = ExcessMapEstimator(RADIUS, energy_edges=edges).run(without)
    assert abs(np.nanmean(result) - np.nanmean(expected["sqrt_ts"].data)) < 0.1
    assert_allclose(result, expected["sqrt_ts"].data, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["cash", "wstat"])
@pytest.mark.parametrize("mask", [above("3 TeV"), ragged()])
def test_sums_by_hand(kind, mask):
    dataset = make_dataset(kind, mask_fit=mask)
    dataset.mask_safe.data[2, :, :12] = False
    used = mask.data & dataset.mask_safe.data
    result = ExcessMapEstimator(RADIUS).run(dataset)
    values = {
        name: result[name].data[0][PIXEL]
        for name in ("counts", "npred_background", "npred_excess")
    }
    selected = used & in_disc()
    counts = dataset.counts.data[selected].sum()
    background = dataset.background.data[selected].sum()
    assert_allclose(values["counts"], counts)
    assert_allclose(values["npred_background"], background, rtol=1e-6)
    assert_allclose(values["npred_excess"], counts - background, rtol=1e-5)
    # Only pixels with no bin at all are outside.
    outside = np.isnan(result["counts"].data[0])
    assert (outside == ~used.any(axis=0)).all()


@pytest.mark.parametrize("kind", ["cash", "wstat"])
def test_flux_of_masked_energies(kind):
    masked = make_dataset(kind, mask_fit=above("3 TeV"))
    without = make_dataset(kind).slice_by_energy(3 * u.TeV, 101 * u.TeV)
    norm = ExcessMapEstimator(RADIUS).run(masked)["norm"]
    expected = ExcessMapEstimator(RADIUS).run(without)["norm"]
    assert_allclose(norm.data, expected.data, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["cash", "wstat"])
def test_models_of_masked_energies(kind):
    masked = make_dataset(kind, mask_fit=ragged())
    masked.models = [model(), FoVBackgroundModel(dataset_name="field")][
        : 1 if kind == "wstat" else 2
    ]
    before = masked.npred_signal().data.copy()
    result = ExcessMapEstimator(RADIUS).run(masked)["npred_excess"]
    # The same with the signal subtracted by hand
    without = make_dataset(kind, mask_fit=ragged())
    excess = ExcessMapEstimator(RADIUS).run(without)["npred_excess"]
    signal = before[ragged().data & in_disc()].sum()
    assert signal > 50
    if kind == "cash":
        difference = (excess - result).data[0][PIXEL]
        assert_allclose(difference, signal, rtol=1e-6)
    else:
        statistic = ExcessMapEstimator(RADIUS).run(masked)["ts"].data[0][PIXEL]
        selected = ragged().data & in_disc()
        on, off = (
            cube.data[selected].sum() for cube in (masked.counts, masked.counts_off)
        )
        alpha = masked.background.data[selected].sum() / off
        by_hand = WStatCountsStatistic(on, off, alpha, mu_sig=signal)
        assert_allclose(statistic, by_hand.ts, rtol=1e-5)


@pytest.mark.parametrize("kind", ["cash", "wstat"])
def test_nan_in_masked_bins(kind):
    mask = ragged()
    dataset, clean = (make_dataset(kind, mask_fit=mask) for _ in range(2))
    names = ["counts", "background"] if kind == "cash" else ["counts_off", "acceptance"]
    for name in names:
        data = getattr(dataset, name).data.astype(float)
        data[~mask.data] = np.nan
        setattr(dataset, name, Map.from_geom(GEOM, data=data))
    results = [
        ExcessMapEstimator(RADIUS).run(given)["sqrt_ts"] for given in (dataset, clean)
    ]
    np.testing.assert_equal(results[0].data, results[1].data)


@pytest.mark.parametrize("kind", ["cash", "wstat"])
def test_the_dataset_is_not_changed(kind):
    dataset = make_dataset(kind, mask_fit=ragged())
    dataset.models = [model()]
    dataset.npred_signal()
    maps = {name: getattr(dataset, name).copy() for name in ("counts", "mask_safe")}
    mask_fit, models, evaluators = dataset.mask_fit, dataset.models, dataset.evaluators
    ExcessMapEstimator(RADIUS).run(dataset)
    for name, values in maps.items():
        assert (getattr(dataset, name).data == values.data).all()
    assert dataset.mask_fit is mask_fit and dataset.models is models
    assert (mask_fit.data == ragged().data).all()
    assert dataset.evaluators is evaluators


def test_no_mask_at_all():
    dataset = make_dataset(mask_fit=above("3 TeV"))
    dataset.mask_safe = None
    result = ExcessMapEstimator(RADIUS).run(dataset)["sqrt_ts"].data
    assert abs(np.nanmean(result)) < 0.3
