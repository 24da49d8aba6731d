# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of energy axes: those within a range, equal edges, ranges from and to text."""

import numpy as np
import astropy.units as u
from gammapy.utils.arguments import parse_quantity, show

__all__ = []

# Bin edges that differ by less than this, relative, are the same edge. Comparing
# exactly would lose bins whose edges were rounded on their way through a file.
EDGE_TOLERANCE = 1e-6

#: Units that energies are shown in, from the largest to the smallest.
UNITS = (u.TeV, u.GeV, u.MeV, u.keV)

#: A number above which it would be shown in a larger unit.
LARGEST = 1e6


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
    """Edges of bins of an axis at given energies.

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
        Edges of the axis.

    Raises
    ------
    ValueError
        If an energy is not an edge of a bin, up to `EDGE_TOLERANCE`. The error names
        the nearest edges in the unit of the energies.
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
        reach = format_energy_range(
            *axis.edges[[0, -1]], energy_unit(axis), dash=" to "
        )
        raise ValueError(
            f"No energy bin of dataset {dataset_name!r} lies inside "
            f"{_show_bound(energy_min)} to {_show_bound(energy_max)}: its axis "
            f"covers {reach}."
        )
    idx = np.nonzero(mask)[0]
    return axis.edges[idx[0]], axis.edges[idx[-1] + 1]


def _show_bound(energy):
    return "any energy" if energy is None else show_energy(energy, energy.unit)


def energy_unit(energies, unit=None):
    """Unit in which all energies of an analysis are shown.

    If the energy axis is in TeV, GeV, MeV or keV and its values are below 1e6, its unit
    is kept. Otherwise the unit is the largest of these in which the upper end of the
    axis is at least 5. OGIP spectra, which are always in keV, are therefore shown in
    TeV for Cherenkov telescopes, in GeV for Fermi-LAT, and in keV for X-rays.

    The whole axis is considered, not the range in use, so the unit is the same for all
    energy ranges and groups of an analysis.

    Parameters
    ----------
    energies : `~gammapy.maps.MapAxis` or `~astropy.units.Quantity`
        Energy axis, or its edges.
    unit : `~astropy.units.Unit` or str, optional
        Unit of energy to use instead. Default is None.

    Returns
    -------
    unit : `~astropy.units.Unit`
        Unit.

    Raises
    ------
    ValueError
        If ``unit`` is not a unit of energy.

    Examples
    --------
    >>> from gammapy.maps import MapAxis
    >>> from gammapy.maps.energy_bins import energy_unit
    >>> axis = MapAxis.from_energy_bounds("1e7 keV", "1e11 keV", nbin=12)
    >>> print(energy_unit(axis), energy_unit(axis, "GeV"))
    TeV GeV
    """
    if unit is not None:
        return parse_energy_unit("energy_unit", unit)
    edges = u.Quantity(getattr(energies, "edges", energies))
    highest = np.max(edges)
    if edges.unit == UNITS[0]:
        return edges.unit
    if edges.unit in UNITS and highest.value < LARGEST:
        return edges.unit
    # Up to rounding, or an axis that ends at 5 TeV has one unit in MeV, another in keV.
    is_enough = (each for each in UNITS if highest >= 5 * each * (1 - EDGE_TOLERANCE))
    return next(is_enough, UNITS[-1])


def parse_energy_unit(name, unit):
    """A unit of energy; a ValueError that names the argument for what is none."""
    try:
        parsed = u.Unit(unit)
    except (TypeError, ValueError):
        parsed = None
    if parsed is None or not parsed.is_equivalent("TeV"):
        raise ValueError(
            f"{name}: expected a unit of energy such as 'TeV', got {show(unit)}."
        )
    return parsed


def energy_format(edges):
    """Format of a column of energies without exponent, that keeps values different.

    Parameters
    ----------
    edges : `~astropy.units.Quantity` or `~astropy.table.Column`
        Energies of a table, in its unit.

    Returns
    -------
    text : str
        Format specification.

    Examples
    --------
    >>> import astropy.units as u
    >>> from gammapy.maps.energy_bins import energy_format
    >>> energy_format([0.5, 1.3625841381159225, 20] * u.TeV)
    '.3g'
    >>> energy_format([10, 2000] * u.GeV)
    '.4g'
    """
    values = np.asarray(getattr(edges, "value", edges), dtype=float)
    values = np.unique(values[np.isfinite(values)])
    for digits in range(3, 9):
        shown = [f"{value:.{digits}g}" for value in values]
        if len(set(shown)) == len(values) and "e" not in "".join(shown):
            break
    return f".{digits}g"


def show_energy(energy, unit=None):
    """Energy as text with three digits, without exponent, and with a unit.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        Energy.
    unit : `~astropy.units.Unit` or str, optional
        Unit of the analysis, see `energy_unit`. Default is None, the unit for this
        energy.

    Returns
    -------
    text : str
        Text.

    Examples
    --------
    >>> import astropy.units as u
    >>> from gammapy.maps.energy_bins import show_energy
    >>> show_energy(1.3625841381159225 * u.TeV), show_energy(2e9 * u.keV, "TeV")
    ('1.36 TeV', '2 TeV')
    """
    unit = energy_unit(energy, unit)
    return f"{_show_number(energy.to_value(unit))} {unit}"


def format_energy_range(energy_min, energy_max, unit=None, *, dash=" - "):
    """Energy range as text, such as "0.5 - 20 TeV".

    Parameters
    ----------
    energy_min, energy_max : `~astropy.units.Quantity`
        Range.
    unit : `~astropy.units.Unit` or str, optional
        Unit of the analysis, see `energy_unit`. Default is None, the unit for this
        range.
    dash : str, optional
        Text between the numbers. Default is " - ".

    Returns
    -------
    text : str
        Text with three digits, or more if the ends would be the same.
    """
    bounds = u.Quantity([energy_min, energy_max])
    unit = energy_unit(bounds, unit)
    for digits in (3, 4, 5, 6):
        low, high = (_show_number(bound, digits) for bound in bounds.to_value(unit))
        if low != high:
            break
    return f"{low}{dash}{high} {unit}"


def _show_number(number, digits=3):
    # No exponent: 2000, not 2e+03.
    return f"{float(f'{number:.{digits}g}'):.10g}"
