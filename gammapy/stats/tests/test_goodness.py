# Licensed under a 3-clause BSD style license - see LICENSE.rst
from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm, poisson
from gammapy.stats import wstat
from gammapy.stats.goodness import (
    MU_SERIES,
    SERIES,
    StatMoments,
    cash_moments,
    cash_weighted_moments,
    sum_p_value,
    wstat_moments,
)
from gammapy.utils.testing import check_bad_input


def exact_moments(mu, n_digits=40):
    """Moments with many digits, from the recursion of the Poisson distribution."""
    with localcontext() as context:
        context.prec = n_digits
        mu = Decimal(mu)
        width = mu.sqrt()
        first = max(0, int(mu - 11 * width - 15))
        last = int(mu + 12 * width + 40)
        # Relative to the first term; the sum of all is 1.
        term, terms = Decimal(1), []
        for n in range(first, last):
            log = n * (n / mu).ln() if n else Decimal(0)
            terms.append((term, 2 * (mu - n + log)))
            term = term * mu / (n + 1)
        total = sum(weight for weight, _stat in terms)
        mean = sum(weight * stat for weight, stat in terms) / total
        moments = [
            sum(weight * (stat - mean) ** power for weight, stat in terms) / total
            for power in (2, 3)
        ]
        return [float(value) for value in (mean, *moments)]


@pytest.mark.parametrize(
    "mu", ["1e-12", "1e-6", "0.01", "0.3", "1", "2.5", "7", "30", "299", "301"]
)
def test_cash_moments(mu):
    assert_allclose(np.ravel(cash_moments(float(mu))), exact_moments(mu), rtol=1e-10)


@pytest.mark.long
@pytest.mark.parametrize("mu", ["0.1", "12.3", "150", "1000", "12345"])
def test_cash_moments_more(mu):
    assert_allclose(np.ravel(cash_moments(float(mu))), exact_moments(mu), rtol=1e-10)


def test_cash_moments_large():
    """Beyond the sums the first term of the series that is left out bounds the error.

    The coefficients of the next order are those of `series`.
    """
    mu = 10.0 ** np.arange(3, 13)
    moments = cash_moments(mu)
    for values, limit, slope in zip(moments, (1, 2, 8), (1 / 6, 2 / 3, 4), strict=True):
        assert_allclose(values, limit + slope / mu, rtol=1e-8 + 2 / mu[0] ** 2)
        assert_allclose(values[5:], limit + slope / mu[5:], rtol=1e-14)
    assert 68919.2 / 8 / MU_SERIES**7 < 1e-12


def test_cash_moments_shape():
    mu = np.array([[1e-3, 400.0, 5.0], [2.0, 0.0, 1e9]])
    moments = cash_moments(mu)
    assert moments.mean.shape == (2, 3)
    for idx in np.ndindex(mu.shape):
        alone = cash_moments(mu[idx])
        assert_allclose(
            [moment[idx] for moment in moments], np.ravel(alone), rtol=1e-12
        )
    assert [moment[1, 1] for moment in moments] == [0, 0, 0]


def multiply(first, second, order):
    product = [Fraction(0)] * (order + 1)
    for i, left in enumerate(first):
        for j, right in enumerate(second[: order + 1 - i]):
            product[i + j] += left * right
    return product


def series(order):
    """Coefficients of the series in 1 / mu, with fractions."""
    highest = 2 * order + 10
    # Central moments of the Poisson distribution as polynomials in mu.
    central = [[Fraction(1)], [Fraction(0)]]
    for k in range(1, highest):
        polynomial = [Fraction(0)] * (k + 2)
        for j in range(k):
            for power, value in enumerate(central[j]):
                polynomial[power + 1] += comb(k, j) * value
        central.append(polynomial)
    # C / mu in powers of y = (n - mu) / mu: 2 [(1 + y) ln(1 + y) - y].
    cash = [Fraction(0)] * 2
    cash += [Fraction(2 * (-1) ** k, k * (k - 1)) for k in range(2, highest + 1)]
    raw, product = [], [Fraction(1)]
    for number in (1, 2, 3):
        product = multiply(product, cash, highest)
        coefficients = [Fraction(0)] * (order + 1)
        for k, factor in enumerate(product):
            for power, value in enumerate(central[k]):
                if 0 <= k - power - number <= order:
                    coefficients[k - power - number] += factor * value
        raw.append(coefficients)
    first, second, third = raw
    square = multiply(first, first, order)
    cube = multiply(square, first, order)
    cross = multiply(first, second, order)
    variance = [a - b for a, b in zip(second, square, strict=True)]
    skew = [a - 3 * b + 2 * c for a, b, c in zip(third, cross, cube, strict=True)]
    return first, variance, skew


def test_series():
    for expected, coefficients in zip(series(6), SERIES, strict=True):
        assert_allclose(coefficients, [float(value) for value in expected], rtol=1e-15)


