# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of counts and predicted counts, as arrays.

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
the signal of the model instead of none.
"""

from gammapy.utils.messages import did_you_mean, show
from .residual_methods import METHODS
from .significance import broadcast_floats, compute_sqrt_ts, compute_sqrt_ts_on_off

__all__ = [
    "RESIDUAL_METHODS",
    "compute_residual_errors",
    "compute_residuals",
    "compute_sqrt_ts",
    "compute_sqrt_ts_on_off",
]

#: Names of the residual methods.
RESIDUAL_METHODS = tuple(METHODS)


def check_residual_method(method):
    """Raise a ValueError that lists the methods when ``method`` is not one of them."""
    # What is given may have no hash.
    if method not in list(METHODS):
        hint = did_you_mean(method, METHODS)
        raise ValueError(
            f"Invalid residual method: {show(method)}{hint}. "
            f"Choose from {', '.join(map(repr, METHODS))}."
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
    return METHODS[method].compute(counts, npred, variance)


def compute_residual_errors(counts, npred, method="diff", *, variance=None, stat=None):
    """Error bars of residuals, from the likelihood of the counts.

    The errors are those of the excess for a fixed model (one sigma of the profile
    likelihood), with the same denominator as the residual. The residual "significance"
    has the error 1 by definition.

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
        Statistic to take the errors from, for instance
        `~gammapy.stats.WStatCountsStatistic`. Default is Cash of counts and model.

    Returns
    -------
    errn, errp : tuple of `~numpy.ndarray`
        Downward and upward error, both positive; ``errn`` is 0 where there are no
        counts, because the likelihood has its maximum at the border. NaN where the
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
    counts, npred, variance = broadcast_floats(counts, npred, variance)
    if stat is not None and not hasattr(stat, "compute_errn"):
        raise TypeError(f"stat: expected a statistic of counts, got {show(stat)}.")
    return METHODS[method].errors(counts, npred, variance, stat)
