# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where the pixels of an image lie on the sky, and how wrong a disc in pixels is."""

from dataclasses import dataclass
import numpy as np
import scipy.ndimage as ndi
from astropy.coordinates import SkyCoord
from gammapy.maps import WcsGeom

__all__ = []

CYLINDRICAL = ("CAR", "CEA", "MER", "CYP")

# Projections whose pixels with a coordinate fill a convex area: when the corners of an
# image have one, all its pixels have.
CONVEX = (*CYLINDRICAL, "TAN", "SIN", "STG", "ARC", "ZEA", "SFL", "PAR", "AIT", "MOL")

# A disc is wrong when more than this part of its solid angle is missed or added.
TOLERANCE = 0.05

DIRECTIONS = np.arange(32) * np.pi / 16
N_GRID = 15
N_SAMPLES = 2000


def sky_mask(geom):
    """Pixels that have a coordinate on the sky.

    Parameters
    ----------
    geom : `~gammapy.maps.Geom`
        Geometry.

    Returns
    -------
    mask : `~numpy.ndarray` of bool or None
        Array of shape (n_lat, n_lon). None when all pixels have a coordinate.
    """
    if not isinstance(geom, WcsGeom):
        return None
    geom = geom.to_image()
    n_y, n_x = geom.data_shape
    if geom.projection in CONVEX:
        corners = np.array([0, n_x - 1] * 2), np.array([0, 0, n_y - 1, n_y - 1])
        if np.isfinite(_coordinates(geom, *corners)).all():
            return None
    y, x = np.indices(geom.data_shape)
    mask = np.isfinite(_coordinates(geom, x, y)).all(axis=0)
    return None if mask.all() else mask


def _coordinates(geom, x, y):
    """Longitude and latitude of pixels in deg, NaN where there is no sky."""
    return np.array(geom.wcs.wcs_pix2world(x, y, 0))


@dataclass(frozen=True)
class Cylinder:
    """Cylindrical projection with rows of equal latitude, in its own coordinates.

    These are the native coordinates of the projection (Calabretta & Greisen 2002, A&A
    395, 1077), which differ from those of the sky by a rotation, so that angles
    between pixels are the same.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.
    step : float
        Longitude from one column to the next in deg.
    """

    geom: WcsGeom
    step: float

    @property
    def period(self):
        """Number of columns around the sky, None when it is not a whole number."""
        period = 360 / self.step
        whole = int(np.rint(period))
        return whole if abs(period - whole) < 1e-6 * whole else None

    @property
    def is_around(self):
        """Whether the first column follows the last one."""
        return self.period is not None and self.period <= self.geom.data_shape[1]

    def latitudes(self, margin=0):
        """Latitudes of the rows and of more rows on both sides, NaN beyond the poles.

        Parameters
        ----------
        margin : int, optional
            Number of rows on each side. Default is 0.

        Returns
        -------
        latitudes : `~numpy.ndarray`
            Native latitudes in deg.
        """
        rows = np.arange(-margin, self.geom.data_shape[0] + margin)
        return _native(self.geom, 0 * rows, rows)["theta"]


def _native(geom, dx, y):
    """Native coordinates of rows, dx columns from the one of longitude 0."""
    wcs = geom.wcs.wcs
    return wcs.p2s(np.stack([wcs.crpix[0] - 1 + dx, y], axis=1).astype(float), 0)


def cylinder_of(geom):
    """Cylindrical projection of the images of a geometry, None for any other."""
    geom = geom.to_image()
    matrix = geom.wcs.pixel_scale_matrix
    if geom.projection not in CYLINDRICAL or matrix[0, 1] or matrix[1, 0]:
        return None
    y = np.full(2, geom.wcs.wcs.crpix[1] - 1)
    step = np.abs(np.diff(_native(geom, np.array([0, 1]), y)["phi"])[0])
    return Cylinder(geom, step) if step > 0 else None


@dataclass(frozen=True)
class WorstDisc:
    """Where discs are most wrong.

    Parameters
    ----------
    error : float
        Solid angle that is missed or added, relative to that of the disc.
    position : `~astropy.coordinates.SkyCoord` or None
        Where it is.
    """

    error: float
    position: SkyCoord | None = None

    @property
    def is_wrong(self):
        """Whether the error is above the tolerance."""
        return self.error > TOLERANCE


