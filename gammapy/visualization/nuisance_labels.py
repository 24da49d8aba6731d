# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names, units and numbers of nuisance parameters at the axes of a figure."""

import re
import numpy as np
import astropy.units as u
from matplotlib.ticker import ScalarFormatter

__all__ = []

# Powers of ten that are no trouble to read at each tick.
PLAIN_EXPONENTS = range(-4, 6)
# Longest line of a label beside a panel, in characters.
N_CHARACTERS = 22
#: Unique name of a parameter: of its model, which may have dots, and its own.
UNIQUE_NAME = re.compile(
    r"(?P<model>.+)\.(?:spectral|spatial|temporal)\.(?P<parameter>.+)"
)
#: Suffix of the background models that datasets have by default.
BACKGROUND = "-bkg"
#: Column of a background that was measured, not fitted.
MEASURED = "background."
#: Where a name may be broken: at spaces, and at hyphens that are not inside a number.
BREAK = re.compile(r"(?<=\s)|(?<=(?<!\d)[a-zA-Z][-_])|(?<=[-_])(?=[a-zA-Z])")
#: Where the model is as it was made, by the last part of the name.
NEUTRAL = {"norm": 1.0, "tilt": 0.0}


def split_name(name, *, is_of_runs=False):
    """What a column is, and whose.

    Parameters
    ----------
    name : str
        Column of a nuisance table.
    is_of_runs : bool, optional
        Whether the rows are backgrounds of runs, whose columns have the names of the
        parameters alone. Default is False.

    Returns
    -------
    parameter, model : str
        Such as "background norm" and "run-bkg"; the model is "" where there is none.

    Examples
    --------
    >>> from gammapy.visualization.nuisance_labels import split_name
    >>> split_name("run-bkg.spectral.norm")
    ('background norm', 'run-bkg')
    >>> split_name("3FHL J0534.5+2201.spectral.amplitude")
    ('amplitude', '3FHL J0534.5+2201')
    """
    if name.startswith(MEASURED):
        return "background", name.removeprefix(MEASURED)
    parts = UNIQUE_NAME.fullmatch(name)
    if parts is None:
        is_background = is_of_runs and name in NEUTRAL
        return f"background {name}" if is_background else name, ""
    parameter, model = parts["parameter"], parts["model"]
    if model.endswith(BACKGROUND):
        parameter = f"background {parameter}"
    return parameter, model


def label(table, name, unit=None):
    """Text for the axis of a parameter: itself with its unit, and its model below.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table.
    name : str
        Column.
    unit : str, optional
        Unit in brackets, " [deg]" say. Default is that of the column.

    Returns
    -------
    text : str
        Lines of at most `N_CHARACTERS` where names can be broken.
    """
    unit = unit_text(table, name) if unit is None else unit
    parameter, model = split_name(name, is_of_runs="obs_id" in table.colnames)
    lines = wrapped(parameter)
    if len(lines[-1] + unit) > N_CHARACTERS:
        lines.append(unit.strip())
    else:
        lines[-1] += unit
    return "\n".join([*lines, *(wrapped(model) if model else [])])


def wrapped(name):
    """Lines of a name, none of which ends inside a number."""
    lines = [""]
    for part in BREAK.split(name):
        if lines[-1] and len((lines[-1] + part).rstrip()) > N_CHARACTERS:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def neutral_value(name):
    """Value at which a parameter leaves the model as it was made, None for others."""
    return NEUTRAL.get(name.rpartition(".")[2])


def unit_text(table, name, scale=1):
    """Unit of a column in brackets, "" where there is none."""
    unit = table[name].unit
    if scale != 1:
        unit = u.Unit(scale * (u.dimensionless_unscaled if unit is None else unit))
    return "" if unit is None else f" [{unit}]"


def format_values(axis, table, name):
    """Show values without a common power of ten, and give their unit, which has it.

    Matplotlib writes the power where it covers a long label.
    """
    values = np.abs(np.asarray(table[name], dtype=float))
    largest = np.max(values, initial=0, where=np.isfinite(values))
    exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
    scale = 1 if exponent in PLAIN_EXPONENTS else 10.0**exponent
    axis.set_major_formatter(ScaledFormatter(scale))
    return unit_text(table, name, scale)


class ScaledFormatter(ScalarFormatter):
    """Ticks in units of a scale, in full.

    Parameters
    ----------
    scale : float
        The unit.
    """

    def __init__(self, scale):
        super().__init__(useOffset=False)
        self.set_scientific(False)
        self.scale = scale

    def set_locs(self, locs):
        """Set the values of all ticks, which make the number of digits."""
        super().set_locs([loc / self.scale for loc in locs])

    def __call__(self, x, pos=None):
        """Text of a tick."""
        return super().__call__(x / self.scale, pos)
