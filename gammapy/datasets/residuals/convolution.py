# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums of the pixels around each pixel of an image."""

import numpy as np
import scipy.ndimage as ndi
from scipy.signal import fftconvolve
import astropy.units as u
from gammapy.maps import Map
from gammapy.utils.arguments import parse_quantity
from .fourier import SMALL, mend_rounding, rounding_of

__all__ = []

KERNELS = ("tophat", "gauss")

# A Gaussian is cut where it has fallen to 4e-6 of its maximum.
GAUSS_EXTENT = 5


def make_kernel(kernel, radius, geom):
    """Weights of the neighbours of a pixel.

    Parameters
    ----------
    kernel : {"tophat", "gauss"}, `~gammapy.maps.Map` or None
        Kernel.
    radius : `~astropy.units.Quantity` or str
        Radius of the top-hat or standard deviation of the Gaussian.
    geom : `~gammapy.maps.WcsGeom`
        Geometry that gives the size of a pixel.

    Returns
    -------
    weights : `~numpy.ndarray` or None
        Array with odd numbers of rows and columns, None for single pixels. The sum of
        a Gaussian is 1, the weights of a top-hat are 1.
    """
    if kernel is None:
        return None
    if isinstance(kernel, Map):
        _check_pixels(kernel, geom)
        return _weights_from_map(kernel)
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise ValueError(
            f"Invalid kernel: {kernel!r}. Choose from "
            f"{', '.join(map(repr, KERNELS))}, 'point-source', a Map, a SkyModel, or "
            "None for single pixels."
        )

    scales = u.Quantity(geom.pixel_scales).to_value("deg")
    radius = _parse_radius(radius, scales, geom)
    extent = radius if kernel == "tophat" else GAUSS_EXTENT * radius
    # The last bit of radius / scale must not decide whether a pixel belongs.
    n_x, n_y = (int(extent / scale * (1 + 1e-9)) for scale in scales)
    y, x = np.mgrid[-n_y : n_y + 1, -n_x : n_x + 1]
    separation = np.hypot(x * scales[0], y * scales[1])
    if kernel == "tophat":
        return (separation <= radius * (1 + 1e-9)).astype(float)
    weights = np.exp(-0.5 * (separation / radius) ** 2)
    return weights / weights.sum()


def _parse_radius(radius, scales, geom):
    quantity = parse_quantity("correlation_radius", radius, "deg")
    radius = quantity.to_value("deg")
    widths = scales * np.array(geom.data_shape[::-1])
    if not scales.min() <= radius <= widths.max():
        raise ValueError(
            f"correlation_radius {quantity} is not between the size of a pixel, "
            f"{scales.min():.4g} deg, and of the map, {widths.max():.4g} deg; "
            "kernel=None takes single pixels."
        )
    return radius


def _weights_from_map(kernel):
    weights = np.asarray(kernel.data, dtype=float)
    shape = weights.shape[-2:]
    if weights.size != np.prod(shape) or not all(_ % 2 for _ in shape):
        raise ValueError(
            "A kernel map needs one image with odd numbers of pixels, "
            f"got the shape {kernel.data.shape}."
        )
    if not np.all(weights >= 0) or not 0 < weights.max() < np.inf:
        raise ValueError(
            "The values of a kernel map must be finite, positive or 0, and not all 0."
        )
    return weights.reshape(shape)


def _check_pixels(kernel, geom):
    """Raise a ValueError when a kernel map has pixels of another size."""
    sizes = [u.Quantity(_.pixel_scales).to_value("deg") for _ in (kernel.geom, geom)]
    if not np.allclose(*sizes, rtol=1e-3):
        raise ValueError(
            f"The pixels of the kernel map have the sizes {sizes[0]} deg, those of the "
            f"datasets {sizes[1]} deg."
        )


def convolve_images(images, weights):
    """Sum the weighted neighbours of each pixel; nothing lies outside the images.

    Parameters
    ----------
    images : `~numpy.ndarray`
        Array of shape (n, n_lat, n_lon).
    weights : `~numpy.ndarray` or None
        Kernel from `make_kernel`, None returns the images.

    Returns
    -------
    images : `~numpy.ndarray`
        Array of the same shape.
    """
    if weights is None:
        return images
    if not is_disc(weights):
        result = _convolve(images, weights)
        mend_rounding(result, images, weights)
    else:
        result = _sum_disc(images, weights)
        # Differences of cumulative sums are exact but beside very bright pixels.
        smallest = np.min(np.abs(images), where=images != 0, initial=np.inf)
        if smallest < SMALL * rounding_of(images, weights).max():
            mend_rounding(result, images, weights)
    return np.clip(result, 0, None) if images.min() >= 0 else result


def maximum_images(images, weights):
    """Largest value in reach of the kernel, of images that are not negative.

    Parameters and result are those of `convolve_images`, of which this is the maximum
    instead of the sum.
    """
    if weights is None:
        return images
    # Row by row: a filter with a large footprint takes minutes.
    r_y, r_x = (n // 2 for n in weights.shape)
    padded = np.pad(images, ((0, 0), (r_y, r_y), (0, 0)))
    n_y = images.shape[1]
    result = np.zeros(images.shape)
    # The kernel is mirrored, as in a convolution.
    for row, line in enumerate(weights[::-1, ::-1] > 0):
        if line.any():
            shifted = padded[:, row : row + n_y]
            np.maximum(result, _maximum_line(shifted, line, r_x), out=result)
    return result


def _maximum_line(images, line, centre):
    """Largest value along the rows among those that a line of booleans selects."""
    idx = np.nonzero(line)[0]
    if len(idx) == idx[-1] - idx[0] + 1 and idx[0] + idx[-1] == 2 * centre:
        return ndi.maximum_filter1d(images, len(idx), axis=2, mode="constant")
    footprint = line[np.newaxis, np.newaxis]
    return ndi.maximum_filter(images, footprint=footprint, mode="constant")


def _convolve(images, weights):
    return fftconvolve(images, weights[np.newaxis], mode="same", axes=(1, 2))


def is_disc(weights):
    """Whether the weights are 0 or 1, symmetric, and each row is a run of ones."""
    steps = np.abs(np.diff(np.pad(weights, ((0, 0), (1, 1))), axis=1))
    mirrored = (weights[:, ::-1], weights[::-1])
    symmetric = all(np.array_equal(weights, _) for _ in mirrored)
    return symmetric and set(np.unique(weights)) <= {0, 1} and steps.sum(1).max() <= 2


def _sum_disc(images, weights):
    """Sum over a disc, row by row, as differences of cumulative sums.

    Counts stay exact integers and empty pixels exactly empty, as a Fourier transform
    would not leave them, and the time grows with the radius only.
    """
    n_rows, n_columns = weights.shape
    r_y, r_x = n_rows // 2, n_columns // 2
    n_y, n_x = images.shape[1:]
    padded = np.pad(images, ((0, 0), (r_y, r_y), (r_x + 1, r_x)))
    sums = np.cumsum(padded, axis=2)
    result = np.zeros(images.shape)
    for row, length in enumerate(weights.sum(axis=1).astype(int)):
        half = length // 2
        lines = sums[:, row : row + n_y]
        last, first = r_x + 1 + half, r_x - half
        if length:
            result += lines[..., last : last + n_x] - lines[..., first : first + n_x]
    return result
