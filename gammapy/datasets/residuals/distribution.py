# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Moments of the significance within a mask."""

import numpy as np
from gammapy.maps import Map
from gammapy.utils.arguments import check_type
from .grids import describe_difference

__all__ = []


def selected_pixels(mask, geom):
    """Pixels that a mask selects; an error when it is not one of this geometry."""
    expected = "a boolean map on the geometry of residuals.mask"
    check_type("mask", mask, Map, expected)
    # One image serves all energy groups.
    is_image = mask.geom.is_image or mask.data.shape[0] == 1
    geoms = (mask.geom, geom)
    if is_image:
        geoms = [geom.to_image() for geom in geoms]
    difference = describe_difference(*geoms)
    if difference:
        raise ValueError(f"mask: expected {expected}, got one with {difference}.")
    if not np.isin(mask.data, (0, 1)).all():
        raise ValueError(f"mask: expected {expected}, got other values than 0 and 1.")
    return mask.data.astype(bool)


def moments(values, n_trials):
    """Mean, its error, standard deviation, its error, number of independent values."""
    if n_trials == 0:
        return (np.nan,) * 4 + (0.0,)
    mean, std = values.mean(), values.std()
    return mean, std / np.sqrt(n_trials), std, std / np.sqrt(2 * n_trials), n_trials
