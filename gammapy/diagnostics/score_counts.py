# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic of models without exact derivatives, from differences of their counts."""

import numpy as np
import astropy.units as u
from gammapy.modeling.smooth.statistic import Derivatives
from gammapy.modeling.utils import set_values
from .derivatives import differentiate
from .fit_state import Information, prior_derivatives
from .fitted_bins import read_bins

__all__ = []

#: Error of a parameter that has none, of which a share is the step of the differences:
#: relative to its value, and at least.
RELATIVE, LEAST = 0.1, 0.1


class CountsStatistic:
    """What a score test asks of a statistic, from the predicted counts.

    The gradient is exact up to the differences of the counts, the second derivatives
    are the expected ones: those of the model itself are left out.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets. The values of the parameters are set by the methods.
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters.
    pixel : float or None
        Size of the pixels in deg, the step of positions.
    """

    def __init__(self, datasets, parameters, pixel):
        self.datasets = datasets
        self.parameters = list(parameters)
        for par in self.parameters:
            if not (np.isfinite(par.error) and par.error > 0):
                par.error = _likely_error(par, pixel)

    @property
    def values(self):
        """Values, shape (n,)."""
        return np.array([par.value for par in self.parameters])

    def stat(self, values=None):
        """Statistic, of some values or of the present ones."""
        if values is not None:
            set_values(self.parameters, values)
        return self.datasets.stat_sum()

    def derivatives(self, values, *, second=True, shapes=True):
        """Statistic, gradient and expected second derivatives, always all of them."""
        stat = self.stat(values)
        bins = read_bins(self.datasets)
        changes = differentiate(self.datasets, bins, self.parameters)
        found = Information.from_bins(bins, changes, len(self.parameters))
        slope, curvature = prior_derivatives(self.parameters)
        fisher = 2 * found.fisher + np.diag(curvature)
        return Derivatives(stat, 2 * found.slope + slope, fisher, fisher)


def _likely_error(parameter, pixel):
    if parameter.name in ("lon_0", "lat_0") and pixel is not None:
        return u.Quantity(pixel, "deg").to_value(parameter.unit)
    return max(RELATIVE * abs(parameter.value), 0 if parameter.value else LEAST)
