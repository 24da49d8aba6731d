# Licensed under a 3-clause BSD style license - see LICENSE.rst


class LightCurveEstimator:
    def _identify(self, datasets, result):
        """Energies, and the times of the data of the interval."""
        gti = datasets.gti
        times = {
            "time_min": gti.time_start.min().isot,
            "time_max": gti.time_stop.max().isot,
        }
        return times | super()._identify(datasets, result)
