# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Outlines of sky regions on axes of any projection.

An outline is followed on the sphere, point by point. A shape in pixels would be that
of the sky only where pixels are square and small.
"""

import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    CompoundSkyRegion,
    EllipseAnnulusSkyRegion,
    EllipseSkyRegion,
    PolygonSkyRegion,
    RectangleAnnulusSkyRegion,
    RectangleSkyRegion,
)
from matplotlib import patheffects
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.transforms import Bbox

__all__ = []

N_POINTS = 361
TURN = np.linspace(0, 2 * np.pi, N_POINTS)
# A rectangle of half width and half height 1, from corner to corner.
CORNERS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1), (1, 1)])
RECTANGLE = np.array(
    [np.interp(np.linspace(0, 4, N_POINTS), range(5), corner) for corner in CORNERS.T]
)
ELLIPSE = np.array([np.cos(TURN), np.sin(TURN)])


def simple_regions(region):
    """Simple regions of a compound of regions, each once."""
    if not isinstance(region, CompoundSkyRegion):
        return [region]
    return [*simple_regions(region.region1), *simple_regions(region.region2)]


def sky_outlines(region):
    """Closed curves on the sky that bound a simple region.

    Parameters
    ----------
    region : `~regions.SkyRegion`
        Region that is not a compound.

    Returns
    -------
    outlines : list of `~astropy.coordinates.SkyCoord`
        Curves: two for an annulus, none for a region that has no area or no known
        shape.
    """
    if isinstance(region, PolygonSkyRegion):
        vertices = region.vertices
        return [vertices[np.arange(len(vertices) + 1) % len(vertices)]]
    return [_sky_curve(region, *shape) for shape in _shapes(region)]


def _shapes(region):
    """Shape, width and height of the curves that bound a region."""
    if isinstance(region, CircleSkyRegion):
        return [(ELLIPSE, 2 * region.radius, 2 * region.radius)]
    if isinstance(region, CircleAnnulusSkyRegion):
        radii = region.inner_radius, region.outer_radius
        return [(ELLIPSE, 2 * radius, 2 * radius) for radius in radii]
    if isinstance(region, (EllipseSkyRegion, RectangleSkyRegion)):
        shape = ELLIPSE if isinstance(region, EllipseSkyRegion) else RECTANGLE
        return [(shape, region.width, region.height)]
    if isinstance(region, (EllipseAnnulusSkyRegion, RectangleAnnulusSkyRegion)):
        shape = ELLIPSE if isinstance(region, EllipseAnnulusSkyRegion) else RECTANGLE
        return [
            (shape, region.inner_width, region.inner_height),
            (shape, region.outer_width, region.outer_height),
        ]
    return []


def _sky_curve(region, shape, width, height):
    """Curve around the centre of a region, turned by the angle of the region."""
    x, y = shape[0] * width / 2, shape[1] * height / 2
    # Angles of regions run from west to north, position angles from north to east.
    direction = np.arctan2(y, x) + getattr(region, "angle", 0 * u.deg) - 90 * u.deg
    return region.center.directional_offset_by(direction, np.hypot(x, y))


def error_outline(spatial_model, containment=0.95):
    """Curve around the position of a model that holds it with a probability.

    It is taken from the covariance of the coordinates. With an error in one of them
    only it is a line.

    Parameters
    ----------
    spatial_model : `~gammapy.modeling.models.SpatialModel`
        Spatial model with ``lon_0`` and ``lat_0``.
    containment : float, optional
        Probability. Default is 0.95.

    Returns
    -------
    outline : `~astropy.coordinates.SkyCoord` or None
        The curve, None when there is no error.
    """
    parameters = [spatial_model.lon_0, spatial_model.lat_0]
    if spatial_model.covariance is None:
        return None
    names = [par.name for par in parameters]
    covariance = spatial_model.covariance.get_subcovariance(names).data
    variances, axes = np.linalg.eigh(np.nan_to_num(covariance))
    if not variances.max() > 0:
        return None
    radii = np.sqrt(-2 * np.log(1 - containment) * variances.clip(min=0))
    lon, lat = [
        par.quantity + offset * par.unit
        for par, offset in zip(
            parameters, axes @ (radii[:, None] * ELLIPSE), strict=True
        )
    ]
    return SkyCoord(lon, lat, frame=spatial_model.frame)


def curve_vertices(coords, ax):
    """Pixel coordinates of a curve on the axes, NaN where it jumps or has none."""
    x, y = ax.wcs.world_to_pixel(coords)
    vertices = np.stack([np.atleast_1d(x), np.atleast_1d(y)], axis=-1)
    steps = np.hypot(*np.diff(vertices, axis=0).T)
    # At its edge a map of the whole sky goes on at the opposite one.
    jumps = steps > max(np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())) / 2
    if len(vertices) == N_POINTS and jumps.any():
        vertices = np.insert(vertices, np.nonzero(jumps)[0] + 1, np.nan, axis=0)
    return vertices


def crosses_axes(vertices, ax):
    """Whether a part of a curve is inside the axes."""
    if not np.isfinite(vertices).all(axis=1).any():
        return False
    (x_min, x_max), (y_min, y_max) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    box = Bbox([(x_min, y_min), (x_max, y_max)])
    return bool(Path(vertices).intersects_bbox(box, filled=False))


def is_inside(coord, ax):
    """Whether a position is inside the axes."""
    x, y = ax.wcs.world_to_pixel(coord)
    (x_min, x_max), (y_min, y_max) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    return bool(x_min <= x <= x_max and y_min <= y <= y_max)


def add_line(x, y, ax, gid, **style):
    """Line on the axes that leaves their limits alone."""
    line = Line2D(np.atleast_1d(x), np.atleast_1d(y), **style)
    line.set_gid(gid)
    line.set_transform(ax.transData)
    ax.add_artist(line)
    return line


def halo(color="white", width=2.5, alpha=0.7):
    """A rim keeps lines and letters legible on any colour."""
    return [patheffects.withStroke(linewidth=width, foreground=color, alpha=alpha)]


def rim_of(color):
    """Colour of the rim: white around a dark colour, black around a light one."""
    return "white" if np.mean(to_rgb(color)) < 0.5 else "black"
