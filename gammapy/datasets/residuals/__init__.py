# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in space and in energy."""

from .spatial import SpatialResiduals
from .spectral import SpectralResiduals

__all__ = ["SpatialResiduals", "SpectralResiduals"]
