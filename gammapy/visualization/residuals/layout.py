# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures of panels: where each map is, and how large."""

from collections.abc import Mapping
from itertools import pairwise
import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets.utils import get_axes
from gammapy.maps.energy_bins import format_energy_range
from gammapy.visualization.axes import check_plain_axes, check_wcs_axes
from gammapy.visualization.sky.view import MAX_RATIO

__all__ = []

# Inches: of the panels, and of what is around them.
PANEL_SIZE = 4.0
LONG_SIDE = 7.5
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.95, 0.6, 0.4
# Datasets side by side.
MAX_COLUMNS = 4


def axes_grid(
    panels,
    axes,
    view,
    columns,
    *,
    what="energy groups",
    cells=None,
    scale=1.0,
    title=TOP,
):
    """Lists of axes by the name of the panel, one per column.

    Parameters
    ----------
    panels : list of `Panel`
        What is drawn.
    axes : dict, list or None
        Axes by the name of the panel, or in the order of the panels; None for new ones.
    view : `~gammapy.visualization.sky.view.View`
        Part of the maps that is drawn.
    columns : list of str
        What each panel is drawn of, by name.
    what : str, optional
        What that is. Default is "energy groups".
    cells : list of list of tuple, optional
        Row and column of each panel and what it is drawn of. Default is those of
        `cells_of_groups`.
    scale : float, optional
        Size of new maps, in that of the maps of one energy group. Default is 1.
    title : float, optional
        Room for titles in inches.

    Returns
    -------
    grid : dict of list of `~matplotlib.axes.Axes`
        The axes.
    """
    if axes is None:
        cells = cells_of_groups(panels, len(columns), view) if cells is None else cells
        size = np.array(_map_size(view.ratio)) * scale
        return _new_axes(panels, view, cells, size, title)
    grid = _axes_by_panel(panels, axes, columns)
    for panel in panels:
        row = grid[panel.name]
        if len(row) != len(columns):
            raise ValueError(
                f"Panel {panel.name!r} has {len(row)} axes for {len(columns)} {what}."
            )
        check = check_wcs_axes if panel.is_map else check_plain_axes
        for ax in row:
            check(ax)
    return grid


def group_names(residuals):
    """Energy groups as text."""
    return [
        format_energy_range(*edges) for edges in pairwise(residuals.energy_axis.edges)
    ]


def _axes_by_panel(panels, axes, columns):
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
    return {name: _in_order(name, axes[name], columns) for name in names}


def _in_order(name, axes, columns):
    """List of the axes of a panel, which are given as one, a list or by column."""
    if not isinstance(axes, Mapping):
        return list(np.ravel(axes))
    missing = [column for column in columns if column not in axes]
    if missing:
        raise ValueError(f"Panel {name!r} has no axes for {missing}.")
    return [axes[column] for column in columns]


def _new_axes(panels, view, cells, map_size, title):
    """Figure in which maps have their size in inches, and room for all labels."""
    sizes = [panel.size(map_size) for panel in panels]
    widths, heights = _row_and_column_sizes(cells, sizes)

    gap_x, gap_y = LEFT + RIGHT, BOTTOM + title
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
            top = size[1] - title - sum(heights[:i]) - gap_y * i
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


def cells_of_groups(panels, n_groups, view):
    """Row and column of each panel and energy group.

    There is a column per energy group. A single group has two panels side by side,
    or, of long maps, all in a column or in a row.
    """
    if n_groups > 1:
        return [[(i, j) for j in range(n_groups)] for i in range(len(panels))]
    ratio = view.ratio
    n_columns = 1 if ratio > 2 else len(panels) if ratio < 0.5 else min(2, len(panels))
    return [[divmod(i, n_columns)] for i in range(len(panels))]


def cells_of_datasets(panels, n_datasets, view):
    """Row and column of each panel and dataset.

    There is a column per dataset and a row per panel, and below them those of the next
    datasets. A single panel has all datasets in a grid as wide as it is tall.
    """
    n_panels = len(panels)
    most = MAX_COLUMNS if view.ratio <= 2 else MAX_COLUMNS // 2
    if n_panels == 1:
        n_columns = int(np.ceil(np.sqrt(n_datasets / max(view.ratio, 0.5))))
        most += 2
    else:
        n_columns = n_datasets
    n_columns = min(max(n_columns, 1), most)
    return [
        [
            (panel + n_panels * (idx // n_columns), idx % n_columns)
            for idx in range(n_datasets)
        ]
        for panel in range(n_panels)
    ]


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
