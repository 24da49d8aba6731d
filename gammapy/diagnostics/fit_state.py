# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""State of a fit: free parameters, covariance, bounds, priors, and problems."""

from dataclasses import dataclass
import numpy as np
from gammapy.datasets.residuals.free_parameters import FreeParameters
from gammapy.datasets.residuals.slopes import steps_of
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.modeling.utils import values_restored

__all__ = []

#: Expected decrease of the statistic in a next step above which a note says so.
FALL = 0.1

#: Factor between the given covariance and that of the model for a note.
FACTOR = 2.0

#: Names in a note.
MOST = 5


@dataclass
class FitState:
    """Free parameters of a fit, arrays of shape (n,).

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters, each once.
    names : list of str
        Their names.
    owners : `~numpy.ndarray` of int
        Number of the first model that each is of.
    covariance : `~numpy.ndarray`
        Covariance, shape (n, n), 0 for parameters without an error.
    low, high : `~numpy.ndarray`
        Changes to the bounds.
    prior_slope, prior_curvature : `~numpy.ndarray`
        Derivatives of what priors add to the statistic.
    """

    parameters: list
    names: list
    owners: np.ndarray
    covariance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prior_slope: np.ndarray
    prior_curvature: np.ndarray

    @classmethod
    def from_datasets(cls, datasets, local):
        """State of the models of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list
            Datasets as passed by the user, with the joint covariance.
        local : `~gammapy.datasets.Datasets`
            The same datasets.

        Returns
        -------
        state : `FitState`
            State.
        """
        known = FreeParameters.of_datasets(local, datasets)
        free, models = known.parameters, local.unique_models
        names = unique_parameter_names(models)
        values = np.array([par.value for par in free])
        low, high = (
            np.nan_to_num([getattr(par, name) for par in free], nan=sign * np.inf)
            for name, sign in (("min", -1), ("max", 1))
        )
        slope, curvature = prior_derivatives(free)
        return cls(
            parameters=free,
            names=[names[id(par)] for par in free],
            owners=_owners(models, free),
            covariance=known.covariance,
            low=np.minimum(low - values, 0),
            high=np.maximum(high - values, 0),
            prior_slope=slope,
            prior_curvature=curvature,
        )

    @property
    def is_known(self):
        """Which parameters have an error."""
        return np.diag(self.covariance) > 0

    @property
    def has_covariance(self):
        """Whether there is a covariance, or need of none."""
        return not self.parameters or bool(self.is_known.any())

    def errors(self, information):
        """Errors of the parameters, from the model for those without.

        Parameters
        ----------
        information : `Information`
            Information about them.

        Returns
        -------
        errors : `~numpy.ndarray`
            Errors, not 0.
        """
        fisher = np.diag(information.fisher)
        is_seen = fisher > 0
        own = np.where(is_seen, 1 / np.sqrt(np.where(is_seen, fisher, 1)), 1.0)
        return np.where(self.is_known, np.sqrt(np.diag(self.covariance)), own)

    def notes(self, information):
        """Notes about the fit.

        Parameters
        ----------
        information : `Information`
            Information about the parameters.

        Returns
        -------
        notes : list of str
            One sentence each.
        """
        if not self.parameters:
            return ["No parameter is free: the fit did not reduce the statistic."]
        if not self.has_covariance:
            return [
                "The models have no covariance, so the reduction of the statistic by "
                "the fit is not known: run Fit.run on these datasets first, or set "
                "n_toys. The expected statistic is that without a fit."
            ]
        notes = []
        unknown = np.flatnonzero(~self.is_known)
        if unknown.size:
            names = ", ".join(self.names[idx] for idx in unknown[:MOST])
            more = f" and {unknown.size - MOST} more" if unknown.size > MOST else ""
            notes.append(f"{names}{more} have no error, so their effect is not known.")
        if self._lacks_correlations(information):
            notes.append(
                "The covariance has no correlations between models: pass the Datasets "
                "that were fitted instead of a list."
            )
        return [*notes, *self._notes_of_minimum(information)]

    def _lacks_correlations(self, information):
        """Whether models that share counts have no common covariance."""
        is_between = self.owners[:, np.newaxis] != self.owners
        is_between &= self.is_known & self.is_known[:, np.newaxis]
        is_shared = np.any(information.fisher[is_between] != 0)
        return bool(is_shared and np.all(self.covariance[is_between] == 0))

    def fall(self, information):
        """How much one more step of the fit would lower the statistic.

        Parameters
        ----------
        information : `Information`
            Information about the parameters.

        Returns
        -------
        fall : float
            Twice the "edm" of Minuit, 0 without a covariance.
        """
        slope = np.where(self._is_stopped(information), 0, self._slope(information))
        return float(slope @ self.covariance @ slope)

    def _slope(self, information):
        return information.slope + self.prior_slope / 2

    def _is_stopped(self, information):
        """Which parameters are at a bound, and would go on beyond it."""
        slope = self._slope(information)
        return (self.low == 0) & (slope > 0) | (self.high == 0) & (slope < 0)

    def _notes_of_minimum(self, information):
        is_stopped = self._is_stopped(information)
        fall = self.fall(information)
        if fall > FALL:
            yield (
                f"The fit is not at a minimum: one more step would lower the statistic "
                f"by about {fall:.2g}."
            )
        known = np.flatnonzero(self.is_known & ~is_stopped)
        curvature = np.diag(self.prior_curvature) / 2
        fisher = (information.fisher + curvature)[np.ix_(known, known)]
        covariance = self.covariance[np.ix_(known, known)]
        ratios = np.linalg.eigvals(covariance @ fisher).real
        if ratios.size and not (ratios.min() > 1 / FACTOR and ratios.max() < FACTOR):
            yield (
                "The covariance is not that of this model and these data: variances "
                f"differ by factors of {ratios.min():.2g} to {ratios.max():.2g}. Run "
                "Fit.covariance again."
            )


