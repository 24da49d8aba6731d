# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minimisation of the statistic over norms, see `gammapy.modeling.newton`."""

import numpy as np
from scipy.sparse import diags
import astropy.units as u
from gammapy.utils.arguments import (
    check_bool,
    check_integer,
    check_mapping,
    check_type,
    show,
)
from gammapy.utils.array import check_array
from .errors import covariance_of
from .feasible import find_feasible
from .kinks import kink_minimum
from .quadratic import minimise_quadratic
from .result import NormFit, describe_undetermined
from .statistic import Statistic
from .templates import NormTemplates

__all__ = []

#: Squared distance to the minimum at which to stop, in squared errors.
TOLERANCE = 1e-12

#: Distance below which a step that does not lower the statistic is rounding.
NOISE = 1e-8

#: Fraction to the boundary, where a bin with counts has no model: no step gets there.
TO_BOUNDARY = 0.99

#: Part of the decrease expected from the gradient that a step must reach.
ARMIJO = 1e-4

#: Curvature along a step, in units of its slope, below which to go on along it.
FLAT = 0.1

#: How many times as far to go then, each time.
FURTHER = 4.0

#: What bends that are rounded off may add to the statistic when sharper ones fail.
ENOUGH = 1e-5

#: Slope per count, in units of errors, that is no rounding.
SMALLEST_SLOPE = 1e-12

#: Slope that may be rounding with any number of counts.
LARGEST_NOISE = 1e-7

#: Widths within which bends are rounded off, in errors.
ROUNDINGS = 10.0 ** -np.arange(0, 9, 2)

