# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq, minimize
from scipy.special import xlogy
from scipy.stats import norm, poisson
from gammapy.stats import WStatCountsStatistic
from gammapy.stats.on_off_profile import OnOffProfile, compute_sqrt_ts_on_off_groups
from gammapy.stats.residuals import (
    compute_residual_errors,
    compute_sqrt_ts,
    compute_sqrt_ts_on_off,
)


def joint_stat(b, n, k, a, s):
    """-2 ln likelihood of on and off counts, from the Poisson distribution."""
    mu = s + a @ b
    return 2 * (mu - xlogy(n, mu) + np.sum(b - xlogy(k, b)))


def minimised_ts(n, k, a, s):
    """Likelihood ratio from a minimisation over all backgrounds at once."""
    k, a = np.asarray(k, float), np.asarray(a, float)

    def stat(b):
        mu = s + a @ b
        return joint_stat(b, n, k, a, s), 2 * (a * (1 - n / mu) + 1 - k / b)

    bounds = [(1e-13, None)] * len(k)
    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000, "maxfun": 100_000}
    found = [
        minimize(
            stat, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options
        ).fun
        for start in (k + 0.1, (k + n) / (1 + a.sum()) + 0.1)
    ]
    return min(found) - 2 * (n - xlogy(n, n) + np.sum(k - xlogy(k, k)))


def random_inputs(size, seed=0):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(0, 60, (2, size))
    alpha = np.exp(rng.uniform(np.log(0.01), np.log(5), size))
    return n, k, alpha, rng.choice([0.0, 3.0, 20.0], size)


def test_equal_alphas_are_li_ma():
    n, k, alpha, signal = random_inputs(2000)
    expected = WStatCountsStatistic(n, k, alpha, signal)
    shares = k[:, np.newaxis] * [0.2, 0.5, 0.3, 0.0]
    profile = OnOffProfile(n, shares, alpha[:, np.newaxis], signal)
    assert_allclose(profile.ts, expected.ts, atol=1e-10)
    # Gammapy's TS is a difference of large terms, and so a sqrt_ts near 0 rough.
    is_clear = expected.ts > 0.01
    sqrt_ts = profile.sqrt_ts
    assert_allclose(sqrt_ts[is_clear], expected.sqrt_ts[is_clear], atol=1e-10)
    assert_allclose(profile.n_bkg, alpha * k)


@pytest.mark.parametrize("signal", [0.0, 6.0])
@pytest.mark.parametrize("alpha", [(1, 0.02), (0.5, 1 / 6, 3), (0.1, 0.2, 0.4)])
@pytest.mark.parametrize("seed", [1, 2])
def test_unequal_alphas_are_the_joint_minimum(alpha, signal, seed):
    alpha = np.array(alpha)
    rng = np.random.default_rng(seed)
    k = rng.poisson(6 / alpha)
    for n in (0, 3, 40):
        profile = OnOffProfile(n, k, alpha, signal)
        expected = minimised_ts(n, k, alpha, signal)
        assert_allclose(profile.ts, expected, atol=1e-6)
        assert np.sign(profile.sqrt_ts) == np.sign(n - signal - k @ alpha)
        # The backgrounds in closed form give the same statistic.
        x = 1 - n / (signal + profile.npred_background)
        stat = joint_stat(k / (1 + alpha * x), n, k, alpha, signal)
        free = 2 * (n - xlogy(n, n) + np.sum(k - xlogy(k, k)))
        assert_allclose(stat - free, expected, atol=1e-6)


def test_errors():
    n, k, alpha, signal = random_inputs(100)
    expected = WStatCountsStatistic(n, k, alpha, signal)
    profile = OnOffProfile(n, k[:, np.newaxis], alpha[:, np.newaxis], signal)
    assert_allclose(profile.compute_errn(), expected.compute_errn(), rtol=1e-8)
    assert_allclose(profile.compute_errp(2), expected.compute_errp(2), rtol=1e-8)

    # Without counts it is the equal alphas above that test the bound mu = 0.
    for n, k in ((12, [8, 90]), (4, [0, 90]), (30, [0, 10])):
        profile = OnOffProfile(n, k, alpha := np.array([1, 0.05]))
        best = n - alpha @ k
        for end in (best - profile.compute_errn(), best + profile.compute_errp()):
            assert_allclose(minimised_ts(n, k, alpha, float(end)), 1, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1e-12])
