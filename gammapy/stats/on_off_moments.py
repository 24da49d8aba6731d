# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Few groups of off counts that stand for many with different alphas.

Where alpha differs from pixel to pixel each sum has as many groups of off counts as it
has pixels, and each pixel of a map its own ones. But they enter the significance as

.. math::

    \sum_i k_i \ln(1 + a_i x)

alone (`gammapy.stats.on_off_profile`), the integral of a smooth function over the
distribution of the off counts k in alpha. A Gauss rule for this distribution (Golub &
Welsch 1969, Math. Comp. 23, 221; Gautschi 2004, Orthogonal Polynomials, section 2.1)
has the same sums of k a^p up to p = 9 with five groups. It is exact for up to five
different alphas, and its weights are positive, so that the groups are off counts as any
others. The sums are made like those of counts, with one convolution each. The
logarithm itself, tabulated over x, could not be interpolated as well: its singularity
at x = -1 / a lies elsewhere in each pixel.
"""

import numpy as np

__all__ = ["N_NODES", "groups_from_moments"]

#: Number of groups; there are twice as many moments.
N_NODES = 5

# What is left of the norm of a polynomial when it vanishes at all alphas there are, up
# to rounding errors of the moments.
NORM_MIN = 1e-10


def groups_from_moments(moments, alpha_min, alpha_max):
    """Groups of off counts that have the same moments.

    Parameters
    ----------
    moments : `~numpy.ndarray`, shape (2 * N_NODES, ...)
        Sums of k a^p over off counts k with alpha a, for p = 0, 1, 2, ...
    alpha_min, alpha_max : `~numpy.ndarray`, shape (...)
        Smallest and largest alpha in each sum, those without off counts included.

    Returns
    -------
    counts_off, alpha : `~numpy.ndarray`, shape (..., N_NODES + 1)
        Off counts and alpha of each group. Groups that are not needed have no off
        counts; the last has ``alpha_max`` and none, which says where the range of
        alphas ends.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.stats.on_off_moments import N_NODES, groups_from_moments
    >>> k, a = np.array([30.0, 50.0]), np.array([1.0, 0.1])
    >>> moments = np.array([np.sum(k * a**p) for p in range(2 * N_NODES)])
    >>> counts_off, alpha = groups_from_moments(moments, a.min(), a.max())
    >>> used = counts_off > 0
    >>> counts_off[used].round(6).tolist(), alpha[used].round(6).tolist()
    ([50.0, 30.0], [0.1, 1.0])
    """
    moments = np.asarray(moments, dtype=float)
    shape = moments.shape[1:]
    has_off = moments[0] > 0
    counts_off = np.zeros((*shape, N_NODES + 1))
    alpha = np.zeros((*shape, N_NODES + 1))
    alpha[..., -1] = alpha_max

    low, high = (
        np.broadcast_to(alpha, shape)[has_off][:, np.newaxis]
        for alpha in (alpha_min, alpha_max)
    )
    nodes, weights = _gauss_rule(moments[:, has_off])
    # Rounding errors must not move the end of the range.
    alpha[has_off, :-1] = np.clip(nodes, low, high)
    counts_off[has_off, :-1] = weights
    return counts_off, alpha


def _gauss_rule(moments):
    """Nodes and weights, shape (n, N_NODES), for moments of shape (2 * N_NODES, n)."""
    total, mean = moments[0], moments[1] / moments[0]
    # Without off counts where alpha is not 0 all of it is at 0.
    scale = np.where(mean > 0, mean, 1.0)
    diagonal, squares = _recurrence(_central_moments(moments, scale), mean / scale)
    matrices = np.zeros((len(total), N_NODES, N_NODES))
    for i in range(N_NODES):
        matrices[:, i, i] = diagonal[i]
    for i in range(1, N_NODES):
        matrices[:, i, i - 1] = matrices[:, i - 1, i] = np.sqrt(squares[i])
    nodes, vectors = np.linalg.eigh(matrices)
    weights = total[:, np.newaxis] * vectors[:, 0] ** 2
    return scale[:, np.newaxis] * nodes, weights


def _central_moments(moments, scale):
    """Mean of (a / scale - 1)^p, from which those of a narrow range can be told."""
    relative = moments / moments[0] / scale ** np.arange(len(moments))[:, np.newaxis]
    central = relative.copy()
    # a^p (a - 1)^q is the difference of a^p (a - 1)^(q - 1) for p + 1 and for p.
    for q in range(1, len(moments)):
        relative = np.diff(relative, axis=0)
        central[q] = relative[0]
    return central


def _recurrence(central, mean):
    """Recurrence coefficients of the orthogonal polynomials (Chebyshev 1859).

    A polynomial that vanishes at all alphas has the norm 0 up to rounding: there the
    recurrence ends, and the nodes beyond get no weight.
    """
    diagonal, squares = np.zeros((2, N_NODES, central.shape[1]))
    before, current = np.zeros_like(central), central
    with np.errstate(divide="ignore", invalid="ignore"):
        diagonal[0] = central[1] / central[0]
        for i in range(1, N_NODES):
            following = np.zeros_like(central)
            for p in range(i, 2 * N_NODES - i):
                following[p] = (
                    current[p + 1]
                    - diagonal[i - 1] * current[p]
                    - squares[i - 1] * before[p]
                )
            is_used = (following[i] > NORM_MIN) & ((i == 1) | (squares[i - 1] > 0))
            ratio = following[i + 1] / following[i] - current[i] / current[i - 1]
            diagonal[i] = np.where(is_used, ratio, 0.0)
            squares[i] = np.where(is_used, following[i] / current[i - 1], 0.0)
            before, current = current, following
    return diagonal + 1, squares
