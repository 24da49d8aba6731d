# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.stats.on_off_moments import N_NODES, groups_from_moments
from gammapy.stats.on_off_profile import compute_sqrt_ts_on_off_groups

SHAPE = (300, 60)


def log_uniform(low, high):
    return lambda rng: np.exp(rng.uniform(np.log(low), np.log(high), SHAPE))


ALPHAS = {
    "one": lambda rng: np.full(SHAPE, 0.3),
    "zero": lambda rng: np.zeros(SHAPE),
    "two": lambda rng: rng.choice([1, 0.02], SHAPE),
    "five": lambda rng: rng.choice([0, 0.02, 0.1, 0.3, 1], SHAPE),
    "nearly one": lambda rng: 0.3 * (1 + 1e-6 * rng.standard_normal(SHAPE)),
    "narrow": lambda rng: 0.3 * (1 + 1e-3 * rng.standard_normal(SHAPE)),
    "uniform": lambda rng: rng.uniform(0.02, 1, SHAPE),
    "log": log_uniform(0.02, 1),
    "small": log_uniform(1e-6, 1e-5),
}


def draw_off_counts(name, mean, seed):
    rng = np.random.default_rng(seed)
    alpha = ALPHAS[name](rng)
    return rng.poisson(mean / SHAPE[1], SHAPE).astype(float), alpha


def groups_of(k, alpha):
    moments = np.array([np.sum(k * alpha**p, axis=1) for p in range(2 * N_NODES)])
    return moments, groups_from_moments(moments, alpha.min(axis=1), alpha.max(axis=1))


@pytest.mark.parametrize("name", ALPHAS)
@pytest.mark.parametrize("mean", [3, 50, 1e6])
def test_significance_is_that_of_all_groups(name, mean):
    """Against the sums over all pixels, from deficits to excesses of 5 sigma."""
    k, alpha = draw_off_counts(name, mean, seed=5)
    moments, (counts_off, few_alpha) = groups_of(k, alpha)
    assert_allclose(counts_off.sum(axis=1), moments[0])
    for p in (1, 2):
        found = np.sum(counts_off * few_alpha**p, axis=1)
        assert_allclose(found, moments[p], rtol=1e-6)
    assert np.all(few_alpha.max(axis=1) == alpha.max(axis=1))

    npred = moments[1] + 2.0
    width = np.sqrt(npred + moments[2])
    for sigma in (-4, 0, 2, 5):
        n = np.maximum(np.round(npred + sigma * width), 0)
        exact = compute_sqrt_ts_on_off_groups(n, k, alpha, 2.0)
        found = compute_sqrt_ts_on_off_groups(n, counts_off, few_alpha, 2.0)
        assert_allclose(found, exact, atol=1e-3)


@pytest.mark.parametrize("name", ALPHAS)
@pytest.mark.parametrize("mean", [3, 50, 1e6])
def test_far_excesses(name, mean):
    """To 0.3 percent where the significance is large."""
    k, alpha = draw_off_counts(name, mean, seed=6)
    moments, (counts_off, few_alpha) = groups_of(k, alpha)
    npred = moments[1] + 2.0
    for sigma in (8, 15, 40):
        n = np.round(npred + sigma * np.sqrt(npred + moments[2]))
        exact = compute_sqrt_ts_on_off_groups(n, k, alpha, 2.0)
        found = compute_sqrt_ts_on_off_groups(n, counts_off, few_alpha, 2.0)
        assert_allclose(found, exact, rtol=4e-3)


def test_without_off_counts_the_range_is_left():
    k, alpha = np.zeros((1, 2)), np.array([[0.5, 0.1]])
    _moments, (counts_off, few_alpha) = groups_of(k, alpha)
    assert counts_off.sum() == 0
    sqrt_ts = compute_sqrt_ts_on_off_groups(5, counts_off, few_alpha, 0)
    assert_allclose(sqrt_ts, (10 * np.log(3)) ** 0.5)


def test_no_input_is_modified():
    moments = np.ones((2 * N_NODES, 3))
    groups_from_moments(moments, np.ones(3), np.ones(3))
    assert np.all(moments == 1)
