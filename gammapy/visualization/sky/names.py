# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names of components on maps, or numbers and a legend where names do not fit."""

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from gammapy.utils.arguments import check_choice
from .components import (
    FITTED,
    LEFT_OUT,
    LINES,
    brightness,
    color_of,
    marker_style,
)
from .labels import Scene, place_labels
from .outlines import halo, rim_of

__all__ = []

#: What stands beside the crosses of components.
MODELS_STYLES = ("auto", "names", "markers")
MAX_NAMES = 12
FONTSIZE = 8
# A number is so short that it may seem to belong to another cross.
NUMBER_LEADER_FROM = 10  # points
# Inches around a legend below a figure.
PAD = 0.1
CORNERS = ("upper right", "upper left", "lower right", "lower left")


def check_models_style(name, style):
    """Raise a ValueError for an unknown style."""
    check_choice(name, style, MODELS_STYLES)


def name_components(maps, style="auto", *, max_names=None, fontsize=FONTSIZE):
    """Write names or numbers of components, the same kind on all maps.

    Parameters
    ----------
    maps : list of `~gammapy.visualization.sky.components.DrawnMap`
        Maps on which the components were drawn, with all else that has a place.
    style, max_names, fontsize : optional
        As in `~gammapy.visualization.plot_models`.

    Returns
    -------
    style : {"names", "markers"}
        What was written. Numbers need a legend.
    """
    if style == "auto" and max_names is not None:
        style = "names"
    max_names = MAX_NAMES if max_names is None else max_names
    if style == "auto":
        fit = all(len(map_.seen) <= max_names for map_ in maps)
        style = "names" if fit and _write_all_names(maps, fontsize) else "markers"
        if style == "names":
            return style
    for map_ in maps:
        if style == "names":
            _write_names(map_, max_names, fontsize)
        else:
            _write_numbers(map_, fontsize)
    return style


def _write_all_names(maps, fontsize):
    """Write all names, or none when one of them does not fit."""
    written = []
    for map_ in maps:
        before = set(map_.ax.texts)
        missing = _write_names(map_, len(map_.seen), fontsize)
        written += [text for text in map_.ax.texts if text not in before]
        if missing:
            for text in written:
                text.remove()
            return False
    return True


def _write_names(map_, max_names, fontsize):
    """Names of the brightest components; labels that found no place."""
    ranked = sorted(map_.seen, key=lambda item: -brightness(item.model))
    labels = [_label(item, _name(item), "name", map_) for item in ranked[:max_names]]
    return place_labels(labels, map_.ax, fontsize=fontsize)


def _write_numbers(map_, fontsize):
    """Numbers of all components that are seen."""
    labels = [_label(item, f"{item.number}", "number", map_) for item in map_.seen]
    options = {"leader_from": NUMBER_LEADER_FROM, "must": True}
    place_labels(labels, map_.ax, fontsize=fontsize, **options)


def _name(item):
    """Name, with a word for what was left out of the model."""
    name = item.model.name
    return f"{name} ({LEFT_OUT})" if item.state == LEFT_OUT else name


def _label(item, text, kind, map_):
    """Label at the place of a component."""
    return {
        "text": text,
        "xy": item.anchor,
        "gid": f"{kind}:{item.model.name}",
        "color": color_of(item.state, map_.color),
        "path_effects": halo(rim_of(map_.color)),
    }


def name_all(maps, style, *, is_new=False):
    """Name the components on all maps of a result, with a legend where it needs one.

    Parameters
    ----------
    maps : list of `~gammapy.visualization.sky.components.DrawnMap`
        Maps.
    style : {"auto", "names", "markers"}
        As in `~gammapy.visualization.plot_models`.
    is_new : bool, optional
        Whether the figure was made for these maps, and may grow. Default is False.
    """
    if name_components(maps, style) == "names":
        return
    if is_new:
        legend_below_figure(maps)
        return
    # One legend in each figure, beside the first map of it.
    for figure in dict.fromkeys(map_.ax.figure for map_ in maps):
        legend_on_axes(next(map_ for map_ in maps if map_.ax.figure is figure))


# --- legends ---------------------------------------------------------------


