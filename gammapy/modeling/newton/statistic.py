# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic of norms with its derivatives, for Newton's method.

The formulas are those of `gammapy.modeling.newton`.
"""

import numpy as np
from .cash import cash_truncation

__all__ = []

#: A bin is kept from being summed when it may get negative within so many errors.
REACH = 3


class Point:
    """Norms, and what the statistic knows of them.

    Parameters
    ----------
    norms : `~numpy.ndarray`
        Norms, shape (n_norms,).
    """

    def __init__(self, norms):
        self.norms = norms
        self.npred = np.zeros(0)
        self.lowest = np.inf
        self.stat = None
        self.on_off = None  # state of the bins of on-off datasets
        self.derivatives = None  # and what they belong to

    def set_npred(self, npred):
        """Set the model of the bins that are kept."""
        self.npred = npred
        self.on_off = None
        self.lowest = np.min(npred, initial=np.inf)


class Statistic:
    """Cash statistic and W statistic, with bends rounded off.

    It follows the bins whose model may be negative: ``templates`` are extended when
    there are new ones.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates. They are not changed.
    """

    def __init__(self, templates):
        self.templates = templates
        self.rounding = 0.0
        self.truncation = cash_truncation()[0]
        self.n_calls = 0
        self._left_out = np.zeros(0, dtype=int)
        self._n_reaches = 0
        self.set_reach(np.zeros(templates.n_norms))

    def set_reach(self, reach):
        """Set the errors of the norms, roughly."""
        self.reach = reach
        self._n_reaches += 1
        self._n_rows = None

    def point(self, norms):
        """Point at some norms."""
        # Bins that may get negative within some errors are kept already now, or each
        # point of a search would find a few new ones.
        self.templates = self.templates.extended(norms, REACH * self.reach)
        point = Point(norms)
        point.set_npred(self.templates.npred(norms))
        return point

    def stat(self, point):
        """The statistic at a point, as Gammapy has it."""
        if point.stat is None:
            self.templates = self.templates.extended(point.norms)
            point.stat = self.templates.stat_sum(point.norms)
        return point.stat

    def _catch_up(self, *points):
        """Look at the bins that the templates keep by now."""
        t = self.templates
        for point in points:
            if point.npred.size != t.counts.size:
                point.set_npred(t.npred(point.norms))
        if self._n_rows == t.counts.size:
            return
        self._n_rows = t.counts.size
        is_seen = (t.cash_weights > 0) & (t.counts > 0) & t.has_model
        is_seen[self._left_out] = False
        # Mostly all bins that are kept have counts, and a slice copies nothing.
        self._seen = slice(None) if is_seen.all() else np.flatnonzero(is_seen)
        self._counts = (t.weights * t.counts)[self._seen]
        self._set_bends()

    def _set_bends(self):
        """Where the statistic bends, by how much, and how wide bends may be."""
        t = self.templates
        self._bend = t.cash_weights
        self._edge = np.full(t.counts.size, self.truncation)
        if t.on_off is not None:
            self._bend = self._bend + t.on_off.bends
            self._edge[t.on_off.idx] = 0.0
        # A bend is rounded off over what its bin changes within the errors.
        self._spread = np.zeros(t.counts.size)
        self._has_bends = bool(self._bend.any())
        empty = np.flatnonzero((t.counts == 0) & (self._bend > 0))
        if empty.size:
            self._spread[empty] = t.spread(self.reach, empty)
        self._widest = np.max(self._spread, initial=0)

    def without_model(self, point):
        """Indices of the bins with counts whose model is not positive."""
        self._catch_up(point)
        if point.lowest > self.truncation:
            return np.zeros(0, dtype=int)
        is_low = point.npred[self._seen] <= self.truncation
        return np.arange(point.npred.size)[self._seen][is_low]

    def bins_with_counts(self):
        """Indices of the bins with counts that have a model."""
        return np.arange(self.templates.counts.size)[self._seen]

    def leave_out(self, rows):
        """Take bins with counts out of the statistic."""
        self._left_out = rows
        self._n_rows = None

    def _bends(self, point):
        """Bins below or on their bend, and where these are inside its rounding."""
        idx = np.array([], dtype=int)
        reach = max(self.rounding * self._widest, self.truncation)
        if self._has_bends and not point.lowest > reach:
            highest = np.maximum(self.rounding * self._spread, self._edge)
            idx = np.flatnonzero((point.npred <= highest) & (self._bend > 0))
        npred, width = point.npred[idx], self.rounding * self._spread[idx]
        return idx, npred, width, (npred > -width) & (width > 0)

    def _bend_sum(self, point):
        """What the bends add to the sum of the model."""
        idx, npred, width, is_on = self._bends(point)
        if not idx.size:
            return 0.0
        # Sharp, it is max(-npred, 0): a negative model counts as 0. Rounded off, a
        # parabola joins both straight lines with a continuous slope.
        value = self._edge[idx] - npred
        value[is_on] = (width[is_on] - npred[is_on]) ** 2 / (4 * width[is_on])
        return np.sum(self._bend[idx] * value)

    def _on_off(self, point):
        """State of the bins of on-off datasets at a point."""
        if point.on_off is None:
            rows = self.templates.on_off
            point.on_off = rows.profile.state(point.npred[rows.idx])
        return point.on_off

    def rounding_error(self):
        """Most that rounding off bends adds to the statistic anywhere."""
        widths = self.rounding * self._spread
        return np.sum(self._bend * widths) / 2

    def is_on_bend(self, point):
        """Whether rounding off matters at a point."""
        self._catch_up(point)
        return bool(self._bends(point)[-1].any())

    def derivatives(self, point):
        """Gradient and Hessian matrix."""
        self._catch_up(point)
        # Rounding matters only where a bend is near.
        is_on_bend = bool(self._bends(point)[-1].any())
        key = self._n_rows, is_on_bend and (self.rounding, self._n_reaches)
        if point.derivatives is None or point.derivatives[0] != key:
            point.derivatives = key, self._derivatives(point)
        return point.derivatives[1]

    def _derivatives(self, point):
        t = self.templates
        # Derivatives of half the statistic with respect to the model of each bin; the
        # model is linear, so templates turn them into those by the norms.
        slope, curvature = np.zeros((2, point.npred.size))
        npred = point.npred[self._seen]
        is_cut = npred <= self.truncation
        npred = np.where(is_cut, np.inf, npred)
        slope[self._seen] = -self._counts / npred
        curvature[self._seen] = -slope[self._seen] / npred

        idx, npred, width, is_on = self._bends(point)
        slope[idx] -= self._bend[idx]
        idx, npred, width = idx[is_on], npred[is_on], width[is_on]
        slope[idx] += self._bend[idx] * (npred + width) / (2 * width)
        curvature[idx] += self._bend[idx] / (2 * width)
        if t.on_off is not None:
            parts = t.on_off.profile.derivatives(self._on_off(point))
            for total, part in zip((slope, curvature), parts, strict=True):
                total[t.on_off.idx] += part

        gradient = t.sums + t.project(slope)
        gradient += t.prior_precision * (point.norms - t.prior_mean)
        hessian = t.project_pairs(curvature)
        hessian[np.diag_indices(t.n_norms)] += t.prior_precision
        return 2 * gradient, 2 * hessian

    def difference(self, new, old):
        """Difference of the statistic at two points.

        It is summed from the differences of each term: with many counts, that of the
        sums would be rounding. It is infinite when the new one leaves a bin with counts
        without a model, unlike that of Gammapy, where the statistic would fall again.
        """
        self.n_calls += 1
        self._catch_up(new, old)
        t = self.templates
        step = new.norms - old.norms
        change = t.change(step)
        total = t.sums @ step + self._bend_sum(new) - self._bend_sum(old)
        total -= self._counts @ self._log_ratio(new, old, change)
        if t.on_off is not None:
            states = self._on_off(new), self._on_off(old)
            part = change[t.on_off.idx]
            total += np.sum(t.on_off.profile.difference(*states, part))
        mean = (new.norms + old.norms) / 2 - t.prior_mean
        return 2 * (total + np.sum(t.prior_precision * mean * step))

    def _log_ratio(self, new, old, change):
        # The change is not new - old: of counts of 1e14 little would be left.
        change = change[self._seen]
        new, old = new.npred[self._seen], old.npred[self._seen]
        is_close = (new > self.truncation) & (old > self.truncation) & (new > old / 2)
        if is_close.all():
            return np.log1p(change / old)
        ratio = np.log1p(change / np.where(is_close, old, np.inf))
        rest = ~is_close
        # Where the model falls by half or more, nothing cancels: plain logarithms do.
        logs = np.full((2, np.count_nonzero(rest)), -np.inf)
        values = np.array([new[rest], old[rest]])
        np.log(values, out=logs, where=values > self.truncation)
        ratio[rest] = logs[0] - logs[1]
        return ratio

    def step_to_boundary(self, point, step):
        """How far to go until a bin with counts has no model left.

        There the statistic is infinite; beyond, Gammapy's truncation of the logarithm
        makes false minima.
        """
        self._catch_up(point)
        npred = point.npred[self._seen]
        change = self.templates.change(step)[self._seen]
        falls = (npred > self.truncation) & (change < 0)
        return np.min(-npred[falls] / change[falls], initial=np.inf)
