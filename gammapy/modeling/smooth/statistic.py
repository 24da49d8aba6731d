# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the minimiser asks of a statistic, and what it gets."""

from dataclasses import dataclass
import numpy as np

__all__ = []


@dataclass
class Derivatives:
    """Statistic and its derivatives at a point.

    Attributes
    ----------
    stat : float
        Statistic.
    gradient : `~numpy.ndarray`
        Shape (n,).
    fisher : `~numpy.ndarray`
        Second derivatives without those of the model, shape (n, n): it has no negative
        eigenvalues.
    hessian : `~numpy.ndarray` or None
        All second derivatives, shape (n, n), when they were asked for.
    """

    stat: float
    gradient: np.ndarray
    fisher: np.ndarray
    hessian: np.ndarray | None = None

    @property
    def is_finite(self):
        """Whether all of it is finite."""
        parts = (self.stat, self.gradient, self.fisher, self.hessian)
        return all(np.isfinite(part).all() for part in parts if part is not None)
