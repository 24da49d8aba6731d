# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kinks of the statistic of on-off data, and errors where there is no curvature.

An on-off bin without counts has a kink where its signal is 0: the statistic rises on
both sides, for there is no background to take the place of counts that are not there.
"""

import numpy as np

__all__ = []

# Step to look at the slopes with, and least slope, per error that cannot be exceeded.
STEP, SMALLEST_SLOPE = 1e-3, 1e-6

# The same next to a kink, where other bins must not bend in between.
ASIDE = 1e-9

# Kinks that are looked at one by one.
MOST_KINKS = 3


def kink_minimum(statistic, point, free, low, high, errors):
    """Minimum along the only free norm, if it is on a kink.

    Parameters
    ----------
    statistic : `~gammapy.modeling.newton.statistic.Statistic`
        Statistic without rounding.
    point : `~gammapy.modeling.newton.statistic.Point`
        Any point.
    free : int
        Index of the norm.
    low, high : `~numpy.ndarray`
        Bounds of all norms, shape (n_norms,).
    errors : `~numpy.ndarray`
        Largest possible errors, shape (n_norms,).

    Returns
    -------
    minimum : `~gammapy.modeling.newton.statistic.Point` or None
        The point on the kink; None when the minimum is somewhere else.
    """
    rows = statistic.templates.on_off
    if rows is None:
        return None
    unit = np.zeros(point.norms.shape)
    unit[free] = 1.0
    template = statistic.templates.change(unit)
    is_bent = (rows.bends > 0) & (template != 0)
    template, npred = template[is_bent], point.npred[is_bent]
    kinks = np.unique(point.norms[free] - npred / template)
    if kinks.size > MOST_KINKS:
        return None
    for kink in kinks:
        if not low[free] <= kink <= high[free]:
            continue
        norms = point.norms + (kink - point.norms[free]) * unit
        aside = ASIDE * max(abs(kink), errors[free]) * unit
        sides = [statistic.point(norms + step) for step in (-aside, aside)]
        left, right = (statistic.derivatives(side)[0][free] for side in sides)
        if left < 0 < right:
            norms[free] = kink
            return statistic.point(norms)
    return None


def distance_at_kink(statistic, point, direction):
    """Distance along a direction at which the statistic rises by 1 on both sides.

    Parameters
    ----------
    statistic : `~gammapy.modeling.newton.statistic.Statistic`
        Statistic.
    point : `~gammapy.modeling.newton.statistic.Point`
        Minimum.
    direction : `~numpy.ndarray`
        Direction without curvature, of about the length of the errors that are
        possible, shape (n_norms,).

    Returns
    -------
    distance : float
        The larger of both distances, in lengths of the direction; NaN when the
        statistic does not rise.
    """
    slopes = []
    for step in (-STEP, STEP):
        moved = statistic.point(point.norms + step * direction)
        slopes.append(statistic.difference(moved, point) / STEP)
    lowest = min(slopes)
    return 1 / lowest if lowest > SMALLEST_SLOPE else np.nan
