# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Significance of weighted sums of Poisson counts, as arrays.

With the weights f, the counts n and the predicted counts m of the bins, the sum is
S = sum f n. Under the model it has the cumulant generating function

    K(t) = sum m (exp(t f) - 1),   K'(0) = M = sum f m,   K''(0) = M2 = sum f^2 m.

With t the solution of K'(t) = S,

    r = sign(t) sqrt(2 [t S - K(t)]),   u = t sqrt(K''(t)),   r* = r + ln(u / r) / r,

where r^2 / 2 is the rate function of S, and r* is N(0, 1) in both tails: for smooth
weights and M^2 / M2 of 5 or more, noise is beyond 3, 4 and 5 sigma 0.8 to 1.3 times as
often (Barndorff-Nielsen 1986, Biometrika 73, 307, and 1991, Biometrika 78, 557;
Lugannani & Rice 1980, Adv. Appl. Prob. 12, 475). With all weights equal r is
the significance of Poisson counts (Cash 1979, ApJ 228, 939), which is not changed by
the correction: it is that of a likelihood ratio, and counts are whole numbers.

Near S = M both u and r vanish. With y = t sqrt(M2) and the skewness g and the excess
kurtosis k of S, ln(u / r) / r = g / 6 + y (k / 8 - 7 g^2 / 36) + O(y^2). So r* is
g / 6 at S = M, not 0, because half of the noise of skewed sums is below its mean.