def worst_disc(geom, radius, mask=None, *, period=None, like_center=False):
    """How wrong a disc in pixels is on the sky, at the worst place of an image.

    Points at the radius around a position lie, in pixels times their size, at some
    distance d from it, which is the radius where the disc is right. In linear order
    the disc reaches to radius^2 / d there, so that the mean of |radius^2 / d^2 - 1| is
    the part of the solid angle that it misses or adds. A point that the image has
    at another of its borders is far away, which is what is missed there.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.
    radius : float
        Radius in deg.
    mask : `~numpy.ndarray` of bool, optional
        Where to look, of the shape (n_lat, n_lon). Default is everywhere.
    period : int, optional
        Number of columns after which the image repeats itself. Default is none.
    like_center : bool, optional
        Whether the disc is right at the centre of the image, rather than in pixels of
        their nominal size. Default is False.

    Returns
    -------
    worst : `WorstDisc`
        Error and position.
    """
    n_y, n_x = geom.data_shape
    reference = radius
    if like_center:
        center = np.array([n_x // 2]), np.array([n_y // 2])
        reference = _distances(geom, radius, *center, period)
        reference = np.nan_to_num(reference, nan=radius)

    grid = [
        np.unique(np.linspace(0, n_pixels - 1, N_GRID, dtype=int))
        for n_pixels in (n_x, n_y)
    ]
    x, y = (coords.ravel() for coords in np.meshgrid(*grid))
    error, worst = _largest_error(geom, radius, x, y, period, reference)
    if mask is None or error < TOLERANCE / 2:
        return worst
    x, y = _sample(mask)
    return _largest_error(geom, radius, x, y, period, reference)[1]


def _largest_error(geom, radius, x, y, period, reference):
    """Error, infinite where a pixel has no sky, and the worst disc."""
    is_sky = np.isfinite(_coordinates(geom, x, y)).all(axis=0)
    x, y = x[is_sky], y[is_sky]
    if x.size == 0:
        return np.inf, WorstDisc(0.0)
    distances = _distances(geom, radius, x, y, period)
    is_known = np.isfinite(distances) & (distances > 0)
    ratios = np.divide(
        reference, distances, where=is_known, out=np.ones_like(distances)
    )
    errors = np.abs(ratios**2 - 1).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    idx = np.argmax(errors)
    lon, lat = _coordinates(geom, x[idx], y[idx])
    position = SkyCoord(lon, lat, unit="deg", frame=geom.frame)
    worst = WorstDisc(float(errors[idx]), position)
    return worst.error if is_sky.all() else np.inf, worst


def _distances(geom, radius, x, y, period):
    """Distances in deg, of the image, to points that are at the radius on the sky.

    NaN where they are not known. The shape is (n_positions, n_directions).
    """
    lon, lat = np.deg2rad(_coordinates(geom, x, y)[..., np.newaxis])
    x_there, y_there = geom.wcs.wcs_world2pix(*_offset(lon, lat, radius), 0)
    dx, dy = x_there - x[:, np.newaxis], y_there - y[:, np.newaxis]
    n_y, n_x = geom.data_shape
    inside = (np.abs(x_there - (n_x - 1) / 2) <= n_x / 2) & (
        np.abs(y_there - (n_y - 1) / 2) <= n_y / 2
    )
    cylinder = cylinder_of(geom)
    if cylinder is not None:
        # Beyond the seam, and not on the map: so it would be beside it.
        turns = np.rint(dx * cylinder.step / 360) * 360 / cylinder.step
        dx = np.where(inside & (period is None), dx, dx - turns)
    scales = geom.pixel_scales.to_value("deg")
    distances = np.hypot(dx * scales[0], dy * scales[1])
    if cylinder is not None:
        return distances
    # In other projections a point beyond the map may be across its seam.
    return np.where(inside | (distances < 3 * radius), distances, np.nan)


def _offset(lon, lat, radius):
    """Longitude and latitude in deg of points all around at a radius in deg.

    As `~astropy.coordinates.SkyCoord.directional_offset_by`, which takes ten times as
    long for the few points of a map.
    """
    cos_r, sin_r = np.cos(np.deg2rad(radius)), np.sin(np.deg2rad(radius))
    sin_lat, cos_lat = np.sin(lat), np.cos(lat)
    sin_there = sin_lat * cos_r + cos_lat * sin_r * np.cos(DIRECTIONS)
    east = np.sin(DIRECTIONS) * sin_r * cos_lat
    there = lon + np.arctan2(east, cos_r - sin_lat * sin_there)
    return np.rad2deg(there), np.rad2deg(np.arcsin(np.clip(sin_there, -1, 1)))


def _sample(mask):
    """Some pixels of a mask, x and y, with more of those at its border."""
    border = mask & ~ndi.binary_erosion(mask)
    found = [np.flatnonzero(pixels) for pixels in (border, mask)]
    found = [pixels[:: max(1, pixels.size // N_SAMPLES)] for pixels in found]
    y, x = np.unravel_index(np.unique(np.concatenate(found)), mask.shape)
    return x, y
