# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of the sky with a colour bar, and outlines of regions on them."""

import textwrap
import numpy as np
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from mpl_toolkits.axes_grid1.axes_divider import AxesDivider
from mpl_toolkits.axes_grid1.axes_size import AxesX, AxesY
from .coordinates import format_sky_axes
from .labels import settle_axes
from .outlines import add_line, curve_vertices, halo, simple_regions, sky_outlines

__all__ = []

# Maps that are wider or taller than this are stretched to be legible.
MAX_RATIO = 6
# Inches.
BAR_WIDTH, BAR_PAD = 0.16, 0.07

REGION_COLOR = "magenta"


def plot_image(image, ax, *, cmap, limits, label):
    """Draw an image of the sky with a colour bar.

    Parameters
    ----------
    image : `~gammapy.maps.WcsNDMap`
        Image; infinite values have the colour of the highest, NaN is grey.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes.
    cmap : str
        Colour map.
    limits : tuple of float
        Where the colours end.
    label : str
        Text at the colour bar.
    """
    vmin, vmax = limits
    # An image leaves infinite values out like masked ones.
    data = np.where(np.isposinf(image.data), 2 * abs(vmax) + 1, image.data)
    cmap = plt.get_cmap(cmap).with_extremes(bad="0.8")
    image.copy(data=data).plot(ax=ax, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.set_aspect(_sky_aspect(image.geom))
    _plot_colorbar(ax, label, _extend(image.data, vmin, vmax))
    if not image.geom.is_allsky:
        format_sky_axes(ax)


def _plot_colorbar(ax, label, extend):
    """Colour bar of the height of the map, whatever its aspect is."""
    aspect = ax.get_aspect()
    divider = AxesDivider(
        ax, xref=AxesX(ax), yref=AxesY(ax, aspect=1 if aspect == "auto" else aspect)
    )
    ax.set_axes_locator(divider.new_locator(nx=0, ny=0))
    # Plain axes: append_axes would take the class of the map.
    side = divider.append_axes("right", BAR_WIDTH, BAR_PAD, axes_class=Axes)
    bar = ax.figure.colorbar(ax.images[-1], cax=side, extend=extend)
    bar.set_label(label)
    settle_axes(ax)
    length = bar.ax.yaxis.label.get_window_extent().height
    if length > ax.get_window_extent().height:
        middle = len(label) // 2 + 1
        bar.set_label(textwrap.fill(label, middle, break_long_words=False))


def _extend(data, vmin, vmax):
    """Pointed ends of the colour bar where values lie beyond them."""
    with np.errstate(invalid="ignore"):
        low, high = np.any(data < vmin), np.any(data > vmax)
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[low, high]


def plot_region(region, ax):
    """Outline of a region with a white rim, and nothing else."""
    if region is None:
        return
    style = {"color": REGION_COLOR, "path_effects": halo(width=3)}
    for simple in simple_regions(region):
        curves = sky_outlines(simple)
        for curve in curves:
            add_line(*curve_vertices(curve, ax).T, ax, "region", lw=1.2, **style)
        if not curves:
            artist = simple.to_pixel(ax.wcs).as_artist()
            artist.set(gid="region", **style)
            ax.add_artist(artist)


def sky_ratio(geom):
    """Width of an image divided by its height, in degrees."""
    height, width = geom.data_shape
    lon, lat = geom.pixel_scales.to_value("deg")
    return width * lon / (height * lat)


def _sky_aspect(geom):
    """Aspect that shows the sky as it is, but maps that are too long stretched."""
    if not 1 / MAX_RATIO <= sky_ratio(geom) <= MAX_RATIO:
        return "auto"
    lon, lat = geom.pixel_scales.to_value("deg")
    return lat / lon
