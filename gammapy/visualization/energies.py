# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energies as a reader likes them: units, ranges and axes."""

import numpy as np
import astropy.units as u
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

__all__ = []


def format_energy_range(energy_min, energy_max):
    """Energy range as text, in the unit in which its lower end reads best."""
    unit = legible_unit(energy_min)
    low, high = energy_min.to_value(unit), energy_max.to_value(unit)
    # Three digits, but no exponent: 2000, not 2e+03.
    low, high = (f"{float(f'{bound:.3g}'):.10g}" for bound in (low, high))
    return f"{low} - {high} {unit}"


def legible_table(residuals, method):
    """Table of residuals; energies of many digits get another unit."""
    table = residuals.to_table(method)
    if table["e_max"][-1] > 1e6:
        unit = legible_unit(table["e_min"].quantity[residuals.mask][0])
        for name in ("e_min", "e_max", "e_ref"):
            table[name] = table[name].quantity.to(unit)
    return table


def legible_unit(energy):
    """Unit in which an energy reads best."""
    units = [u.Unit(unit) for unit in ("TeV", "GeV", "MeV", "keV")]
    return next((unit for unit in units if energy >= 0.1 * unit), units[-1])


def format_energy_axis(ax, energy_min, energy_max):
    """Logarithmic energy axis with plain numbers, more of them when it is short."""
    ax.set_xscale("log")
    ax.set_xlim(energy_min, energy_max)
    ratio = energy_max / energy_min
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    if ratio < 3:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_minor_formatter(NullFormatter())
        return
    digits = (2, 3, 5, 7) if ratio < 10 else (2, 5) if ratio < 1e3 else ()

    def label_minor(x, _):
        digit = round(x / 10 ** np.floor(np.log10(x) + 1e-9))
        return f"{x:g}" if digit in digits else ""

    ax.xaxis.set_minor_formatter(FuncFormatter(label_minor))
