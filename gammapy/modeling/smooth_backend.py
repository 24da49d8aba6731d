# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of shapes and spectra by the backend "newton" of `~gammapy.modeling.Fit`."""

import logging
import numpy as np
from .fit_progress import fit_progress
from .iminuit import optimize_iminuit
from .linearity import NotLinearError
from .parameter import Parameters
from .smooth.beyond import search_beyond_kinks
from .smooth.guard import DIFFERENCE, EDM, judge
from .smooth.held import Held
from .smooth.minimise import Minimiser
from .smooth.search import search_nearby
from .utils import set_values

__all__ = []

log = logging.getLogger(__name__)

# How often the responses are looked up again because a source moved far.
N_LOOKUPS = 4

# What Minuit leaves is not the exact minimum: its own limit is 2e-4 for a tolerance
# of 0.1 and an error definition of 1.
EDM_MINUIT = 1e-2

# Steps that show whether Minuit has stopped in a valley.
N_STEPS_AFTER = 8

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
    return SmoothFitter(datasets, parameters, max_iter=max_iter).fit()


class SmoothFitter:
    """Fits the same parameters from several starts.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which `why_not_smooth` has no reason.
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters, each one once.
    held : list of `~gammapy.modeling.Parameter`, optional
        Those among them that are not fitted but set from outside. Default is none.
    max_iter : int, optional
        Largest number of steps. Default is 60.
    """

    def __init__(self, datasets, parameters, *, held=(), max_iter=60):
        self.datasets = datasets
        self.parameters = Parameters(list(parameters))
        held = {id(par) for par in held}
        self.is_held = np.array([id(par) in held for par in self.parameters])
        self.max_iter = max_iter
        self.statistic = None
        # Whoever makes many fits of spectra may compare with the datasets less often.
        self.is_checked = True

    def fit(self):
        """Fit from the present values, to which the parameters are set.

        Returns
        -------
        fit : `SmoothFit`
            Result for all parameters; those that are held have no error.

        Raises
        ------
        ValueError
            If the data or the model at the start are not numbers.
        """
        before = [par.value for par in self.parameters]
        try:
            with fit_progress() as progress:
                return self._fit(before, progress)
        except BaseException:
            # An interrupted fit leaves the parameters as they were.
            set_values(self.parameters, before)
            raise

    def _fit(self, before, progress, *, is_again=False):
        _check_start(self.parameters)
        problem, nfev = self._look_up(again=False), 0
        stat_before = self.statistic.stat()
        for number in range(N_LOOKUPS):
            start = problem.values if number else problem.start()
            minimiser = Minimiser(
                problem, start, max_iter=self.max_iter, on_step=progress.step
            )
            minimum = minimiser.run()
            if problem.has_kinks.any() and minimum.derivatives.is_finite:
                minimum = search_beyond_kinks(minimiser, minimum)
            if problem.is_hard.any() and minimum.derivatives.is_finite:
                minimum = search_nearby(minimiser, minimum)
            nfev += minimum.nfev
            values = problem.set(wrapped(minimum.values, problem))
            stat_sum = minimum.derivatives.stat
            if self.is_checked or self.statistic.is_shape.any():
                stat_sum = self.datasets.stat_sum()
            # A source that left its cutout has other responses from now on.
            is_known = abs(stat_sum - minimum.derivatives.stat) < DIFFERENCE
            if is_known and not self.statistic.is_outgrown():
                break
            if number < N_LOOKUPS - 1:
                problem = self._look_up()
        roughness = minimum.roughness
        judgement = judge(
            problem, values, minimum.derivatives, stat_sum, roughness=roughness
        )
        reasons = [minimum.failure] * bool(minimum.failure) + judgement.reasons
        if self.statistic.is_outgrown():
            reasons.append("a source keeps growing out of its cutout")
        if not reasons:
            message = _success(roughness)
            return problem.result(
                judgement, stat_sum, message=message, nfev=nfev, trace=minimum.trace
            )
        log.debug(f"Newton's method stopped, Minuit goes on: {'; '.join(reasons)}")
        fit = self._go_on(problem, stat_sum, reasons, nfev, minimum, progress)
        if not fit.success and self.statistic.is_outgrown() and not is_again:
            # Minuit left the cutout; the fit goes on from there.
            return self._fit(before, progress, is_again=True)
        if not fit.success and not fit.stat < stat_before:
            set_values(self.parameters, before)
            fit.values = np.array(before)
            fit.stat = self.datasets.stat_sum()
            fit.message += "; the values of the start are back"
        return fit

    def _look_up(self, *, again=True):
        """What is to be minimised, with the responses where the sources are now."""
        if again or self.statistic is None or self.statistic.is_outgrown():
            self.statistic = self.datasets._smooth_statistic(self.parameters)
            check_model(self.statistic)
        return Held(self.statistic, self.is_held)

    def _go_on(self, problem, stat_sum, reasons, nfev, minimum, progress):
        """Let Minuit go on, and judge where it ends."""
        stopped = f"Newton's method stopped ({'; '.join(reasons)}) and Minuit went on"
        is_exact = abs(stat_sum - minimum.derivatives.stat) < DIFFERENCE
        function = self.datasets.stat_sum
        if is_exact:
            function = FastStatistic(self.datasets, self.statistic, progress)
        try:
            info = run_minuit(self.parameters, problem.held, function)[0]
            stat_minuit = self.datasets.stat_sum()
        except (ArithmeticError, ValueError) as error:
            # Far from any minimum, some shapes cannot be drawn.
            info = {"nfev": 0, "message": str(error)}
            stat_minuit = np.nan
        if not stat_minuit <= stat_sum + DIFFERENCE:
            # It has lost its way: the better point is kept.
            problem.set(wrapped(minimum.values, problem))
            stat_minuit = self.datasets.stat_sum()
            info["success"] = False
        values = problem.values
        found = problem.derivatives(values, second=True)
        judgement = judge(problem, values, found, stat_minuit)
        self.datasets.stat_sum()
        problems = [] if info["success"] else [f"Minuit: {info['message']}"]
        if judgement.is_flat or not judgement.edm < EDM_MINUIT:
            problems += judgement.reasons
        if self.statistic.is_outgrown():
            problems.append("a source has grown out of its cutout; fit again")
        if not problems and self._still_falls(problem, values, found.stat):
            problems.append("the statistic still falls along a valley")
        success = not problems
        end = f". {_success(minimum.roughness)}" if success else f": {problems[0]}"
        return problem.result(
            judgement,
            stat_minuit,
            success=success,
            message=stopped + end,
            nfev=nfev + info["nfev"],
            trace=minimum.trace,
        )

    def _still_falls(self, problem, values, stat):
        """Whether a few more steps find a lower statistic: valleys bend."""
        minimiser = Minimiser(problem, values, max_iter=N_STEPS_AFTER)
        minimiser.run()
        problem.set(values)
        return minimiser.stat < stat - EDM_MINUIT


