# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic of each cell against its saturated model, and its moments."""

from dataclasses import dataclass
import numpy as np
from gammapy.stats.fit_statistics import wstat
from gammapy.stats.goodness import (
    StatMoments,
    cash_moments,
    cash_weighted_moments,
    weighted_cash,
    wstat_moments,
)
from .fitted_bins import profiled_background

__all__ = []

#: Largest number of different weights.
N_WEIGHTS = 17

#: Simulations that give the moments of on-off and weighted cells.
N_MOMENTS = 4000

#: Smallest model of a cell, where a refit takes all of it away.
SMALLEST = 1e-12

#: Ratio of the alphas in a cell above which one alpha for all is too simple.
ALPHA_RATIO = 1.5


@dataclass
class OffCounts:
    """Off counts of cells, and their alpha, 0 in cells without.

    Parameters
    ----------
    counts, alpha : `~numpy.ndarray`
        Off counts and mean alpha of each cell, shapes (n_cells,).
    """

    counts: np.ndarray
    alpha: np.ndarray

    @classmethod
    def from_sums(cls, counts, background, alpha):
        """From the sums of off counts and of alpha times off counts.

        Parameters
        ----------
        counts, background : `~numpy.ndarray`
            Sums over the bins of each cell.
        alpha : `~numpy.ndarray`
            Alpha where there are no off counts.

        Returns
        -------
        off : `OffCounts`
            Off counts.
        """
        has_off = counts > 0
        ratio = background / np.where(has_off, counts, 1)
        return cls(counts, np.where(has_off, ratio, alpha))


class CellModel:
    """Model of the cells, to which counts are compared.

    Parameters
    ----------
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins of the datasets.
    cells : `~gammapy.diagnostics.cells.Cells`
        Cells.
    """

    def __init__(self, bins, cells):
        self.bins, self.cells = bins, cells
        on_off = [np.full(part.index.size, part.is_on_off) for part in bins]
        n_bins = cells.total([np.ones(part.index.size) for part in bins])
        self.is_on_off = cells.total(on_off) > 0
        self.npred = cells.total([part.weights * self._model(part) for part in bins])
        variance = cells.total([part.weights**2 * self._model(part) for part in bins])
        self.scale = np.where(self.npred > 0, variance, 1) / np.where(
            self.npred > 0, self.npred, 1
        )
        alpha = cells.total([_or_zeros(part, part.alpha) for part in bins])
        self._mean_alpha = alpha / np.maximum(n_bins, 1)
        self.off = self.off_counts([part.counts_off for part in bins])
        self.counts = cells.total([part.weights * part.counts for part in bins])
        self.mu_off = np.where(
            self.is_on_off,
            profiled_background(
                self.counts, self.off.counts, self.off.alpha, self.npred
            ),
            0,
        )
        alpha = self.off.alpha
        on_off = self.npred + alpha * (1 + alpha) * self.mu_off
        self.variance = np.where(self.is_on_off, on_off, variance)

    @staticmethod
    def _model(part):
        """What the parameters change: all counts, or the signal of on-off data."""
        return part.mu_sig if part.is_on_off else part.npred

    def off_counts(self, counts_off):
        """Off counts of the cells.

        Parameters
        ----------
        counts_off : list of `~numpy.ndarray`
            Off counts in the bins of each dataset, None for those without.

        Returns
        -------
        off : `OffCounts`
            Off counts.
        """
        if not self.is_on_off.any():
            return OffCounts(*np.zeros((2, self.cells.n_cells)))
        values = [
            _or_zeros(part, off)
            for part, off in zip(self.bins, counts_off, strict=True)
        ]
        alphas = [_or_zeros(part, part.alpha) for part in self.bins]
        background = [n * alpha for n, alpha in zip(values, alphas, strict=True)]
        total = self.cells.total
        return OffCounts.from_sums(total(values), total(background), self._mean_alpha)

    def stat(self, counts, npred, off=None):
        """Statistic of each cell.

        Parameters
        ----------
        counts, npred : `~numpy.ndarray`
            Weighted counts and model, shapes (n_cells,); of on-off data the signal.
        off : `OffCounts`, optional
            Off counts. Default is those of the data.

        Returns
        -------
        stat : `~numpy.ndarray`
            Statistic, shape (n_cells,).
        """
        off = self.off if off is None else off
        modelled = np.maximum(npred, SMALLEST)
        stat = weighted_cash(counts, modelled, self.scale)
        part = self.is_on_off
        if part.any():
            arrays = counts[part], off.counts[part], off.alpha[part], npred[part]
            stat[part] = wstat(*arrays)
        return stat

    def moments(self, random_state):
        """Moments of the statistic of each cell under the model.

        Parameters
        ----------
        random_state : int
            Seed of the simulations that on-off and weighted data need.

        Returns
        -------
        moments : `~gammapy.stats.goodness.StatMoments`
            Moments, shapes (n_cells,).
        """
        moments = cash_moments(np.maximum(np.where(self.is_on_off, 0, self.npred), 0))
        moments = np.array(moments)
        options = {"n_toys": N_MOMENTS, "random_state": random_state}
        part = self.is_on_off
        if part.any():
            arrays = np.maximum(self.npred, 0), self.mu_off, self.off.alpha
            moments[:, part] = wstat_moments(
                *(array[part] for array in arrays), **options
            )
        part = self.is_weighted
        if part.any():
            weights, npred = self._levels()
            moments[:, part] = cash_weighted_moments(npred[:, part], weights, **options)
        return StatMoments(*moments)

    @property
    def is_weighted(self):
        """Cells of data whose masks are weights, shape (n_cells,)."""
        values = [np.full(part.index.size, part.is_weighted) for part in self.bins]
        return self.cells.total(values) > 0

    def _levels(self):
        """Weights, and the expected counts of each cell that have them."""
        weighted = [part for part in self.bins if part.is_weighted]
        levels = np.unique(np.concatenate([part.weights for part in weighted]))
        if levels.size > N_WEIGHTS:
            levels = np.linspace(levels[0], levels[-1], N_WEIGHTS)
        nearest = [
            np.argmin(abs(part.weights[:, np.newaxis] - levels), axis=1)
            for part in self.bins
        ]
        npred = [
            self.cells.total(
                [
                    np.where(number == level, part.npred, 0)
                    for part, number in zip(self.bins, nearest, strict=True)
                ]
            )
            for level in range(levels.size)
        ]
        return levels, np.array(npred)

    @property
    def has_several_alphas(self):
        """Whether alpha differs much within a cell of on-off data."""
        spread = 1.0
        for number, part in enumerate(self.bins):
            if not part.is_on_off:
                continue
            for labels in self.cells.labels[number]:
                low = np.full(self.cells.n_cells, np.inf)
                high = np.zeros(self.cells.n_cells)
                inside = labels >= 0
                np.minimum.at(low, labels[inside], part.alpha[inside])
                np.maximum.at(high, labels[inside], part.alpha[inside])
                is_there = high > 0
                spread = max(spread, np.max(high[is_there] / low[is_there], initial=1))
        return spread > ALPHA_RATIO


def _or_zeros(part, values):
    return np.zeros(part.index.size) if values is None else values
