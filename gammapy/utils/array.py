# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from .messages import show


def check_array(name, values):
    """Values as an array of floats; a TypeError when they are no plain numbers.

    Parameters
    ----------
    name : str
        Argument.
    values : array_like
        Values without a unit.

    Returns
    -------
    array : `~numpy.ndarray`
        Array.
    """
    unit = getattr(values, "unit", None)
    try:
        array = None if unit not in (None, "") else np.asarray(values)
    except ValueError:  # lists of different lengths
        array = None
    if array is None or array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers without a unit, got {show(values)}.")
    return array.astype(float, copy=False)


def check_broadcast(**arrays):
    """Raise a ValueError that names arrays of shapes that do not broadcast."""
    try:
        np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays.values())
        raise ValueError(
            f"{', '.join(arrays)}: expected shapes that broadcast, got {shapes}."
        ) from None
