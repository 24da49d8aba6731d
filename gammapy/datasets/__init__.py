# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .component_ts import ComponentTS
from .residuals import (
    RadialResiduals,
    SliceResiduals,
    SpatialResiduals,
    SpectralResiduals,
)

__all__ = [
    "ComponentTS",
    "RadialResiduals",
    "SliceResiduals",
    "SpatialResiduals",
    "SpectralResiduals",
]
