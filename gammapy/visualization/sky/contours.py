# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Contours of a significance map where its colours have ended."""

import numpy as np
from scipy import ndimage
from .labels import place_labels
from .outlines import halo

__all__ = []

STEP = 2  # sigma
# When this many levels are not enough, all but the first four grow by a factor.
MAX_LEVELS = 8
GROWTH = 1.5
MAX_PEAKS = 10
FONTSIZE = 7
# Contours need this many letters' heights to carry a label.
LABEL_LENGTHS = 4


def contour_levels(data, vsig):
    """Levels of the contours, positive and negative ones.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Image; values that are not finite do not count.
    vsig : float
        Where the colours end. The first level is one step beyond.

    Returns
    -------
    levels : `~numpy.ndarray`
        Levels in ascending order that some values exceed, maybe none.
    """
    finite = data[np.isfinite(data)]
    if finite.size == 0:
        return finite
    highest = np.abs(finite).max()
    levels = np.arange(vsig + STEP, highest, STEP)
    if len(levels) > MAX_LEVELS:
        levels = list(levels[:4])
        while levels[-1] * GROWTH < highest:
            levels.append(np.ceil(levels[-1] * GROWTH))
        levels = np.array(levels)
    levels = np.concatenate([-levels[::-1], levels])
    return levels[(levels > finite.min()) & (levels < finite.max())]


def plot_contours(data, ax, vsig):
    """Draw contours with their values.

    Contours that are too short for a label get the extreme value that they enclose
    beside them.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Image.
    ax : `~matplotlib.axes.Axes`
        Axes with the image.
    vsig : float
        Where the colours end.
    """
    levels = contour_levels(data, vsig)
    if levels.size == 0:
        return
    lines = ax.contour(
        np.ma.masked_invalid(data),
        levels=levels,
        # They run where the colours are at their darkest.
        colors="white",
        linewidths=0.8,
        negative_linestyles="dashed",
    )
    long_levels = [level for level in lines.levels if _is_long(lines, level)]
    if long_levels:
        lines.clabel(long_levels, fmt="%g", fontsize=FONTSIZE, inline_spacing=2)
    written = _keep_apart(lines.labelTexts if long_levels else [])
    labels = [
        {
            "text": f"{data[y, x]:.1f}",
            "xy": (x, y),
            "gid": "peak",
            "color": "black",
            "path_effects": halo(width=2),
        }
        for y, x in _unlabelled_peaks(data, levels, written)
    ]
    place_labels(labels, ax, fontsize=FONTSIZE)


def _is_long(lines, level):
    """Whether a label would leave something to be seen of the contour of a level."""
    path = lines.get_paths()[list(lines.levels).index(level)]
    polygons = path.to_polygons(lines.axes.transData, closed_only=False)
    least = LABEL_LENGTHS * FONTSIZE * lines.axes.figure.dpi / 72
    return any(np.ptp(polygon, axis=0).max() > least for polygon in polygons)


def _keep_apart(texts):
    """Hide texts that cover an earlier one; the positions of the others."""
    boxes, positions = [], []
    for text in texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in boxes):
            text.set_visible(False)
        else:
            boxes.append(box)
            positions.append(text.get_position())
    return np.reshape(positions, (-1, 2))


def _unlabelled_peaks(data, levels, written):
    """Pixels of the highest values in areas beyond a contour without a label."""
    peaks = []
    for sign in (1, -1):
        beyond = sign * levels[sign * levels > 0]
        if beyond.size == 0:
            continue
        values = np.where(np.isfinite(data), sign * data, -np.inf)
        areas, _ = ndimage.label(values >= beyond.min(), np.ones((3, 3)))
        for idx, (rows, columns) in enumerate(ndimage.find_objects(areas), start=1):
            low = np.array([columns.start, rows.start]) - 1
            high = np.array([columns.stop, rows.stop])
            if not np.any(np.all((written >= low) & (written <= high), axis=1)):
                inside = np.where(areas == idx, values, -np.inf)
                peaks.append(np.unravel_index(inside.argmax(), inside.shape))
    return sorted(peaks, key=lambda place: -np.abs(data[place]))[:MAX_PEAKS]
