# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import norm
from gammapy.stats.residuals import compute_sqrt_ts
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted


def gauss(n_effective, width=2.0):
    """Weights of a Gaussian and predicted counts with M^2 / M2 as given."""
    y, x = np.mgrid[-10:11, -10:11]
    weights = np.exp(-0.5 * (x**2 + y**2) / width**2).ravel()
    npred = n_effective * np.sum(weights**2) / np.sum(weights) ** 2
    return weights, np.full(weights.size, npred)


def by_hand(weighted_counts, weights, npred):
    """The formula, one value at a time, with a root from scipy."""
    derivative = [
        lambda t, k=k: np.sum(npred * weights**k * np.exp(t * weights)) for k in (1, 2)
    ]
    limit = 300 / weights.max()
    t = brentq(lambda t: derivative[0](t) - weighted_counts, -limit, limit, xtol=1e-13)
    half_ts = t * weighted_counts - np.sum(npred * np.expm1(t * weights))
    r = np.sign(t) * np.sqrt(2 * half_ts)
    return r + np.log(t * np.sqrt(derivative[1](t)) / r) / r


@pytest.mark.parametrize("scale", [1, 0.2])
def test_equal_weights_give_cash(scale):
    random = np.random.default_rng(0)
    weights = random.integers(0, 2, (30, 12)) * 1.0
    npred = random.uniform(0, 3, (30, 12))
    counts = random.poisson(npred)
    n, m = (np.sum(weights * values, axis=-1) for values in (counts, npred))
    result = compute_sqrt_ts_weighted(scale * n, scale * weights, npred)
    assert_allclose(result, compute_sqrt_ts(n, m), rtol=1e-9, atol=1e-12)
    expected = np.sign(n - m) * np.sqrt(2 * (n * np.log(np.maximum(n, 1) / m) - n + m))
    assert_allclose(result, expected, rtol=1e-7)


@pytest.mark.parametrize("n_effective", [5, 14, 140, 1e4, 1e8])
def test_against_the_formula(n_effective):
    weights, npred = gauss(n_effective)
    mean, width = np.sum(weights * npred), np.sqrt(np.sum(weights**2 * npred))
    sums = np.array([mean + x * width for x in (-1.9, -1, -0.2, 0.3, 1, 3, 6)])
    expected = [by_hand(value, weights, npred) for value in sums]
    result = compute_sqrt_ts_weighted(sums, weights, npred)
    # The blend with r is over when the sum has a few counts.
    assert_allclose(result, expected, atol=0.01 if n_effective == 5 else 1e-6)
    # The unit of the weights has no meaning.
    result = compute_sqrt_ts_weighted(sums * 1e-9, weights * 1e-9, npred)
    assert_allclose(result, expected, atol=0.01 if n_effective == 5 else 1e-6)


def test_digits_near_the_mean():
    weights, npred = gauss(1e4)
    mean, second, third, fourth = (np.sum(weights**k * npred) for k in (1, 2, 3, 4))
    skewness, kurtosis = third / second**1.5, fourth / second**2
    x = np.array([-1e-3, -1e-6, 0, 1e-6, 1e-3])
    result = compute_sqrt_ts_weighted(mean + x * np.sqrt(second), weights, npred)
    expected = x * (1 + kurtosis / 8 - 7 * skewness**2 / 36) - skewness * x**2 / 6
    assert_allclose(result - skewness / 6, expected, rtol=1e-5, atol=1e-13)
    # No step where the series ends, t of 1e-4 in units of 1 / (largest weight).
    x = np.linspace(0.5e-4, 2e-4, 50) * np.sqrt(second)
    result = compute_sqrt_ts_weighted(mean + x * np.sqrt(second), weights, npred)
    assert_allclose(np.diff(result), np.diff(x), rtol=1e-3)


@pytest.mark.parametrize("n_effective", [0.05, 0.5, 3, 5, 30])
def test_grows_with_the_sum_from_its_lowest_value(n_effective):
    weights, npred = gauss(n_effective)
    sums = np.concatenate([[0], np.geomspace(1e-17, 50, 500)]) * n_effective
    result = compute_sqrt_ts_weighted(sums, weights, npred)
    assert (np.diff(result) > -1e-12).all()
    assert_allclose(norm.cdf(result[0]), np.exp(-np.sum(npred)) / 2, rtol=1e-6)
    assert_allclose(result[1], result[0], atol=2e-3)


def test_one_count_over_nothing():
    weights, _ = gauss(1)
    result = compute_sqrt_ts_weighted(1.0, weights, np.full(weights.size, 1e-12))
    assert_allclose(result, 7.3, atol=0.1)


def test_tails_of_few_counts():
    """Rates above and below 3 sigma, M^2 / M2 = 5, from a million sums."""
    weights, npred = gauss(5)
    values, inverse = np.unique(np.round(weights, 9), return_inverse=True)
    rates = np.bincount(inverse, npred)
    random = np.random.default_rng(0)
    sums = random.poisson(rates, (200_000, rates.size)) @ values
    grid = np.linspace(0, sums.max(), 2000)
    sqrt_ts = np.interp(sums, grid, compute_sqrt_ts_weighted(grid, values, rates))
    assert_allclose([sqrt_ts.mean(), sqrt_ts.std()], [0, 1], atol=0.01)
    for tail in (sqrt_ts > 3, sqrt_ts < -3):
        assert_allclose(tail.mean() / norm.sf(3), 1, atol=0.25)


def test_shapes_broadcast():
    weights, npred = gauss(10)
    sums = np.arange(1, 7).reshape(2, 3) * 4.0
    result = compute_sqrt_ts_weighted(sums, weights, npred)
    assert result.shape == (2, 3)
    one = compute_sqrt_ts_weighted(sums[1, 2], weights, npred)
    assert one.shape == () and one == result[1, 2]
    norms = np.array([[1.0], [2.0], [3.0]])
    result = compute_sqrt_ts_weighted(sums, weights, npred * norms)
    assert_allclose(
        result[1, 2], compute_sqrt_ts_weighted(24, weights, 3 * npred), rtol=1e-12
    )
    assert compute_sqrt_ts_weighted(np.zeros((0, 3)), 1, [1.0]).shape == (0, 3)


def test_edges(caplog):
    weights = [1, 0.5, 0]
    sums = [0, 2, np.nan, 2, 2, -1]
    npred = np.ones((6, 3))
    npred[:2, :2] = 0
    npred[3, 1] = np.nan
    npred[4, 1] = -0.1
    npred[5, 2] = -5
    result = compute_sqrt_ts_weighted(sums, weights, npred)
    assert_allclose(result, [0, np.inf, np.nan, np.nan, np.nan, np.nan])
    assert "counts but no model" in caplog.text and "negative" in caplog.text
    # Without weight nothing counts, whatever the model.
    npred = [1, 1, np.nan]
    assert np.isfinite(compute_sqrt_ts_weighted(1, weights, npred))
    assert compute_sqrt_ts_weighted(0, [0, 0, 0], npred) == 0


def test_weights_of_both_signs():
    with pytest.raises(ValueError, match="weights must be finite, 0 or positive.*-1"):
        compute_sqrt_ts_weighted(1, [1, -1], [1, 1])
    with pytest.raises(ValueError, match="got 1.0 to inf"):
        compute_sqrt_ts_weighted(1, [1, np.inf], [1, 1])


def test_large_steps_do_not_overflow():
    weights = np.array([1.0, 1e-3])
    result = compute_sqrt_ts_weighted([1e8, 1e-30], weights, np.array([1e-12, 1e3]))
    assert np.isfinite(result).all()
    assert result[0] > 1e3 and result[1] < -40
