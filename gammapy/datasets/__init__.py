# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .residuals import (
    RadialResiduals,
    SliceResiduals,
    SpatialResiduals,
    SpectralResiduals,
)

__all__ = [
    "RadialResiduals",
    "SliceResiduals",
    "SpatialResiduals",
    "SpectralResiduals",
]
