# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Common basis of many convolution kernels."""

import numpy as np
from scipy import fft

__all__ = []

#: Largest error of a kernel, relative, both in the norm of its squares.
TOLERANCE = 1e-6

#: The same where three digits are enough: for matrices of second derivatives.
TOLERANCE_COARSE = 1e-4


# Numbers that are transformed at a time.
SIZE_PART = 500_000


class KernelBasis:
    """Kernels as sums of a few images, K_t = sum_r amounts[t, r] U_r.

    The images are the right singular vectors of the matrix of all kernels, each scaled
    to a sum of squares of 1 (Eckart & Young 1936, Psychometrika 1, 211). What is left
    out has a sum of squares below ``tolerance**2``, so no kernel is off by more than
    that, and with the inequality of Cauchy and Schwarz no pixel of the convolution of
    an image S with the kernel K by more than ``tolerance * |S| * |K|``.

    Parameters
    ----------
    kernels : list of `~numpy.ndarray`
        Kernels, shapes (n_energy, n_lat, n_lon) with odd sizes.
    shape : tuple of int
        Shape of the images that are to be convolved.
    tolerance, tolerance_coarse : float, optional
        Error bounds. Default is 1e-6 and 1e-4.

    Attributes
    ----------
    amounts : list of `~numpy.ndarray`
        How much of each image is in the kernels, shapes (n_energy, n_images).
    n_images, n_coarse : int
        Number of images, and of those that the coarse tolerance needs.
    """

    def __init__(
        self,
        kernels,
        shape,
        *,
        tolerance=TOLERANCE,
        tolerance_coarse=TOLERANCE_COARSE,
    ):
        self.shape = tuple(shape)
        half = np.max([np.array(kernel.shape[1:]) // 2 for kernel in kernels], axis=0)
        # Pixels of a kernel farther out than the image is wide never matter.
        self.half = np.minimum(half, np.array(shape) - 1)
        rows = [
            _centred(kernel, self.half).reshape(len(kernel), -1) for kernel in kernels
        ]
        matrix = np.concatenate(rows).astype(float)
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        lengths[lengths == 0] = 1
        left, values, right = np.linalg.svd(matrix / lengths, full_matrices=False)
        # What is left out with each number of images.
        rest = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0))
        self.n_images = max(1, int(np.argmax(rest <= tolerance)))
        self.n_coarse = max(1, int(np.argmax(rest <= tolerance_coarse)))
        amounts = left[:, : self.n_images] * values[: self.n_images] * lengths
        ends = np.cumsum([len(kernel) for kernel in kernels])[:-1]
        self.amounts = np.split(amounts, ends)
        self._set_transforms(right[: self.n_images])

    def _set_transforms(self, images):
        sizes = [
            fft.next_fast_len(int(length), real=True)
            for length in self.shape + self.half
        ]
        self.fft_shape = tuple(sizes)
        images = images.reshape(-1, *(2 * self.half + 1))
        large = np.zeros((len(images), *sizes))
        rows, columns = (
            np.arange(-half, half + 1) % size
            for half, size in zip(self.half, sizes, strict=True)
        )
        large[:, rows[:, np.newaxis], columns] = images
        # Kernels have no more digits than these.
        self.transforms = fft.rfft2(large).astype(np.complex64)

    def convolve(self, image, pixels, *, coarse=False):
        """Convolution with each image of the basis, at some pixels.

        Parameters
        ----------
        image : `~numpy.ndarray`
            Image.
        pixels : `~numpy.ndarray` of int
            Flat indices of pixels.
        coarse : bool, optional
            Whether the coarse tolerance is enough. Default is False.

        Returns
        -------
        values : `~numpy.ndarray`
            Shape (n_images, n_pixels); of 32 bits when they are coarse, in which case
            the values of the image should be neither very small nor very large.
        """
        transforms = self.transforms
        if coarse:
            transforms, image = transforms[: self.n_coarse], image.astype(np.float32)
        spectrum = fft.rfft2(image, self.fft_shape)
        values = np.empty((len(transforms), len(pixels)), dtype=image.dtype)
        lat, lon = np.divmod(pixels, self.shape[1])
        place = lat * self.fft_shape[1] + lon
        for part in self._parts(len(transforms)):
            found = fft.irfft2(spectrum * transforms[part], self.fft_shape)
            values[part] = found.reshape(len(found), -1)[:, place]
        return values

    def _parts(self, number):
        """Slices of so many images as are transformed at a time."""
        size = max(1, SIZE_PART // (self.fft_shape[0] * self.fft_shape[1]))
        return [slice(start, start + size) for start in range(0, number, size)]

    def correlate(self, images, amounts):
        """Correlation of each image with a kernel, the adjoint of the convolution.

        Parameters
        ----------
        images : `~numpy.ndarray`
            Images, shape (n_kernels, n_lat, n_lon).
        amounts : `~numpy.ndarray`
            How much of each image of the basis is in the kernels, shape (n_kernels,
            n_images).

        Yields
        ------
        images : tuple
            Slice of the kernels, and the correlations of these.
        """
        n_lat, n_lon = self.shape
        # A complex array is a real one of twice the length.
        flat = self.transforms.reshape(len(self.transforms), -1).view(np.float32)
        for part in self._parts(len(images)):
            kernels = (amounts[part] @ flat).view(complex)
            spectra = fft.rfft2(images[part], self.fft_shape)
            spectra *= kernels.conj().reshape(spectra.shape)
            yield part, fft.irfft2(spectra, self.fft_shape)[:, :n_lat, :n_lon]

    def correlate_each(self, values, pixels):
        """Sum of the correlations of images with each image of the basis.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Images at some pixels, 0 at others, shape (n_images, n_pixels): one for
            each image of the basis; or for its first ones, whose number is that of the
            coarse tolerance, which is then enough.
        pixels : `~numpy.ndarray` of int
            Flat indices of the pixels.

        Returns
        -------
        image : `~numpy.ndarray`
            The sum.
        """
        scale, dtype = 1.0, float
        if len(values) < self.n_images:
            scale, dtype = np.max(abs(values), initial=0) or 1.0, np.float32
        total = 0
        for part in self._parts(len(values)):
            own = values[part]
            images = np.zeros((len(own), self.shape[0] * self.shape[1]), dtype=dtype)
            images[:, pixels] = own / scale
            images = images.reshape(len(own), *self.shape)
            spectra = fft.rfft2(images, self.fft_shape)
            spectra *= self.transforms[: len(values)][part].conj()
            total = total + spectra.sum(axis=0)
        n_lat, n_lon = self.shape
        return scale * fft.irfft2(total, self.fft_shape)[:n_lat, :n_lon]


def _centred(kernel, half):
    """Kernel cut or padded to a half width."""
    out = np.zeros((len(kernel), *(2 * half + 1)))
    own = np.array(kernel.shape[1:]) // 2
    common = np.minimum(own, half)
    into = tuple(slice(h - c, h + c + 1) for h, c in zip(half, common, strict=True))
    part = tuple(slice(h - c, h + c + 1) for h, c in zip(own, common, strict=True))
    out[(slice(None), *into)] = kernel[(slice(None), *part)]
    return out
