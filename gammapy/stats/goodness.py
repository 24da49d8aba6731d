# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Moments of fit statistics against their saturated model, and p-values of sums.

For n counts where :math:`\mu` are expected, the Cash statistic against the model that
is equal to the counts is

.. math::
    C = 2 \left(\mu - n + n \ln \frac{n}{\mu}\right)

(Cash 1979, ApJ 228, 939). Its mean and variance under the Poisson distribution tell how
large a sum over bins should be (Kaastra 2017, A&A 605, A51). They are 1 and 2, as those
of a :math:`\chi^2`, for many counts alone: at 1 count the mean is 1.15, at 0.01 counts
it is 0.09.

Here they are sums over all n where few counts are expected, and their exact series in
:math:`1 / \mu` beyond. Both are good to 1e-8, so that nothing is interpolated.
"""

from typing import NamedTuple
import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.special import gammaln, kl_div, xlogy
from scipy.stats import pearson3
from gammapy.utils.arguments import check_integer
from gammapy.utils.array import check_array, check_broadcast
from .fit_statistics import wstat

__all__ = [
    "StatMoments",
    "after_trials",
    "cash_moments",
    "cash_weighted_moments",
    "sum_p_value",
    "wstat_moments",
]

#: Expected counts above which the series are used.
MU_SERIES = 300

#: Coefficients of 1, 1 / mu, ... of mean, variance and third central moment: powers of
#: C as a series in (n - mu) / mu, of which the central moments of n give the mean.
SERIES = (
    (1, 1 / 6, 1 / 6, 19 / 60, 9 / 10, 863 / 252, 1375 / 84),
    (2, 2 / 3, 4 / 3, 701 / 180, 449 / 30, 90329 / 1260, 43313 / 105),
    (8, 4, 12, 283 / 6, 1144 / 5, 1430593 / 1080, 3377333 / 378),
)

#: Values whose sums are made at once, a matter of memory.
CHUNK = 512


class StatMoments(NamedTuple):
    """Mean, variance and third central moment of a statistic.

    Parameters
    ----------
    mean, variance, third : `~numpy.ndarray`
        Moments, which for a sum of independent terms are the sums of theirs.
    """

    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray

    @classmethod
    def of_sample(cls, values):
        """Moments of simulated values.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Values, shape (n_toys, ...).

        Returns
        -------
        moments : `StatMoments`
            Moments over the first axis.

        Examples
        --------
        >>> from gammapy.stats.goodness import StatMoments
        >>> float(StatMoments.of_sample([[1.0], [3.0]]).variance[0])
        1.0
        """
        values = np.asarray(values, dtype=float)
        mean = values.mean(axis=0)
        difference = values - mean
        return cls(mean, np.mean(difference**2, axis=0), np.mean(difference**3, axis=0))


def cash_moments(npred):
    """Moments of the Cash statistic against its saturated model.

    Parameters
    ----------
    npred : array_like
        Expected counts, 0 or more, of any shape.

    Returns
    -------
    moments : `StatMoments`
        Mean, variance and third central moment, arrays of that shape; to 1e-8
        relative.

    Raises
    ------
    ValueError
        If an expectation is negative or not finite.

    Examples
    --------
    >>> from gammapy.stats.goodness import cash_moments
    >>> cash_moments([0.01, 1, 100]).mean.round(3)
    array([0.092, 1.147, 1.002])
    """
    npred = _parse_expected("npred", npred)
    flat = npred.ravel()
    moments = np.empty((3, flat.size))
    is_many = flat >= MU_SERIES
    for row, coefficients in zip(moments, SERIES, strict=True):
        row[is_many] = polyval(1 / flat[is_many], coefficients)
    few = np.flatnonzero(~is_many)
    # Sorted, so that those of one chunk need about the same numbers of counts.
    few = few[np.argsort(flat[few])]
    for start in range(0, few.size, CHUNK):
        part = few[start : start + CHUNK]
        moments[:, part] = _summed_moments(flat[part])
    return StatMoments(*moments.reshape(3, *npred.shape))


def _summed_moments(npred):
    """Moments as sums over the counts, for expectations in increasing order."""
    low, high = npred[[0, -1]]
    # Beyond these counts there is less than 1e-18 of any moment.
    first = max(0, np.floor(low - 12 * np.sqrt(low) - 20))
    n = np.arange(first, np.ceil(high + 14 * np.sqrt(high) + 40))
    mu = npred[:, np.newaxis]
    probability = np.exp(xlogy(n, mu) - mu - gammaln(n + 1))
    stat = 2 * kl_div(n, mu)
    # Where nothing is expected nothing comes, and 0 times infinity is 0.
    stat[probability == 0] = 0
    mean = np.sum(probability * stat, axis=1)
    stat -= mean[:, np.newaxis]
    variance, third = (np.sum(probability * stat**power, axis=1) for power in (2, 3))
    return mean, variance, third


def wstat_moments(mu_sig, mu_bkg, alpha, *, n_toys=2000, random_state=0):
    """Moments of the on-off statistic with profiled background, by simulation.

    The statistic is that of `~gammapy.stats.wstat` against its saturated model, for
    counts drawn from ``mu_sig + alpha * mu_bkg`` and ``mu_bkg``.

    Parameters
    ----------
    mu_sig, mu_bkg, alpha : array_like
        Expected signal in the on region, expected counts in the off region, and ratio
        of the acceptances. Shapes that broadcast.
    n_toys : int, optional
        Number of simulations. Sums of many bins have a mean that is wrong by their
        standard deviation divided by its root. Default is 2000.
    random_state : int or `~numpy.random.Generator`, optional
        Seed. Default is 0.

    Returns
    -------
    moments : `StatMoments`
        Mean, variance and third central moment.

    Raises
    ------
    ValueError
        If an expectation is negative or not finite, or shapes do not broadcast.

    Examples
    --------
    >>> from gammapy.stats.goodness import wstat_moments
    >>> wstat_moments([5], [1000], [0.1]).mean.round()
    array([1.])
    """
    n_toys = check_integer("n_toys", n_toys, low=2, expected="a number of simulations")
    arrays = {"mu_sig": mu_sig, "mu_bkg": mu_bkg, "alpha": alpha}
    arrays = {name: _parse_expected(name, value) for name, value in arrays.items()}
    check_broadcast(**arrays)
    mu_sig, mu_bkg, alpha = np.broadcast_arrays(*arrays.values())
    random = np.random.default_rng(random_state)
    shape = (n_toys, *mu_sig.shape)
    n_on = random.poisson(mu_sig + alpha * mu_bkg, shape)
    n_off = random.poisson(mu_bkg, shape)
    return StatMoments.of_sample(wstat(n_on, n_off, alpha, mu_sig))


def cash_weighted_moments(npred, weights, *, n_toys=2000, random_state=0):
    r"""Moments of the statistic of weighted counts, by simulation.

    With the weights w of bins, the sums :math:`S = \sum w n` and
    :math:`M = \sum w \mu`, and their common scale :math:`a = \sum w^2 \mu / M`, the
    statistic is :math:`2 (M - S + S \ln(S / M)) / a`: that of counts S / a, of which
    M / a are expected. It is the Cash statistic where all weights are 1.

    Parameters
    ----------
    npred : array_like
        Expected counts for each weight, shape (n_weights, n_cells).
    weights : array_like
        Weights, shape (n_weights,).
    n_toys : int, optional
        Number of simulations. Default is 2000.
    random_state : int or `~numpy.random.Generator`, optional
        Seed. Default is 0.

    Returns
    -------
    moments : `StatMoments`
        Mean, variance and third central moment, shapes (n_cells,).

    Raises
    ------
    ValueError
        If an expectation is negative or not finite, or shapes do not fit.

    Examples
    --------
    >>> from gammapy.stats.goodness import cash_weighted_moments
    >>> cash_weighted_moments([[50.0], [50.0]], [0.5, 1]).mean.round()
    array([1.])
    """
    n_toys = check_integer("n_toys", n_toys, low=2, expected="a number of simulations")
    npred = _parse_expected("npred", npred)
    weights = _parse_expected("weights", weights)
    if npred.ndim != 2 or weights.shape != npred.shape[:1]:
        raise ValueError(
            "npred, weights: expected shapes (n_weights, n_cells) and (n_weights,), "
            f"got {npred.shape} and {weights.shape}."
        )
    random = np.random.default_rng(random_state)
    counts = 0.0
    for weight, expected in zip(weights, npred, strict=True):
        counts = counts + weight * random.poisson(expected, (n_toys, *expected.shape))
    return StatMoments.of_sample(weighted_cash(counts, *scaled(npred, weights)))


def scaled(npred, weights):
    """Weighted sums of expected counts, and the scale of their fluctuations.

    Parameters
    ----------
    npred : `~numpy.ndarray`
        Expected counts for each weight, shape (n_weights, n_cells).
    weights : `~numpy.ndarray`
        Weights, shape (n_weights,).

    Returns
    -------
    total, scale : `~numpy.ndarray`
        Shapes (n_cells,); the scale is 1 where nothing is expected.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.stats.goodness import scaled
    >>> total, scale = scaled(np.array([[10.0], [10.0]]), np.array([0.5, 1]))
    >>> total.tolist(), scale.round(3).tolist()
    ([15.0], [0.833])
    """
    total, variance = weights @ npred, weights**2 @ npred
    is_empty = total == 0
    return total, np.where(is_empty, 1.0, variance / np.where(is_empty, 1.0, total))


def weighted_cash(counts, npred, scale=1.0):
    """Cash statistic of sums against their saturated model.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray`
        Sums of counts and of expected counts.
    scale : `~numpy.ndarray`, optional
        Scale of the fluctuations, see `cash_weighted_moments`. Default is 1.

    Returns
    -------
    stat : `~numpy.ndarray`
        Statistic, infinite for counts where nothing is expected.

    Examples
    --------
    >>> from gammapy.stats.goodness import weighted_cash
    >>> float(weighted_cash(0.0, 4.0))
    8.0
    """
    return 2 * kl_div(counts, npred) / scale


def sum_p_value(stat, moments):
    """Probability that a sum of statistics is as large or larger.

    The distribution of the sum is the scaled and shifted chi2 that has its first three
    moments (Pearson 1895, type III). For sums of squares of normal deviates it is exact
    where their variances are equal; for Poisson counts it is within a few percent from
    about 10 terms of 10 expected counts on.

    Parameters
    ----------
    stat : array_like
        Sums that were measured.
    moments : `StatMoments`
        Their moments: the sums of those of the terms.

    Returns
    -------
    p_value : `~numpy.ndarray`
        Probability, NaN where the variance is not positive.

    Examples
    --------
    The chi2 of 20 degrees of freedom:

    >>> from gammapy.stats.goodness import StatMoments, sum_p_value
    >>> float(sum_p_value(37.566, StatMoments(20, 40, 160)).round(5))
    0.01
    """
    stat, mean, variance, third = np.broadcast_arrays(
        np.asarray(stat, dtype=float),
        *(np.asarray(moment, dtype=float) for moment in moments),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        std = np.sqrt(np.where(variance > 0, variance, np.nan))
        return pearson3.sf((stat - mean) / std, third / std**3)


def after_trials(p_value, n_tests):
    """P-value of the lowest of several p-values, if they are independent.

    It is 1 - (1 - p)^n (Sidak 1967, JASA 62, 626).

    Parameters
    ----------
    p_value : float or `~numpy.ndarray`
        Probability of one test.
    n_tests : int
        Number of tests.

    Returns
    -------
    p_value : float or `~numpy.ndarray`
        Probability.

    Examples
    --------
    >>> from gammapy.stats.goodness import after_trials
    >>> float(after_trials(0.01, 3).round(6))
    0.029701
    """
    lowest = np.minimum(p_value, 1 - 1e-16)
    return -np.expm1(n_tests * np.log1p(-lowest))


def _parse_expected(name, values):
    """Values of 0 or more as an array; else a ValueError that names the argument."""
    array = check_array(name, values)
    is_broken = ~(np.isfinite(array) & (array >= 0))
    if is_broken.any():
        raise ValueError(
            f"{name}: expected finite numbers of 0 or more, got "
            f"{array[is_broken].flat[0]:g}."
        )
    return array
