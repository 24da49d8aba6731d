# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The kernel of a map, in one of its corners."""

import numpy as np
import astropy.units as u
from matplotlib.offsetbox import AuxTransformBox, HPacker
from matplotlib.patches import Ellipse, Rectangle
from .corners import add_to_corner, corner_text

__all__ = []

STYLE = {"fill": False, "edgecolor": "black", "linewidth": 1.0, "gid": "kernel"}


def plot_kernel(shape, geom, ax):
    """Draw a kernel as large as it is at the centre of the map, with its size.

    Parameters
    ----------
    shape : `~gammapy.datasets.residuals.kernels.base.KernelShape` or None
        What to draw, None for nothing.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the map.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes with the map, and with all that is not to be covered.
    """
    if shape is None:
        return
    outline = AuxTransformBox(ax.transData)
    width, height = _size_in_pixels(2 * shape.radius, geom)
    if shape.is_square:
        corner = -width / 2, -height / 2
        outline.add_artist(Rectangle(corner, width, height, **STYLE))
    else:
        outline.add_artist(Ellipse((0, 0), width, height, **STYLE))
    content = [outline, corner_text(shape.text)]
    add_to_corner(HPacker(children=content, align="center", pad=0, sep=4), ax, "kernel")


def _size_in_pixels(size, geom):
    """Width and height of something that is as wide as it is high."""
    if size.unit == u.pix:
        return size.value, size.value
    return tuple(size.to_value("deg") / np.array(geom.pixel_scales.to_value("deg")))
