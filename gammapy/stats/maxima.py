# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maxima of noise in a map, as arrays.

If a map is searched for a significance above a level u, the probability that noise
exceeds it at any position is about 1 - exp(-E), with the expected Euler characteristic
E of the set of positions above u (Adler & Taylor 2007, Random Fields and Geometry;
Vitells & Gross 2011, Astropart. Phys. 35, 230). At high levels it is the expected
number of islands. For smooth Gaussian fields it is exp(-u^2 / 2) times a polynomial of
u, whose coefficients depend on the field and are fitted to simulations.
"""

import numpy as np
from scipy.optimize import nnls
from scipy.special import lambertw, ndtr
from scipy.stats import poisson

__all__ = []

#: Levels at which islands are counted, in sigma.
LEVELS = np.arange(2.0, 4.01, 0.25)
# A part of a count that rounding may make.
ROUNDING = 1e-7


def euler_characteristics(values, levels):
    """Number of islands minus number of holes above levels.

    Pixels that share a side are neighbours, and four that share a corner leave no
    hole: the characteristic is the number of pixels minus that of pairs plus that of
    squares of four.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Image of shape (n_y, n_x). NaN is below all levels.
    levels : array_like
        Levels, of shape (n,).

    Returns
    -------
    characteristics : `~numpy.ndarray`
        Array of int, of shape (n,).
    """
    levels = np.asarray(levels, dtype=float)
    width = values.shape[1] + 1
    padded = np.full((values.shape[0] + 1, width), -np.inf)
    padded[:-1, :-1] = np.where(np.isnan(values), -np.inf, values)
    flat = np.ravel(padded)
    # Most pixels are below all levels.
    (idx,) = np.nonzero(flat >= levels.min())
    here = flat[idx]
    columns, rows = (np.minimum(here, flat[idx + step]) for step in (1, width))
    squares = np.minimum(np.minimum(columns, rows), flat[idx + width + 1])
    total = np.zeros(levels.shape, dtype=int)
    for cells, sign in ((here, 1), (rows, -1), (columns, -1), (squares, 1)):
        total += sign * np.sum(cells[:, np.newaxis] >= levels, axis=0)
    return total


class ExpectedIslands:
    """Expected Euler characteristic at any level, from simulations.

    It is exp(-u^2 / 2) (a + b u + c u^2) with a, b, c >= 0. Two dimensions on the sky
    give the term with u, and the scale as a third one that with u^2.

    Parameters
    ----------
    characteristics : `~numpy.ndarray`
        Euler characteristics of simulations at ``levels``, of shape
        (n_simulations, n_levels).
    levels : array_like, optional
        Levels. Default is `LEVELS`.

    Attributes
    ----------
    coefficients : `~numpy.ndarray`
        Values of a, b and c.
    """

    def __init__(self, characteristics, levels=LEVELS):
        levels = np.asarray(levels, dtype=float)
        mean = np.mean(characteristics, axis=0)
        n_islands = np.sum(characteristics, axis=0)
        # Islands are as good as independent at these levels: their number is Poisson.
        errors = np.sqrt(np.maximum(n_islands, 1)) / len(characteristics)
        columns = _terms(levels) / errors[:, np.newaxis]
        self.coefficients, _residual = nnls(columns, mean / errors)

    def __call__(self, level):
        """Expected Euler characteristic at levels above 0, an array."""
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(_terms(level) @ self.coefficients)


def _terms(level):
    level = np.asarray(level, dtype=float)[..., np.newaxis]
    return np.exp(-0.5 * level**2) * level ** np.arange(3)


def expected_above(npred, level):
    """Expected number of sums of counts whose significance exceeds a level.

    It bounds the probability that one of them does (Boole's inequality), and is exact
    for the Poisson distribution.

    Parameters
    ----------
    npred : `~numpy.ndarray`
        Predicted counts of the sums.
    level : float
        Significance, above 0.

    Returns
    -------
    above, below : float
        Expected numbers above the level and below minus the level.
    """
    npred = npred[npred > 0]
    high, low = counts_at(npred, level), counts_at(npred, -level)
    above = poisson.sf(np.ceil(high * (1 - ROUNDING)) - 1, npred)
    # Not even no counts at all are that low.
    below = np.where(low >= 0, poisson.cdf(np.floor(low * (1 + ROUNDING)), npred), 0.0)
    return float(np.sum(above)), float(np.sum(below))


def counts_at(npred, sqrt_ts):
    """Counts that have a significance, the inverse of that of Poisson counts.

    With n / m = x, x ln x - x + 1 = sqrt_ts^2 / (2 m), solved by the function W of
    Lambert.

    Parameters
    ----------
    npred, sqrt_ts : `~numpy.ndarray`
        Predicted counts, above 0, and significances.

    Returns
    -------
    counts : `~numpy.ndarray`
        Counts, not whole; -1 where even no counts are not that low.
    """
    npred, sqrt_ts = np.broadcast_arrays(npred, sqrt_ts)
    c = 0.5 * sqrt_ts**2 / npred
    argument = np.clip((c - 1) / np.e, -1 / np.e, None)
    upper = np.exp(1 + lambertw(argument, 0).real)
    # The other branch is for negative arguments alone.
    lower = np.exp(1 + lambertw(np.minimum(argument, -1e-300), -1).real)
    x = np.where(sqrt_ts >= 0, upper, lower)
    # Near the mean both branches lose digits, and this is their series.
    root = np.copysign(np.sqrt(2 * c), sqrt_ts)
    x = np.where(c < 1e-5, 1 + root + root**2 / 6, x)
    return np.where((sqrt_ts < 0) & (c > 1), -1.0, npred * x)


def not_below_local(p_global, sqrt_ts):
    """Probability after trials, at least that of one trial and at most 1."""
    return np.clip(p_global, ndtr(-np.abs(sqrt_ts)), 1.0)
