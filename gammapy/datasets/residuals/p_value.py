# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How probable a sum of squares of significances is for the model as it is."""

import numpy as np
from gammapy.stats import get_wstat_mu_bkg
from gammapy.stats.goodness import (
    StatMoments,
    cash_moments,
    sum_p_value,
    wstat_moments,
)
from .planes import joint_alpha

__all__ = []

#: Moments of the square of a normal deviate.
OF_A_SQUARE = StatMoments(1.0, 2.0, 8.0)


def p_value_of_sum(sums, sqrt_ts, *, is_weighted=False):
    """Probability of a sum of ts as large or larger in the bins that have one.

    The significance of summed counts is the signed root of the Cash statistic, or of
    wstat, against the saturated model; the moments of these at the counts that the
    model predicts (`gammapy.stats.goodness`) make the distribution of the sum. Weighted
    counts, whose significance has a correction that makes it normal, count as squares
    of normal deviates.

    Parameters
    ----------
    sums : dict of `~numpy.ndarray`
        Sums by name.
    sqrt_ts : `~numpy.ndarray`
        Significance, NaN in bins that do not count.
    is_weighted : bool, optional
        Whether masks have weights other than 1. Default is False.

    Returns
    -------
    p_value : float
        NaN where no bin counts.
    """
    used = ~np.isnan(sqrt_ts)
    if not used.any():
        return np.nan
    sums = {name: values[used] for name, values in sums.items()}
    moments = [
        np.sum(np.broadcast_to(moment, used.sum()))
        for moment in _moments(sums, is_weighted)
    ]
    return float(sum_p_value(np.sum(sqrt_ts[used] ** 2), StatMoments(*moments)))


def _moments(sums, is_weighted):
    """Moments of the square of the significance in each bin."""
    if "counts_off" in sums:
        return _on_off_moments(sums)
    return OF_A_SQUARE if is_weighted else cash_moments(sums["npred"])


def _on_off_moments(sums):
    """Moments of wstat, where alpha differs for its mean.

    Off counts are expected as the fit of the model profiles them, so that some are
    expected in bins without any.
    """
    signal = np.clip(sums["npred"] - sums["npred_background"], 0, None)
    # Without any acceptance there is no background either.
    alpha = np.nan_to_num(joint_alpha(sums), nan=1.0, posinf=1.0)
    background = get_wstat_mu_bkg(sums["counts"], sums["counts_off"], alpha, signal)
    return wstat_moments(signal, np.clip(np.nan_to_num(background), 0, None), alpha)
