# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels that are discs on the sky, also where they are none in pixels."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d
from ..fourier import ROUNDING, SMALL
from ..sky_geometry import cylinder_of, worst_disc
from .plane import weight_of_one

__all__ = []


# The last bit of an angle must not decide whether a pixel belongs.
EDGE = 1e-9


def row_kernel(geom, radius, inner=None):
    """Disc or ring with a shape for each row; None where one in pixels is right.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.
    radius : float
        Radius in deg.
    inner : float, optional
        Inner radius of a ring in deg. Default is None, a disc.

    Returns
    -------
    kernel : `RowKernel` or None
        Kernel; None as well when the projection is not cylindrical.
    """
    cylinder = cylinder_of(geom)
    if cylinder is None or not worst_disc(geom, radius).is_wrong:
        return None
    return RowKernel(cylinder, radius, inner)


class RowKernel:
    """Disc or ring on the sky around each pixel of a cylindrical projection.

    All pixels of a row have the same shape around them. Of a row at the latitude b'
    the disc around a pixel at the latitude b holds the longitudes with
    sin^2(l / 2) <= [sin^2(r / 2) - sin^2((b - b') / 2)] / (cos b cos b'), a run of
    pixels whose sum is a difference of cumulative sums: counts stay integers, and the
    time grows with the radius only. What lies beyond 180 deg wraps.

    Parameters
    ----------
    cylinder : `~gammapy.datasets.residuals.sky_geometry.Cylinder`
        Projection.
    radius : float
        Radius in deg.
    inner : float, optional
        Inner radius of a ring in deg. Default is None, a disc.
    """

    is_uniform = True

    def __init__(self, cylinder, radius, inner=None):
        self.radius = radius
        self._inner = None if inner is None else inner * (1 - EDGE)
        self._outer = radius * (1 + EDGE)
        self._cylinder = cylinder
        self._rows = cylinder.latitudes()

    @property
    def n_pixels(self):
        """Number of pixels around those of each row, array of shape (n_lat, 1)."""
        rows = rows_within(self._cylinder, self._outer)
        numbers = [self._n_columns(row, rows).sum() for row in self._rows]
        return np.maximum(numbers, 1.0)[:, np.newaxis]

    def _n_columns(self, row, rows):
        """Numbers of columns of other rows."""
        step = self._cylinder.step
        numbers = np.zeros(len(rows))
        for radius, sign in ((self._outer, 1), (self._inner, -1)):
            if radius is not None:
                widths = half_widths(row, rows, radius)
                columns = 2 * np.floor(widths / step * (1 + EDGE)) + 1
                columns = np.minimum(columns, 360 / step)
                numbers += sign * np.where(widths >= 0, columns, 0)
        return numbers

    def as_sum(self):
        """The kernel itself, whose weights are 1."""
        return self

    def warn(self, geom, mask):
        """No warning: the discs are correct, see `PlaneKernel.warn`."""

    def apply(self, images, transform=None):
        """Sum the neighbours of each pixel, as `PlaneKernel.apply` does."""
        result = np.zeros(images.shape)
        sum_run = _run_sums(images)
        for idx, other, low, high in self._all_runs(images.shape[2]):
            result[:, idx] += sum_run(other, low, high)
        return result if transform is None else weight_of_one(transform) * result

    def maximum(self, images):
        """Largest of the neighbours of each pixel, of images that are not negative."""
        n_x = images.shape[2]
        padded = np.pad(images, ((0, 0), (0, 0), (n_x, n_x)))
        result = np.zeros(images.shape)
        for idx, other, low, high in self._all_runs(n_x):
            size = high - low + 1
            line = maximum_filter1d(padded[:, other], size, axis=1, mode="constant")
            first = n_x + low + size // 2
            largest = line[:, first : first + n_x]
            result[:, idx] = np.maximum(result[:, idx], largest)
        return result

    def _all_runs(self, n_x):
        """Rows, other rows within the kernel, and ranges of columns of the latter."""
        for idx, row in enumerate(self._rows):
            outer = half_widths(row, self._rows, self._outer)
            inner = np.full(outer.shape, -1.0)
            if self._inner is not None:
                inner = half_widths(row, self._rows, self._inner)
            for other in np.flatnonzero(outer >= 0):
                for low, high in self._runs(inner[other], outer[other], n_x):
                    yield idx, other, low, high

    def _runs(self, inner, outer, n_x):
        """Ranges of columns between two half-widths, seen from the middle one."""
        step = self._cylinder.step
        near = half_column(inner, step) + 1, half_column(outer, step)
        far = _far(outer, step), _far(inner, step) - 1
        is_closed = near[1] + 1 >= far[0]
        runs = [(near[0], far[1])] if is_closed else [near, far]
        for low, high in runs:
            high = min(high, n_x - 1)
            if low == 0:
                yield -high, high
            elif low <= high:
                yield low, high
                yield -high, -low


