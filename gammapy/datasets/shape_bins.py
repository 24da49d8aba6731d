# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of a dataset that its statistic needs, and its background there."""

import numpy as np
from gammapy.modeling.models import FoVBackgroundModel
from .residuals.grids import cutout_slices
from .residuals.planes import npred_sources
from .shape_slopes import SpectrumSlopes

__all__ = []

#: Smallest model of a bin with counts, as in `~gammapy.stats.cash`.
TRUNCATION = 1e-25


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
        Weight of each bin, 0 outside the masks; truth values after `finish` where all
        are 0 or 1.
    idx : tuple of `~numpy.ndarray`
        Indices of the bins with counts.
    counts : `~numpy.ndarray`
        Weighted counts there.
    has_all_bins : bool
        Whether these are all bins in the masks.
    fixed, sum_fixed : `~numpy.ndarray`, float
        Model that does not change: there, and its weighted sum.
    """

    def __init__(self, number, dataset):
        self.number = number
        self.name = dataset.name
        self.geom = dataset.counts.geom.to_image()
        self.weights = bin_weights(dataset)
        counts = dataset.counts.data
        self._check(counts, self.weights > 0, "counts")
        self.idx = np.nonzero(self._select(dataset))
        self.counts = self.weights[self.idx] * counts[self.idx]
        self.fixed = np.zeros(len(self.counts))
        self.sum_fixed = 0.0

    has_all_bins = False

    def _check(self, counts, inside, name):
        is_broken = inside & ~np.isfinite(counts)
        if is_broken.any():
            raise ValueError(
                f"Dataset {self.name!r} has {is_broken.sum()} bins inside its mask "
                f"with {name} that are not finite; mask them with mask_safe."
            )

    def _select(self, dataset):
        """Bins that are kept, an array of bool."""
        return (self.weights > 0) & (dataset.counts.data > 0)

    def stat(self, model):
        """Half the statistic less the sum of the model.

        Parameters
        ----------
        model : `~numpy.ndarray`
            Model at the bins that are kept, shape (n_bins,).

        Returns
        -------
        stat : float
            The sum.
        """
        return -self.counts @ np.log(np.maximum(model, TRUNCATION))

    def slopes(self, model):
        """Derivatives of half the statistic less the sum of the model.

        Parameters
        ----------
        model : `~numpy.ndarray`
            Model at the bins that are kept, shape (n_bins,).

        Returns
        -------
        ratios, curvatures : `~numpy.ndarray`
            Minus the first derivative, for Cash the counts over the model, and the
            second one; shapes (n_bins,).
        """
        model = np.where(model <= TRUNCATION, np.inf, model)
        ratios = self.counts / model
        return ratios, ratios / model

    def n_truncated(self, model):
        """Number of bins with counts and no model."""
        return int(np.sum(model <= TRUNCATION))

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
        """Keep weights that are 0 or 1 as what takes less memory."""
        if np.all((self.weights == 0) | (self.weights == 1)):
            self.weights = self.weights.astype(bool)


def bin_weights(dataset):
    """Weight of each bin in the statistic, 0 outside the masks."""
    shape = dataset.counts.data.shape
    if dataset.mask is None:
        return np.ones(shape)
    mask = np.broadcast_to(dataset.mask.data, shape)
    if dataset.stat_type == "cash_weighted":
        return np.where(mask > 0, mask, 0.0)
    return (mask != 0).astype(float)


class NormTerms:
    """Counts that are known, with a norm in each energy bin: backgrounds and templates.

    Parameters
    ----------
    bins : `CountedBins`
        Bins of the dataset, with their weights.
    model : `~gammapy.modeling.models.ModelBase`
        Model with a norm spectrum.
    data : `~numpy.ndarray`
        Its counts where the norms are 1.
    energies : `~astropy.units.Quantity`
        Centres of the energy bins.
    indices : dict
        Index of each free parameter by its id.
    into, part : tuple of slice
        Where the data are, as in `cutout_slices`.
    """

    def __init__(self, bins, model, data, energies, indices, *, into, part):
        self.number = bins.number
        self.model = model
        self.energies = energies
        self.inside, self.energy, lat, lon = bins.inside(into, part)
        self.values = data[self.energy, lat, lon].astype(float)
        weights = bins.weights[(slice(None), *into)]
        own = data[(slice(None), *part)]
        self.sums = np.sum(own * weights, axis=(1, 2), where=weights > 0)
        if not np.isfinite(self.sums).all():
            is_background = isinstance(model, FoVBackgroundModel)
            what = "background" if is_background else f"template {model.name!r}"
            raise ValueError(
                f"The {what} of dataset {bins.name!r} is not finite inside its mask; "
                "mask these bins with mask_safe."
            )
        known = {
            id(par): par
            for par in model.spectral_model.parameters
            if id(par) in indices
        }
        self.parameters = list(known.values())
        self.idx = np.array([indices[key] for key in known], dtype=int)
        spectrum = self.model.spectral_model
        self._slopes = SpectrumSlopes(
            spectrum, self.parameters, self.norms, weights=lambda: abs(self.sums)
        )

    def seen(self):
        """The free parameters, where any used bin has a background; else none."""
        return self.parameters if self.sums.any() or self.values.any() else []

    def norms(self):
        """Factor in each energy bin."""
        values = self.model.spectral_model(self.energies)
        return np.ravel(getattr(values, "value", values)).astype(float)

    def derivatives(self, *, second=False):
        """Derivatives of the factors, see `SpectrumSlopes.derivatives`."""
        return self._slopes.derivatives(second=second)


def background_terms(bins, dataset, indices):
    """Background of a dataset with a model, see `NormTerms`."""
    model, geom = dataset.background_model, dataset.background.geom
    data = dataset.background.quantity.to_value("")
    if model.spatial_model is not None:
        coords = geom.get_coord(sparse=True)
        where = [coords.lon, coords.lat]
        if model.spatial_model.is_energy_dependent:
            where.append(coords["energy"])
        data = data * model.spatial_model(*where).value
    everything = (slice(None), slice(None))
    return NormTerms(
        bins,
        model,
        data,
        geom.axes["energy"].center,
        indices,
        into=everything,
        part=everything,
    )


def template_terms(bins, model, geom, indices):
    """Template of counts in a dataset with a geometry, see `NormTerms`."""
    data = model.map.quantity.to_value("")
    own = model.map.geom
    if model.spatial_model is not None:
        data = data * model.spatial_model.evaluate_geom(own).value
    into, part = cutout_slices(geom, own)
    energies = own.axes["energy"].center
    return NormTerms(bins, model, data, energies, indices, into=into, part=part)