@pytest.mark.parametrize("n_sigma", [1, 3, 5])
def test_errors_without_background(alpha, n_sigma):
    """Where the off counts say nothing the errors are those of Poisson counts."""
    n = np.array([1.0, 9.0, 400.0])
    profile = OnOffProfile(n, np.zeros((3, 1)), np.full((3, 1), alpha))

    def difference(signal, counts):
        return 2 * (signal - counts - counts * np.log(signal / counts)) - n_sigma**2

    for sign, errors in (
        (-1, profile.compute_errn(n_sigma)),
        (1, profile.compute_errp(n_sigma)),
    ):
        for counts, error in zip(n, errors, strict=True):
            end = 1e-12 if sign < 0 else 10 * counts + 100
            signal = brentq(difference, end, counts, args=(counts,), xtol=1e-14)
            assert_allclose(error, sign * (signal - counts), rtol=1e-8)


def test_no_off_counts_of_the_largest_alpha():
    alpha, k = np.array([1, 0.02]), np.array([0, 50])
    # Few counts: the background of the first group is 0, and that group is not felt.
    few = compute_sqrt_ts_on_off_groups(2, k, alpha, 0)
    assert_allclose(few, WStatCountsStatistic(2, 50, 0.02).sqrt_ts)
    # Many: what the second group cannot explain is shared by on and off, mu = n / 2.
    many = OnOffProfile(20, k, alpha)
    assert_allclose(many.npred_background, 10)
    assert_allclose(many.ts, 2 * (20 * np.log(2) + 50 * np.log(0.98)))
    # The turn is at mu = n / 2 = 0.02 * 50 / (1 - 0.02), and nothing jumps there.
    turn = 2 / 0.98
    near = compute_sqrt_ts_on_off_groups(turn + np.array([-1e-7, 1e-7]), k, alpha, 0)
    assert_allclose(*near, atol=1e-6)
    for n in (2, 20):
        assert_allclose(
            OnOffProfile(n, k, alpha).ts, minimised_ts(n, k, alpha, 0), atol=1e-6
        )


def test_edges():
    def sqrt_ts(n, k, a, s):
        return compute_sqrt_ts_on_off_groups(n, k, a, s)

    assert sqrt_ts(0, [0, 0], [1, 0.1], 0) == 0
    # Without off counts the largest alpha alone matters.
    assert_allclose(sqrt_ts(5, [0, 0], [0.5, 0.1], 0), (10 * np.log(3)) ** 0.5)
    # Without counts ln(1 + a) is what an off count costs.
    cost = 7 * np.log(1.5) + 3 * np.log(1.1) + 2
    assert_allclose(sqrt_ts(0, [7, 3], [0.5, 0.1], 2), -((2 * cost) ** 0.5))
    # Alpha 0 says nothing: the model is the signal.
    for n in (0, 4, 30):
        expected = compute_sqrt_ts(n, 6.0)
        assert_allclose(sqrt_ts(n, [5, 0], [0, 0], 6), expected)
    assert sqrt_ts(4, [5, 1], [0, 0], 0) == np.inf
    # An infinite alpha without off counts allows any background.
    assert sqrt_ts(40, [5, 0], [0.1, np.inf], 6) == 0
    expected = sqrt_ts(1, [5, 0], [0.1, 0], 6)
    assert_allclose(sqrt_ts(1, [5, 0], [0.1, np.inf], 6), expected)
    for bad in (
        (4, [5, 1], [1, np.inf], 0),
        (np.nan, [1, 1], [1, 1], 0),
        (-1, [1, 1], [1, 1], 0),
        (4, [-1, 1], [1, 1], 0),
        (4, [1, 1], [-1, 1], 0),
        (4, [1, 1], [1, 1], np.nan),
    ):
        assert np.isnan(sqrt_ts(*bad))
        assert np.isnan(OnOffProfile(*bad).compute_errp())
    assert sqrt_ts(np.ones((3, 4)), np.ones((4, 2)), [1, 2], 0).shape == (3, 4)
    # The mean of counts that are explained exactly.
    assert sqrt_ts(8, [2, 10], [1, 0.1], 5) == 0


