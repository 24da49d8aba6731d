# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Uncertainty of predicted counts from the covariance of the models.

With the covariance C of the free parameters and the derivatives J of the predicted
counts with respect to them, the standard deviation of predicted counts is the root of
the diagonal of :math:`J C J^T`. It is that of the model alone, to first order in the
errors: the fluctuation of the counts comes on top.
"""

import copy
import logging
from dataclasses import dataclass
import numpy as np
from gammapy.modeling.linearity import parameter_name
from gammapy.modeling.models import DatasetModels
from gammapy.modeling.smooth.differences import derivatives
from gammapy.modeling.utils import set_values, values_restored
from gammapy.utils.arguments import check_bool
from ..shape_images import domain
from .cells import add_to_cells
from .grids import cutout_slices

__all__ = []

log = logging.getLogger(__name__)

#: Steps of the differences in units of the errors. Smaller ones gain nothing: images
#: jump by up to a thousandth where the oversampling of a shape changes.
STEP = 0.1


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
    if not free.parameters:
        log.warning(
            "There is no band: the free parameters of the models have no errors. Fit "
            "them first, or read the models with their covariance."
        )
        return None
    return NpredBand(free, n_cells)


@dataclass
class FreeParameters:
    """Free parameters that have an error, each one once, and their covariance."""

    parameters: list
    covariance: np.ndarray

    @classmethod
    def of_datasets(cls, datasets, source):
        """Those of the models of datasets, with a covariance from somewhere else.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.
        source : object
            Datasets or models that have a covariance of all models. Errors that were
            changed since have no correlations.
        """
        models = datasets.unique_models
        free = {
            id(par): par
            for model in models
            for par in model.parameters
            if not par.frozen
        }
        unknown = [par for par in free.values() if np.isnan(par.error)]
        if unknown:
            names = ", ".join(parameter_name(models, par) for par in unknown)
            log.warning(f"The band leaves out what has no error: {names}.")
        parameters = [par for par in free.values() if par.error > 0]
        joint = _joint_covariance(source, models, parameters)
        if joint is None and len(models) > 1 and parameters:
            joint = _covariance_of_each(models, parameters)
            log.warning(
                "The band takes models as uncorrelated with each other, for a list of "
                "datasets does not know better: give Datasets that were fitted, or "
                "band=fit_result.models."
            )
        elif joint is None:
            joint = _covariance_of_each(models, parameters)
        return cls(parameters, joint)


def _joint_covariance(source, models, parameters):
    """Covariance that something has of parameters of all models, None without one."""
    if isinstance(source, DatasetModels):
        places = _places_by_name(source, models, parameters)
        matrix = source.covariance.data
    else:
        # Not from source.models, which sets the errors of all parameters again.
        known = getattr(source, "_covariance", None)
        if known is None:
            return None
        first = {}
        for place, par in enumerate(known.parameters):
            first.setdefault(id(par), place)
        places = [first.get(id(par)) for par in parameters]
        matrix = known.data
    if not places or any(place is None for place in places):
        return None
    matrix = np.array(matrix[np.ix_(places, places)], dtype=float)
    if isinstance(source, DatasetModels):
        return matrix
    return _with_new_errors(matrix, parameters)


def _places_by_name(source, models, parameters):
    """Where parameters are among those of other models of the same names."""
    first = {}
    place = 0
    for model in source:
        for par in model.parameters:
            first.setdefault((model.name, par.name), place)
            place += 1
    names = {}
    for model in models:
        for par in model.parameters:
            names.setdefault(id(par), (model.name, par.name))
    return [first.get(names[id(par)]) for par in parameters]


def _with_new_errors(matrix, parameters):
    """A covariance with the present errors; those that changed are uncorrelated."""
    variances = np.array([par.error**2 for par in parameters])
    is_new = ~np.isclose(np.diag(matrix), variances, atol=0)
    matrix[is_new] = 0
    matrix[:, is_new] = 0
    np.fill_diagonal(matrix, variances)
    return matrix


def _covariance_of_each(models, parameters):
    """Covariance without correlations between models."""
    places = {id(par): idx for idx, par in enumerate(parameters)}
    matrix = np.diag([par.error**2 for par in parameters]).astype(float)
    for model in models:
        pairs = [
            (place, places[id(par)])
            for place, par in enumerate(model.parameters)
            if id(par) in places
        ]
        if not pairs:
            continue
        own, joint = np.transpose(pairs)
        matrix[np.ix_(joint, joint)] = model.covariance.data[np.ix_(own, own)]
    return matrix


class NpredBand:
    """Adds up the derivatives of predicted counts in cells, dataset by dataset.

    It steps through the free parameters with copies of the evaluators, so that what
    these keep stays, and puts back the values.

    Parameters
    ----------
    free : `FreeParameters`
        Parameters and covariance.
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
        parts = [
            ComponentSums(_own_copy(evaluator), dataset, used, n_cells)
            for name, evaluator in dataset.evaluators.items()
            if name not in exclude and evaluator.contributes
        ]
        model = getattr(dataset, "background_model", None)
        has_background = dataset.stat_type != "wstat" and dataset.background is not None
        if has_background and model is not None and model.name not in exclude:
            parts.append(BackgroundSums(dataset, used, n_cells))
        low, high = domain(self._free.parameters)
        for idx, par in enumerate(self._free.parameters):
            with_par = [part for part in parts if part.has(par)]
            if with_par:
                slope = _slope(with_par, par, low[idx], high[idx])
                self._slopes[idx] += slope

    @property
    def npred_err(self):
        """Standard deviation of the predicted counts, shape (n_cells,)."""
        variances = np.einsum(
            "ik,ij,jk->k", self._slopes, self._free.covariance, self._slopes
        )
        # Correlations that were rounded in a file may leave less than nothing.
        return np.sqrt(np.maximum(variances, 0))


