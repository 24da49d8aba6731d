# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from ..notes import warn_notes

log = logging.getLogger(__name__)


class FluxProfileEstimator:
    # One warning for all regions.
    _warns_of_notes = False

    def run(self, datasets):
        """Notes
        -----
        Upper limits and errors beyond a bound of the norm are NaN. Norms of other
        components that are not determined do not affect the result. There is one
        warning for each, as for `~gammapy.estimators.FluxPointsEstimator`.
        """
        profile = self._upstream_FluxProfileEstimator_run(datasets)
        warn_notes(log, profile._notes, self.source)
        return profile
