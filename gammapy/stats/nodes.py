# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A few weights that stand for all weights of a footprint.

The cumulant generating function of a weighted sum, sum m (exp(t f) - 1), is needed for
many positions, each with its own m and t. For t in a range the functions exp(t f) of f
are combinations of few of them, so that for all weights f of the footprint

    exp(t f) = sum_j P_j(f) exp(t f_j),   m_j = sum m f P_j(f) / f_j,

and the sum over a thousand pixels becomes one over ten nodes f_j with the predicted
counts m_j, which are sums of the image with ten kernels.
"""

import numpy as np
from scipy.linalg import qr
from scipy.sparse import csr_matrix
from .weighted_poisson import Saddlepoint

__all__ = []

# Weights that the nodes are chosen from, and values of t, at most.
N_SAMPLES, N_T = 300, 60
# t in units of 1 / (largest weight) that nodes are made for. Beyond there are
# sums of next to nothing, and hundreds of counts where none is expected.
T_LIMITS = (-300.0, 12.0)
# Fine nodes: step and number of the large weights; below, number and smallest of
# those that differ by a constant factor, which is as fine where they meet.
STEP, N_LARGE, N_SMALL, SMALLEST = 1 / 256, 236, 512, 1e-12
# The errors of functions that are left out are larger than their pivots.
PIVOT = 0.01
# Smallest node, in units of 1 / (largest t).
SMALLEST_NODE = 0.01
#: Error of the significance up to which nodes are trusted.
ERROR_MAX = 3e-4


class SaddlepointRange:
    """Footprint with typical predicted counts, and what follows for t.

    Parameters
    ----------
    weights, npred : `~numpy.ndarray`
        Weights from 0 to 1 and predicted counts of the bins, of one shape.
    """

    def __init__(self, weights, npred):
        weights, npred = np.ravel(weights), np.ravel(npred)
        used = (weights > 0) & (npred > 0)
        weights, npred = weights[used], npred[used]
        self.weights, inverse = np.unique(_sample(weights), return_inverse=True)
        # The first moment of a group of weights is kept.
        self.npred = np.bincount(inverse, npred * weights) / self.weights

    @property
    def mean(self):
        """Expected sum."""
        return np.sum(self.weights * self.npred)

    def t_range(self, lowest, highest):
        """Range of t, with margins, for sums between two multiples of the mean."""
        sums = np.clip([lowest, highest], 1e-5, 1e5) * self.mean
        npred = np.repeat(self.npred[:, np.newaxis], 2, axis=1)
        t = Saddlepoint(sums, self.weights[:, np.newaxis], npred).t
        t = 1.3 * t + [-0.1, 0.1]
        return np.clip(t, *T_LIMITS)

    def t_range_of(self, lowest, highest, low=1.0):
        """Range of t for significances between two values.

        Parameters
        ----------
        lowest, highest : float
            Significances, below and above 0.
        low : float, optional
            Factor of the predicted counts, for pixels with fewer of them. Default is 1.

        Returns
        -------
        t_range : `~numpy.ndarray`
            Lowest and highest t.
        """
        t = np.sinh(np.linspace(*np.arcsinh(T_LIMITS), 400))
        derivative, integral = self.ratio(t)
        half_ts = self.mean * low * (t * derivative - integral)
        r = np.sign(t) * np.sqrt(2 * np.clip(half_ts, 0, None))
        return t[np.clip(np.searchsorted(r, [lowest, highest]), 0, t.size - 1)]

    def ratio(self, t):
        """K'(t) / M, and its integral K(t) / M, for an array of t."""
        x = t[:, np.newaxis] * self.weights
        total = self.weights * self.npred
        return np.exp(x) @ total / self.mean, np.expm1(x) @ self.npred / self.mean


