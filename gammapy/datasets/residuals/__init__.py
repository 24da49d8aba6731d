# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in space, in energy, in rings and along a line."""

from .radial import RadialResiduals
from .slices import SliceResiduals
from .spatial import SpatialResiduals
from .spectral import SpectralResiduals

__all__ = [
    "RadialResiduals",
    "SliceResiduals",
    "SpatialResiduals",
    "SpectralResiduals",
]
