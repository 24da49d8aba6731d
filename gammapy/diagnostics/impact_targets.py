# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of a fit: a parameter, or a flux that follows from parameters."""

from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.datasets.shape_slopes import SpectrumSlopes
from gammapy.maps.energy_bins import format_energy_range
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.utils.arguments import did_you_mean, listed, show

__all__ = []

#: Unit of integral fluxes.
FLUX_UNIT = "cm-2 s-1"


@dataclass(frozen=True)
class ParameterTarget:
    """One free parameter.

    Parameters
    ----------
    name : str
        Its name.
    number : int
        Its number among the free parameters.
    unit : str
        Its unit.
    """

    name: str
    number: int
    unit: str

    def value(self, datasets):
        """Value at the parameters of datasets."""
        return float(datasets.parameters.free_parameters[self.number].value)

    def gradient(self, datasets):
        """Derivatives with respect to the free parameters, shape (n,)."""
        return np.eye(len(datasets.parameters.free_parameters))[self.number]


@dataclass(frozen=True)
class FluxTarget:
    """Integral flux of a model.

    Parameters
    ----------
    name : str
        Name, with the energies.
    model : int
        Number of the model among those of the datasets.
    energies : `~astropy.units.Quantity`
        Energy range, shape (2,).
    unit : str
        Its unit.
    """

    name: str
    model: int
    energies: u.Quantity
    unit: str = FLUX_UNIT

    def value(self, datasets):
        """Value at the parameters of datasets."""
        return float(self._flux(self._spectrum(datasets)))

    def gradient(self, datasets):
        """Derivatives with respect to the free parameters, shape (n,)."""
        spectrum = self._spectrum(datasets)
        free = list(datasets.parameters.free_parameters)
        own = [par for par in free if any(par is one for one in spectrum.parameters)]
        slopes = SpectrumSlopes(
            spectrum, own, lambda: np.atleast_1d(self._flux(spectrum))
        )
        numbers = {id(par): number for number, par in enumerate(free)}
        gradient = np.zeros(len(free))
        for par, slope in zip(own, slopes.derivatives()[0], strict=True):
            gradient[numbers[id(par)]] = slope[0]
        return gradient

    def _spectrum(self, datasets):
        return datasets.unique_models[self.model].spectral_model

    def _flux(self, spectrum):
        return spectrum.integral(*self.energies).to_value(self.unit)


def parameter_target(datasets, given):
    """Target for a free parameter.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    given : `~gammapy.modeling.Parameter` or str
        The parameter, "MODEL.PARAMETER", or the name that tables have for it.

    Returns
    -------
    target : `ParameterTarget`
        Target.

    Raises
    ------
    ValueError
        If there is no such parameter, several have the name, or it is frozen.
    TypeError
        If ``given`` has the wrong type.
    """
    names = unique_parameter_names(datasets.unique_models)
    par = _find_parameter(datasets.unique_models, names, given)
    free = datasets.parameters.free_parameters
    numbers = [number for number, other in enumerate(free) if other is par]
    if not numbers:
        raise ValueError(f"of: {names[id(par)]!r} is frozen; free it and fit first.")
    return ParameterTarget(names[id(par)], numbers[0], par.unit.to_string("fits"))


def _find_parameter(models, names, given):
    parameters = [par for model in models for par in model.parameters]
    if not isinstance(given, str):
        if not hasattr(given, "frozen"):
            raise TypeError(
                "of: expected a parameter or its name such as 'source.amplitude', got "
                f"{show(given)}."
            )
        if not any(par is given for par in parameters):
            raise ValueError(
                f"of: this {given.name!r} is not of the models of the datasets; give "
                f"its name, such as 'source.{given.name}'."
            )
        return given
    known = {}
    for model in models:
        for par in model.parameters:
            for name in (names[id(par)], f"{model.name}.{par.name}", par.name):
                known.setdefault(name, {})[id(par)] = par
    found = list(known.get(given, {}).values())
    if len(found) == 1:
        return found[0]
    free = [name for key, name in names.items() if key in _free_ids(parameters)]
    if found:
        raise ValueError(
            f"of: several parameters are called {given!r}; choose from "
            f"{listed(names[id(par)] for par in found)}."
        )
    raise ValueError(
        f"of: the models of the datasets have no parameter {given!r}"
        f"{did_you_mean(given, list(known))}; free are {listed(free)}. For the flux of "
        "a model give energies, too."
    )


def _free_ids(parameters):
    return {id(par) for par in parameters if not par.frozen}


def find_source(models, given):
    """Number of a model with a flux.

    Parameters
    ----------
    models : list of `~gammapy.modeling.models.ModelBase`
        Models.
    given : `~gammapy.modeling.models.SkyModel` or str
        Model, or its name.

    Returns
    -------
    number : int
        Number of the model.

    Raises
    ------
    ValueError
        If there is no such model, or it has no flux of its own.
    """
    known = [model.name for model in models if _has_flux(model)]
    for number, model in enumerate(models):
        if model is given or model.name == given:
            if not _has_flux(model):
                raise ValueError(
                    f"of: the spectrum of {model.name!r} is a norm and has no flux; "
                    f"choose from {listed(known)}."
                )
            return number
    name = getattr(given, "name", given)
    hint = did_you_mean(name, known) if isinstance(name, str) else ""
    raise ValueError(
        f"of: the models of the datasets have no source {show(name)}{hint}; choose "
        f"from {listed(known)}."
    )


def _has_flux(model):
    spectrum = getattr(model, "spectral_model", None)
    return spectrum is not None and not spectrum.is_norm_spectral_model


def flux_target(datasets, given, energies):
    """Target for the integral flux of a model.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    given : `~gammapy.modeling.models.SkyModel` or str
        Model, or its name.
    energies : `~astropy.units.Quantity`
        Energy range, shape (2,).

    Returns
    -------
    target : `FluxTarget`
        Target.

    Raises
    ------
    ValueError
        If there is no such model, or nothing of its spectrum is free.
    """
    models = datasets.unique_models
    number = find_source(models, given)
    name = models[number].name
    if not models[number].spectral_model.parameters.free_parameters:
        raise ValueError(
            f"of: no parameter of the spectrum of {name!r} is free; free some of them "
            "and fit first."
        )
    return FluxTarget(f"flux of {name}, {show_range(energies)}", number, energies)


def show_range(energies):
    """Text of an energy range, such as "2-10 TeV"."""
    return format_energy_range(*energies, energies.unit, dash="-")
