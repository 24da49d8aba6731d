# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Meridians and parallels with labels, on maps whose border is not on the sky."""

import numpy as np
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.patches import Polygon
from .outlines import halo

__all__ = []

# Degrees between meridians and between parallels, of large and of small maps.
STEPS_LON, STEPS_LAT = (60, 90), (30, 45)
# Inches of a map that has all of them.
LARGE = 2.5
FONTSIZE = 8
# Room that labels of parallels take, in letters of the name beside them.
PAD = 3
# How far from the edge of the sky the curve along it is, in deg.
INSIDE = 1e-4
N_POINTS = 181
LINES = {"color": "0.5", "alpha": 0.5, "linestyle": "solid", "linewidth": 0.6}


def draw_graticule(ax, names, *, in_hours=False):
    """Draw meridians and parallels with their coordinates.

    What is not sky is cut off, and the edge of the sky is drawn instead of a frame.

    Parameters
    ----------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes with limits set, in which an image was drawn.
    names : tuple of str
        Names of both coordinates.
    in_hours : bool, optional
        Whether longitudes are written in hours. Default is False.
    """
    is_small = int(ax.get_window_extent().width < LARGE * ax.figure.dpi)
    for coord, steps in zip(ax.coords, (STEPS_LON, STEPS_LAT), strict=True):
        coord.set_ticks(spacing=steps[is_small] * u.deg)
        coord.grid(**LINES)
        coord.set_ticks_visible(False)
        coord.set_ticklabel_visible(False)
        # Else names are only there with labels on the frame.
        coord.set_axislabel_visibility_rule("always")
    _name_axes(ax, names)
    _draw_edge(ax)
    _label_meridians(ax, STEPS_LON[is_small], in_hours)
    _label_parallels(ax, STEPS_LAT[is_small])


def _name_axes(ax, names):
    """Names of the coordinates below and on the left of the axes."""
    is_rectangle = {"b", "l"} <= set(ax.coords.frame)
    for coord, name, side, pad in zip(ax.coords, names, "bl", (1, PAD), strict=True):
        coord.set_axislabel(name, minpad=pad)
        coord.set_axislabel_position(side)
    if not is_rectangle:
        # An ellipse has no sides that names could be at.
        style = {"xycoords": "axes fraction", "textcoords": "offset points"}
        size = plt.rcParams["font.size"]
        style |= {"fontsize": plt.rcParams["axes.labelsize"], "gid": "axis"}
        below, left = (0, -0.5 * size), (-PAD * size, 0)
        ax.annotate(names[0], (0.5, 0), below, ha="center", va="top", **style)
        options = {"ha": "right", "va": "center", "rotation": 90}
        ax.annotate(names[1], (0, 0.5), left, **options, **style)


def _center_lon(ax):
    """Longitude of the centre of the projection in deg."""
    return float(ax.wcs.wcs.crval[0])


def _edge(ax):
    """Pixels along the edge of the sky, once around."""
    lat = np.linspace(-90 + INSIDE, 90 - INSIDE, N_POINTS)
    lat = np.concatenate([lat, lat[::-1]])
    offset = np.repeat([180 - INSIDE, -180 + INSIDE], N_POINTS)
    return _pixels(ax, _center_lon(ax) + offset, lat)


def _pixels(ax, lon, lat):
    return np.transpose(ax.wcs.world_to_pixel_values(np.mod(lon, 360), lat))


def _draw_edge(ax):
    """Cut the image at the edge of the sky, where there is one."""
    vertices = _edge(ax)
    if not np.isfinite(vertices).all():
        return
    options = {"transform": ax.transData, "fill": False, "zorder": 2.5, "lw": 0.8}
    edge = Polygon(vertices, gid="edge", **options)
    ax.add_patch(edge)
    ax.images[-1].set_clip_path(edge)
    ax.coords.frame.set_linewidth(0)


def _label_meridians(ax, step, in_hours):
    """Longitudes along the equator."""
    center = _center_lon(ax)
    lon = np.arange(np.ceil((center - 179) / step), (center + 179) / step) * step
    for value, point in zip(lon, _pixels(ax, lon, np.zeros(lon.size)), strict=True):
        value = value % 360
        text = rf"{value / 15:g}$\mathregular{{^h}}$" if in_hours else f"{value:g}°"
        _write(ax, text, point, gid="tick:lon", offset=(0, 3))


def _label_parallels(ax, step):
    """Latitudes beside the edge of the sky, on the left."""
    lat = np.arange(-90 + step, 90, step)
    for value in lat:
        ends = _pixels(
            ax, _center_lon(ax) + np.array([180 - INSIDE, -180 + INSIDE]), [value] * 2
        )
        point = ends[np.argmin(ends[:, 0])]
        text = f"{value:g}°".replace("-", "\N{MINUS SIGN}")
        _write(ax, text, point, gid="tick:lat", offset=(-3, 0))


def _write(ax, text, point, *, gid, offset):
    """Label beside a point of the axes, when that is in view."""
    (x_min, x_max), (y_min, y_max) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    x, y = point
    if not (x_min <= x <= x_max and y_min <= y <= y_max):
        return
    ax.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        ha="right" if offset[0] < 0 else "center",
        va="center" if offset[0] < 0 else "bottom",
        fontsize=FONTSIZE,
        gid=gid,
        annotation_clip=False,
        path_effects=halo(width=2),
    )
