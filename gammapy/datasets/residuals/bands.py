# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Uncertainty of predicted counts from the covariance of the models.

With the covariance C of the free parameters and the derivatives J of the predicted
counts with respect to them, the standard deviation of predicted counts is the square
root of the diagonal of :math:`J C J^T`. It is the error of the model, to first order in
the errors of the parameters, and does not include the fluctuation of the counts.
"""

import logging
import numpy as np
from gammapy.modeling.linearity import parameter_name
from gammapy.modeling.models import DatasetModels
from gammapy.utils.arguments import check_bool
from .free_parameters import FreeParameters
from .slopes import npred_slopes

__all__ = []

log = logging.getLogger(__name__)


def make_band(band, source, datasets, n_cells):
    """What adds up the derivatives of the model, None where there is no band.

    Parameters
    ----------
    band : bool or `~gammapy.modeling.models.DatasetModels`
        Whether to make a band; or models that have the covariance, such as those of
        the result of a fit, which are matched by their names.
    source : `~gammapy.datasets.Datasets` or list
        Datasets as they were given: `~gammapy.datasets.Datasets` have the covariance
        of all models.
    datasets : `~gammapy.datasets.Datasets`
        The same datasets.
    n_cells : int
        Number of cells.

    Returns
    -------
    band : `NpredBand` or None
        The band. One line of the log says why there is none.
    """
    is_models = isinstance(band, DatasetModels)
    if not is_models and not check_bool("band", band):
        return None
    free = FreeParameters.of_datasets(datasets, band if is_models else source)
    known = free.known
    if not known.parameters:
        log.warning(
            "There is no band: the free parameters of the models have no errors. Fit "
            "them first, or read the models with their covariance."
        )
        return None
    if free.unknown:
        models = datasets.unique_models
        names = ", ".join(parameter_name(models, par) for par in free.unknown)
        log.warning(f"The band ignores parameters without an error: {names}.")
    if not free.has_correlations:
        log.warning(
            "The band ignores correlations between models, which a list of datasets "
            "does not have: pass the Datasets that were fitted, or "
            "band=fit_result.models."
        )
    return NpredBand(known, n_cells)


class NpredBand:
    """Adds up the derivatives of predicted counts in cells, dataset by dataset.

    Parameters
    ----------
    free : `~gammapy.datasets.residuals.free_parameters.FreeParameters`
        Parameters that have an error, and their covariance.
    n_cells : int
        Number of cells.
    """

    def __init__(self, free, n_cells):
        self._free = free
        self._slopes = np.zeros((len(free.parameters), n_cells))

    def add(self, dataset, used, exclude=()):
        """Add the derivatives of one dataset.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
            Dataset whose evaluators are up to date.
        used : list of `~gammapy.datasets.residuals.cells.UsedPixels`
            Weights and cells of its energy bins.
        exclude : list of str, optional
            Names of components that are not part of the model. Default is none.
        """
        n_cells = self._slopes.shape[1]
        parameters = self._free.parameters
        slopes = npred_slopes(dataset, used, n_cells, parameters, exclude)
        for idx, slope in slopes.items():
            self._slopes[idx] += slope

    @property
    def npred_err(self):
        """Standard deviation of the predicted counts, shape (n_cells,)."""
        variances = np.einsum(
            "ik,ij,jk->k", self._slopes, self._free.covariance, self._slopes
        )
        # Correlations that were rounded in a file may leave less than nothing.
        return np.sqrt(np.maximum(variances, 0))
