# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How maps of residuals are drawn: checks of options, and the part that is shown."""

import numpy as np
from gammapy.datasets.residuals.grids import parse_region
from gammapy.utils.arguments import check_bool, check_choice
from gammapy.visualization.limits import check_map_limits
from gammapy.visualization.sky.spots import check_spots
from gammapy.visualization.sky.stretch import STRETCHES
from gammapy.visualization.sky.view import View
from .panels.base import DrawOptions

__all__ = []


def check_map_style(vmin, vmax, vsig, stretch, crop):
    """Raise an error that names the option of maps that is not one."""
    check_map_limits(vmin, vmax, vsig)
    check_choice("stretch", stretch, STRETCHES)
    check_bool("crop", crop)


def draw_options(
    *,
    region=None,
    vmin=None,
    vmax=None,
    vsig=5,
    stretch="auto",
    crop=True,
    hot_spots=None,
):
    """Options that all maps of a figure have in common.

    Parameters
    ----------
    region, vmin, vmax, vsig, stretch, crop, hot_spots : optional
        As in `~gammapy.visualization.plot_spatial_residuals`.

    Returns
    -------
    options : `~gammapy.visualization.residuals.panels.base.DrawOptions`
        Options without components and view.

    Raises
    ------
    ValueError
        If one of them is not valid.
    TypeError
        If one is of the wrong kind.
    """
    check_map_style(vmin, vmax, vsig, stretch, crop)
    if hot_spots is not None:
        check_spots(hot_spots, "hot_spots")
    return DrawOptions(
        components=[],
        region=parse_region(region),
        vmin=vmin,
        vmax=vmax,
        vsig=vsig,
        spots=hot_spots,
        stretch=stretch,
    )


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
    return common_view([residuals], crop)


def common_view(several, crop):
    """As `view_of`, of several residuals on one geometry: what any of them shows."""
    image = several[0].counts.geom.to_image()
    if not crop:
        return View.whole(image)
    shown = [np.isfinite(each.counts.data).any(axis=0) for each in several]
    return View.of_mask(image, np.any(shown, axis=0))
