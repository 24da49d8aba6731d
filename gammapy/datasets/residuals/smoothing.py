# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Smoothing of images as `~gammapy.maps.WcsNDMap.smooth` does it, with its variance."""

from itertools import combinations_with_replacement
import numpy as np
import scipy.ndimage as ndi
from scipy.sparse import csr_matrix
import astropy.units as u
from astropy.convolution import Tophat2DKernel
from gammapy.maps import WcsGeom
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
from gammapy.utils.arguments import (
    check_choice,
    check_number,
    check_options,
    parse_quantity,
)
from .kernels.base import KernelShape
from .kernels.plane import PlaneKernel
from .weighted import convolve_sums, sqrt_ts_of_parts

__all__ = []

KERNELS = ("gauss", "disk", "box")
UNIFORM_KERNELS = ("disk", "box")
#: Texts that say how large a kernel is.
SIZE_LABELS = {
    "gauss": r"$\sigma$ = {size}",
    "disk": "radius {size}",
    "box": "width {size}",
}
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
MODES += ("grid-mirror", "grid-constant", "grid-wrap")

# What `scipy.ndimage` takes besides, by kernel.
OPTIONS = {
    "gauss": ("cval", "truncate", "radius", "order"),
    "disk": ("cval", "origin"),
    "box": ("cval", "origin"),
}


