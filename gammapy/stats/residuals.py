# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of counts against a model: arrays in, arrays out.

With n the counts and m the predicted counts of a bin, the methods are

======================  =====================================================
``diff``                n - m
``diff/model``          (n - m) / m
``diff/sqrt(model)``    (n - m) / sqrt(m)
``significance``        sign(n - m) sqrt(2 [n ln(n / m) - n + m])
======================  =====================================================

The significance is the square root of the likelihood ratio of the saturated model
and the model, for Poisson counts (Cash 1979, ApJ 228, 939, eq. 7, with the model
fixed). For on-off data it is the one of Li & Ma (1983, ApJ 272, 317, eq. 17), with
the signal of the model instead of none. Off counts of several alphas have functions of
their own, in `gammapy.stats.on_off_profile`.
"""

import logging
import numpy as np
from gammapy.utils.arguments import (
    check_array,
    check_broadcast,
    did_you_mean,
    show,
)
from .counts_statistic import CashCountsStatistic, WStatCountsStatistic

__all__ = [
    "RESIDUAL_METHODS",
    "compute_residual_errors",
    "compute_residuals",
    "compute_sqrt_ts",
    "compute_sqrt_ts_on_off",
]

log = logging.getLogger(__name__)

#: Names of the residual methods.
RESIDUAL_METHODS = ("diff", "diff/model", "diff/sqrt(model)", "significance")


def check_residual_method(method):
    """Raise a ValueError that lists the methods when ``method`` is not one of them."""
    if method not in RESIDUAL_METHODS:
        hint = did_you_mean(method, RESIDUAL_METHODS)
        raise ValueError(
            f"Invalid residual method: {show(method)}{hint}. "
            f"Choose from {', '.join(map(repr, RESIDUAL_METHODS))}."
        )


def compute_residuals(counts, npred, method="diff", *, variance=None):
    """Residuals of counts against predicted counts.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray` or array_like
        Counts and predicted counts, of shapes that broadcast. Sums may be weighted
        when ``variance`` is given.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method, see `gammapy.stats.residuals`. Default is "diff".
    variance : `~numpy.ndarray` or array_like, optional
        Variance of ``counts`` under the model, when it is not ``npred``: for counts
        summed with weights w it is the sum of w^2 m. Default is None.

    Returns
    -------
    residuals : `~numpy.ndarray`
        Residuals, without unit. NaN where the counts or the model are NaN or the
        model is negative, 0 where both are 0, infinite where there are counts but no
        model (except for "diff"), which is logged.

    Raises
    ------
    ValueError
        If the method is not known, or the shapes do not broadcast.
    TypeError
        If an array is not one of numbers.

    Examples
    --------
    >>> from gammapy.stats.residuals import compute_residuals
    >>> compute_residuals([9, 0], [4.0, 2.0], "diff/sqrt(model)").round(3).tolist()
    [2.5, -1.414]
    """
    check_residual_method(method)
    if method == "significance":
        return compute_sqrt_ts(counts, npred, variance=variance)

    counts, npred, variance = _as_floats(counts, npred, variance)
    excess = counts - npred
    if method == "diff":
        return excess

    if method == "diff/model":
        scale = npred
    else:
        with np.errstate(invalid="ignore"):
            scale = np.sqrt(npred if variance is None else variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        residuals = excess / scale
    return _mend_edges(residuals, counts, npred)


def compute_sqrt_ts(counts, npred, *, variance=None):
    """Significance of the difference of counts and predicted counts.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray` or array_like
        Counts and predicted counts, of shapes that broadcast.
    variance : `~numpy.ndarray` or array_like, optional
        Variance of ``counts`` under the model, when it is not ``npred``. The
        likelihood ratio is scaled by ``npred / variance``, so that the result keeps
        the width 1, but not the tails of N(0, 1): with the weights at hand take
        `~gammapy.stats.weighted_poisson.compute_sqrt_ts_weighted`. Default is None.

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
    counts, npred, variance = _as_floats(counts, npred, variance)
    counts = _without_negative(counts, "negative counts: their significance")
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = (counts - npred) / npred
        half_ts = npred * _deviance(deviation)
        if variance is not None:
            half_ts = half_ts * npred / variance
        sqrt_ts = np.sign(deviation) * np.sqrt(2 * half_ts)
    return _mend_edges(sqrt_ts, counts, npred)


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
        arrays[name] = _without_negative(arrays[name], what)
    counts, counts_off, alpha, npred_signal = np.broadcast_arrays(*arrays.values())
    valid = np.all(np.isfinite(arrays := [counts, counts_off, alpha, npred_signal]), 0)
    sqrt_ts = np.full(counts.shape, np.nan)
    stat = WStatCountsStatistic(*(_[valid] for _ in arrays))
    sqrt_ts[valid] = stat.sqrt_ts
    return sqrt_ts


