# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The backend "newton" of `~gammapy.modeling.Fit`."""

import numpy as np
from astropy.table import Table
from gammapy.modeling.utils import _parse_datasets
from gammapy.utils.arguments import check_options
from .covariance import Covariance
from .fit_progress import with_progress
from .fit_table import undetermined_names, unique_parameter_names
from .linearity import NotLinearError
from .newton.confidence import confidence_norm
from .newton.minimise import fit_norms, norms_as_they_are
from .newton.templates import NormTemplates

# Results that were pickled earlier have these from here.
from .norm_results import ModelsAtNorms as ModelsAtNorms
from .norm_results import (
    NewtonOptimizer,
    covariance_of_factors,
    make_result,
    warn_undetermined,
)
from .norm_results import NormResults as NormResults
from .smooth_backend import check_form, fit_as_it_is, fit_smooth
from .smooth_profile import confidence_smooth

__all__ = []


def fit_datasets(
    datasets,
    result_class,
    store_trace=False,
    backend=None,
    *,
    n_jobs=1,
    parallel_backend=None,
    **kwargs,
):
    """Fit the free parameters of datasets: norms alone, or shapes and spectra, too.

    The statistic comes from the templates: `Datasets.stat_sum` would take as long as
    the fit.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets. Their parameters are set to the best fit.
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    store_trace : bool, optional
        Whether to keep the statistic and norms of each step. Default is False.
    backend : str, optional
        Not used.
    n_jobs : int, optional
        Number of processes for fits of shapes. Default is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. Default is that of `gammapy.utils.parallel`.
    **kwargs : dict
        Option ``max_iter`` of `fit_norms`.

    Returns
    -------
    result : `~gammapy.modeling.OptimizeResult`
        Result.

    Raises
    ------
    NotLinearError
        If the model is not linear in its free parameters, nor of the form of
        `~gammapy.modeling.why_not_smooth`; it says why.
    """
    from gammapy.modeling.models.copies import copy_models

    check_options("The backend 'newton'", kwargs, ["max_iter"])
    datasets, parameters = _parse_datasets(datasets)
    parameters.check_limits()
    free = list(parameters.free_parameters)
    if not free:
        raise ValueError("No free parameters for fitting")
    is_linear = not check_form(datasets, free)
    parameters.autoscale()
    if is_linear:
        templates = NormTemplates.from_datasets(datasets, free)
        fit = fit_norms(templates, store_trace=store_trace, **kwargs)
        used = fit.templates.used_bins(fit.values)
    else:
        with datasets._spread(n_jobs, parallel_backend) as shared:
            fit = fit_smooth(shared, parameters.free_parameters, **kwargs)
        used = None
    for par, value in zip(free, fit.values, strict=True):
        par.factor = _factor(par, value)
    models = datasets.models
    names = unique_parameter_names(models)
    warn_undetermined(undetermined_names(fit, free, names))
    steps = fit.trace if store_trace else []
    trace = Table(_trace(steps, [names[id(par)] for par in free]))
    models = copy_models(models)
    return make_result(result_class, models, fit, free, names, trace, used)


