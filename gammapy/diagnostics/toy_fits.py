# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of simulated counts on arrays, by Newton's method."""

import numpy as np
from gammapy.modeling.newton.quadratic import minimise_quadratic
from gammapy.stats.fit_statistics import wstat
from .cell_statistics import SMALLEST
from .fitted_bins import profiled_background
from .toys import Toys

__all__ = []

#: Largest change of a parameter in errors, beyond which its derivative says little.
LARGEST = 6.0

#: Steps of a fit, and the expected fall of the statistic at which it ends.
N_STEPS, TOLERANCE = 30, 1e-4

#: Share of the way to where a bin with counts loses its model.
TO_BOUNDARY = 0.95


class LinearFits(Toys):
    """Simulations fitted on arrays: norms exactly, other parameters to first order.

    The model of each bin is the one of the fit plus its derivatives times the changes
    of the parameters, which is what it is for norms. The minimum is found by Newton's
    method, for on-off data by that of Fisher.

    Parameters
    ----------
    model : `~gammapy.diagnostics.cell_statistics.CellModel`
        Model of the cells.
    derivatives : list of `~gammapy.diagnostics.derivatives.Derivatives`
        Derivatives for each dataset.
    errors : `~numpy.ndarray`
        Errors of the parameters, roughly, shape (n_parameters,).
    bounds : tuple of `~numpy.ndarray`
        Lower and upper bounds of their changes.
    prior : tuple of `~numpy.ndarray`
        Slope and curvature of the priors.
    """

    def __init__(self, model, derivatives, errors, bounds, prior):
        super().__init__(model)
        n = len(errors)
        self._errors = errors
        self._columns = [part.columns for part in derivatives]
        # In units of the errors, so that all changes are of the order of 1.
        self._slopes = [part.matrix * errors[part.columns] for part in derivatives]
        self._cell_slopes = np.zeros((model.cells.n_cells, n))
        self._part_sums = []
        weighted = [
            part.weights[:, np.newaxis] * slopes
            for part, slopes in zip(model.bins, self._slopes, strict=True)
        ]
        for columns, part, sums in zip(
            self._columns, weighted, model.cells.sums(weighted), strict=True
        ):
            self._cell_slopes[:, columns] += sums
            self._part_sums.append(part.sum(axis=0))
        self._low = np.maximum(bounds[0] / errors, -LARGEST)
        self._high = np.minimum(bounds[1] / errors, LARGEST)
        self._prior = prior[0] * errors, prior[1] * errors**2

    def refitted(self, counts):
        """Model of the cells after the fit, shape (n_cells,).

        Parameters
        ----------
        counts : list of `Counts`
            Simulated counts.

        Returns
        -------
        npred : `~numpy.ndarray`
            Model; of on-off data the signal.
        """
        if self._errors.size == 0:
            return self.model.npred
        parts = zip(self.model.bins, self._slopes, self._part_sums, counts, strict=True)
        change = self._minimum([_Rows(*part) for part in parts])
        return self.model.npred + self._cell_slopes @ change

    def _minimum(self, rows):
        x = np.zeros(self._errors.size)
        stat, gradient, hessian = self._derivatives(rows, x)
        for _number in range(N_STEPS):
            step = minimise_quadratic(gradient, hessian, self._low - x, self._high - x)
            fall = -(gradient @ step + step @ hessian @ step / 2)
            if not fall > TOLERANCE:
                break
            length = min(1.0, TO_BOUNDARY * self._room(rows, x, step))
            for _halving in range(20):
                other, *derivatives = self._derivatives(rows, x + length * step)
                if other <= stat - 1e-4 * length * fall:
                    break
                length /= 2
            else:
                break
            x, stat = x + length * step, other
            gradient, hessian = derivatives
        return x

    def _room(self, rows, x, step):
        """How far a step may go until a bin with counts, or a cell, has no model."""
        room = np.inf
        pairs = [
            (part.model(x[columns]), part.change(step[columns]))
            for part, columns in zip(rows, self._columns, strict=True)
        ]
        is_cash = ~self.model.is_on_off
        npred = self.model.npred + self._cell_slopes @ x
        pairs.append((npred[is_cash], (self._cell_slopes @ step)[is_cash]))
        for values, change in pairs:
            falls = (change < 0) & (values > 0)
            room = min(room, np.min(-values[falls] / change[falls], initial=np.inf))
        return room

    def _derivatives(self, rows, x):
        """Statistic with gradient and Hessian, but for what does not depend on x."""
        slope, curvature = self._prior
        stat = slope @ x + curvature @ x**2 / 2
        gradient, hessian = slope + curvature * x, np.diag(curvature)
        for part, columns in zip(rows, self._columns, strict=True):
            own = part.derivatives(x[columns])
            stat += own[0]
            gradient[columns] += own[1]
            hessian[np.ix_(columns, columns)] += own[2]
        return stat, gradient, hessian


class _Rows:
    """Bins of one dataset in one simulation, and their likelihood."""

    def __init__(self, part, slopes, sums, counts):
        self.is_on_off = part.is_on_off
        self.rows, self.counts, self.off = counts.rows, counts.values, counts.off
        self.slopes = slopes[self.rows]
        if self.is_on_off:
            self.npred, self.alpha = part.mu_sig, part.alpha
            return
        self.npred = part.npred[self.rows]
        self.counts = part.weights[self.rows] * self.counts
        self.sums = sums

    def model(self, x):
        """Model of the bins that must stay positive."""
        rows = slice(0, 0) if self.is_on_off else slice(None)
        return (self.npred + self.slopes @ x)[rows]

    def change(self, step):
        """Its change."""
        rows = slice(0, 0) if self.is_on_off else slice(None)
        return (self.slopes @ step)[rows]

    def derivatives(self, x):
        """Statistic, gradient and Hessian."""
        if self.is_on_off:
            return self._on_off(x)
        model = self.npred + self.slopes @ x
        if np.any(model <= 0):
            return np.inf, np.zeros(x.size), np.zeros((x.size, x.size))
        ratio = self.counts / model
        stat = 2 * (self.sums @ x - self.counts @ np.log(model / self.npred))
        gradient = 2 * (self.sums - self.slopes.T @ ratio)
        hessian = 2 * (self.slopes.T * (ratio / model)) @ self.slopes
        return stat, gradient, hessian

    def _on_off(self, x):
        signal = self.npred + self.slopes @ x
        mu_off = profiled_background(self.counts, self.off, self.alpha, signal)
        mu_on = np.maximum(signal + self.alpha * mu_off, SMALLEST)
        stat = wstat(self.counts, self.off, self.alpha, signal)
        # The background is at its maximum, so that its change does not matter here.
        slope = 1 - self.counts / mu_on
        weight = 1 / (mu_on + self.alpha**2 * mu_off)
        gradient = 2 * self.slopes.T @ slope
        hessian = 2 * (self.slopes.T * weight) @ self.slopes
        return np.sum(stat), gradient, hessian