def _owners(models, free):
    """Number of the first model of each parameter."""
    owners = {}
    for number, model in enumerate(models):
        for par in model.parameters:
            owners.setdefault(id(par), number)
    return np.array([owners[id(par)] for par in free], dtype=int)


def prior_derivatives(parameters):
    """Slope and curvature of what priors add to the statistic, by differences."""
    slope, curvature = np.zeros((2, len(parameters)))
    for number, (par, step) in enumerate(
        zip(parameters, steps_of(parameters), strict=True)
    ):
        if par.prior is None:
            continue
        with values_restored([par]):
            middle, value = par.prior_stat_sum(), par.value
            par.value = value + step
            above = par.prior_stat_sum()
            par.value = value - step
            below = par.prior_stat_sum()
        slope[number] = (above - below) / (2 * step)
        curvature[number] = max((above - 2 * middle + below) / step**2, 0)
    return slope, curvature


@dataclass
class Information:
    """What the counts say of the parameters.

    Parameters
    ----------
    slope : `~numpy.ndarray`
        Derivatives of half the statistic, without priors, shape (n,).
    fisher : `~numpy.ndarray`
        Mean of the second derivatives of half the statistic, shape (n, n).
    of_slope : `~numpy.ndarray`
        Covariance of the slope, the same but for weighted data.
    """

    slope: np.ndarray
    fisher: np.ndarray
    of_slope: np.ndarray

    @classmethod
    def from_bins(cls, bins, derivatives, n_parameters):
        """Sums over all bins.

        Parameters
        ----------
        bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
            Bins.
        derivatives : list of `~gammapy.diagnostics.derivatives.Derivatives`
            Derivatives in these bins.
        n_parameters : int
            Number of parameters.

        Returns
        -------
        information : `Information`
            Information.
        """
        slope = np.zeros(n_parameters)
        fisher, of_slope = np.zeros((2, n_parameters, n_parameters))
        for part, change in zip(bins, derivatives, strict=True):
            columns, matrix = change.columns, change.matrix
            has_model = part.npred > 0
            inverse = has_model / np.where(has_model, part.npred, 1)
            pull = part.weights * (1 - part.counts * inverse)
            slope[columns] += matrix.T @ pull
            if part.is_on_off:
                mu_off = (part.npred - part.mu_sig) / part.alpha
                variance = part.npred + part.alpha**2 * mu_off
                inverse = (variance > 0) / np.where(variance > 0, variance, 1)
            place = np.ix_(columns, columns)
            own = (matrix.T * (part.weights * inverse)) @ matrix
            fisher[place] += own
            if part.is_weighted:
                own = (matrix.T * (part.weights**2 * inverse)) @ matrix
            of_slope[place] += own
        return cls(slope, fisher, of_slope)
