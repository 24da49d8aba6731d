# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of an on-off dataset, whose background is profiled."""

import numpy as np
from gammapy.stats.wstat_profile import WStatProfile, is_measured
from .shape_bins import CountedBins

__all__ = []


class OnOffBins(CountedBins):
    """Bins of an on-off dataset with on counts, and sums over all bins in its masks.

    The model of these bins is that of the signal; see `gammapy.stats.wstat_profile`. Of
    a spectrum all bins are kept, for the signal may be negative. In a map it may not
    where there are no on counts.

    Parameters are those of `CountedBins`.
    """

    def __init__(self, number, dataset):
        self.alpha = dataset.alpha.data
        self.counts_off = dataset.counts_off.data
        self.is_measured = is_measured(self.alpha)
        super().__init__(number, dataset)
        self._check(self.counts_off, self.weights > 0, "counts_off")
        columns = (map_[self.idx] for map_ in (self.counts_off, self.alpha))
        self.profile = WStatProfile(self.counts, *columns)
        self.has_all_bins = dataset.counts.geom.is_region
        rest = self.weights > 0
        rest[self.idx] = False
        # Without on counts there is nothing but this as long as the signal is positive.
        self.constant = np.sum(self.counts_off[rest] * np.log1p(self.alpha[rest]))

    def _select(self, dataset):
        # Where no off counts belong to a bin it has no statistic.
        self.weights = np.where(self.is_measured, self.weights, 0.0)
        if dataset.counts.geom.is_region:
            return self.weights > 0
        return super()._select(dataset)

    def finish(self):
        super().finish()
        self.alpha = self.counts_off = self.is_measured = None

    def stat(self, model):
        bends = self.profile.bend_slopes @ np.maximum(-model, 0)
        return np.sum(self.profile.values(model)) + self.constant + bends

    def slopes(self, model):
        slopes, curvatures = self.profile.derivatives(self.profile.state(model))
        slopes = slopes - self.profile.bend_slopes * (model < 0)
        return -slopes, curvatures

    def n_truncated(self, model):
        return 0
