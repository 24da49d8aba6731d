# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Shifts of a result when parameters move, from the covariance of a fit.

With the covariance V of all free parameters and the gradient g of the result, moving
some parameters S away from their best values by d moves the others to their best values
then, and the result by :math:`(V g)_S^T V_{SS}^{-1} d`. For one parameter and its error
that is :math:`(V g)_i / \sigma_i`. Of all directions along which a group moves by one
standard deviation, :math:`d = (V g)_S / I` moves the result most, by
:math:`I^2 = (V g)_S^T V_{SS}^{-1} (V g)_S`: what of its variance the group makes up.
"""

from dataclasses import dataclass
import numpy as np

__all__ = []


@dataclass(frozen=True)
class Shift:
    """Parameters that are moved.

    Parameters
    ----------
    name : str
        Name of the parameter or group.
    kind : str
        "parameter" or "group".
    members : list of int
        Numbers of the parameters.
    change : `~numpy.ndarray`
        By how much each is moved, up; shape (n_members,).
    impact : float
        Shift of the result then; NaN where nothing is known.
    """

    name: str
    kind: str
    members: list
    change: np.ndarray
    impact: float


class Response:
    """How a result follows the parameters of a fit.

    Parameters
    ----------
    covariance : `~numpy.ndarray`
        Covariance of the free parameters, shape (n, n), 0 for those without an error.
    gradient : `~numpy.ndarray`
        Derivatives of the result, shape (n,).
    """

    def __init__(self, covariance, gradient):
        self.covariance = covariance
        self.gradient = gradient
        self.along = covariance @ gradient
        self.errors = np.sqrt(np.diag(covariance))

    @property
    def error(self):
        """Error of the result."""
        return float(np.sqrt(max(self.gradient @ self.along, 0)))

    @property
    def error_alone(self):
        """Error of the result if all that it is not made of was known."""
        is_own = (self.gradient != 0) & (self.errors > 0)
        rest = np.flatnonzero(~is_own & (self.errors > 0))
        own = np.flatnonzero(is_own)
        left = self.covariance[np.ix_(own, own)] - self._explained(own, rest)
        slope = self.gradient[own]
        return float(np.sqrt(max(slope @ left @ slope, 0)))

    def _explained(self, own, rest):
        mixed = self.covariance[np.ix_(own, rest)]
        return mixed @ _inverse(self.covariance[np.ix_(rest, rest)]) @ mixed.T

    def of_parameter(self, number, name):
        """Shift when one parameter moves by its error."""
        error = self.errors[number]
        impact = self.along[number] / error if error > 0 else np.nan
        return Shift(name, "parameter", [number], np.array([error]), float(impact))

    def of_group(self, name, numbers):
        """Shift when a group moves by one standard deviation, as far as it gets."""
        known = [number for number in numbers if self.errors[number] > 0]
        along = self.along[known]
        inverse = _inverse(self.covariance[np.ix_(known, known)])
        impact = float(np.sqrt(max(along @ inverse @ along, 0)))
        change = along / impact if impact > 0 else 0 * along
        return Shift(name, "group", known, change, impact)

    def followed(self, shift):
        """Changes of all parameters when some move up, shape (n,)."""
        members = shift.members
        inverse = _inverse(self.covariance[np.ix_(members, members)])
        changes = self.covariance[:, members] @ inverse @ shift.change
        changes[members] = shift.change
        return changes


def _inverse(matrix):
    """Inverse of a covariance, along the directions that it has."""
    if not matrix.size:
        return matrix
    # In units of the errors: fluxes are 1e-12, positions 1.
    scales = np.sqrt(np.diag(matrix))
    scaled = np.linalg.pinv(matrix / np.outer(scales, scales), hermitian=True)
    return scaled / np.outer(scales, scales)
