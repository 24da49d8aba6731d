# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Coordinates beside maps of the sky."""

import numpy as np
import matplotlib.pyplot as plt
from .labels import settle_axes

__all__ = []

# Inches per label to begin with, and how many labels there may be.
LENGTH_PER_LABEL = 0.7
N_LABELS_MAX = 6
# Gap between labels, in font sizes.
GAP = 0.8
# Where the border of a map is looked at.
N_POINTS = 65


def format_sky_axes(ax):
    """Label coordinates below and on the left, as many as have room.

    Parameters
    ----------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes with limits set, in which an image was drawn.
    """
    settle_axes(ax)
    size = ax.get_window_extent().size / ax.figure.dpi
    ranges = ax.coords.get_coord_range()
    for idx, (coord, side) in enumerate(zip(ax.coords, "bl", strict=True)):
        coord.set_ticklabel_position(side)
        coord.set_axislabel_position(side)
        # What this leaves out would look like ticks of another distance.
        coord.set_ticklabel(exclude_overlapping=True)
        most = int(np.clip(size[idx] / LENGTH_PER_LABEL, 2, N_LABELS_MAX))
        per_degree = _length_per_degree(ax, idx)
        for number in range(most, 0, -1):
            coord.set_ticks(number=number)
            values, step = coord.locator(*ranges[idx])
            texts = coord.formatter(values, step)
            if step.to_value("deg") * per_degree > _room_for(texts, ax, idx):
                break


def _length_per_degree(ax, idx):
    """Least number of display pixels per degree, along the border with the labels."""
    border = np.zeros((N_POINTS, 2))
    border[:, idx] = np.linspace(0, 1, N_POINTS)
    pixels = ax.transData.inverted().transform(ax.transAxes.transform(border))
    world = np.unwrap(ax.wcs.pixel_to_world_values(*pixels.T)[idx], period=360)
    length = ax.get_window_extent().size[idx] / (N_POINTS - 1)
    change = np.abs(np.diff(world))
    fastest = np.max(change, initial=0, where=np.isfinite(change))
    return length / fastest if fastest > 0 else np.inf


def _room_for(texts, ax, idx):
    """Display pixels that the longest label takes, with its gap."""
    if not texts:
        return 0
    fontsize = plt.rcParams["xtick.labelsize"]
    trials = [ax.text(0, 0, text, fontsize=fontsize) for text in texts]
    gap = GAP * trials[0].get_fontsize() * ax.figure.dpi / 72
    sizes = [trial.get_window_extent().size[idx] for trial in trials]
    for trial in trials:
        trial.remove()
    return max(sizes) + gap * (1 if idx == 0 else 0.5)