class FastStatistic:
    """Statistic of datasets for an optimiser, from their terms.

    With negative components, of which Minuit tries some, it is `Datasets.stat_sum`.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    statistic : `~gammapy.datasets.shape_terms.SmoothStatistic`
        Their statistic with derivatives.
    progress : `~gammapy.modeling.fit_progress.FitProgress`
        Is notified of each evaluation.
    """

    def __init__(self, datasets, statistic, progress):
        self.datasets = datasets
        self.statistic = statistic
        self.progress = progress

    def __call__(self):
        """Statistic at the present values."""
        with np.errstate(all="ignore"):
            stat = self.statistic.stat()
        if not (self.statistic.is_positive and np.isfinite(stat)):
            stat = self.datasets.stat_sum()
        self.progress.step(stat)
        return stat


def run_minuit(parameters, held, function):
    """Minimise a statistic of parameters with Minuit, some of them held.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        Parameters. They are set to the best values.
    held : list of `~gammapy.modeling.Parameter`
        Those of them that stay as they are.
    function : callable
        Statistic at their values.

    Returns
    -------
    info, minuit : tuple
        Information on the fit, and the Minuit object.
    """
    were_frozen = [par.frozen for par in held]
    for par in held:
        par.frozen = True
    try:
        parameters.autoscale()
        factors, info, minuit = optimize_iminuit(parameters, function)
        parameters.set_parameter_factors(factors)
    finally:
        for par, frozen in zip(held, were_frozen, strict=True):
            par.frozen = frozen
    return info, minuit


def fit_as_it_is(datasets, parameters):
    """Result without a fit, for the covariance at the values of the parameters.

    Parameters are as for `fit_smooth`; nothing is changed.
    """
    problem = Held(datasets._smooth_statistic(parameters))
    values, stat_sum = problem.values, datasets.stat_sum()
    judgement = judge(
        problem, values, problem.derivatives(values, second=True), stat_sum
    )
    reasons = judgement.reasons
    message = f"No minimum: {'; '.join(reasons)}" if reasons else SUCCESS
    return problem.result(judgement, stat_sum, success=not reasons, message=message)


def check_model(statistic):
    """Raise a ValueError that names what is not a number at the start."""
    if not np.isfinite(statistic.stat()):
        broken = statistic.broken()
        problem = f"{broken!r} is not a number" if broken else "has counts below 0"
        raise ValueError(
            f"The model {problem} at the start; set its parameters to other values."
        )


def _success(roughness):
    """Message of a success, with the size of jumps where there are any."""
    return f"{SUCCESS} {JUMPS.format(roughness)}" if roughness > EDM else SUCCESS


def _check_start(parameters):
    for par in parameters:
        if not np.isfinite(par.value):
            raise ValueError(f"{par.name!r} cannot be {par.value}; set a number.")


def wrapped(values, statistic):
    """Angles between their bounds, where whole periods are between these."""
    low, high = statistic.bounds
    periods = statistic.periods
    is_outside = np.isfinite(periods) & ((values < low) | (values > high))
    wrapped = values.copy()
    first, period = low[is_outside], periods[is_outside]
    wrapped[is_outside] = first + (values[is_outside] - first) % period
    return wrapped