def _own_copy(evaluator):
    """Evaluator that shares the responses, and keeps what it computes to itself."""
    other = copy.copy(evaluator)
    # These are methods of the first one, which would change its images.
    del other.methods_sequence
    return other


def _slope(parts, par, low, high):
    """Derivative of the sums of components with respect to one parameter."""

    def evaluate(values):
        set_values([par], values)
        return sum(part.sums() for part in parts)

    steps = np.array([STEP * par.error])
    with values_restored([par]):
        values = np.array([par.value])
        (slope,), _second = derivatives(
            evaluate, values, steps, np.array([low]), np.array([high])
        )
    return slope


class ComponentSums:
    """Weighted sums of the predicted counts of one component in cells.

    Parameters
    ----------
    evaluator : `~gammapy.datasets.evaluator.MapEvaluator`
        Evaluator, whose cache is used.
    dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Dataset.
    used : list of `~gammapy.datasets.residuals.cells.UsedPixels`
        Weights and cells of its energy bins.
    n_cells : int
        Number of cells.
    """

    def __init__(self, evaluator, dataset, used, n_cells):
        self._evaluator = evaluator
        self._geom = dataset.counts.geom
        self._used = used
        self._n_cells = n_cells
        self._pixels = None

    def has(self, parameter):
        """Whether the component depends on a parameter."""
        return any(par is parameter for par in self._evaluator.model.parameters)

    def sums(self):
        """Sums at the present values, shape (n_cells,)."""
        npred = self._evaluator.compute_npred()
        if self._pixels is None:
            into, part = cutout_slices(self._geom, npred.geom)
            self._pixels = _pixels(self._used, npred.data.shape, into, part)
        data = npred.data if npred.unit == "" else npred.quantity.to_value("")
        return _weighted_sums(data, *self._pixels, self._n_cells)


class BackgroundSums:
    """The same for the background of a dataset, with a model of its norm.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Dataset.
    used, n_cells : list of `~gammapy.datasets.residuals.cells.UsedPixels`, int
        As for `ComponentSums`.
    """

    def __init__(self, dataset, used, n_cells):
        self._dataset = copy.copy(dataset)
        self._dataset._background_cached = None
        self._dataset._background_parameters_cached = None
        self._n_cells = n_cells
        everything = (slice(None), slice(None))
        self._pixels = _pixels(used, dataset.data_shape, everything, everything)

    def has(self, parameter):
        """Whether the background depends on a parameter."""
        model = self._dataset.background_model
        return any(par is parameter for par in model.parameters)

    def sums(self):
        """Sums at the present values, shape (n_cells,)."""
        data = self._dataset.npred_background().data
        return _weighted_sums(data, *self._pixels, self._n_cells)


def _pixels(used, shape, into, part):
    """Places in a flat cube, weights and cells of all pixels with a weight.

    Parameters
    ----------
    used : list of `~gammapy.datasets.residuals.cells.UsedPixels`
        Weights and cells on the geometry of the dataset.
    shape : tuple of int
        Shape of the cube, (n_energy, n_lat, n_lon).
    into, part : tuple of slice
        Where the two overlap, as `~gammapy.datasets.residuals.grids.cutout_slices`
        gives it.
    """
    places = np.arange(np.prod(shape)).reshape(shape)
    found = []
    for plane in used:
        weights = plane.weights[into]
        cells = np.broadcast_to(plane.cells, plane.weights.shape)[into]
        is_used = weights > 0
        inside = places[(plane.idx, *part)][is_used]
        found.append((inside, weights[is_used], cells[is_used]))
    return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]


def _weighted_sums(data, places, weights, cells, n_cells):
    """Sums in cells of what `_pixels` found."""
    total = np.zeros(n_cells)
    add_to_cells(total, data.ravel()[places] * weights, cells)
    return total
