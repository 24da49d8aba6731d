# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.modeling.models import TemplateNPredModel


class MapEvaluator:
    def update(self, exposure, psf, edisp, geom, mask):
        self._upstream_MapEvaluator_update(exposure, psf, edisp, geom, mask)
        # Else the responses would be looked up again as soon as something moves.
        if self.evaluation_mode == "local" and not isinstance(
            self.model, TemplateNPredModel
        ):
            self._cached_position = self.model.position_lonlat
