# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.stats import WStatCountsStatistic
from gammapy.utils.roots import find_root_above


def poisson(counts, mean):
    """Minus twice the logarithm of the probability, but for the factorial."""
    return 2 * (mean - (counts * np.log(mean) if counts else 0))


def significance(n_on, n_off, alpha):
    """That of the excess, from the likelihoods of both hypotheses."""
    null = (n_on + n_off) / (1 + 1 / alpha)
    ts = poisson(n_on, null) + poisson(n_off, null / alpha)
    ts -= poisson(n_on, n_on) if n_on else 0
    ts -= poisson(n_off, n_off) if n_off else 0
    return np.sign(n_on - alpha * n_off) * np.sqrt(ts)


@pytest.mark.parametrize("n_sigma", [-3, -1, 0.5, 5, 30])
@pytest.mark.parametrize("alpha", [0.01, 0.2, 1])
def test_excess_has_the_significance(alpha, n_sigma):
    n_off = np.array([0, 1, 5, 100, 3000, 1e6])
    stat = WStatCountsStatistic(np.zeros(6), n_off, np.full(6, alpha))
    excess = stat.n_sig_matching_significance(n_sigma)
    lowest = [significance(0, off, alpha) if off else 0 for off in n_off]
    is_possible = (n_sigma > 0) | (n_sigma > np.array(lowest))
    assert_allclose(np.isfinite(excess), is_possible)
    n_on = excess + alpha * n_off
    found = [significance(*pair, alpha) for pair in zip(n_on, n_off, strict=True)]
    assert_allclose(np.array(found)[is_possible], n_sigma, rtol=1e-4)


def test_shapes_of_the_excess():
    stat = WStatCountsStatistic(1, 100, 0.2)
    assert stat.n_sig_matching_significance(5).shape == ()
    stat = WStatCountsStatistic(np.ones((2, 3)), np.full((2, 3), 100), 0.2)
    assert stat.n_sig_matching_significance(0).tolist() == [[0, 0, 0], [0, 0, 0]]
    stat = WStatCountsStatistic([1, 1], [np.nan, 10], [0.2, 0.0])
    assert np.isnan(stat.n_sig_matching_significance(5)).all()


def test_root_above():
    assert_allclose(find_root_above(lambda x: x - 7e8, 1e-3), 7e8)
    assert_allclose(find_root_above(lambda x: -x - 3, -1), -3)
    assert np.isnan(find_root_above(lambda x: -1, 1))
    assert np.isnan(find_root_above(lambda x: np.nan, 1))
