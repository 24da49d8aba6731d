# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Models in which the step of a score test is taken."""

import numpy as np
import astropy.units as u
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    SkyModel,
)
from gammapy.modeling.models.copies import copy_models
from gammapy.utils.arguments import did_you_mean, show

__all__ = []


def take_step(models, step):
    """Models in which a step is taken.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models`
        Models. They are not changed.
    step : dict
        Kind, and for each parameter a list with component, name, part of a product of
        spectra, unit and value; of a source its model, too.

    Returns
    -------
    models : `~gammapy.modeling.models.Models`
        Copy of the models.

    Raises
    ------
    ValueError
        If the models lack a component.
    """
    taken = Models(copy_models(list(models)))
    kind = step["kind"]
    if kind == "source":
        taken = Models([SkyModel.from_dict(step["model"]), *taken])
    for component, name, place, unit, value in step["parameters"]:
        if component not in taken.names:
            raise ValueError(
                f"models: there is no {show(component)}"
                f"{did_you_mean(component, taken.names)}; give the models that were "
                "tested."
            )
        model = taken[component]
        if kind in CHANGES:
            CHANGES[kind](model)
        if kind == "source" and name == "sigma":
            if not value > 0:
                continue
            _extend(model)
        par = _parameter(model, name, place)
        par.quantity = _within(par, u.Quantity(value, unit))
        par.frozen = False
    return taken


def _parameter(model, name, place):
    """Parameter of a model, one of several of its name by their order."""
    found = [par for par in model.parameters if par.name == name]
    if len(found) <= place:
        raise ValueError(
            f"models: {model.name!r} has no parameter {name!r}; give the models that "
            "were tested."
        )
    return found[place]


def _within(parameter, quantity):
    """Value inside the bounds of a parameter."""
    low, high = (
        sign * np.inf if np.isnan(bound) else bound
        for sign, bound in ((-1, parameter.min), (1, parameter.max))
    )
    value = np.clip(quantity.to_value(parameter.unit), low, high)
    return u.Quantity(value, parameter.unit)


def _curve(model):
    spectrum = model.spectral_model
    if not isinstance(spectrum, LogParabolaSpectralModel):
        curved = LogParabolaSpectralModel(beta=0)
        _keep(curved, spectrum, {"amplitude": "amplitude", "reference": "reference"})
        curved.alpha.quantity = spectrum.index.quantity
        _keep_bounds(curved.alpha, spectrum.index)
        model.spectral_model = curved


def _cut(model):
    spectrum = model.spectral_model
    if not isinstance(spectrum, ExpCutoffPowerLawSpectralModel):
        cut = ExpCutoffPowerLawSpectralModel(lambda_="0 TeV-1")
        names = ("index", "amplitude", "reference")
        _keep(cut, spectrum, {name: name for name in names})
        cut.lambda_.min = 0
        model.spectral_model = cut


def _extend(model):
    shape = model.spatial_model
    if not isinstance(shape, GaussianSpatialModel):
        gauss = GaussianSpatialModel(sigma="0 deg", frame=shape.frame)
        _keep(gauss, shape, {name: name for name in ("lon_0", "lat_0")})
        gauss.sigma.min = 0
        model.spatial_model = gauss


def _generalize(model):
    shape = model.spatial_model
    if not isinstance(shape, GeneralizedGaussianSpatialModel):
        other = GeneralizedGaussianSpatialModel(eta=0.5, frame=shape.frame)
        _keep(other, shape, {name: name for name in ("lon_0", "lat_0", "e", "phi")})
        other.r_0.quantity = np.sqrt(2) * shape.sigma.quantity
        other.r_0.frozen = shape.sigma.frozen
        other.r_0.min = 0
        model.spatial_model = other


#: What becomes of a model, by the kind of the test.
CHANGES = {
    "curvature": _curve,
    "cutoff": _cut,
    "extension": _extend,
    "profile": _generalize,
}


def _keep(new, old, names):
    """Let a new part of a model have parameters of the old one."""
    for name, other in names.items():
        setattr(new, name, getattr(old, other))


def _keep_bounds(new, old):
    new.min, new.max, new.frozen, new.prior = old.min, old.max, old.frozen, old.prior