The correction is made for sums that take any value. It has no limit for S to 0, and
a sum of one count or less, n = S^2 / K''(t) <= 1, is not of that kind. There r* goes
over to r; below M that is scaled so that S = 0, which happens with the probability
p = exp(-sum m), has the quantile p / 2 of N(0, 1) (half, as for any value of a
discrete sum: Lancaster 1961, JASA 56, 223). It goes over to r, too, where the
correction is above 1, as beside a bright pixel at the border of the footprint with
next to nothing expected elsewhere: the expansion then is none.
"""

import logging
import numpy as np
from scipy.special import ndtri_exp
from .residuals import compute_sqrt_ts

__all__ = ["compute_sqrt_ts_weighted"]

log = logging.getLogger(__name__)

#: Weights that differ by less than this, relative, are equal.
EQUAL = 1e-12
# Below this t, in units of K''(0) / K'''(0), the series replaces ln(u / r) / r.
SERIES_BELOW = 1e-4
# The correction counts for sums of more than about so many counts. It must rise fast:
# with M^2 / M2 = 0.5 sums at 3 sigma are of two counts and need all of it, a single one
# over nothing none. One count has 0.3 of it, two have 0.996.
N_COUNTS, POWER = 1.3, 4
# ln(S / M) above which sums are not much smaller than their mean.
LOWEST = -0.7
# Exponents beyond which exponentials might overflow.
X_MAX = 500
# Relative precision of t; r depends on the square of its error.
TOLERANCE = 1e-10
# Newton's method converges quadratically from any start: this is never reached.
N_ITERATIONS = 60
# Values computed at a time, so that temporary arrays stay in the cache.
CHUNK = 200_000


def compute_sqrt_ts_weighted(weighted_counts, weights, npred):
    """Significance of weighted sums of counts.

    It is r* of `gammapy.stats.weighted_poisson`, and `compute_sqrt_ts` of the plain
    counts where all weights that are not 0 are equal. Unlike `compute_sqrt_ts` with a
    ``variance``, it has the tails of N(0, 1).

    Parameters
    ----------
    weighted_counts : `~numpy.ndarray` or array_like
        Sums of weight times counts, of shape (...).
    weights, npred : `~numpy.ndarray` or array_like
        Weights, 0 or positive, and predicted counts of the bins, with shapes that
        broadcast to (..., n_bins).

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Signed significance in standard deviations, of shape (...). NaN where an input
        is NaN, the sum or a predicted count is negative, which is logged; where no
        counts are predicted, 0 without and infinite with counts, which is logged.

    Raises
    ------
    ValueError
        If a weight is negative or infinite.

    Examples
    --------
    >>> from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
    >>> compute_sqrt_ts_weighted(12.5, weights=[1, 0.5], npred=[4, 3]).round(2).item()
    2.77
    >>> compute_sqrt_ts_weighted([0, 5], weights=[1, 1], npred=[1, 1]).round(3).tolist()
    [-2.0, 1.778]
    """
    sums, weights, npred = (
        np.asarray(values, dtype=float) for values in (weighted_counts, weights, npred)
    )
    if np.any((weights < 0) | np.isinf(weights)):
        raise ValueError(
            f"weights must be finite, 0 or positive, got {weights.min()} to "
            f"{weights.max()}: a sum with weights of both signs is a difference of two."
        )
    shape = np.broadcast_shapes(sums.shape, weights.shape[:-1], npred.shape[:-1])
    n_bins = np.broadcast_shapes(weights.shape[-1:], npred.shape[-1:])
    sums = np.broadcast_to(sums, shape).reshape(-1)
    weights, npred = (
        np.broadcast_to(values, shape + n_bins).reshape(sums.size, *n_bins)
        for values in (weights, npred)
    )
    # The edge cases are those of plain counts, which logs them.
    used = weights > 0
    largest = np.max(weights, axis=-1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    total = np.sum(weights * npred, axis=-1, where=used) / scale
    total = np.where(np.any((npred < 0) & used, axis=-1), -1.0, total)
    sqrt_ts = compute_sqrt_ts(sums / scale, total)
    smallest = np.min(weights, axis=-1, where=used, initial=np.inf)
    is_graded = (smallest < largest * (1 - EQUAL)) & np.isfinite(sqrt_ts) & (total > 0)
    rows = np.nonzero(is_graded)[0]
    step = max(CHUNK // max(*n_bins, 1), 1)
    for start in range(0, rows.size, step):
        part = rows[start : start + step]
        f = weights[part] / scale[part, np.newaxis]
        npred_used = np.where(used[part], npred[part], 0.0)
        sqrt_ts[part] = Saddlepoint(sums[part] / scale[part], f.T, npred_used.T).sqrt_ts
    return sqrt_ts.reshape(shape)


class Saddlepoint:
    """Solution of K'(t) = S for graded weights.

    Parameters
    ----------
    sums : `~numpy.ndarray`
        Weighted counts, 0 or positive, of shape (n,).
    weights : `~numpy.ndarray`
        Weights from 0 to 1, of shape (n_bins, n) or (n_bins, 1).
    npred : `~numpy.ndarray`
        Predicted counts, of shape (n_bins, n), with a positive weighted sum. Single
        bins may be negative, as those of a quadrature are.
    footprint : `~numpy.ndarray`, optional
        Predicted counts where the weights are not 0, of shape (n,). Default is the
        sum of ``npred``.

    Attributes
    ----------
    t : `~numpy.ndarray`
        Solution, of shape (n,); minus infinity where the sum is 0, NaN without one,
        which only negative bins can cause.
    r : `~numpy.ndarray`
        Signed root of twice the rate function, of shape (n,).
    sqrt_ts : `~numpy.ndarray`
        Significance r*, of shape (n,).
    """

    def __init__(self, sums, weights, npred, footprint=None):
        if footprint is None:
            footprint = np.sum(npred, axis=0)
        footprint = np.clip(footprint, 0, None)
        self.t = np.full(sums.shape, -np.inf)
        self.r = -np.sqrt(2 * footprint)
        # Half of the probability of no counts at all, as a quantile of N(0, 1).
        self.sqrt_ts = ndtri_exp(-footprint - np.log(2))
        solved = np.nonzero(sums > 0)[0]
        if solved.size < sums.size:
            sums, npred = sums[solved], npred[:, solved]
            if weights.shape[1] > 1:
                weights = weights[:, solved]
        if not solved.size:
            return
        # Negative bins may leave nothing to take a logarithm of, and no solution.
        with np.errstate(all="ignore"):
            t, r, correction, n_counts = _solve_all(sums, weights, npred)
            below = np.where(self.r < 0, self.sqrt_ts / self.r, 1.0)[solved]
        base = np.where(r < 0, r * below, r)
        reliability = -np.expm1(-((n_counts / N_COUNTS) ** POWER))
        # Else it would be larger than any that the expansion is good for.
        reliability *= np.exp(-(np.minimum(np.abs(correction), 10) ** 8))
        self.t[solved], self.r[solved] = t, r
        self.sqrt_ts[solved] = base + reliability * (r + correction - base)


def _solve_all(sums, weights, npred):
    """Compute t, r, ln(u / r) / r and the number of counts in the sum."""
    t = _solve(sums, weights, npred)
    x = t * weights
    if np.any(x > X_MAX):
        # Only bins without counts can be that far off.
        x[npred == 0] = 0
    exponentials = np.exp(x)
    half_ts = np.sum(npred * _rate(x, exponentials), axis=0)
    curvature = _sum(weights**2, npred * exponentials)
    r = np.sign(t) * np.sqrt(2 * np.clip(half_ts, 0, None))
    correction = _correction(t, r, curvature, weights, npred)
    return t, r, correction, sums**2 / curvature


def _sum(weights, values):
    """Weighted sum over bins, of shape (n,)."""
    if weights.shape[1] == 1:
        return weights[:, 0] @ values
    return np.einsum("ij,ij->j", weights, values)


def _solve(sums, weights, npred):
    """Solve K'(t) = S for t by Newton's method on ln K'(t) = ln S.

    ln K' is convex and grows, so that the steps come from the right, after the first
    one, and cannot overshoot.
    """
    products = npred * weights
    mean = np.sum(products, axis=0)
    products /= mean
    target = _log_ratio(sums, mean)
    largest = np.max(np.where(products == 0, 0, weights), axis=0)
    slope = _sum(weights, products)
    t = target / slope
    smallest = 1e-13 / slope
    active, f, p = np.arange(t.size), weights, products
    for _iteration in range(N_ITERATIONS):
        step = _newton_step(t[active], target[active], f, p, largest[active])
        t[active] -= step
        going = np.abs(step) > smallest[active] + TOLERANCE * np.abs(t[active])
        active = active[going]
        if active.size == 0:
            return t
        p = p[:, going]
        f = f if f.shape[1] == 1 else f[:, going]
    t[active] = np.nan
    return t


def _log_ratio(sums, mean):
    """Logarithm of S / M, with all digits of S - M where that is small."""
    difference = (sums - mean) / mean
    return np.where(
        np.abs(difference) < 0.5, np.log1p(difference), np.log(sums) - np.log(mean)
    )


def _newton_step(t, target, weights, products, largest):
    """Step of Newton's method, where the products have the sum 1."""
    is_moderate = (target > LOWEST) & (t * largest < X_MAX)
    if is_moderate.all():
        return _moderate_step(t, target, weights, products)
    steps = np.empty(t.shape)
    for select, function in (
        (is_moderate, _moderate_step),
        (~is_moderate, _extreme_step),
    ):
        if select.any():
            f = weights if weights.shape[1] == 1 else weights[:, select]
            steps[select] = function(t[select], target[select], f, products[:, select])
    return steps


