# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernel with the same weights around each pixel of an image."""

import logging
import numpy as np
from ..convolution import convolve_images, is_disc, maximum_images
from ..sky_geometry import cylinder_of, worst_disc

log = logging.getLogger(__name__)

__all__ = []


class PlaneKernel:
    """Kernel with the same weights around each pixel.

    Parameters
    ----------
    weights : `~numpy.ndarray` or None
        Weights, an array with odd numbers of rows and columns; None for single
        pixels.
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
            return weight_of_one(transform) * convolve_images(images, weights)
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
            advice = "use 'tophat' or 'gauss', which have discs for each row"
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


def weight_of_one(transform):
    """What a transform makes of the weight 1."""
    return float(np.squeeze(transform(np.ones(1))))
