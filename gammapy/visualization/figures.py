# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures as files."""

import matplotlib.pyplot as plt

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