def _moderate_step(t, target, weights, products):
    """Step with all digits near t = 0."""
    x = t * weights
    # Those of bins without counts may be larger.
    terms = products * np.expm1(np.minimum(x, X_MAX, out=x), out=x)
    total = np.sum(terms, axis=0)
    terms += products
    slope = _sum(weights, terms) / (1 + total)
    return (np.log1p(total) - target) / slope


def _extreme_step(t, target, weights, products):
    """Step in which nothing overflows: the largest exponential is taken out."""
    x = np.where(products == 0, -np.inf, t * weights)
    highest = np.max(x, axis=0)
    terms = products * np.exp(x - highest)
    total = np.sum(terms, axis=0)
    return (highest + np.log(total) - target) / (_sum(weights, terms) / total)


def _rate(x, exponentials):
    """Compute x exp(x) - exp(x) + 1 without loss of digits near 0.

    The series is the sum over k >= 2 of x^k / (k (k - 2)!).
    """
    rate = (x - 1) * exponentials + 1
    small = np.abs(x) < 0.03
    x = x[small]
    series = np.zeros_like(x)
    factors = (1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840, 1 / 5760)
    for factor in factors[::-1]:
        series = series * x + factor
    rate[small] = series * x**2
    return rate


def _correction(t, r, curvature, weights, npred):
    """Compute ln(u / r) / r, by its series near 0."""
    correction = np.log(t * np.sqrt(curvature) / r) / r
    second, third, fourth = (_sum(weights**k, npred) for k in (2, 3, 4))
    skewness, kurtosis = third / second**1.5, fourth / second**2
    y = t * np.sqrt(second)
    slope = kurtosis / 8 - 7 * skewness**2 / 36
    is_near = np.abs(t) * third < SERIES_BELOW * second
    return np.where(is_near, skewness / 6 + y * slope, correction)
