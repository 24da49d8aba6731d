# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Asymmetric errors of norms, see `gammapy.modeling.newton`."""

import numpy as np
from gammapy.utils.arguments import (
    check_bool,
    check_choice,
    check_number,
    check_type,
)
from .minimise import Problem, no_norm
from .result import NormFit
from .statistic import Statistic
from .templates import NormTemplates

__all__ = []

UPPER, LOWER = ("errp", 1), ("errn", -1)

#: Part of the rise by which that at an end may be off.
RISE = 1e-6

#: Keys and signs of the ends of a confidence interval.
ENDS = {"both": (UPPER, LOWER), "upper": (UPPER,), "lower": (LOWER,)}


def confidence_norm(
    templates, fit, parameter, *, sigma=1, reoptimize=True, ends="both"
):
    r"""Asymmetric errors of a norm from the profile of the statistic, as by MINOS.

    The statistic :math:`P(x)`, minimised over all other norms with the norm at
    :math:`x`, is followed to where it has risen by :math:`\sigma^2` [1]_, by Newton's
    method: its derivative is the gradient of the statistic at that minimum.

    Parameters
    ----------
    templates : `~gammapy.modeling.templates.NormTemplates`
        Templates.
    fit : `NormFit`
        Fit of all norms.
    parameter : `~gammapy.modeling.Parameter`
        The norm.
    sigma : float, optional
        Number of standard deviations. Default is 1.
    reoptimize : bool, optional
        Whether the other norms are fitted or fixed. Default is True.
    ends : {"both", "upper", "lower"}, optional
        Which ends of the interval to find. Default is "both".

    Returns
    -------
    result : dict
        "errp", "errn" (in the unit of the parameter), "success", "message", "nfev". If
        the fit statistic does not rise enough before a bound, or the norm is not
        determined, the end is NaN, and the message gives the reason. "beyond_bound" has
        the keys of the ends beyond a bound.

    Raises
    ------
    ValueError
        If the parameter is not a norm of the templates, sigma is not above 0, or
        ``ends`` is not valid.
    TypeError
        If an argument is of the wrong kind.

    References
    ----------
    .. [1] James & Roos (1975), Computer Physics Communications 10, 343

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> from gammapy.modeling.newton import confidence_norm, fit_norms
    >>> from gammapy.modeling.templates import NormTemplates
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> templates = NormTemplates.from_datasets(Datasets([dataset]))
    >>> norm = templates.parameters[0]
    >>> interval = confidence_norm(templates, fit_norms(templates), norm)
    >>> print(f"+{interval['errp']:.3f} -{interval['errn']:.3f}")
    +0.182 -0.165
    """
    check_type("templates", templates, NormTemplates, "NormTemplates")
    check_type("fit", fit, NormFit, "a NormFit, as fit_norms gives it")
    check_number("sigma", sigma, above=0)
    reoptimize = check_bool("reoptimize", reoptimize)
    check_choice("ends", ends, ENDS)
    index = _index(templates, parameter)
    result = {"success": True, "message": "Confidence terminated successfully."}
    result["beyond_bound"] = []
    nfev = 0
    for key, sign in ENDS[ends]:
        profile = _Profile(templates, fit, index, sigma, reoptimize)
        result[key], problem = profile.crossing(sign)
        templates = profile.templates
        nfev += profile.nfev
        if profile.is_beyond_bound:
            result["beyond_bound"].append(key)
        if problem:
            result |= {"success": False, "message": problem}
    return result | {"nfev": nfev}


def _index(templates, parameter):
    for idx, par in enumerate(templates.parameters):
        if par is parameter:
            return idx
    raise no_norm("parameter", templates, parameter)


