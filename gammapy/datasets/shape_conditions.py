# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""For which datasets and models the statistic of free shapes is known."""

from gammapy.modeling.linearity import parameter_name, why_not_prior
from gammapy.modeling.models import (
    CompoundSpectralModel,
    FoVBackgroundModel,
    ScaleSpectralModel,
    SkyModel,
    TemplateNPredModel,
)
from gammapy.modeling.smoothness import smooth_spectra
from .shape_kinds import SHAPES

__all__ = []


def why_not_shapes(datasets, parameters):
    """Say why the statistic of datasets is not of the form of `SmoothStatistic`.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.

    Returns
    -------
    reason : str
        The first reason found; empty when there is none.
    """
    # What it says of the datasets alone goes for any shape, too.
    reason = datasets.why_not_linear([])
    if reason:
        return reason
    models = datasets.unique_models
    known = {id(par) for model in models for par in model.parameters}
    free = {id(par) for par in parameters}
    reasons = [_why_not_dataset(dataset, free) for dataset in datasets]
    reasons += [_why_not_model(model, free, datasets) for model in models]
    for par in parameters:
        reasons.append(why_not_prior(par, parameter_name(models, par)))
        if id(par) not in known:
            reasons.append(f"{par.name!r} is no parameter of the models")
    return next((reason for reason in reasons if reason), "")


def _why_not_dataset(dataset, free):
    name = dataset.name
    if dataset.counts.geom.is_region:
        return ""
    if dataset.psf is None or dataset.psf.energy_name == "energy_true":
        return ""
    for model in dataset.models or []:
        own = _free_of(getattr(model, "spatial_model", None), free)
        if own and type(model) is SkyModel:
            return (
                f"dataset {name!r} has a PSF in reconstructed energy, and "
                f"{own[0].name!r} of {model.name!r} is free"
            )
    return ""


def _why_not_model(model, free, datasets):
    own = {id(par) for par in _all_parameters(model)} & free
    if not own:
        return ""
    if type(model) is FoVBackgroundModel:
        return _why_not_background(model, free, datasets)
    if type(model) is TemplateNPredModel:
        return _why_not_spectrum(model, model.spectral_model, free)
    if type(model) is not SkyModel:
        return f"{model.name!r} is a {type(model).__name__}"
    if not model.apply_irf["exposure"]:
        return f"{model.name!r} has no exposure applied"
    own = [dataset for dataset in datasets if model in (dataset.models or [])]
    spectra = [dataset.name for dataset in own if dataset.counts.geom.is_region]
    reasons = [_why_not_spectrum(model, model.spectral_model, free)]
    reasons += [_why_not_shape_in_spectrum(model, free, name) for name in spectra]
    reasons += [_why_not_shape(model, free), _why_not_times(model, free)]
    return next((reason for reason in reasons if reason), "")


def _why_not_background(model, free, datasets):
    for name in model.datasets_names or []:
        if name in datasets.names and datasets[name].stat_type == "wstat":
            return f"{model.name!r} is free, and the background of {name!r} is measured"
    own = _free_of(model.spatial_model, free)
    if own:
        kind = type(model.spatial_model).__name__
        return f"{own[0].name!r} of {model.name!r} is free, of a {kind}"
    return _why_not_spectrum(model, model.spectral_model, free)


def _why_not_spectrum(model, spectrum, free):
    own = [par for par in _spectral_parameters(spectrum) if id(par) in free]
    if not own:
        return ""
    if type(spectrum) is CompoundSpectralModel:
        return _why_not_spectrum(model, spectrum.model1, free) or _why_not_spectrum(
            model, spectrum.model2, free
        )
    kind = type(spectrum).__name__
    if type(spectrum) not in smooth_spectra():
        return f"{own[0].name!r} of {model.name!r} is free, of a {kind}"
    if isinstance(spectrum, ScaleSpectralModel) and own != [spectrum.norm]:
        return f"{own[-1].name!r} is free and {model.name!r} is scaled with it"
    for par in own:
        if par.name in smooth_spectra()[type(spectrum)]:
            return (
                f"{par.name!r} of {model.name!r} is free, where the spectrum has a kink"
            )
    return ""


def _why_not_shape_in_spectrum(model, free, name):
    own = _free_of(model.spatial_model, free)
    if own:
        return (
            f"{own[0].name!r} of {model.name!r} is free, which is in dataset {name!r}, "
            "a spectrum without an image"
        )
    return ""


def _why_not_shape(model, free):
    shape = model.spatial_model
    own = _free_of(shape, free)
    if not own or type(shape) in SHAPES:
        return ""
    kind = type(shape).__name__
    also = ", which depends on energy" if shape.is_energy_dependent else ""
    return f"{own[0].name!r} of {model.name!r} is free, of a {kind}{also}"


def _why_not_times(model, free):
    times = model.temporal_model
    own = _free_of(times, free)
    if own:
        return f"{own[0].name!r} of {model.name!r} is free, of a {type(times).__name__}"
    if times is not None and times.is_energy_dependent:
        return f"the times of {model.name!r} depend on energy"
    return ""


def _free_of(part, free):
    """Free parameters of a part of a model, which may not be there."""
    parameters = [] if part is None else part.parameters
    return [par for par in parameters if id(par) in free]


def _all_parameters(model):
    """Parameters of a model, and those that its spectrum has without listing them."""
    spectrum = getattr(model, "spectral_model", None)
    hidden = [] if spectrum is None else _spectral_parameters(spectrum)
    return [*model.parameters, *hidden]


def _spectral_parameters(spectrum):
    if isinstance(spectrum, CompoundSpectralModel):
        parts = (spectrum.model1, spectrum.model2)
        return [par for part in parts for par in _spectral_parameters(part)]
    if isinstance(spectrum, ScaleSpectralModel):
        return [*spectrum.parameters, *_spectral_parameters(spectrum.model)]
    return list(spectrum.parameters)
