# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of a dataset that its Cash statistic needs, and its background there."""

import numpy as np
from .residuals.planes import npred_sources
from .shape_slopes import SpectrumSlopes

__all__ = []


class CountedBins:
    """Bins of a dataset with counts, and sums over all bins in its masks.

    The sum of the model over the masks needs no bins, and its logarithm only those with
    counts, which in most maps are few.

    Parameters
    ----------
    number : int
        Number of the dataset.
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.

    Attributes
    ----------
    weights : `~numpy.ndarray`
        Weight of each bin, 0 outside the masks; None after `finish`.
    idx : tuple of `~numpy.ndarray`
        Indices of the bins with counts.
    counts : `~numpy.ndarray`
        Weighted counts there.
    fixed, sum_fixed : `~numpy.ndarray`, float
        Model that does not change: there, and its weighted sum.
    """

    def __init__(self, number, dataset):
        self.number = number
        self.name = dataset.name
        self.geom = dataset.counts.geom.to_image()
        self.weights = bin_weights(dataset)
        counts = dataset.counts.data
        is_broken = (self.weights > 0) & ~np.isfinite(counts)
        if is_broken.any():
            raise ValueError(
                f"Dataset {self.name!r} has {is_broken.sum()} bins inside its mask "
                "with counts that are not finite; mask them with mask_safe."
            )
        self.idx = np.nonzero((self.weights > 0) & (counts > 0))
        self.counts = self.weights[self.idx] * counts[self.idx]
        self.fixed = np.zeros(len(self.counts))
        self.sum_fixed = 0.0

    def inside(self, into, inside):
        """Bins with counts that are in a cutout.

        Parameters
        ----------
        into, inside : tuple of slice
            Overlap, in the dataset and in the cutout.

        Returns
        -------
        which, energy, lat, lon : tuple of `~numpy.ndarray`
            Which ones, their energy bins, and their pixels in the cutout.
        """
        energy, *pixel = self.idx
        keep = np.ones(len(energy), dtype=bool)
        local = []
        for number, whole, part, size in zip(
            pixel, into, inside, self.geom.data_shape, strict=True
        ):
            start, stop, _step = whole.indices(size)
            keep &= (number >= start) & (number < stop)
            local.append(number - start + (part.start or 0))
        which = np.flatnonzero(keep)
        return which, energy[which], local[0][which], local[1][which]

    def add_fixed(self, dataset, names):
        """Add the components that do not change.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset`
            Dataset.
        names : list of str
            Names of the sources that do change.
        """
        for name, data, into, part in npred_sources(dataset, names):
            self.add(name, data, into, part)

    def add(self, name, data, into, part):
        """Add a component; ``into`` and ``part`` as in `cutout_slices`."""
        which, *idx = self.inside(into, part)
        self.fixed[which] += data[tuple(idx)]
        weights = self.weights[(slice(None), *into)]
        values = data[(slice(None), *part)]
        total = np.sum(values * weights, where=weights > 0)
        if not np.isfinite(total):
            raise ValueError(
                f"The counts of {name!r} in dataset {self.name!r} are not finite "
                "inside its mask; mask these bins with mask_safe."
            )
        self.sum_fixed += total

    def finish(self):
        """Let go of what is needed only to set up."""
        self.weights = None


def bin_weights(dataset):
    """Weight of each bin in the statistic, 0 outside the masks."""
    shape = dataset.counts.data.shape
    if dataset.mask is None:
        return np.ones(shape)
    mask = np.broadcast_to(dataset.mask.data, shape)
    if dataset.stat_type == "cash_weighted":
        return np.where(mask > 0, mask, 0.0)
    return (mask != 0).astype(float)


class BackgroundTerms:
    """Background of a dataset, with a norm in each energy bin.

    Parameters
    ----------
    bins : `CountedBins`
        Bins of the dataset, with their weights.
    dataset : `~gammapy.datasets.MapDataset`
        Dataset with a background and a model of it.
    indices : dict
        Index of each free parameter by its id.
    """

    def __init__(self, bins, dataset, indices):
        self.number = bins.number
        self.energy = bins.idx[0]
        self.model = dataset.background_model
        self.energies = dataset.background.geom.axes["energy"].center
        data = dataset.background.quantity.to_value("")
        self.values = data[bins.idx].astype(float)
        inside = bins.weights > 0
        self.sums = np.sum(data * bins.weights, axis=(1, 2), where=inside)
        if not np.isfinite(self.sums).all():
            raise ValueError(
                f"The background of dataset {bins.name!r} is not finite inside its "
                "mask; mask these bins with mask_safe."
            )
        known = {id(par): par for par in self.model.parameters if id(par) in indices}
        self.parameters = list(known.values())
        self.idx = np.array([indices[key] for key in known], dtype=int)
        spectrum = self.model.spectral_model
        self._slopes = SpectrumSlopes(spectrum, self.parameters, self.norms)

    def norms(self):
        """Factor in each energy bin."""
        values = self.model.spectral_model(self.energies)
        return np.ravel(getattr(values, "value", values)).astype(float)

    def derivatives(self, *, second=False):
        """Derivatives of the factors, see `SpectrumSlopes.derivatives`."""
        return self._slopes.derivatives(second=second)
