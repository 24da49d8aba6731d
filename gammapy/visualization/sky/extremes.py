# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Extreme values of a map, each with a marker at its pixel."""

from dataclasses import dataclass
import numpy as np
from scipy import ndimage
from .corners import add_to_corner, corner_text
from .labels import place_labels
from .outlines import add_line, halo

__all__ = []

FONTSIZE = 7
# So many values are written; the highest ones when there are more areas.
MAX_EXTREMES = 40
# Values beside their marker need no line to it, all others have one.
LEADER_FROM = 10  # points
# Digits that a line crosses are worse than a way to them.
COST_CURVE = 7


@dataclass(frozen=True)
class Extreme:
    """Extreme value of a connected area, and its pixel."""

    value: float
    x: int
    y: int

    @property
    def text(self):
        """Value as text."""
        if np.isinf(self.value):
            return r"$\infty$" if self.value > 0 else r"$-\infty$"
        return f"{self.value:.1f}" if abs(self.value) < 99.95 else f"{self.value:.0f}"


def find_extremes(data, limit):
    """Extremes of the connected areas beyond a limit, of either sign.

    Pixels that touch at a corner are connected.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Image; NaN is beyond no limit, infinite values are.
    limit : float
        Absolute value beyond which an area counts.

    Returns
    -------
    extremes : list of `Extreme`
        One per area, those that are farthest from 0 first.
    """
    extremes = []
    for sign in (1, -1):
        values = np.where(np.isnan(data), -np.inf, sign * data)
        areas, _n_areas = ndimage.label(values > limit, np.ones((3, 3)))
        for idx, (rows, columns) in enumerate(ndimage.find_objects(areas), start=1):
            inside = np.where(areas[rows, columns] == idx, values[rows, columns], 0)
            y, x = np.unravel_index(inside.argmax(), inside.shape)
            pixel = int(x) + columns.start, int(y) + rows.start
            extremes.append(Extreme(sign * float(inside[y, x]), *pixel))
    return sorted(extremes, key=lambda extreme: -abs(extreme.value))


def mark_extremes(extremes, ax):
    """Draw a dot at the pixel of each extreme.

    Parameters
    ----------
    extremes : list of `Extreme`
        Extremes.
    ax : `~matplotlib.axes.Axes`
        Axes with the image.
    """
    style = {"marker": "o", "markersize": 3.5, "ls": "", "zorder": 5}
    style |= {"markerfacecolor": "white", "markeredgecolor": "black"}
    for idx, extreme in enumerate(extremes):
        add_line(extreme.x, extreme.y, ax, f"extreme-position:{idx}", mew=0.7, **style)


def write_extremes(extremes, ax):
    """Write the value of each extreme beside its dot, or at the end of a line to it.

    Of more than `MAX_EXTREMES` a corner says how many there are, and how high they are.

    Parameters
    ----------
    extremes : list of `Extreme`
        Extremes.
    ax : `~matplotlib.axes.Axes`
        Axes with the dots of `mark_extremes`.
    """
    rest = extremes[MAX_EXTREMES:]
    if rest:
        text = f"{len(rest)} more dots, up to {abs(rest[0].value):.1f}"
        add_to_corner(corner_text(text), ax, "extremes")
    labels = [
        {
            "text": extreme.text,
            "xy": (extreme.x, extreme.y),
            "gid": "extreme",
            "color": "black",
            # The areas are dark.
            "path_effects": halo(width=2, alpha=0.85),
        }
        for extreme in extremes[:MAX_EXTREMES]
    ]
    options = {"leader_from": LEADER_FROM, "cost_curve": COST_CURVE, "must": True}
    place_labels(labels, ax, fontsize=FONTSIZE, **options)
