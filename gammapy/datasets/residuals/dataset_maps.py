# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual maps of one dataset: what `MapDataset.residuals` and its plots show."""

from itertools import chain
import numpy as np
from gammapy.maps import Map
from gammapy.stats.residual_methods import METHODS
from gammapy.stats.residuals import check_residual_method, compute_residuals
from .checks import OFF_ARRAYS, check_data
from .energies import bins_of_range
from .off_counts import (
    HIGHER_MOMENTS,
    MAXIMA,
    alpha_summands,
    combine,
    has_several_alphas,
    on_off_significance,
)
from .planes import iter_planes, level_name, npred_parts, weight_levels
from .smoothing import Smoothing
from .weighted import sqrt_ts_of_parts

__all__ = []


def residual_map(
    dataset, method="diff", *, energy_min=None, energy_max=None, smooth=None
):
    """Residuals per energy bin.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range. Default is all energies.
    smooth : dict, optional
        Arguments of `~gammapy.datasets.residuals.smoothing.Smoothing.create`. Default
        is no smoothing.

    Returns
    -------
    residuals : `~gammapy.maps.Map`
        Residuals, NaN where the dataset is masked.
    """
    smoothing = _check_arguments(dataset, method, smooth)
    # A single pixel has one alpha.
    is_summed = METHODS[method].is_significance and smoothing is not None
    sums, levels = _masked_arrays(dataset, energy_min, energy_max, is_summed)
    residuals = _compute(sums, levels, method, smoothing)
    return Map.from_geom(dataset.counts.geom, data=residuals)


def residual_image(
    dataset, method="diff", *, energy_min=None, energy_max=None, smooth=None
):
    """Residuals of the counts and the model that are summed over energy.

    Parameters and result are those of `residual_map`, the result is one image. It is
    NaN where no energy bin contributes.
    """
    smoothing = _check_arguments(dataset, method, smooth)
    is_summed = METHODS[method].is_significance
    cubes, levels = _masked_arrays(dataset, energy_min, energy_max, is_summed)
    sums = {name: combine(name).reduce(values) for name, values in cubes.items()}
    sums["mask"] = cubes["mask"].any(axis=0)
    residuals = _compute(sums, levels, method, smoothing)
    return Map.from_geom(dataset.counts.geom.to_image(), data=residuals)


def _check_arguments(dataset, method, smooth):
    """Smoothing or None; a ValueError, before anything is evaluated, for bad input."""
    check_residual_method(method)
    check_data(dataset)
    if not smooth:
        return None
    smoothing = Smoothing.create(dataset.counts.geom, **smooth)
    is_on_off = dataset.stat_type == "wstat"
    is_significance = METHODS[method].is_significance
    if is_on_off and is_significance and not smoothing.is_sum:
        raise ValueError(
            f"The significance of the on-off dataset {dataset.name!r} needs sums of "
            "counts, so equal weights: use the kernel 'box' or 'disk' and the mode "
            f"'constant' instead of {smoothing.kernel!r} and {smoothing.mode!r}."
        )
    return smoothing


def _masked_arrays(dataset, energy_min, energy_max, is_summed):
    """Arrays of shape (n_energy, n_lat, n_lon) that can be summed, 0 where masked.

    Those of `alpha_summands` are there when on-off data are summed and need them.
    """
    bins = bins_of_range(dataset, energy_min, energy_max)
    several_alphas = is_summed and has_several_alphas([dataset], lambda _dataset: bins)
    # These are there also when all is masked.
    levels = weight_levels([dataset])
    names = ["counts", "npred", "variance", "coverage"]
    names += [level_name(idx) for idx in range(0 if levels is None else len(levels))]
    arrays = {name: np.zeros(dataset.data_shape) for name in names}
    for plane in iter_planes(dataset, bins, levels=levels):
        more = alpha_summands(plane) if several_alphas else ()
        for name, values in chain(plane.summands(), more):
            if name not in arrays:
                arrays[name] = np.zeros(dataset.data_shape)
            arrays[name][plane.idx] = values
    arrays["mask"] = arrays.pop("coverage") > 0
    return arrays, levels


def _compute(sums, levels, method, smoothing):
    """Residuals from sums over bins, NaN outside their mask."""
    mask = sums["mask"]
    parts = npred_parts(sums, levels)
    is_significance = METHODS[method].is_significance
    if is_significance and "counts_off" not in sums:
        if smoothing is not None:
            return smoothing.sqrt_ts(sums["counts"], sums["npred"], mask, parts)
        return sqrt_ts_of_parts(np.where(mask, sums["counts"], np.nan), parts)
    if smoothing is not None:
        variance = smoothing.apply_squared(sums["variance"])
        sums = {name: _smooth(smoothing, name, sums[name]) for name in sums}
        sums["variance"] = variance

    if is_significance and "counts_off" in sums:
        # Counts have a likelihood, their means do not.
        n_pixels = 1 if smoothing is None else 1 / smoothing.weight
        names = {"counts", "npred", "npred_background", *OFF_ARRAYS, *HIGHER_MOMENTS}
        scaled = {name: sums[name] * n_pixels for name in names & sums.keys()}
        return on_off_significance(sums | scaled, mask)
    counts, npred = (np.where(mask, sums[name], np.nan) for name in ("counts", "npred"))
    if METHODS[method].is_in_counts:
        # A uniform difference stays uniform where the mask ends.
        with np.errstate(divide="ignore", invalid="ignore"):
            return (counts - npred) / sums["mask"]
    return compute_residuals(counts, npred, method, variance=sums["variance"])


def _smooth(smoothing, name, values):
    """Smoothed values, of those that are not summed the largest."""
    return smoothing.maximum(values) if name in MAXIMA else smoothing.apply(values)
