# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Limits of colours."""

import numpy as np
from gammapy.stats.residual_methods import METHODS
from gammapy.utils.arguments import check_number

__all__ = []

# Residuals in standard deviations are drawn from -5 to 5.
LIMIT_IN_SIGMA = 5
# Colours of counts end at this multiple of what half a percent of the pixels exceed.
BRIGHT_PERCENTILE, BRIGHT_FACTOR = 99.5, 300


def check_limits(vmin, vmax):
    """Raise an error that names the colour limit that is not a number."""
    for name, value in (("vmin", vmin), ("vmax", vmax)):
        if value is not None:
            check_number(name, value)


def check_map_limits(vmin, vmax, vsig):
    """Raise an error that names the limit of colours that is not one."""
    check_limits(vmin, vmax)
    check_number("vsig", vsig, above=0)
    low = 0 if vmin is None else vmin
    if vmax is not None and vmax <= low:
        raise ValueError(f"vmax {vmax!r} is not above vmin {low!r}.")


def counts_limits(values, vmin, vmax):
    """Colour limits as given; else from 0 to the highest finite value.

    A few pixels that are far brighter than all others do not set the upper limit.
    """
    low = 0.0 if vmin is None else vmin
    if vmax is not None:
        return low, vmax
    finite = values[np.isfinite(values)]
    highest = np.max(finite, initial=low)
    bright = np.percentile(finite, BRIGHT_PERCENTILE) if finite.size else low
    if bright > max(low, 0):
        highest = min(highest, max(BRIGHT_FACTOR * bright, low))
    return low, highest if highest > low else low + 1


def residual_limits(data, method, kwargs):
    """Both colour limits: as given, else symmetric, of 5 sigma or of the data."""
    vmin, vmax = kwargs.get("vmin"), kwargs.get("vmax")
    if METHODS[method].is_in_sigma:
        limit = LIMIT_IN_SIGMA
    elif vmin is not None and vmin < 0:
        limit = -vmin
    elif vmax is not None and vmax > 0:
        limit = vmax
    else:
        limit = symmetric_limit(data)
    # A limit that was given may lie beyond the other one.
    if vmin is None:
        vmin = -limit if vmax is None else min(-limit, 2 * vmax)
    if vmax is None:
        vmax = max(limit, 2 * vmin)
    return {"vmin": vmin, "vmax": vmax}


def symmetric_limit(data):
    """Limit of all finite values but the half percent that are farthest from 0."""
    finite = np.abs(data[np.isfinite(data)])
    limit = np.percentile(finite, 99.5) if finite.size else 0
    limit = limit if limit > 0 else np.max(finite, initial=0)
    return limit if limit > 0 else 1.0
