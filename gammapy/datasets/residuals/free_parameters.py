# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Free parameters of joint datasets, each one once, with the covariance of a fit."""

from dataclasses import dataclass
import numpy as np
from gammapy.modeling.models import DatasetModels

__all__ = []


@dataclass
class FreeParameters:
    """Free parameters and their covariance.

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters, n of them.
    covariance : `~numpy.ndarray`
        Covariance, shape (n, n), 0 for those without an error.
    has_correlations : bool
        Whether the correlations between models are known, or there is one model.
    """

    parameters: list
    covariance: np.ndarray
    has_correlations: bool = True

    @classmethod
    def of_datasets(cls, datasets, source):
        """Those of the models of datasets, with a covariance from somewhere else.

        Nothing is changed, neither are the errors of the parameters. Errors that were
        changed since the fit have no correlations.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.
        source : object
            `~gammapy.datasets.Datasets` or models that have a covariance of all
            models; a list has that of each model alone.

        Returns
        -------
        free : `FreeParameters`
            Free parameters, those that are linked once.
        """
        models = datasets.unique_models
        free = list(
            {
                id(par): par
                for model in models
                for par in model.parameters
                if not par.frozen
            }.values()
        )
        errors = np.array([par.error for par in free], dtype=float)
        known = np.flatnonzero(np.isfinite(errors) & (errors > 0))
        parameters = [free[idx] for idx in known]
        joint = _joint_covariance(source, models, parameters)
        own = _covariance_of_each(models, parameters) if joint is None else joint
        # A fit that failed may have errors without a covariance.
        is_finite = np.isfinite(own).all(axis=1)
        own = np.where(is_finite[:, np.newaxis] & is_finite, own, 0.0)
        covariance = np.zeros((len(free), len(free)))
        covariance[np.ix_(known, known)] = own
        return cls(free, covariance, joint is not None or len(models) < 2)

    @property
    def is_known(self):
        """Which parameters have an error, shape (n,)."""
        return np.diag(self.covariance) > 0

    @property
    def known(self):
        """Those that have an error, `FreeParameters`."""
        known = np.flatnonzero(self.is_known)
        parameters = [self.parameters[idx] for idx in known]
        covariance = self.covariance[np.ix_(known, known)]
        return FreeParameters(parameters, covariance, self.has_correlations)

    @property
    def unknown(self):
        """Parameters without an error, a list."""
        return [self.parameters[idx] for idx in np.flatnonzero(~self.is_known)]


def _joint_covariance(source, models, parameters):
    """Covariance that something has of parameters of all models, None without one."""
    if isinstance(source, DatasetModels):
        places = _places_by_name(source, models, parameters)
        matrix = source.covariance.data
    else:
        # Not from source.models, which sets the errors of all parameters again.
        known = getattr(source, "_covariance", None)
        if known is None:
            return None
        first = {}
        for place, par in enumerate(known.parameters):
            first.setdefault(id(par), place)
        places = [first.get(id(par)) for par in parameters]
        matrix = known.data
    if not places or any(place is None for place in places):
        return None
    matrix = np.array(matrix[np.ix_(places, places)], dtype=float)
    if isinstance(source, DatasetModels):
        return matrix
    return _with_new_errors(matrix, parameters)


def _places_by_name(source, models, parameters):
    """Where parameters are among those of other models of the same names."""
    first = {}
    place = 0
    for model in source:
        for par in model.parameters:
            first.setdefault((model.name, par.name), place)
            place += 1
    names = {}
    for model in models:
        for par in model.parameters:
            names.setdefault(id(par), (model.name, par.name))
    return [first.get(names[id(par)]) for par in parameters]


def _with_new_errors(matrix, parameters):
    """A covariance with the present errors; those that changed are uncorrelated."""
    variances = np.array([par.error**2 for par in parameters])
    is_new = ~np.isclose(np.diag(matrix), variances, atol=0)
    matrix[is_new] = 0
    matrix[:, is_new] = 0
    np.fill_diagonal(matrix, variances)
    return matrix


def _covariance_of_each(models, parameters):
    """Covariance without correlations between models."""
    places = {id(par): idx for idx, par in enumerate(parameters)}
    matrix = np.diag([par.error**2 for par in parameters]).astype(float)
    for model in models:
        pairs = [
            (place, places[id(par)])
            for place, par in enumerate(model.parameters)
            if id(par) in places
        ]
        if not pairs:
            continue
        own, joint = np.transpose(pairs)
        matrix[np.ix_(joint, joint)] = model.covariance.data[np.ix_(own, own)]
    return matrix
