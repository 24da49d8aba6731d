# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minuit on the statistic with derivatives, if no backend is set."""

import logging
import numpy as np
from astropy.table import Table
from .covariance import Covariance
from .fit_progress import fit_progress
from .fit_table import undetermined_names, unique_parameter_names
from .norm_results import covariance_of_factors, warn_undetermined
from .smooth.guard import DIFFERENCE, judge
from .smooth.held import Held
from .smooth.minimise import Minimiser
from .smooth_backend import (
    EDM_MINUIT,
    N_LOOKUPS,
    FastStatistic,
    check_model,
    fit_as_it_is,
    run_minuit,
    wrapped,
)

__all__ = []

log = logging.getLogger(__name__)

# Far from the minimum the precision of the convolution, a float32, matters more.
DIFFERENCE_AT_START = 1e-2

#: Message of a covariance, as Minuit has it.
HESSE = "Hesse terminated successfully."
NOT_ALL = "The parameters that are not determined have no errors."


class NotExactError(ValueError):
    """The statistic with derivatives is not that of the datasets."""


def optimize_fast(datasets, result_class):
    """Optimise with Minuit as `~gammapy.modeling.Fit` does, on the fast statistic.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which `~gammapy.modeling.why_not_smooth` has no reason. Their
        parameters are set to the best fit.
    result_class : type
        `~gammapy.modeling.OptimizeResult`.

    Returns
    -------
    result : `~gammapy.modeling.OptimizeResult`
        Result of Minuit, with the covariance of the exact Hessian.

    Raises
    ------
    NotExactError
        If the statistic of the datasets is another one, before or after the fit. The
        parameters are as before then.
    """
    parameters = datasets.parameters
    parameters.check_limits()
    before = [(par, vars(par).copy()) for par in parameters]
    try:
        with fit_progress() as progress:
            return _optimize(datasets, parameters, result_class, progress)
    except BaseException as error:
        for par, state in before:
            vars(par).update(state)
        # Also what could not be drawn or set up is left to the evaluators.
        if isinstance(error, (ArithmeticError, ValueError)):
            raise NotExactError(str(error)) from error
        raise


def _optimize(datasets, parameters, result_class, progress):
    free = list(parameters.free_parameters)
    nfev, may_step = 0, True
    for _number in range(N_LOOKUPS):
        statistic = datasets._smooth_statistic(free)
        _check_exact(statistic, datasets.stat_sum())
        problem = Held(statistic)
        if len(problem.held) == len(free):
            raise NotExactError("no used bin depends on any free parameter")
        function = FastStatistic(datasets, statistic, progress)
        info, minuit = run_minuit(parameters, problem.held, function)
        nfev += info["nfev"]
        stat_sum = datasets.stat_sum()
        # A source that left its cutout has other responses from now on.
        is_exact = abs(statistic.stat() - stat_sum) < DIFFERENCE
        if not is_exact or statistic.is_outgrown():
            continue
        judgement = _judge(problem, stat_sum)
        is_minimum = judgement.edm < EDM_MINUIT or judgement.is_flat
        if is_minimum or problem.is_hard.any() or not may_step:
            break
        # Minuit takes a kink, where finer pixels are drawn, for a minimum.
        may_step = False
        minimum = Minimiser(problem, problem.values).run()
        problem.set(wrapped(minimum.values, problem))
        nfev += minimum.nfev
        left = f"{judgement.edm:.2g}"
        log.debug(f"Minuit stopped {left} above the minimum and begins again.")
    else:
        raise NotExactError("a source keeps moving or growing out of its cutout")
    parameters.check_limits()
    info |= {"nfev": nfev, "trace": Table(), "total_stat": stat_sum}
    result = result_class(
        models=datasets.models.copy(),
        backend="minuit",
        method="migrad",
        minuit=minuit,
        **info,
    )
    fit = problem.result(judgement, stat_sum)
    names = unique_parameter_names(datasets.models)
    result._undetermined = undetermined_names(fit, free, names)
    warn_undetermined([names[id(par)] for par in problem.held])
    if judgement.is_flat:
        reason = judgement.reasons[0]
        log.warning(f"{reason[0].upper()}{reason[1:]}.")
    if judgement.is_flat or _has_errors(fit):
        result._factor_covariance = covariance_of_factors(fit, free)
    return result


def _check_exact(statistic, stat_sum):
    if np.isnan(statistic.stat()):
        try:
            check_model(statistic)
        except ValueError as error:
            # Minuit goes on, but it will not get far.
            log.warning(str(error))
    stat = statistic.stat()
    if not abs(stat - stat_sum) < DIFFERENCE_AT_START:
        raise NotExactError(
            f"the statistic of the datasets is {stat_sum:.4f}, not {stat:.4f}"
        )


def _judge(problem, stat_sum):
    """What the derivatives say of the point where Minuit stopped."""
    values = problem.values
    with np.errstate(all="ignore"):
        found = problem.derivatives(values, second=True)
    at = _at_bounds(values, found, problem.bounds)
    return judge(problem, at, found, stat_sum)


def _at_bounds(values, found, bounds):
    """Values, those at a bound that a step would leave and Minuit only comes near."""
    with np.errstate(all="ignore"):
        step = -found.gradient / np.diag(found.hessian)
    at = values.copy()
    for bound, sign in zip(bounds, (-1, 1), strict=True):
        distance = sign * (bound - values)
        left = abs(found.gradient) * distance
        beyond = (sign * step > distance) & (left < DIFFERENCE)
        at[beyond] = bound[beyond]
    return at


def _has_errors(fit):
    """Whether the Hessian gives an error to any parameter."""
    return bool(np.any(np.diag(fit.covariance) > 0))


def covariance_fast(datasets, optimize_result, result_class):
    """Covariance step of `~gammapy.modeling.Fit` from the exact Hessian.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets at the best fit. Their models are given the covariance.
    optimize_result : `~gammapy.modeling.OptimizeResult` or None
        Result of `optimize_fast`, whose models are given it, too.
    result_class : type
        `~gammapy.modeling.CovarianceResult`.

    Returns
    -------
    result : `~gammapy.modeling.CovarianceResult` or None
        None where the Hessian gives no errors.
    """
    if optimize_result is not None:
        factors = optimize_result.factor_covariance
    else:
        free = datasets.parameters.free_parameters
        fit = fit_as_it_is(datasets, free)
        if not _has_errors(fit):
            return None
        factors = covariance_of_factors(fit, list(free))
    models = datasets.models
    matrix = Covariance.from_factor_matrix(models.parameters, factors)
    models.covariance = matrix
    if optimize_result is not None:
        optimize_result.models.covariance = matrix.data.copy()
    return result_class(
        backend="minuit",
        method="hesse",
        success=True,
        message=HESSE if np.isfinite(factors).all() else f"{HESSE} {NOT_ALL}",
        matrix=matrix.data,
    )
