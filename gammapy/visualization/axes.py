# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checks of axes, and figures that do not outlive an error."""

from contextlib import contextmanager
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from gammapy.utils.arguments import show

__all__ = []


def check_wcs_axes(ax):
    """Raise a TypeError if axes are not the WCSAxes of a sky map."""
    if not isinstance(ax, WCSAxes):
        raise TypeError(
            f"A sky map needs WCSAxes, not {ax.__class__.__name__}; make them with "
            "figure.add_subplot(projection=geom.wcs)."
        )


def check_plain_axes(ax):
    """Raise a TypeError if axes are not plain Matplotlib axes."""
    if not isinstance(ax, Axes) or isinstance(ax, WCSAxes):
        what = ax.__class__.__name__ if isinstance(ax, Axes) else show(ax)
        raise TypeError(f"axes: expected plain Axes, got {what}.")


@contextmanager
def closing_new_figures():
    """Close the figures that were opened inside the context if an error is raised."""
    before = set(plt.get_fignums())
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        raise


def annotate_level(ax, level, text, *, va="center"):
    """Horizontal line with a label at its right end, outside the axes."""
    ax.axhline(level, color="0.7", lw=1, zorder=0)
    ax.annotate(
        text,
        (1, level),
        xycoords=ax.get_yaxis_transform(),
        xytext=(3, 0),
        textcoords="offset points",
        va=va,
        fontsize="small",
        color="0.4",
    )
