# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of several datasets side by side."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from gammapy.datasets import SpatialResiduals
from gammapy.datasets.residuals.each import residuals_of_each
from gammapy.utils.arguments import check_type
from gammapy.visualization.sky.components import has_place
from gammapy.visualization.sky.models import select_components
from gammapy.visualization.sky.names import name_all
from .compute import spatial_residuals
from .layout import axes_grid, cells_of_datasets
from .panels import check_panels
from .style import common_view

__all__ = []

#: Values of the option ``by``.
BY = ("dataset",)
#: Panels of datasets side by side, and those of many.
PANELS_OF_FEW, FEW = ("counts", "npred", "significance"), 4
PANELS_OF_MANY = ("significance",)
#: Largest number of maps in a figure.
MAX_MAPS = 60
# Size of a map, in that of a single one.
SCALE = 0.75
# Inches for a title of two lines, and letters of a name that fit.
TITLE, NAME_LENGTH = 0.55, 40


def panels_of_datasets(panels, n_datasets):
    """Panels as given, else those for so many datasets; an error for too many maps.

    Parameters
    ----------
    panels : list of str or None
        Names, None for those that suit the number of datasets.
    n_datasets : int
        Number of datasets.

    Returns
    -------
    panels : list of `~gammapy.visualization.residuals.panels.base.Panel`
        Panels.
    """
    if panels is None:
        panels = PANELS_OF_FEW if n_datasets <= FEW else PANELS_OF_MANY
    panels = check_panels(panels)
    n_maps = n_datasets * len(panels)
    if n_maps > MAX_MAPS:
        raise ValueError(
            f"by='dataset' would draw {n_maps} maps, {len(panels)} of each of "
            f"{n_datasets} datasets, and {MAX_MAPS} have room: give fewer panels, or a "
            "part of the datasets."
        )
    return panels


def each_residuals(datasets, panels, options):
    """Residuals of each dataset, by name; an error before that for too many maps.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or dict
        Datasets, or what this function returned before.
    panels : list of str or None
        Names of panels.
    options : dict
        Options of `SpatialResiduals.from_datasets`.

    Returns
    -------
    residuals : dict of `~gammapy.datasets.SpatialResiduals`
        Residuals by the name of the dataset.
    """
    if isinstance(datasets, Mapping):
        for name, each in datasets.items():
            check_type(
                f"datasets[{name!r}]", each, SpatialResiduals, "SpatialResiduals"
            )
        return {
            name: spatial_residuals(each, options) for name, each in datasets.items()
        }
    if isinstance(datasets, SpatialResiduals):
        raise ValueError(
            "by='dataset' needs the datasets: these residuals are their sum."
        )
    if options.get("energy_edges") is not None and len(options["energy_edges"]) > 2:
        raise ValueError(
            f"by='dataset' draws one energy group, and energy_edges make "
            f"{len(options['energy_edges']) - 1}: give energy_min and energy_max."
        )
    panels_of_datasets(panels, len(datasets))
    return residuals_of_each(datasets, **options)


def draw_each(residuals, *, panels, axes, models, models_style, crop, options):
    """Draw panels of each dataset, a column for each, with the same colours.

    Parameters
    ----------
    residuals : dict of `~gammapy.datasets.SpatialResiduals`
        Residuals by the name of the dataset, on one geometry.
    panels : list of str or None
        Names of panels.
    axes : dict or None
        Axes by panel, of each a list or a dict by the name of the dataset.
    models : bool, list of str or `~gammapy.modeling.models.Models`
        Components to draw.
    models_style : {"auto", "names", "markers"}
        Whether names or numbers stand beside them.
    crop : bool
        Whether to draw only what any dataset shows.
    options : `~gammapy.visualization.residuals.panels.base.DrawOptions`
        What else is drawn.

    Returns
    -------
    axes : dict of dict of `~matplotlib.axes.Axes`
        Axes by the name of the dataset, by the name of the panel.
    """
    panels = panels_of_datasets(panels, len(residuals))
    view = common_view(list(residuals.values()), crop)
    numbers = _numbers(residuals, models)
    grid = axes_grid(
        panels,
        axes,
        view,
        list(residuals),
        what="datasets",
        cells=cells_of_datasets(panels, len(residuals), view),
        scale=SCALE,
        title=TITLE,
    )
    items = [(each, 0) for each in residuals.values()]
    maps = []
    for panel in panels:
        colours = panel.colours(items, options)
        for (name, each), ax in zip(residuals.items(), grid[panel.name], strict=True):
            own = replace(
                options,
                components=[model for model in each.models if model.name in numbers],
                left_out=tuple(each.exclude),
                view=view,
            )
            drawn = panel.draw(each, 0, ax, own, colours)
            maps += [_renumbered(map_, numbers) for map_ in drawn]
            title = f"{_shortened(name)}\n{panel.full_title(each, 0)}"
            ax.set_title(title, fontsize="medium")
    name_all(maps, models_style, is_new=axes is None)
    return {name: dict(zip(residuals, row, strict=True)) for name, row in grid.items()}


def _numbers(residuals, models):
    """Numbers from 1 of the components that are drawn where a dataset has them."""
    every = chain.from_iterable(each.models for each in residuals.values())
    by_name = {model.name: model for model in every}
    chosen = select_components(list(by_name.values()), models)
    placed = [model.name for model in chosen if has_place(model.spatial_model)]
    return {name: number for number, name in enumerate(placed, start=1)}


def _renumbered(map_, numbers):
    """Map whose components have the same numbers in all datasets."""
    components = [
        replace(item, number=numbers[item.model.name]) for item in map_.components
    ]
    return replace(map_, components=components)


def _shortened(name):
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
