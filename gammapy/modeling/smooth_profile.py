# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Profiles of the statistic of shapes and spectra: intervals and contours."""

import numpy as np
from .newton.result import describe_undetermined
from .smooth.crossing import find_crossing
from .smooth.guard import DIFFERENCE
from .smooth_backend import SmoothFitter

__all__ = []

#: Precision of an end, in units of the error.
PRECISION = 1e-4

#: Part of the rise by which that at an end may be off.
RISE = 2e-3

# Fits on the way to an end.
N_STEPS = 40

UPPER, LOWER = ("errp", 1), ("errn", -1)


class NoEndError(ValueError):
    """There is no end; ``is_beyond_bound`` says whether a bound is in the way."""

    def __init__(self, message, is_beyond_bound=False):
        super().__init__(message)
        self.is_beyond_bound = is_beyond_bound


class SmoothProfile:
    """Statistic minimised over all free parameters but some, above its minimum.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which `~gammapy.modeling.why_not_smooth` has no reason. A fit is
        made first. The methods set their parameters.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.
    along : list of `~gammapy.modeling.Parameter`
        Those among them of which it is a function.
    reoptimize : bool, optional
        Whether the others are fitted, or stay as they are. Default is True.
    """

    def __init__(self, datasets, parameters, along, *, reoptimize=True):
        self.datasets = datasets
        self.along = along
        self.fitter = SmoothFitter(datasets, parameters, held=along)
        self.reoptimize = reoptimize and len(parameters) > len(along)
        index = {id(par): idx for idx, par in enumerate(self.fitter.parameters)}
        self.idx = [index[id(par)] for par in along]
        best = SmoothFitter(datasets, parameters)
        self.best = best.fit()
        self.fitter.statistic = best.statistic
        self.fitter.is_checked = False
        self.nfev = self.best.nfev
        self._known = [self.best.values]

    @property
    def problem(self):
        """Why there is no profile; empty when there is one."""
        if not self.best.success:
            return f"The fit failed: {self.best.message}"
        unknown = self.best.undetermined[self.idx]
        names = [
            par.name for par, is_it in zip(self.along, unknown, strict=True) if is_it
        ]
        return describe_undetermined(names) if names else ""

    @property
    def values(self):
        """Best values of what it is a function of."""
        return self.best.values[self.idx]

    @property
    def covariance(self):
        """Their covariance."""
        return self.best.covariance[np.ix_(self.idx, self.idx)]

    def rise(self, values):
        """Rise of the statistic above its minimum with the parameters at values."""
        self._start_near(values)
        if not self.reoptimize:
            self.nfev += 1
            return self.datasets.stat_sum() - self.best.stat
        fit = self.fitter.fit()
        self.nfev += fit.nfev
        if not fit.success:
            raise NoEndError(f"The fit at {self._place(values)} failed: {fit.message}")
        rise = fit.stat - self.best.stat
        if rise < -2 * DIFFERENCE:
            raise NoEndError(
                f"The statistic is lower by {-rise:.2g} at {self._place(values)} than "
                "at the best fit; fit again from there."
            )
        self._known.append(fit.values)
        return rise

    def _place(self, values):
        return ", ".join(
            f"{par.name} = {value:.6g}"
            for par, value in zip(self.along, values, strict=True)
        )

    def _start_near(self, values):
        """Set all parameters: the others as they were at the nearest known place."""
        errors = np.sqrt(np.diag(self.covariance))
        places = np.array(self._known)[:, self.idx]
        nearest = np.argmin(np.sum(((places - values) / errors) ** 2, axis=1))
        start = self._known[nearest] if self.reoptimize else self.best.values
        start = start.copy()
        if self.reoptimize:
            start += self._slopes() @ (values - start[self.idx])
        start[self.idx] = values
        for par, value in zip(self.fitter.parameters, start, strict=True):
            low, high = np.nan_to_num([par.min, -par.max], nan=-np.inf) * [1, -1]
            par.value = np.clip(value, low, high)

    def _slopes(self):
        """How the others follow near the best fit, shape (n, n_along)."""
        slopes = self.best.covariance[:, self.idx] @ np.linalg.inv(self.covariance)
        return np.nan_to_num(slopes)

    def crossing(self, direction, level):
        """Distance along a direction at which the statistic has risen by a level.

        Parameters
        ----------
        direction : `~numpy.ndarray`
            Direction, by which the statistic rises by about 1.
        level : float
            Rise.

        Returns
        -------
        distance : float
            Distance, in units of the direction.

        Raises
        ------
        NoEndError
            If there is none, with the reason.
        """

        root = np.sqrt(level)

        def excess(distance):
            """Nearly linear in the distance."""
            rise = self.rise(self.values + distance * direction)
            return np.sqrt(max(rise, 0)) - root

        bound = self._bound(direction)
        distance, value = find_crossing(
            excess, -root, root, bound, precision=PRECISION, n_steps=N_STEPS
        )
        if np.isnan(distance):
            raise NoEndError("The statistic does not rise enough.")
        rise = (value + root) ** 2
        self._check_statistic()
        if abs(rise - level) < RISE * level + DIFFERENCE:
            return distance
        if value < 0 and distance >= bound:
            raise NoEndError(self._why_bound(direction, level), True)
        raise NoEndError(
            f"The statistic jumps where it has risen by {level:.4g}, to {rise:.4g}."
        )

    def _check_statistic(self):
        """Raise an error when the statistic of the datasets is another one."""
        stat, stat_sum = self.fitter.statistic.stat(), self.datasets.stat_sum()
        if not abs(stat - stat_sum) < DIFFERENCE:
            place = self._place([par.value for par in self.along])
            raise NoEndError(
                f"The statistic of the datasets is {stat_sum:.4f} at {place}, not "
                f"{stat:.4f}."
            )

    def _ends(self):
        """Bounds; an angle is unknown when a quarter of its period is not enough."""
        problem = self.fitter.statistic
        low, high = (end[self.idx] for end in problem.bounds)
        reach = problem.periods[self.idx] / 2
        unbound = np.isfinite(reach)
        low = np.where(unbound, self.values - np.nan_to_num(reach), low)
        return low, np.where(unbound, self.values + np.nan_to_num(reach), high)

    def _bound(self, direction):
        """How far the parameters can go along a direction."""
        low, high = self._ends()
        end = np.where(direction > 0, high, low)
        moves = direction != 0
        return np.min((end - self.values)[moves] / direction[moves])

    def _why_bound(self, direction, level):
        low, high = self._ends()
        end = np.where(direction > 0, high, low)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(direction != 0, (end - self.values) / direction, np.inf)
        first = np.argmin(room)
        which = "max" if direction[first] > 0 else "min"
        return (
            f"The statistic does not rise by {level:.4g} before the bound of "
            f"{self.along[first].name!r}: {which} is {end[first]:.4g}."
        )


