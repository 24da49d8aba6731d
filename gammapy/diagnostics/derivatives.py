# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of predicted counts with respect to the free parameters of a fit."""

from dataclasses import dataclass
import numpy as np
from gammapy.datasets.residuals.cells import UsedPixels
from gammapy.datasets.residuals.slopes import npred_slopes

__all__ = []


@dataclass
class Derivatives:
    """Derivatives of the predicted counts in the bins of one dataset.

    Parameters
    ----------
    columns : `~numpy.ndarray` of int
        Indices of the parameters that the dataset depends on, shape (n,).
    matrix : `~numpy.ndarray`
        Derivatives, shape (n_bins, n), in counts per unit of the parameter.
    """

    columns: np.ndarray
    matrix: np.ndarray

    def full(self, n_parameters):
        """Derivatives for all parameters, shape (n_bins, n_parameters).

        Parameters
        ----------
        n_parameters : int
            Number of parameters.

        Returns
        -------
        matrix : `~numpy.ndarray`
            Derivatives, 0 for parameters that do not matter here.
        """
        full = np.zeros((len(self.matrix), n_parameters))
        full[:, self.columns] = self.matrix
        return full


def differentiate(datasets, bins, parameters):
    """Derivatives of the predicted counts in the bins of datasets.

    Each bin is a cell of its own of `gammapy.datasets.residuals.slopes`. Masks that are
    weights do not matter here.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Their bins.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.

    Returns
    -------
    derivatives : list of `Derivatives`
        For each dataset.
    """
    found = []
    for dataset, part in zip(datasets, bins, strict=True):
        n_bins = part.index.size
        slopes = npred_slopes(dataset, list(_planes(part)), n_bins, parameters)
        matrix = np.zeros((n_bins, len(slopes)))
        for column, slope in enumerate(slopes.values()):
            matrix[:, column] = slope
        columns = np.array(list(slopes), dtype=int)
        found.append(Derivatives(columns, np.nan_to_num(matrix)))
    return found


def _planes(part):
    """Energy bins of a dataset, with the number of each bin as its cell."""
    numbers = np.full(part.shape, part.index.size)
    numbers.ravel()[part.index] = np.arange(part.index.size)
    for idx, cells in enumerate(numbers):
        is_used = cells < part.index.size
        if is_used.any():
            yield UsedPixels(idx, is_used.astype(float), cells)
