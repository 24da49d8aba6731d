# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw observations."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.utils.arguments import check_type

__all__ = ["plot_observation_groups"]

# Share of the range of the values that is left free around them.
MARGIN = 0.08


def plot_observation_groups(groups, ax=None):
    """Draw observations in the plane of offset and zenith angle, with the bins.

    Each group has a colour. The legend gives its number of observations and its live
    time. Observations outside all bins are drawn as crosses.

    Parameters
    ----------
    groups : `~gammapy.data.ObservationGroups`
        Groups of observations. A single group without bins can be drawn to choose bins.
    ax : `~matplotlib.axes.Axes`, optional
        Axes. Default is a new figure.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    TypeError
        If ``groups`` is not an ObservationGroups.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from gammapy.data import DataStore, ObservationGroups
    >>> from gammapy.visualization import plot_observation_groups
    >>> data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    >>> observations = data_store.get_observations([20136, 20137, 20151])
    >>> target = SkyCoord(228.53, -59.16, unit="deg")
    >>> groups = ObservationGroups.from_observations(observations, target, zenith=2)
    >>> ax = plot_observation_groups(groups)
    """
    # The subpackage maps loads this one, so data can only be loaded here.
    from gammapy.data import ObservationGroups

    check_type("groups", groups, ObservationGroups, "ObservationGroups")
    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
    _plot_bins(groups.edges, ax)
    summary = groups.summary()
    for idx, row in enumerate(summary):
        noun = "observation" if row["n_runs"] == 1 else "observations"
        number = f"{row['n_runs']} {noun}"
        label = f"{row['group']}: {number}, {row['livetime']:.1f} h"
        style = {"marker": "o", "color": f"C{idx}", "label": label}
        _plot_observations(groups, row["group"], ax, **style)
    if groups.ungrouped:
        label = f"outside all bins: {len(groups.ungrouped)}"
        _plot_observations(groups, "", ax, marker="x", color="dimgray", label=label)
    ax.set_xlim(*_limits(groups.table["offset"], groups.edges.get("offset")))
    ax.set_ylim(*_limits(groups.table["zenith"], groups.edges.get("zenith")))
    ax.set_xlabel("Offset [deg]")
    ax.set_ylabel("Zenith angle [deg]")
    # Below the axes, because observations can be anywhere, and names are long.
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=1 if len(summary) < 4 else 2,
        fontsize="small",
        frameon=False,
    )
    return ax


def _plot_bins(edges, ax):
    """Lines at the edges of the bins."""
    style = {"color": "gray", "linestyle": "--", "linewidth": 1, "zorder": 1}
    for value in edges.get("zenith", []):
        ax.axhline(value.to_value("deg"), **style)
    for value in edges.get("offset", []):
        ax.axvline(value.to_value("deg"), **style)


def _plot_observations(groups, name, ax, **style):
    """Markers of the observations of one group."""
    runs = groups.table[groups.table["group"] == name]
    x, y = (runs[name].quantity.to_value("deg") for name in ("offset", "zenith"))
    ax.plot(x, y, linestyle="none", markersize=6, alpha=0.75, **style)


def _limits(column, edges):
    """Limits that show all observations and bins, with some room around."""
    values = column.quantity.to_value("deg")
    if edges is not None:
        values = np.append(values, edges.to_value("deg"))
    low, high = values.min(), values.max()
    margin = MARGIN * (high - low) or 0.5
    return low - margin, high + margin
