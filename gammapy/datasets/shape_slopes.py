# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of spectra in energy bins with respect to their parameters."""

from collections import Counter
import numpy as np
from gammapy.modeling.linearity import proportional_norms
from gammapy.modeling.smooth.differences import derivatives
from gammapy.modeling.utils import set_values, values_restored
from .shape_images import domain

__all__ = []

# Change of the array that a step of the differences is to make, relative.
CHANGE_MIN, CHANGE, CHANGE_MAX = 3e-5, 3e-4, 3e-3

# After as many of them a step is looked for again.
N_STEPS_MOVED = 30


class SpectrumSlopes:
    """Derivatives of what a spectrum gives in energy bins.

    With respect to norms that it is proportional to they are exact; with respect to
    other parameters they are differences.

    Parameters
    ----------
    spectrum : `~gammapy.modeling.models.SpectralModel`
        Spectrum.
    parameters : list of `~gammapy.modeling.Parameter`
        Its free parameters, each one once.
    evaluate : callable
        Gives an array that is linear in the spectrum, at the present values.
    weights : callable, optional
        Gives the counts that each element of it stands for: differences must be right
        where the counts are. A spectrum may be highest at energies that no bin sees.
        Default is None, all the same.
    many : callable, optional
        Gives the arrays at many values of some parameters, or None, see
        `gammapy.datasets.shape_flux.SpectrumIntegral.many`. Default is None.
    """

    def __init__(self, spectrum, parameters, evaluate, *, weights=None, many=None):
        self.parameters = parameters
        self.evaluate = evaluate
        self.weights = weights
        self.many = many
        # A norm that is linked to another one of the same spectrum is there twice.
        number = Counter(id(par) for par in spectrum.parameters)
        norms = {key for key in proportional_norms(spectrum) if number[key] == 1}
        is_norm = [id(par) in norms for par in parameters]
        self.norms = np.flatnonzero(is_norm).tolist()
        self.others = np.flatnonzero(np.logical_not(is_norm)).tolist()
        self._steps = None

    def derivatives(self, *, second=False):
        """Derivatives at the present values.

        Parameters
        ----------
        second : bool, optional
            Whether to give second derivatives. Default is False.

        Returns
        -------
        first, pairs : tuple
            See `~gammapy.modeling.smooth.differences.derivatives`.
        """
        if not self.parameters:
            return [], {}
        with values_restored(self.parameters):
            # The derivatives go through 1 where a norm is 0.
            values = [par.value for par in self.parameters]
            is_zero = [values[idx] == 0 for idx in self.norms]
            units = [value or 1.0 for value in (values[idx] for idx in self.norms)]
            set_values([self.parameters[idx] for idx in self.norms], units)
            array = self.evaluate()
            slopes, bends = self._differences(array, second)
        present = np.where(is_zero, 0.0, 1.0)
        first = [None] * len(values)
        for number, idx in enumerate(self.norms):
            first[idx] = array / units[number] * np.prod(np.delete(present, number))
        for idx, slope in zip(self.others, slopes, strict=True):
            first[idx] = slope * np.prod(present)
        pairs = {}
        if second:
            pairs = self._pairs(array, slopes, bends, units, present)
        return first, pairs

    def _pairs(self, array, slopes, bends, units, present):
        """Second derivatives, from those with all norms other than 0."""
        pairs = {}
        for (i, j), bend in bends.items():
            pairs[_ordered(self.others[i], self.others[j])] = bend * np.prod(present)
        for number, idx in enumerate(self.norms):
            rest = np.prod(np.delete(present, number))
            pairs[idx, idx] = np.zeros(array.shape)
            for other, slope in zip(self.others, slopes, strict=True):
                pairs[_ordered(idx, other)] = slope / units[number] * rest
            for earlier in range(number):
                rest = np.prod(np.delete(present, [number, earlier]))
                product = units[number] * units[earlier]
                pairs[_ordered(idx, self.norms[earlier])] = array / product * rest
        return pairs

    def _differences(self, array, second):
        """Derivatives with respect to parameters that are no norms."""
        parameters = [self.parameters[idx] for idx in self.others]
        if not parameters:
            return [], {}

        def evaluate(values):
            if np.array_equal(values, centre):
                return array
            set_values(parameters, values)
            return self.evaluate()

        centre = np.array([par.value for par in parameters])
        low, high = domain(parameters)
        steps = self._known_steps(centre)
        if steps is None:
            errors = [par.error for par in parameters]
            weights = np.ones(1) if self.weights is None else self.weights()
            if not weights.any():
                weights = np.ones(1)
            steps = flux_steps(
                lambda values: weights * evaluate(values), centre, errors, low, high
            )
            self._steps = centre, steps
        options = (centre, steps, low, high)
        known = self._known_arrays(parameters, options, second)
        return derivatives(known or evaluate, *options, second=second)

    def _known_arrays(self, parameters, options, second):
        """Function that gives arrays which were made all at once, else None."""
        if self.many is None:
            return None
        points = []

        def note(values):
            points.append(values.copy())
            return np.zeros(1)

        derivatives(note, *options, second=second)
        arrays = self.many(parameters, np.array(points))
        if arrays is None:
            return None
        # The second time the points come in the same order.
        rows = iter(arrays)
        return lambda values: next(rows)

    def _known_steps(self, values):
        """Steps that were right nearby, else None."""
        if self._steps is None:
            return None
        where, steps = self._steps
        is_near = np.all(abs(values - where) <= N_STEPS_MOVED * steps)
        return steps if is_near else None


def _ordered(i, j):
    return max(i, j), min(i, j)


def flux_steps(evaluate, values, errors, low, high):
    """Steps that change an array by less than a thousandth of its largest value.

    Parameters
    ----------
    evaluate : callable
        Gives the array at some values.
    values, errors : `~numpy.ndarray`
        Values and their errors; an error that is not known is 0 or NaN.
    low, high : `~numpy.ndarray`
        Bounds.

    Returns
    -------
    steps : `~numpy.ndarray`
        Steps.
    """
    centre = evaluate(values)
    largest = np.max(abs(centre), initial=0)
    steps = []
    for idx, (value, error) in enumerate(zip(values, errors, strict=True)):
        step = 1e-3 * abs(value) or np.nan_to_num(0.1 * error) or 1e-3
        for _attempt in range(6):
            moved = values.copy()
            # Towards the side that has more room.
            sign = 1 if high[idx] - value >= value - low[idx] else -1
            moved[idx] += sign * step
            with np.errstate(all="ignore"):
                change = np.max(abs(evaluate(moved) - centre), initial=0)
            if largest == 0:
                break
            if not np.isfinite(change):
                step /= 10
                continue
            change /= largest
            if change == 0 or CHANGE_MIN < change < CHANGE_MAX:
                break
            step *= np.clip(CHANGE / change, 1e-3, 1e3)
        steps.append(step)
    return np.array(steps)
