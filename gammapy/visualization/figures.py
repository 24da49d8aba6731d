# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures as files."""

from collections.abc import Mapping
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

__all__ = []

DPI = 150


def save_figure(figure, path):
    """Save a figure and close it.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        Figure.
    path : `~pathlib.Path`
        File.
    """
    try:
        figure.savefig(path, dpi=DPI)
    finally:
        plt.close(figure)


def figure_of(axes):
    """Figure of axes, as plot functions return them.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`, or list or dict of them, or of such
        Axes of one figure.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Figure.
    """
    while not isinstance(axes, Axes):
        axes = next(iter(axes.values() if isinstance(axes, Mapping) else axes))
    return axes.figure
