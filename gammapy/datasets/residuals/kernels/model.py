# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The filter matched to the source of a model."""

from gammapy.modeling.models import SkyModel, TemplateSpatialModel
from .matched import MatchedKernel

__all__ = []


class ModelKernel(MatchedKernel):
    """Filter matched to the source of a model, wherever that is."""

    name = "model"
    given_as = "a SkyModel"
    is_named = False
    label = " [amplitude of the source]"
    size_label = "source (68%) {size}"

    @classmethod
    def accepts(cls, value):
        return isinstance(value, SkyModel)

    def source(self):
        spatial = self.value.spatial_model
        has_no_position = spatial is not None and not hasattr(spatial, "lon_0")
        if isinstance(spatial, TemplateSpatialModel) or has_no_position:
            raise ValueError(
                f"The kernel {self.value.name!r} has a {spatial.__class__.__name__}, "
                "which has no position to be moved: use one with lon_0 and lat_0."
            )
        return self.value
