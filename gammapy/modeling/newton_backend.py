# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The backend "newton" of `~gammapy.modeling.Fit`, and when it is taken unasked."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass
import numpy as np
from astropy.table import Table
from gammapy.modeling.utils import _parse_datasets
from gammapy.utils.arguments import check_options
from .covariance import Covariance
from .linearity import NotLinearError
from .newton import confidence_norm, fit_norms, norms_as_they_are
from .norm_minimum import describe_undetermined
from .nuisance import undetermined_names, unique_parameter_names
from .templates import NormTemplates

__all__ = []

log = logging.getLogger(__name__)


# --- when it is taken ------------------------------------------------------


def takes_newton(fit):
    """Whether norm fits take it: it was asked for, or no backend was."""
    return fit.is_automatic or fit.step_backend("optimize") == "newton"


def templates_for(fit, datasets, parameters, **kwargs):
    """Templates of the norms that a fit is to vary.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit that takes them, see `takes_newton`.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    parameters : list of `~gammapy.modeling.Parameter`
        Norms.
    **kwargs : dict
        Options of `NormTemplates.from_datasets`.

    Returns
    -------
    templates : `NormTemplates`
        None when they cannot be made and the optimiser is the way out.
    reason : str
        Why, else empty.

    Raises
    ------
    ValueError
        If they cannot be made, and the backend "newton" was asked for.
    """
    try:
        return NormTemplates.from_datasets(datasets, parameters, **kwargs), ""
    except ValueError as error:
        if not fit.is_automatic:
            raise
        return None, str(error)


def run_fit(fit, datasets, label):
    """Run a fit; by Newton's method where it applies and no backend was asked for.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    label : str
        Who asks, for the log.

    Returns
    -------
    result : `~gammapy.modeling.FitResult`
        Result.
    """
    from .fit import Fit

    reason = "the backend or options were given"
    if fit.is_automatic:
        start = [(par, par.value) for par in datasets.parameters.free_parameters]
        try:
            result = Fit("newton", debug=fit.debug).run(datasets)
        except ValueError as error:
            reason = str(error)
        else:
            reason = result.message
            if result.success:
                log_backend(label, "newton", "all that is free is norms")
                return result
            for par, value in start:
                par.value = value
    log_backend(label, fit.backend, reason)
    return fit.run(datasets)


def log_backend(label, backend, reason):
    """Say at level DEBUG which backend was taken and why."""
    log.debug(f"{label}: backend {backend!r}, {reason}")


# --- results ---------------------------------------------------------------


class NormResults:
    """Makes the results of many fits of the same models.

    Their models are copied when someone asks for them, from one copy that is made now.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models, as they are during the fits but for the fitted values.
    """

    def __init__(self, models):
        # The models need this package, so they come later.
        from gammapy.modeling.models.copies import copy_models

        self._positions = {}
        for idx, par in enumerate(models.parameters):
            self._positions.setdefault(id(par), []).append(idx)
        self._names = unique_parameter_names(models)
        self._models = copy_models(models)

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
        return make_result(models, fit, parameters, self._names)


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


def make_result(models, fit, parameters, names, trace=None, used=None):
    """`OptimizeResult` of a fit of norms."""
    from .fit import OptimizeResult

    result = OptimizeResult(
        models=models,
        nfev=fit.nfev,
        total_stat=fit.stat,
        trace=Table() if trace is None else trace,
        minuit=NewtonOptimizer(fit, parameters, used),
        backend="newton",
        method="newton",
        success=fit.success,
        message=fit.message,
    )
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


# --- backend ---------------------------------------------------------------


class NewtonOptimizer:
    """What a fit leaves to be looked at, in factors of the parameters.

    Parameters
    ----------
    fit : `NormFit`
        The fit.
    parameters : `~gammapy.modeling.Parameters`
        Free parameters, in the order of the fit.
    used : list of dict, optional
        What was fitted, see `NormTemplates.used_bins`. Default is None.
    """

    def __init__(self, fit, parameters, used=None):
        self.fit = fit
        self.used = used
        self.covariance = _to_factors(fit.covariance, parameters, fit.values)


def fit_datasets(datasets, store_trace=False, backend=None, **kwargs):
    """Fit the free norms of datasets.

    The statistic comes from the templates: `Datasets.stat_sum` would take as long as
    the fit.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets. Their parameters are set to the best fit.
    store_trace : bool, optional
        Whether to keep the statistic and norms of each step. Default is False.
    backend : str, optional
        Not used.
    **kwargs : dict
        Option ``max_iter`` of `fit_norms`.

    Returns
    -------
    result : `~gammapy.modeling.OptimizeResult`
        Result.

    Raises
    ------
    NotLinearError
        If the model is not linear in its free parameters; it says why.
    """
    from gammapy.modeling.models.copies import copy_models

    check_options("The backend 'newton'", kwargs, ["max_iter"])
    datasets, parameters = _parse_datasets(datasets)
    parameters.check_limits()
    free = list(parameters.free_parameters)
    if not free:
        raise ValueError("No free parameters for fitting")
    parameters.autoscale()
    templates = NormTemplates.from_datasets(datasets, free)
    fit = fit_norms(templates, store_trace=store_trace, **kwargs)
    for par, value in zip(free, fit.values, strict=True):
        par.factor = _factor(par, value)
    models = datasets.models
    names = unique_parameter_names(models)
    warn_undetermined(undetermined_names(fit, free, names))
    trace = Table(_trace(fit, [names[id(par)] for par in free]))
    used = templates.used_bins(fit.values)
    return make_result(copy_models(models), fit, free, names, trace, used)


