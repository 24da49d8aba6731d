# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.stats.nodes import ERROR_MAX, FineNodes, Nodes, SaddlepointRange
from gammapy.stats.weighted_poisson import Saddlepoint, compute_sqrt_ts_weighted


@pytest.fixture(scope="module")
def footprint():
    """Weights of a Gaussian and the predicted counts of 20 sums with it."""
    y, x = np.mgrid[-12:13, -12:13]
    weights = np.exp(-0.5 * (x**2 + y**2) / 3**2).ravel()
    random = np.random.default_rng(0)
    slopes = random.uniform(-0.05, 0.05, (20, 1))
    levels = np.exp(random.uniform(np.log(0.01), np.log(10), (20, 1)))
    return weights, levels * np.exp(slopes * x.ravel())


def sums_of(weights, npred, n_sigma):
    """Sums that are a number of standard deviations from their mean, 0 at least."""
    mean, variance = npred @ weights, npred @ weights**2
    return np.clip(mean + n_sigma * np.sqrt(variance), 0, None)


@pytest.mark.parametrize("n_sigma", [-2, -0.01, 0.5, 3, 6])
def test_nodes(footprint, n_sigma):
    weights, npred = footprint
    typical = SaddlepointRange(weights, np.ones(weights.size))
    nodes = Nodes(typical, typical.t_range(0.05, 20), 1e-4)
    assert nodes.weights.size < 15
    npred_nodes = nodes.kernels(weights) @ npred.T
    sums = sums_of(weights, npred, n_sigma)
    sqrt_ts, error = nodes.solve(sums, npred @ weights, npred_nodes, npred.sum(axis=-1))
    expected = compute_sqrt_ts_weighted(sums, weights, npred)
    trusted = error < ERROR_MAX
    assert trusted.mean() > 0.6
    assert_allclose(sqrt_ts[trusted], expected[trusted], atol=1e-3)


def test_kernels_keep_their_shape(footprint):
    weights, _npred = footprint
    typical = SaddlepointRange(weights, np.ones(weights.size))
    kernels = Nodes(typical, (-2, 2), 1e-4).kernels(weights.reshape(25, 25))
    assert kernels.shape[1:] == (25, 25)


def test_range_of_t():
    """With equal weights r is that of Poisson counts, whose mean is exp(t) times m."""
    typical = SaddlepointRange(np.ones(4), np.ones(4))
    assert typical.mean == 4
    low, high = typical.t_range_of(-1, 2)
    for t, sqrt_ts in ((low, -1), (high, 2)):
        n = 4 * np.exp(t)
        half_ts = n * np.log(n / 4) - n + 4
        assert_allclose(np.sign(t) * np.sqrt(2 * half_ts), sqrt_ts, atol=0.15)


@pytest.mark.parametrize("n_sigma", [-3, -0.01, 3, 40])
def test_fine_nodes(footprint, n_sigma):
    weights, npred = footprint
    fine = FineNodes()
    npred_nodes = fine.matrix(weights).T @ npred.T
    sums = sums_of(weights, npred, n_sigma)
    # The number of counts in the footprint is not that of the nodes.
    point = Saddlepoint(
        sums, fine.weights[:, np.newaxis], npred_nodes, npred.sum(axis=-1)
    )
    expected = compute_sqrt_ts_weighted(sums, weights, npred)
    assert_allclose(point.sqrt_ts, expected, atol=1e-3)
    # Each weight keeps its sum.
    assert_allclose(fine.weights @ npred_nodes, npred @ weights)
