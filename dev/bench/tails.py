# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Exact rates of noise beyond a number of sigma, for counts summed with weights.

The sum S of counts n with weights f, which are Poisson with the expectations m, has
the cumulant generating function K(t) = sum m (exp(t f) - 1). With weights that are
whole numbers S is a whole number, and its probabilities are the discrete Fourier
transform of exp(K(i omega)). The transform is exact to 1e-16 of the highest
probability, which is not enough in a tail. So the expectations are tilted to
m exp(theta f) with K'(theta) = s, which makes the threshold s the mean, and

    P(S = j) = exp(K(theta) - theta j) P(S = j | theta)

gives it to all but a few of its digits (Esscher 1932, Scand. Actuar. J., 175).

Nothing here uses the code whose tails it tells; `reference_significance` is written
for one number at a time.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlogy
from scipy.stats import norm

__all__ = [
    "SIGMAS",
    "cross_thresholds",
    "make_levels",
    "reference_significance",
    "tail_probability",
    "tail_rates",
]

#: Thresholds in sigma, with their sign.
SIGMAS = (-5, -4, -3, 3, 4, 5)
# Where the lattice ends: standard deviations and highest weights above the mean.
N_STD, N_LEVELS = 15, 15


# --- distribution ----------------------------------------------------------


def make_levels(weights, npred, n_levels=1000):
    """Round weights to whole numbers and join the bins of equal weight.

    Parameters
    ----------
    weights, npred : array_like
        Weights and predicted counts, of shapes that broadcast.
    n_levels : int, optional
        The highest weight becomes this. Default is 1000.

    Returns
    -------
    levels, npred : tuple of `~numpy.ndarray`
        Different weights, as int, and the predicted counts of each: the counts of
        bins of equal weight are Poisson, too. Those of small weight get 1 rather than
        0, for a sum of 0 needs that all of them are empty.
    """
    weights, npred = np.broadcast_arrays(np.asarray(weights, float), npred)
    rounded = np.maximum(np.rint(weights * n_levels / weights.max()), weights > 0)
    levels, where = np.unique(rounded.astype(int), return_inverse=True)
    npred = np.bincount(where.ravel(), weights=npred.ravel())
    used = (levels > 0) & (npred > 0)
    return levels[used], npred[used]


def tail_probability(value, levels, npred, *, upper=True):
    """Probability of sums that are at least, or at most, a value.

    Parameters
    ----------
    value : int
        Value of the sum.
    levels, npred : `~numpy.ndarray`
        Weights, positive whole numbers, and predicted counts.
    upper : bool, optional
        Whether to return P(S >= value) rather than P(S <= value). Default is True.

    Returns
    -------
    probability : float
        Probability, to a relative error of about 1e-9 in either tail.
    """
    if value < 0 or (upper and value == 0):
        return float(upper)
    if value == 0:
        # A sum of 0 has no saddle point.
        return float(np.exp(-npred.sum()))
    theta = saddle_point(value, levels, npred)
    # Towards the mean there is no tail to be followed.
    theta = max(theta, 0) if upper else min(theta, 0)
    tilted = npred * np.exp(theta * levels)
    sums = np.arange(lattice_size(value, levels, tilted))
    density = lattice_density(sums.size, levels, tilted)
    inside = sums >= value if upper else sums <= value
    steps = theta * (sums[inside] - value)
    log_scale = np.sum(npred * np.expm1(theta * levels)) - theta * value
    return np.exp(log_scale) * np.sum(np.exp(-steps) * density[inside])


def saddle_point(value, levels, npred):
    """Return t with K'(t) = value, for a value above 0."""

    def log_slope(t):
        exponents = np.log(npred * levels) + t * levels
        return np.logaddexp.reduce(exponents) - np.log(value)

    # Each bin alone is a bound from above, all bins of the lowest one from below.
    high = np.min(np.log(value / (npred * levels)) / levels)
    low = min(high, 0) - 1 / levels.max()
    while log_slope(low) > 0:
        low *= 2
    return brentq(log_slope, low, high + 1e-12 * abs(high), xtol=1e-300, rtol=1e-14)


def lattice_size(value, levels, npred):
    """Power of 2 beyond which sums with a mean near the value have no probability."""
    mean, std = np.sum(npred * levels), np.sqrt(np.sum(npred * levels**2))
    highest = max(value, mean) + N_STD * std + N_LEVELS * levels.max()
    return 2 ** int(np.ceil(np.log2(highest)))


