# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of shapes and spectra at values of other parameters."""

import numpy as np
from .smooth_backend import SmoothFitter
from .utils import set_values

__all__ = []


class SmoothScan:
    """Fits by Newton's method, each from the nearest point of those before.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which `~gammapy.modeling.why_not_smooth` has no reason, with the
        free parameters as at the best fit.
    scanned, free : list of `~gammapy.modeling.Parameter`
        Parameters that are set, and those that are fitted.
    points : list of tuple
        Values of the scanned parameters, all that will be asked for.
    """

    def __init__(self, datasets, scanned, free, points):
        self.scanned = scanned
        self.free = free
        self._fitter = SmoothFitter(datasets, [*scanned, *free], held=scanned)
        self._best = [par.value for par in free]
        self._places, self._values = [], []
        width = np.ptp(np.array(points), axis=0)
        self._width = np.where(width > 0, width, 1.0)

    def fit(self, point):
        """Fit at a point.

        Parameters
        ----------
        point : tuple of float
            Values of the scanned parameters.

        Returns
        -------
        fit : `~gammapy.modeling.smooth.held.SmoothFit`
            Result for the free parameters. When the fit from the nearest point is no
            success, it is that from the best fit.
        """
        nearest = self._nearest(point)
        fit = self._fit_from(point, nearest)
        if not fit.success and nearest is not self._best:
            fit = self._fit_from(point, self._best)
        if fit.success:
            self._places.append(point)
            self._values.append(fit.values)
        return fit

    def _nearest(self, point):
        if not self._places:
            return self._best
        steps = (np.array(self._places) - point) / self._width
        return self._values[np.argmin(np.sum(steps**2, axis=1))]

    def _fit_from(self, point, start):
        set_values([*self.scanned, *self.free], [*point, *start])
        return self._fitter.fit().select(slice(len(self.scanned), None))
