# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .residuals import SpatialResiduals, SpectralResiduals

__all__ = ["SpatialResiduals", "SpectralResiduals"]