def compute_residual_errors(counts, npred, method="diff", *, variance=None, stat=None):
    """Error bars of residuals, from the likelihood of the counts.

    The errors are those of the excess at fixed model (one sigma of the profile
    likelihood), divided as the residual is. The residual "significance" has the
    error 1 by its definition.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray` or array_like
        Counts and predicted counts, of the same shape.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    variance : `~numpy.ndarray` or array_like, optional
        Variance of ``counts`` under the model, when it is not ``npred``: the errors
        are then those of the counts that have this relative variance.
        Default is None.
    stat : object with methods ``compute_errn`` and ``compute_errp``
        Statistic to take the errors from, `~gammapy.stats.WStatCountsStatistic` or
        `~gammapy.stats.on_off_profile.OnOffProfile`. Default is Cash of counts and
        model.

    Returns
    -------
    errn, errp : tuple of `~numpy.ndarray`
        Downward and upward error, both positive; ``errn`` is 0 where there are no
        counts, for there the likelihood has its maximum at the border. NaN where the
        residual is not finite.

    Raises
    ------
    ValueError
        If the method is not known, or the shapes do not broadcast.
    TypeError
        If an array is not one of numbers.

    Examples
    --------
    >>> from gammapy.stats.residuals import compute_residual_errors
    >>> errn, errp = compute_residual_errors([0, 100], [1.0, 90.0])
    >>> errp.round(2).tolist()
    [0.5, 10.34]
    """
    check_residual_method(method)
    counts, npred, variance = _broadcast_floats(counts, npred, variance)
    # Of those that Gammapy has, or the profile of several alphas.
    if stat is not None and not hasattr(stat, "compute_errn"):
        raise TypeError(f"stat: expected a statistic of counts, got {show(stat)}.")
    valid = np.isfinite(counts) & (npred >= 0)
    if method == "significance":
        errn = errp = np.where(valid, 1.0, np.nan)
        return errn, errp

    with np.errstate(divide="ignore", invalid="ignore"):
        # Weighted counts are 1 / weight of plain ones.
        weight = np.ones(counts.shape) if variance is None else variance / npred
        weight = np.where(npred > 0, weight, 1.0)
        if stat is None:
            plain = np.where(valid, counts / weight, 0)
            stat = CashCountsStatistic(np.nan_to_num(plain), npred)
        scale = {
            "diff": 1.0,
            "diff/model": npred,
            "diff/sqrt(model)": np.sqrt(npred * weight),
        }[method]
        errors = [
            _ * weight / scale for _ in (stat.compute_errn(), stat.compute_errp())
        ]
    return tuple(np.where(valid & np.isfinite(_), _, np.nan) for _ in errors)


def _as_floats(counts, npred, variance=None):
    """Arrays of one shape, with NaN where the model is negative."""
    counts, npred, variance = _broadcast_floats(counts, npred, variance)
    npred = _without_negative(npred, "a negative model: their residual")
    return counts, npred, variance


def _broadcast_floats(counts, npred, variance):
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


def _without_negative(values, what):
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


def _mend_edges(residuals, counts, npred):
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
