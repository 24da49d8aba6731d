# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums of on-off data, from pixels, energy bins and datasets of any alpha.

Where all have one alpha the summed counts are all there is to know. Else the
background of each alpha is profiled on its own (`gammapy.stats.on_off_profile`), which
needs the sums of the off counts times powers of alpha, and the range of alpha
(`gammapy.stats.on_off_moments`).
"""

import numpy as np
from gammapy.stats import WStatCountsStatistic
from gammapy.stats.on_off_moments import N_NODES, groups_from_moments
from gammapy.stats.on_off_profile import OnOffProfile
from gammapy.stats.residuals import compute_sqrt_ts_on_off
from .planes import alpha_range, joint_alpha, without_mask_fit

__all__ = []

# Alphas that differ by less than this, relative, are the same one.
ALPHA_TOLERANCE = 1e-12

# Positions of a map that are solved at once, so that memory has a limit.
N_AT_ONCE = 100_000

#: Names of the sums of off counts times powers of alpha that only several alphas need.
HIGHER_MOMENTS = tuple(f"off_moment_{power}" for power in range(2, 2 * N_NODES))

#: Names of what is not summed: of it the maximum counts.
MAXIMA = ("alpha_max", "inverse_alpha_max")

#: Names of all that several alphas need.
SEVERAL_ALPHAS = (*HIGHER_MOMENTS, *MAXIMA)


def has_several_alphas(datasets, bins_of, *, apply_mask=True):
    """Whether the alpha of on-off datasets differs inside their masks.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with a modelled or a measured background.
    bins_of : callable
        Gives the mask of the energy bins of a dataset that count.
    apply_mask : bool, optional
        Whether ``mask_fit`` applies. Default is True.
    """
    ranges = [
        alpha_range(
            dataset if apply_mask else without_mask_fit(dataset), bins_of(dataset)
        )
        for dataset in datasets
        if dataset.stat_type == "wstat"
    ]
    if not ranges:
        return False
    low, high = np.min(ranges, axis=0)[0], np.max(ranges, axis=0)[1]
    return bool(high > low * (1 + ALPHA_TOLERANCE))


def alpha_summands(plane):
    """Names and arrays of a `Plane` for several alphas.

    They are weighted, and combined with `combine`. Each holds until the next is made.
    """
    values = plane.npred_background * plane.weights
    for name in HIGHER_MOMENTS:
        values *= plane.alpha
        yield name, values
    used = plane.weights > 0
    yield "alpha_max", np.where(used, plane.alpha, 0.0)
    with np.errstate(divide="ignore"):
        yield "inverse_alpha_max", np.where(used, 1 / plane.alpha, 0.0)


def combine(name):
    """Function that joins two arrays of a name: their sum, or the larger one."""
    return np.maximum if name in MAXIMA else np.add


def on_off_statistic(sums):
    """Statistic of summed on-off data, from a dict of their sums.

    Returns
    -------
    stat : `WStatCountsStatistic` or `~gammapy.stats.on_off_profile.OnOffProfile`
        Statistic of the counts and the signal of the model.
    """
    signal = sums["npred"] - sums["npred_background"]
    if "alpha_max" not in sums:
        return WStatCountsStatistic(
            sums["counts"], sums["counts_off"], joint_alpha(sums), signal
        )
    names = ("counts_off", "npred_background", *HIGHER_MOMENTS)
    with np.errstate(divide="ignore"):
        alpha_min = 1 / sums["inverse_alpha_max"]
    groups = groups_from_moments(
        np.stack([sums[name] for name in names]), alpha_min, sums["alpha_max"]
    )
    return OnOffProfile(sums["counts"], *groups, signal)


def on_off_significance(sums, mask):
    """Significance of summed on-off data, NaN outside the mask.

    Parameters
    ----------
    sums : dict of `~numpy.ndarray`
        Sums by name, with those of `alpha_summands` where there are several alphas.
    mask : `~numpy.ndarray` of bool
        Where to compute it.
    """
    if "alpha_max" in sums:
        sqrt_ts = np.full(mask.shape, np.nan)
        idx = np.flatnonzero(mask)
        for start in range(0, len(idx), N_AT_ONCE):
            part = idx[start : start + N_AT_ONCE]
            used = {name: values.ravel()[part] for name, values in sums.items()}
            sqrt_ts.ravel()[part] = on_off_statistic(used).sqrt_ts
        return sqrt_ts
    signal = sums["npred"] - sums["npred_background"]
    counts = np.where(mask, sums["counts"], np.nan)
    return compute_sqrt_ts_on_off(counts, sums["counts_off"], joint_alpha(sums), signal)
