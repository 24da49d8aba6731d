# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import norm, poisson
from gammapy.stats.maxima import (
    ExpectedIslands,
    counts_at,
    euler_characteristics,
    expected_above,
    not_below_local,
)
from gammapy.stats.residuals import compute_sqrt_ts

RING = [[3, 3, 3], [3, 1, 3], [3, 3, 3]]
SHAPES = {
    "nothing": (np.zeros((4, 5)), 0),
    "all": (np.full((4, 5), 3.0), 1),
    "one pixel": (3 * np.eye(1), 1),
    "two islands": ([[3, 0, 3], [3, 0, 0]], 2),
    "corners are no neighbours": (3 * np.eye(3), 3),
    "island with a hole": (RING, 0),
    "not a number": ([[3, np.nan, 3]], 2),
    "infinite": ([[np.inf, 0, 3]], 2),
}


@pytest.mark.parametrize("name", SHAPES)
def test_euler_characteristics(name):
    image, expected = SHAPES[name]
    assert euler_characteristics(np.asarray(image, dtype=float), [2])[0] == expected


def test_euler_characteristics_of_levels():
    levels = [0.5, 2, 3, 4]
    assert_allclose(euler_characteristics(np.array(RING, float), levels), [1, 0, 0, 0])


def test_expected_islands():
    levels = np.arange(2, 4.1, 0.25)
    true = np.exp(-0.5 * levels**2) * (5 + 40 * levels)
    random = np.random.default_rng(0)
    islands = ExpectedIslands(random.poisson(true, (2000, levels.size)), levels)
    for level in (3, 5, 6):
        expected = np.exp(-0.5 * level**2) * (5 + 40 * level)
        assert_allclose(islands(level), expected, rtol=0.1)
    assert islands(np.inf) == 0


def test_counts_at():
    npred = np.array([0.01, 1, 30, 1e4])
    for sqrt_ts in (-5.0, -1.0, -0.01, 0.01, 2.0, 9.0):
        counts = counts_at(npred, sqrt_ts)
        possible = counts >= 0
        assert_allclose(
            compute_sqrt_ts(counts[possible], npred[possible]), sqrt_ts, rtol=1e-5
        )
        # The lowest significance is that of no counts.
        assert_allclose(possible, -np.sqrt(2 * npred) <= sqrt_ts)


def test_expected_above():
    """Against the sum of the Poisson probabilities of all counts that are as high."""
    npred, level = np.array([0.0, 0.3, 2.0, 12.5]), 2.5
    counts = np.arange(200)[:, np.newaxis]
    sqrt_ts = compute_sqrt_ts(counts, npred[1:])
    probability = poisson.pmf(counts, npred[1:])
    above, below = expected_above(npred, level)
    assert_allclose(above, probability[sqrt_ts >= level].sum(), rtol=1e-10)
    assert_allclose(below, probability[sqrt_ts <= -level].sum(), rtol=1e-10)


def test_not_below_local():
    assert_allclose(not_below_local([0.0, 0.5, 3.0], 2.0), [norm.sf(2), 0.5, 1.0])