def _entries(maps):
    """Handles and texts of the components that are seen on any map."""
    seen = {item.number: item for map_ in maps for item in map_.seen}
    items = [seen[number] for number in sorted(seen)]
    handles = [
        Line2D(
            [],
            [],
            color=color_of(item.state, "black"),
            linestyle=LINES[item.state],
            **marker_style(item.state),
        )
        for item in items
    ]
    texts = [
        f"{item.number}  {item.model.name}"
        + ("" if item.state == FITTED else f" ({item.state})")
        for item in items
    ]
    return handles, texts


def _columns(legend, width, n_entries):
    """Number of columns that fit into a width, seen from a legend with one."""
    single = legend.get_window_extent().width
    return int(np.clip(width // max(single, 1), 1, n_entries))


def legend_below_figure(maps, *, fontsize=FONTSIZE):
    """Write the legend of the numbers below all axes of a figure, which grows.

    Parameters
    ----------
    maps : list of `~gammapy.visualization.sky.components.DrawnMap`
        Maps of one figure.
    fontsize : float, optional
        Font size in points. Default is 8.
    """
    handles, texts = _entries(maps)
    if not texts:
        return
    figure = maps[0].ax.figure
    options = {"loc": "lower center", "fontsize": fontsize, "frameon": False}
    trial = figure.legend(handles, texts, **options)
    n_columns = _columns(trial, figure.bbox.width, len(texts))
    trial.remove()
    legend = figure.legend(handles, texts, ncols=n_columns, **options)
    legend.set_gid("box:components")
    height = legend.get_window_extent().height / figure.dpi
    _grow_below(figure, height + PAD)


def _grow_below(figure, room):
    """Make a figure higher by some inches; its axes keep their sizes."""
    width, height = figure.get_size_inches()
    for ax in figure.axes:
        x0, y0, x_size, y_size = ax.get_position(original=True).bounds
        bounds = [x0, y0 * height + room, x_size, y_size * height]
        bounds = np.array(bounds) / [1, height + room, 1, height + room]
        ax.set_position(bounds)
    figure.set_size_inches(width, height + room)


def legend_on_axes(map_, *, fontsize=FONTSIZE):
    """Write the legend of the numbers below a map, or on it without room there.

    Parameters
    ----------
    map_ : `~gammapy.visualization.sky.components.DrawnMap`
        Map.
    fontsize : float, optional
        Font size in points. Default is 8.
    """
    handles, texts = _entries([map_])
    if not texts:
        return
    ax = map_.ax
    scene = Scene(ax)
    options = {"fontsize": fontsize, "framealpha": 0.8, "borderaxespad": 0.3}
    width = ax.get_window_extent().width
    n_columns = _columns(Legend(ax, handles, texts, **options), width, len(texts))
    legend = Legend(ax, handles, texts, ncols=n_columns, **options)
    legend.set_gid("box:components")
    legend.set_zorder(7)
    bottom = _free_below(ax, legend)
    ax.add_artist(legend)
    if bottom is not None:
        legend.set_loc("upper center")
        legend.set_bbox_to_anchor((0.5, bottom), transform=ax.transAxes)
        return

    def cost(corner):
        legend.set_loc(corner)
        box = legend.get_window_extent()
        return scene.n_covered(box) + 0.1 * scene.n_crossing(box)

    legend.set_loc(min(CORNERS, key=cost))


def _free_below(ax, legend):
    """Lower end of the axes with their labels, None without room for a legend below.

    It is in units of the height of the axes.
    """
    figure = ax.figure
    # Sky maps know only once drawn how far their labels reach.
    renderer = RendererAgg(*figure.bbox.size, figure.dpi)
    height = legend.get_window_extent().height
    inner, outer = ax.get_window_extent(), ax.get_tightbbox(renderer)
    low, high = outer.y0 - height, outer.y0
    others = [other.get_tightbbox(renderer) for other in figure.axes if other is not ax]
    is_taken = any(
        box is not None
        and (box.x0 < inner.x1 and box.x1 > inner.x0)
        and (box.y0 < high and box.y1 > low)
        for box in others
    )
    if low < 0 or is_taken:
        return None
    return (outer.y0 - inner.y0) / inner.height
