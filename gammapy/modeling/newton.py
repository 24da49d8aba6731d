# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Exact maximum of the Cash likelihood over norms, by Newton's method.

With the predicted counts :math:`m_i = F_i + \sum_k \theta_k T_{ki}`, the statistic of
[1]_,

.. math::
    C = 2 \sum_i w_i (m_i - n_i \ln m_i) + \sum_k p_k (\theta_k - \mu_k)^2

is convex in the norms :math:`\theta` while all :math:`m_i` are positive. Its gradient
and its Hessian matrix are

.. math::
    g_k = 2 \sum_i w_i T_{ki} (1 - n_i / m_i) + 2 p_k (\theta_k - \mu_k),\quad
    H_{kl} = 2 \sum_i w_i n_i T_{ki} T_{li} / m_i^2 + 2 p_k \delta_{kl}

Each step minimises the quadratic model inside the bounds with an active set
(algorithm 16.3 in [2]_) and goes along it as far as the statistic falls (algorithm 3.1
there). The covariance is :math:`2 H^{-1}`.

Gammapy counts a bin whose model is not positive as if it were 1e-25. An empty bin thus
bends the statistic where its model gets zero, and the minimum may lie on such a bend.
There, the bend is rounded off within a fraction of the errors, and the fraction made
smaller until it does not matter.

