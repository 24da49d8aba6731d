# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of norm fits as those of `~gammapy.modeling.Fit`."""

import logging
from dataclasses import dataclass, replace
import numpy as np
from astropy.table import Table
from .covariance import Covariance
from .fit_table import undetermined_names, unique_parameter_names
from .newton.result import describe_undetermined

__all__ = []

log = logging.getLogger(__name__)


class NormResults:
    """Makes the results of many fits of the same models.

    Their models are copied when someone asks for them, from one copy that is made now.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models, as they are during the fits but for the fitted values.
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    """

    def __init__(self, models, result_class):
        # The models need this package, so they come later.
        from gammapy.modeling.models.copies import copy_models

        self._positions = {}
        for idx, par in enumerate(models.parameters):
            self._positions.setdefault(id(par), []).append(idx)
        self._names = unique_parameter_names(models)
        self._models = copy_models(models)
        self._result_class = result_class

    def make(self, fit, parameters, fixed=()):
        """Result of one fit.

        Parameters
        ----------
        fit : `NormFit`
            The fit.
        parameters : list of `~gammapy.modeling.Parameter`
            The norms that it fitted.
        fixed : list of tuple
            Other parameters and their values.

        Returns
        -------
        result : `~gammapy.modeling.OptimizeResult`
            Result.
        """
        values = [*zip(parameters, fit.values, strict=True), *fixed]
        models = ModelsAtNorms(
            models=self._models,
            values=[(self._positions[id(par)], value) for par, value in values],
            covariance=fit.covariance,
        )
        return make_result(self._result_class, models, fit, parameters, self._names)


@dataclass
class ModelsAtNorms:
    """Models that are copied on demand.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models to copy.
    values : list of tuple
        Positions of a parameter in the models, and its value; fitted ones first.
    covariance : `~numpy.ndarray`
        Covariance of the fitted parameters.
    """

    models: object
    values: list
    covariance: np.ndarray

    def copy(self):
        """The models with their values and errors."""
        # The models need this package, so they come later.
        from gammapy.modeling.models.copies import copy_models

        models = copy_models(self.models)
        parameters = models.parameters
        for positions, value in self.values:
            for idx in positions:
                parameters[idx].value = value
        matrix = np.zeros((len(parameters), len(parameters)))
        fitted = [positions for positions, _ in self.values[: len(self.covariance)]]
        for i, rows in enumerate(fitted):
            for j, columns in enumerate(fitted):
                matrix[np.ix_(rows, columns)] = self.covariance[i, j]
        models.covariance = Covariance(parameters, matrix)
        return models


def make_result(result_class, models, fit, parameters, names, trace=None, used=None):
    """Result of a fit of norms.

    Parameters
    ----------
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    models : `~gammapy.modeling.models.DatasetModels` or `ModelsAtNorms`
        Models at the best fit.
    fit : `NormFit`
        The fit.
    parameters : list of `~gammapy.modeling.Parameter`
        The norms that it fitted.
    names : dict
        Names by the `id` of the parameter.
    trace : `~astropy.table.Table`, optional
        Statistic and norms of each step. Default is an empty one.
    used : list of dict, optional
        What was fitted, see `NormTemplates.used_bins`. Default is None.

    Returns
    -------
    result : `~gammapy.modeling.OptimizeResult`
        Result.
    """
    result = result_class(
        models=models,
        nfev=fit.nfev,
        total_stat=fit.stat,
        trace=Table() if trace is None else trace,
        backend="newton",
        method="newton",
        success=fit.success,
        message=fit.message,
    )
    # Results that are kept do not hold on to the templates.
    result._norm_fit = replace(fit, templates=None)
    result._used_bins = used
    result._factor_covariance = covariance_of_factors(fit, parameters)
    result._undetermined = undetermined_names(fit, parameters, names)
    return result


def warn_undetermined(names):
    """One warning about norms that fits did not determine.

    Parameters
    ----------
    names : list of str
        Names of the norms; nothing is said when there are none.
    """
    if names:
        log.warning(describe_undetermined(names))


class NewtonOptimizer:
    """What the optimiser leaves to the registry of backends, and did to results.

    Parameters
    ----------
    fit : `NormFit`
        The fit.
    covariance : `~numpy.ndarray`
        Covariance of the factors of the parameters, see `covariance_of_factors`.
    used : list of dict, optional
        What was fitted, see `NormTemplates.used_bins`. Default is None.
    """

    def __init__(self, fit, covariance, used=None):
        self.fit = fit
        self.used = used
        self.covariance = covariance


def covariance_of_factors(fit, parameters):
    """Covariance of the factors of parameters from that of their values.

    Parameters
    ----------
    fit : `NormFit`
        Fit of the parameters.
    parameters : list of `~gammapy.modeling.Parameter`
        The parameters, in the order of the fit.

    Returns
    -------
    covariance : `~numpy.ndarray`
        Covariance, shape (n_parameters, n_parameters).
    """
    slopes = np.array(
        [
            par._inverse_transform_derivative(par.transform(value))
            for par, value in zip(parameters, fit.values, strict=True)
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return fit.covariance / np.outer(slopes, slopes)
