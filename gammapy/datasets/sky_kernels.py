# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels that are discs on the sky, also where they are none in pixels."""

import logging
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct, irfft, next_fast_len, rfft
from scipy.ndimage import maximum_filter1d
import astropy.units as u
from .convolution import (
    GAUSS_EXTENT,
    convolve_images,
    is_disc,
    make_kernel,
    maximum_images,
)
from .fourier import ROUNDING, SMALL
from .sky_geometry import cylinder_of, worst_disc

__all__ = []

log = logging.getLogger(__name__)

# The last bit of an angle must not decide whether a pixel belongs.
EDGE = 1e-9


def make_sky_kernel(kernel, radius, geom):
    """Kernel of an image: the same everywhere, or one for each row.

    Discs and Gaussians have a shape for each row when the image has a cylindrical
    projection and the disc in pixels is wrong somewhere by more than `TOLERANCE` in
    solid angle: far from the equator, or where the image goes around the sky.

    Parameters
    ----------
    kernel, radius, geom
        As for `~gammapy.datasets.convolution.make_kernel`.

    Returns
    -------
    kernel : `PlaneKernel` or `RowKernel`
        Kernel.
    """
    weights = make_kernel(kernel, radius, geom)
    if not isinstance(kernel, str):
        return PlaneKernel(weights)
    name = {"tophat": f"Discs of {radius}", "gauss": f"Gaussians of {radius}"}[kernel]
    radius = u.Quantity(radius).to_value("deg")
    # A disc with most of the kernel.
    extent = radius if kernel == "tophat" else 2 * radius
    rows = row_kernel(geom, extent)
    if rows is None:
        return PlaneKernel(weights, extent, name=name)
    return rows if kernel == "tophat" else GaussRowKernel(cylinder_of(geom), radius)


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


class PlaneKernel:
    """Kernel with the same weights around each pixel.

    Parameters
    ----------
    weights : `~numpy.ndarray` or None
        Weights from `~gammapy.datasets.convolution.make_kernel`.
    radius : float, optional
        Radius in deg of a disc with most of the kernel. Default is that of the weights.
    name : str, optional
        What warnings call it. Default is "Kernels that are maps".
    """

    def __init__(self, weights, radius=None, *, name="Kernels that are maps"):
        self.weights = weights
        self.radius = radius
        self.name = name

    @property
    def n_pixels(self):
        """Effective number of pixels, (sum f)^2 / sum f^2."""
        if self.weights is None:
            return 1.0
        return np.sum(self.weights) ** 2 / np.sum(self.weights**2)

    @property
    def is_uniform(self):
        """Whether all weights that are not 0 are the same."""
        return self.weights is None or np.ptp(self.weights[self.weights != 0]) == 0

    def as_sum(self):
        """Kernel of equal weights, made 1."""
        weights = None if self.weights is None else (self.weights > 0).astype(float)
        return PlaneKernel(weights, self.radius, name=self.name)

    def apply(self, images, transform=None):
        """Sum the weighted neighbours of each pixel.

        Parameters
        ----------
        images : `~numpy.ndarray`
            Array of shape (n, n_lat, n_lon).
        transform : callable, optional
            Function of the weights that gives those to take instead; that of 0 must be
            0. Default is the weights themselves.

        Returns
        -------
        images : `~numpy.ndarray`
            Array of the same shape.
        """
        weights = self.weights
        if transform is None:
            return convolve_images(images, weights)
        if weights is None or is_disc(weights):
            return _scalar(transform) * convolve_images(images, weights)
        return convolve_images(images, transform(weights))

    def maximum(self, images):
        """Largest of the neighbours of each pixel, of images that are not negative."""
        return maximum_images(images, self.weights)

    def warn(self, geom, mask):
        """Say in one line where the kernel is no disc on the sky, if anywhere.

        Parameters
        ----------
        geom : `~gammapy.maps.WcsGeom`
            Geometry of the image.
        mask : `~numpy.ndarray` of bool
            Pixels that count, of the shape (n_lat, n_lon).
        """
        if self.weights is None or not mask.any():
            return
        radius = self.radius
        if radius is None:
            sizes = geom.pixel_scales.to_value("deg") * self.weights.shape[::-1]
            radius = np.min(sizes) / 2
        if cylinder_of(geom) is None:
            advice = "make the maps with proj='CAR', where each row has its own discs"
        else:
            advice = "take 'tophat' or 'gauss', which have discs for each row"
        worst = worst_disc(geom, radius, mask)
        warn_of_disc(worst, f"{self.name} in pixels", geom, advice)


