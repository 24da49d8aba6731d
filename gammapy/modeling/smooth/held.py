# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A statistic of which some parameters are held."""

from dataclasses import dataclass
import numpy as np
from gammapy.modeling.newton.result import NormFit
from gammapy.modeling.utils import set_values
from .statistic import Derivatives

__all__ = []


@dataclass
class SmoothFit(NormFit):
    """Result of a fit of shapes and spectra.

    Its attributes are those of a fit of norms, for all free parameters. The covariance
    is from the exact Hessian; "undetermined" are parameters along which there is no
    minimum.

    Attributes
    ----------
    edm : float
        Expected distance of the statistic from its minimum.
    """

    edm: float = np.nan


class Held:
    """Statistic as the minimiser wants it, of all parameters but those that are held.

    Held are those that somebody sets from outside, and those that act on nothing in the
    bins that are used.

    Parameters
    ----------
    statistic : `~gammapy.datasets.shape_terms.SmoothStatistic`
        Statistic of all parameters, at whose values these are held.
    is_held : `~numpy.ndarray` of bool, optional
        Parameters to hold, shape (n,). Default is none.
    """

    def __init__(self, statistic, is_held=False):
        self.whole = statistic
        self._all = statistic.values
        self.is_unseen = statistic.unseen()
        self._is_fitted = ~(self.is_unseen | is_held)
        self._fitted = np.flatnonzero(self._is_fitted)
        self.names = [statistic.names[idx] for idx in self._fitted]

    @property
    def held(self):
        """Parameters that are held, a list."""
        parameters = self.whole.parameters
        return [parameters[idx] for idx in np.flatnonzero(~self._is_fitted)]

    def _full(self, values):
        everything = self._all.copy()
        everything[self._fitted] = values
        return everything

    def set(self, values):
        """Set the parameters to values, which are returned."""
        set_values(self.whole.parameters, self._full(values))
        return values

    # --- what the minimiser and the guard ask --------------------------------

    @property
    def values(self):
        """Values, shape (n_fitted,), as are all below."""
        return self.whole.values[self._fitted]

    @property
    def bounds(self):
        """Lower and upper bounds."""
        low, high = self.whole.bounds
        return low[self._fitted], high[self._fitted]

    @property
    def periods(self):
        """Periods, NaN for most."""
        return self.whole.periods[self._fitted]

    @property
    def is_shape(self):
        """Which parameters change an image."""
        return self.whole.is_shape[self._fitted]

    @property
    def is_hard(self):
        """Which belong to an image that jumps where edges pass pixels."""
        return self.whole.is_hard[self._fitted]

    @property
    def has_kinks(self):
        """Which belong to an image whose slopes jump at pixels."""
        return self.whole.has_kinks[self._fitted]

    @property
    def shape_numbers(self):
        """Number of the source whose image a parameter changes, -1 for others."""
        return self.whole.shape_numbers[self._fitted]

    def is_unresolved(self, values):
        """Which values are at a limit of what a map resolves."""
        return self.whole.is_unresolved(self._full(values))[self._fitted]

    def start(self):
        """Values to start from."""
        return self.whole.start()[self._fitted]

    def stat(self, values):
        """Statistic."""
        return self.whole.stat(self._full(values))

    def reach(self, values):
        """How far one step may go."""
        return self.whole.reach(self._full(values))[self._fitted]

    def n_truncated(self, values):
        """Number of bins with counts and no model."""
        return self.whole.n_truncated(self._full(values))

    def derivatives(self, values, **options):
        """Statistic and derivatives, see `SmoothStatistic.derivatives`."""
        found = self.whole.derivatives(self._full(values), **options)
        if self._is_fitted.all():
            return found
        part = np.ix_(self._fitted, self._fitted)
        hessian = None if found.hessian is None else found.hessian[part]
        gradient = found.gradient[self._fitted]
        return Derivatives(found.stat, gradient, found.fisher[part], hessian)

    # --- what becomes of it ---------------------------------------------------

    def result(self, judgement, stat, *, success=True, message="", nfev=1, trace=()):
        """Result for all parameters, at the values that they have.

        Parameters
        ----------
        judgement : `~gammapy.modeling.smooth.guard.Judgement`
            What is known of the parameters that were fitted.
        stat : float
            Statistic.
        success, message, nfev, trace
            As of `SmoothFit`, the trace for the parameters that were fitted.

        Returns
        -------
        fit : `SmoothFit`
            Those that are held have a covariance of 0, those that act on nothing one of
            NaN.
        """
        size = len(self._all)
        covariance = np.zeros((size, size))
        covariance[np.ix_(self._fitted, self._fitted)] = judgement.covariance
        covariance[self.is_unseen] = covariance[:, self.is_unseen] = np.nan
        at_bound, undetermined = np.zeros((2, size), dtype=bool)
        at_bound[self._fitted] = judgement.at_bound
        undetermined[self._fitted] = judgement.undetermined
        return SmoothFit(
            values=self.whole.values,
            covariance=covariance,
            stat=stat,
            success=success,
            message=message,
            nfev=nfev,
            at_bound=at_bound,
            undetermined=undetermined | self.is_unseen,
            edm=judgement.edm,
            trace=[(value, self._full(values)) for value, values in trace],
        )
