# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sum of the pixels whose centre is within a radius."""

from .base import RadialKernel

__all__ = []


class TopHat(RadialKernel):
    """Weights that are 1 within the radius: counts stay counts."""

    name = "tophat"
    given_as = "'tophat'"
    label = " within {radius}"
    size_label = "radius {size}"
    plural = "Discs"
    is_for_on_off = True

    def profile(self, separation, radius):
        return (separation <= radius * (1 + 1e-9)).astype(float)

    def on_rows(self, disc, geom, radius):
        return disc
