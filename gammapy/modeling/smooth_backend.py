# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of shapes and spectra by the backend "newton" of `~gammapy.modeling.Fit`."""

import logging
from dataclasses import dataclass
import numpy as np
from .iminuit import optimize_iminuit
from .linearity import NotLinearError
from .newton.result import NormFit
from .smooth.guard import DIFFERENCE, EDM, judge
from .smooth.minimise import Minimiser
from .smooth.search import search_nearby

__all__ = []

log = logging.getLogger(__name__)

# How often the responses are looked up again because a source moved far.
N_LOOKUPS = 4

# What Minuit leaves is not the exact minimum: its own limit is 2e-4 for a tolerance
# of 0.1 and an error definition of 1.
EDM_MINUIT = 1e-2

SUCCESS = "Optimization terminated successfully."

JUMPS = (
    "The statistic jumps by up to {:.2g} where hard edges of shapes pass pixels; this "
    "is the lowest point found nearby."
)


def check_form(datasets, parameters):
    """Check that the backend "newton" can fit datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.

    Returns
    -------
    reason : str
        Why this is no fit of norms alone; empty when it is one.

    Raises
    ------
    NotLinearError
        If it is neither that nor one that `fit_smooth` takes.
    """
    linear = datasets.why_not_linear(parameters)
    smooth = linear and datasets._why_not_smooth(parameters)
    if smooth:
        also = "" if smooth == linear else f"; nor can shapes be fitted: {smooth}"
        raise NotLinearError(f"Not linear in norms: {linear}{also}.")
    return linear


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


def fit_smooth(datasets, parameters, *, max_iter=60):
    """Fit free shapes, spectra and backgrounds.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which `why_not_smooth` has no reason.
    parameters : `~gammapy.modeling.Parameters`
        Free parameters. They are set to the best fit.
    max_iter : int, optional
        Largest number of steps. Default is 60.

    Returns
    -------
    fit : `SmoothFit`
        Result.

    Raises
    ------
    ValueError
        If the data or the model at the start are not numbers.
    """
    before = [par.value for par in parameters]
    try:
        return _fit(datasets, parameters, max_iter)
    except BaseException:
        # An interrupted fit leaves the parameters as they were.
        for par, value in zip(parameters, before, strict=True):
            par.value = value
        raise


def _fit(datasets, parameters, max_iter):
    _check_start(parameters)
    before, stat_before = [par.value for par in parameters], datasets.stat_sum()
    nfev = 0
    for number in range(N_LOOKUPS):
        statistic = datasets._smooth_statistic(parameters)
        if not np.isfinite(statistic.stat()):
            broken = statistic.broken()
            problem = f"{broken!r} is not a number" if broken else "has counts below 0"
            raise ValueError(
                f"The model {problem} at the start; set its parameters to other values."
            )
        start = statistic.start() if number == 0 else statistic.values
        minimiser = Minimiser(statistic, start, max_iter=max_iter)
        minimum = minimiser.run()
        if statistic.is_hard.any():
            minimum = search_nearby(minimiser, minimum)
        nfev += minimum.nfev
        values = _set(parameters, _wrapped(minimum.values, statistic))
        stat_sum = datasets.stat_sum()
        # A source that left its cutout has other responses from now on.
        is_known = abs(stat_sum - minimum.derivatives.stat) < DIFFERENCE
        if is_known and not statistic.is_outgrown():
            break
    judgement = judge(
        statistic,
        values,
        minimum.derivatives,
        stat_sum,
        roughness=minimum.roughness,
    )
    reasons = [failure for failure in [minimum.failure] if failure] + judgement.reasons
    if statistic.is_outgrown():
        reasons.append("a source keeps growing out of its cutout")
    if not reasons:
        message = SUCCESS
        if minimum.roughness > EDM:
            message += f" {JUMPS.format(minimum.roughness)}"
        return _result(values, judgement, stat_sum, True, message, nfev, minimum.trace)
    log.debug(f"Newton's method stopped, Minuit goes on: {'; '.join(reasons)}")
    fit = _go_on(datasets, parameters, statistic, stat_sum, reasons, nfev, minimum)
    if not fit.success and not fit.stat < stat_before:
        fit.values = np.array(_set(parameters, before))
        fit.stat = datasets.stat_sum()
        fit.message += "; the values of the start are back"
    return fit


def _go_on(datasets, parameters, statistic, stat_sum, reasons, nfev, minimum):
    """Let Minuit go on, and judge where it ends."""
    stopped = f"Newton's method stopped ({'; '.join(reasons)}) and Minuit went on"
    is_exact = abs(stat_sum - minimum.derivatives.stat) < DIFFERENCE
    function = statistic.stat if is_exact else datasets.stat_sum
    parameters.autoscale()
    try:
        factors, info, _minuit = optimize_iminuit(parameters, function)
        parameters.set_parameter_factors(factors)
        stat_minuit = datasets.stat_sum()
    except (ArithmeticError, ValueError) as error:
        # Far from any minimum, 2.1 fails to draw some shapes.
        info = {"nfev": 0, "message": str(error)}
        stat_minuit = np.nan
    nfev += info["nfev"]
    values = statistic.values
    if not stat_minuit <= stat_sum + DIFFERENCE:
        # It has lost its way: the better point is kept.
        values = _set(parameters, _wrapped(minimum.values, statistic))
        stat_minuit = datasets.stat_sum()
        info["success"] = False
    found = statistic.derivatives(values, second=True)
    judgement = judge(statistic, values, found, stat_minuit)
    datasets.stat_sum()
    problems = [] if info["success"] else [f"Minuit: {info['message']}"]
    if judgement.undetermined.any() or not judgement.edm < EDM_MINUIT:
        problems += judgement.reasons
    if statistic.is_outgrown():
        problems.append("a source has grown out of its cutout; fit again")
    success = not problems
    message = f"{stopped}. {SUCCESS}" if success else f"{stopped}: {problems[0]}"
    return _result(
        values, judgement, stat_minuit, success, message, nfev, minimum.trace
    )


def fit_as_it_is(datasets, parameters):
    """Result without a fit, for the covariance at the values of the parameters.

    Parameters are as for `fit_smooth`; nothing is changed.
    """
    statistic = datasets._smooth_statistic(parameters)
    values, stat_sum = statistic.values, datasets.stat_sum()
    found = statistic.derivatives(values, second=True)
    judgement = judge(statistic, values, found, stat_sum)
    reasons = judgement.reasons
    message = f"No minimum: {'; '.join(reasons)}" if reasons else SUCCESS
    return _result(values, judgement, stat_sum, not reasons, message, 1, [])


def _result(values, judgement, stat, success, message, nfev, trace):
    return SmoothFit(
        values=values,
        covariance=judgement.covariance,
        stat=stat,
        success=success,
        message=message,
        nfev=nfev,
        at_bound=judgement.at_bound,
        undetermined=judgement.undetermined,
        edm=judgement.edm,
        trace=trace,
    )


def _check_start(parameters):
    for par in parameters:
        if not np.isfinite(par.value):
            raise ValueError(f"{par.name!r} cannot be {par.value}; set a number.")


def _wrapped(values, statistic):
    """Angles between their bounds, where whole periods are between these."""
    low, high = statistic.bounds
    periods = statistic.periods
    is_outside = np.isfinite(periods) & ((values < low) | (values > high))
    wrapped = values.copy()
    first, period = low[is_outside], periods[is_outside]
    wrapped[is_outside] = first + (values[is_outside] - first) % period
    return wrapped


def _set(parameters, values):
    for par, value in zip(parameters, values, strict=True):
        par.value = value
    return values
