# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Significance of counts against a model or off counts, and bins without one."""

import logging
import numpy as np
from gammapy.utils.array import check_array, check_broadcast
from .counts_statistic import WStatCountsStatistic

__all__ = []

log = logging.getLogger(__name__)


def compute_sqrt_ts(counts, npred, *, variance=None):
    """Significance of the difference of counts and predicted counts.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray` or array_like
        Counts and predicted counts, of shapes that broadcast.
    variance : `~numpy.ndarray` or array_like, optional
        Variance of ``counts`` under the model, when it is not ``npred``. The
        likelihood ratio is scaled by ``npred / variance``, so that the result keeps
        the width 1, but not the tails of N(0, 1). Default is None.

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Signed significance in standard deviations; edge cases as in
        `compute_residuals`, and NaN for negative counts, which is logged. It is
        accurate also where counts and model agree to many digits.

    Examples
    --------
    >>> from gammapy.stats.residuals import compute_sqrt_ts
    >>> compute_sqrt_ts([0, 5], [2.0, 5.0]).tolist()
    [-2.0, 0.0]
    """
    counts, npred, variance = as_floats(counts, npred, variance)
    counts = without_negative(counts, "negative counts: their significance")
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = (counts - npred) / npred
        half_ts = npred * _deviance(deviation)
        if variance is not None:
            half_ts = half_ts * npred / variance
        sqrt_ts = np.sign(deviation) * np.sqrt(2 * half_ts)
    return mend_edges(sqrt_ts, counts, npred)


def compute_sqrt_ts_on_off(counts, counts_off, alpha, npred_signal):
    """Significance of on counts against off counts and the signal of a model.

    The background is a free parameter in each bin (Li & Ma 1983, ApJ 272, 317,
    eq. 17, generalised to a given signal), see
    `~gammapy.stats.WStatCountsStatistic`.

    Parameters
    ----------
    counts, counts_off : `~numpy.ndarray` or array_like
        Counts in the on and the off region.
    alpha : `~numpy.ndarray` or array_like
        Acceptance of the on region divided by the one of the off region.
    npred_signal : `~numpy.ndarray` or array_like
        Predicted counts of the signal in the on region.

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Signed significance in standard deviations, NaN where an input is NaN, and for
        negative counts, which is logged.

    Raises
    ------
    ValueError
        If alpha is negative, or the shapes do not broadcast.
    TypeError
        If an array is not one of numbers.

    Examples
    --------
    >>> from gammapy.stats.residuals import compute_sqrt_ts_on_off
    >>> compute_sqrt_ts_on_off([15, 5], [10, 10], 0.5, npred_signal=0).round(2).tolist()
    [2.72, 0.0]
    """
    arrays = {
        "counts": check_array("counts", counts),
        "counts_off": check_array("counts_off", counts_off),
        "alpha": check_array("alpha", alpha),
        "npred_signal": check_array("npred_signal", npred_signal),
    }
    check_broadcast(**arrays)
    if np.any(arrays["alpha"] < 0):
        raise ValueError(
            f"alpha: expected values of 0 or more, got {np.nanmin(arrays['alpha']):g}."
        )
    for name in ("counts", "counts_off"):
        what = f"negative {name}: their significance"
        arrays[name] = without_negative(arrays[name], what)
    counts, counts_off, alpha, npred_signal = np.broadcast_arrays(*arrays.values())
    valid = np.all(np.isfinite(arrays := [counts, counts_off, alpha, npred_signal]), 0)
    sqrt_ts = np.full(counts.shape, np.nan)
    stat = WStatCountsStatistic(*(array[valid] for array in arrays))
    sqrt_ts[valid] = stat.sqrt_ts
    return sqrt_ts


def as_floats(counts, npred, variance=None):
    """Arrays of one shape, with NaN where the model is negative."""
    counts, npred, variance = broadcast_floats(counts, npred, variance)
    npred = without_negative(npred, "a negative model: their residual")
    return counts, npred, variance


def broadcast_floats(counts, npred, variance):
    """Counts and model as arrays of one shape; the variance may be None."""
    arrays = {
        "counts": check_array("counts", counts),
        "npred": check_array("npred", npred),
    }
    if variance is not None:
        arrays["variance"] = variance = check_array("variance", variance)
    check_broadcast(**arrays)
    counts, npred = np.broadcast_arrays(arrays["counts"], arrays["npred"])
    return counts, npred, variance


def without_negative(values, what):
    """Values with NaN where they are negative, which is logged."""
    negative = values < 0
    if not np.any(negative):
        return values
    log.warning(f"{np.sum(negative)} bins have {what} is NaN.")
    return np.where(negative, np.nan, values)


def _deviance(x):
    """Compute (1 + x) ln(1 + x) - x for x >= -1 without loss of digits near 0.

    For small x the terms cancel to x^2 / 2, so there the series
    sum_k (-x)^k / (k (k - 1)), k >= 2, is used; eight terms leave less than 1e-16
    of it for abs(x) < 0.01.
    """
    small = np.abs(x) < 0.01
    series = np.zeros_like(x)
    for k in range(9, 1, -1):
        series = series * -x + 1 / (k * (k - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(x > -1, (1 + x) * np.log1p(x) - x, 1.0)
    return np.where(small, series * x**2, np.where(np.isnan(x), np.nan, exact))


def mend_edges(residuals, counts, npred):
    """Set the value of bins without model, where a division by zero is left."""
    empty = npred == 0
    residuals = np.where(empty & (counts == 0), 0.0, residuals)
    infinite = empty & (counts > 0)
    if np.any(infinite):
        log.warning(
            f"{np.sum(infinite)} bins have counts but no model: "
            "their residual is infinite."
        )
        residuals = np.where(infinite, np.inf, residuals)
    return residuals