def warn_of_disc(worst, what, geom, advice):
    """Log one line when the worst disc is wrong, with the way out."""
    if not worst.is_wrong:
        return
    lon, lat = worst.position.data.lon.deg, worst.position.data.lat.deg
    percent = f"{100 * worst.error:.0f}" if worst.error <= 1 else "more than 100"
    log.warning(
        f"{what} are wrong on the sky: at {geom.frame} ({lon:.1f}, {lat:.1f}) deg of "
        f"this {geom.projection} map they miss or add {percent} percent of their "
        f"solid angle; {advice}, or smaller maps."
    )


class RowKernel:
    """Disc or ring on the sky around each pixel of a cylindrical projection.

    All pixels of a row have the same shape around them. Of a row at the latitude b'
    the disc around a pixel at the latitude b holds the longitudes with
    sin^2(l / 2) <= [sin^2(r / 2) - sin^2((b - b') / 2)] / (cos b cos b'), a run of
    pixels whose sum is a difference of cumulative sums: counts stay integers, and the
    time grows with the radius only. What lies beyond 180 deg wraps.

    Parameters
    ----------
    cylinder : `~gammapy.datasets.sky_geometry.Cylinder`
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
        rows = _with_neighbours(self._cylinder, self._outer)
        numbers = [self._n_columns(_, rows).sum() for _ in self._rows]
        return np.maximum(numbers, 1.0)[:, np.newaxis]

    def _n_columns(self, row, rows):
        """Numbers of columns of other rows."""
        step = self._cylinder.step
        numbers = np.zeros(len(rows))
        for radius, sign in ((self._outer, 1), (self._inner, -1)):
            if radius is not None:
                widths = _half_widths(row, rows, radius)
                columns = 2 * np.floor(widths / step * (1 + EDGE)) + 1
                columns = np.minimum(columns, 360 / step)
                numbers += sign * np.where(widths >= 0, columns, 0)
        return numbers

    def as_sum(self):
        """The kernel itself, whose weights are 1."""
        return self

    def warn(self, geom, mask):
        """Nothing to say: the discs are right, see `PlaneKernel.warn`."""

    def apply(self, images, transform=None):
        """Sum the neighbours of each pixel, as `PlaneKernel.apply` does."""
        result = np.zeros(images.shape)
        sum_run = _run_sums(images)
        for idx, other, low, high in self._all_runs(images.shape[2]):
            result[:, idx] += sum_run(other, low, high)
        return result if transform is None else _scalar(transform) * result

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
            outer = _half_widths(row, self._rows, self._outer)
            inner = np.full(outer.shape, -1.0)
            if self._inner is not None:
                inner = _half_widths(row, self._rows, self._inner)
            for other in np.flatnonzero(outer >= 0):
                for low, high in self._runs(inner[other], outer[other], n_x):
                    yield idx, other, low, high

    def _runs(self, inner, outer, n_x):
        """Ranges of columns between two half-widths, seen from the middle one."""
        step = self._cylinder.step
        near = _half(inner, step) + 1, _half(outer, step)
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
        # A difference of equal sums is 0 to the last bit.
        return sums[:, row, last : last + n_x] - sums[:, row, first : first + n_x]

    return subtract


def _half(width, step):
    """Number of columns within a half-width, -1 for none."""
    return int(width / step * (1 + EDGE)) if width >= 0 else -1


def _far(width, step):
    """Number of columns after which one is within a half-width again, all around."""
    if width < 0:
        return int(2 * 360 / step)
    return int(np.ceil((360 - width) / step * (1 - EDGE)))


def _half_widths(row, rows, radius):
    """Longitudes in deg within a radius at other latitudes: -1 none, 180 all."""
    first, others = np.deg2rad(row), np.deg2rad(rows)
    room = np.sin(np.deg2rad(radius) / 2) ** 2 - np.sin((first - others) / 2) ** 2
    scale = np.maximum(np.cos(first) * np.cos(others), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        ratio = np.clip(room / scale, 0, 1)
    # Beyond the poles all is NaN.
    return np.where(room >= 0, 2 * np.rad2deg(np.arcsin(np.sqrt(ratio))), -1.0)


def _with_neighbours(cylinder, radius):
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


class GaussRowKernel:
    """Gaussian on the sky around each pixel of a cylindrical projection.

    Its sum is 1 for each row, as long as nothing is masked. Rows are convolved by
    their Fourier transforms.

    Parameters
    ----------
    cylinder : `~gammapy.datasets.sky_geometry.Cylinder`
        Projection.
    sigma : float
        Standard deviation in deg.
    """

    is_uniform = False

    def __init__(self, cylinder, sigma):
        self.radius = sigma
        self._cylinder = cylinder
        self._disc = RowKernel(cylinder, GAUSS_EXTENT * sigma)
        self._rows = cylinder.latitudes()
        neighbours = _with_neighbours(cylinder, GAUSS_EXTENT * sigma)
        moments = [self._moments(_, neighbours) for _ in self._rows]
        self._sums, self._squares = np.transpose(moments)

    @property
    def n_pixels(self):
        """Effective number of pixels, (sum f)^2 / sum f^2, shape (n_lat, 1)."""
        return (self._sums**2 / self._squares)[:, np.newaxis]

    @property
    def largest(self):
        """Largest of all weights."""
        return 1 / np.min(self._sums)

    def around(self, idx, column, n_x):
        """Weights of the pixels around one of them.

        Parameters
        ----------
        idx, column : int
            Row and column of the pixel.
        n_x : int
            Number of columns of the image.

        Returns
        -------
        rows : `~numpy.ndarray`
            Rows of the image that the kernel reaches.
        weights : `~numpy.ndarray`
            Weights of their pixels, of shape (n_rows, n_x).
        """
        near = np.abs(self._rows - self._rows[idx]) <= GAUSS_EXTENT * self.radius
        rows = np.flatnonzero(near)
        if not rows.size:
            return rows, np.zeros((0, n_x))
        lines = self._lines(idx, rows, n_x, 2 * n_x, None)
        return rows, lines[:, np.abs(np.arange(n_x) - column)]

    def warn(self, geom, mask):
        """Nothing to say: the kernel is right, see `PlaneKernel.warn`."""

    def _weights(self, row, rows, columns):
        """Weights, not normalised, of columns at other latitudes."""
        first, others = np.deg2rad(row), np.deg2rad(rows)[:, np.newaxis]
        squares = np.sin((first - others) / 2) ** 2
        turn = np.sin(np.deg2rad(columns * self._cylinder.step) / 2) ** 2
        squares = squares + np.cos(first) * np.cos(others) * turn
        separation = 2 * np.rad2deg(np.arcsin(np.sqrt(np.clip(squares, 0, 1))))
        weights = np.exp(-0.5 * (separation / self.radius) ** 2)
        return np.where(separation <= GAUSS_EXTENT * self.radius, weights, 0.0)

    def _moments(self, row, rows):
        """Sums of the weights and of their squares around a pixel."""
        if np.isnan(row):
            return 1.0, 1.0
        rows = rows[np.abs(rows - row) <= GAUSS_EXTENT * self.radius]
        half = self._reach(row, rows)
        weights = self._weights(row, rows, np.arange(half + 1))
        # Both sides, and when all around, no column twice.
        twice = np.full(half + 1, 2.0)
        twice[0] = 1
        around = 360 / self._cylinder.step
        if 2 * half + 1 > around:
            twice[-1] = max(around - 2 * half + 1, 0)
        return np.sum(weights * twice), np.sum(weights**2 * twice)

    def _reach(self, row, rows):
        """Number of columns on one side within the kernel."""
        widths = _half_widths(row, rows, GAUSS_EXTENT * self.radius * (1 + EDGE))
        return _half(widths.max(), self._cylinder.step)

    def apply(self, images, transform=None):
        """Sum the weighted neighbours of each pixel, as `PlaneKernel.apply` does."""
        n_x = images.shape[2]
        size = 2 * (next_fast_len(n_x, real=True))
        spectra = rfft(images, size, axis=2)
        result = np.zeros(images.shape)
        for idx, row in enumerate(self._rows):
            near = np.abs(self._rows - row) <= GAUSS_EXTENT * self.radius
            if not near.any():
                continue
            others = np.flatnonzero(near)
            weights = self._lines(idx, others, n_x, size, transform)
            # Of what is even the Fourier transform is a cosine transform.
            filters = dct(weights, type=1, axis=1)
            spectrum = np.einsum("jf,njf->nf", filters, spectra[:, others])
            result[:, idx] = irfft(spectrum, size, axis=1)[:, :n_x]
        # Rounding must not put counts where there are none within the kernel.
        result[self._disc.apply((images != 0).astype(float)) < 0.5] = 0
        is_positive = transform is None and images.min() >= 0
        return np.clip(result, 0, None) if is_positive else result

    def _lines(self, idx, others, n_x, size, transform):
        """Weights of columns 0, 1, ... to one side, of all rows within the kernel."""
        row, rows = self._rows[idx], self._rows[others]
        half = self._reach(row, rows)
        columns = np.arange(n_x)
        far = 360 / self._cylinder.step - half
        columns = columns[(columns <= half) | (columns >= far * (1 - EDGE))]
        weights = self._weights(row, rows, columns) / self._sums[idx]
        lines = np.zeros((len(others), size // 2 + 1))
        lines[:, columns] = weights if transform is None else transform(weights)
        return lines


def _scalar(transform):
    """What a transform makes of the weight 1."""
    return float(np.squeeze(transform(np.ones(1))))
