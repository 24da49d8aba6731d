# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Significance of weighted sums of Poisson counts: arrays in, arrays out.

With the weights f, the counts n and the predicted counts m of the bins, the sum is
S = sum f n. Under the model it has the cumulant generating function

    K(t) = sum m (exp(t f) - 1),   K'(0) = M = sum f m,   K''(0) = M2 = sum f^2 m.

With t the solution of K'(t) = S,

    r = sign(t) sqrt(2 [t S - K(t)]),   u = t sqrt(K''(t)),   r* = r + ln(u / r) / r,

where r^2 / 2 is the rate function of S, and r* is N(0, 1) far into both tails
(Barndorff-Nielsen 1986, Biometrika 73, 307, and 1991, Biometrika 78, 557; Lugannani &
Rice 1980, Adv. Appl. Prob. 12, 475). With all weights equal r is the significance of
Poisson counts (Cash 1979, ApJ 228, 939), which is not changed by the correction: it
is that of a likelihood ratio, and counts are whole numbers.

Near S = M both u and r vanish. With y = t sqrt(M2) and the skewness g and the excess
kurtosis k of S, ln(u / r) / r = g / 6 + y (k / 8 - 7 g^2 / 36) + O(y^2). So r* is
g / 6 at S = M, not 0, because half of the noise of skewed sums is below its mean.

The correction is made for sums that take any value. It has no limit for S to 0, and
a sum of one count or less, n = S^2 / K''(t) <= 1, is not of that kind. There r* goes
over to r; below M that is scaled so that S = 0, which happens with the probability
p = exp(-sum m), has the quantile p / 2 of N(0, 1) (half, as for any value of a
discrete sum: Lancaster 1961, JASA 56, 223).
"""

import logging
import numpy as np
from scipy.special import ndtri_exp
from .residuals import compute_sqrt_ts

__all__ = ["compute_sqrt_ts_weighted"]

log = logging.getLogger(__name__)

#: Weights that differ by less than this, relative, are equal.
EQUAL = 1e-12
# Below this t, in units of 1 / (largest weight), the series replaces ln(u / r) / r.
SERIES_BELOW = 1e-4
# The correction counts for sums of more than about so many counts.
N_COUNTS = 1.5
# Newton's method converges quadratically from any start: this is never reached.
N_ITERATIONS = 100
# Values computed at a time, so that temporary arrays stay in the cache.
CHUNK = 200_000


def compute_sqrt_ts_weighted(weighted_counts, weights, npred):
    """Significance of weighted sums of counts.

    It is r* of `gammapy.stats.weighted_poisson`, and `compute_sqrt_ts` of the plain
    counts where all weights that are not 0 are equal.

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
    2.9
    >>> compute_sqrt_ts_weighted([0, 5], weights=[1, 1], npred=[1, 1]).round(3).tolist()
    [-2.0, 1.791]
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
        sqrt_ts[part] = solve_sqrt_ts(sums[part] / scale[part], f, npred_used)
    return sqrt_ts.reshape(shape)


def solve_sqrt_ts(sums, weights, npred):
    """Compute r* of graded weights.

    Parameters
    ----------
    sums : `~numpy.ndarray`
        Weighted counts, 0 or positive, of shape (n,).
    weights : `~numpy.ndarray`
        Weights from 0 to 1, of shape (n, n_bins) or (n_bins,).
    npred : `~numpy.ndarray`
        Predicted counts, of shape (n, n_bins), with a positive weighted sum. Single
        bins may be negative, as those of a quadrature are.

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Significance, of shape (n,).
    """
    footprint = np.sum(npred, axis=-1)
    lowest_r = -np.sqrt(2 * footprint)
    # Half of the probability of no counts at all, as a quantile of N(0, 1).
    lowest = ndtri_exp(-footprint - np.log(2))
    result = np.array(lowest)
    solved = np.nonzero(sums > 0)[0]
    if solved.size == 0:
        return result
    sums, npred = sums[solved], npred[solved]
    if np.ndim(weights) > 1:
        weights = weights[solved]
    t = _solve(sums, weights, npred)
    x = t[:, np.newaxis] * weights
    half_ts = np.sum(npred * _rate(x), axis=-1)
    curvature = np.sum(npred * weights**2 * np.exp(x), axis=-1)
    r = np.sign(t) * np.sqrt(2 * np.clip(half_ts, 0, None))
    below = lowest[solved] / lowest_r[solved]
    base = np.where(r < 0, r * below, r)
    reliability = -np.expm1(-((sums**2 / curvature / N_COUNTS) ** 2))
    corrected = r + _correction(t, r, curvature, weights, npred)
    result[solved] = base + reliability * (corrected - base)
    return result


def _solve(sums, weights, npred):
    """Solve K'(t) = S for t by Newton's method on ln K'(t) = ln S.

    ln K' is convex and grows, so that the steps come from the right, after the first
    one, and cannot overshoot.
    """
    products = npred * weights
    mean = np.sum(products, axis=-1)
    products = products / mean[:, np.newaxis]
    target = _log_ratio(sums, mean)
    t = target / np.sum(products * weights, axis=-1)
    active = np.arange(t.size)
    for _iteration in range(N_ITERATIONS):
        f = weights if np.ndim(weights) == 1 else weights[active]
        p = products[active]
        log_mean, slope = _log_mean(t[active], f, p)
        step = (log_mean - target[active]) / slope
        t[active] -= step
        going = np.abs(step) > 1e-13 + 1e-11 * np.abs(t[active])
        active = active[going]
        if active.size == 0:
            break
    return t


def _log_ratio(sums, mean):
    """Logarithm of S / M, with all digits of S - M where that is small."""
    difference = (sums - mean) / mean
    with np.errstate(divide="ignore"):
        return np.where(
            np.abs(difference) < 0.5, np.log1p(difference), np.log(sums) - np.log(mean)
        )


def _log_mean(t, weights, products):
    """Value and slope of ln(K'(t) / M)."""
    x = t[:, np.newaxis] * weights
    # Nothing overflows when the largest exponential is taken out.
    highest = np.clip(t, 0, None)
    terms = products * np.exp(x - highest[:, np.newaxis])
    total = np.sum(terms, axis=-1)
    slope = np.sum(terms * weights, axis=-1) / total
    value = highest + np.log(total)
    near = np.nonzero(np.abs(t) < 0.3)[0]
    value[near] = np.log1p(np.sum(products[near] * np.expm1(x[near]), axis=-1))
    return value, slope


def _rate(x):
    """Compute x exp(x) - exp(x) + 1 without loss of digits near 0.

    The series is the sum over k >= 2 of x^k / (k (k - 2)!).
    """
    series = np.zeros_like(x)
    small = np.abs(x) < 0.03
    factors = (1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840, 1 / 5760, 1 / 45360)
    for factor in factors[::-1]:
        series = series * x + factor
    return np.where(small, series * x**2, x * np.exp(x) - np.expm1(x))


def _correction(t, r, curvature, weights, npred):
    """Compute ln(u / r) / r, by its series near 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        correction = np.log(t * np.sqrt(curvature) / r) / r
    near = np.nonzero(np.abs(t) < SERIES_BELOW)[0]
    if near.size:
        f = weights if np.ndim(weights) == 1 else weights[near]
        second, third, fourth = (np.sum(npred[near] * f**k, -1) for k in (2, 3, 4))
        skewness, kurtosis = third / second**1.5, fourth / second**2
        y = t[near] * np.sqrt(second)
        slope = kurtosis / 8 - 7 * skewness**2 / 36
        correction[near] = skewness / 6 + y * slope
    return correction
