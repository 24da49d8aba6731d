# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Many datasets in the statistic with derivatives: memory, cutouts, their own norms."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, shape_parts
from gammapy.datasets.tests.test_shape_terms import (
    check_derivatives,
    draw,
    make_dataset,
    make_gauss,
    make_source,
    rich_datasets,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models
from gammapy.modeling.newton.quadratic import minimise_quadratic

SPARSE, DENSE = 2.0, -1.0


def make_runs(number, *, width=1.6, scale=0.3):
    """Cutouts around pointings, with a norm each and two common sources."""
    rng = np.random.default_rng(1)
    runs = Datasets()
    for idx in range(number):
        whole = make_dataset("whole", scale=scale * rng.uniform(0.5, 1.5))
        position = SkyCoord(*rng.uniform(-0.4, 0.4, size=2), unit="deg")
        runs.append(whole.cutout(position, width * u.deg, name=f"run-{idx}"))
    sources = [
        make_source("gauss", make_gauss(e=0.5, phi="30 deg")),
        make_source("round", make_gauss(lon_0="-0.3 deg", sigma="0.17 deg")),
    ]
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in runs.names]
    runs.models = Models([*sources, *backgrounds])
    return draw(runs)


def statistic_of(datasets):
    return datasets._smooth_statistic(datasets.parameters.free_parameters)


def image_parts(statistic):
    return [part for source in statistic.sources for part in source.parts]


def own_bytes(part):
    """Bytes of the arrays that a part holds and nobody else."""
    arrays = [value for value in vars(part).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays if array.base is None)


@pytest.mark.parametrize("share", [SPARSE, DENSE, shape_parts.DENSE])
def test_derivatives_of_cutouts(share, monkeypatch):
    monkeypatch.setattr(shape_parts, "DENSE", share)
    check_derivatives(make_runs(3))


def test_cutout_without_counts():
    """A dataset in which nothing was counted says what its exposure says."""
    datasets = make_runs(2)
    datasets[1].counts.data[...] = 0
    statistic = statistic_of(datasets)
    found = statistic.derivatives(statistic.values, second=True)
    assert found.is_finite
    assert_allclose(found.stat, datasets.stat_sum(), atol=1e-3, rtol=0)


def test_sums_of_32_bits_are_exact_enough(monkeypatch):
    """Looking at all pixels, or at those with counts alone, makes no difference."""
    datasets = rich_datasets()
    found = []
    for share in (SPARSE, DENSE):
        monkeypatch.setattr(shape_parts, "DENSE", share)
        statistic = statistic_of(datasets)
        values = statistic.values
        found.append(statistic.derivatives(values, second=True))
    one, two = found
    assert abs(one.stat - two.stat) < 1e-5
    errors = np.sqrt(2 / np.diag(two.fisher))
    assert_allclose(one.gradient * errors, two.gradient * errors, atol=1e-5)
    scales = np.outer(errors, errors)
    assert_allclose(one.hessian * scales, two.hessian * scales, atol=1e-4)


@pytest.mark.parametrize("share", [SPARSE, DENSE])
def test_memory_is_one_cutout(share, monkeypatch):
    """Above what the dataset has, for each source: 64 bits in true energy."""
    monkeypatch.setattr(shape_parts, "DENSE", share)
    datasets = make_runs(4, scale=0.02)
    statistic = statistic_of(datasets)
    statistic.derivatives(statistic.values, second=True)
    for part in image_parts(statistic):
        cutout = 8 * np.prod(part._exposure.shape)
        # Indices of bins and pixels, a few for each count.
        n_counts = datasets[part.number].counts.data.sum()
        assert own_bytes(part) < cutout + 40 * n_counts + 2000
        exposure = datasets[part.number].exposure.data
        assert np.shares_memory(part._exposure, exposure)


def test_memory_of_derivatives_grows_with_datasets_alone():
    """No array holds each bin of all datasets for each parameter of all of them."""
    statistic = statistic_of(make_runs(5))
    n_common = 12
    assert len(statistic.parameters) == n_common + 5
    for number, own in enumerate(statistic.touching):
        assert own.tolist() == [*range(n_common), n_common + number]


def test_exposure_that_is_no_number_outside_the_mask():
    datasets = make_runs(2)
    expected = statistic_of(datasets).stat()
    for dataset in datasets:
        outside = ~dataset.mask_safe.data.any(axis=0)
        dataset.exposure.data[:, outside] = np.nan
    assert_allclose(statistic_of(datasets).stat(), expected, rtol=1e-9)


def test_norms_of_many_datasets_are_eliminated():
    """The same as solving all equations, with a bound and without."""
    rng = np.random.default_rng(0)
    n_common, n_norms = 6, 80
    number = n_common + n_norms
    slopes = rng.normal(size=(n_norms, 4, n_common))
    matrix = np.zeros((number, number))
    for norm, common in enumerate(slopes, start=n_common):
        jacobian = np.zeros((4, number))
        jacobian[:, :n_common] = common / np.sqrt(n_norms)
        jacobian[:, norm] = rng.uniform(0.5, 1, size=4)
        matrix += jacobian.T @ jacobian
    gradient = rng.normal(size=number)
    far = np.full(number, 1e6)
    step = minimise_quadratic(gradient, matrix, -far, far)
    assert_allclose(matrix @ step, -gradient, atol=1e-10)
    low = np.where(np.arange(number) == number - 1, -1e-3, -far)
    step = minimise_quadratic(gradient, matrix, low, far)
    slope = matrix @ step + gradient
    held = step <= low
    assert_allclose(slope[~held], 0, atol=1e-10)
    assert (slope[held] > 0).all()


def test_fit_of_many_runs():
    """All norms of runs with the sources; at a minimum, with the errors of it."""
    datasets = make_runs(6)
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert_allclose(result.total_stat, datasets.stat_sum(), atol=1e-3)
    statistic = statistic_of(datasets)
    values = statistic.values
    free = datasets.parameters.free_parameters
    errors = np.array([par.error for par in free])
    found = statistic.derivatives(values, second=True)
    assert_allclose(found.gradient * errors, 0, atol=2e-3)
    exact = np.sqrt(np.diag(np.linalg.inv(found.hessian / 2)))
    assert_allclose(errors, exact, rtol=1e-4)
