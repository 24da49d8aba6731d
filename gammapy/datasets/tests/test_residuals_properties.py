# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What must hold for the residuals of any datasets."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import MapDataset, SpatialResiduals, SpectralResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.stats.residuals import RESIDUAL_METHODS, compute_residuals

AXIS = MapAxis.from_energy_edges([1, 2, 5, 10] * u.TeV, name="energy")
GEOM = WcsGeom.create(npix=(7, 5), binsz=0.1, axes=[AXIS])
SHAPE = tuple(int(n_pixels) for n_pixels in GEOM.data_shape)
KERNELS = ["tophat", "gauss", None]

COUNTS = hnp.arrays(int, SHAPE, elements=st.integers(0, 30))
MODEL = hnp.arrays(float, SHAPE, elements=st.floats(0.1, 50))
MASK = hnp.arrays(bool, SHAPE).filter(np.any)
PROFILE = settings(deadline=None, max_examples=50, derandomize=True)


def make_dataset(counts, background, mask=None, name="dataset"):
    """Dataset without sources."""
    return MapDataset(
        counts=Map.from_geom(GEOM, data=counts),
        background=Map.from_geom(GEOM, data=background),
        mask_fit=None if mask is None else Map.from_geom(GEOM, data=mask),
        name=name,
    )


def both_residuals(datasets, kernel):
    """All residual maps and spectra, as one list of arrays."""
    options = {"kernel": kernel, "correlation_radius": "0.15 deg"}
    spatial = SpatialResiduals.from_datasets(datasets, **options)
    spectral = SpectralResiduals.from_datasets(datasets)
    arrays = [spatial.residual(method).data for method in RESIDUAL_METHODS]
    for method in RESIDUAL_METHODS:
        table = spectral.to_table(method)
        arrays += [np.array(table[name]) for name in ("residual", "residual_errp")]
    return arrays


def assert_same(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        assert_allclose(array, other, rtol=1e-7, atol=1e-7)


@PROFILE
@given(MODEL, MASK, st.sampled_from(KERNELS))
def test_zero_where_counts_equal_the_model(model, mask, kernel):
    dataset = make_dataset(model, model, mask)
    residuals = SpatialResiduals.from_datasets(
        dataset, kernel=kernel, correlation_radius="0.15 deg"
    )
    assert residuals.mask.data[0].tolist() == mask.any(axis=0).tolist()
    for method in RESIDUAL_METHODS:
        image = residuals.residual(method).data
        image_used = image[residuals.mask.data]
        if method == "significance" and kernel == "gauss":
            # Half of the noise of skewed sums is below the mean: it is g / 6 there.
            assert (image_used > -1e-9).all() and (image_used < 0.5).all()
        else:
            # FFT sums of counts and of the model differ by rounding alone.
            assert_allclose(image_used, 0, atol=1e-9)
        assert np.isnan(image[~residuals.mask.data]).all()
        values = SpectralResiduals.from_datasets(dataset).to_table(method)["residual"]
        assert_allclose(values[np.isfinite(values)], 0, atol=1e-9)
        assert np.isnan(values).tolist() == (~mask.any(axis=(1, 2))).tolist()


@PROFILE
@given(COUNTS, COUNTS, MODEL, MODEL, st.sampled_from(KERNELS))
def test_joint_is_the_residual_of_the_sum(one, two, model_one, model_two, kernel):
    datasets = [make_dataset(one, model_one), make_dataset(two, model_two, name="two")]
    total = make_dataset(one + two, model_one + model_two)
    assert_same(both_residuals(datasets, kernel), both_residuals(total, kernel))


@PROFILE
@given(COUNTS, COUNTS, MODEL, MASK, MASK, st.sampled_from(KERNELS))
def test_order_does_not_matter(one, two, model, mask_one, mask_two, kernel):
    datasets = [
        make_dataset(one, model, mask_one),
        make_dataset(two, model[::-1], mask_two, name="two"),
    ]
    result = both_residuals(datasets, kernel)
    assert_same(both_residuals(datasets[::-1], kernel), result)


@PROFILE
@given(COUNTS, MODEL, MASK, st.sampled_from(KERNELS))
def test_what_is_masked_has_no_effect(counts, model, mask, kernel):
    expected = both_residuals(make_dataset(counts, model, mask), kernel)
    others = np.where(mask, counts, np.nan), np.where(mask, model, np.inf)
    assert_same(both_residuals(make_dataset(*others, mask), kernel), expected)


@PROFILE
@given(COUNTS, MODEL)
def test_energy_groups_are_residuals_of_their_range(counts, model):
    dataset = make_dataset(counts, model)
    groups = SpatialResiduals.from_datasets(dataset, energy_edges=AXIS.edges[[0, 2, 3]])
    for idx, (low, high) in enumerate([(0, 2), (2, 3)]):
        alone = SpatialResiduals.from_datasets(
            dataset, energy_min=AXIS.edges[low], energy_max=AXIS.edges[high]
        )
        assert_same([groups.sqrt_ts.data[idx]], [alone.sqrt_ts.data[0]])


@PROFILE
@given(st.integers(0, 10**6), st.floats(1e-3, 1e6))
def test_residuals_grow_with_the_counts(counts, npred):
    for method in RESIDUAL_METHODS:
        low, high = compute_residuals([counts, counts + 1], npred, method)
        assert low < high
        assert np.sign(low) == np.sign(counts - npred)
