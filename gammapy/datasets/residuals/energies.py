# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energy bins and groups that datasets share."""

import astropy.units as u
from gammapy.maps import MapAxis
from gammapy.maps.energy_bins import (
    bins_within,
    energy_unit,
    find_edges,
    format_energy_range,
    parse_energy_range,
    range_of_bins,
    same_edges,
)
from gammapy.utils.arguments import parse_edges

__all__ = []


def bins_of_range(dataset, energy_min=None, energy_max=None):
    """Mask of the energy bins of a dataset inside a range; an error without any."""
    axis = dataset.counts.geom.axes["energy"]
    energies = parse_energy_range(energy_min, energy_max)
    mask = bins_within(axis, *energies)
    range_of_bins(axis, mask, dataset.name, *energies)
    return mask


def energy_groups(datasets, energy_min, energy_max, energy_edges, *, unit=None):
    """Edges of the energy groups, at bin edges of all datasets.

    They are in the unit that is given, or that
    `~gammapy.maps.energy_bins.energy_unit` says for the axis of the first dataset.
    """
    edges = _find_groups(datasets, energy_min, energy_max, energy_edges)
    return edges.to(unit_of(datasets, unit))


def unit_of(datasets, unit=None):
    """Unit of the energies of datasets, from the axis of the first one."""
    return energy_unit(datasets[0].counts.geom.axes["energy"], unit)


def _find_groups(datasets, energy_min, energy_max, energy_edges):
    """Edges of the energy groups, as they are in the axis of the first dataset."""
    if energy_edges is not None:
        if energy_min is not None or energy_max is not None:
            raise ValueError("Set energy_edges or energy_min and energy_max, not both.")
        energy_edges = parse_edges("energy_edges", energy_edges)
        axes = {
            dataset.name: dataset.counts.geom.axes["energy"] for dataset in datasets
        }
        found = [find_edges(axis, energy_edges, name) for name, axis in axes.items()]
        return found[0]

    bounds = parse_energy_range(energy_min, energy_max)
    found = {}
    for dataset in datasets:
        axis = dataset.counts.geom.axes["energy"]
        used = range_of_bins(axis, bins_within(axis, *bounds), dataset.name, *bounds)
        found[dataset.name] = u.Quantity(used)

    first = next(iter(found.values()))
    for name, edges in found.items():
        if not same_edges(edges, first):
            covered, unit = format_energy_range(*edges), energy_unit(first)
            raise ValueError(
                f"The energy bins of dataset {name!r} cover {covered}, those of "
                f"{datasets[0].name!r} {format_energy_range(*first, unit)}; use "
                "energy edges that both have."
            )
    return first


def common_energy_axis(datasets, *, unit=None):
    """Energy axis of the datasets; a ValueError that names those that differ.

    It is in the unit that is given, or that `~gammapy.maps.energy_bins.energy_unit`
    says.
    """
    axes = {dataset.name: dataset.counts.geom.axes["energy"] for dataset in datasets}
    first = next(iter(axes.values()))
    for name, axis in axes.items():
        if not same_edges(axis.edges, first.edges):
            raise ValueError(
                f"Dataset {name!r} has the energy edges {_show_edges(axis.edges)}, "
                f"{datasets[0].name!r} has {_show_edges(first.edges)}; resample one of "
                "them (Dataset.resample_energy_axis)."
            )
    return in_unit(first, energy_unit(first, unit))


def in_unit(axis, unit):
    """Energy axis in a unit, itself where it has it already."""
    if axis.unit == unit:
        return axis
    edges = axis.edges.to(unit)
    return MapAxis.from_edges(edges, name=axis.name, interp=axis.interp)


def _show_edges(edges):
    unit = energy_unit(edges)
    # As many digits as an edge must have to be one.
    numbers = ", ".join(f"{edge:.8g}" for edge in edges.to_value(unit))
    return f"[{numbers}] {unit}"
