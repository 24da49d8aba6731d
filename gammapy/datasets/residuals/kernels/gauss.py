# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Mean of the pixels around each one, weighted with a Gaussian."""

import numpy as np
from ..sky_geometry import cylinder_of
from .base import RadialKernel
from .gauss_rows import GAUSS_EXTENT, GaussRowKernel

__all__ = []


class Gauss(RadialKernel):
    """Gaussian whose standard deviation is the radius, of sum 1."""

    name = "gauss"
    given_as = "'gauss'"
    label = " per pixel, Gaussian of {radius}"
    size_label = r"$\sigma$ = {size}"
    plural = "Gaussians"
    reach = GAUSS_EXTENT
    extent = 2

    def profile(self, separation, radius):
        weights = np.exp(-0.5 * (separation / radius) ** 2)
        return weights / weights.sum()

    def on_rows(self, disc, geom, radius):
        return GaussRowKernel(cylinder_of(geom), radius)
