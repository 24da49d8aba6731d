# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The kernel of a map, in one of its corners."""

import numpy as np
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
    if shape.radius is None:
        outline.add_artist(Rectangle((-0.5, -0.5), 1, 1, **STYLE))
    else:
        scales = geom.pixel_scales.to_value("deg")
        width, height = 2 * shape.radius.to_value("deg") / np.array(scales)
        outline.add_artist(Ellipse((0, 0), width, height, **STYLE))
    content = [outline, corner_text(shape.text)]
    add_to_corner(HPacker(children=content, align="center", pad=0, sep=4), ax, "kernel")