def _sample(weights):
    """Weights rounded to a number of them that is not too large."""
    values = np.unique(weights)
    if values.size <= N_SAMPLES:
        return weights
    evenly = np.linspace(0, values.size - 1, N_SAMPLES // 2).astype(int)
    linear = np.searchsorted(values, np.linspace(*values[[0, -1]], N_SAMPLES // 2))
    chosen = values[np.unique([*evenly, *np.clip(linear, 0, values.size - 1)])]
    middle = np.searchsorted((chosen[1:] + chosen[:-1]) / 2, weights)
    return chosen[middle]


class Nodes:
    """Nodes by interpolative decomposition, for t in a range.

    The nodes are the pivots of a QR decomposition with column pivoting (Cheng et al.
    2005, SIAM J. Sci. Comput. 26, 1389).

    Parameters
    ----------
    footprint : `SaddlepointRange`
        Typical footprint.
    t_range : tuple of float
        Lowest and highest t.
    tolerance : float
        Error of K'(t), in units of that of the typical footprint.
    """

    def __init__(self, footprint, t_range, tolerance):
        ends = np.arcsinh(t_range)
        self.t = np.sinh(np.linspace(*ends, N_T))
        derivative, integral = footprint.ratio(self.t)
        self._norm = derivative[:, np.newaxis]
        self._mean_norm = integral / self.t
        matrix = self._functions(footprint.weights)
        # Nodes near 0 would have next to no effect, and large errors of rounding.
        is_large = footprint.weights > SMALLEST_NODE / np.abs(self.t).max()
        candidates = footprint.weights[is_large]
        _, triangle, pivots = qr(matrix[:, is_large], mode="economic", pivoting=True)
        sizes = np.abs(np.diag(triangle))
        n_nodes = np.sum(sizes > PIVOT * tolerance * sizes[0])
        self.weights = candidates[pivots[:n_nodes]]
        self._inverse = np.linalg.pinv(self._functions(self.weights))
        self.tolerance = np.max(
            np.abs(
                self._functions(self.weights) @ self._combine(footprint.weights)
                - matrix
            )
        )

    def _functions(self, weights):
        return np.exp(self.t[:, np.newaxis] * weights) / self._norm

    def _combine(self, weights):
        return self._inverse @ self._functions(weights)

    def kernels(self, weights):
        """Kernels whose sums are the predicted counts of the nodes.

        Parameters
        ----------
        weights : `~numpy.ndarray`
            Weights of the footprint.

        Returns
        -------
        kernels : `~numpy.ndarray`
            Array of shape (n_nodes, ...).
        """
        flat = np.ravel(weights)
        used = flat > 0
        kernels = np.zeros((self.weights.size, flat.size))
        factors = flat[used] / self.weights[:, np.newaxis]
        kernels[:, used] = self._combine(flat[used]) * factors
        return kernels.reshape(-1, *np.shape(weights))

    def solve(self, sums, mean, npred, footprint, *, rounding=0.0):
        """Significance of weighted sums, and how wrong it may be.

        Parameters
        ----------
        sums, mean, footprint : `~numpy.ndarray`
            Weighted counts, their expectation, which is positive, and the predicted
            counts of the footprint, of shape (n,).
        npred : `~numpy.ndarray`
            Predicted counts of the nodes, of shape (n_nodes, n).
        rounding : float, optional
            Error of weighted sums by rounding. Default is 0.

        Returns
        -------
        sqrt_ts, error : tuple of `~numpy.ndarray`
            Significance and the largest error of it, which is infinite where t is
            outside the range.
        """
        # What the sum differs by from its mean has all its digits.
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = sums / mean * (self.weights @ npred)
        usable = (scaled >= 0) & np.isfinite(scaled)
        sqrt_ts, error = np.full(sums.shape, np.nan), np.full(sums.shape, np.inf)
        point = Saddlepoint(
            scaled[usable],
            self.weights[:, np.newaxis],
            npred[:, usable],
            footprint[usable],
        )
        sqrt_ts[usable] = point.sqrt_ts
        t, r = point.t, point.r
        # r^2 / 2 = t S - K(t), where the derivative for t vanishes: what is left is the
        # error of K, or of S, times the slope.
        norm = np.interp(t, self.t, self._mean_norm, left=np.inf, right=np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.abs(t / r)
            error[usable] = slope * (
                norm * (self.tolerance * mean[usable] + rounding) + rounding
            )
        error[np.isnan(error) | np.isnan(sqrt_ts)] = np.inf
        # Without counts only the footprint matters.
        error[usable & (sums == 0)] = 0
        return sqrt_ts, error


class FineNodes:
    """Many nodes between which exp(t f) is interpolated linearly, for any t.

    No term is negative, so that nothing cancels, whatever the predicted counts.
    """

    def __init__(self):
        large = 1 - STEP * np.arange(N_LARGE)[::-1]
        small = np.geomspace(SMALLEST, large[0], N_SMALL)
        self.weights = np.concatenate([small[:-1], large])

    def matrix(self, weights):
        """Sums of the predicted counts with these columns are those of the nodes.

        Parameters
        ----------
        weights : `~numpy.ndarray`
            Weights from 0 to 1 of the footprint.

        Returns
        -------
        matrix : `~scipy.sparse.csr_matrix`
            Matrix of shape (n_weights, n_nodes).
        """
        flat = np.ravel(weights)
        used = np.nonzero(flat > 0)[0]
        f = np.clip(flat[used], SMALLEST, 1)
        after = np.clip(np.searchsorted(self.weights, f), 1, self.weights.size - 1)
        low, high = self.weights[after - 1], self.weights[after]
        share = (f - low) / (high - low)
        values = np.concatenate([(1 - share) / low, share / high])
        values *= np.tile(flat[used], 2)
        places = np.tile(used, 2), np.concatenate([after - 1, after])
        return csr_matrix((values, places), shape=(flat.size, self.weights.size))
