# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""W statistic of bins as a function of their signal, with its derivatives.

A bin has n on counts of mean m = s + a b and k off counts of mean b, with the signal s
and the ratio a of the acceptances. Half the statistic [1]_ is

.. math::
    W / 2 = s + (1 + a) b - n \ln m - k \ln b

The b with the lowest statistic is where :math:`1 + a = a n / m + k / b`, of which m and
b are the positive roots of quadratic equations. The derivatives of the profile are then

.. math::
    W' / 2 = 1 - n / m, \qquad
    W'' / 2 = \frac{n k}{a^2 n b^2 + k m^2}

The function of s and b is convex where m and b are positive, so its profile is convex
in s. Bins of which a count is 0 need no m or b of their own: without on counts the
statistic is :math:`s + k \ln(1 + a)` from s = -a k / (1 + a) on, and without off counts
it is a straight line of slope :math:`-1 / a` up to s = a n / (1 + a), from where on b
is 0. A bin without counts has a bend at s = 0.

References
----------
.. [1] Arnaud, Smith & Siemiginowska (2011), "Handbook of X-ray Astronomy", appendix B
"""

import numpy as np

__all__ = []

#: Ratios of acceptances above this give no number in `~gammapy.stats.wstat`.
LARGEST_ALPHA = 1e150

# Relative change of an expectation below which its logarithm is that of the change.
SMALL_CHANGE = -0.5


def is_measured(alpha):
    """Where off counts tell of the background; else a bin adds 0 to the statistic."""
    # The limit is beyond the numbers of 32 bits.
    alpha = np.asarray(alpha, dtype=float)
    return (alpha > 0) & (alpha < LARGEST_ALPHA)


class WStatProfile:
    """W statistic of bins, less their signal, as a function of the signal.

    The signal itself is left out since the sum of it needs no bins. So are the bends of
    bins without counts, see `bend_slopes`. Half the statistic of all bins is the sum of
    the signals and the values here.

    Parameters
    ----------
    n_on, n_off : `~numpy.ndarray`
        On and off counts, 0 or more, shape (n,).
    alpha : `~numpy.ndarray`
        On acceptance divided by off acceptance, shape (n,). Bins for which
        `is_measured` is False have no statistic; their signal is not to be summed.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.stats import wstat
    >>> from gammapy.stats.wstat_profile import WStatProfile
    >>> profile = WStatProfile(np.array([12.0]), np.array([30.0]), np.array([0.2]))
    >>> signal = np.array([4.0])
    >>> float((2 * (signal + profile.values(signal))).round(4)[0])
    0.2896
    >>> float(wstat(12, 30, 0.2, 4).round(4))
    0.2896
    """

    def __init__(self, n_on, n_off, alpha):
        self.is_measured = is_measured(alpha)
        self.alpha = np.where(self.is_measured, alpha, 1.0)
        self.n_on = np.where(self.is_measured, n_on, 0.0)
        self.n_off = np.where(self.is_measured, n_off, 0.0)
        self._has_on, self._has_off = self.n_on > 0, self.n_off > 0
        self._has_any = self._has_on | self._has_off
        self._one_plus = 1 + self.alpha
        self._total = self.alpha * (self.n_on + self.n_off)
        self._excess = self.alpha * (self.n_on - self.n_off)
        self._width = 2 * self.alpha * np.sqrt(self.n_on * self.n_off)
        self._n_slope = -self._one_plus / self.alpha
        self.constants = self._constants()
        # There the statistic of Gammapy is infinite for a signal below 0.
        self.walls = (alpha == 0) & (n_on == 0) & (n_off == 0)
        self._has_walls = bool(self.walls.any())

    def _constants(self):
        """Terms of the goodness of fit, 0 without counts."""
        total = np.zeros(self.n_on.shape)
        for counts in (self.n_on, self.n_off):
            logs = np.log(counts, out=np.zeros(counts.shape), where=counts > 0)
            total += counts * (logs - 1)
        return total

    def state(self, signal):
        """Expected counts of bins, which the other methods begin with.

        Parameters
        ----------
        signal : `~numpy.ndarray`
            Signal, shape (..., n); it may be negative.

        Returns
        -------
        state : tuple of `~numpy.ndarray`
            Signal, on counts m, off counts b and the root of the discriminant.
        """
        scaled = self._one_plus * signal
        root = np.hypot(scaled - self._excess, self._width)
        on, off = self._total + scaled, self._total - scaled
        # Each is a root of a quadratic equation in the form that does not cancel.
        with np.errstate(divide="ignore", invalid="ignore"):
            other_on = 2 * self.alpha * self.n_on * signal / (on - root)
            other_off = 2 * self.n_off * signal / (root - off)
        mean = np.where(on >= 0, (on + root) / (2 * self._one_plus), other_on)
        factor = 2 * self.alpha * self._one_plus
        background = np.where(off >= 0, (off + root) / factor, other_off)
        return signal, mean, background, root

    def background(self, signal):
        """Background in the on region, alpha times the expected off counts."""
        background = self.alpha * self.state(signal)[2]
        return np.where(self.is_measured, background, 0.0)

    def values(self, signal):
        """Half the statistic less the signal, bends of bins without counts left out.

        Parameters
        ----------
        signal : `~numpy.ndarray`
            Signal, shape (..., n).

        Returns
        -------
        values : `~numpy.ndarray`
            Shape (..., n). Infinite where `~gammapy.stats.wstat` is.
        """
        _signal, mean, background, _root = self.state(signal)
        values = self.constants + self._one_plus * background
        values -= self.n_on * _logs(mean, self._has_on)
        values -= self.n_off * _logs(background, self._has_off)
        values *= self._has_any
        return self._with_walls(values, signal)

    def _with_walls(self, values, signal):
        if self._has_walls:
            values[self.walls & (signal < 0)] = np.inf
        return values

    @property
    def bend_slopes(self):
        """Change of slope at a signal of 0 of bins without counts, 0 of the others.

        Below 0 such a bin adds this times the size of the signal to half the statistic.
        """
        is_bent = self.is_measured & ~self._has_any
        return np.where(is_bent, -self._n_slope, 0.0)

    def derivatives(self, state):
        """First and second derivatives of `values`.

        Parameters
        ----------
        state : tuple of `~numpy.ndarray`
            What `state` gives.

        Returns
        -------
        slopes, curvatures : `~numpy.ndarray`
            Shapes (n,). On the kink of a bin of one kind of counts these are those
            towards higher signals.
        """
        _signal, mean, background, _root = state
        n_on, n_off, alpha = self.n_on, self.n_off, self.alpha
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slopes = np.where(self._has_on, -n_on / mean, 0.0)
            below = alpha**2 * n_on * background**2 + n_off * mean**2
            curvatures = n_on * n_off / below
            # Without background the statistic is that of Cash.
            is_cash = self._has_on & ~(background > 0)
            curvatures = np.where(is_cash, n_on / mean**2, curvatures)
            # Without on counts there is none to expect, and the background takes all.
            is_off = self._has_off & ~self._has_on & ~(mean > 0)
            slopes = np.where(
                is_off, self._n_slope + n_off / (alpha * background), slopes
            )
            off = n_off / (alpha * background) ** 2
            curvatures = np.where(is_off, off, curvatures)
            curvatures = np.where(self._has_any, curvatures, 0.0)
        return slopes, curvatures

    def difference(self, new, old, change):
        """Difference of `values`, which keeps its digits where little changes.

        Parameters
        ----------
        new, old : tuple of `~numpy.ndarray`
            What `state` gives.
        change : `~numpy.ndarray`
            New signal less old one, shape (n,).

        Returns
        -------
        difference : `~numpy.ndarray`
            Shape (n,).
        """
        sums = new[3] + old[3]
        tilt = self._one_plus * (new[0] + old[0]) - 2 * self._excess
        tilt = np.divide(tilt, sums, out=np.zeros(sums.shape), where=sums > 0)
        change_off = change * (tilt - 1) / (2 * self.alpha)
        total = self._one_plus * change_off
        change_on = change * (1 + tilt) / 2
        total -= self.n_on * _log_ratio(new[1], old[1], change_on, self._has_on)
        total -= self.n_off * _log_ratio(new[2], old[2], change_off, self._has_off)
        total *= self._has_any
        return self._with_walls(total, new[0])


def _logs(values, where):
    return np.log(values, out=np.zeros(values.shape), where=where)


def _log_ratio(new, old, change, where):
    """Logarithm of new over old, from their difference where they are close."""
    ratio = np.divide(change, old, out=np.zeros(old.shape), where=where)
    is_close = where & (ratio > SMALL_CHANGE)
    logs = np.log1p(ratio, out=np.zeros(old.shape), where=is_close)
    is_far = where & ~is_close
    if is_far.any():
        logs[is_far] = np.log(new[is_far]) - np.log(old[is_far])
    return logs
