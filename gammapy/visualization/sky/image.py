# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of the sky with a colour bar, and outlines of regions on them."""

import re
import textwrap
from functools import partial
import numpy as np
from astropy.visualization import ImageNormalize
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from mpl_toolkits.axes_grid1.axes_divider import AxesDivider
from mpl_toolkits.axes_grid1.axes_size import AxesX, AxesY
from .coordinates import format_sky_axes
from .labels import settle_axes
from .outlines import add_line, curve_vertices, halo, simple_regions, sky_outlines
from .stretch import round_ticks
from .view import View

__all__ = []

# Inches.
BAR_WIDTH, BAR_PAD = 0.16, 0.07

REGION_COLOR = "magenta"
HARD_SPACE = "\N{NO-BREAK SPACE}"


def plot_image(image, ax, *, cmap, limits, label, stretch=None, view=None, power=0):
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
    stretch : `~astropy.visualization.BaseStretch`, optional
        How values become colours. Default is None, linear.
    view : `~gammapy.visualization.sky.view.View`, optional
        Part of the image. Default is all of it.
    power : int, optional
        Power of ten that numbers at the colour bar are multiples of. Default is 0.
    """
    vmin, vmax = limits
    view = View.whole(image.geom.to_image()) if view is None else view
    # An image leaves infinite values out like masked ones.
    data = np.where(np.isposinf(image.data), 2 * abs(vmax) + 1, image.data)
    norm = plt.Normalize(vmin, vmax)
    if stretch is not None:
        norm = ImageNormalize(vmin=vmin, vmax=vmax, stretch=stretch, clip=False)
    ax.imshow(
        data.reshape(view.geom.data_shape).astype(float),
        cmap=plt.get_cmap(cmap).with_extremes(bad="0.8"),
        norm=norm,
        origin="lower",
        interpolation="nearest",
        aspect=view.aspect,
    )
    x_limits, y_limits = view.limits
    # What is drawn later leaves these limits alone.
    ax.set(xlim=x_limits, ylim=y_limits)
    _plot_colorbar(ax, label, _extend(image.data, vmin, vmax), power)
    format_sky_axes(ax, image.geom.frame)


def _plot_colorbar(ax, label, extend, power):
    """Colour bar of the height of the map, whatever its aspect is."""
    aspect = ax.get_aspect()
    divider = AxesDivider(
        ax, xref=AxesX(ax), yref=AxesY(ax, aspect=1 if aspect == "auto" else aspect)
    )
    ax.set_axes_locator(divider.new_locator(nx=0, ny=0))
    # Plain axes: append_axes would take the class of the map.
    side = divider.append_axes("right", BAR_WIDTH, BAR_PAD, axes_class=Axes)
    image = ax.images[-1]
    bar = ax.figure.colorbar(image, cax=side, extend=extend)
    if isinstance(image.norm, ImageNormalize):
        bar.set_ticks(round_ticks(image.norm))
        bar.minorticks_off()
    if power:
        bar.formatter = FuncFormatter(partial(_in_powers, power=power))
        bar.update_ticks()
    bar.set_label(label)
    settle_axes(ax)
    length = bar.ax.yaxis.label.get_window_extent().height
    height = ax.get_window_extent().height
    if length > height:
        bar.set_label(_in_lines(label, int(len(label) * height / length)))


def _in_powers(value, _position, power):
    """Number at a colour bar, in powers of ten."""
    return f"{value / 10.0**power:.6g}".replace("-", "\N{MINUS SIGN}")


def _in_lines(label, longest):
    """Label in lines of about the same length, as few as there can be."""
    # Numbers and their unit stay together, and so does the scale of the colours.
    together = r"[\d.]+ deg|\[10[^]]+\]|\(\w+ scale\)"
    text = re.sub(together, lambda part: part[0].replace(" ", HARD_SPACE), label)
    longest = max(longest, 1)
    n_lines = -(-len(text) // longest)
    for width in range(len(text) // n_lines, longest + 1):
        lines = textwrap.wrap(text, width, break_long_words=False)
        if len(lines) <= n_lines:
            break
    return "\n".join(lines).replace(HARD_SPACE, " ")


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
