# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Probability of count spectra under a model, from their exact cumulants.

For counts n of several bins, with expectations :math:`\mu`, the statistic is

.. math::
    S = - \sum_k \ln P(n_k | \mu_k)

with the Poisson probability P (Bruel 2021, A&A 656, A81). It is large for counts that
are improbable, too many or too few. The cumulant generating function of one bin is
:math:`K(t) = \ln \sum_n P(n | \mu)^{1 - t}`, which is exact and smooth in
:math:`\ln \mu`, so that a table serves all bins. The probability of a sum that is as
large comes from the saddlepoint t with :math:`\sum_k K_k'(t) = S`: with
:math:`r = \pm \sqrt{2 (t S - K)}` and :math:`u = t \sqrt{K''}` it is that of a standard
normal deviate above :math:`r + \ln(u / r) / r` (Barndorff-Nielsen; Lugannani & Rice
1980, Adv. Appl. Prob. 12, 475).
"""

from functools import lru_cache
import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from scipy.interpolate import CubicSpline
from scipy.special import gammaln, log_ndtr, ndtri_exp
from gammapy.utils.array import check_array

__all__ = ["deviation_log_p", "log_p_to_sigma"]

#: Expected counts in the table. Below, bins have as many as the lowest; above, the
#: cumulants have the limit of a normal distribution.
MU_MIN, MU_MAX, N_MU = 1e-8, 1e3, 170

#: Places of t, as -ln(1 - t), the 0 among them.
PLACES = 0.2 * np.arange(-7, 24)
T = -np.expm1(-PLACES)
IDX_0 = int(np.argmin(np.abs(PLACES)))

#: Terms of the sums over n below exp(-CUT) of the largest are left out.
CUT = 45

#: Below this r the correction has its limit.
R_SMALL = 0.05

#: Steps to the saddlepoint, which begin close to it.
N_NEWTON = 5

#: Positions that are computed at once, a matter of memory.
CHUNK = 20_000


def deviation_log_p(counts, npred):
    """Logarithm of the probability of counts that are as improbable or more.

    Parameters
    ----------
    counts, npred : array_like
        Counts and expected counts of the bins, shape (n_bins, ...). A bin in which
        nothing is expected counts with 1e-8, unless it has no counts.

    Returns
    -------
    log_p : `~numpy.ndarray`
        Natural logarithm of the probability, shape (...). Where few counts are expected
        in all bins together, the sum has few values, and the probability is between
        that of larger values and that of as large ones.

    Raises
    ------
    ValueError
        If counts or expected counts are negative or not finite.

    Examples
    --------
    >>> from gammapy.stats.deviation import deviation_log_p
    >>> log_p = deviation_log_p([12, 5, 31], [10.0, 6.0, 12.0])
    >>> round(float(log_p / 2.302585), 1)
    -4.4
    """
    counts, npred = check_array("counts", counts), check_array("npred", npred)
    for name, values in (("counts", counts), ("npred", npred)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"{name}: expected finite numbers of 0 or more.")
    counts, npred = np.broadcast_arrays(counts, npred)
    shape = counts.shape[1:]
    counts, npred = (values.reshape(len(values), -1) for values in (counts, npred))
    log_p = np.empty(counts.shape[1])
    for start in range(0, log_p.size, CHUNK):
        part = np.s_[:, start : start + CHUNK]
        log_p[part[1]] = _log_p(counts[part], npred[part])
    return log_p.reshape(shape)


def log_p_to_sigma(log_p):
    """Standard deviations of a normal distribution with the same probability.

    Parameters
    ----------
    log_p : `~numpy.ndarray`
        Natural logarithm of the probability of a deviation to either side.

    Returns
    -------
    sigma : `~numpy.ndarray`
        Standard deviations, 0 or more.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.stats.deviation import log_p_to_sigma
    >>> float(log_p_to_sigma(np.log(0.0455)).round(3))
    2.0
    """
    return -ndtri_exp(np.minimum(log_p, 0) - np.log(2))


def _log_p(counts, npred):
    """The same for arrays of shape (n_bins, n)."""
    is_empty = (npred == 0) & (counts == 0)
    mu = np.maximum(npred, MU_MIN)
    stat = mu - counts * np.log(mu) + gammaln(counts + 1)
    stat = np.where(is_empty, 0, stat).sum(axis=0)
    # Three arrays of shape (n, n_t): K and its first two derivatives.
    functions = np.zeros((stat.size, 3, T.size))
    for row, left_out in zip(mu, is_empty, strict=True):
        functions += np.where(left_out[:, np.newaxis, np.newaxis], 0, _cumulants(row))
    k0, k1, k2 = np.moveaxis(functions, 1, 0)
    t, k0_t, k2_t = _saddlepoint(stat, k0, k1, k2)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.sign(t) * np.sqrt(2 * np.maximum(t * stat - k0_t, 0))
        correction = np.log(t * np.sqrt(k2_t) / r) / r
        around = slice(IDX_0 - 1, IDX_0 + 2, 2)
        k3 = np.diff(k2[:, around])[:, 0] / np.diff(T[around])
        limit = k3 / k2[:, IDX_0] ** 1.5 / 6
    r_star = r + np.where(np.abs(r) < R_SMALL, limit, correction)
    # Below the lowest sum nothing is; a bin alone where nothing is expected has one.
    is_lowest = (stat <= k1[:, 0]) | ~np.isfinite(r_star)
    return np.where(is_lowest, 0.0, log_ndtr(-r_star))


def _saddlepoint(stat, k0, k1, k2):
    """Values of t, K and its second derivative where the first one is the sum.

    Between two places of the table K is the polynomial that has all three at both: near
    t = 0 the correction needs r and u to agree.
    """
    idx = np.clip(np.sum(k1 <= stat[:, np.newaxis], axis=1) - 1, 0, T.size - 2)
    low, high = (np.arange(stat.size), idx), (np.arange(stat.size), idx + 1)
    width = T[idx + 1] - T[idx]
    start, bend = k1[low] * width, k2[low] * width**2
    rise = k0[high] - k0[low] - start - bend / 2
    turn = k1[high] * width - start - bend
    change = (k2[high] - k2[low]) * width**2
    third = 10 * rise - 4 * turn + change / 2
    fourth = -15 * rise + 7 * turn - change
    fifth = 6 * rise - 3 * turn + change / 2
    coefficients = np.stack([k0[low], start, bend / 2, third, fourth, fifth])
    slope, curvature = polyder(coefficients), polyder(coefficients, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (stat - k1[low]) / (k1[high] - k1[low])
        # Beyond the largest t of the table the rate is a bound, to one percent.
        x = np.clip(np.nan_to_num(x), 0, 1)
        for _step in range(N_NEWTON):
            step = (stat * width - _at(x, slope)) / _at(x, curvature)
            x = np.clip(x + np.nan_to_num(step), 0, 1)
    return T[idx] + x * width, _at(x, coefficients), _at(x, curvature) / width**2


def _at(x, coefficients):
    """Polynomials at one place each."""
    return polyval(x, coefficients, tensor=False)


def _cumulants(mu):
    """K and its derivatives at all `T`, shape (n, 3, n_t)."""
    log_mu = np.log(mu)
    values = _table()(np.minimum(log_mu, np.log(MU_MAX)))
    # P is that of a normal distribution: K = t ln(2 pi mu) / 2 - ln(1 - t) / 2.
    beyond = np.maximum(log_mu - np.log(MU_MAX), 0)[:, np.newaxis] / 2
    values[:, 0] += beyond * T
    values[:, 1] += beyond
    return values


@lru_cache(maxsize=1)
def _table():
    """Spline of K and its derivatives over the logarithm of the expected counts."""
    log_mu = np.linspace(np.log(MU_MIN), np.log(MU_MAX), N_MU)
    values = [_exact_cumulants(np.exp(value)) for value in log_mu]
    return CubicSpline(log_mu, np.stack(values))


def _exact_cumulants(mu):
    """K and its derivatives for one expectation, as sums over n, shape (3, n_t)."""
    # Where t is largest the terms fall most slowly.
    reach = CUT / (1 - T[-1])
    n = np.arange(np.ceil(mu + 3 * np.sqrt(mu * reach) + reach) + 2)
    stat = mu - n * np.log(mu) + gammaln(n + 1)
    stat = stat[stat - stat.min() < reach]
    exponent = -np.outer(1 - T, stat)
    largest = exponent.max(axis=1, keepdims=True)
    terms = np.exp(exponent - largest)
    total = terms.sum(axis=1)
    mean = terms @ stat / total
    variance = terms @ stat**2 / total - mean**2
    return np.stack([np.log(total) + largest[:, 0], mean, variance])
