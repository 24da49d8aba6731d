# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Significance of summed counts, whatever the background is."""

import numpy as np
from .off_counts import on_off_significance
from .weighted import sqrt_ts_of_parts

__all__ = []


def summed_significance(sums, mask, parts=None):
    """Significance of summed counts, NaN outside the mask."""
    if "counts_off" in sums:
        return on_off_significance(sums, mask)
    counts = np.where(mask, sums["counts"], np.nan)
    return sqrt_ts_of_parts(counts, parts or [(1.0, sums["npred"])])
