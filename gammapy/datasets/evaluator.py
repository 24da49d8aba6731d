# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.modeling.models import TemplateNPredModel


class MapEvaluator:
    @property
    def needs_update(self):
        # A source that was off the map may have come back.
        if not self.contributes and self.exposure is not None:
            return self._place() != getattr(self, "_place_outside", None)
        return self._upstream_MapEvaluator_needs_update

    def _place(self):
        """What says where a source is, and how large."""
        model = self.model.spatial_model
        return None if model is None else model.parameters.value.tolist()

    def update(self, exposure, psf, edisp, geom, mask):
        self._upstream_MapEvaluator_update(exposure, psf, edisp, geom, mask)
        self._place_outside = None if self.contributes else self._place()
        # Else the responses would be looked up again as soon as something moves.
        if self.evaluation_mode == "local" and not isinstance(
            self.model, TemplateNPredModel
        ):
            self._cached_position = self.model.position_lonlat
