# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shifts of a result with some parameters changed and all others fitted."""

from dataclasses import dataclass
import numpy as np
from gammapy.modeling.utils import set_values
from gammapy.utils.parallel import run_multiprocessing
from gammapy.utils.pbar import progress_bar
from .refits import make_refits

__all__ = []

#: Fall of the statistic in a fit of all parameters that is said.
FALL = 0.1


@dataclass(frozen=True)
class RefittedShift:
    """Shifts of the result when parameters move up and down, and what went wrong."""

    up: float = np.nan
    down: float = np.nan
    problem: str = ""


@dataclass(frozen=True)
class ImpactRefits:
    """Fits with some parameters moved.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, whose parameters are set: copies.
    target : object
        What is asked, see `gammapy.diagnostics.impact_targets`.
    response : `~gammapy.diagnostics.impact_shifts.Response`
        How it follows the parameters, where fits begin.
    """

    datasets: object
    target: object
    response: object

    def run(self, shifts, *, n_jobs=1, parallel_backend=None):
        """Fit with each of the shifts, up and down.

        Parameters
        ----------
        shifts : list of `~gammapy.diagnostics.impact_shifts.Shift`
            Shifts.
        n_jobs : int, optional
            Number of processes. Default is 1.
        parallel_backend : {"multiprocessing", "ray"}, optional
            What makes them. Default is None, that of `gammapy.utils.parallel`.

        Returns
        -------
        refitted : list of `RefittedShift`
            Shifts of the result.
        notes : list of str
            Notes about the fits.
        """
        if n_jobs == 1 or len(shifts) < 2:
            return self.run_part(shifts)
        # Neighbours take about as long, so that each process gets some of all.
        order = [list(range(len(shifts)))[first::n_jobs] for first in range(n_jobs)]
        parts = [part for part in order if part]
        results = run_multiprocessing(
            self.run_part,
            [([shifts[number] for number in part],) for part in parts],
            backend=parallel_backend,
            pool_kwargs={"processes": n_jobs},
            task_name="Impacts",
        )
        refitted = [None] * len(shifts)
        for part, (found, _notes) in zip(parts, results, strict=True):
            for number, shift in zip(part, found, strict=True):
                refitted[number] = shift
        return refitted, results[0][1]

    def run_part(self, shifts):
        """The same in one process."""
        before = self.datasets.stat_sum()
        refits = make_refits(self.datasets)
        free = list(self.datasets.parameters.free_parameters)
        start = np.array([par.value for par in free])
        best = refits.fit(start)
        if not best.success:
            problem = f"the fit of all parameters failed: {best.message}"
            lost = RefittedShift(problem="no refit")
            return [lost] * len(shifts), [f"There are no refits, because {problem}"]
        fall = before - best.stat
        notes = []
        if fall > FALL:
            notes.append(
                f"The fit is not at a minimum: another fit lowers the statistic by "
                f"{fall:.2g}. Impacts by refit are about that minimum."
            )
        place = _Place(refits, free, best.values, self._value)
        shown = progress_bar(shifts, desc="Impacts")
        return [place.refit(shift, self.response) for shift in shown], notes

    def _value(self, values):
        set_values(list(self.datasets.parameters.free_parameters), values)
        return self.target.value(self.datasets)


class _Place:
    """The best fit, from which parameters are moved."""

    def __init__(self, refits, parameters, values, evaluate):
        self.refits = refits
        self.values = values
        self.evaluate = evaluate
        self.best = evaluate(values)
        self.low, self.high = (
            np.nan_to_num([getattr(par, name) for par in parameters], nan=sign * np.inf)
            for name, sign in (("min", -1), ("max", 1))
        )

    def refit(self, shift, response):
        """Shifts of the result when some parameters move up and down."""
        if not np.isfinite(shift.impact) or not shift.members:
            return RefittedShift()
        followed = response.followed(shift)
        found, problem = [], ""
        for sign in (1, -1):
            moved, what = self._moved(shift, sign * followed)
            found.append(moved)
            problem = problem or what
        return RefittedShift(*found, problem=problem)

    def _moved(self, shift, changes):
        values = self.values + changes
        members = shift.members
        held = values[members]
        if np.any((held < self.low[members]) | (held > self.high[members])):
            return np.nan, "beyond a bound"
        # The others only begin there.
        values = np.clip(values, self.low, self.high)
        if len(members) < len(values):
            fit = self.refits.fit(values, members)
            if not fit.success:
                return np.nan, "a refit failed"
            values = fit.values
        return self.evaluate(values) - self.best, ""
