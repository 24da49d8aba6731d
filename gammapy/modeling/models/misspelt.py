# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Misspelt names in model files, which would be replaced by defaults silently."""

import copy
import difflib
import logging
from collections import Counter

__all__ = []

log = logging.getLogger(__name__)

FILE_KEYS = ("components", "covariance", "metadata", "checksum")
MODEL_KEYS = (
    *("name", "type", "spectral", "spatial", "temporal"),
    *("apply_irf", "datasets_names", "filename"),
)
PART_KEYS = (
    *("type", "parameters", "filename", "unit", "frame", "scale", "format"),
    *("normalize", "interp", "energy", "values", "model1", "model2", "operator"),
)
PARAMETER_KEYS = (
    *("name", "value", "unit", "error", "min", "max", "frozen", "interp", "link"),
    *("scale", "scale_method", "scale_transform", "prior", "is_norm"),
    *("scan_min", "scan_max", "scan_n_values", "scan_n_sigma", "scan_values"),
)
PRIOR_KEYS = ("type", "parameters", "weight")


def checked_models(data, source=""):
    """Contents of a model file, checked for misspelt names.

    Parameters
    ----------
    data : dict
        Contents, not changed.
    source : str, optional
        Begin of the messages that says where the data are from. Default is "".

    Returns
    -------
    data : dict
        Copy without the parameters that their model does not have; a warning names
        those.

    Raises
    ------
    ValueError
        If a key, parameter or attribute is not known and close to a known one that is
        not there. The message names the place and that one.

    Examples
    --------
    >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel, Models
    >>> from gammapy.modeling.models.misspelt import checked_models
    >>> models = Models([SkyModel(PowerLawSpectralModel(), name="source")])
    >>> checked_models(models.to_dict()) == models.to_dict()
    True
    """
    data = copy.deepcopy(data)
    check_names(data, FILE_KEYS, source, "key")
    labels = Counter()
    for component in data.get("components", []):
        where = f"{source}Model {component.get('name', '')!r}: "
        check_names(component, MODEL_KEYS, where, "key")
        for kind in ("spectral", "spatial", "temporal"):
            if isinstance(component.get(kind), dict):
                labels.update(_check_part(component[kind], kind, where))
    for label in [text for text, number in labels.items() if number == 1]:
        others = difflib.get_close_matches(
            label, [other for other in labels if other != label]
        )
        if others:
            log.warning(
                f"{source}Only one parameter has the link {label!r}, so it is linked "
                f"to none; did you mean {others[0]!r}?"
            )
    return data


def check_names(names, known, where, what):
    """Raise a ValueError for a misspelt name.

    Parameters
    ----------
    names : list of str or dict
        Names, or keys, that were given.
    known : list of str
        Names that there are.
    where : str
        Begin of the message.
    what : str
        What the names are of, such as "key".

    Returns
    -------
    unknown : list of str
        Names that are not known and not like one that is missing.
    """
    unknown = [name for name in names if name not in known]
    missing = [name for name in known if name not in names]
    for name in unknown:
        meant = difflib.get_close_matches(str(name).lower(), missing, n=1, cutoff=0.7)
        if meant:
            raise ValueError(
                f"{where}{what} {name!r} is not known; did you mean {meant[0]!r}?"
            )
    return unknown


def check_parameters(data, known, where):
    """Check the parameters of a model, and drop those that it does not have.

    Parameters
    ----------
    data : list of dict
        Parameters as in a file.
    known : list of str
        Names of the parameters of the model.
    where : str
        Begin of the messages.

    Returns
    -------
    data : list of dict
        Those that the model has.
    """
    unknown = check_names(
        [values.get("name") for values in data], known, where, "parameter"
    )
    if unknown:
        log.warning(
            f"{where}parameters are unknown and ignored: "
            f"{', '.join(map(str, unknown))}. There are {', '.join(known)}."
        )
    return [values for values in data if values.get("name") not in unknown]


def _check_part(part, kind, where):
    """Check a spectral, spatial or temporal model; returns the labels of its links."""
    where = f"{where}{kind} "
    check_names(part, PART_KEYS, where, "key")
    labels = []
    for name in ("model1", "model2"):
        if isinstance(part.get(name), dict):
            labels += _check_part(part[name], kind, where)
    if not isinstance(part.get("parameters"), list):
        return labels
    known = _parameter_names(part, kind)
    if known:
        part["parameters"] = check_parameters(part["parameters"], known, where)
    for par in part["parameters"]:
        labels += _check_parameter(par, where)
    return labels


def _check_parameter(par, where):
    """Check the attributes of a parameter; returns the labels of its links."""
    where = f"{where}parameter {par.get('name')!r}: "
    if unknown := check_names(par, PARAMETER_KEYS, where, "key"):
        raise ValueError(
            f"{where}key {unknown[0]!r} is not known; there are "
            f"{', '.join(PARAMETER_KEYS)}."
        )
    prior = par.get("prior")
    if isinstance(prior, dict):
        check_names(prior, PRIOR_KEYS, f"{where}prior ", "key")
        known = _parameter_names(prior, "prior")
        if known and isinstance(prior.get("parameters"), list):
            prior["parameters"] = check_parameters(
                prior["parameters"], known, f"{where}prior "
            )
    return [par["link"]] if "link" in par else []


def _parameter_names(data, kind):
    """Names of the parameters of a class; empty when it makes them from the data."""
    from . import (
        PRIOR_REGISTRY,
        SPATIAL_MODEL_REGISTRY,
        SPECTRAL_MODEL_REGISTRY,
        TEMPORAL_MODEL_REGISTRY,
    )

    registry = {
        "prior": PRIOR_REGISTRY,
        "spatial": SPATIAL_MODEL_REGISTRY,
        "spectral": SPECTRAL_MODEL_REGISTRY,
        "temporal": TEMPORAL_MODEL_REGISTRY,
    }[kind]
    try:
        return registry.get_cls(data.get("type")).default_parameters.names
    except (AttributeError, KeyError):
        return []