def _trace(fit, names):
    return [
        {"total_stat": stat, **dict(zip(names, norms, strict=True))}
        for stat, norms in fit.trace
    ]


def optimize_newton(parameters, function, store_trace=False, **kwargs):
    """Optimiser "newton" as the registry of backends has it.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        Parameters with the values to start from.
    function : callable
        Method ``stat_sum`` of the datasets.
    store_trace : bool, optional
        Whether to keep the statistic and norms of each step. Default is False.
    **kwargs : dict
        Option ``max_iter`` of `fit_norms`.

    Returns
    -------
    result : (factors, info, optimizer)
        Factors of the free parameters, information, and a `NewtonOptimizer`.

    Raises
    ------
    NotLinearError
        If the model is not linear in its free parameters; it says why.
    """
    templates = _templates_of(function, parameters)
    fit = fit_norms(templates, store_trace=store_trace, **kwargs)
    free = templates.parameters
    pairs = zip(templates.names, fit.undetermined, strict=True)
    warn_undetermined([name for name, is_unknown in pairs if is_unknown])
    factors = [_factor(*_) for _ in zip(free, fit.values, strict=True)]
    info = {
        "success": fit.success,
        "message": fit.message,
        "nfev": fit.nfev,
        "trace": _trace(fit, [f"par-{idx}" for idx in range(len(free))]),
    }
    return factors, info, NewtonOptimizer(fit, free)


def covariance_newton(parameters, function, *, minuit=None):
    """Covariance of the backend "newton" of `~gammapy.modeling.Fit`.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        Parameters at the minimum.
    function : callable
        Method ``stat_sum`` of the datasets.
    minuit : `NewtonOptimizer`, optional
        What the fit left, when there was one just now, by the name that `Fit` has for
        it. Another optimiser than this one is ignored. Default is None.

    Returns
    -------
    result : (matrix, info)
        Covariance of the factors of the free parameters, and information.
    """
    if not isinstance(minuit, NewtonOptimizer):
        templates = _templates_of(function, parameters)
        minuit = NewtonOptimizer(norms_as_they_are(templates), templates.parameters)
    matrix = minuit.covariance
    known = ~minuit.fit.undetermined
    if not np.isfinite(matrix[known][:, known]).all():
        return matrix, {"success": False, "message": minuit.fit.message}
    message = "Hessian inverted successfully."
    if not known.all():
        message += " The norms that are not determined have no errors."
    return matrix, {"success": True, "message": message}


def confidence_newton(parameters, function, parameter, sigma, reoptimize=True):
    """Confidence intervals of the backend "newton" of `~gammapy.modeling.Fit`.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        Parameters.
    function : callable
        Method ``stat_sum`` of the datasets.
    parameter : `~gammapy.modeling.Parameter`
        Free parameter of interest.
    sigma : float
        Number of standard deviations.
    reoptimize : bool, optional
        Whether the other norms are fitted. Default is True.

    Returns
    -------
    result : dict
        Result of `confidence_norm`, in factors.
    """
    templates = _templates_of(function, parameters)
    result = confidence_norm(
        templates,
        fit_norms(templates),
        parameters[parameter],
        sigma=sigma,
        reoptimize=reoptimize,
    )
    for key in ("errp", "errn"):
        # Fit multiplies it by the scale again.
        result[key] /= parameter.scale
    return result


@contextmanager
def reusing_newton(fit, optimize_result):
    """Give the covariance step of a fit what its optimiser found.

    Making the templates a second time would take as long as the fit.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit. Its ``covariance_opts`` are changed for a while.
    optimize_result : `~gammapy.modeling.fit.OptimizeResult` or None
        Result of its optimiser.
    """
    options = fit.covariance_opts
    optimizer = getattr(optimize_result, "minuit", None)
    if options.get("backend", fit.backend) == "newton" and isinstance(
        optimizer, NewtonOptimizer
    ):
        fit.covariance_opts = options | {"minuit": optimizer}
    try:
        yield
    finally:
        fit.covariance_opts = options


def with_newton(register):
    """Register of the backends of `~gammapy.modeling.Fit`, with this one."""
    backends = {
        "optimize": optimize_newton,
        "covariance": covariance_newton,
        "confidence": confidence_newton,
    }
    return {
        task: {**functions, "newton": backends[task]}
        for task, functions in register.items()
    }


def _templates_of(function, parameters):
    from gammapy.datasets import Datasets

    datasets = getattr(function, "__self__", None)
    if not isinstance(datasets, Datasets) or function.__name__ != "stat_sum":
        raise NotLinearError(
            "The backend 'newton' fits the statistic of datasets, so the function must "
            f"be their method stat_sum, not {function!r}."
        )
    return NormTemplates.from_datasets(datasets, list(parameters.free_parameters))


def _factor(parameter, value):
    """Factor of a value that is not rounded to beyond the bounds."""
    factor = float(parameter.transform(value))
    for bound, sign in ((parameter.min, 1), (parameter.max, -1)):
        if value != bound:
            continue
        while sign * (parameter.inverse_transform(factor) - bound) < 0:
            factor = np.nextafter(factor, sign * np.copysign(np.inf, parameter.scale))
    return factor


def _to_factors(covariance, parameters, values):
    """Covariance of the factors from that of the values."""
    slopes = np.array(
        [
            par._inverse_transform_derivative(par.transform(value))
            for par, value in zip(parameters, values, strict=True)
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return covariance / np.outer(slopes, slopes)