def test_huge_counts_keep_their_digits():
    alpha, sigma = np.array([0.5, 0.1]), 3
    for total in (1e12, 1e16):
        k = total * np.array([1, 4])
        n = k @ alpha
        width = np.sqrt(n + k @ alpha**2)
        sqrt_ts = compute_sqrt_ts_on_off_groups(n + sigma * width, k, alpha, 0)
        assert_allclose(sqrt_ts, sigma, rtol=1e-5)
    assert_allclose(
        compute_sqrt_ts_on_off_groups(1e6, [1e-9, 0], [0.1, 0.1], 0),
        (2e6 * np.log(11)) ** 0.5,
    )


def test_errors_of_residuals():
    """Those of one group are those of WStat."""
    counts, off, npred = np.array([9.0, 30.0]), np.array([8.0, 50.0]), [4.0, 25.0]
    profile = OnOffProfile(counts, off[:, np.newaxis], np.full((2, 1), 0.5))
    errors = compute_residual_errors(counts, npred, "diff", stat=profile)
    stat = WStatCountsStatistic(counts, off, np.full(2, 0.5))
    expected = stat.compute_errn(), stat.compute_errp()
    assert_allclose(errors, expected, rtol=1e-3)


def outcomes(alpha, counts, signal):
    """All outcomes that matter and their probability."""
    means = [signal + np.sum(counts), *(counts / alpha)]
    axes = [poisson(mean).ppf([1e-8, 1 - 1e-8]).astype(int) for mean in means]
    axes = [np.arange(low, high + 1) for low, high in axes]
    parts = [poisson(mean).pmf(axis) for mean, axis in zip(means, axes, strict=True)]
    probability = parts[0][:, None, None] * parts[1][:, None] * parts[2]
    used = np.nonzero(probability > 1e-11)
    n, *k = (axis[idx] for axis, idx in zip(axes, used, strict=True))
    return n, np.stack(k, axis=-1), probability[used]


def moments(sqrt_ts, probability):
    """Width, and tails relative to N(0, 1) above 4 and below -4."""
    mean = np.sum(probability * sqrt_ts)
    width = np.sqrt(np.sum(probability * (sqrt_ts - mean) ** 2))
    tails = [np.sum(probability[sqrt_ts > 4]), np.sum(probability[sqrt_ts < -4])]
    return width, *(tails / norm.sf(4))


CASES = [
    # alphas, expected background counts of each, signal, width, tail above 4
    ((1, 0.02), 5, 0, 1.019, 1.55),
    ((1, 0.1), 10, 0, 1.008, 1.20),
    ((1, 0.02), 10, 0, 1.008, 1.22),
    ((1, 0.1), 10, 10, 1.005, 1.10),
    ((0.5, 1 / 6), 10, 0, 1.005, 0.99),
    ((0.5, 1 / 6), 20, 0, 1.002, 0.97),
    ((0.5, 1 / 6), 10, 10, 1.003, 0.96),
]


@pytest.mark.parametrize("alpha, counts, signal, width, tail", CASES)
def test_exact_width_and_tails(alpha, counts, signal, width, tail):
    alpha = np.array(alpha)
    n, k, probability = outcomes(alpha, np.array([counts, counts]), signal)
    found = moments(compute_sqrt_ts_on_off_groups(n, k, alpha, signal), probability)
    assert_allclose(found[0], width, atol=1.5e-3)
    assert_allclose(found[1], tail, atol=0.03)
    # Below, it is the Poisson distribution of few counts.
    assert found[2] < (1.3 if counts >= 10 else 1.8)

    # One alpha that keeps the sum of alpha n_off does worse.
    mean = k @ alpha / np.maximum(k.sum(axis=-1), 1)
    pooled = compute_sqrt_ts_on_off(n, k.sum(axis=-1), mean, signal)
    assert moments(pooled, probability)[0] > width + 0.01
