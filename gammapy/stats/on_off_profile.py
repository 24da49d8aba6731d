# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""On counts against off counts of several alphas, as arrays.

A sum over pixels, energy bins or datasets has on counts n and groups of off counts
k_j, each with its own ratio alpha a_j of the on to the off exposure. With the signal s
of the model and the expected off counts b_j, n is Poisson with the mean
mu = s + sum a_j b_j and k_j with the mean b_j:

.. math::

    W(s, b) = 2 \left[ \mu - n \ln \mu + \sum_j (b_j - k_j \ln b_j) \right]

The b_j are profiled, each on its own. The derivative by b_j vanishes at
b_j = k_j / (1 + a_j x) with x = 1 - n / mu, which is the same for all groups, so that
there is one number to find. Put into W, which is convex in b, this gives the likelihood
ratio to a free signal as a maximum over that number:

.. math::

    TS = 2 \max_x F(x), \qquad
    F(x) = s x + n \ln(1 - x) + \sum_j k_j \ln(1 + a_j x), \qquad
    -1 / \max a_j \leq x \leq 1

Since F is concave, its maximum is unique, and an error of x enters in second order. x
is negative where there are more counts than expected. At the lower end, which is
reached when the group of the largest alpha has no off counts, its b_j is no longer 0:
it takes up what is left of the counts. Of one alpha this is the significance of Li &
Ma (1983, ApJ 272, 317, eq. 17) with the signal of the model instead of none, and for
alpha 0 that of Cash (1979, ApJ 228, 939) with the model s.
"""

import numpy as np

__all__ = ["OnOffProfile", "compute_sqrt_ts_on_off_groups"]

# Steps this small, relative to the distance to the ends, change F by less than its
# rounding errors, as the error of x enters in second order.
STEP_TOLERANCE = 1e-8
N_STEPS_MAX = 200

# Below, ln(1 + y) - y is summed as a series: its terms would cancel.
SERIES_MAX = 0.01

# The smallest y above -1: at an end of x the logarithm stays finite, as the terms that
# it is compared with do.
Y_MIN = np.nextafter(-1, 0)


def compute_sqrt_ts_on_off_groups(counts, counts_off, alpha, npred_signal):
    """Significance of on counts against groups of off counts and a signal.

    The background of each group is profiled on its own, see
    `gammapy.stats.on_off_profile`.

    Parameters
    ----------
    counts : `~numpy.ndarray` or array_like
        Counts in the on region, shape (...).
    counts_off, alpha : `~numpy.ndarray` or array_like
        Off counts of each group, and on exposure divided by off exposure, shape
        (..., n_groups). Groups without off counts matter, too, when theirs is the
        largest alpha.
    npred_signal : `~numpy.ndarray` or array_like
        Predicted counts of the signal in the on region, shape (...).

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Signed significance in standard deviations, shape (...). NaN where an input is
        NaN or negative (a signal may be) and where off counts have an infinite alpha,
        infinite where there are counts but neither signal nor alpha.

    Examples
    --------
    >>> from gammapy.stats.on_off_profile import compute_sqrt_ts_on_off_groups
    >>> sqrt_ts = compute_sqrt_ts_on_off_groups(30, [10, 100], [1, 0.1], npred_signal=0)
    >>> float(sqrt_ts.round(3))
    1.605
    """
    return OnOffProfile(counts, counts_off, alpha, npred_signal).sqrt_ts


class OnOffProfile:
    """Likelihood of on counts and groups of off counts, backgrounds profiled.

    Parameters
    ----------
    counts : `~numpy.ndarray` or array_like
        Counts in the on region, shape (...).
    counts_off, alpha : `~numpy.ndarray` or array_like
        Off counts of each group, and on exposure divided by off exposure, shape
        (..., n_groups).
    npred_signal : `~numpy.ndarray` or array_like, optional
        Predicted counts of the signal in the on region, shape (...). Default is 0.

    Examples
    --------
    >>> from gammapy.stats.on_off_profile import OnOffProfile
    >>> profile = OnOffProfile(30, [10, 100], [1, 0.1])
    >>> float(profile.sqrt_ts.round(3))
    1.605
    >>> float(profile.npred_background.round(3))
    23.795
    >>> errors = profile.compute_errn(), profile.compute_errp()
    >>> [float(error.round(3)) for error in errors]
    [6.274, 6.592]
    """

    def __init__(self, counts, counts_off, alpha, npred_signal=0.0):
        arrays = counts, npred_signal, counts_off, alpha
        counts, signal, counts_off, alpha = (
            np.asarray(array, float) for array in arrays
        )
        counts_off, alpha = np.broadcast_arrays(counts_off, alpha)
        shape = np.broadcast_shapes(counts.shape, signal.shape, alpha.shape[:-1])
        groups = shape + alpha.shape[-1:]
        self._shape = shape
        self._n, self._s = (
            np.broadcast_to(array, shape).ravel() for array in (counts, signal)
        )
        self._k, self._a = (
            np.broadcast_to(array, groups).reshape(-1, groups[-1])
            for array in (counts_off, alpha)
        )
        self._valid = _is_valid(self._n, self._s, self._k, self._a)
        arrays = self._n, self._s, self._k, self._a
        self._n, self._s, self._k, self._a = (array[self._valid] for array in arrays)
        # A group without off counts is felt by the end of x alone.
        self._low = -_divide(1.0, self._a.max(axis=-1, initial=0))
        self._a = np.where(self._k > 0, self._a, 0.0)
        self._n_bkg = np.sum(self._a * self._k, axis=-1)
        self._x_cached = None

    @property
    def n_bkg(self):
        """Background in the on region that the off counts alone give."""
        return self._expand(self._n_bkg)

    @property
    def npred_background(self):
        """Background in the on region, profiled with the signal given."""
        # Of the condition for x; at n = 0 this x is 1, and mu is in the sum.
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.where(
                self._n > 0,
                self._n / (1 - self._x),
                self._s + np.sum(self._a * self._k / self._one_plus(self._x), axis=-1),
            )
        return self._expand(total - self._s)

    @property
    def ts(self):
        """Likelihood ratio of the signal given and a free one."""
        ts = 2 * self._half_ts(self._x)
        # Counts from nothing: x has no lower end.
        impossible = (self._low == -np.inf) & (self._s <= 0)
        impossible &= (self._n > 0) | (self._s < 0)
        return self._expand(np.where(impossible, np.inf, np.maximum(ts, 0)))

    @property
    def sqrt_ts(self):
        """Signed significance in standard deviations."""
        sign = np.sign(self._n - self._s - self._n_bkg)
        return self._expand(sign) * np.sqrt(self.ts)

    def compute_errn(self, n_sigma=1.0):
        """Downward error of the excess.

        Parameters
        ----------
        n_sigma : float, optional
            Size of the error in standard deviations. Default is 1.

        Returns
        -------
        errn : `~numpy.ndarray`
            Distance to the smaller signal whose TS is n_sigma squared, positive. NaN
            as in `compute_sqrt_ts_on_off_groups`.
        """
        return self._expand(self._error(n_sigma, self._finite_low(), 0.0))

    def compute_errp(self, n_sigma=1.0):
        """Upward error of the excess.

        Parameters
        ----------
        n_sigma : float, optional
            As for `compute_errn`. Default is 1.

        Returns
        -------
        errp : `~numpy.ndarray`
            As from `compute_errn`, to the larger signal with this TS.
        """
        return self._expand(self._error(n_sigma, 0.0, 1.0))

    def _error(self, n_sigma, low, high):
        """Distance to the signal whose TS is n_sigma**2, with x between two bounds.

        F rises by (s - s_max) x with the signal, s_max = n - sum a k. Where x maximises
        it, s - s_max = n x / (1 - x) + sum a^2 k x / (1 + a x), so that TS is a
        function of x alone that rises on both sides of 0: n h(-x) + sum k h(a x) with
        h(y) = ln(1 + y) - y / (1 + y), which keeps its digits for large y, too.
        """
        half = n_sigma**2 / 2

        def rise(x):
            above = self._one_plus(x)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                slope = _or_zero(self._n / (1 - x) ** 2)
                slope += np.sum(self._k * (self._a / above) ** 2, axis=-1)
                value = _or_zero(self._n * _log1p_minus_ratio(-x)) - half
                off = self._k * _log1p_minus_ratio(self._a * np.expand_dims(x, -1))
                value += np.sum(_or_zero(off), axis=-1)
            sign = np.sign(low + high)
            return sign * value, np.abs(slope * x)

        variance = self._n + np.sum(self._k * self._a**2, axis=-1)
        start = np.sign(low + high) * _divide(n_sigma, np.sqrt(variance))
        x = _root_of_rising(rise, low, high, start)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = (half - self._curved(x)) / np.abs(x)
        # Without counts and alpha there is nothing that a signal could fall below.
        return np.where(np.isfinite(error), error, 0.0)

    @property
    def _x(self):
        """Where F is largest."""
        if self._x_cached is None:
            low = self._finite_low()
            self._x_cached = _root_of_rising(
                self._minus_slope, low, 1.0, self._x_of_one_alpha()
            )
        return self._x_cached

    def _finite_low(self):
        return np.maximum(self._low, -1e300)

    def _one_plus(self, x):
        """1 + a x of each group, positive also where it is rounded."""
        return np.maximum(1 + self._a * np.expand_dims(x, -1), 1e-300)

    def _minus_slope(self, x):
        """Minus the first and minus the second derivative of F."""
        above = self._one_plus(x)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            on = _or_zero(self._n / (1 - x))
            on_slope = _or_zero(self._n / (1 - x) ** 2)
            off = np.sum(self._a * self._k / above, axis=-1)
            off_slope = np.sum(self._k * (self._a / above) ** 2, axis=-1)
        return on - self._s - off, on_slope + off_slope

    def _x_of_one_alpha(self):
        """Solution for the mean alpha of the off counts, a quadratic equation."""
        n, s, n_bkg = self._n, self._s, self._n_bkg
        mean = _or_zero(_divide(n_bkg, self._k.sum(axis=-1)))
        a, b, c = s * mean, s + n_bkg + mean * (n - s), n - s - n_bkg
        root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(b > 0, -2 * c / (b + root), (root - b) / (2 * a))

    def _curved(self, x):
        """F without what is linear in x, n g(-x) + sum k g(a x), g(y) = ln(1 + y) - y.

        Huge counts keep their digits: the linear terms cancel before they are rounded.
        """
        off = np.sum(self._k * _log1p_minus(self._a * np.expand_dims(x, -1)), axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _or_zero(self._n * _log1p_minus(-np.asarray(x))) + off

    def _half_ts(self, x):
        return x * (self._s + self._n_bkg - self._n) + self._curved(x)

    def _expand(self, values):
        """Values of the valid elements in the shape of the input."""
        result = np.full(self._valid.shape, np.nan)
        result[self._valid] = values
        return result.reshape(self._shape)


def _is_valid(n, s, k, a):
    """Where a likelihood can be computed."""
    good = np.isfinite(n) & (n >= 0) & np.isfinite(s)
    # An alpha without off counts may be infinite: nothing is known of its background.
    groups = np.isfinite(k) & (k >= 0) & (a >= 0) & (np.isfinite(a) | (k == 0))
    return good & groups.all(axis=-1)


def _divide(above, below):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(above, below)


def _or_zero(values):
    """Values with 0 where they are 0 / 0 or 0 times infinity."""
    return np.where(np.isnan(values), 0.0, values)


def _log1p_minus(y):
    """ln(1 + y) - y without loss of digits near 0."""
    small = np.abs(y) < SERIES_MAX
    series = np.zeros_like(y)
    # Eight terms leave less than 1e-16 of the first.
    for power in range(9, 1, -1):
        series = (series + (-1) ** (power + 1) / power) * np.where(small, y, 0.0)
    series = series * y
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(small, series, np.log1p(np.maximum(y, Y_MIN)) - y)


def _log1p_minus_ratio(y):
    """ln(1 + y) - y / (1 + y) without loss of digits near 0."""
    above = np.maximum(1 + y, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        near = _log1p_minus(y) + y**2 / above
        far = np.log1p(np.maximum(y, Y_MIN)) - y / above
    return np.where(np.abs(y) < SERIES_MAX, near, far)


def _root_of_rising(function, low, high, start):
    """Root of a rising function in each element, an end where there is none inside.

    Newton's steps, halved intervals where they would leave the interval in which the
    signs differ.

    Parameters
    ----------
    function : callable
        Gives value and slope at an array of positions.
    low, high : float or `~numpy.ndarray`
        Ends.
    start : `~numpy.ndarray`
        Where to begin; the middle where it lies outside.
    """
    ends = [np.broadcast_to(bound, start.shape) for bound in (low, high)]
    low, high = ends
    at_low = function(low)[0] >= 0
    is_end = at_low | (function(high)[0] <= 0)
    is_done = is_end
    x = np.where((start > low) & (start < high), start, (low + high) / 2)
    for _step in range(N_STEPS_MAX):
        value, slope = function(x)
        low, high = np.where(value < 0, x, low), np.where(value > 0, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            following = x - value / slope
        inside = ((following > low) & (following < high)) | (value == 0)
        following = np.where(inside, following, (low + high) / 2)
        # What is found stays: rounding errors would send it off again.
        following = np.where(is_done, x, following)
        scale = np.minimum(x - ends[0], ends[1] - x)
        is_done = is_done | (np.abs(following - x) <= STEP_TOLERANCE * scale)
        x = following
        if is_done.all():
            break
    return np.where(is_end, np.where(at_low, *ends), x)
