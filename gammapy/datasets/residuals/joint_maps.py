# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of joint datasets: sums, kernel and significance."""

import numpy as np
import astropy.units as u
from gammapy.maps import Map, MapAxis
from gammapy.modeling.models.copies import copy_models
from gammapy.utils.arguments import check_bool, check_n_jobs
from ..core import local_datasets
from .checks import joint_stat_kind, log_without_models, parse_names
from .energies import bins_of_range, energy_groups
from .grids import common_image_geom, image_slices, place
from .kernels import make_sky_kernel
from .kernels.matched_filter import source_of_kernel, warn_of_filters
from .kernels.matched_sums import matched_sums
from .off_counts import MAXIMA, SEVERAL_ALPHAS, has_several_alphas
from .planes import npred_parts, weight_levels
from .significance import summed_significance
from .sums import JointSums, Selection, reduce_all, reduce_dataset
from .weighted import convolve_sums

__all__ = []


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
    edges = energy_groups(datasets, energy_min, energy_max, energy_edges)
    source = source_of_kernel(kernel)
    sky_kernel = None
    if source is None:
        sky_kernel = make_sky_kernel(kernel, correlation_radius, image_geom)
    if is_on_off:
        sky_kernel = _unit_kernel(sky_kernel)

    log_without_models(datasets)
    several_alphas = has_several_alphas(
        datasets,
        lambda dataset: bins_of_range(dataset, edges[0], edges[-1]),
        apply_mask=apply_mask,
    )
    levels = weight_levels(datasets, apply_mask)
    selection = Selection(edges, exclude, apply_mask, levels, several_alphas)
    if source is None:
        n_correlated = sky_kernel.n_pixels
        joint = JointSums(image_geom, n_groups=len(edges) - 1)
        tasks = [(_, selection) for _ in datasets]
        for item in reduce_all(reduce_dataset, tasks, n_jobs, parallel_backend):
            joint.add(item)
    else:
        joint, n_correlated = matched_sums(
            datasets, selection, source, image_geom, n_jobs, parallel_backend
        )
    if not joint.energies:
        raise ValueError(
            f"All bins of the datasets are masked between {edges[0]:.4g} and "
            f"{edges[-1]:.4g}, or have no finite model."
        )
    sums, mask = joint.images, joint.mask
    if source is None:
        sky_kernel.warn(image_geom, _shown(mask, cut[1]))
    else:
        warn_of_filters(datasets, image_geom, _shown(mask, cut[1]))
    if geom is not None:
        # What is cut off needs no significance.
        mask = _only_within(mask, *cut)
        if not mask.any():
            raise ValueError(
                "No unmasked bin of the datasets lies in the given geom: "
                f"{', '.join(datasets.names)}."
            )
    if source is None:
        sums["coverage"] = joint.mask.astype(float)
        if is_on_off:
            sums = _convolve_on_off(sums, sky_kernel)
            sums["sqrt_ts"] = summed_significance(sums, mask)
        else:
            parts = npred_parts(sums, selection.levels)
            sums = convolve_sums(sums, sky_kernel, mask, parts)
    if np.ndim(n_correlated):
        sums["n_correlated"] = np.broadcast_to(n_correlated, mask.shape)
    if geom is not None:
        image_geom = geom.to_image()
        shape = image_geom.data_shape
        sums = {name: place(data, shape, *cut) for name, data in sums.items()}
        mask = place(mask, shape, *cut)
    coverage = sums.pop("coverage")

    if energy_edges is None:
        # The masks may end before the axes do.
        used = u.Quantity(joint.energies)
        edges = u.Quantity([used.min(), used.max()])
    axis = MapAxis.from_energy_edges(edges, name="energy")
    maps_geom = image_geom.to_cube([axis])
    maps = {
        name: Map.from_geom(maps_geom, data=np.where(mask, data, np.nan))
        for name, data in sums.items()
        if name not in ("acceptance", "acceptance_off", *SEVERAL_ALPHAS)
    }
    maps["mask"] = Map.from_geom(maps_geom, data=mask, dtype=bool)
    maps["coverage"] = Map.from_geom(maps_geom, data=coverage)
    if "n_correlated" in maps:
        n_correlated = 1 / np.mean(1 / maps["n_correlated"].data[mask])
    has_radius = isinstance(kernel, str) and source is None
    return maps, {
        # What is fitted later must not show.
        "models": copy_models(datasets.models),
        "datasets_names": datasets.names,
        "kernel": _kernel_name(kernel, source),
        "correlation_radius": u.Quantity(correlation_radius) if has_radius else None,
        "n_pixels_correlated": n_correlated,
        "exclude": exclude,
    }


def _shown(mask, part):
    """Pixels that are unmasked in any energy group, of a part of the image."""
    shown = np.zeros(mask.shape[1:], dtype=bool)
    shown[part] = mask.any(axis=0)[part]
    return shown


def _only_within(mask, into, part):
    """Mask without the pixels that another geometry does not have."""
    cut = np.zeros_like(mask)
    cut[:, *part] = mask[:, *part]
    return cut


def _convolve_on_off(sums, kernel):
    """Sums with a kernel of equal weights."""
    return {
        name: kernel.maximum(image) if name in MAXIMA else kernel.apply(image)
        for name, image in sums.items()
    }


def _unit_kernel(kernel):
    """Kernel of equal weights, made 1; a ValueError for any other."""
    if kernel is None or not kernel.is_uniform:
        raise ValueError(
            "On-off datasets need the kernel 'tophat' or None: off counts cannot "
            "be weighted like on counts."
        )
    return kernel.as_sum()


def _kernel_name(kernel, source):
    """Name of a kernel: itself, or what kind of object it is."""
    if kernel is None or isinstance(kernel, str):
        return kernel
    return "map" if source is None else "model"
