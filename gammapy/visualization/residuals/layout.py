# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures of panels: where each map is, and how large."""

from collections.abc import Mapping
import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets.utils import get_axes
from gammapy.visualization.axes import check_plain_axes, check_wcs_axes
from gammapy.visualization.sky.view import MAX_RATIO

__all__ = []

# Inches: of the panels, and of what is around them.
PANEL_SIZE = 4.0
LONG_SIDE = 7.5
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.95, 0.6, 0.4


def axes_grid(residuals, panels, axes, view):
    """Lists of axes by the name of the panel, one per energy group.

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpatialResiduals`
        Residuals.
    panels : list of `Panel`
        What is drawn.
    axes : dict, list or None
        Axes by the name of the panel, or in the order of the panels; None for new ones.
    view : `~gammapy.visualization.sky.view.View`
        Part of the maps that is drawn.

    Returns
    -------
    grid : dict of list of `~matplotlib.axes.Axes`
        The axes.
    """
    if axes is None:
        return _new_axes(residuals, panels, view)
    grid = _axes_by_panel(panels, axes)
    n_groups = residuals.energy_axis.nbin
    for panel in panels:
        row = grid[panel.name]
        if len(row) != n_groups:
            raise ValueError(
                f"Panel {panel.name!r} has {len(row)} axes for {n_groups} energy "
                "groups."
            )
        check = check_wcs_axes if panel.is_map else check_plain_axes
        for ax in row:
            check(ax)
    return grid


def _axes_by_panel(panels, axes):
    """Lists of the given axes by the name of their panel."""
    names = [panel.name for panel in panels]
    if not isinstance(axes, Mapping):
        axes = np.atleast_1d(axes)
        if len(axes) != len(names):
            raise ValueError(f"There are {len(axes)} axes for {len(names)} panels.")
        axes = dict(zip(names, axes, strict=True))
    missing = [name for name in names if name not in axes]
    if missing:
        raise ValueError(f"There are no axes for the panels {missing}.")
    return {name: list(np.ravel(axes[name])) for name in names}


def _new_axes(residuals, panels, view):
    """Figure in which maps have their size in inches, and room for all labels."""
    cells = _cells(panels, residuals.energy_axis.nbin, view.ratio)
    sizes = [panel.size(_map_size(view.ratio)) for panel in panels]
    widths, heights = _row_and_column_sizes(cells, sizes)

    gap_x, gap_y = LEFT + RIGHT, BOTTOM + TOP
    size = np.array(
        [sum(widths) + gap_x * len(widths), sum(heights) + gap_y * len(heights)]
    )
    figure = plt.figure(figsize=size)
    grid = {}
    for panel, row, panel_size in zip(panels, cells, sizes, strict=True):
        options = {"projection": view.geom.wcs} if panel.is_map else {}
        grid[panel.name] = []
        for i, j in row:
            left = LEFT + sum(widths[:j]) + gap_x * j
            top = size[1] - TOP - sum(heights[:i]) - gap_y * i
            corner = np.array([left, top - (heights[i] + panel_size[1]) / 2])
            rectangle = [*(corner / size), *(np.array(panel_size) / size)]
            grid[panel.name].append(figure.add_axes(rectangle, **options))
    return grid


def _map_size(ratio):
    """Width and height in inches of a map with this ratio of both."""
    ratio = np.clip(ratio, 1 / MAX_RATIO, MAX_RATIO)
    if 0.5 <= ratio <= 2:
        return PANEL_SIZE * min(1, 1.3 * ratio), PANEL_SIZE * min(1 / ratio, 1.3)
    return (
        (LONG_SIDE, LONG_SIDE / ratio) if ratio > 1 else (LONG_SIDE * ratio, LONG_SIDE)
    )


def _cells(panels, n_groups, ratio):
    """Row and column of each panel and energy group.

    There is a column per energy group. A single group has two panels side by side,
    or, of long maps, all in a column or in a row.
    """
    if n_groups > 1:
        return [[(i, j) for j in range(n_groups)] for i in range(len(panels))]
    n_columns = 1 if ratio > 2 else len(panels) if ratio < 0.5 else min(2, len(panels))
    return [[divmod(i, n_columns)] for i in range(len(panels))]


def _row_and_column_sizes(cells, sizes):
    """Widths of the columns and heights of the rows in inches."""
    indices = np.max([cell for row in cells for cell in row], axis=0) + 1
    heights, widths = (np.zeros(number) for number in indices)
    for row, (width, height) in zip(cells, sizes, strict=True):
        for i, j in row:
            widths[j] = max(widths[j], width)
            heights[i] = max(heights[i], height)
    return widths, heights


def two_panels(ax_spatial, ax_spectral, geom):
    """Axes of a map and a spectrum, new ones when there are none."""
    projection = {"projection": geom.to_image().wcs}
    places = [1, 2, 1], [1, 2, 2]
    axes = get_axes(ax_spatial, ax_spectral, 13, 4.5, *places, kwargs1=projection)
    if ax_spatial is None:
        # The colour bar and its label are between them.
        axes[0].figure.subplots_adjust(wspace=0.35)
    return axes
