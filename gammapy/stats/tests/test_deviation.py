# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Probability of spectra of counts, against simulations and exact sums."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm, poisson
from gammapy.stats.deviation import deviation_log_p, log_p_to_sigma

SPECTRA = [
    [10.0, 6.0, 12.0],
    [50.0, 20.0, 8.0, 3.0, 1.0, 0.4, 0.1],
    [3.0, 1.0, 0.3, 0.1, 0.03],
    [3000.0, 200.0, 90.0, 40.0, 10.0],
]


def check_against_simulations(mu, n_toys, lowest):
    """Probabilities of spectra at given quantiles; errors are those of the toys."""
    mu = np.array(mu)[:, np.newaxis]
    counts = np.random.default_rng(0).poisson(mu, (len(mu), n_toys))
    stat = -poisson.logpmf(counts, mu).sum(axis=0)
    order = np.argsort(stat)
    for p in (0.1, 0.03, 0.01, 1e-3, 1e-4):
        if p < lowest:
            continue
        place = order[int(n_toys * (1 - p))]
        log_p = deviation_log_p(counts[:, place], mu[:, 0])
        as_large = np.mean(stat >= stat[place] - 1e-9)
        larger = np.mean(stat > stat[place] + 1e-9)
        # Two sums of the same value are counted as one of them, or both.
        margin = 0.02 + 2.5 / np.log(10) / np.sqrt(p * n_toys)
        assert np.log10(larger) - margin < log_p / np.log(10)
        assert log_p / np.log(10) < np.log10(as_large) + margin


@pytest.mark.parametrize("mu", SPECTRA)
def test_few_simulations(mu):
    check_against_simulations(mu, 20_000, lowest=0.01)


@pytest.mark.long
@pytest.mark.parametrize("mu", SPECTRA)
def test_simulations(mu):
    check_against_simulations(mu, 1_000_000, lowest=1e-4)


@pytest.mark.parametrize("mu", [0.5, 3.0, 40.0, 800.0])
@pytest.mark.parametrize("n_sigma", [3, 6, 9])
def test_one_bin_far_out(mu, n_sigma):
    """The sum over all counts that are less probable, exact for one bin."""
    n = int(np.ceil(mu + n_sigma * np.sqrt(mu)))
    numbers = np.arange(20_000)
    log_terms = poisson.logpmf(numbers, mu)
    less = log_terms <= log_terms[n] + 1e-9
    exact = np.logaddexp.reduce(log_terms[less])
    beyond = np.logaddexp.reduce(log_terms[less & (numbers != n)])
    log_p = deviation_log_p([n], [mu])
    assert beyond - 0.1 < log_p < exact + 0.1


def test_near_the_mean():
    """A sum near its mean, from the probabilities of all spectra of small counts."""
    mu = np.array([1.299, 0.312, 0.112, 0.041])
    counts = np.indices((14, 8, 6, 5)).reshape(4, -1)
    terms = -poisson.logpmf(counts, mu[:, np.newaxis]).sum(axis=0)
    # Two spectra on either side of the mean, of which one was far off by rounding.
    for spectrum in ([3, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [4, 0, 0, 0]):
        stat = -poisson.logpmf(spectrum, mu).sum()
        p = [np.exp(-terms[terms > stat + sign * 1e-9]).sum() for sign in (1, -1)]
        log_p = deviation_log_p(spectrum, mu)
        assert np.log(p[0]) - 0.1 < log_p < np.log(p[1]) + 0.1


def test_large_counts_are_a_chi2():
    """With many counts the sum is half a chi2 of the number of bins."""
    mu = np.full(10, 1e6)
    counts = mu + np.sqrt(mu) * np.array([2.0, -2, 1, 1, 3, 0, 0, -1, 2, 1])
    assert_allclose(deviation_log_p(counts, mu), chi2.logsf(25, 10), atol=0.02)


def test_order_of_bins_and_shape():
    random = np.random.default_rng(1)
    mu = 10 ** random.uniform(-1, 2, (5, 3, 4))
    counts = random.poisson(mu)
    log_p = deviation_log_p(counts, mu)
    assert log_p.shape == (3, 4)
    assert_allclose(deviation_log_p(counts[::-1], mu[::-1]), log_p)
    assert_allclose(deviation_log_p(counts[:, 1, 2], mu[:, 1, 2]), log_p[1, 2])
    # A bin in which nothing is expected and nothing comes changes nothing.
    padded = [np.concatenate([values, values[:1] * 0]) for values in (counts, mu)]
    assert_allclose(deviation_log_p(*padded), log_p)


def test_extremes():
    assert deviation_log_p([0, 0], [0.0, 0.0]) == 0
    assert deviation_log_p([1], [0.0]) < np.log(1e-7)
    # Beyond the table: the one term of these counts is nearly all of it.
    far = poisson.logpmf(100_000, 1)
    assert deviation_log_p([100_000], [1.0]) == pytest.approx(far, rel=0.02)
    assert deviation_log_p([10], [10.0]) == pytest.approx(0, abs=0.2)


def test_sigma():
    sigma = np.array([0.5, 3, 8, 40])
    assert_allclose(log_p_to_sigma(np.log(2) + norm.logsf(sigma)), sigma)
    assert log_p_to_sigma(0.0) == 0


def test_bad_input():
    with pytest.raises(ValueError, match="npred: expected finite numbers of 0 or more"):
        deviation_log_p([1], [-1.0])
    with pytest.raises(ValueError, match="counts: expected finite numbers"):
        deviation_log_p([np.nan], [1.0])
