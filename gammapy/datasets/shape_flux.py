# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Integrals of spectra in energy bins without units, which take most of the time."""

import numpy as np
import astropy.units as u
from gammapy.modeling.linearity import linear_norms
from gammapy.utils.integrate import trapz_loglog

__all__ = []

# Units of length, time and mass in which energies are in TeV and areas in cm2, so that
# products of numbers need no factors.
BASES = {u.m: u.cm, u.s: u.s, u.kg: u.TeV * u.s**2 / u.cm**2}

#: Points per decade that integrals are made with, as in `integrate_spectrum`.
N_DECADE = 100

# Largest relative difference from the integral with units.
TOLERANCE = 1e-10


class SpectrumIntegral:
    """Integral of a spectrum in energy bins, as `SpectralModel.integral` gives it.

    The formula of the spectrum is evaluated on numbers in units that belong together.
    Where that is not possible, or gives something else, the method itself is called.

    Parameters
    ----------
    spectrum : `~gammapy.modeling.models.SpectralModel`
        Spectrum.
    edges : `~astropy.units.Quantity`
        Edges of the energy bins, shape (n + 1,).
    """

    def __init__(self, spectrum, edges):
        self.spectrum = spectrum
        self.edges = edges
        # Spectra make a new list each time.
        self._parameters = list(spectrum.parameters)
        numbers = edges.to_value("TeV")
        self._low, self._high = numbers[:-1], numbers[1:]
        widest = np.max(N_DECADE * np.log10(self._high / self._low))
        self._grid = np.geomspace(self._low, self._high, int(max(widest, 2)), axis=-1)
        self._factors = None
        if type(spectrum) in linear_norms():
            self._factors = _unit_factors(spectrum)
        if self._factors is not None and not self._agrees():
            self._factors = None
        self._takes_arrays = self._factors is not None
        self._is_tried = False

    def __call__(self):
        """Integrals at the present values, in cm-2 s-1, shape (n,)."""
        if self._factors is None:
            integral = self.spectrum.integral(self.edges[:-1], self.edges[1:])
            return integral.to_value("cm-2 s-1")
        return self._evaluate({})

    def many(self, parameters, points):
        """Integrals at many values of some parameters.

        Parameters
        ----------
        parameters : list of `~gammapy.modeling.Parameter`
            Parameters that vary.
        points : `~numpy.ndarray`
            Their values, shape (n_points, n_parameters).

        Returns
        -------
        integrals : `~numpy.ndarray` or None
            In cm-2 s-1, shape (n_points, n); None where the formula takes no arrays.
        """
        if not self._takes_arrays:
            return None
        columns = zip(parameters, np.transpose(points), strict=True)
        varied = {id(par): column[:, np.newaxis] for par, column in columns}
        try:
            integrals = self._evaluate(varied)
        except (IndexError, TypeError, ValueError):
            self._takes_arrays = False
            return None
        if not self._is_tried:
            self._is_tried = True
            first = dict(zip(map(id, parameters), points[0], strict=True))
            alone = self._evaluate(first)
            self._takes_arrays = integrals.shape == (len(points), len(alone)) and (
                np.allclose(integrals[0], alone, TOLERANCE, 0, equal_nan=True)
            )
        return integrals if self._takes_arrays else None

    def _evaluate(self, varied):
        """Integrals with some parameters at other values, which may be columns."""
        values = {
            par.name: varied.get(id(par), par.value) * factor
            for par, factor in zip(self._parameters, self._factors, strict=True)
        }
        if hasattr(self.spectrum, "evaluate_integral"):
            return self.spectrum.evaluate_integral(self._low, self._high, **values)
        values = {name: _as_column(value) for name, value in values.items()}
        dnde = self.spectrum.evaluate(self._grid, **values)
        grid = np.broadcast_to(self._grid, dnde.shape)
        return np.sum(trapz_loglog(dnde, grid), axis=0)

    def _agrees(self):
        """Whether numbers give what quantities do."""
        try:
            with np.errstate(all="ignore"):
                expected = self.spectrum.integral(self.edges[:-1], self.edges[1:])
                expected = expected.to_value("cm-2 s-1")
                found = self._evaluate({})
        except (AttributeError, TypeError, u.UnitsError):
            return False
        if np.shape(found) != expected.shape:
            return False
        return np.allclose(found, expected, rtol=TOLERANCE, atol=0, equal_nan=True)


def _unit_factors(spectrum):
    """Factors of the parameters, None where a unit is not made of these bases."""
    factors = []
    for par in spectrum.parameters:
        unit = par.unit.decompose()
        if not set(unit.bases) <= set(BASES):
            return None
        powers = zip(unit.bases, unit.powers, strict=True)
        scales = [base.to(BASES[base]) ** float(power) for base, power in powers]
        factors.append(unit.scale * np.prod(scales))
    return factors


def _as_column(value):
    """Array with one more axis at its end; numbers stay."""
    return value[..., np.newaxis] if isinstance(value, np.ndarray) else value
