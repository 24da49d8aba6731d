# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What both kinds of residuals need from one dataset: weights, model and energy bins.

Nothing here changes a dataset: each keeps its own models and IRFs.
"""

import copy
from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.modeling.models import FoVBackgroundModel

__all__ = []

# Bin edges that differ by less than this, relative, are the same edge. Comparing
# exactly would lose bins whose edges were rounded on their way through a file.
EDGE_TOLERANCE = 1e-6

#: Statistic of the residuals for the fit statistics of datasets.
STAT_KINDS = {"cash": "cash", "cash_weighted": "cash", "wstat": "wstat"}


def joint_stat_kind(datasets):
    """Return "cash" or "wstat", the statistic of all datasets.

    Raises a ValueError when there are no datasets or they mix statistics, and a
    TypeError when a dataset has no counts.
    """
    if len(datasets) == 0:
        raise ValueError("There are no datasets to compute residuals of.")

    kinds = {}
    for dataset in datasets:
        if dataset.stat_type not in STAT_KINDS:
            raise TypeError(
                f"Dataset {dataset.name!r} has the statistic {dataset.stat_type!r}: "
                f"residuals need counts, so one of {', '.join(STAT_KINDS)}."
            )
        if dataset.counts is None:
            raise ValueError(f"Dataset {dataset.name!r} has no counts.")
        if dataset.stat_type == "wstat":
            _check_off(dataset)
        kinds.setdefault(STAT_KINDS[dataset.stat_type], []).append(dataset.name)

    if len(kinds) > 1:
        raise ValueError(
            "Datasets with a modelled and with a measured background cannot be "
            f"joined: {kinds['cash']} use cash, {kinds['wstat']} use wstat. "
            "Make the residuals of each kind alone."
        )
    return next(iter(kinds))


def _check_off(dataset):
    for name in ("counts_off", "acceptance", "acceptance_off"):
        if getattr(dataset, name) is None:
            raise ValueError(f"On-off dataset {dataset.name!r} has no {name}.")


def parse_energy_range(energy_min, energy_max):
    """Bounds as quantities or None; a ValueError when they are reversed."""
    bounds = [None if _ is None else u.Quantity(_) for _ in (energy_min, energy_max)]
    for name, bound in zip(("energy_min", "energy_max"), bounds, strict=True):
        if bound is not None and not bound.unit.is_equivalent("TeV"):
            raise ValueError(f"{name} is not an energy: {bound}")
    if None not in bounds and bounds[0] >= bounds[1]:
        raise ValueError(f"energy_min {bounds[0]} is not below energy_max {bounds[1]}.")
    return bounds


def bins_within(axis, energy_min=None, energy_max=None):
    """Mask of the bins of an energy axis that lie inside a range.

    A bin belongs when both its edges do, up to `EDGE_TOLERANCE`.
    """
    edges = axis.edges
    mask = np.ones(axis.nbin, dtype=bool)
    if energy_min is not None:
        mask &= edges[:-1] >= energy_min * (1 - EDGE_TOLERANCE)
    if energy_max is not None:
        mask &= edges[1:] <= energy_max * (1 + EDGE_TOLERANCE)
    return mask


def same_edges(edges, others):
    """Whether two lists of energies agree up to `EDGE_TOLERANCE`."""
    if len(edges) != len(others):
        return False
    values = edges.to_value(others.unit)
    return np.allclose(values, others.value, rtol=EDGE_TOLERANCE, atol=0)


def range_of_bins(axis, mask, dataset_name, energy_min, energy_max):
    """First and last edge of the selected bins; a ValueError when there are none."""
    if not mask.any():
        low, high = axis.edges[[0, -1]]
        raise ValueError(
            f"No energy bin of dataset {dataset_name!r} lies inside "
            f"{_show_bound(energy_min)} to {_show_bound(energy_max)}: its axis "
            f"goes from {low:.4g} to {high:.4g}."
        )
    idx = np.nonzero(mask)[0]
    return axis.edges[idx[0]], axis.edges[idx[-1] + 1]


def _show_bound(energy):
    return "any energy" if energy is None else f"{energy:.4g}"


@dataclass
class BinnedCounts:
    """Counts and model of one dataset, per bin, shape (n_energy, n_lat, n_lon).

    ``weights`` is 0 where a bin does not count. Off counts, their scaling ``alpha``
    and the acceptances are None for a modelled background.
    """

    weights: np.ndarray
    counts: np.ndarray
    npred: np.ndarray
    npred_background: np.ndarray
    counts_off: np.ndarray | None = None
    acceptance: np.ndarray | None = None
    acceptance_off: np.ndarray | None = None

    @classmethod
    def from_dataset(cls, dataset, *, exclude=(), axis_mask=None):
        """Evaluate a dataset.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
            Dataset.
        exclude : list of str
            Names of model components to leave out.
        axis_mask : `~numpy.ndarray` of bool, shape (n_energy,), optional
            Energy bins that count. Default is all.
        """
        off = {}
        signal = npred_signal(dataset, exclude)
        if dataset.stat_type == "wstat":
            # npred_background() is profiled with the on counts, so it would hide
            # half of what there is to see; the off counts alone are independent.
            background = dataset.alpha.data * dataset.counts_off.data
            off = {
                "counts_off": dataset.counts_off.data,
                "acceptance": dataset.acceptance.data,
                "acceptance_off": dataset.acceptance_off.data,
            }
        else:
            background = npred_background(dataset, exclude)
        npred = signal + background
        if dataset.stat_type != "wstat":
            # Gammapy's own npred() ends the same way: it never is negative.
            npred = np.clip(npred, 0, None)

        weights = mask_weights(dataset)
        weights = np.where(np.isfinite(npred), weights, 0.0)
        if off:
            # Without off acceptance nothing is known of the background.
            weights = np.where(off["acceptance_off"] > 0, weights, 0.0)
        if axis_mask is not None:
            weights[~axis_mask] = 0
        _check_counts(dataset, weights)
        return cls(weights, dataset.counts.data, npred, background, **off)

    def weighted(self, name, power=1):
        """One of the arrays times the weights, with 0 where the weights are 0.

        A NaN outside the mask must not survive, and NaN times 0 is NaN.
        """
        values = getattr(self, name)
        return np.where(self.weights > 0, values, 0.0) * self.weights**power


def npred_signal(dataset, exclude=()):
    """Predicted counts of the source components, without the excluded ones."""
    names = [_ for _ in dataset.evaluators if _ not in exclude]
    if len(names) == len(dataset.evaluators):
        return dataset.npred_signal().data
    if not names:
        return np.zeros(dataset.data_shape)
    return dataset.npred_signal(model_names=names).data


def npred_background(dataset, exclude=()):
    """Predicted counts of the background, 0 without one or when it is excluded."""
    model = getattr(dataset, "background_model", None)
    if dataset.background is None or (model is not None and model.name in exclude):
        return np.zeros(dataset.data_shape)
    return dataset.npred_background().data


def mask_weights(dataset):
    """Weight of each bin from the masks, 0 or 1, or the mask's value when weighted."""
    weights = np.ones(dataset.data_shape)
    for mask in (dataset.mask_safe, dataset.mask_fit):
        if mask is not None:
            weights = weights * mask.data
    if dataset.stat_type != "cash_weighted":
        weights = (weights != 0).astype(float)
    return weights


def without_mask_fit(dataset):
    """The same dataset, sharing all maps, without ``mask_fit``.

    It has evaluators of its own: those of the dataset leave out what is outside its
    masks, and would be changed.
    """
    if dataset.mask_fit is None:
        return dataset
    other = copy.copy(dataset)
    other.mask_fit = None
    other._background_cached = None
    other._background_parameters_cached = None
    other.models = dataset.models
    return other


def check_model_names(datasets, names):
    """Raise a ValueError for the first name that is no model of any dataset."""
    known = list(datasets.models.names) if datasets.models is not None else []
    for name in names:
        if name not in known:
            raise ValueError(
                f"There is no model named {name!r}; the models are {known}."
            )


def is_background(model):
    """Whether a model is the background of a dataset."""
    return isinstance(model, FoVBackgroundModel)


def _check_counts(dataset, weights):
    bad = ~np.isfinite(dataset.counts.data) & (weights > 0)
    if bad.any():
        raise ValueError(
            f"Dataset {dataset.name!r} has {bad.sum()} bins inside its mask with "
            "counts that are not finite; mask them with mask_safe."
        )
