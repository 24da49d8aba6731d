# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw numbered hot spots on a sky map."""

import numpy as np
from matplotlib.colors import is_color_like
from gammapy.diagnostics import HotSpots
from gammapy.utils.arguments import check_number, check_type, show
from gammapy.visualization.axes import check_wcs_axes
from gammapy.visualization.plotter import BasePlotter
from .labels import place_labels
from .outlines import (
    add_line,
    crosses_axes,
    curve_vertices,
    halo,
    is_inside,
    rim_of,
    sky_outlines,
)

__all__ = ["HotSpotsPlotter", "plot_spots"]

# Legible on the colours from blue over white to red.
COLOR = "darkgreen"
# A number belongs to its circle, which may go through its rim.
COST_CURVE = 0.5


class HotSpotsPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.HotSpots` on maps of the sky.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.visualization.sky.spots import HotSpotsPlotter
    >>> HotSpotsPlotter({"font.size": 8}).rc_params["font.size"]
    8.0
    """

    def plot(self, spots, ax, *, energy_range=None, fontsize=9, color=COLOR):
        """Draw a circle and the number of each spot.

        Parameters
        ----------
        spots : `~gammapy.diagnostics.HotSpots`
            Spots.
        ax, energy_range, fontsize, color : optional
            As in `~gammapy.visualization.plot_spots`.

        Returns
        -------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`
            The axes.

        Raises
        ------
        ValueError
            If the colour is not valid.
        TypeError
            If ``spots`` is not a HotSpots, or the axes are not those of a sky map.
        """
        check_spots(spots)
        check_wcs_axes(ax)
        check_number("fontsize", fontsize, above=0)
        if not is_color_like(color):
            raise ValueError(
                f"color: expected a colour of matplotlib, got {show(color)}."
            )
        rim = rim_of(color)
        labels = []
        with self._rc_context():
            rows = zip(
                spots.table, spots.positions, list(spots.to_regions()), strict=True
            )
            for row, position, circle in rows:
                if not _is_within(spots.table, row, energy_range):
                    continue
                _plot_circle(row, circle, ax, color, rim)
                if is_inside(position, ax):
                    labels.append(_label(row, position, ax, color, rim))
            place_labels(labels, ax, fontsize=fontsize, cost_curve=COST_CURVE)
        return ax


def plot_spots(spots, ax, *, energy_range=None, fontsize=9, color=COLOR):
    """Draw a circle with its number around each hot spot on a sky map.

    The circle has the correlation radius with the highest significance. It is dashed if
    the spot is a deficit. Numbers do not overlap with each other or with other text on
    the map. A number without room is not drawn.

    Parameters
    ----------
    spots : `~gammapy.diagnostics.HotSpots`
        Spots.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of a sky map, with its limits set.
    energy_range : `~astropy.units.Quantity`, optional
        Energy range. Spots whose energies do not overlap with it are not drawn. Default
        is None, all spots are drawn.
    fontsize : float, optional
        Font size of the numbers in points. Default is 9.
    color : str, optional
        Colour of circles and numbers. Their rim is white for a dark colour, and black
        for a light one. Default is "darkgreen".

    Returns
    -------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If the colour is not valid.
    TypeError
        If ``spots`` is not a HotSpots, or the axes are not those of a sky map.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals
    >>> from gammapy.diagnostics import HotSpotEstimator
    >>> from gammapy.visualization import plot_spots
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(f"{path}_datasets.yaml")
    >>> spots = HotSpotEstimator(n_toys=0).run(datasets)
    >>> residuals = SpatialResiduals.from_datasets(datasets)
    >>> ax = plot_spots(spots, residuals.sqrt_ts.plot())
    """
    return HotSpotsPlotter().plot(
        spots, ax, energy_range=energy_range, fontsize=fontsize, color=color
    )


def check_spots(spots, name="spots"):
    """Raise a TypeError that says where spots come from."""
    check_type(name, spots, HotSpots, "HotSpots, as HotSpotEstimator.run returns")


def _is_within(table, row, energy_range):
    """Whether the energies of a spot and of a map overlap."""
    if energy_range is None:
        return True
    low, high = energy_range.to_value(table["energy_min"].unit)
    # Edges are equal but for rounding.
    return row["energy_min"] < high * (1 - 1e-6) and row["energy_max"] > low * (
        1 + 1e-6
    )


def _plot_circle(row, circle, ax, color, rim):
    """Circle of a spot, dashed where counts are missing."""
    style = "-" if row["sqrt_ts"] > 0 else "--"
    for outline in sky_outlines(circle):
        curve = curve_vertices(outline, ax)
        if crosses_axes(curve, ax):
            gid = f"spot:{row['number']}"
            effects = halo(rim, 3)
            add_line(
                *curve.T, ax, gid, lw=1.5, ls=style, color=color, path_effects=effects
            )


def _label(row, position, ax, color, rim):
    """Number of a spot, beside its centre."""
    return {
        "text": str(row["number"]),
        "xy": np.array(ax.wcs.world_to_pixel(position), dtype=float),
        "gid": f"spot-number:{row['number']}",
        "color": color,
        "fontweight": "bold",
        "path_effects": halo(rim, 3),
    }
