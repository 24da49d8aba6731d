# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The filter matched to a point source."""

from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from .matched import MatchedKernel

__all__ = []


class PointSource(MatchedKernel):
    """Filter matched to a point source with a power law of index 2."""

    name = "point-source"
    given_as = "'point-source'"
    label = " [amplitude of a point source]"
    size_label = "PSF (68%) {size}"

    def source(self):
        return SkyModel(PowerLawSpectralModel(index=2), PointSpatialModel())
