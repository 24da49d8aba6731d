# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Meridians and parallels with labels, on maps whose border is not on the sky."""

import numpy as np
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.patches import Polygon
from .outlines import halo

__all__ = []

# Degrees between meridians and between parallels; the first ones are for large maps.
STEPS_LON, STEPS_LAT = (60, 90, 45, 30, 15, 10, 5, 2, 1), (30, 45, 15, 10, 5, 2, 1)
# Inches of a large map, and labels that there should be.
LARGE = 2.5
N_LABELS_MIN = 3
# Projections with an edge that is the meridian opposite to the centre.
WITH_EDGE = ("AIT", "MOL", "PAR", "SFL")
FONTSIZE = 8
# Room that labels of parallels take, in letters of the name beside them.
PAD = 3
# How far from the edge of the sky the curve along it is, in deg.
INSIDE = 1e-4
N_POINTS = 181
N_LON = 721
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
    meridians = _enough(_meridians, ax, STEPS_LON[is_small:])
    parallels = _enough(_parallels, ax, STEPS_LAT[is_small:])
    steps = meridians[0], parallels[0]
    for coord, step in zip(ax.coords, steps, strict=True):
        coord.set_ticks(spacing=step * u.deg)
        coord.grid(**LINES)
        coord.set_ticks_visible(False)
        coord.set_ticklabel_visible(False)
        # Else names are only there with labels on the frame.
        coord.set_axislabel_visibility_rule("always")
    _name_axes(ax, names)
    _draw_edge(ax)
    for lon, point in meridians[1]:
        text = rf"{lon / 15:g}$\mathregular{{^h}}$" if in_hours else f"{lon:g}°"
        _write(ax, text, point, gid="tick:lon", offset=(0, 3))
    for lat, point in parallels[1]:
        text = f"{lat:g}°".replace("-", "\N{MINUS SIGN}")
        _write(ax, text, point, gid="tick:lat", offset=(-3, 0))


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
    if ax.wcs.wcs.ctype[0][-3:] not in WITH_EDGE:
        return
    vertices = _edge(ax)
    if not np.isfinite(vertices).all():
        return
    options = {"transform": ax.transData, "fill": False, "zorder": 2.5, "lw": 0.8}
    edge = Polygon(vertices, gid="edge", **options)
    ax.add_patch(edge)
    ax.images[-1].set_clip_path(edge)
    ax.coords.frame.set_linewidth(0)


def _enough(find, ax, steps):
    """Largest distance of lines with enough labels in view, and their places."""
    most = steps[0], []
    for step in steps:
        places = find(ax, step)
        if len(places) >= N_LABELS_MIN:
            return step, places
        if len(places) > len(most[1]):
            most = step, places
    return most


def _meridians(ax, step):
    """Longitudes and where they are on the equator, or the middle of the view."""
    center = _center_lon(ax)
    lon = np.arange(np.ceil((center - 179) / step), (center + 179) / step) * step
    x, y = np.mean(ax.get_xlim()), np.mean(ax.get_ylim())
    middle = float(ax.wcs.pixel_to_world_values(x, y)[1])
    for lat in (0.0, middle):
        points = _pixels(ax, lon, np.full(lon.size, lat))
        inside = _is_in_view(ax, points)
        if inside.any():
            break
    return list(zip(np.mod(lon[inside], 360), points[inside], strict=True))


def _parallels(ax, step):
    """Latitudes and where they begin on the left, at the edge of sky or view."""
    lon = _center_lon(ax) + np.linspace(-180 + INSIDE, 180 - INSIDE, N_LON)
    places = []
    for lat in np.arange(-90 + step, 90, step):
        points = _pixels(ax, lon, np.full(lon.size, lat))
        points = points[_is_in_view(ax, points)]
        if len(points):
            places.append((lat, points[np.argmin(points[:, 0])]))
    return places


def _is_in_view(ax, points):
    """Whether pixels are inside the limits of the axes."""
    (x_min, x_max), (y_min, y_max) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    x, y = points.T
    return (x_min <= x) & (x <= x_max) & (y_min <= y) & (y <= y_max)


def _write(ax, text, point, *, gid, offset):
    """Label beside a point of the axes."""
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
