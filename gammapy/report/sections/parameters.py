# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on the parameters: values, errors, bounds, and how the fit ended."""

import numpy as np
from astropy.table import Table
from gammapy.diagnostics.result import plain, plain_rows
from gammapy.modeling.fit_table import is_at_limit, unique_parameter_names
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel
from gammapy.modeling.parameter_table import names_at_limit
from gammapy.report.blocks import Items, table_block
from gammapy.report.findings import Level
from .base import ReportSection

__all__ = []

#: Correlations that are named, from this size on.
LARGE, MOST_PAIRS = 0.9, 10

#: Expected decrease of the fit statistic above which a finding reports it.
FALL = 0.1

BACKGROUNDS = (FoVBackgroundModel, TemplateNPredModel)

#: Formats of the columns.
FORMATS = {"value": ".5g", "error": ".2g", "min": ".4g", "max": ".4g"}


class ParametersSection(ReportSection):
    """Section on parameters."""

    name, title = "parameters", "Parameters"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        models = context.models
        table = parameters_of(models)
        page.data["parameters"] = plain_rows(table)
        n_free = len(models.parameters.unique_parameters.free_parameters)
        page.summary = (
            f"{len(table)} parameters of sources, {n_free} parameters are free."
        )
        self._fit(page, context)
        notes = list(self._notes(page, context))
        is_frozen = np.array(table["state"]) == "frozen"
        caption = "Free parameters of sources; those of backgrounds are below."
        if not is_frozen.all():
            page.blocks.append(table_block(table[~is_frozen], caption=caption))
        if is_frozen.any():
            columns = ("name", "value", "unit")
            frozen = table_block(
                table[is_frozen], columns, caption="Frozen parameters."
            )
            page.blocks.append(frozen)
        pairs = correlated_pairs(context)
        page.data["correlated"] = pairs
        notes += [
            f"{pair['first']} and {pair['second']} have the correlation "
            f"{pair['correlation']:+.2f}."
            for pair in pairs[:MOST_PAIRS]
        ]
        if notes:
            page.blocks.append(Items(notes))

    def _fit(self, page, context):
        """Status of the fit, and whether it is at a minimum."""
        result = context.fit_result
        page.data["fit"] = None
        if result is not None:
            page.data["fit"] = {
                "success": bool(result.success),
                "message": str(result.message),
                "stat": plain(float(result.total_stat)),
                "backend": str(getattr(result, "backend", "")),
            }
            page.summary += f" The statistic is {result.total_stat:.2f}."
            if not result.success:
                page.find(Level.BAD, f"The fit failed: {result.message}")
                return
        fall = context.goodness.fall
        page.data["fall"] = plain(fall)
        if fall is None:
            text = "It is not known whether this is a minimum: there is no covariance."
        elif fall > FALL:
            text = (
                "The fit is not at a minimum: one more step would lower the statistic "
                f"by about {fall:.2g}."
            )
        else:
            said = "" if result is None else f": {result.message.rstrip('.')}"
            page.find(Level.GOOD, f"The fit is at a minimum{said}.")
            return
        page.find(Level.LOOK, text)

    def _notes(self, page, context):
        """What is wrong with parameters, as findings and as sentences."""
        models = context.models
        at_limit = names_at_limit(models)
        undetermined = list(getattr(context.fit_result, "undetermined", []))
        problems = []
        if at_limit:
            problems.append(
                f"At a bound, with errors that are not meaningful: {_some(at_limit)}."
            )
        if undetermined:
            problems.append(f"Not determined by the data: {_some(undetermined)}.")
        for problem in problems:
            page.find(Level.LOOK, problem)
            yield problem


def parameters_of(models):
    """Table of the parameters of sources, free ones first within each model.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.

    Returns
    -------
    table : `~astropy.table.Table`
        Columns name, value, error, unit, min, max and state.
    """
    names = unique_parameter_names(models)
    rows, known = [], set()
    for model in models:
        if isinstance(model, BACKGROUNDS):
            continue
        for par in sorted(model.parameters, key=lambda par: par.frozen):
            if id(par) in known:
                continue
            known.add(id(par))
            error = np.nan if par.frozen else par.error
            rows.append(
                (
                    names[id(par)],
                    float(par.value),
                    float(error),
                    str(par.unit),
                    float(par.min),
                    float(par.max),
                    _state(par),
                )
            )
    columns = ("name", "value", "error", "unit", "min", "max", "state")
    dtypes = (str, float, float, str, float, float, str)
    table = Table(
        {
            name: np.array([row[idx] for row in rows], dtype=dtype)
            for idx, (name, dtype) in enumerate(zip(columns, dtypes, strict=True))
        }
    )
    for name, text in FORMATS.items():
        table[name].info.format = text
    return table


def _state(par):
    if par.frozen:
        return "frozen"
    return "at a bound" if is_at_limit(par, par.error) else "free"


def correlated_pairs(context):
    """Pairs of free parameters with large correlations, the largest first.

    Parameters
    ----------
    context : `~gammapy.report.context.ReportContext`
        Datasets and results.

    Returns
    -------
    pairs : list of dict
        Entries first, second and correlation.
    """
    models = context.models
    names = unique_parameter_names(models)
    parameters = list(models.parameters.unique_parameters.free_parameters)
    covariance = models.covariance.get_subcovariance(parameters).data
    errors = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.where(errors > 0, errors, np.inf)
    matrix = covariance / np.outer(scale, scale)
    first, second = np.nonzero(np.triu(abs(matrix) >= LARGE, 1))
    order = np.argsort(-abs(matrix[first, second]), kind="stable")
    return [
        {
            "first": names[id(parameters[i])],
            "second": names[id(parameters[j])],
            "correlation": float(matrix[i, j]),
        }
        for i, j in zip(first[order], second[order], strict=True)
    ]


def _some(names, most=6):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