def confidence_smooth(datasets, parameters, parameter, *, sigma=1, reoptimize=True):
    """Asymmetric errors of a parameter, as by MINOS.

    Parameters
    ----------
    datasets, parameters
        As for `SmoothProfile`.
    parameter : `~gammapy.modeling.Parameter`
        Parameter of interest.
    sigma : float, optional
        Number of standard deviations. Default is 1.
    reoptimize : bool, optional
        Whether the others are fitted. Default is True.

    Returns
    -------
    result : dict
        "errp", "errn" (in the unit of the parameter), "success", "message", "nfev", and
        "beyond_bound" with the keys of ends beyond a bound. An end that is not found is
        NaN, and the message says why.
    """
    profile = SmoothProfile(datasets, parameters, [parameter], reoptimize=reoptimize)
    problem = profile.problem
    result = {"success": not problem, "message": problem, "beyond_bound": []}
    result["message"] = problem or "Confidence terminated successfully."
    error = np.sqrt(profile.covariance[0, 0])
    for key, sign in (UPPER, LOWER):
        result[key] = np.nan
        if problem:
            continue
        try:
            distance = profile.crossing(np.array([sign * error]), sigma**2)
            result[key] = distance * error
        except NoEndError as failure:
            result |= {"success": False, "message": str(failure)}
            if failure.is_beyond_bound:
                result["beyond_bound"].append(key)
    return result | {"nfev": profile.nfev}


def contour_smooth(datasets, parameters, x, y, *, numpoints=10, sigma=1):
    """Where the statistic, minimised over the others, has risen by sigma squared.

    Parameters
    ----------
    datasets, parameters
        As for `SmoothProfile`.
    x, y : `~gammapy.modeling.Parameter`
        Parameters of interest.
    numpoints : int, optional
        Number of points. Default is 10.
    sigma : float, optional
        Number of standard deviations, as for a single parameter. Default is 1.

    Returns
    -------
    result : dict
        "x", "y", shape (numpoints,), around the best fit; NaN where there is no such
        point, and then "success" is False and "message" says why.
    """
    profile = SmoothProfile(datasets, parameters, [x, y])
    points = np.full((numpoints, 2), np.nan)
    message = profile.problem
    if not message:
        root = np.linalg.cholesky(profile.covariance)
        angles = 2 * np.pi * np.arange(numpoints) / numpoints
        for idx, angle in enumerate(angles):
            direction = root @ [np.cos(angle), np.sin(angle)]
            try:
                distance = profile.crossing(direction, sigma**2)
                points[idx] = profile.values + distance * direction
            except NoEndError as failure:
                message = message or str(failure)
    success = bool(np.isfinite(points).all())
    return {"x": points[:, 0], "y": points[:, 1], "success": success} | {
        "message": message
    }
