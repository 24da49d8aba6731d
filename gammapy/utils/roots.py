# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from scipy.optimize import brentq

__all__ = ["find_root_above"]


def find_root_above(f, start, *, rtol=1e-10, n_steps=60):
    """Root of a function that rises from a negative value at 0.

    The bracket grows from the start by factors of 10 until it holds the root, so the
    start only has to be of the same sign as the root.

    Parameters
    ----------
    f : callable
        Function of a float, which is not NaN between 0 and the root.
    start : float
        First guess, not 0. The search goes in its direction.
    rtol : float, optional
        Relative precision of the root. Default is 1e-10.
    n_steps : int, optional
        How often the bracket grows. Default is 60.

    Returns
    -------
    root : float
        The root, NaN when it is not found.

    Examples
    --------
    >>> from gammapy.utils.roots import find_root_above
    >>> round(find_root_above(lambda x: x**2 - 9, start=1e-3), 6)
    3.0
    """
    lower = 0.0
    for upper in float(start) * 10.0 ** np.arange(n_steps):
        value = f(upper)
        if value >= 0:
            return brentq(f, lower, upper, rtol=rtol, xtol=1e-300)
        if np.isnan(value):
            break
        lower = upper
    return np.nan