def lattice_density(size, levels, npred):
    """Probabilities of the sums 0, 1, ... below a power of 2."""
    measure = np.bincount(levels, weights=npred, minlength=size)
    exponent = np.fft.rfft(measure) - npred.sum()
    return np.clip(np.fft.irfft(np.exp(exponent), size), 0, None)


# --- significance ----------------------------------------------------------


def reference_significance(values, levels, npred):
    """Significance of weighted sums by its definition, one after the other.

    With t the root of K'(t) = S, r = sign(t) sqrt(2 (t S - K(t))) and
    u = t sqrt(K''(t)) it is r* = r + ln(u / r) / r (Barndorff-Nielsen 1986,
    Biometrika 73, 307; Lugannani & Rice 1980, Adv. Appl. Prob. 12, 475), and r where
    all weights are equal, which is the significance of Poisson counts.

    Parameters
    ----------
    values : array_like
        Values of the sum, at least 0.
    levels, npred : `~numpy.ndarray`
        Weights and predicted counts, positive.

    Returns
    -------
    significance : `~numpy.ndarray`
        Significance in standard deviations.
    """
    significance = _significance_equal if np.ptp(levels) == 0 else _significance_graded
    return np.array([significance(value, levels, npred) for value in np.ravel(values)])


def _significance_equal(value, levels, npred):
    """Significance of Poisson counts (Cash 1979, ApJ 228, 939)."""
    counts, mu = value / levels[0], npred.sum()
    half_ts = xlogy(counts, counts / mu) - counts + mu
    return np.sign(counts - mu) * np.sqrt(2 * max(half_ts, 0))


def _significance_graded(value, levels, npred):
    """Significance r*, and r for a sum of 0."""
    if value <= 0:
        return -np.sqrt(2 * npred.sum())
    x = saddle_point(value, levels, npred) * levels
    # x exp(x) - exp(x) + 1, without a difference of large numbers near 0
    near = x**2 * (1 / 2 + x / 3 + x**2 / 8 + x**3 / 30)
    terms = np.where(abs(x) < 1e-3, near, x * np.exp(x) - np.expm1(x))
    r = np.sign(x[0]) * np.sqrt(2 * np.sum(npred * terms))
    if abs(r) < 1e-5:
        # The correction goes to a sixth of the skewness.
        second, third = (
            np.sum(npred * levels.astype(float) ** power) for power in (2, 3)
        )
        return r + third / second**1.5 / 6
    u = np.sign(x[0]) * np.sqrt(np.sum(npred * x**2 * np.exp(x)))
    return r + np.log(u / r) / r


# --- rates -----------------------------------------------------------------


def cross_thresholds(significance, sigmas, levels, npred):
    """First sums beyond thresholds, by halving: the significance must grow with S.

    Parameters
    ----------
    significance : callable
        Function of an array of values of the sum.
    sigmas : array_like
        Thresholds, with their sign.
    levels, npred : `~numpy.ndarray`
        Weights and predicted counts.

    Returns
    -------
    values : `~numpy.ndarray`
        For each threshold the lowest sum that is at or above it when it is positive,
        else the highest one at or below; -1 if there is none.
    """
    sigmas = np.asarray(sigmas, dtype=float)
    mean = int(np.sum(npred * levels))
    # ``high`` is beyond a threshold that ``low`` is not beyond, seen from below.
    low = np.where(sigmas > 0, mean, -1)
    high = np.full(sigmas.shape, mean + levels.max())

    def is_beyond(values):
        found = significance(values)
        return np.where(sigmas > 0, found >= sigmas, found > sigmas)

    while not np.all(beyond := is_beyond(high)):
        low, high = np.where(beyond, low, high), np.where(beyond, high, 2 * high)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        beyond = is_beyond(np.maximum(middle, 0)) & (middle >= 0)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(sigmas > 0, high, low)


def tail_rates(significance, levels, npred, sigmas=SIGMAS):
    """Rates of noise beyond thresholds, in units of those of N(0, 1).

    Parameters
    ----------
    significance : callable
        Function of an array of values of the sum, which must grow with them.
    levels, npred : `~numpy.ndarray`
        Weights and predicted counts.
    sigmas : array_like, optional
        Thresholds with their sign. Default is -5, -4, -3, 3, 4 and 5.

    Returns
    -------
    rates : `~numpy.ndarray`
        Probability of sums at or beyond each threshold, divided by that of N(0, 1).
    """
    values = cross_thresholds(significance, sigmas, levels, npred)
    rates = [
        tail_probability(value, levels, npred, upper=sigma > 0) / norm.sf(abs(sigma))
        for value, sigma in zip(values, sigmas, strict=True)
    ]
    return np.array(rates)
