# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rates of noise beyond 3, 4 and 5 sigma are what they are said to be."""

import itertools
import sys
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm, poisson

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from tails import (  # noqa: E402
    cross_thresholds,
    make_levels,
    reference_significance,
    saddle_point,
    tail_probability,
    tail_rates,
)

#: Three weights whose sums can be listed.
LEVELS, NPRED = np.array([2, 3, 7]), np.array([0.3, 1.1, 0.2])


# --- distribution ----------------------------------------------------------


@pytest.mark.parametrize("mu", [0.5, 5, 100, 500])
@pytest.mark.parametrize("level", [1, 7])
def test_tails_of_poisson(mu, level):
    counts = np.unique(poisson.ppf(norm.cdf(np.arange(-6, 8)), mu)).astype(int)
    levels, npred = np.array([level]), np.array([mu])
    above = [tail_probability(level * n, levels, npred) for n in counts]
    below = [tail_probability(level * n, levels, npred, upper=False) for n in counts]
    assert counts.max() >= poisson.isf(norm.sf(7), mu)
    assert_allclose(above, poisson.sf(counts - 1, mu), rtol=1e-9)
    assert_allclose(below, poisson.cdf(counts, mu), rtol=1e-9)


def test_tails_of_listed_sums():
    probability = np.zeros(400)
    for n in itertools.product(range(25), repeat=3):
        probability[np.dot(n, LEVELS)] += np.prod(poisson.pmf(n, NPRED))
    values = np.arange(50)
    above = [tail_probability(value, LEVELS, NPRED) for value in values]
    below = [tail_probability(value, LEVELS, NPRED, upper=False) for value in values]
    assert probability[50:].sum() < 1e-6
    assert_allclose(above, np.cumsum(probability[::-1])[::-1][:50], rtol=1e-9)
    assert_allclose(below, np.cumsum(probability)[:50], rtol=1e-9)


def test_tail_beyond_all_sums():
    assert tail_probability(-1, LEVELS, NPRED, upper=False) == 0
    assert tail_probability(0, LEVELS, NPRED) == 1
    assert_allclose(tail_probability(1, LEVELS, NPRED, upper=False), np.exp(-1.6))


def test_levels():
    weights = np.array([[0.5, 1e-6, 0], [1, 0.5002, 0.2]])
    levels, npred = make_levels(weights, [1, 2, 4], 1000)
    assert levels.tolist() == [1, 200, 500, 1000]
    assert npred.tolist() == [2, 4, 3, 1]


# --- significance ----------------------------------------------------------


@pytest.mark.parametrize("value", [1, 3, 20, 30, 60, 99, 150])
def test_reference_is_integral_of_saddle_point(value):
    # d(r^2 / 2) / dS = t, so that nothing of the definition of r is needed
    levels, npred = np.array([1, 2, 5]), np.array([3.0, 4.0, 1.8])
    half, _ = quad(saddle_point, 20, value, (levels, npred), epsabs=1e-13)
    r = np.sign(value - 20) * np.sqrt(2 * half)
    t = saddle_point(value, levels, npred)
    expected = r
    if value != 20:
        u = t * np.sqrt(np.sum(npred * levels**2 * np.exp(t * levels)))
        expected = r + np.log(u / r) / r
    else:
        expected = (3 + 32 + 225) / (3 + 16 + 45) ** 1.5 / 6
    assert_allclose(reference_significance(value, levels, npred), expected, atol=1e-8)


def test_reference_without_counts_and_with_equal_weights():
    assert_allclose(reference_significance(0, LEVELS, NPRED), -np.sqrt(3.2))
    equal = reference_significance([0, 6, 15], np.array([3, 3]), np.array([1.5, 0.5]))
    assert_allclose(equal, [-2, 0, np.sqrt(2 * (5 * np.log(2.5) - 3))])


# --- rates -----------------------------------------------------------------


def test_thresholds_are_crossed():
    # a significance in whole numbers: what is at a threshold is beyond it
    levels, npred = np.array([1]), np.array([100.0])
    sigmas = [-11, -5, -4.5, 3, 3.5]

    def significance(values):
        return (values - 100) / 10

    found = cross_thresholds(significance, sigmas, levels, npred)
    assert found.tolist() == [-1, 50, 55, 130, 135]
    rates = tail_rates(significance, levels, npred, sigmas)
    expected = [0, *poisson.cdf([50, 55], 100), *poisson.sf([129, 134], 100)]
    assert_allclose(rates, expected / norm.sf(np.abs(sigmas)), rtol=1e-9)
