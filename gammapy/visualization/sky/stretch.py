# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How values become colours: stretches, and ticks that suit them."""

import numpy as np
from astropy.visualization import (
    AsinhStretch,
    LogStretch,
    SqrtStretch,
)

__all__ = []

#: Names of stretches; "auto" chooses among the first three others.
STRETCHES = ("auto", "linear", "sqrt", "asinh", "log")

# Where the median of what is shown must be between the ends of the colours, 0 and 1,
# for a linear scale, and for that of a square root.
LOWEST_LINEAR = 0.2
LOWEST_SQRT = 0.04
# Where the scale of asinh goes over from linear to logarithmic, in medians.
KNEE = 0.5
KNEE_MIN = 1e-5

# Distance of ticks along a colour bar, of its length.
TICK_DISTANCE = 0.12
# Digits of ticks; those that come first are preferred.
TICK_DIGITS = (1, 5, 2, 3)
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def find_stretch(name, values, vmin, vmax):
    """Stretch of the colours between two limits.

    "auto" is "linear" if the colour of the median differs visibly from the darkest
    colour, "sqrt" if it does so with a square root, and "asinh" otherwise: linear up to
    half of the median, and logarithmic above (Lupton, Gunn & Szalay 1999, AJ 118,
    1406).

    Parameters
    ----------
    name : {"auto", "linear", "sqrt", "asinh", "log"}
        Stretch.
    values : `~numpy.ndarray`
        What is shown; values that are not finite, or not above ``vmin``, do not count.
    vmin, vmax : float
        Limits of the colours.

    Returns
    -------
    name : str
        Name of the stretch, not "auto".
    stretch : `~astropy.visualization.BaseStretch` or None
        Stretch, None for a linear one.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.visualization.sky.stretch import find_stretch
    >>> find_stretch("auto", np.array([1, 2, 3, 1000]), 0, 1000)[0]
    'asinh'
    """
    shown = values[np.isfinite(values) & (values > vmin)]
    middle = (np.median(shown) - vmin) / (vmax - vmin) if shown.size else 1.0
    if name == "auto":
        if middle >= LOWEST_LINEAR:
            name = "linear"
        else:
            name = "sqrt" if middle >= LOWEST_SQRT else "asinh"
    if name == "asinh":
        return name, AsinhStretch(np.clip(KNEE * middle, KNEE_MIN, 1))
    stretches = {"sqrt": SqrtStretch(), "log": LogStretch()}
    return name, stretches.get(name)


def scale_label(label, name):
    """Label of a colour bar that says which stretch its colours have."""
    return label if name == "linear" else f"{label} ({name} scale)"


def power_and_unit(unit, limits):
    """Power of ten that makes small values legible, and a unit with it as text.

    Parameters
    ----------
    unit : `~astropy.units.Unit`
        Unit.
    limits : tuple of float
        Limits of the colours.

    Returns
    -------
    power : int
        Exponent of ten, 0 without a unit.
    text : str
        Unit in brackets, empty without a unit.
    """
    if unit == "":
        return 0, ""
    power = int(np.floor(np.log10(np.max(np.abs(limits)))))
    factor = "" if power == 0 else f"10{str(power).translate(SUPERSCRIPTS)} "
    text = " ".join(sorted(unit.to_string("fits").split())).translate(SUPERSCRIPTS)
    return power, f" [{factor}{text}]"


def round_ticks(norm):
    """Round values that are spread over a colour bar.

    Parameters
    ----------
    norm : `~astropy.visualization.ImageNormalize`
        Norm of the colours.

    Returns
    -------
    ticks : list of float
        Values in ascending order, 0 among them where it is in range.
    """
    highest = max(abs(norm.vmin), abs(norm.vmax))
    power = np.floor(np.log10(highest))
    powers = 10.0 ** np.arange(power, power - 8, -1)
    sizes = [digit * size for digit in TICK_DIGITS for size in powers]
    candidates = [0.0, *(sign * size for size in sizes for sign in (1, -1))]
    ticks, places = [], []
    for value in candidates:
        if not norm.vmin <= value <= norm.vmax:
            continue
        place = float(norm(value))
        if all(abs(place - other) >= TICK_DISTANCE for other in places):
            ticks.append(value)
            places.append(place)
    return sorted(ticks)