class Smoothing:
    """Smoothing as the linear map that it is.

    A smoothed image is the sum over j of W_ij x_j. If the x_j have independent noise
    of variance v_j, its variance is the sum of W_ij^2 v_j. W is held as a sum of
    products of a matrix for the rows and one for the columns: one product for "gauss"
    and "box", one for each different row of a "disk". Since the matrices know the
    treatment of the borders, so does the variance, also where the boundary mode makes
    a pixel count twice.

    Parameters
    ----------
    terms : list of tuple of `~scipy.sparse.csr_matrix`
        Matrices of shape (n_lat, n_lat) and (n_lon, n_lon).
    kernel : str
        Name of the kernel.
    mode : str
        How the image continues beyond its borders.
    lines : list of tuple of `~numpy.ndarray`, optional
        Factors of the kernel along the rows and the columns, one pair for each term,
        with odd numbers of weights. In an image that is surrounded by nothing the
        kernel is the same at each pixel. Default is none: it is not known.
    """

    def __init__(self, terms, kernel, mode, lines=()):
        self._terms = terms
        self._lines = lines
        self._squared_terms = None
        self.kernel = kernel
        self.mode = mode

    @classmethod
    def create(
        cls, geom, *, width="0.1 deg", kernel="gauss", mode="constant", **kwargs
    ):
        """Make the smoothing of a geometry.

        Parameters
        ----------
        geom : `~gammapy.maps.WcsGeom`
            Geometry.
        width : `~astropy.units.Quantity`, str or float
            Standard deviation of the Gaussian, radius of the disk, side of the box; a
            number is in pixels. Default is "0.1 deg".
        kernel : {"gauss", "disk", "box"}
            Kernel. Default is "gauss".
        mode : str
            How the image continues beyond its borders, see `scipy.ndimage`. Default
            is "constant": nothing is there.
        **kwargs : dict
            Further arguments of `~gammapy.maps.WcsNDMap.smooth`.

        Returns
        -------
        smoothing : `Smoothing`
            The smoothing.
        """
        if not isinstance(geom, WcsGeom):
            raise ValueError(
                f"Only WCS maps can be smoothed, this is a {geom.__class__.__name__}; "
                "leave out the arguments of the smoothing."
            )
        if not isinstance(kernel, str) or kernel not in KERNELS:
            raise ValueError(
                f"Invalid kernel: {kernel!r}. "
                f"Choose from {', '.join(map(repr, KERNELS))}."
            )
        # There may be one per axis.
        for part in np.atleast_1d(mode).tolist():
            check_choice("mode", part, MODES)
        own = ("width", "kernel", "mode")
        check_options("The smoothing", kwargs, [*own, *OPTIONS[kernel]])
        width = parse_width("width", width, geom)
        filters = _make_filters(kernel, width, mode=mode, **kwargs)
        shape = geom.data_shape[-2:]
        terms = [
            tuple(_matrix(shape[axis], axis, kernel) for axis in (0, 1))
            for kernel in filters
        ]
        return cls(terms, kernel, mode, _kernel_lines(filters, shape))

    @property
    def is_sum(self):
        """Whether each pixel within the kernel counts once and as much as any other."""
        return self.kernel in UNIFORM_KERNELS and self.mode == "constant"

    @property
    def weight(self):
        """Weight of the pixels when all have the same."""
        return max(y.max() * x.max() for y, x in self._terms)

    def apply(self, images):
        """Smooth images, an array of shape (..., n_lat, n_lon)."""
        return _apply(self._terms, images)

    def maximum(self, images):
        """Largest value within the kernel, of images that are not negative.

        An array of shape (..., n_lat, n_lon). Weights do not matter.
        """
        planes = images.reshape(-1, *images.shape[-2:])
        result = [
            np.max(
                [_maximum(x, _maximum(y, plane).T).T for y, x in self._terms], axis=0
            )
            for plane in planes
        ]
        return np.reshape(result, images.shape)

    def apply_squared(self, images):
        """Variance of smoothed images from their variance, of the same shape.

        Where the kernel is the same at each pixel, the images are convolved with its
        square; else the weights of each pixel are squared.
        """
        if self.is_sum:
            return self.weight * self.apply(images)
        if self.mode == "constant" and len(self._lines) == 1:
            images = np.asarray(images, dtype=float)
            for axis, line in zip((-2, -1), self._lines[0], strict=True):
                images = ndi.convolve1d(images, line**2, axis, mode="constant")
            return images
        if self._squared_terms is None:
            self._squared_terms = list(_squared(self._terms))
        return _apply(self._squared_terms, images)

    def sqrt_ts(self, counts, npred, mask, parts):
        """Significance of smoothed counts.

        Parameters
        ----------
        counts, npred : `~numpy.ndarray`
            What is smoothed, arrays of shape (..., n_lat, n_lon).
        mask : `~numpy.ndarray` of bool
            Where the significance is needed.
        parts : list of tuple
            Weights of the bins and the predicted counts that have this weight, see
            `~gammapy.datasets.residuals.weighted.convolve_sums`.

        Returns
        -------
        sqrt_ts : `~numpy.ndarray`
            Significance, NaN outside the mask.
        """
        smoothed = np.where(mask, self.apply(counts), np.nan)
        if self.is_sum:
            images = [(level, self.apply(part) / self.weight) for level, part in parts]
            return sqrt_ts_of_parts(smoothed / self.weight, images)
        if self.mode == "constant" and self._lines:
            weights = sum(np.outer(y, x) for y, x in self._lines)
            shape = (-1, *counts.shape[-2:])
            sums = {"counts": counts, "npred": npred}
            sums["variance"] = sum(level * part for level, part in parts)
            sums = {name: np.reshape(values, shape) for name, values in sums.items()}
            parts = [(level, np.reshape(part, shape)) for level, part in parts]
            mask = np.reshape(mask, shape)
            result = convolve_sums(sums, PlaneKernel(weights), mask, parts)
            return np.reshape(result["sqrt_ts"], counts.shape)
        return self._sqrt_ts_by_rows(smoothed, mask, parts)

    def _sqrt_ts_by_rows(self, smoothed, mask, parts):
        """Significance with the weights of each pixel, which differ at the borders."""
        sqrt_ts = np.full(smoothed.shape, np.nan)
        terms = [(y.toarray(), x.toarray()) for y, x in self._terms]
        for idx in np.ndindex(smoothed.shape[:-1]):
            used = np.nonzero(mask[idx])[0]
            rows = np.nonzero(sum(y[idx[-1]] for y, _ in terms))[0]
            products = (
                np.einsum("a,xb->xab", y[idx[-1]][rows], x[used]) for y, x in terms
            )
            weights = sum(products).reshape(used.size, -1)
            weights = np.concatenate([level * weights for level, _ in parts], axis=1)
            npred = np.concatenate(
                [np.ravel(part[idx[:-1]][rows]) for _level, part in parts]
            )
            counts = smoothed[idx][used]
            sqrt_ts[idx][used] = compute_sqrt_ts_weighted(counts, weights, npred)
        return sqrt_ts


def _kernel_lines(filters, shape):
    """Factors of the kernel, with all pixels that see each other in such images."""
    lines = [[], []]
    for axis in (0, 1):
        size = 2 * shape[axis] - 1
        point = np.zeros((size, 1) if axis == 0 else (1, size))
        point.flat[shape[axis] - 1] = 1
        none = np.zeros_like(point)
        # The difference leaves out what ``cval`` adds.
        lines[axis] = [(f(point, axis) - f(none, axis)).ravel() for f in filters]
    return list(zip(*(_cropped(parts) for parts in lines), strict=True))