def _run_sums(images):
    """Function that sums runs of pixels around those of a row.

    It takes the row, and the first and the last pixel of the run seen from each. Sums
    are differences of cumulative ones, which keep counts whole and equal sums equal;
    where one pixel is lost in the rounding of others the pixels are added one by one.
    """
    n_x = images.shape[2]
    sizes = np.abs(images)
    smallest = np.min(sizes, where=sizes > 0, initial=np.inf)
    if smallest < SMALL * ROUNDING * np.max(sizes.sum(axis=2), initial=0):
        padded = np.pad(images, ((0, 0), (0, 0), (n_x, n_x)))

        def sum_pixels(row, low, high):
            runs = sliding_window_view(padded[:, row], high - low + 1, axis=1)
            return runs[:, n_x + low : 2 * n_x + low].sum(axis=2)

        return sum_pixels

    # Sums of the pixels before each one, continued by n_x on both sides.
    sums = np.zeros((*images.shape[:2], 3 * n_x + 1))
    np.cumsum(images, axis=2, out=sums[..., n_x + 1 : 2 * n_x + 1])
    sums[..., 2 * n_x + 1 :] = sums[..., [2 * n_x]]

    def subtract(row, low, high):
        last, first = n_x + 1 + high, n_x + low
        # A difference of equal sums is exactly 0.
        return sums[:, row, last : last + n_x] - sums[:, row, first : first + n_x]

    return subtract


def half_column(width, step):
    """Number of columns within a half-width, -1 for none."""
    return int(width / step * (1 + EDGE)) if width >= 0 else -1


def _far(width, step):
    """Number of columns after which one is within a half-width again, all around."""
    if width < 0:
        return int(2 * 360 / step)
    return int(np.ceil((360 - width) / step * (1 - EDGE)))


def half_widths(row, rows, radius):
    """Longitudes in deg within a radius at other latitudes: -1 none, 180 all."""
    first, others = np.deg2rad(row), np.deg2rad(rows)
    room = np.sin(np.deg2rad(radius) / 2) ** 2 - np.sin((first - others) / 2) ** 2
    scale = np.maximum(np.cos(first) * np.cos(others), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        ratio = np.clip(room / scale, 0, 1)
    # Beyond the poles all is NaN.
    return np.where(room >= 0, 2 * np.rad2deg(np.arcsin(np.sqrt(ratio))), -1.0)


def rows_within(cylinder, radius):
    """Latitudes of all rows within a radius of those of the image."""
    rows = cylinder.latitudes()
    margin, largest = 1, 2 * max(cylinder.geom.data_shape)
    while True:
        more = cylinder.latitudes(margin)
        ends = np.abs([more[0] - rows[0], more[-1] - rows[-1]])
        # The rows of a Mercator map never reach the pole.
        if not np.any(ends <= radius) or margin > largest:
            return more[np.isfinite(more)]
        margin *= 2
