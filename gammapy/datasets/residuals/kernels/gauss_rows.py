# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Gaussian on the sky, with weights for each row of an image."""

import numpy as np
from scipy.fft import dct, irfft, next_fast_len, rfft
from .rows import EDGE, RowKernel, half_column, half_widths, rows_within

__all__ = []

# A Gaussian is cut where it has fallen to 4e-6 of its maximum.
GAUSS_EXTENT = 5


class GaussRowKernel:
    """Gaussian on the sky around each pixel of a cylindrical projection.

    Its sum is 1 for each row, as long as nothing is masked. Rows are convolved by
    their Fourier transforms.

    Parameters
    ----------
    cylinder : `~gammapy.datasets.residuals.sky_geometry.Cylinder`
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
        neighbours = rows_within(cylinder, GAUSS_EXTENT * sigma)
        moments = [self._moments(row, neighbours) for row in self._rows]
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
        """No warning: the kernel is correct, see `PlaneKernel.warn`."""

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
        widths = half_widths(row, rows, GAUSS_EXTENT * self.radius * (1 + EDGE))
        return half_column(widths.max(), self._cylinder.step)

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