def test_of_sample():
    values = np.random.default_rng(0).gamma(2, size=(100_000, 2))
    moments = StatMoments.of_sample(values)
    assert_allclose(moments.mean, 2, rtol=0.02)
    assert_allclose(moments.variance, 2, rtol=0.03)
    assert_allclose(moments.third, 4, rtol=0.1)


def test_wstat_moments():
    """From the sum over all pairs of counts."""
    mu_sig, mu_bkg, alpha = 2.0, 6.0, 0.5
    n_on, n_off = np.meshgrid(np.arange(40), np.arange(50))
    stat = wstat(n_on, n_off, alpha, mu_sig)
    weight = poisson.pmf(n_on, mu_sig + alpha * mu_bkg) * poisson.pmf(n_off, mu_bkg)
    mean = np.sum(weight * stat)
    variance = np.sum(weight * (stat - mean) ** 2)
    moments = wstat_moments(mu_sig, [mu_bkg], alpha, n_toys=100_000)
    assert_allclose(moments.mean, mean, rtol=0.02)
    assert_allclose(moments.variance, variance, rtol=0.04)
    assert_allclose(wstat_moments([0.0], 1e4, 1, n_toys=20_000).mean, 1, rtol=0.04)


def test_cash_weighted_moments():
    npred = np.array([[3.0, 0.0, 40.0], [0.0, 8.0, 80.0]])
    moments = cash_weighted_moments(npred, [1.0, 0.25], n_toys=50_000)
    # One weight alone makes no difference.
    exact = cash_moments([3.0, 8.0])
    assert_allclose(moments.mean[:2], exact.mean, rtol=0.03)
    assert_allclose(moments.variance[:2], exact.variance, rtol=0.06)
    assert_allclose(moments.mean[2], 1, rtol=0.03)


def test_p_value_of_chi2():
    """Which has such a distribution itself; and the normal one, which is its limit."""
    n_dof = np.array([1.0, 7.0, 300.0])
    moments = StatMoments(n_dof, 2 * n_dof, 8 * n_dof)
    for sigma in (-1, 0, 3, 8):
        stat = n_dof + sigma * np.sqrt(2 * n_dof)
        assert_allclose(sum_p_value(stat, moments), chi2.sf(stat, n_dof), rtol=1e-9)
    no_skew = StatMoments(10.0, 4.0, 0.0)
    assert_allclose(sum_p_value(16.0, no_skew), norm.sf(3), rtol=1e-12)
    assert np.isnan(sum_p_value(1.0, StatMoments(0.0, 0.0, 0.0)))


def tail_rates(mu, n_toys, limits, seed=1):
    """Rates of p-values below the limits, for sums over Poisson counts."""
    moments = StatMoments(*(np.sum(moment) for moment in cash_moments(mu)))
    random = np.random.default_rng(seed)
    p_values = []
    for _part in range(n_toys // 10_000):
        n = random.poisson(mu, (10_000, len(mu)))
        stat = np.zeros(n.shape)
        np.log(n / mu, out=stat, where=n > 0)
        p_values.append(sum_p_value(np.sum(2 * (mu - n + n * stat), axis=1), moments))
    return [np.mean(np.ravel(p_values) < limit) for limit in limits]


def test_tails_of_sums():
    """Exact Poisson counts: the rate of small p-values is right."""
    rates = tail_rates(np.linspace(10, 25, 30), 100_000, (0.1, 0.01, 1e-3))
    assert_allclose(rates, (0.1, 0.01, 1e-3), rtol=0.2)
    # Many cells of few counts, of which most are empty.
    rates = tail_rates(np.full(300, 0.05), 50_000, (0.1, 0.01))
    assert_allclose(rates, (0.1, 0.01), rtol=0.15)


@pytest.mark.long
@pytest.mark.parametrize(
    ("mu", "n_toys"),
    [
        (np.linspace(10, 20, 12), 4_000_000),
        (np.geomspace(10, 1000, 100), 1_000_000),
        (np.full(1000, 0.1), 200_000),
    ],
)
def test_far_tails_of_sums(mu, n_toys):
    limits = np.array([0.1, 0.01, 1e-3, 1e-4, 1e-5])
    limits = limits[limits * n_toys > 30]
    ratios = tail_rates(mu, n_toys, limits) / limits
    errors = 3 / np.sqrt(limits * n_toys)
    assert np.all(abs(ratios - 1) < 0.2 + errors)


def test_bad_input():
    check_bad_input(lambda: cash_moments([1, -2]), ValueError, "npred", "-2")
    check_bad_input(lambda: cash_moments(np.nan), ValueError, "npred", "nan")
    check_bad_input(lambda: cash_moments("a"), TypeError, "npred")
    check_bad_input(lambda: wstat_moments([1, 2], [1, 2, 3], 1), ValueError, "mu_bkg")
    check_bad_input(lambda: wstat_moments(1, 1, 1, n_toys=1), ValueError, "n_toys")
    check_bad_input(
        lambda: cash_weighted_moments([1.0], [1.0]), ValueError, "weights", "(1,)"
    )