def _cropped(lines):
    """Middle part of lines, as wide on each side, outside of which all are 0."""
    (used,) = np.nonzero(np.any(lines, axis=0))
    size = len(lines[0])
    margin = min(used.min(), size - 1 - used.max()) if used.size else 0
    return [line[margin : size - margin] for line in lines]


def parse_width(name, width, geom):
    """Width of a kernel in pixels, from an angle or a number.

    Raises a ValueError when it is none or negative.
    """
    if not isinstance(width, (str, u.Quantity)):
        return check_number(name, width, low=0)
    width = parse_quantity(name, width, "deg")
    if not 0 <= width.value < np.inf:
        raise ValueError(f"{name}: expected an angle of 0 or more, got {width}.")
    return (width / geom.pixel_scales.mean()).to_value("")


def smoothing_shape(kernel, width, geom):
    """How the kernel of a smoothing is drawn.

    Parameters
    ----------
    kernel : {"gauss", "disk", "box"}
        Kernel.
    width : float
        Standard deviation, radius or side, in pixels.
    geom : `~gammapy.maps.WcsGeom`
        Geometry that gives the size of a pixel.

    Returns
    -------
    shape : `~gammapy.datasets.residuals.kernels.base.KernelShape`
        Circle or square; of a kernel without width one pixel.
    """
    is_square = kernel == "box" or width == 0
    radius = (max(width, 1) / 2 if is_square else width) * u.pix
    size = f"{max(width, is_square) * geom.pixel_scales.mean().to_value('deg'):.3g} deg"
    text = SIZE_LABELS["box" if is_square else kernel].format(size=size)
    return KernelShape(radius, text, is_square=is_square)


def _make_filters(kernel, width, **kwargs):
    """Functions of an array and an axis that filter along this axis.

    One for each term: the product of a filter along both axes is a part of the kernel.
    """
    if kernel == "disk":
        disk = Tophat2DKernel(width)
        disk.normalize("integral")
        return [
            _row_filter(disk.array, row, kwargs) for row in _distinct_rows(disk.array)
        ]

    def filter_axis(data, axis):
        if kernel == "gauss":
            return ndi.gaussian_filter(data, _along(axis, width, 0), **kwargs)
        return ndi.uniform_filter(data, _along(axis, width, 1), **kwargs)

    return [filter_axis]


def _along(axis, size, none):
    """Sizes of a filter that acts along one of two axes."""
    return (size, none) if axis == 0 else (none, size)


def _distinct_rows(array):
    """Rows of an array that differ, without those of zeros."""
    return [row for row in np.unique(array, axis=0) if np.any(row)]


def _row_filter(array, row, kwargs):
    """Filter with the part of a kernel whose rows are the given one."""
    where = np.all(array == row, axis=1).astype(float)
    weights = (where, row)

    def filter_axis(data, axis):
        return ndi.convolve1d(data, weights[axis], axis=axis, **kwargs)

    return filter_axis


def _matrix(size, axis, filter_axis):
    """Matrix of a filter along an axis, from its response to single pixels."""
    # The difference leaves out what ``cval`` adds, which is the same for any image.
    zeros = np.zeros((size, size))
    response = filter_axis(np.eye(size), axis) - filter_axis(zeros, axis)
    return csr_matrix(response if axis == 0 else response.T)


def _squared(terms):
    """Terms of the matrix W_ij^2."""
    for first, second in combinations_with_replacement(terms, 2):
        factor = 1 if first is second else 2
        y = factor * first[0].multiply(second[0])
        # Different rows of a disk meet in one pixel at borders only, if at all.
        if y.nnz:
            yield y.tocsr(), first[1].multiply(second[1]).tocsr()


def _apply(terms, images):
    images = np.asarray(images, dtype=float)
    planes = images.reshape(-1, *images.shape[-2:])
    smoothed = [sum((x @ (y @ plane).T).T for y, x in terms) for plane in planes]
    return np.reshape(smoothed, images.shape)


def _maximum(matrix, image):
    """Largest of the rows of an image that each row of a matrix uses."""
    used = matrix.tocoo()
    result = np.zeros(image.shape)
    offsets = used.col - used.row
    # Along a diagonal each row is there once.
    for offset in np.unique(offsets):
        rows, columns = (indices[offsets == offset] for indices in (used.row, used.col))
        result[rows] = np.maximum(result[rows], image[columns])
    return result
