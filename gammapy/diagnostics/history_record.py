# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a history keeps of a step as plain data, so that its table needs no models."""

import platform
from datetime import UTC, datetime
import numpy as np
import astropy
from gammapy.datasets.checksums import data_checksum, is_weighted
from gammapy.modeling.fit_table import is_at_limit, unique_parameter_names
from gammapy.modeling.information import FittedData
from gammapy.version import version

__all__ = []

#: Number of the format of the files, to be raised when what they hold changes.
FORMAT = 1


def make_record(name, datasets, models, result, stat, note):
    """Facts of a step.

    Parameters
    ----------
    name, note : str
        Name of the step, and what the user says of it.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    models : `~gammapy.modeling.models.DatasetModels` or None
        Their models.
    result : `~gammapy.modeling.FitResult`, `~gammapy.modeling.OptimizeResult` or None
        Result of the fit, None without one.
    stat : float
        Statistic of the datasets, where there is no result.

    Returns
    -------
    record : dict
        Plain data for JSON: numbers, texts, lists and dicts, None for what is not
        finite.
    """
    numbers = FittedData.from_datasets(datasets)
    stat = stat if result is None else result.total_stat
    return {
        "history": "step",
        "format": FORMAT,
        "name": name,
        "note": note,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "gammapy": version,
            "astropy": astropy.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "stat": finite(stat),
        "prior_stat": numbers.prior_stat,
        "n_free": numbers.n_free if result is None else result.n_free,
        "undetermined": [] if result is None else list(result.undetermined),
        "n_events": numbers.n_events,
        "is_weighted": any(is_weighted(dataset) for dataset in datasets),
        "data": data_checksum(datasets),
        "fit": None if result is None else _fit_facts(result),
        "components": [_component_facts(model) for model in models or ()],
        "parameters": parameter_rows(models),
    }


def finite(value):
    """A number as a float, None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def number(value):
    """A number of a record as a float, NaN where it was not finite."""
    return np.nan if value is None else float(value)


def is_free(row):
    """Whether a parameter of a record is one that a fit varies."""
    return not row["frozen"] and not row["link"]


def _fit_facts(result):
    """Both steps of a fit, as their results have them."""
    optimize = getattr(result, "optimize_result", result)
    covariance = getattr(result, "covariance_result", None)
    facts = {"success": bool(result.success), "optimize": _step_facts(optimize)}
    facts["optimize"]["nfev"] = int(optimize.nfev)
    facts["covariance"] = None if covariance is None else _step_facts(covariance)
    return facts


def _step_facts(result):
    return {
        "backend": str(result.backend),
        "method": str(result.method),
        "success": bool(result.success),
        "message": str(result.message),
    }


def _component_facts(model):
    parts = {
        kind: _tag(getattr(model, f"{kind}_model", None))
        for kind in ("spatial", "spectral", "temporal")
    }
    parts = {kind: tag for kind, tag in parts.items() if tag}
    return {"name": model.name, "type": _tag(model), "parts": parts}


def _tag(model):
    """Class of a model as files name it, "" for none."""
    tag = getattr(model, "tag", "")
    return tag if isinstance(tag, str) else tag[0]


def parameter_rows(models):
    """One row per parameter of each model, also of those that are linked.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels` or None
        Models.

    Returns
    -------
    rows : list of dict
        Entries "name" (unique), "component", "parameter", "link" (the name that it has
        in another component, "" for none), value, error, bounds and the like.
    """
    names = unique_parameter_names(models or [])
    rows, seen = [], set()
    for model in models or ():
        own = unique_parameter_names([model])
        for par in model.parameters.unique_parameters:
            is_linked = id(par) in seen
            seen.add(id(par))
            rows.append(
                {
                    "name": own[id(par)],
                    "component": model.name,
                    "parameter": par.name,
                    "link": names[id(par)] if is_linked else "",
                    "value": finite(par.value),
                    "error": finite(par.error),
                    "unit": str(par.unit),
                    "min": finite(par.min),
                    "max": finite(par.max),
                    "frozen": bool(par.frozen),
                    "has_prior": par.prior is not None,
                    "at_limit": not par.frozen and is_at_limit(par, par.error),
                }
            )
    return rows
