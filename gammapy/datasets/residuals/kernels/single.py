# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Each pixel alone."""

from .base import WeightsKernel

__all__ = []


class SinglePixels(WeightsKernel):
    """No neighbours."""

    name = None
    given_as = "None"
    label = " per pixel"
    size_label = "pixel {size}"
    is_for_on_off = True

    @classmethod
    def accepts(cls, value):
        return value is None

    def weights(self, geom):
        return None
