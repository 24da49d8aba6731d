# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Reduction of the statistic of cells by a fit.

Let z be the differences of counts and model in the cells, in units of their errors. A
fit changes the parameters by Cov times the gradient of the likelihood, and the
predicted counts of the cells by J times this change. To first order the differences
after the fit have the covariance 1 - H with
:math:`H = W^{1/2} J\,\mathrm{Cov}\,J^T W^{1/2}`, where W is the inverse variance of the
counts of each cell and J is summed into the cells. The sum of their squares then has
the mean :math:`n - \mathrm{tr} H`, the variance :math:`2 n - 2\,\mathrm{tr}(2 H - H^2)`
and the third moment :math:`8 n - 8\,\mathrm{tr}(3 H - 3 H^2 + H^3)`.

H is not a projection, because the fit uses the bins and not the cells: tr(H) is less
than the number of parameters (Chernoff & Lehmann 1954, Ann. Math. Stat. 25, 579). A fit
of weighted data does not have the smallest errors. Its covariance follows from the
covariance of the gradient for weighted counts.
"""

import numpy as np

__all__ = []


class Absorbed:
    """Moments to subtract from the sums over cells because of the fit.

    Parameters
    ----------
    slopes : `~numpy.ndarray`
        Derivatives of the weighted counts of each cell with respect to the parameters,
        divided by the standard deviation of the cell, shape (n_cells, n_parameters).
    covariance : `~numpy.ndarray`
        Covariance of the parameters, 0 where it is not known.
    weighted : tuple of `~numpy.ndarray`, optional
        Of weighted data the slopes with the squares of the weights, in the same units,
        and the covariance of the slopes of half the statistic. Default is None.
    """

    def __init__(self, slopes, covariance, weighted=None):
        if weighted is None:
            self._left, self._matrix = slopes, covariance
            return
        other, information = weighted
        n_parameters = len(covariance)
        zeros = np.zeros((n_parameters, n_parameters))
        middle = -covariance @ information @ covariance
        self._left = np.concatenate([slopes, other], axis=1)
        self._matrix = np.block([[middle, covariance], [covariance, zeros]])

    def moments(self, cells):
        """Values to subtract from the moments of the sum over some cells.

        Parameters
        ----------
        cells : `~numpy.ndarray` of int
            Cells.

        Returns
        -------
        mean, variance, third : tuple of float
            tr(H) and what goes with it.
        """
        left = self._left[cells]
        # The traces of H are those of a matrix of the parameters, which is small.
        first = self._matrix @ (left.T @ left)
        second = first @ first
        traces = np.trace(first), np.trace(second), np.vdot(first.T, second)
        one, two, three = (float(trace) for trace in traces)
        return one, 2 * (2 * one - two), 8 * (3 * one - 3 * two + three)
