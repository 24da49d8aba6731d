# Licensed under a 3-clause BSD style license - see LICENSE.rst


class LightCurveEstimator:
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
