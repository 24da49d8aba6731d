# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from ..notes import warn_notes

log = logging.getLogger(__name__)


class LightCurveEstimator:
    # One warning for all time intervals.
    _warns_of_notes = False

    def run(self, datasets):
        """Notes
        -----
        Upper limits and errors beyond a bound of the norm are NaN. Norms of other
        components that are not determined do not affect the result. There is one
        warning for each, as for `~gammapy.estimators.FluxPointsEstimator`.
        """
        lightcurve = self._upstream_LightCurveEstimator_run(datasets)
        warn_notes(log, lightcurve._notes, self.source)
        return lightcurve

    def _where(self, datasets):
        """The times of the data of the interval."""
        return "{time_min} to {time_max}: ".format(**_times(datasets))

    def _identify(self, datasets, result):
        """Energies, and the times of the data of the interval."""
        return _times(datasets) | super()._identify(datasets, result)


def _times(datasets):
    gti = datasets.gti
    return {
        "time_min": gti.time_start.min().isot,
        "time_max": gti.time_stop.max().isot,
    }
