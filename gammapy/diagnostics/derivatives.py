# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of predicted counts with respect to the free parameters of a fit."""

from dataclasses import dataclass
import numpy as np
from gammapy.datasets.residuals.grids import cutout_slices
from gammapy.modeling.utils import values_restored

__all__ = []

#: Differences are taken over so many errors to both sides.
SHARE_OF_ERROR = 0.3

#: Step of parameters without an error, relative to the value.
RELATIVE_STEP = 0.01


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


def differentiate(datasets, bins, parameters):
    """Derivatives of the predicted counts, by differences to both sides.

    Each component is evaluated alone, with the responses that it has. At a bound the
    difference is taken from there. Parameters have their values afterwards, whatever
    happens.

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
    index = {id(par): number for number, par in enumerate(parameters)}
    steps = steps_of(parameters)
    found = []
    for dataset, part in zip(datasets, bins, strict=True):
        columns = {}
        for model, evaluate, place in _components(dataset, part):
            for par in model.parameters.unique_parameters:
                if id(par) not in index:
                    continue
                number = index[id(par)]
                change = place(_difference(par, steps[number], evaluate))
                columns[number] = columns.get(number, 0.0) + change
        numbers = np.array(sorted(columns), dtype=int)
        matrix = np.zeros((part.index.size, numbers.size))
        for column, number in enumerate(numbers):
            matrix[:, column] = columns[number]
        found.append(Derivatives(numbers, np.nan_to_num(matrix)))
    return found


def _difference(parameter, step, evaluate):
    """Difference quotient of an array."""
    low, high = parameter.value - step, parameter.value + step
    if parameter.min < parameter.value:
        low = max(low, parameter.min)
    elif parameter.min == parameter.value:
        low = parameter.value
    if parameter.max > parameter.value:
        high = min(high, parameter.max)
    elif parameter.max == parameter.value:
        high = parameter.value
    if not high > low:
        return 0 * evaluate()
    with values_restored([parameter]):
        parameter.value = high
        upper = np.array(evaluate())
        parameter.value = low
        return (upper - evaluate()) / (high - low)


def _components(dataset, part):
    """Models of a dataset: function for its counts, and one that puts them to bins."""
    for evaluator in dataset.evaluators.values():
        if evaluator.contributes:
            place = _placer(dataset, part, evaluator)
            yield evaluator.model, _counts_of(evaluator), place
    model = getattr(dataset, "background_model", None)
    if model is not None and dataset.background is not None and not part.is_on_off:
        yield model, lambda: dataset.npred_background().data, _take(part)


def _counts_of(evaluator):
    return lambda: evaluator.compute_npred().data


def _take(part):
    return lambda values: values.ravel()[part.index]


def _placer(dataset, part, evaluator):
    """Function that puts a cutout to the bins of the dataset."""
    geom, cutout = dataset.counts.geom, evaluator.compute_npred().geom
    into, source = cutout_slices(geom, cutout)
    if geom.is_region:
        return _take(part)
    # Numbers of the bins in the cutout, once for all parameters of the component.
    numbers = np.full(part.shape, -1)
    numbers.ravel()[part.index] = np.arange(part.index.size)
    numbers = numbers[(slice(None), *into)]
    is_used = numbers >= 0

    def place(values):
        placed = np.zeros(part.index.size)
        placed[numbers[is_used]] = values[(slice(None), *source)][is_used]
        return placed

    return place
