# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How maps of residuals are drawn: checks of options, and the part that is shown."""

import numpy as np
from gammapy.utils.arguments import check_bool
from gammapy.visualization.limits import check_map_limits
from gammapy.visualization.sky.stretch import check_stretch
from gammapy.visualization.sky.view import View

__all__ = []


def check_map_style(vmin, vmax, vsig, stretch, crop):
    """Raise an error that names the option of maps that is not one."""
    check_map_limits(vmin, vmax, vsig)
    check_stretch(stretch)
    check_bool("crop", crop)


def view_of(residuals, crop):
    """Part of the maps of residuals that is drawn.

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpatialResiduals` or `~gammapy.diagnostics.PSMap`
        Maps, with counts that are NaN where they are masked.
    crop : bool
        Whether to leave out what is masked in all energy groups.

    Returns
    -------
    view : `~gammapy.visualization.sky.view.View`
        View.
    """
    image = residuals.counts.geom.to_image()
    if not crop:
        return View.whole(image)
    return View.of_mask(image, np.isfinite(residuals.counts.data).any(axis=0))
