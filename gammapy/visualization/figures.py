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
    """Figure of the axes that a plot function returns.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`, list or dict
        Axes of one figure, also in nested lists or dicts.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Figure.
    """
    while not isinstance(axes, Axes):
        axes = next(iter(axes.values() if isinstance(axes, Mapping) else axes))
    return axes.figure
