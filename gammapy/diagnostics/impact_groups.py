# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of parameters that are changed together, and pulls of parameters."""

from fnmatch import fnmatchcase
import numpy as np
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    TemplateNPredModel,
)
from gammapy.utils.arguments import check_list, check_type, listed, show

__all__ = []

#: Groups that are made when none are given.
GROUPS = ("background", "positions", "sizes", "spectra")

#: Parameters of a shape that say where it is.
POSITIONS = ("lon_0", "lat_0")


def check_groups(groups):
    """Groups as they were asked for, names or a dict of lists; an error for others."""
    if groups is None:
        return GROUPS
    if isinstance(groups, dict):
        for name, members in groups.items():
            check_type("groups", name, str, "names of groups as keys")
            check_list("groups", members, "lists of names of parameters or models")
        return {name: list(members) for name, members in groups.items()}
    if isinstance(groups, (list, tuple)) and not groups:
        return ()
    groups = check_list("groups", groups, "names of groups, or a dict of lists")
    for name in groups:
        if name not in GROUPS:
            raise ValueError(
                f"groups: there is no group {show(name)}; choose from "
                f"{listed(GROUPS)}, or give a dict with lists of parameters."
            )
    return tuple(groups)


def group_members(groups, models, state):
    """Numbers of the free parameters in each group.

    Parameters
    ----------
    groups : tuple of str or dict
        What `check_groups` gives.
    models : list of `~gammapy.modeling.models.ModelBase`
        Models.
    state : `~gammapy.diagnostics.fit_state.FitState`
        Free parameters.

    Returns
    -------
    members : dict of list of int
        Numbers by the name of the group, groups without members left out.

    Raises
    ------
    ValueError
        If what a user put into a group fits no free parameter.
    """
    if isinstance(groups, dict):
        return {
            name: _matching(name, own, models, state) for name, own in groups.items()
        }
    kinds = [_kind(models, par) for par in state.parameters]
    members = {
        name: [number for number, kind in enumerate(kinds) if kind == name]
        for name in groups
    }
    return {name: numbers for name, numbers in members.items() if numbers}


def _kind(models, parameter):
    """Group of a parameter, "" for none of them."""
    model = next(model for model in models if _has(model, parameter))
    if isinstance(model, (FoVBackgroundModel, TemplateNPredModel)):
        return "background"
    if _has(getattr(model, "spatial_model", None), parameter):
        return "positions" if parameter.name in POSITIONS else "sizes"
    return "spectra" if _has(model.spectral_model, parameter) else ""


def _has(model, parameter):
    return model is not None and any(par is parameter for par in model.parameters)


def _matching(group, patterns, models, state):
    """Numbers of parameters that are named, or whose names match a pattern."""
    numbers = set()
    for pattern in patterns:
        found = {
            number
            for number, par in enumerate(state.parameters)
            if _fits(pattern, par, state.names[number], models)
        }
        if not found:
            raise ValueError(
                f"groups: {show(pattern)} of {group!r} is no free parameter and no "
                f"model with one; free are {listed(state.names)}."
            )
        numbers |= found
    return sorted(numbers)


def _fits(pattern, parameter, name, models):
    if not isinstance(pattern, str):
        return any(
            par is parameter for par in getattr(pattern, "parameters", [pattern])
        )
    owners = [model.name for model in models if _has(model, parameter)]
    names = [name, *owners, *(f"{owner}.{parameter.name}" for owner in owners)]
    return any(one == pattern or fnmatchcase(one, pattern) for one in names)


def pull_of(parameter, error, model, scatter):
    """Difference between a parameter and its expected value.

    With a Gaussian prior the expected value is its centre, and pull and error are in
    units of its width. The expected norms of background models are 1 and their tilts
    are 0, within their own errors.

    Parameters
    ----------
    parameter : `~gammapy.modeling.Parameter`
        Parameter.
    error : float
        Its error.
    model : `~gammapy.modeling.models.ModelBase`
        Model that it is of.
    scatter : float
        Scatter of background norms beyond their errors.

    Returns
    -------
    pull, pull_err : tuple of float
        Difference and error in units of the expected width; NaN without an expected
        value.
    """
    prior = parameter.prior
    if type(prior) is GaussianPrior and prior.weight > 0:
        width = prior.sigma.value / np.sqrt(prior.weight)
        return (parameter.value - prior.mu.value) / width, error / width
    if not isinstance(model, (FoVBackgroundModel, TemplateNPredModel)):
        return np.nan, np.nan
    is_norm = parameter.name.startswith("norm")
    width = np.hypot(error, scatter if is_norm else 0)
    if not width > 0:
        return np.nan, np.nan
    return (parameter.value - is_norm) / width, error / width
