# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps to the minimum of a quadratic statistic, with some parameters held.

Let g and H be the gradient and the Hessian of the fit statistic with respect to free
and frozen parameters. Freeing some parameters lowers the fit statistic by the gain of
the best step of all free parameters, minus the gain of those that were free before,
which is 0 at a minimum. This is the score test of Rao (1948, Proc. Camb. Phil. Soc. 44,
50) with the observed instead of the expected information, between bounds.
"""

from dataclasses import dataclass
import numpy as np
from scipy.stats import chi2
from gammapy.modeling.newton.quadratic import minimise_quadratic
from gammapy.modeling.smooth.minimise import positive_matrix, scaled_matrix
from gammapy.modeling.smooth.statistic import Derivatives

__all__ = []

#: Part of the information on a parameter that the free ones must leave.
SHARE_LEFT = 1e-4

# Added to matrices whose diagonal is 1, where nothing determines a direction.
RIDGE = 1e-7


#: Relative difference of expectation and step above which the slope after the step is
#: looked at. Below it what a further step gains is of second order, 9/4 of its square.
UNLIKE = 0.03

#: Gain that matters to nobody.
SMALL = 0.05

# How often a step that loses is halved.
N_HALVINGS = 4


@dataclass
class Step:
    """Best step of some parameters.

    Parameters
    ----------
    move : `~numpy.ndarray`
        Changes of all parameters, shape (n,).
    gain : float
        How much lower the statistic is expected to be.
    """

    move: np.ndarray
    gain: float


class Quadratic:
    """Quadratic approximation of a statistic.

    Parameters
    ----------
    found : `~gammapy.modeling.smooth.statistic.Derivatives`
        Derivatives with respect to all parameters.
    low, high : `~numpy.ndarray`
        Changes to the bounds, shape (n,), not above and not below 0.
    """

    def __init__(self, found, low, high):
        self.found = found
        self.low, self.high = low, high

    def _part(self, idx):
        """Derivatives with respect to some parameters."""
        place = np.ix_(idx, idx)
        hessian = self.found.hessian
        return Derivatives(
            self.found.stat,
            self.found.gradient[idx],
            self.found.fisher[place],
            self.found.fisher[place] if hessian is None else hessian[place],
        )

    def step(self, idx):
        """Best step of some parameters.

        Parameters
        ----------
        idx : `~numpy.ndarray` of int
            Parameters that may change.

        Returns
        -------
        step : `Step`
            Step.
        """
        move = np.zeros(len(self.low))
        # What no used bin sees stays as it is.
        idx = np.asarray(idx, dtype=int)
        idx = idx[np.diag(self.found.fisher)[idx] > 0]
        if not len(idx):
            return Step(move, 0.0)
        part = self._part(idx)
        scaled, scales = scaled_matrix(positive_matrix(part))
        scaled += RIDGE * np.eye(len(idx))
        # A diagonal of about 2 is what the minimiser of quadratics wants.
        units = np.sqrt(2) * scales
        slope = part.gradient * units
        own = minimise_quadratic(
            slope, 2 * scaled, self.low[idx] / units, self.high[idx] / units
        )
        move[idx] = own * units
        gain = -(slope @ own + own @ scaled @ own)
        return Step(move, max(float(gain), 0.0))

    def n_left(self, free, tested):
        """Number of tested parameters that free ones cannot stand in for.

        Parameters
        ----------
        free, tested : `~numpy.ndarray` of int
            Parameters.

        Returns
        -------
        n_left : int
            Rank of the information on the tested ones that is left.
        """
        scaled, scales = scaled_matrix(self._part([*free, *tested]).fisher)
        n_free = len(free)
        inner, mixed = scaled[:n_free, :n_free], scaled[n_free:, :n_free]
        own = scaled[n_free:, n_free:]
        left = own - mixed @ np.linalg.pinv(inner, 1e-10, hermitian=True) @ mixed.T
        return int(np.sum(np.linalg.eigvalsh(left) > SHARE_LEFT))


class Stepper:
    """Steps of some parameters of a statistic from a given point.

    Parameters
    ----------
    statistic : object
        Has ``values``, ``stat(values)`` and ``derivatives(values, second=)``.
    low, high : `~numpy.ndarray`
        Changes to the bounds.

    Attributes
    ----------
    stat : float
        Statistic at the start.
    quadratic : `Quadratic`
        Approximation there.
    """

    def __init__(self, statistic, low, high):
        self._statistic = statistic
        self._values = statistic.values
        self._low, self._high = low, high
        found = statistic.derivatives(self._values, second=True)
        self.stat = found.stat
        self.quadratic = Quadratic(found, low, high)

    def run(self, idx):
        """Make a step, after which the parameters have the new values.

        Parameters
        ----------
        idx : `~numpy.ndarray` of int
            Parameters that may change.

        Returns
        -------
        gain, gain_of_step : tuple of float
            What a fit is expected to gain: what the step gains, and what the slope
            after it adds; and what the step gains.
        """
        step = self.quadratic.step(idx)
        move = step.move
        with np.errstate(all="ignore"):
            gained = self._gain(move)
            if abs(step.gain - gained) <= max(UNLIKE * step.gain, SMALL):
                return step.gain, gained
            for _number in range(N_HALVINGS):
                # A step that loses was too long.
                if gained >= 0:
                    break
                move = move / 2
                gained = self._gain(move)
            # Only those of what may change are used.
            shapes = np.isin(np.arange(len(self._values)), idx)
            found = self._statistic.derivatives(self._values + move, shapes=shapes)
        if not found.is_finite:
            return step.gain, np.nan
        low = np.minimum(self._low - move, 0)
        high = np.maximum(self._high - move, 0)
        return gained + Quadratic(found, low, high).step(idx).gain, gained

    def _gain(self, move):
        return float(self.stat - self._statistic.stat(self._values + move))


def p_value_of(ts, n_free, *, n_one_sided=0):
    r"""Probability of at least this TS if there is nothing to free.

    TS follows a :math:`\chi^2` distribution (Wilks 1938, Ann. Math. Stat. 9, 60). If
    one parameter starts at its bound, the probability is the mean of this and of
    :math:`\chi^2` with one degree of freedom less (Chernoff 1954, Ann. Math. Stat. 25,
    573).

    Parameters
    ----------
    ts : float
        Test statistic.
    n_free : int
        Number of parameters freed.
    n_one_sided : int, optional
        How many of them, 0 or 1, may go to one side only. Default is 0.

    Returns
    -------
    p_value : float
        Probability.

    Examples
    --------
    >>> from gammapy.diagnostics.score_steps import p_value_of
    >>> p_value_of(4.0, 1).round(4).item()
    0.0455
    >>> p_value_of(4.0, 1, n_one_sided=1).round(4).item()
    0.0228
    """
    if not ts > 0:
        return np.float64(1.0 if ts <= 0 else np.nan)
    if n_one_sided == 0:
        return chi2.sf(ts, n_free)
    below = chi2.sf(ts, n_free - 1) if n_free > 1 else 0.0
    return 0.5 * (below + chi2.sf(ts, n_free))
