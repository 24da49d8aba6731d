# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Conditions for fits that are linear in their free parameters."""

from functools import cache
from .utils import _parse_datasets

__all__ = ["NotLinearError", "why_not_linear"]


class NotLinearError(ValueError):
    """The model is not linear in its free parameters, or the data are not counts."""


@cache
def linear_norms():
    """Parameter in which each spectral model is linear, by the class of the model."""
    from gammapy.modeling import models

    amplitude = (
        models.BrokenPowerLawSpectralModel,
        models.ExpCutoffPowerLaw3FGLSpectralModel,
        models.ExpCutoffPowerLawSpectralModel,
        models.GaussianSpectralModel,
        models.LogParabola2SpectralModel,
        models.LogParabolaSpectralModel,
        models.PowerLaw2SpectralModel,
        models.PowerLawSpectralModel,
        models.SmoothBrokenPowerLawSpectralModel,
        models.SuperExpCutoffPowerLaw3FGLSpectralModel,
        models.SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
        models.SuperExpCutoffPowerLaw4FGLSpectralModel,
    )
    norm = (
        models.ExpCutoffPowerLawNormSpectralModel,
        models.LogParabolaNormSpectralModel,
        models.MeyerCrabSpectralModel,
        models.PowerLawNormSpectralModel,
        models.ScaleSpectralModel,
    )
    names = dict.fromkeys(amplitude, "amplitude") | dict.fromkeys(norm, "norm")
    return names | {models.ConstantSpectralModel: "const"}


def why_not_linear(datasets, parameters=None):
    """Reason why the predicted counts are not linear in the free parameters.

    They are linear if each free parameter is the norm of a spectral model in the list
    of `linear_norms`, with one norm per component. The norm may be a factor of a
    product of spectral models, but not of a term in a sum. Priors on these norms must
    be Gaussian, and the statistic "cash", "cash_weighted" or "wstat". For on-off
    datasets the predicted signal is linear.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets with models.
    parameters : list of `~gammapy.modeling.Parameter`, optional
        Parameters to vary. Default is the free parameters.

    Returns
    -------
    reason : str
        The first reason found, such as "'index' of 'src' is free and not a norm"; empty
        if the model is linear.

    Examples
    --------
    >>> from gammapy.datasets import SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling.linearity import why_not_linear
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> why_not_linear([dataset])
    ''
    >>> dataset.models.parameters["tilt"].frozen = False
    >>> why_not_linear([dataset])
    "'tilt' of 'run-bkg' is free and not a norm"
    """
    datasets, known = _parse_datasets(datasets)
    if not hasattr(datasets, "why_not_linear"):
        return f"{type(datasets).__name__} has a statistic of its own"
    return datasets.why_not_linear(
        known.free_parameters if parameters is None else parameters
    )


def parameter_name(models, parameter):
    """Name of a parameter for messages: "'index' of 'src'"."""
    for model in models:
        if any(par is parameter for par in model.parameters):
            return f"{parameter.name!r} of {model.name!r}"
    return repr(parameter.name)


def why_not_model(model, selected):
    """Say why a model is not linear in the selected parameters; "" when it is."""
    occurrences = [par for par in model.parameters if id(par) in selected]
    spectrum = getattr(model, "spectral_model", None)
    for par in _hidden_parameters(spectrum):
        if id(par) in selected:
            return f"{par.name!r} is free and {model.name!r} is scaled with it"
    if not occurrences:
        return ""
    norms = proportional_norms(spectrum)
    for par in occurrences:
        if id(par) not in norms:
            of_sum = any(par is summed for summed in _summed_parameters(spectrum))
            what = "part of a sum of spectra" if of_sum else "not a norm"
            return f"{par.name!r} of {model.name!r} is free and {what}"
    if len(occurrences) > 1:
        names = " and ".join(repr(par.name) for par in occurrences)
        return f"{names} of {model.name!r} are free and multiply each other"
    return ""


def proportional_norms(spectrum):
    """Ids of the parameters that a spectrum is proportional to."""
    from gammapy.modeling.models import CompoundSpectralModel

    if type(spectrum) is CompoundSpectralModel:
        if spectrum.operator.__name__ != "mul":
            return set()
        return proportional_norms(spectrum.model1) | proportional_norms(spectrum.model2)
    name = linear_norms().get(type(spectrum))
    return set() if name is None else {id(getattr(spectrum, name))}


def _summed_parameters(spectrum):
    from gammapy.modeling.models import CompoundSpectralModel

    if type(spectrum) is not CompoundSpectralModel:
        return []
    if spectrum.operator.__name__ != "mul":
        return list(spectrum.parameters)
    return [
        *_summed_parameters(spectrum.model1),
        *_summed_parameters(spectrum.model2),
    ]


def _hidden_parameters(spectrum):
    """Parameters of the spectra inside scaled ones, which these do not list."""
    from gammapy.modeling.models import CompoundSpectralModel, ScaleSpectralModel

    if isinstance(spectrum, ScaleSpectralModel):
        inner = spectrum.model
        return [*inner.parameters, *_hidden_parameters(inner)]
    if isinstance(spectrum, CompoundSpectralModel):
        parts = (spectrum.model1, spectrum.model2)
        return [par for part in parts for par in _hidden_parameters(part)]
    return []


def why_not_prior(parameter, name):
    """Say why the prior of a norm is not of this form; "" when it is."""
    from gammapy.modeling.models import GaussianPrior

    prior = parameter.prior
    if prior is None:
        return ""
    if type(prior) is not GaussianPrior:
        return f"{name} has a {type(prior).__name__}"
    if not (prior.sigma.value > 0 and prior.weight >= 0):
        return f"the prior on {name} has no positive width or weight"
    return ""
