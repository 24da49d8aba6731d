# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weighted sums around each pixel by Fourier transforms, and their rounding errors.

A sum by Fourier transforms, or by differences of cumulative sums, has an error that the
brightest pixels of the image make, also where there is next to nothing. Sums that are
not far above that error are computed again, pixel by pixel.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft2, next_fast_len, rfft2

__all__ = []

# Error of sums, relative to the norms of image and kernel.
ROUNDING = 1e-15
# Sums below this many times their error are computed again.
SMALL = 1e6
# Neighbours that are held at a time.
WINDOW_SIZE = 2_000_000


class Convolution:
    """Sums of images with kernels of one shape, by Fourier transforms that are shared.

    Parameters
    ----------
    image_shape, kernel_shape : tuple of int
        Numbers of rows and columns; those of kernels are odd.
    """

    def __init__(self, image_shape, kernel_shape):
        self._image_shape = tuple(image_shape)
        self._margin = tuple(n // 2 for n in kernel_shape)
        self._full = tuple(
            n + k - 1 for n, k in zip(image_shape, kernel_shape, strict=True)
        )
        self._shape = tuple(next_fast_len(n, real=True) for n in self._full)

    def transform(self, images):
        """Fourier transform of images or kernels, arrays of shape (..., n_y, n_x)."""
        return rfft2(images, s=self._shape)

    def full(self, product):
        """Sums from a product of transforms, larger by half a kernel on each side."""
        n_y, n_x = self._full
        return irfft2(product, s=self._shape)[..., :n_y, :n_x]

    def same(self, product):
        """Sums from a product of transforms, with the shape of the images."""
        part = tuple(
            slice(margin, margin + n)
            for margin, n in zip(self._margin, self._image_shape, strict=True)
        )
        return self.full(product)[..., *part]


def rounding_of(images, weights):
    """Error of sums that were made by Fourier transforms, one per image."""
    norms = np.sqrt(np.sum(images**2, axis=(-2, -1)))
    return ROUNDING * norms * np.sqrt(np.sum(weights**2))


def sum_windows(image, pixels, matrix, shape):
    """Sums around single pixels, pixel by pixel, so that small ones have all digits.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Array of shape (n_y, n_x); nothing lies outside.
    pixels : tuple of `~numpy.ndarray`
        Rows and columns, which may lie outside.
    matrix : `~numpy.ndarray` or `~scipy.sparse.csr_matrix`
        Weights of the neighbours, of shape (k_y * k_x, n).
    shape : tuple of int
        Numbers of rows and columns of the neighbours (k_y, k_x), odd.

    Returns
    -------
    sums : `~numpy.ndarray`
        Sums, of shape (n_pixels, n).
    """
    margins = [n // 2 for n in shape]
    places, width = [], []
    for index, margin, n in zip(pixels, margins, image.shape, strict=True):
        # What is further away than half a kernel sees nothing of the image.
        places.append(np.clip(index, -margin - 1, n + margin) + margin + 1)
        width.append(2 * margin + 1)
    padded = np.pad(image, [(n, n) for n in width])
    windows = sliding_window_view(padded, shape)
    result = np.empty((len(places[0]), matrix.shape[1]))
    step = max(WINDOW_SIZE // matrix.shape[0], 1)
    for start in range(0, len(result), step):
        part = slice(start, start + step)
        flat = windows[places[0][part], places[1][part]].reshape(-1, matrix.shape[0])
        result[part] = flat @ matrix
    return result


def mend_rounding(sums, images, weights, where=None):
    """Make sums again that are small beside their error of rounding, in place.

    Parameters
    ----------
    sums, images : `~numpy.ndarray`
        Sums around each pixel, and what was summed, of shape (n, n_y, n_x).
    weights : `~numpy.ndarray`
        Kernel, flipped as in a convolution.
    where : `~numpy.ndarray` of bool, optional
        Which sums matter, of the shape of the sums. Default is all.

    Returns
    -------
    is_small : `~numpy.ndarray`
        Which sums were computed again.
    """
    errors = rounding_of(images, weights)[:, np.newaxis, np.newaxis]
    is_small = np.abs(sums) < SMALL * errors
    if where is not None:
        is_small &= where
    if not is_small.any():
        return is_small
    # Most of them have nothing within the kernel at all.
    convolution = Convolution(images.shape[1:], weights.shape)
    reach = convolution.transform((weights != 0).astype(float))
    matrix = np.ravel(weights[::-1, ::-1])[:, np.newaxis]
    for total, image, select in zip(sums, images, is_small, strict=True):
        if not select.any():
            continue
        used = convolution.transform((image != 0).astype(float))
        reached = convolution.same(used * reach) > 0.5
        total[select & ~reached] = 0
        pixels = np.nonzero(select & reached)
        total[pixels] = sum_windows(image, pixels, matrix, weights.shape)[:, 0]
    return is_small