class _Profile:
    """Rise of the statistic along a norm above its minimum, less what is wanted."""

    def __init__(self, templates, fit, index, sigma, reoptimize):
        self.templates = templates
        self.fit = fit
        self.index = index
        self.rise = sigma**2
        self.reoptimize = reoptimize
        self.nfev = 0
        self.norms = fit.values
        self.failure = ""
        self.is_beyond_bound = False
        self.statistic = self.minimum = None

    def __call__(self, value):
        """Rise, its derivative, and its second derivative where that costs nothing."""
        if not self.reoptimize or self.templates.n_norms == 1:
            return self._rise_of(value)
        low, high = self.templates.minima.copy(), self.templates.maxima.copy()
        low[self.index] = high[self.index] = value
        covariance = self.fit.covariance[self.index]
        change = covariance / covariance[self.index]
        start = self.norms + np.nan_to_num(change) * (value - self.norms[self.index])
        start[self.index] = value
        # The other norms start where the covariance says that they go.
        problem = Problem(self.templates, start, low, high, 200, False)
        problem.minimise()
        # What this one followed need not be looked for again.
        self.templates = problem.templates
        statistic = problem.statistic
        self.failure = problem.failure
        if problem.impossible.size:
            self.nfev += statistic.n_calls
            return np.inf, np.nan, 0.0
        self.norms = problem.best.norms
        statistic.rounding = 0.0
        minimum = statistic.point(self.fit.values)
        rise = statistic.difference(problem.best, minimum) - self.rise
        self.nfev += statistic.n_calls
        self.templates = statistic.templates
        return rise, statistic.derivatives(problem.best)[0][self.index], 0.0

    def _rise_of(self, value):
        """Rise and its derivatives when nothing is fitted."""
        if self.statistic is None:
            self.statistic = Statistic(self.templates)
            self.minimum = self.statistic.point(self.fit.values)
        norms = self.fit.values.copy()
        norms[self.index] = value
        point = self.statistic.point(norms)
        self.templates = self.statistic.templates
        self.nfev += 1
        if self.statistic.without_model(point).size:
            return np.inf, np.nan, 0.0
        rise = self.statistic.difference(point, self.minimum) - self.rise
        gradient, hessian = self.statistic.derivatives(point)
        return rise, gradient[self.index], hessian[self.index, self.index]

    def crossing(self, sign):
        """Distance to where it is zero, and what is wrong with it."""
        best, name = self.fit.values[self.index], self.templates.names[self.index]
        bounds = self.templates.minima, self.templates.maxima
        bound = abs(bounds[int(sign > 0)][self.index] - best)
        error = self.fit.errors[self.index]
        if not (error > 0 and np.isfinite(self.fit.stat)):
            return np.nan, f"The fit has no error of {name} to start from."
        # The end is between both distances, once one with a higher rise was seen.
        inner, outer, is_between = 0.0, bound, False
        distance = min(np.sqrt(self.rise) * error, bound)
        widths, rises = [], []
        for _number in range(200):
            rise, slope, curvature = self(best + sign * distance)
            if abs(rise) < 1e-9 * self.rise and not self.failure:
                return distance, ""
            if rise < 0 and distance >= bound:
                self.is_beyond_bound = True
                return np.nan, self._why_bound(sign)
            if rise < 0:
                inner = distance
            else:
                outer, is_between = distance, True
            widths.append(outer - inner)
            rises.append(abs(rise))
            if widths[-1] < 1e-12 * outer:
                return self._checked(distance, rise)
            slope *= sign
            distance = distance + _step(rise, slope, curvature)
            # Newton's step, or half the interval where that leaves it or is slow.
            is_slow = len(widths) > 3 and widths[-1] > 0.5 * widths[-4]
            # From one side, it comes nearer though the interval stays as it is.
            is_slow = is_slow and rises[-1] > 0.1 * rises[-2]
            if not is_between:
                if not inner < distance < outer:
                    distance = min(2 * inner, bound)
            elif is_slow or not inner < distance < outer:
                distance = (inner + outer) / 2
            if not np.isfinite(distance):
                break
        return np.nan, f"The statistic does not rise enough along {name}."

    def _checked(self, distance, rise):
        """The end of an interval, NaN when the statistic is not there what it says."""
        if abs(rise) < RISE * self.rise and not self.failure:
            return distance, ""
        name = self.templates.names[self.index]
        why = self.failure or f"The statistic jumps along {name}."
        return np.nan, f"No end where it has risen by {self.rise:.4g}. {why}"

    def _why_bound(self, sign):
        t, end = self.templates, "max" if sign > 0 else "min"
        bound = (t.maxima if sign > 0 else t.minima)[self.index]
        return (
            f"The statistic does not rise by {self.rise:.4g} before the bound of "
            f"{t.names[self.index]}: {end} is {bound:.4g}."
        )


def _step(rise, slope, curvature):
    """Step to where a parabola is 0, infinite when it falls.

    Without a curvature it is that of Newton's method.
    """
    if not slope > 0:
        return np.inf
    below = slope**2 - 2 * rise * curvature
    return -2 * rise / (slope + np.sqrt(below)) if below > 0 else -rise / slope
