# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Coordinates beside maps of the sky."""

import re
from dataclasses import dataclass
from itertools import pairwise
import numpy as np
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.font_manager import FontProperties
from .graticule import draw_graticule
from .labels import settle_axes

__all__ = []

AXIS_NAMES = {
    "galactic": ("Galactic Longitude", "Galactic Latitude"),
    "icrs": ("Right Ascension", "Declination"),
}

# Inches per label, beside each other and above each other, and how many there may be.
LENGTHS_PER_LABEL = (0.55, 0.28)
N_LABELS_MAX = 7
# From this many on the reader sees how coordinates run.
N_LABELS_MIN = 3
# Gap between labels, in font sizes.
GAP = 0.55
# Sizes of letters in points, where those of the settings leave no room.
SMALL_FONTS = (8, 7, 6)
# Where the border of a map is looked at.
N_POINTS = 129
# Distances of labels, and how they are written.
DEGREES = [
    *((step, "d") for step in (90, 60, 45, 30, 20, 15, 10, 5, 2, 1)),
    *((step, "d.d") for step in (0.5, 0.2, 0.1)),
    *((step, "d.dd") for step in (0.05, 0.02, 0.01)),
    *((step, "d.ddd") for step in (0.005, 0.002, 0.001)),
    *((step, "d.dddd") for step in (0.0005, 0.0002, 0.0001)),
]
HOURS = [
    *((15 * step, "hh") for step in (6, 4, 3, 2, 1)),
    *((step / 4, "hh:mm") for step in (30, 20, 15, 10, 5, 4, 3, 2, 1)),
    *((step / 240, "hh:mm:ss") for step in (30, 20, 10, 5, 4, 3, 2, 1)),
    *((step / 240, "hh:mm:ss.s") for step in (0.5, 0.2, 0.1)),
]


def format_sky_axes(ax, frame):
    """Name the coordinates, and label them below and on the left.

    There are as many labels as have room; where letters of the usual size leave no
    room for three they are smaller. Where the border of a map is not on the sky, as
    around an all-sky map in Hammer-Aitoff projection, the labels are on meridians and
    parallels.

    Parameters
    ----------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes with limits set, in which an image was drawn.
    frame : {"galactic", "icrs"}
        Frame of the map.
    """
    settle_axes(ax)
    borders = [_border(ax, idx) for idx in (0, 1)]
    if not all(np.isfinite(border).all() for border in borders):
        draw_graticule(ax, AXIS_NAMES[frame], in_hours=frame == "icrs")
        return
    for idx, (coord, side) in enumerate(zip(ax.coords, "bl", strict=True)):
        # Of axes that were drawn on before, or formats are changed to suit the spacing.
        coord.set_ticks(number=N_LABELS_MIN)
        coord.set_axislabel(AXIS_NAMES[frame][idx])
        coord.set_ticks_position(side)
        coord.set_ticklabel_position(side)
        coord.set_axislabel_position(side)
        is_hours = frame == "icrs" and idx == 0
        choice = _choose(coord, borders[idx], HOURS if is_hours else DEGREES, ax, idx)
        coord.set_major_formatter(choice.format)
        coord.set_ticks(spacing=choice.step * u.deg)
        # What this leaves out would look like ticks of another distance.
        coord.set_ticklabel(exclude_overlapping=True, size=choice.fontsize)


@dataclass(frozen=True)
class _Choice:
    """Distance of labels in deg, how they are written and how large, their number."""

    step: float
    format: str
    fontsize: float
    number: int


def _border(ax, idx):
    """Coordinate in deg along the border that has its labels."""
    border = np.zeros((N_POINTS, 2))
    border[:, idx] = np.linspace(0, 1, N_POINTS)
    pixels = ax.transData.inverted().transform(ax.transAxes.transform(border))
    world = np.asarray(ax.wcs.pixel_to_world_values(*pixels.T)[idx], dtype=float)
    return np.unwrap(world, period=360) if idx == 0 else world


def _choose(coord, border, ladder, ax, idx):
    """Distance of the labels of a coordinate.

    Of those whose labels have room the one with most labels, but not more than there
    should be, or else the longest with at least three.
    """
    length = ax.get_window_extent().size[idx]
    per_label = LENGTHS_PER_LABEL[idx] * ax.figure.dpi
    most = np.clip(length / per_label, N_LABELS_MIN, N_LABELS_MAX)
    usual = FontProperties(size=plt.rcParams["xtick.labelsize"]).get_size_in_points()
    best = _Choice(*ladder[0], usual, 0)
    for fontsize in (usual, *(size for size in SMALL_FONTS if size < usual)):
        for step, format_ in ladder:
            number = _count(border, step)
            if number > most and best.number >= N_LABELS_MIN or number > 2 * most:
                break
            choice = _Choice(step, format_, fontsize, number)
            if number > best.number and _has_room(coord, border, choice, ax, idx):
                best = choice
        if best.number >= N_LABELS_MIN:
            break
    return best


def _count(border, step):
    """Number of multiples of a distance within a border.

    Those at its very ends do not count, for rounding decides whether they are drawn.
    """
    low, high = np.min(border) / step, np.max(border) / step
    return int(max(0, np.ceil(high - 1e-6) - np.floor(low + 1e-6) - 1))


def _places(border, step):
    """Multiples of a distance, and where along a border they are, from 0 to 1."""
    turns = border / step
    order = np.argsort(turns)
    low, high = np.ceil(turns.min() - 1e-6), np.floor(turns.max() + 1e-6)
    values = np.arange(low, high + 1)
    along = np.linspace(0, 1, N_POINTS)
    return values * step, np.interp(values, turns[order], along[order])


def _has_room(coord, border, choice, ax, idx):
    """Whether labels keep their distance from each other."""
    values, places = _places(border, choice.step)
    order = np.argsort(places)
    coord.set_major_formatter(choice.format)
    texts = coord.formatter(np.mod(values[order], 360) * u.deg, choice.step * u.deg)
    trials = [ax.text(0, 0, text, size=choice.fontsize) for text in _shortened(texts)]
    sizes = np.array([trial.get_window_extent().size[idx] for trial in trials])
    for trial in trials:
        trial.remove()
    gap = GAP * choice.fontsize * ax.figure.dpi / 72 * (1 if idx == 0 else 0.5)
    distances = np.diff(places[order]) * ax.get_window_extent().size[idx]
    return bool(np.all(distances > (sizes[1:] + sizes[:-1]) / 2 + gap))


def _shortened(texts):
    """Labels without the hours, or hours and minutes, that the one before has."""
    parts = [re.findall(r"[^$]+\$[^$]*\$|.+", text) for text in texts]
    shortened = texts[:1]
    for before, after in pairwise(parts):
        same = 0
        while same < len(after) - 1 and after[: same + 1] == before[: same + 1]:
            same += 1
        shortened.append("".join(after[same:]))
    return shortened
