# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums of the pixels around each pixel of an image."""

import numpy as np
import scipy.ndimage as ndi
from scipy.signal import fftconvolve
from .fourier import SMALL, mend_rounding, rounding_of

__all__ = []


def convolve_images(images, weights):
    """Sum the weighted neighbours of each pixel; nothing lies outside the images.

    Parameters
    ----------
    images : `~numpy.ndarray`
        Array of shape (n, n_lat, n_lon).
    weights : `~numpy.ndarray` or None
        Kernel, with odd numbers of rows and columns; None returns the images.

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
    symmetric = all(np.array_equal(weights, mirror) for mirror in mirrored)
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
