# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What both kinds of residuals need from one dataset: weights, model and energy bins.

Nothing here changes a dataset: each keeps its own models and IRFs.
"""

import copy
import logging
from dataclasses import dataclass
from functools import partial
import numpy as np
from gammapy.maps.energy_bins import (
    same_edges,
)
from .checks import OFF_ARRAYS
from .grids import cutout_slices
from .sky_geometry import sky_mask

__all__ = []

log = logging.getLogger(__name__)

# What a Fourier transform leaves where there is nothing, relative to the maximum.
ROUNDING = 1e-9


#: Largest number of different weights of bins.
N_LEVELS = 17


@dataclass
class Plane:
    """One energy bin of one dataset, arrays of shape (n_lat, n_lon).

    Where the weight is 0 counts and model are finite, so that products with the
    weights are safe. Off counts and acceptances are None for a modelled background.
    The arrays hold until the next plane is made.
    """

    idx: int
    weights: np.ndarray
    counts: np.ndarray
    npred: np.ndarray
    npred_background: np.ndarray
    components: list
    counts_off: np.ndarray | None = None
    acceptance: np.ndarray | None = None
    acceptance_off: np.ndarray | None = None
    alpha: np.ndarray | None = None
    is_weighted: bool = False
    scratch: np.ndarray | None = None
    levels: np.ndarray | None = None

    def summands(self):
        """Names and weighted arrays that are summed over bins.

        Each array holds until the next one is made: to take new memory for each takes
        longer than to multiply.
        """
        for name in SUMMED:
            values = getattr(self, name)
            if values is None:
                continue
            weighted = np.multiply(values, self.weights, out=self.scratch)
            yield name, weighted
            if name == "npred":
                # The squares of 0 and 1 are 0 and 1.
                if self.is_weighted:
                    weighted = weighted * self.weights
                yield "variance", weighted
        yield "coverage", self.weights
        for idx, share in enumerate(self._level_shares()):
            yield level_name(idx), self.npred * share

    def npred_parts(self):
        """Levels of the weights and the predicted counts that have this weight."""
        if self.levels is None:
            return [(1.0, self.npred * self.weights)]
        shares = zip(self.levels, self._level_shares(), strict=True)
        return [(level, self.npred * share) for level, share in shares if share.any()]

    def _level_shares(self):
        """Share of each level in the weights, which keeps their mean."""
        if self.levels is None:
            return []
        used = self.weights > 0
        unit = np.eye(len(self.levels))
        return [used * np.interp(self.weights, self.levels, row) for row in unit]


#: Arrays of a `Plane` that are summed with its weights.
SUMMED = ("counts", "npred", "npred_background", *OFF_ARRAYS)


def weight_levels(datasets, apply_mask=True):
    """Weights of bins that are not 0 or 1, None when there are none.

    The significance of weighted counts needs to know which of them have which weight.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    apply_mask : bool, optional
        Whether ``mask_fit`` applies. Default is True.

    Returns
    -------
    levels : `~numpy.ndarray` or None
        All weights that are not 0, or `N_LEVELS` between the lowest and the highest
        when there are more: each weight is then shared by two of them.
    """
    levels = {1.0}
    for dataset in datasets:
        if dataset.stat_type != "cash_weighted":
            continue
        if not apply_mask:
            dataset = without_mask_fit(dataset)
        for idx in range(dataset.data_shape[0]):
            weights = _plane_weights(dataset, idx)
            levels.update(np.unique(weights[weights > 0]).tolist())
    if levels == {1.0}:
        return None
    levels = np.sort(list(levels))
    if len(levels) > N_LEVELS:
        levels = np.linspace(levels[0], levels[-1], N_LEVELS)
    return levels


def level_name(idx):
    """Name of the sum of predicted counts that have a certain weight."""
    return f"npred_level_{idx}"


def npred_parts(sums, levels):
    """Weights of bins and the predicted counts that have them, taken out of sums.

    Parameters
    ----------
    sums : dict of `~numpy.ndarray`
        Sums over planes.
    levels : `~numpy.ndarray` or None
        Weights from `weight_levels`.

    Returns
    -------
    parts : list of tuple
        Weights and predicted counts: 1 and all of them when there are no others.
    """
    if levels is None:
        return [(1.0, sums["npred"])]
    return [(level, sums.pop(level_name(idx))) for idx, level in enumerate(levels)]


def iter_planes(dataset, bins, *, exclude=(), levels=None):
    """Go through the energy bins of a dataset that its masks do not hide entirely.

    Pixels that have no coordinate on the sky, as in the corners of an all-sky map, are
    masked. Only what one bin needs is made at a time: a joint fit has no room for
    copies of its cubes.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Dataset.
    bins : `~numpy.ndarray` of bool, shape (n_energy,)
        Energy bins that count.
    exclude : list of str
        Names of model components to leave out.
    levels : `~numpy.ndarray`, optional
        Weights from `weight_levels`. Default is None.

    Yields
    ------
    plane : `Plane`
        Counts and model of one energy bin.

    Raises
    ------
    ValueError
        If counts inside the mask are not finite.
    """
    sources = list(npred_sources(dataset, exclude))
    make_background = _background_maker(dataset, exclude)
    counts = dataset.counts.data
    on_sky = sky_mask(dataset.counts.geom)
    n_lost = 0
    npred_memory, scratch = (np.empty(dataset.data_shape[1:]) for _ in range(2))
    for idx in np.nonzero(bins)[0]:
        weights = _plane_weights(dataset, idx)
        if on_sky is not None:
            weights = weights * on_sky
        if not weights.any():
            continue

        background, off = make_background(idx)
        npred = npred_memory
        np.copyto(npred, background)
        components = []
        for name, cutout, into, part in sources:
            cutout = cutout[(idx, *part)]
            npred[into] += cutout
            components.append((name, cutout, into))

        if off:
            # Without off acceptance nothing is known of the background.
            weights = np.where(off["acceptance_off"] > 0, weights, 0.0)
        else:
            # Gammapy's own npred() ends the same way: it never is negative.
            np.maximum(npred, 0, out=npred)
        arrays = {"counts": counts[idx], "npred": npred, "npred_background": background}
        arrays |= off
        is_finite = {name: np.isfinite(values) for name, values in arrays.items()}
        # Looking is several times faster than np.where, and mostly enough.
        broken = [name for name, finite in is_finite.items() if not finite.all()]
        if broken:
            n_lost += np.sum(~is_finite["npred"] & (weights > 0))
            weights = np.where(is_finite["npred"], weights, 0.0)
            _check_counts(dataset, idx, is_finite["counts"] | (weights == 0))
        for name in broken:
            arrays[name] = np.where(weights > 0, arrays[name], 0.0)
        if not weights.any():
            continue
        yield Plane(
            idx=idx,
            weights=weights,
            components=components,
            is_weighted=dataset.stat_type == "cash_weighted",
            scratch=scratch,
            levels=levels,
            **arrays,
        )
    if n_lost:
        bad = [name for name, data, *_ in sources if not np.isfinite(data).all()]
        log.warning(
            f"The model of dataset {dataset.name!r} is not finite in {n_lost} bins, "
            f"which are left out: check {', '.join(bad) or 'its background'}."
        )


def npred_sources(dataset, exclude):
    """Cutouts of the source components: name, data, and where they overlap.

    The evaluators give their predicted counts around each source, as
    `MapDataset.npred_signal` asks for them; there is no need of a cube per source.
    """
    for name, evaluator in dataset.evaluators.items():
        if name in exclude:
            continue
        if evaluator.needs_update:
            if dataset.exposure is None:
                raise ValueError(
                    f"Dataset {dataset.name!r} has no exposure, which the model "
                    f"{name!r} needs; exclude=[{name!r}] leaves it out."
                )
            evaluator.update(
                dataset.exposure,
                dataset.psf,
                dataset.edisp,
                dataset.counts.geom,
                dataset.mask_image,
            )
        if not evaluator.contributes:
            continue
        npred = evaluator.compute_npred()
        axes = [grid.axes["energy"].edges for grid in (npred.geom, dataset.counts.geom)]
        if not same_edges(*axes):
            raise ValueError(
                f"Model {name!r} has the energy edges {axes[0]}, dataset "
                f"{dataset.name!r} has {axes[1]}."
            )
        data = npred.data
        if npred.unit != "":
            data = npred.quantity.to_value("")
        into, part = cutout_slices(dataset.counts.geom, npred.geom)
        yield name, data, into, part
        if not evaluator.use_cache:
            evaluator.reset_cache_properties()


def _background_maker(dataset, exclude):
    """Function that gives the background in one energy bin, and the off data."""
    if dataset.stat_type == "wstat":
        return partial(_measured_background, dataset)
    model = getattr(dataset, "background_model", None)
    is_excluded = model is not None and model.name in exclude
    if dataset.background is None or is_excluded:
        nothing = np.zeros(dataset.data_shape[1:])
        return lambda idx: (nothing, {})
    data = dataset.npred_background().data
    return lambda idx: (data[idx], {})


def _measured_background(dataset, idx):
    """Background of one energy bin from off counts alone.

    `MapDatasetOnOff.npred_background` is profiled with the on counts, so it would
    hide half of what there is to see.
    """
    off = {name: getattr(dataset, name).data[idx] for name in OFF_ARRAYS}
    # A ring that is excluded has an acceptance of 0 but for rounding errors.
    given = off["acceptance_off"]
    is_finite = np.isfinite(given)
    rounding = ROUNDING * np.max(given, initial=0.0, where=is_finite)
    off["acceptance_off"] = np.where(is_finite & (given > rounding), given, 0.0)
    unit = dataset.acceptance.unit / dataset.acceptance_off.unit
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = off["acceptance"] / off["acceptance_off"] * unit.to("")
        background = alpha * off["counts_off"]
    has_off = off["acceptance_off"] > 0
    return np.where(has_off, background, 0.0), off | {
        "alpha": np.where(has_off, alpha, 0.0)
    }


def alpha_range(dataset, bins):
    """Smallest and largest alpha of an on-off dataset inside its masks.

    Without any pixel in the energy bins it is infinity and 0.
    """
    low, high = np.inf, 0.0
    for idx in np.nonzero(bins)[0]:
        background, off = _measured_background(dataset, idx)
        used = (_plane_weights(dataset, idx) > 0) & (off["acceptance_off"] > 0)
        alpha = off["alpha"][used & np.isfinite(background)]
        low, high = alpha.min(initial=low), alpha.max(initial=high)
    return low, high


def _plane_weights(dataset, idx):
    """Weights of one energy bin from the masks, 0 or 1, or the mask's value."""
    masks = [
        mask.data[idx]
        for mask in (dataset.mask_safe, dataset.mask_fit)
        if mask is not None
    ]
    if not masks:
        return np.ones(dataset.data_shape[1:])
    weights = masks[0]
    for mask in masks[1:]:
        weights = weights * mask
    if dataset.stat_type != "cash_weighted":
        weights = weights != 0
    elif not np.all(weights >= 0) or np.isinf(weights).any():
        raise ValueError(
            f"The masks of dataset {dataset.name!r} with the statistic cash_weighted "
            "are weights: they must be 0 or positive."
        )
    return weights.astype(float)


