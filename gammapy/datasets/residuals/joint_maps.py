# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of joint datasets: sums, kernel and significance."""

import numpy as np
import astropy.units as u
from gammapy.maps import Map, MapAxis
from gammapy.maps.energy_bins import format_energy_range
from gammapy.modeling.models.copies import copy_models
from gammapy.utils.arguments import check_bool, check_n_jobs
from ..core import local_datasets
from .checks import joint_stat_kind, log_without_models, parse_names
from .energies import bins_of_range, energy_groups
from .grids import common_image_geom, image_slices, place
from .kernels import check_on_off, find_kernel
from .off_counts import SEVERAL_ALPHAS, has_several_alphas
from .planes import weight_levels
from .sums import Selection

__all__ = []

#: Maps that are in units of the amplitude of a matched source, and in which power.
FLUX_POWERS = {"counts": 1, "npred": 1, "npred_background": 1, "variance": 2}


def joint_maps(
    datasets,
    *,
    energy_min,
    energy_max,
    energy_edges,
    kernel,
    correlation_radius,
    exclude,
    geom,
    apply_mask,
    n_jobs,
    parallel_backend,
    energy_unit=None,
):
    """Maps of joint datasets, and what else `SpatialResiduals` is made of.

    Arguments are those of `SpatialResiduals.from_datasets`.
    """
    n_jobs = check_n_jobs(n_jobs, parallel_backend)
    apply_mask = check_bool("apply_mask", apply_mask)
    datasets = local_datasets(datasets)
    is_on_off = joint_stat_kind(datasets) == "wstat"
    exclude = parse_names(datasets, exclude)
    image_geom = common_image_geom(datasets, geom)
    # Of a smaller geom the borders see what is beyond them.
    cut = image_slices(geom.to_image(), image_geom) if geom else (..., ...)
    edges = energy_groups(
        datasets, energy_min, energy_max, energy_edges, unit=energy_unit
    )
    kernel = find_kernel(kernel, correlation_radius)
    weights = kernel.on(image_geom, is_on_off=is_on_off)
    if is_on_off:
        check_on_off(weights)

    log_without_models(datasets)
    selection = make_selection(datasets, edges, exclude, apply_mask)
    levels = selection.levels
    joint = weights.reduce(datasets, selection, n_jobs, parallel_backend)
    if not joint.energies:
        raise ValueError(
            "All bins of the datasets are masked within "
            f"{format_energy_range(edges[0], edges[-1], edges.unit)}, or have no "
            "finite model."
        )
    mask = joint.mask
    weights.warn(datasets, _shown(mask, cut[1]))
    if geom is not None:
        # What is cut off needs no significance.
        mask = _only_within(mask, *cut, datasets.names)
    sums = weights.finish(joint, mask, levels)
    n_correlated = weights.n_correlated
    if np.ndim(n_correlated):
        sums["n_correlated"] = np.broadcast_to(n_correlated, mask.shape)
    if geom is not None:
        image_geom = geom.to_image()
        shape = image_geom.data_shape
        sums = {name: place(data, shape, *cut) for name, data in sums.items()}
        mask = place(mask, shape, *cut)
    if energy_edges is None:
        # The masks may end before the axes do.
        used = u.Quantity(joint.energies)
        edges = u.Quantity([used.min(), used.max()], edges.unit)
    maps = _as_maps(sums, mask, image_geom, edges, weights.fluxes(edges))
    if "n_correlated" in maps:
        n_correlated = 1 / np.mean(1 / maps["n_correlated"].data[mask])
    return maps, {
        # What is fitted later must not show.
        "models": copy_models(datasets.models),
        "datasets_names": datasets.names,
        "kernel": kernel.name,
        "correlation_radius": kernel.correlation_radius,
        "kernel_radius": weights.radius,
        "n_pixels_correlated": n_correlated,
        "exclude": exclude,
    }


def make_selection(datasets, edges, exclude, apply_mask):
    """What is summed of datasets between edges, a `Selection`."""
    several_alphas = has_several_alphas(
        datasets,
        lambda dataset: bins_of_range(dataset, edges[0], edges[-1]),
        apply_mask=apply_mask,
    )
    levels = weight_levels(datasets, apply_mask)
    return Selection(edges, exclude, apply_mask, levels, several_alphas)


def _shown(mask, part):
    """Pixels that are unmasked in any energy group, of a part of the image."""
    shown = np.zeros(mask.shape[1:], dtype=bool)
    shown[part] = mask.any(axis=0)[part]
    return shown


def _only_within(mask, into, part, names):
    """Mask without the pixels that the given geometry does not have."""
    cut = np.zeros_like(mask)
    cut[:, *part] = mask[:, *part]
    if not cut.any():
        raise ValueError(
            f"No unmasked bin of the datasets lies inside geom: {', '.join(names)}."
        )
    return cut


def _as_maps(sums, mask, image_geom, edges, fluxes=None):
    """Maps of sums, NaN outside the mask where they need one.

    Sums that are amplitudes of a source become fluxes with those of its amplitude 1 in
    each energy group.
    """
    axis = MapAxis.from_energy_edges(edges, name="energy")
    geom = image_geom.to_cube([axis])
    coverage = sums.pop("coverage")
    powers = {} if fluxes is None else FLUX_POWERS
    maps = {}
    for name, data in sums.items():
        if name in ("acceptance", "acceptance_off", *SEVERAL_ALPHAS):
            continue
        data = np.where(mask, data, np.nan)
        factor = 1 if name not in powers else fluxes ** powers[name]
        scale = np.reshape(u.Quantity(factor).value, (-1, 1, 1))
        maps[name] = Map.from_geom(
            geom, data=data * scale, unit=u.Quantity(factor).unit
        )
    maps["mask"] = Map.from_geom(geom, data=mask, dtype=bool)
    maps["coverage"] = Map.from_geom(geom, data=coverage)
    return maps
