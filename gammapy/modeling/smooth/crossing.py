# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Root of a nearly linear function that takes long to compute."""

import numpy as np

__all__ = []

# Growth of the distance while the function is below 0.
LEAST, MOST = 1.02, 1.5


def find_crossing(function, at_zero, start, bound, *, precision, n_steps=60):
    """Distance at which a function that rises from below 0 is 0.

    Each step goes to the root of the inverse parabola through the last three points.

    Parameters
    ----------
    function : callable
        Function of a distance. It takes long.
    at_zero : float
        Its value at 0, below 0.
    start, bound : float
        Where to begin, and the largest distance.
    precision : float
        Value of the function, or width of the interval around the root, that is enough.
    n_steps : int, optional
        Largest number of steps. Default is 60.

    Returns
    -------
    distance, value : float
        The distance, and the value there: not within the precision where the function
        jumps, below 0 at the bound where it has no root before, or NaN where it does
        not rise.

    Examples
    --------
    >>> from gammapy.modeling.smooth.crossing import find_crossing
    >>> square = lambda x: x**2 - 2
    >>> distance, value = find_crossing(square, -2.0, 1.0, 9, precision=1e-9)
    >>> round(distance, 6)
    1.414214
    """
    points = [(0.0, at_zero)]
    inner, outer, distance = 0.0, np.inf, min(start, bound)
    for _number in range(n_steps):
        value = function(distance)
        points = [*points[-2:], (distance, value)]
        if abs(value) < precision or (value < 0 and distance >= bound):
            return distance, value
        if value < 0:
            inner = distance
        else:
            outer = distance
        if outer - inner < precision:
            return distance, value
        distance = _next(points, inner, outer, bound)
    return np.nan, np.nan


def _next(points, inner, outer, bound):
    """Next distance: by the inverse parabola, else half of the interval."""
    guess = _inverse(points)
    if np.isinf(outer):
        guess = guess if np.isfinite(guess) else MOST * inner
        return min(np.clip(guess, LEAST * inner, MOST * inner), bound)
    return guess if inner < guess < outer else (inner + outer) / 2


def _inverse(points):
    """Where the polynomial of the distance as a function of the value is at 0."""
    distances, values = np.transpose(points)
    total = 0.0
    for idx, distance in enumerate(distances):
        others = np.delete(values, idx)
        with np.errstate(divide="ignore", invalid="ignore"):
            total += distance * np.prod(-others / (values[idx] - others))
    return total
