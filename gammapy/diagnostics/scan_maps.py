# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of the significance at several scales and in several energy groups.

The datasets are reduced once for all kernels with the same weights for all of them.
What toys need, predicted counts before and tables after the sums, is kept on the way.
"""

import copy
from dataclasses import dataclass, field
import numpy as np
import astropy.units as u
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.checks import (
    joint_stat_kind,
    log_without_models,
    parse_names,
)
from gammapy.datasets.residuals.energies import energy_groups
from gammapy.datasets.residuals.grids import common_image_geom
from gammapy.datasets.residuals.joint_maps import make_selection
from gammapy.datasets.residuals.kernels import check_on_off, find_kernel
from gammapy.datasets.residuals.kernels.same_weights import SameWeights
from gammapy.datasets.residuals.planes import level_name
from gammapy.datasets.residuals.sum_tables import kernel_table
from gammapy.datasets.residuals.sums import Selection
from gammapy.maps import WcsGeom
from gammapy.maps.energy_bins import format_energy_range
from .matched_fields import MatchedField, matched_maps
from .noise_toys import Block, PlainField

__all__ = []


@dataclass
class ScanMap:
    """Significance at one scale in one energy group, images of shape (n_lat, n_lon).

    ``excess`` are the counts of a source that has the shape of the kernel; within a
    top-hat they are counts minus model. ``reach`` is the radius in deg of a disc of as
    many pixels as the kernel effectively has, ``radius`` its correlation radius in deg,
    0 for a kernel without one, and ``field`` what makes the same map of toys.
    """

    kernel: str
    radius: float
    group: int
    sqrt_ts: np.ndarray
    excess: np.ndarray
    reach: float
    is_uniform: bool
    field: object = None
    npred: np.ndarray | None = None


@dataclass
class Group:
    """One energy group: energies, mask, and counts and model without any kernel."""

    energies: u.Quantity
    atoms: list
    mask: np.ndarray
    counts: np.ndarray
    npred: np.ndarray


@dataclass
class Scan:
    """All maps, on one geometry.

    ``blocks`` are what toys are drawn from, empty for on-off data.
    """

    geom: WcsGeom
    groups: list
    maps: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    datasets: object = None
    selection: Selection | None = None
    is_on_off: bool = False


def find_kernels(kernels, radii):
    """One kernel per scale: each that has a radius with all radii."""
    found = []
    for value in kernels:
        kernel = find_kernel(value, "1 deg")
        values = radii if kernel.has_radius else [None]
        found += [find_kernel(value, radius) for radius in values]
    return found


def make_scan(datasets, kernels, *, energies, exclude, apply_mask, n_jobs, backend):
    """Maps of all kernels and energy groups.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    kernels : list of `~gammapy.datasets.residuals.kernels.base.Kernel`
        Kernels.
    energies : dict
        The options ``energy_min``, ``energy_max``, ``energy_edges`` and ``unit`` of
        `~gammapy.datasets.SpatialResiduals.from_datasets`.
    exclude, apply_mask, n_jobs, backend
        As there.

    Returns
    -------
    scan : `Scan`
        Maps.
    """
    datasets = local_datasets(datasets)
    is_on_off = joint_stat_kind(datasets) == "wstat"
    exclude = parse_names(datasets, exclude)
    geom = common_image_geom(datasets)
    edges = energy_groups(datasets, **energies)
    # All of them are wrong before anything is evaluated.
    weights = [kernel.on(geom, is_on_off=is_on_off) for kernel in kernels]
    if is_on_off:
        for item in weights:
            check_on_off(item)
    log_without_models(datasets)
    selection = make_selection(datasets, edges, exclude, apply_mask)
    levels = selection.levels
    plain = SameWeights(find_kernel(None).on_sky(geom), geom, is_on_off=is_on_off)
    joint = plain.reduce(datasets, selection, n_jobs, backend)
    if not joint.energies:
        raise ValueError(
            "All bins of the datasets are masked within "
            f"{format_energy_range(edges[0], edges[-1], edges.unit)}, or have no "
            "finite model."
        )
    scan = Scan(
        geom,
        _make_groups(joint, edges, energies["energy_edges"] is None),
        datasets=datasets,
        selection=selection,
        is_on_off=is_on_off,
    )
    has_filter = any(kernel.has_bin_weights for kernel in kernels)
    if not is_on_off and not has_filter:
        scan.blocks = [_joint_block(joint, levels)]
    for kernel, item in zip(kernels, weights, strict=True):
        if kernel.has_bin_weights:
            scan.maps += _matched(scan, kernel, (n_jobs, backend))
        else:
            item.warn(datasets, joint.mask.any(axis=0))
            scan.maps += _same_weights(scan, kernel, item, joint)
    return scan


def _make_groups(joint, edges, is_range):
    """All energies together, and then each group when there are several."""
    n_atoms = len(edges) - 1
    ranges = [(0, n_atoms)]
    if n_atoms > 1:
        ranges += [(idx, idx + 1) for idx in range(n_atoms)]
    groups = []
    for first, last in ranges:
        bounds = edges[[first, last]]
        if is_range:
            # The masks may end before the axes do.
            used = u.Quantity(joint.energies)
            bounds = u.Quantity([used.min(), used.max()], edges.unit)
        atoms = slice(first, last)
        groups.append(
            Group(
                energies=bounds,
                atoms=list(range(first, last)),
                mask=joint.mask[atoms].any(axis=0),
                counts=joint.images["counts"][atoms].sum(axis=0),
                npred=joint.images["npred"][atoms].sum(axis=0),
            )
        )
    return groups


def _joint_block(joint, levels):
    """Predicted counts of the joint images, one for each atom and weight of masks."""
    if levels is None:
        images = [(1.0, joint.images["npred"])]
    else:
        images = [
            (level, joint.images[level_name(idx)]) for idx, level in enumerate(levels)
        ]
    atoms = np.arange(len(joint.mask))
    return Block(
        npred=np.concatenate([image for _level, image in images]),
        levels=np.repeat([level for level, _image in images], atoms.size),
        atoms=np.tile(atoms, len(images)),
    )


def _summed(joint, atoms):
    """The same sums with all atoms of a group together."""
    summed = copy.copy(joint)
    summed.images = {
        name: np.max(images[atoms], axis=0, keepdims=True)
        if name.endswith("alpha_max")
        else np.sum(images[atoms], axis=0, keepdims=True)
        for name, images in joint.images.items()
    }
    summed.mask = joint.mask[atoms].any(axis=0, keepdims=True)
    return summed


def _same_weights(scan, kernel, weights, joint):
    """Maps of a kernel with the same weights for all datasets."""
    levels = scan.selection.levels
    sky_kernel = kernel.on_sky(scan.geom)
    for idx, group in enumerate(scan.groups):
        if not group.mask.any():
            continue
        summed = _summed(joint, group.atoms)
        parts = [(1.0, summed.images["npred"][0])]
        if levels is not None:
            parts = [
                (level, summed.images[level_name(number)][0])
                for number, level in enumerate(levels)
            ]
        sums = weights.finish(summed, summed.mask, levels)
        sums = {name: images[0] for name, images in sums.items()}
        field = None
        if not scan.is_on_off:
            table = kernel_table(sky_kernel, sums, group.mask, parts)
            field = PlainField(idx, group.mask, sky_kernel, table)
        n_pixels = np.median(sky_kernel.n_pixels)
        total = 1.0 if sky_kernel.is_uniform else _total(sky_kernel)
        factor = 1.0 if sky_kernel.is_uniform else n_pixels / total
        yield ScanMap(
            kernel=_name(kernel),
            radius=_degrees(kernel),
            group=idx,
            sqrt_ts=sums["sqrt_ts"],
            excess=np.where(group.mask, factor * (sums["counts"] - sums["npred"]), 0),
            reach=_reach(scan.geom, n_pixels),
            is_uniform=sky_kernel.is_uniform,
            field=field,
            npred=sums["npred"],
        )


def _matched(scan, kernel, workers):
    """Maps of a filter that is matched to a source."""
    selection, n_atoms = scan.selection, len(scan.selection.edges) - 1
    for idx, group in enumerate(scan.groups):
        if not group.mask.any():
            continue
        bounds = selection.edges[[group.atoms[0], group.atoms[-1] + 1]]
        part = copy.copy(selection)
        part.edges = bounds
        found = matched_maps(scan.datasets, part, kernel.source(), scan.geom, *workers)
        if not scan.blocks:
            everything = copy.copy(selection)
            scan.blocks = dataset_blocks(scan.datasets, everything, scan.geom)
        atoms = range(n_atoms) if len(group.atoms) == n_atoms else group.atoms
        yield ScanMap(
            kernel=_name(kernel),
            radius=0.0,
            group=idx,
            sqrt_ts=found.sqrt_ts,
            excess=found.excess,
            reach=_reach(scan.geom, found.n_correlated),
            is_uniform=False,
            field=MatchedField(idx, found, list(atoms)),
            npred=None,
        )


def dataset_blocks(datasets, selection, geom):
    """Predicted counts of all planes of all datasets."""
    return [Block.from_dataset(dataset, selection, geom) for dataset in datasets]


def _name(kernel):
    return "none" if kernel.name is None else kernel.name


def _degrees(kernel):
    radius = kernel.correlation_radius
    return 0.0 if radius is None else radius.to_value("deg")


def _total(kernel):
    """Sum of the weights, 1 of those that have a shape for each row."""
    weights = getattr(kernel, "weights", None)
    return 1.0 if weights is None else weights.sum()


def _reach(geom, n_pixels):
    area = np.prod(geom.pixel_scales.to_value("deg"))
    return float(np.sqrt(n_pixels * area / np.pi))
