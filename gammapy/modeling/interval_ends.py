# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Log of the other parameters at the ends of a confidence interval."""

from contextlib import contextmanager
import numpy as np
from .fit_log import log_row
from .fit_table import fit_row, unique_parameter_names, with_unit
from .result_fields import unfitted_result
from .utils import _parse_datasets

__all__ = []


def log_ends(log, fit, datasets, parameter, result, refit, result_class):
    """Log one line per end. All parameters are reset.

    Parameters
    ----------
    log : `logging.Logger`
        Logger.
    fit : `~gammapy.modeling.Fit`
        Fit.
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets at the best fit.
    parameter : `~gammapy.modeling.Parameter` or str
        Parameter of the interval.
    result : dict
        Result of `~gammapy.modeling.Fit.confidence`.
    refit : bool
        Whether the others are fitted at each end.
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    """
    datasets, parameters = _parse_datasets(datasets=datasets)
    for end, key, sign in [("lower", "errn", -1), ("upper", "errp", 1)]:
        with _restored(datasets.parameters, fit):
            par = parameters[parameter]
            par.value, par.frozen = par.value + sign * result[key], True
            if not np.isfinite(par.value):
                message = result.get("message", result.get(f"message_{key}", ""))
                models = datasets.models
                options = {"errors": {}, "skip": models.parameters}
                row = fit_row(models, message=message, **options)
            elif refit:
                row = fit_row(datasets.models, fit.fit_nuisance(datasets))
            else:
                kept = "The other parameters were kept."
                made = unfitted_result(result_class, datasets, fit.backend, kept)
                row = fit_row(datasets.models, made)
            name = unique_parameter_names(datasets.models)[id(par)]
            identify = {"end": end, name: with_unit(par.value, par.unit)}
            log_row(log, "confidence", row, identify=identify)


@contextmanager
def _restored(parameters, fit):
    """Restore everything that a fit changes, also after an error."""
    states = [(par, vars(par).copy()) for par in parameters]
    minuit = fit._minuit
    try:
        yield
    finally:
        fit._minuit = minuit
        for par, state in states:
            vars(par).update(state)
