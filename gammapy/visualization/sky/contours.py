# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Contours of a significance map where its colours have ended."""

import numpy as np
from matplotlib.contour import ContourSet
from matplotlib.path import Path
from matplotlib.transforms import Bbox
from .labels import Scene
from .outlines import halo

__all__ = []

STEP = 2  # sigma
# When this many levels are not enough, all but the first four grow by a factor.
MAX_LEVELS = 8
GROWTH = 1.5
FONTSIZE = 7
# Contours need this many letters' heights to carry a label.
LABEL_LENGTHS = 4
# Places along a contour where its label is tried.
N_PLACES = 48
# They run where the colours are at their darkest.
COLOR, RIM = "white", "black"


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
    """Draw contours, each with its value.

    A contour whose value finds no place on it is not drawn: the value covers no other
    contour, text or marker. Low levels come first, so that around a steep peak some
    levels are left out.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Image.
    ax : `~matplotlib.axes.Axes`
        Axes with the image and all that is to be kept free.
    vsig : float
        Where the colours end.
    """
    levels = contour_levels(data, vsig)
    if levels.size == 0:
        return
    scene = Scene(ax)
    lines = _contour_lines(data, ax, levels)
    kept = _with_labels(lines, scene, ax)
    if not kept:
        return
    levels = sorted(kept)
    contours = ContourSet(
        ax,
        levels,
        [[vertices for vertices, _place in kept[level]] for level in levels],
        colors=COLOR,
        linewidths=0.8,
        negative_linestyles="dashed",
    )
    places = [place for level in levels for _vertices, place in kept[level]]
    options = {"fmt": "%g", "fontsize": FONTSIZE, "inline_spacing": 2}
    for text in contours.clabel(manual=places, **options):
        text.set(path_effects=halo(RIM, 1.5), gid="contour-label")


def _contour_lines(data, ax, levels):
    """Lines of each level in pixel coordinates; nothing stays on the axes."""
    contours = ax.contour(np.ma.masked_invalid(data), levels=levels)
    lines = dict(zip(contours.levels, contours.allsegs, strict=True))
    contours.remove()
    return lines


def _with_labels(lines, scene, ax):
    """Lines that have room for a label, with its place, by their level."""
    to_display = ax.transData.transform
    ranked = [
        (level, vertices, Path(to_display(vertices)))
        for level in sorted(lines, key=abs)
        for vertices in sorted(lines[level], key=len, reverse=True)
    ]
    kept, label_boxes = {}, []
    for idx, (level, vertices, path) in enumerate(ranked):
        if any(path.intersects_bbox(box, filled=False) for box in label_boxes):
            continue
        size = _label_size(level, ax)
        # A label takes the place of lines that come later.
        later = [other for _level, _vertices, other in ranked[idx + 1 :]]
        box = _label_box(path.vertices, size, scene, later)
        if box is None:
            continue
        place = ax.transData.inverted().transform(box.min + size / 2)
        kept.setdefault(level, []).append((vertices, place))
        label_boxes.append(box)
        scene.take(box)
        scene.curves.append(path)
    return kept


def _label_size(level, ax):
    """Side of a square in which a label has room at any angle."""
    trial = ax.text(0, 0, f"{level:g}", fontsize=FONTSIZE)
    box = trial.get_window_extent()
    trial.remove()
    return np.hypot(box.width, box.height)


def _label_box(points, size, scene, later):
    """Free box around a point of a line, None without one.

    It is where the fewest of the later lines are, and there where it is straightest.
    """
    least = LABEL_LENGTHS * FONTSIZE * scene.scale
    if np.ptp(points, axis=0).max() < least:
        return None
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    middles = along[-1] * (np.arange(N_PLACES) + 0.5) / N_PLACES

    def at(lengths):
        inside = np.clip(lengths, 0, along[-1])
        return np.transpose([np.interp(inside, along, values) for values in points.T])

    chords = np.hypot(*(at(middles + size / 2) - at(middles - size / 2)).T)
    best, fewest = None, np.inf
    for point in at(middles)[np.argsort(-chords, kind="stable")]:
        box = Bbox([point - size / 2, point + size / 2])
        is_free = scene.is_inside(box) and not scene.n_covered(box)
        if not is_free or scene.n_crossing(box):
            continue
        n_blocked = sum(line.intersects_bbox(box, filled=False) for line in later)
        if n_blocked < fewest:
            best, fewest = box, n_blocked
        if n_blocked == 0:
            break
    return best
