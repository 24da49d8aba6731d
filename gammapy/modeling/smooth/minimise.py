# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Damped Newton steps between bounds."""

from dataclasses import dataclass
import numpy as np
from gammapy.modeling.newton.quadratic import minimise_quadratic

__all__ = []

#: Gain of a full step, in units of the statistic, below which the fit has ended.
TOLERANCE = 1e-6

#: The same where the statistic has jumps.
TOLERANCE_HARD = 1e-2

# Gain below which a step that gains next to nothing is the last one.
GAIN_SLOW = 1e-4

#: Gain below which the second derivatives of the model are taken along, too.
GAIN_FULL = 3.0

# The Fisher matrix alone converges slowly where the model is strongly curved.
N_STEPS_FISHER = 6

#: Longest step of a shape in units of its error.
FAR = 3.0

#: The same of norms and spectra: their statistic is nearly a parabola.
FAR_SPECTRUM = 100.0

# Shares of the expected gain: below the first a step fails, above the last the damping
# is reduced.
RATIO_MIN, RATIO_LOW, RATIO_HIGH = 1e-3, 0.25, 0.7

DAMPING, DAMPING_MIN, DAMPING_MAX = 1e-3, 1e-9, 1e8

#: Smallest eigenvalue of a scaled matrix that counts as positive.
POSITIVE = 1e-6


@dataclass
class Minimum:
    """Where the steps ended.

    Attributes
    ----------
    values : `~numpy.ndarray`
        Best values, shape (n,), angles not yet wrapped.
    derivatives : `~gammapy.modeling.smooth.statistic.Derivatives`
        Statistic and derivatives there, with the full Hessian.
    failure : str
        Why the steps ended too early, else empty.
    nfev : int
        Number of evaluations of the statistic.
    trace : list of tuple
        Statistic and values after each step.
    roughness : float
        Size of the jumps of the statistic nearby, see
        `~gammapy.modeling.smooth.search.search_nearby`.
    """

    values: np.ndarray
    derivatives: object
    failure: str
    nfev: int
    trace: list
    roughness: float = 0.0