def _trace(steps, names):
    return [
        {"total_stat": stat, **dict(zip(names, norms, strict=True))}
        for stat, norms in steps
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
    factors = [_factor(par, value) for par, value in zip(free, fit.values, strict=True)]
    info = {
        "success": fit.success,
        "message": fit.message,
        "nfev": fit.nfev,
        "trace": _trace(fit.trace, [f"par-{idx}" for idx in range(len(free))]),
    }
    return factors, info, NewtonOptimizer(fit, covariance_of_factors(fit, free))


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
        minuit = _as_it_is(function, parameters)
    return minuit.covariance, _covariance_info(minuit.fit, minuit.covariance)


def _covariance_info(fit, matrix):
    """Whether the norms that are determined have errors, and what to say of them."""
    known = ~fit.undetermined
    if not np.isfinite(matrix[known][:, known]).all():
        return {"success": False, "message": fit.message}
    message = "Hessian inverted successfully."
    if not known.all():
        message += " The norms that are not determined have no errors."
    return {"success": True, "message": message}


def covariance_from_result(
    datasets, optimize_result, result_class, method, backend=None, **options
):
    """Covariance step of `~gammapy.modeling.Fit` with what its optimiser found.

    Making the templates a second time would take as long as the fit.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets. Their models are given the covariance.
    optimize_result : `~gammapy.modeling.OptimizeResult`
        Result of a norm fit, whose models are given the covariance, too.
    result_class : type
        `~gammapy.modeling.CovarianceResult`.
    method : str
        Name of the method.
    backend : str, optional
        Not used.
    **options : dict
        There are none.

    Returns
    -------
    result : `~gammapy.modeling.CovarianceResult`
        Result.
    """
    for name in options:
        raise TypeError(
            f"covariance_opts: the backend 'newton' has no option {name!r}."
        )
    models = _parse_datasets(datasets)[0].models
    factors = optimize_result.factor_covariance
    matrix = Covariance.from_factor_matrix(models.parameters, factors)
    models.covariance = matrix
    optimize_result.models.covariance = matrix.data.copy()
    info = _covariance_info(optimize_result.norm_fit, factors)
    return result_class(backend="newton", method=method, matrix=matrix.data, **info)


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
        Whether the others are fitted. Default is True.

    Returns
    -------
    result : dict
        Result of `confidence_norm` or `confidence_smooth`, in factors.
    """
    datasets, parameter = _datasets_of(function), parameters[parameter]
    free = list(parameters.free_parameters)
    options = {"sigma": sigma, "reoptimize": reoptimize}
    if check_form(datasets, free):
        result = confidence_smooth(datasets, free, parameter, **options)
    else:
        templates = datasets.norm_templates(free)
        fit = fit_norms(templates)
        result = confidence_norm(templates, fit, parameter, **options)
    for key in ("errp", "errn"):
        # Fit multiplies it by the scale again.
        result[key] /= parameter.scale
    return result


def with_newton(register):
    """Register of the backends of `~gammapy.modeling.Fit`, with this one.

    Optimisers show how far they are.
    """
    backends = {
        "optimize": optimize_newton,
        "covariance": covariance_newton,
        "confidence": confidence_newton,
    }
    shown = {
        name: with_progress(optimize) for name, optimize in register["optimize"].items()
    }
    return {
        task: {**functions, "newton": backends[task]}
        for task, functions in (register | {"optimize": shown}).items()
    }


def _as_it_is(function, parameters):
    """Covariance at the present values."""
    free = parameters.free_parameters
    datasets = _datasets_of(function)
    if check_form(datasets, list(free)):
        fit = fit_as_it_is(datasets, free)
    else:
        fit = norms_as_they_are(datasets.norm_templates(list(free)))
    return NewtonOptimizer(fit, covariance_of_factors(fit, list(free)))


def _templates_of(function, parameters):
    datasets = _datasets_of(function)
    return datasets.norm_templates(list(parameters.free_parameters))


def _datasets_of(function):
    datasets = getattr(function, "__self__", None)
    if not hasattr(datasets, "norm_templates") or function.__name__ != "stat_sum":
        raise NotLinearError(
            "The backend 'newton' fits the statistic of datasets, so the function must "
            f"be their method stat_sum, not {function!r}."
        )
    return datasets


def _factor(parameter, value):
    """Factor of a value that is not rounded to beyond the bounds."""
    factor = float(parameter.transform(value))
    for bound, sign in ((parameter.min, 1), (parameter.max, -1)):
        if value != bound:
            continue
        while sign * (parameter.inverse_transform(factor) - bound) < 0:
            factor = np.nextafter(factor, sign * np.copysign(np.inf, parameter.scale))
    return factor