#: Distance from a bound at which slopes are taken, in errors.
ASIDE = 1e-6


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
        Values of fixed norms, by `~gammapy.modeling.Parameter`. They may be outside
        their bounds. Default is None.
    max_iter : int, optional
        Largest number of steps. Default is 200.
    store_trace : bool, optional
        Whether to keep the norms after each step. Default is False.

    Returns
    -------
    fit : `NormFit`
        Values, covariance, fit statistic and success.

    Raises
    ------
    ValueError
        If a starting or fixed value is not finite, or a parameter is not a norm of the
        templates.
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
    >>> fits = [fit_norms(templates, fixed={norm: x}) for x in (1.1, 1.2, 1.3)]
    >>> " ".join(f"{fit.stat - fits[1].stat:.2f}" for fit in fits)
    '0.35 0.00 0.32'
    """
    check_type("templates", templates, NormTemplates, "NormTemplates")
    max_iter = check_integer("max_iter", max_iter, low=0)
    store_trace = check_bool("store_trace", store_trace)
    problem = Problem.from_templates(templates, start, fixed, max_iter, store_trace)
    problem.minimise()
    return problem.result()


def norms_as_they_are(templates):
    """Result of a fit that ends at the values with which the templates were made."""
    return Problem.from_templates(templates, None, None, 0, False).result()


def no_norm(argument, templates, parameter):
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


class Problem:
    """Minimisation of the statistic over some of the norms inside their bounds."""

    def __init__(self, templates, start, low, high, max_iter, store_trace):
        self.low, self.high = low, high
        self.is_free = low < high
        self.max_iter = max_iter
        self.trace = [] if store_trace else None
        self.failure = ""
        # Bins with counts that no norms give a model.
        self.impossible = np.zeros(0, dtype=int)
        self.n_counts = np.sum(templates.weights * templates.counts)
        self.noise = min(SMALLEST_SLOPE * (1 + self.n_counts), LARGEST_NOISE)
        self.statistic = Statistic(templates)
        self.largest_errors = self._largest_errors()
        self.best = self.statistic.point(np.clip(start, low, high))
        if max_iter > 0:
            self.best = self._first_point(self.best)

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
                raise no_norm("fixed", templates, par)
            idx = indices[id(par)]
            value = _in_unit("fixed", value, par)
            start[idx] = low[idx] = high[idx] = value
        for name, value in zip(templates.names, start, strict=True):
            if not np.isfinite(value):
                raise ValueError(f"{name} cannot be {value}.")
        return cls(templates, start, low, high, max_iter, store_trace)

    @property
    def templates(self):
        """Templates with all bins that the statistic followed until now."""
        return self.statistic.templates

    def _first_point(self, point):
        """The start, or another one when it is far from all counts or not allowed."""
        without = self._possible(self.statistic.without_model(point))
        # Far means that nearly all counts are missing, or that the model has many
        # times too many: Newton's steps from there are long and many.
        t, n_counts = self.templates, self.n_counts
        with np.errstate(over="ignore", invalid="ignore"):
            excess = t.sums @ point.norms + t.planes.sums_fixed.sum() - n_counts
        is_far = not abs(excess) <= 10 * (n_counts + 1)
        if not without.size and not is_far:
            return point
        # Each template takes the same share of the counts: crude, but the right size.
        share = n_counts / max(1, np.sum(t.sums > 0))
        shares = np.divide(share, t.sums, out=point.norms.copy(), where=t.sums > 0)
        shares = np.where(self.is_free, shares, point.norms)
        other = self.statistic.point(np.clip(shares, self.low, self.high))
        is_allowed = not self.statistic.without_model(other).size
        # A linear program finds a point when there is one, but takes longer.
        if without.size:
            return other if is_allowed else self._feasible_point(point)
        with np.errstate(over="ignore", invalid="ignore"):
            is_worse = self.statistic.difference(other, point) >= 0
        return other if is_allowed and not is_worse else point

    def _possible(self, rows):
        """Those of the bins without a model that a free norm can give one.

        The others are left out, so that the norms are fitted nevertheless.
        """
        if not rows.size:
            return rows
        can_change = self.templates.is_touched(rows)[:, self.is_free].getnnz(axis=1) > 0
        self.impossible = rows[~can_change]
        if self.impossible.size:
            self.statistic.leave_out(self.impossible)
        return rows[can_change]

    def _feasible_point(self, point):
        """Point where each bin with counts has a model; the given one without any."""
        t, rows = self.templates, self.statistic.bins_with_counts()
        touched = t.is_touched(rows)
        # Other norms keep their values.
        free = np.flatnonzero(self.is_free & (touched.getnnz(axis=0) > 0))
        rows = rows[touched[:, free].getnnz(axis=1) > 0]
        matrix = t.matrix[rows][:, free]
        fixed = point.npred[rows] - matrix @ point.norms[free]
        # Norms that take all counts, or, where sums cancel, the brightest bin.
        size = np.maximum(abs(t.sums[free]), abs(matrix).max(axis=0).toarray()[0])
        scales = np.ones(free.size)
        np.divide(self.n_counts + 1, size, out=scales, where=size > 0)
        norms = find_feasible(
            matrix @ diags(scales),
            fixed,
            self.low[free] / scales,
            self.high[free] / scales,
            point.norms[free] / scales,
        )
        if norms is None:
            # No norms do it, as in a profile far from the minimum: the statistic is
            # infinite and there is nothing to fit.
            self.impossible = rows[point.npred[rows] <= self.statistic.truncation]
            self.max_iter = 0
            return point
        found = point.norms.copy()
        found[free] = np.clip(norms * scales, self.low[free], self.high[free])
        inside = self.statistic.point(found)
        # The margin of the program may be as small as its rounding.
        left = self.statistic.without_model(inside)
        if left.size:
            self.impossible, self.max_iter = left, 0
            return point
        return inside

    def minimise(self):
        """Go to the minimum."""
        if self.max_iter == 0 or not self.is_free.any():
            return
        kink = self._kink()
        if kink is not None:
            self.best = kink
            return
        self._set_reach()
        # Newton's method needs a curvature, and a bend has none. It is rounded off, at
        # first within a whole error, and then more and more sharply from the last best.
        error = np.inf
        for rounding in ROUNDINGS:
            self.statistic.rounding = rounding
            self._iterate()
            if self.failure and error < ENOUGH:
                # Bends that are sharper still are of no use.
                self.failure = ""
                break
            if self.failure or not self.statistic.is_on_bend(self.best):
                break
            error = self.statistic.rounding_error()
            self._set_reach()

    def _kink(self):
        """Minimum of a single norm on a kink, None where it is not on one."""
        if np.count_nonzero(self.is_free) != 1:
            return None
        free = np.flatnonzero(self.is_free)[0]
        bounds = self.low, self.high
        return kink_minimum(
            self.statistic, self.best, free, *bounds, self.largest_errors
        )

    def _set_reach(self):
        """Errors of the norms from the curvature or, without counts, from the sums."""
        # The curvature of bends does not count, it is as high as one wants.
        self.statistic.rounding = 0.0
        hessian = self.statistic.derivatives(self.best)[1]
        largest = self.largest_errors
        self.statistic.set_reach(np.minimum(self._scales(hessian), largest))

    def _largest_errors(self):
        """Errors that no norm can exceed at a minimum without bends.

        The gradient is 0 there, and the Cauchy-Schwarz inequality gives this for any
        other norms; a larger error means that nothing is known of the norm. On-off data
        have the fluctuations of their background besides.
        """
        t = self.templates
        sums = abs(t.sums)
        errors = np.ones(sums.shape)
        spread = 0.0 if t.on_off is None else t.on_off.largest_spread
        total = np.sqrt(1 + self.n_counts + spread)
        return np.divide(total, sums, out=errors, where=sums > 0)

    def _scales(self, hessian):
        """Errors from the curvature, where there is any."""
        curvature = np.diag(hessian) / 2
        scales = self.largest_errors.copy()
        return np.power(curvature, -0.5, out=scales, where=curvature > 0)

    def _iterate(self):
        for _ in range(self.max_iter):
            gradient, hessian = self.statistic.derivatives(self.best)
            if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
                self.failure = "The statistic is not finite."
                return
            step = self._newton_step(gradient, hessian)
            # For a quadratic function, twice what the step gains: the squared distance
            # to the minimum in units of the errors.
            distance = -gradient @ step
            if not distance > TOLERANCE:
                return
            before = self.best
            if not self._search(step, distance):
                return
            # A step that the trust radius cut off has less curvature than slope.
            if step @ hessian @ step < FLAT * distance:
                self._go_on(before, step, distance)
            if self.trace is not None:
                stat = self.statistic.stat(self.best)
                self.trace.append((stat, self.best.norms))
        self.failure = f"No convergence in {self.max_iter} steps."

    def _newton_step(self, gradient, hessian):
        """Minimum of the quadratic model inside the bounds and the trust radius."""
        # In units of the errors all norms are alike, and the matrix is well scaled.
        scales = self._scales(hessian)
        norms = self.best.norms
        # Wide: the statistic is convex. It keeps a step finite where nothing bends it.
        trust_radius = 100 + 10 * abs(norms) / scales
        low = np.maximum((self.low - norms) / scales, -trust_radius)
        high = np.minimum((self.high - norms) / scales, trust_radius)
        scaled = hessian * np.outer(scales, scales)
        step = minimise_quadratic(
            gradient * scales, scaled, low, high, noise=self.noise
        )
        return scales * step

    def _search(self, step, distance):
        """Go along a step until the statistic is lower; False when it is not."""
        fraction = min(
            1.0, TO_BOUNDARY * self.statistic.step_to_boundary(self.best, step)
        )
        for _ in range(60):
            norms = np.clip(self.best.norms + fraction * step, self.low, self.high)
            point = self.statistic.point(norms)
            change = self.statistic.difference(point, self.best)
            if change <= -ARMIJO * fraction * distance:
                self.best = point
                return True
            if distance < NOISE:
                # The minimum is reached to within rounding: no failure.
                return False
            # The parabola through both values and the slope has its minimum here.
            vertex = distance * fraction**2 / (2 * (change + fraction * distance))
            fraction = np.clip(np.nan_to_num(vertex), 0.1 * fraction, 0.5 * fraction)
        self.failure = "No lower statistic along the last step."
        return False

    def _go_on(self, before, step, distance):
        """Go on along a step that is too short, for it is almost one straight down.

        Where nothing bends the statistic, the quadratic model has no minimum.
        """
        norms = before.norms
        bounds = np.where(step < 0, self.low, self.high)
        moves = step != 0
        room = np.min((bounds - norms)[moves] / step[moves], initial=np.inf)
        room = min(room, TO_BOUNDARY * self.statistic.step_to_boundary(before, step))
        fraction = np.max(abs(self.best.norms - norms)[moves] / abs(step)[moves])
        while fraction < room:
            fraction = min(FURTHER * fraction, room)
            further = np.clip(norms + fraction * step, self.low, self.high)
            point = self.statistic.point(further)
            # Less is rounding, or beyond the bends where the way down ends.
            promised = FLAT * distance * fraction
            if not self.statistic.difference(point, self.best) < 0:
                return
            if not self.statistic.difference(point, before) < -promised:
                return
            self.best = point

    def result(self):
        """Result at the best point."""
        self.statistic.rounding = 0.0
        gradient, hessian = self.statistic.derivatives(self._inside())
        scales = np.minimum(self._scales(hessian), self.largest_errors)
        at_bound = self._at_bound(gradient)
        inner = self.is_free & ~at_bound
        covariance, unknown, n_unknown = covariance_of(
            self.statistic, self.best, hessian, scales, inner
        )
        # A norm at its bound has no parabola around a minimum. Its error is how far the
        # statistic takes to rise by 1 into the allowed side.
        for idx in np.flatnonzero(at_bound & self.is_free):
            error = _rise(abs(gradient[idx]), hessian[idx, idx])
            covariance[idx, idx] = error**2
        is_possible = self.impossible.size == 0
        if not is_possible:
            self.failure = self._why_impossible()
        message = self.failure or "Optimization terminated successfully."
        if unknown.any() and not self.failure:
            names = [self.templates.names[idx] for idx in np.flatnonzero(unknown)]
            message = f"{message} {describe_undetermined(names)}"
        return NormFit(
            values=self.best.norms,
            covariance=covariance,
            stat=self.statistic.stat(self.best) if is_possible else np.inf,
            success=not self.failure,
            message=message,
            nfev=self.statistic.n_calls,
            at_bound=at_bound,
            trace=self.trace or [],
            undetermined=unknown,
            n_dof=int(np.sum(self.is_free)) - n_unknown,
            templates=self.templates,
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
        # A slope that rounding leaves keeps no norm at its bound.
        is_steep = abs(gradient) * self.largest_errors > NOISE
        gradient = np.where(is_steep, gradient, 0.0)
        is_low = (self.best.norms <= self.low) & (gradient > 0)
        is_high = (self.best.norms >= self.high) & (gradient < 0)
        return self.is_free & (is_low | is_high)

    def _why_impossible(self):
        n_bins = self.impossible.size
        bins = "1 bin with counts has" if n_bins == 1 else f"{n_bins} bins have counts"
        bins += " and no model" if n_bins > 1 else " no model"
        t, is_fixed = self.templates, ~self.is_free
        held = t.is_touched(self.impossible).getnnz(axis=0).astype(bool) & is_fixed
        norms = [
            f"{name} = {value:.4g}"
            for name, value, is_held in zip(t.names, self.best.norms, held, strict=True)
            if is_held
        ]
        at = f" with {', '.join(norms)}" if norms else ""
        return f"{bins}, whatever the free norms are{at}."


def _rise(slope, curvature):
    """Distance at which a parabola with this slope and curvature has risen by 1."""
    if slope == 0 and curvature == 0:
        return np.nan
    return 2 / (slope + np.sqrt(slope**2 + 2 * curvature))
