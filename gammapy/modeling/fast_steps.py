# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fast versions of the steps of a fit without a given backend.

Each of them returns None if the step is to be made by the backends. The choice and its
reason are logged at level DEBUG.
"""

from .automatic import Choice, choose_profile, choose_statistic
from .fit_table import unique_parameter_names
from .newton_backend import confidence_newton
from .smooth_minuit import NotExactError, covariance_fast, optimize_fast
from .smooth_profile import contour_smooth

__all__ = []


def optimize_step(fit, datasets, result_class):
    """Result of Minuit on the statistic with derivatives, or None.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        What was asked for. It keeps the Minuit object.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    """
    choice = choose_statistic(fit, datasets)
    # A backend set by the user is not logged, in scans many times.
    if fit.is_automatic:
        choice.log("optimize")
    if not choice.is_fast:
        return None
    try:
        result = optimize_fast(datasets, result_class)
    except NotExactError as error:
        Choice(choice.backend, reason=f"on stat_sum: {error}").log("optimize")
        return None
    fit._minuit = result.minuit
    return result


def covariance_step(fit, datasets, optimize_result, result_class):
    """Covariance from the exact Hessian, or None; arguments as in `optimize_step`."""
    if getattr(optimize_result, "_factor_covariance", 0) is None:
        return None
    if not choose_statistic(fit, datasets, "covariance").is_fast:
        return None
    return covariance_fast(datasets, optimize_result, result_class)


def confidence_step(fit, datasets, parameter, sigma, reoptimize):
    """Confidence interval by Newton's method, or None; the result is in values."""
    choice = choose_profile(fit, datasets, "confidence")
    choice.log("confidence")
    if choice.backend != "newton" or not fit.is_automatic:
        return None
    parameters = datasets.parameters
    with parameters.restore_status():
        try:
            result = confidence_newton(
                parameters, datasets.stat_sum, parameter, sigma, reoptimize
            )
        except ValueError as error:
            result = {"success": False, "message": str(error)}
    is_known = result["success"] or result.get("beyond_bound")
    if not is_known:
        Choice(fit.step_backend("confidence"), reason=result["message"]).log(
            "confidence"
        )
        return None
    for key in ("errp", "errn"):
        result[key] *= parameter.scale
    return result


def contour_step(fit, datasets, x, y, numpoints, sigma):
    """Contour by Newton's method, or None; a dict as of `Fit.stat_contour`."""
    choice = choose_profile(fit, datasets, norms=False)
    choice.log("stat_contour")
    if choice.backend != "newton":
        return None
    parameters = datasets.parameters
    free = list(parameters.free_parameters)
    with parameters.restore_status():
        result = contour_smooth(datasets, free, x, y, numpoints=numpoints, sigma=sigma)
    if fit.is_automatic and not result["success"]:
        Choice(fit.backend, reason=result["message"]).log("stat_contour")
        return None
    names = unique_parameter_names(datasets.models)
    contour = {names[id(x)]: result["x"], names[id(y)]: result["y"]}
    return contour | {"success": result["success"]}