class Minimiser:
    """Minimiser of a smooth statistic.

    The steps are those of Levenberg (1944, Quart. Appl. Math. 2, 164) and Marquardt
    (1963, SIAM J. 11, 431) with the active set of
    `~gammapy.modeling.newton.quadratic.minimise_quadratic` at bounds. After each change
    of shapes, norms and spectra are fitted again, which costs little.

    Parameters
    ----------
    statistic : object
        Has ``stat(values)``, ``derivatives(values, second=, shapes=)``,
        ``reach(values)``, ``bounds``, ``periods``, ``is_shape``, ``is_hard``,
        ``has_kinks`` and ``shape_numbers``, as
        `gammapy.datasets.shape_terms.SmoothStatistic` documents them.
    start : `~numpy.ndarray`
        Values to start from.
    max_iter : int, optional
        Largest number of steps. Default is 60.
    on_step : callable, optional
        Gets the statistic and the expected gain before each step. Default is None.
    """

    def __init__(self, statistic, start, *, max_iter=60, on_step=None):
        self.statistic = statistic
        self.on_step = on_step
        self.max_iter = max_iter
        self.nfev = 0
        self.trace = []
        low, high = statistic.bounds
        goes_on = np.isfinite(statistic.periods)
        self.low = np.where(goes_on, -np.inf, low)
        self.high = np.where(goes_on, np.inf, high)
        self.is_shape = statistic.is_shape
        self.values = np.clip(start, self.low, self.high)
        self.stat = self._stat(self.values)
        self.damping = DAMPING

    def run(self, *, max_iter=None):
        """Go to the minimum.

        Parameters
        ----------
        max_iter : int, optional
            Largest number of steps. Default is None, that of the minimiser.

        Returns
        -------
        minimum : `Minimum`
            Where it is, or how far the steps came.
        """
        max_iter = self.max_iter if max_iter is None else max_iter
        failure = f"No convergence in {max_iter} steps"
        self.refit_spectra()
        self.trace.append((self.stat, self.values))
        second = False
        for number in range(max_iter):
            second = second or number >= N_STEPS_FISHER
            found, matrix, gain = self._look(second)
            if not second and gain < GAIN_FULL:
                second = True
                if found.hessian is None:
                    found, matrix, gain = self._look(second)
            if self.on_step is not None:
                self.on_step(self.stat, gain)
            if matrix is None:
                failure = "The statistic has no finite derivatives"
                break
            if gain < (TOLERANCE_HARD if self.statistic.is_hard.any() else TOLERANCE):
                failure = ""
                break
            before = self.stat
            if not self._advance(found.gradient, matrix):
                failure = "No lower statistic along the last step"
                break
            if second and gain < GAIN_SLOW and before - self.stat < TOLERANCE:
                # A kink, or a valley with a bend, that would take all of the steps.
                failure = ""
                break
            self.trace.append((self.stat, self.values))
        return self._end(found, failure)

    def _look(self, second):
        """Derivatives, a positive matrix, and the gain of a full step."""
        # Second derivatives of spectra cost little: they are looked at once for both.
        found = self._derivatives(second or not self.is_shape.any())
        if not found.is_finite:
            return found, None, np.inf
        if not second:
            gain = self._step(found.gradient, found.fisher, 0.0)[1]
            if found.hessian is None or not gain < GAIN_FULL:
                return found, found.fisher, gain
        matrix = positive_matrix(found)
        return found, matrix, self._step(found.gradient, matrix, 0.0)[1]

    def move(self, values):
        """Go to other values, inside the bounds."""
        self.values = np.clip(values, self.low, self.high)
        self.stat = self._stat(self.values)

    def derivatives_at_end(self):
        """Derivatives at the present values, with the full Hessian."""
        return self._derivatives(second=True)

    def _end(self, found, failure):
        """Result, with the full Hessian at the best values."""
        if found.hessian is None or found.stat != self.stat:
            found = self.derivatives_at_end()
        return Minimum(self.values, found, failure, self.nfev, self.trace)

    def _stat(self, values):
        self.nfev += 1
        with np.errstate(all="ignore"):
            stat = self.statistic.stat(values)
        return stat if np.isfinite(stat) else np.inf

    def _derivatives(self, second):
        self.nfev += 1
        with np.errstate(all="ignore"):
            return self.statistic.derivatives(self.values, second=second)

    def _step(self, gradient, matrix, damping, *, varied=None):
        """Step, and the gain that the quadratic model expects."""
        diagonal = np.diag(matrix)
        reach = self.statistic.reach(self.values)
        flat = np.where(np.isfinite(reach), reach, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scales = np.where(diagonal > 0, np.sqrt(2 / diagonal), flat)
        far = np.where(self.is_shape, FAR, FAR_SPECTRUM)
        far = np.minimum(far, reach / scales)
        low = np.maximum((self.low - self.values) / scales, -far)
        high = np.minimum((self.high - self.values) / scales, far)
        if varied is not None:
            low, high = np.where(varied, low, 0), np.where(varied, high, 0)
        scaled = matrix * np.outer(scales, scales)
        slopes = gradient * scales
        damped = scaled + 2 * damping * np.eye(len(scales))
        step = minimise_quadratic(
            slopes, damped, np.minimum(low, 0), np.maximum(high, 0)
        )
        gain = -slopes @ step - step @ scaled @ step / 2
        return scales * step, gain

    def _advance(self, gradient, matrix):
        """Make a step that lowers the statistic; False when there is none."""
        values, stat = self.values, self.stat
        while self.damping <= DAMPING_MAX:
            step, gain = self._step(gradient, matrix, self.damping)
            if not gain > 0:
                return False
            self.move(values + step)
            if np.isfinite(self.stat):
                self.refit_spectra()
            ratio = (stat - self.stat) / gain
            if ratio > RATIO_MIN:
                if ratio > RATIO_HIGH:
                    self.damping = max(self.damping / 10, DAMPING_MIN)
                elif ratio < RATIO_LOW:
                    self.damping *= 4
                return True
            self.values, self.stat = values, stat
            self.damping = 8 * max(self.damping, 1e-4)
        self.damping = DAMPING
        return False

    def refit_spectra(self, *, n_steps=3):
        """Fit norms and spectra with the shapes as they are."""
        varied = ~self.is_shape
        # Without shapes the steps themselves are such fits.
        if varied.all() or not varied.any():
            return
        for _number in range(n_steps):
            with np.errstate(all="ignore"):
                found = self.statistic.derivatives(self.values, shapes=False)
            if not found.is_finite:
                return
            step, gain = self._step(found.gradient, found.fisher, 1e-9, varied=varied)
            if gain < 1e-3 or not self._search(step):
                return

    def _search(self, step):
        """Go along a step as far as the statistic is lower."""
        fraction = 1.0
        for _number in range(8):
            moved = np.clip(self.values + fraction * step, self.low, self.high)
            stat = self._stat(moved)
            if stat < self.stat:
                self.values, self.stat = moved, stat
                return True
            fraction /= 3
        return False


def scaled_matrix(matrix):
    """Matrix with a diagonal of 1 or -1, and the scales that give it; 0 stays."""
    diagonal = abs(np.diag(matrix))
    scales = np.zeros(len(diagonal))
    np.power(diagonal, -0.5, out=scales, where=diagonal > 0)
    return matrix * np.outer(scales, scales), scales


def positive_matrix(found):
    """The Hessian with as much of the Fisher matrix as makes it positive."""
    if found.hessian is None or not len(found.hessian):
        return found.fisher
    for share in (0.0, 0.1, 0.25, 0.5, 0.75):
        mixed = (1 - share) * found.hessian + share * found.fisher
        if _is_positive(scaled_matrix(mixed)[0]):
            return mixed
    return found.fisher


def _is_positive(matrix):
    """Whether all eigenvalues are large enough; faster than to compute them."""
    try:
        np.linalg.cholesky(matrix - POSITIVE * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True
