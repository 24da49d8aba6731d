# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights that a map gives."""

import numpy as np
import astropy.units as u
from gammapy.maps import Map
from .base import WeightsKernel
from .containment import containment_radius

__all__ = []


class MapKernel(WeightsKernel):
    """Weights of the one image of a map."""

    name = "map"
    given_as = "a Map"
    is_named = False
    label = " weighted with the kernel"
    size_label = "kernel (68%) {size}"

    @classmethod
    def accepts(cls, value):
        return isinstance(value, Map)

    def weights(self, geom):
        _check_pixels(self.value, geom)
        return _weights_from_map(self.value)

    def drawn_radius(self, geom):
        return containment_radius(self.weights(geom), geom)


def _weights_from_map(kernel):
    weights = np.asarray(kernel.data, dtype=float)
    shape = weights.shape[-2:]
    if weights.size != np.prod(shape) or not all(n_pixels % 2 for n_pixels in shape):
        raise ValueError(
            "A kernel map needs one image with odd numbers of pixels, "
            f"got the shape {kernel.data.shape}."
        )
    if not np.all(weights >= 0) or not 0 < weights.max() < np.inf:
        raise ValueError(
            "Kernel map: expected finite values, positive or 0 and not all 0, got "
            f"{weights.min():.4g} to {weights.max():.4g}."
        )
    return weights.reshape(shape)


def _check_pixels(kernel, geom):
    """Raise a ValueError when a kernel map has pixels of another size."""
    sizes = [
        u.Quantity(grid.pixel_scales).to_value("deg") for grid in (kernel.geom, geom)
    ]
    if not np.allclose(*sizes, rtol=1e-3):
        raise ValueError(
            f"The pixels of the kernel map have the sizes {sizes[0]} deg, those of the "
            f"datasets {sizes[1]} deg."
        )