def _check_counts(dataset, idx, is_good):
    if not is_good.all():
        low, high = dataset.counts.geom.axes["energy"].edges[idx : idx + 2]
        raise ValueError(
            f"Dataset {dataset.name!r} has {np.sum(~is_good)} bins of {low:.4g} - "
            f"{high:.4g} inside its mask with counts that are not finite; mask them "
            "with mask_safe."
        )


def joint_alpha(sums):
    """Alpha of summed on-off data, from a dict of their sums.

    It keeps the sum of alpha n_off; without off counts it is the ratio of the summed
    acceptances.
    """
    has_off = sums["counts_off"] > 0
    above = np.where(has_off, sums["npred_background"], sums["acceptance"])
    below = np.where(has_off, sums["counts_off"], sums["acceptance_off"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def without_mask_fit(dataset):
    """The same dataset, sharing all maps, without ``mask_fit``."""
    if dataset.mask_fit is None:
        return dataset
    other = independent_copy(dataset)
    other.mask_fit = None
    return other


def independent_copy(dataset, models=None):
    """The same dataset, sharing all maps, to set other maps, masks or models on.

    It has caches and evaluators of its own: those of the dataset leave out what is
    outside its masks, and would be changed.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Dataset.
    models : list of `~gammapy.modeling.models.Model`, optional
        Models of the copy. Default is None, those of the dataset.

    Returns
    -------
    other : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Copy.
    """
    other = without_background_cache(dataset)
    other.models = dataset.models if models is None else models
    return other


def without_background_cache(dataset):
    """The same dataset, sharing all but the background that was computed last."""
    other = copy.copy(dataset)
    other._background_cached = None
    other._background_parameters_cached = None
    return other
