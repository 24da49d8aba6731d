# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of energy axes: those within a range, equal edges, ranges from and to text."""

import numpy as np
import astropy.units as u
from gammapy.utils.arguments import parse_quantity

__all__ = []

# Bin edges that differ by less than this, relative, are the same edge. Comparing
# exactly would lose bins whose edges were rounded on their way through a file.
EDGE_TOLERANCE = 1e-6


def parse_energy_range(energy_min, energy_max):
    """Bounds as quantities or None; a ValueError when they are reversed."""
    given = {"energy_min": energy_min, "energy_max": energy_max}
    bounds = [
        None if bound is None else parse_quantity(name, bound, "TeV")
        for name, bound in given.items()
    ]
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


def find_edges(axis, edges, dataset_name):
    """The edges of bins of an axis that are given.

    Parameters
    ----------
    axis : `~gammapy.maps.MapAxis`
        Energy axis of a dataset.
    edges : `~astropy.units.Quantity`
        Energies in increasing order.
    dataset_name : str
        Name of the dataset, for the error.

    Returns
    -------
    edges : `~astropy.units.Quantity`
        As they are in the axis.

    Raises
    ------
    ValueError
        If an energy is no edge of a bin, up to `EDGE_TOLERANCE`; it names the nearest
        ones in the unit of the energies.
    """
    there = axis.edges.to_value(edges.unit)
    distances = np.abs(there - edges.value[:, np.newaxis])
    idx = distances.argmin(axis=1)
    nearest = there[idx]
    strange = np.abs(nearest - edges.value) > EDGE_TOLERANCE * nearest
    if strange.any():
        names = ", ".join(f"{edge:g}" for edge in edges.value[strange])
        # As many digits as an edge must have to be one.
        close = ", ".join(f"{edge:.8g}" for edge in dict.fromkeys(nearest[strange]))
        raise ValueError(
            f"energy_edges: {names} {edges.unit} are not edges of the energy bins of "
            f"dataset {dataset_name!r}; the nearest ones are {close} {edges.unit}."
        )
    return axis.edges[idx]


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


def format_energy_range(energy_min, energy_max):
    """Energy range as text, in the unit in which its lower end reads best."""
    unit = legible_unit(energy_min)
    low, high = energy_min.to_value(unit), energy_max.to_value(unit)
    # Three digits, but no exponent: 2000, not 2e+03.
    low, high = (f"{float(f'{bound:.3g}'):.10g}" for bound in (low, high))
    return f"{low} - {high} {unit}"


def legible_unit(energy):
    """Unit in which an energy reads best."""
    units = [u.Unit(unit) for unit in ("TeV", "GeV", "MeV", "keV")]
    return next((unit for unit in units if energy >= 0.1 * unit), units[-1])
