# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""On-off data of templates: off counts beside those of the signal region.

The background of each bin is profiled, see `gammapy.stats.wstat_profile`. Bins without
on counts add their signal to half the statistic, and a constant, as long as the signal
is not negative, so that sums of them are enough.
"""

from dataclasses import dataclass
from functools import cached_property
import numpy as np
from gammapy.stats.wstat_profile import WStatProfile, is_measured

__all__ = []

#: Sums that `OffMaps.sums` gives.
OFF_SUMS = ("counts_off", "acceptance", "acceptance_off", "background", "constant")
N_OFF = len(OFF_SUMS)


@dataclass
class OffMaps:
    """Counts and acceptances of an on-off dataset.

    Each has the shape (n_energy, n_lat, n_lon).
    """

    counts: np.ndarray
    counts_off: np.ndarray
    acceptance: np.ndarray
    acceptance_off: np.ndarray
    alpha: np.ndarray
    is_used: np.ndarray  # inside the masks

    @cached_property
    def is_measured(self):
        """Where off counts tell of the background."""
        return is_measured(self.alpha)

    def at(self, idx):
        """Off counts and alpha of bins, as columns of rows."""
        return {"counts_off": self.counts_off[idx], "alpha": self.alpha[idx]}

    def sums(self, energies):
        """Sums inside the masks for each energy bin.

        Parameters
        ----------
        energies : slice
            Energy bins.

        Returns
        -------
        sums : `~numpy.ndarray`
            Those of `OFF_SUMS`, shape (n_energy, 5). The last two are of bins without
            on counts: the background there, and half the statistic without a signal.
        """
        used = self.is_used[energies]
        is_empty = used & self.is_measured[energies] & (self.counts[energies] == 0)
        alpha = np.where(is_empty, self.alpha[energies], 0.0)
        off = np.where(is_empty, self.counts_off[energies], 0.0)
        arrays = [
            np.where(used, np.nan_to_num(getattr(self, name)[energies]), 0.0)
            for name in ("counts_off", "acceptance", "acceptance_off")
        ]
        arrays += [_empty_background(off, alpha), _empty_constant(off, alpha)]
        sums = [np.sum(values, axis=(1, 2), dtype=float) for values in arrays]
        return np.stack(sums, axis=1)


def _empty_background(counts_off, alpha):
    """Background of bins without on counts, for a signal of 0 or more."""
    return alpha * counts_off / (1 + alpha)


def _empty_constant(counts_off, alpha):
    """Half the statistic of bins without on counts and without a signal."""
    return counts_off * np.log1p(alpha)


class OnOffRows:
    """Bins of on-off datasets that templates keep.

    Parameters
    ----------
    counts, counts_off, alpha : `~numpy.ndarray`
        On counts, off counts and ratio of the acceptances of all bins that are kept,
        shape (n_rows,). The ratio of bins of other datasets is NaN.

    Attributes
    ----------
    idx : `~numpy.ndarray` of int
        Which bins these are.
    profile : `~gammapy.stats.wstat_profile.WStatProfile`
        Their statistic.
    bends : `~numpy.ndarray`
        Change of the slope where the signal of a bin without counts is 0, shape
        (n_rows,); 0 for other bins.
    """

    def __init__(self, counts, counts_off, alpha):
        self.idx = np.flatnonzero(~np.isnan(alpha))
        columns = [column[self.idx] for column in (counts, counts_off, alpha)]
        self.profile = WStatProfile(*columns)
        self.bends = np.zeros(counts.shape)
        self.bends[self.idx] = self.profile.bend_slopes
        is_empty = self.profile.is_measured & (self.profile.n_on == 0)
        off = np.where(is_empty, self.profile.n_off, 0.0)
        self._empty = _empty_background(off, self.profile.alpha)
        self._constants = _empty_constant(off, self.profile.alpha)

    def stat(self, npred):
        """Half the statistic less what sums have of it.

        Parameters
        ----------
        npred : `~numpy.ndarray`
            Signal of all bins that are kept, shape (..., n_rows).

        Returns
        -------
        stat : `~numpy.ndarray`
            The sums, shape (...).
        """
        signal = npred[..., self.idx]
        bends = np.maximum(-signal, 0) @ self.bends[self.idx]
        return np.sum(self.profile.values(signal) - self._constants, axis=-1) + bends

    def background(self, npred):
        """Background less what sums have of it, shape (n_rows,) of ``idx``."""
        return self.profile.background(npred[self.idx]) - self._empty

    def missing(self, npred):
        """Predicted counts of bins less what sums have of them, shape as ``idx``."""
        signal = npred[self.idx]
        known = np.where(self.profile.is_measured, signal, 0.0)
        total = np.maximum(signal + self.profile.background(signal), 0)
        return total - known - self._empty

    @property
    def largest_spread(self):
        """Bound of what the measured background adds to squares of errors, in counts.

        With the derivative of the profile, n a b / m = (1 + a) b - k is at most n, and
        its square over k is what the off counts add to the variance of n.
        """
        n_on, n_off = self.profile.n_on, self.profile.n_off
        return np.sum(n_on**2 / np.maximum(n_off, 1))
