# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Scans: the statistic along a profile, and nuisance values on a surface."""

import numpy as np
from .axes import annotate_level
from .nuisance_labels import format_values, label

__all__ = []

#: Rise of the statistic of one parameter for one and two standard deviations.
LEVELS = {1: r"1$\sigma$", 4: r"2$\sigma$"}


def has_curve(table):
    """Whether a table is a profile with the statistic at each value."""
    if len(table.meta.get("scan", [])) != 1 or "stat" not in table.colnames:
        return False
    return np.sum(is_good(table) & np.isfinite(table["stat"])) > 1


def is_good(table):
    """Rows whose fit succeeded."""
    return np.asarray(table["success"]).astype(bool)


def plot_curve(table, best_fit, ax):
    """Draw how much the statistic rises from the least one of a profile.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table of a profile.
    best_fit : dict
        (value, error) by name of the parameter.
    ax : `~matplotlib.axes.Axes`
        Axes.
    """
    (name,) = table.meta["scan"]
    x, stat = (np.asarray(table[column], dtype=float) for column in (name, "stat"))
    good = is_good(table) & np.isfinite(stat)
    rise = stat - np.min(stat[good])
    order = np.argsort(x)
    order = order[good[order]]
    ax.plot(x[order], rise[order], "o-", color="black", markersize=3, linewidth=1)
    failed = ~is_good(table) & np.isfinite(stat)
    if failed.any():
        style = {"color": "tab:red", "mfc": "white", "markersize": 4}
        ax.plot(x[failed], rise[failed], "o", **style)
    if name in best_fit:
        ax.axvline(best_fit[name][0], color="tab:blue", linewidth=1)
    for (level, text), va in zip(LEVELS.items(), ("top", "bottom"), strict=True):
        # They stay apart where the curve goes far up.
        annotate_level(ax, level, text, va=va)
    highest = max(np.max(rise[good]), max(LEVELS))
    ax.set_ylim(-0.06 * highest, 1.08 * highest)
    ax.set_ylabel(r"$\Delta$ stat", fontsize="small")


def plot_surfaces(table, parameters, axes, best_fit):
    """Draw nuisance values as colours over two scanned parameters.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table of a surface.
    parameters : list of str
        Columns.
    axes : list of `~matplotlib.axes.Axes`
        Axes of each parameter.
    best_fit : dict
        (value, error) by name of the parameter.
    """
    x_name, y_name = table.meta["scan"]
    x, column = np.unique(np.asarray(table[x_name]), return_inverse=True)
    y, row = np.unique(np.asarray(table[y_name]), return_inverse=True)
    failed = ~is_good(table)
    for name, ax in zip(parameters, axes, strict=True):
        values = np.full((len(y), len(x)), np.nan)
        values[row, column] = table[name]
        image = ax.pcolormesh(_edges(x), _edges(y), values, cmap="viridis")
        colorbar = ax.figure.colorbar(image, ax=ax)
        colorbar.set_label(label(table, name), fontsize="small")
        if failed.any():
            style = {"color": "tab:red", "markeredgecolor": "white", "markersize": 8}
            style |= {"linestyle": "", "label": "Failed fit"}
            ax.plot(x[column[failed]], y[row[failed]], marker="X", **style)
        if x_name in best_fit and y_name in best_fit:
            _plot_star(best_fit[x_name][0], best_fit[y_name][0], ax)
        unit = format_values(ax.yaxis, table, y_name)
        ax.set_ylabel(label(table, y_name, unit), fontsize="small")
        unit = format_values(ax.xaxis, table, x_name)
    axes[-1].set_xlabel(x_name + unit)


def _edges(centers):
    """Edges of the cells around values, halfway between them."""
    if len(centers) == 1:
        half = abs(centers[0]) / 2 or 0.5
        return np.array([centers[0] - half, centers[0] + half])
    middle = (centers[1:] + centers[:-1]) / 2
    first, last = 2 * centers[0] - middle[0], 2 * centers[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _plot_star(x, y, ax):
    """Best fit, unless it is outside the scan."""
    (x_min, x_max), (y_min, y_max) = ax.get_xlim(), ax.get_ylim()
    if x_min <= x <= x_max and y_min <= y <= y_max:
        style = {"markerfacecolor": "white", "markeredgecolor": "black"}
        ax.plot(x, y, "*", markersize=11, linestyle="", label="Best fit", **style)
