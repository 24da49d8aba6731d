# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Terms of the model of a dataset that is linear in norms."""

import math
from dataclasses import dataclass, field
import numpy as np
from ..linearity import NotLinearError
from .on_off import OffMaps

__all__ = []

#: Bins that are gone through at a time, so that they stay in the processor's cache.
N_BINS_CHUNK = 2**17


@dataclass
class Term:
    """Counts that one component predicts, for a norm of 1.

    They are ``data * factor``. Bins outside ``into`` are 0. What was summed is kept, in
    case a term is used again: its mask is always that of its dataset.
    """

    name: str
    index: int | None  # of the norm, None for what is fixed
    data: np.ndarray  # shape (n_energy, n_lat, n_lon) of the cutout
    factor: np.ndarray  # shape (n_energy,)
    into: tuple  # slices of the cutout in the map
    known: dict = field(default_factory=dict, repr=False)

    def values(self, energies):
        """Predicted counts in some energy bins, of the cutout."""
        return self.data[energies] * self.factor[energies, np.newaxis, np.newaxis]

    def at(self, idx):
        """Where the cutout has the bins with these indices, and its counts there."""
        inside = np.arange(idx[0].size)
        local = list(idx)
        for axis, part in enumerate(self.into, start=1):
            if part.start is None:
                continue
            local[axis] = local[axis] - part.start
            keep = (local[axis] >= 0) & (local[axis] < part.stop - part.start)
            local, inside = [array[keep] for array in local], inside[keep]
        return inside, self.data[tuple(local)] * self.factor[local[0]]

    def sums(self, energies, weights):
        """Weighted sums for each energy bin."""
        return self._once(self._sums, energies, weights)

    def low(self, energies, weights):
        """Lower bound of the counts in each energy bin, for norms of 0 or more."""
        return self._once(self._low, energies, weights)

    def _once(self, function, energies, weights):
        key = function.__name__, energies.start
        if key not in self.known:
            self.known[key] = function(energies, weights)
        return self.known[key]

    def _sums(self, energies, weights):
        cutout = weights[(slice(None), *self.into)]
        total = _plane_sums(self.data[energies], cutout)
        if not np.isfinite(total).all():
            # Outside the mask anything goes; inside, Gammapy would count it as 0.
            data = np.where(cutout > 0, self.data[energies], 0.0)
            n_broken = np.sum(~np.isfinite(data))
            if n_broken:
                raise NotLinearError(
                    f"{n_broken} bins inside the mask have predicted counts of "
                    f"{self.name!r} that are not finite; mask them with mask_safe."
                )
            total = _plane_sums(data, cutout)
        return total * self.factor[energies]

    def _low(self, energies, weights):
        is_cutout = any(part.start is not None for part in self.into)
        low = np.min(self.data[energies], axis=(1, 2)) * self.factor[energies]
        if np.all(low != 0) and np.isfinite(low).all() and np.all(self.factor > 0):
            return np.minimum(low, 0) if is_cutout else low
        # A background is zero outside the masks only, and inside it outweighs the
        # noise that convolutions leave in empty parts of sources.
        inside = weights[(slice(None), *self.into)] > 0
        low = np.min(self.values(energies), axis=(1, 2), where=inside, initial=np.inf)
        low[np.isinf(low)] = 0
        return np.minimum(low, 0) if is_cutout else low


def _plane_sums(data, weights):
    """Sums of products over each plane."""
    with np.errstate(invalid="ignore"):
        return np.einsum("eij,eij->e", data, weights)


@dataclass
class DatasetTerms:
    """What the templates keep of a dataset: its model, term by term, and its mask."""

    name: str
    axis: object  # energy axis
    shape: tuple  # (n_energy, n_lat, n_lon)
    terms: list
    mask: np.ndarray | None
    is_weighted: bool
    off: OffMaps | None = None  # of on-off datasets

    def weights(self, energies):
        """Weight of each bin in the statistic, 0 outside the masks.

        It is 0 where off counts say nothing of the background, too.
        """
        inside = self.inside(energies)
        if self.off is None:
            return inside
        return np.where(self.off.is_measured[energies], inside, 0.0)

    def inside(self, energies):
        """Weight of each bin in the masks, 0 outside."""
        shape = (len(range(self.shape[0])[energies]), *self.shape[1:])
        if self.mask is None:
            return np.ones(shape)
        mask = np.broadcast_to(self.mask, self.shape)[energies]
        if self.is_weighted:
            return np.where(mask > 0, mask, 0.0).astype(float)
        return (mask != 0).astype(float)

    def chunks(self):
        """Slices of energy bins that are gone through at a time."""
        step = max(1, N_BINS_CHUNK // math.prod(self.shape[1:]))
        for start in range(0, self.shape[0], step):
            yield slice(start, min(start + step, self.shape[0]))
