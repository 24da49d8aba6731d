# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of predicted counts with respect to parameters, summed into cells.

They are differences to both sides, inside the bounds. Each component is evaluated by
itself, with the responses that it has and by a copy of its evaluator: what the
evaluators of the datasets keep stays as it is.
"""

import numpy as np
from gammapy.modeling.smooth.differences import derivatives
from gammapy.modeling.utils import set_values, values_restored
from ..shape_evaluators import own_evaluator
from ..shape_images import domain
from .cells import add_to_cells
from .grids import cutout_slices
from .planes import without_background_cache

__all__ = []

#: Steps of the differences in units of the errors. On the J1702-420 scene derivatives
#: of a step three times as large are off by up to 0.3 percent, and smaller ones gain
#: less than a thousandth: images may jump by as much where the oversampling changes.
SHARE_OF_ERROR = 0.1

#: Step of parameters without an error, relative to the value.
RELATIVE_STEP = 0.01


def steps_of(parameters):
    """Steps of parameters in which their derivatives are taken.

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters.

    Returns
    -------
    steps : `~numpy.ndarray`
        A share of the error, or of the value where there is no error.
    """
    steps = []
    for par in parameters:
        has_error = np.isfinite(par.error) and par.error > 0
        step = RELATIVE_STEP * (abs(par.value) or 1.0)
        steps.append(SHARE_OF_ERROR * par.error if has_error else step)
    return np.array(steps)


def npred_slopes(dataset, used, n_cells, parameters, exclude=()):
    """Derivatives of weighted sums of the predicted counts of a dataset in cells.

    Parameters have their values afterwards, whatever happens.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset` or `~gammapy.datasets.SpectrumDataset`
        Dataset whose evaluators are up to date.
    used : list of `~gammapy.datasets.residuals.cells.UsedPixels`
        Weights and cells of its energy bins.
    n_cells : int
        Number of cells.
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters.
    exclude : list of str, optional
        Names of components that are not part of the model. Default is none.

    Returns
    -------
    slopes : dict of `~numpy.ndarray`
        By the index of each parameter that the dataset depends on its derivatives,
        shape (n_cells,), in counts per unit of the parameter; 0 where its bounds leave
        it no room.
    """
    parts = [
        ComponentSums(own_evaluator(evaluator), dataset, used, n_cells)
        for name, evaluator in dataset.evaluators.items()
        if name not in exclude and evaluator.contributes
    ]
    model = getattr(dataset, "background_model", None)
    has_background = dataset.stat_type != "wstat" and dataset.background is not None
    if has_background and model is not None and model.name not in exclude:
        parts.append(BackgroundSums(dataset, used, n_cells))
    low, high = domain(parameters)
    steps = steps_of(parameters)
    slopes = {}
    for idx, par in enumerate(parameters):
        with_par = [part for part in parts if part.has(par)]
        if with_par and high[idx] > low[idx]:
            slopes[idx] = _slope(with_par, par, steps[idx], low[idx], high[idx])
        elif with_par:
            slopes[idx] = np.zeros(n_cells)
    return slopes


def _slope(parts, par, step, low, high):
    """Derivative of the sums of components with respect to one parameter."""

    def evaluate(values):
        set_values([par], values)
        return sum(part.sums() for part in parts)

    with values_restored([par]):
        (slope,), _second = derivatives(
            evaluate,
            np.array([par.value]),
            np.array([step]),
            np.array([low]),
            np.array([high]),
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
        self._dataset = without_background_cache(dataset)
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