References
----------
.. [1] Cash (1979), ApJ 228, 939
.. [2] Nocedal & Wright (2006), "Numerical Optimization", 2nd edition, Springer
"""

from dataclasses import dataclass, field, replace
import numpy as np
import astropy.units as u
from gammapy.utils.arguments import (
    check_array,
    check_bool,
    check_choice,
    check_integer,
    check_mapping,
    check_number,
    check_type,
    show,
)
from .norm_statistic import Statistic
from .quadratic import minimise_quadratic

__all__ = ["NormFit", "confidence_norm", "fit_norms"]

#: Squared distance to the minimum at which to stop, in squared errors.
TOLERANCE = 1e-12

#: Distance below which a step that does not lower the statistic is rounding.
NOISE = 1e-8

#: Part of the way to where a bin with counts has no model, so that none gets there.
TO_WALL = 0.99

#: Part of the decrease which the gradient promises that a step must reach.
ARMIJO = 1e-4

#: Widths within which bends are rounded off, in errors.
ROUNDINGS = 10.0 ** -np.arange(2, 9, 2)

#: Distance from a bound at which slopes are taken, in errors.
ASIDE = 1e-6

#: Eigenvalue of the scaled Hessian below which a combination of norms is not known.
DEGENERATE = 1e-10


@dataclass
class NormFit:
    """Result of `fit_norms`.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Norms, shape (n_norms,), in the units of the parameters.
    covariance : `~numpy.ndarray`
        Their covariance, shape (n_norms, n_norms). It is 0 for fixed norms, NaN for
        those that the data do not determine. A norm at a bound has no correlations,
        and its error is the distance at which the statistic rises by 1.
    stat : float
        Statistic, that of `Datasets.stat_sum`.
    success : bool
        Whether it converged and all norms are determined.
    message : str
        What went wrong, or that nothing did.
    nfev : int
        Number of evaluations of the statistic.
    at_bound : `~numpy.ndarray` of bool
        Norms that a bound keeps from a lower statistic, shape (n_norms,).
    trace : list of tuple
        Statistic and norms after each step.
    """

    values: np.ndarray
    covariance: np.ndarray
    stat: float
    success: bool
    message: str
    nfev: int
    at_bound: np.ndarray
    trace: list = field(default_factory=list, repr=False)

    @property
    def errors(self):
        """Errors of the norms from the covariance, shape (n_norms,)."""
        return np.sqrt(np.diag(self.covariance))

    def select(self, idx):
        """The same result with some of the norms only.

        Parameters
        ----------
        idx : slice or list of int
            Which norms, in which order.

        Returns
        -------
        fit : `NormFit`
            The result, with their values, covariance and ``at_bound``.

        Examples
        --------
        >>> import numpy as np
        >>> from gammapy.modeling.newton import NormFit
        >>> fit = NormFit(
        ...     values=np.array([2.0, 1.1]),
        ...     covariance=np.diag([0.25, 0.01]),
        ...     stat=12.3,
        ...     success=True,
        ...     message="",
        ...     nfev=4,
        ...     at_bound=np.array([False, False]),
        ... )
        >>> fit.select([1]).errors.tolist()
        [0.1]
        """
        return replace(
            self,
            values=self.values[idx],
            covariance=self.covariance[idx][:, idx],
            at_bound=self.at_bound[idx],
        )


def fit_norms(templates, *, start=None, fixed=None, max_iter=200, store_trace=False):
    """Minimise the statistic over norms.

    Parameters
    ----------
    templates : `~gammapy.modeling.templates.NormTemplates`
        Templates. No parameter is changed.
    start : `~numpy.ndarray`, optional
        Norms to start from, shape (n_norms,). Default is those with which the
        templates were made.
    fixed : dict, optional
        Value of each norm that is not fitted, by `~gammapy.modeling.Parameter`. It may
        lie outside its bounds. Default is None.
    max_iter : int, optional
        Largest number of steps. Default is 200.
    store_trace : bool, optional
        Whether to keep the norms after each step. Default is False.

    Returns
    -------
    fit : `NormFit`
        Values, covariance, statistic and whether it worked.

    Raises
    ------
    ValueError
        If a norm to start from or a fixed one is not a finite number, or no norm of
        the templates.
    TypeError
        If an argument is of the wrong kind.

    Examples
    --------
    The statistic along a norm, with all others fitted:

    >>> from gammapy.datasets import Datasets, SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> from gammapy.modeling.newton import fit_norms
    >>> from gammapy.modeling.templates import NormTemplates
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> templates = NormTemplates.from_datasets(Datasets([dataset]))
    >>> fit_norms(templates).values.round(6).tolist()
    [1.2]
    >>> norm = templates.parameters[0]
    >>> fits = [fit_norms(templates, fixed={norm: _}) for _ in (1.1, 1.2, 1.3)]
    >>> " ".join(f"{fit.stat - fits[1].stat:.2f}" for fit in fits)
    '0.35 0.00 0.32'
    """
    _check_templates(templates)
    max_iter = check_integer("max_iter", max_iter, low=0)
    store_trace = check_bool("store_trace", store_trace)
    problem = _Problem.from_templates(templates, start, fixed, max_iter, store_trace)
    problem.minimise()
    return problem.result()


def norms_as_they_are(templates):
    """Result of a fit that ends at the values with which the templates were made."""
    return _Problem.from_templates(templates, None, None, 0, False).result()


def _check_templates(templates):
    # A module that needs this one.
    from .templates import NormTemplates

    check_type("templates", templates, NormTemplates, "NormTemplates")


# --- the minimum -----------------------------------------------------------


def _no_norm(argument, templates, parameter):
    """Error for what is no norm of the templates."""
    if not hasattr(parameter, "frozen"):
        expected = "a parameter that the templates were made of"
        return TypeError(f"{argument}: expected {expected}, got {show(parameter)}.")
    return ValueError(
        f"{argument}: {parameter.name!r} is no norm of these templates, which have "
        f"{', '.join(templates.names)}."
    )


def _in_unit(argument, value, parameter):
    """Number of a value in the unit of a parameter."""
    try:
        return float(u.Quantity(value, parameter.unit).value)
    except (TypeError, ValueError):  # the error of units is one of these
        unit = f" in {parameter.unit}" if parameter.unit else " without a unit"
        raise ValueError(
            f"{argument}: expected a number{unit} for {parameter.name!r}, got "
            f"{show(value)}."
        ) from None


class _Problem:
    """Minimisation of the statistic over some of the norms inside their bounds."""

    def __init__(self, templates, start, low, high, max_iter, store_trace):
        self.templates = templates
        self.low, self.high = low, high
        self.is_free = low < high
        self.max_iter = max_iter
        self.trace = [] if store_trace else None
        self.failure = ""
        self.statistic = Statistic(templates)
        self.best = self._first_point(np.clip(start, low, high))

    @classmethod
    def from_templates(cls, templates, start, fixed, max_iter, store_trace):
        """Problem of `fit_norms`."""
        start = templates.values if start is None else check_array("start", start)
        start = np.array(start)
        if start.shape != templates.values.shape:
            raise ValueError(
                f"start: expected the {len(templates.values)} norms "
                f"{', '.join(templates.names)}, got the shape {start.shape}."
            )
        low, high = templates.minima.copy(), templates.maxima.copy()
        indices = {id(par): idx for idx, par in enumerate(templates.parameters)}
        for par, value in check_mapping("fixed", fixed).items():
            if id(par) not in indices:
                raise _no_norm("fixed", templates, par)
            idx = indices[id(par)]
            value = _in_unit("fixed", value, par)
            start[idx] = low[idx] = high[idx] = value
        for name, value in zip(templates.names, start, strict=True):
            if not np.isfinite(value):
                raise ValueError(f"{name} cannot be {value}.")
        return cls(templates, start, low, high, max_iter, store_trace)

    def _first_point(self, norms):
        """The start, or a better one when it is far from all counts."""
        t = self.templates
        n_counts = np.sum(t.weights * t.counts)
        with np.errstate(over="ignore", invalid="ignore"):
            point = self.statistic.point(norms)
            excess = t.sums @ norms + t.planes.sums_fixed.sum() - n_counts
        is_lost = (t.counts > 0) & (point.npred <= self.statistic.truncation)
        if abs(excess) <= 10 * (n_counts + 1) and not is_lost.any():
            return point
        share = n_counts / max(1, np.sum(t.sums > 0))
        shares = np.divide(share, t.sums, out=norms.copy(), where=t.sums > 0)
        shares = np.where(self.is_free, shares, norms)
        other = self.statistic.point(np.clip(shares, self.low, self.high))
        with np.errstate(over="ignore", invalid="ignore"):
            is_worse = self.statistic.difference(other, point) >= 0
        return point if is_worse else other

    def minimise(self):
        """Go to the minimum."""
        self._set_reach()
        for rounding in ROUNDINGS:
            self.statistic.rounding = rounding
            self._iterate()
            if self.failure or not self.statistic.is_on_bend(self.best):
                break
            self._set_reach()

    def _set_reach(self):
        """Errors of the norms from the curvature or, without counts, from the sums."""
        # The curvature of bends does not count, it is as high as one wants.
        self.statistic.rounding = 0.0
        hessian = self.statistic.derivatives(self.best)[1]
        largest = self._largest_errors()
        self.statistic.set_reach(np.minimum(self._scales(hessian), largest))

    def _largest_errors(self):
        """Errors that no norm can exceed at a minimum without bends.

        The gradient is 0 there, and the Cauchy-Schwarz inequality gives this for any
        other norms; a larger error means that nothing is known of the norm.
        """
        t = self.templates
        sums = abs(t.sums)
        errors = np.ones(sums.shape)
        total = np.sqrt(1 + np.sum(t.weights * t.counts))
        return np.divide(total, sums, out=errors, where=sums > 0)

    def _scales(self, hessian):
        """Errors from the curvature, where there is any."""
        curvature = np.diag(hessian) / 2
        scales = self._largest_errors()
        return np.power(curvature, -0.5, out=scales, where=curvature > 0)

    def _iterate(self):
        for _ in range(self.max_iter):
            gradient, hessian = self.statistic.derivatives(self.best)
            if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
                self.failure = "The statistic is not finite."
                return
            step = self._newton_step(gradient, hessian)
            distance = -gradient @ step
            if not distance > TOLERANCE or not self._search(step, distance):
                return
            if self.trace is not None:
                self.trace.append((self.best.stat, self.best.norms))
        self.failure = f"No convergence in {self.max_iter} steps."

    def _newton_step(self, gradient, hessian):
        """Minimum of the quadratic model inside the bounds and not too far away."""
        scales = self._scales(hessian)
        norms = self.best.norms
        far = 100 + 10 * abs(norms) / scales
        low = np.maximum((self.low - norms) / scales, -far)
        high = np.minimum((self.high - norms) / scales, far)
        scaled = hessian * np.outer(scales, scales)
        return scales * minimise_quadratic(gradient * scales, scaled, low, high)

    def _search(self, step, distance):
        """Go along a step until the statistic is lower; False when it is not."""
        fraction = min(1.0, TO_WALL * self.statistic.to_wall(self.best, step))
        for _ in range(60):
            norms = np.clip(self.best.norms + fraction * step, self.low, self.high)
            point = self.statistic.point(norms)
            change = self.statistic.difference(point, self.best)
            if change <= -ARMIJO * fraction * distance:
                self.best = point
                return True
            if distance < NOISE:
                return False
            # The parabola through both values and the slope has its minimum here.
            vertex = distance * fraction**2 / (2 * (change + fraction * distance))
            fraction = np.clip(vertex, 0.1 * fraction, 0.5 * fraction)
        self.failure = "No lower statistic along the last step."
        return False

    def result(self):
        """Result at the best point."""
        self.statistic.rounding = 0.0
        gradient, hessian = self.statistic.derivatives(self._inside())
        scales = np.minimum(self._scales(hessian), self._largest_errors())
        at_bound = self._at_bound(gradient)
        inner = self.is_free & ~at_bound
        covariance, unknown = self._covariance(hessian, scales, inner)
        for idx in np.flatnonzero(at_bound & self.is_free):
            error = _rise(abs(gradient[idx]), hessian[idx, idx])
            covariance[idx, idx] = error**2
        message = self.failure or "Optimization terminated successfully."
        if unknown.any():
            # Where nothing is known there may be nowhere to go, either.
            message = self._describe(unknown)
        return NormFit(
            values=self.best.norms,
            covariance=covariance,
            stat=self.best.stat,
            success=not self.failure and not unknown.any(),
            message=message,
            nfev=self.statistic.n_calls,
            at_bound=at_bound,
            trace=self.trace or [],
        )

    def _inside(self):
        """The best point, or one next to it when it is at a bound.

        At the bound itself the statistic may have a bend.
        """
        norms, change = self.best.norms, ASIDE * self.statistic.reach
        norms = np.where(norms <= self.low, norms + change, norms)
        norms = np.where(norms >= self.high, norms - change, norms)
        norms = np.where(self.is_free, norms, self.best.norms)
        norms = np.clip(norms, self.low, self.high)
        if np.array_equal(norms, self.best.norms):
            return self.best
        return self.statistic.point(norms)

    def _at_bound(self, gradient):
        is_low = (self.best.norms <= self.low) & (gradient > 0)
        is_high = (self.best.norms >= self.high) & (gradient < 0)
        return self.is_free & (is_low | is_high)

    def _covariance(self, hessian, scales, inner):
        """Covariance, and which norms the data do not determine."""
        covariance = np.zeros(hessian.shape)
        unknown = np.zeros(inner.shape, dtype=bool)
        if not inner.any():
            return covariance, unknown
        idx = np.flatnonzero(inner)
        scale = scales[idx]
        scaled = hessian[np.ix_(idx, idx)] * np.outer(scale, scale) / 2
        eigenvalues, vectors = np.linalg.eigh(scaled)
        is_null = eigenvalues < DEGENERATE
        unknown[idx] = np.any(abs(vectors[:, is_null]) > 1e-3, axis=1)
        inverse = (vectors[:, ~is_null] / eigenvalues[~is_null]) @ vectors[
            :, ~is_null
        ].T
        covariance[np.ix_(idx, idx)] = inverse * np.outer(scale, scale)
        covariance[unknown] = np.nan
        covariance[:, unknown] = np.nan
        return covariance, unknown

    def _describe(self, unknown):
        names = [self.templates.names[_] for _ in np.flatnonzero(unknown)]
        if len(names) == 1:
            return f"The data do not determine {names[0]}."
        return (
            f"The data do not determine {', '.join(names)} at the same time: freeze, "
            "bound or constrain some of them."
        )


def _rise(slope, curvature):
    """Distance at which a parabola with this slope and curvature has risen by 1."""
    if slope == 0 and curvature == 0:
        return np.nan
    return 2 / (slope + np.sqrt(slope**2 + 2 * curvature))


# --- confidence ------------------------------------------------------------

UPPER, LOWER = ("errp", 1), ("errn", -1)

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
        Whether the other norms are fitted, or stay as they are. Default is True.
    ends : {"both", "upper", "lower"}, optional
        Which ends of the interval to find. Default is "both".

    Returns
    -------
    result : dict
        "errp", "errn" (in the unit of the parameter; NaN when there is none, the
        distance to a bound that is closer), "success", "message", "nfev".

    Raises
    ------
    ValueError
        If the parameter is no norm of the templates, sigma not above 0, or ``ends`` not
        one of these.
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
    _check_templates(templates)
    check_type("fit", fit, NormFit, "a NormFit, as fit_norms gives it")
    check_number("sigma", sigma, above=0)
    reoptimize = check_bool("reoptimize", reoptimize)
    check_choice("ends", ends, ENDS)
    index = _index(templates, parameter)
    result = {"success": True, "message": "Confidence terminated successfully."}
    nfev = 0
    for key, sign in ENDS[ends]:
        profile = _Profile(templates, fit, index, sigma, reoptimize)
        result[key], problem = profile.crossing(sign)
        nfev += profile.nfev
        if problem:
            result |= {"success": False, "message": problem}
    return result | {"nfev": nfev}


def _index(templates, parameter):
    for idx, par in enumerate(templates.parameters):
        if par is parameter:
            return idx
    raise _no_norm("parameter", templates, parameter)


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

    def __call__(self, value):
        """Rise, and its derivative."""
        low, high = self.templates.minima.copy(), self.templates.maxima.copy()
        if not self.reoptimize:
            low, high = self.fit.values.copy(), self.fit.values.copy()
        low[self.index] = high[self.index] = value
        covariance = self.fit.covariance[self.index]
        change = covariance / covariance[self.index]
        start = self.norms + np.nan_to_num(change) * (value - self.norms[self.index])
        start[self.index] = value
        problem = _Problem(self.templates, start, low, high, 200, False)
        problem.minimise()
        self.norms = problem.best.norms
        statistic = problem.statistic
        statistic.rounding = 0.0
        minimum = statistic.point(self.fit.values)
        rise = statistic.difference(problem.best, minimum) - self.rise
        self.nfev += statistic.n_calls
        return rise, statistic.derivatives(problem.best)[0][self.index]

    def crossing(self, sign):
        """Distance to where it is zero, and what is wrong with it."""
        best, name = self.fit.values[self.index], self.templates.names[self.index]
        bounds = self.templates.minima, self.templates.maxima
        bound = abs(bounds[int(sign > 0)][self.index] - best)
        error = self.fit.errors[self.index]
        if not error > 0:
            return np.nan, f"The fit has no error of {name} to start from."
        inner, outer = 0.0, bound
        distance = min(np.sqrt(self.rise) * error, bound)
        for _ in range(100):
            rise, slope = self(best + sign * distance)
            if abs(rise) < 1e-9 * self.rise:
                return distance, ""
            if rise < 0 and distance >= bound:
                # MINOS ends there, too.
                return distance, ""
            inner, outer = (distance, outer) if rise < 0 else (inner, distance)
            slope *= sign
            distance = distance - rise / slope if slope > 0 else np.inf
            if not inner < distance < outer:
                distance = min(2 * inner, bound) if outer == bound else np.inf
            if not inner < distance < outer and outer != bound:
                distance = (inner + outer) / 2
            if outer - inner < 1e-12 * outer:
                return outer, ""
        return np.nan, f"The statistic does not rise enough along {name}."
