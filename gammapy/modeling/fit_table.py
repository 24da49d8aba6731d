# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables with one row per fit: the values of all nuisance parameters.

Profiles, flux points and background normalisations fit nuisance parameters at each
step. A row contains the result of such a fit. Rows are logged and collected in a table.

Rows are plain dicts, so they can be passed between processes. Values with a unit are
quantities.
"""

import numpy as np
import astropy.units as u
from astropy.table import MaskedColumn, Table
from gammapy.maps.energy_bins import energy_format
from gammapy.utils.arguments import check_mapping, show

__all__ = [
    "add_pulls",
    "best_fit_values",
    "fit_row",
    "stack_rows",
    "unique_parameter_names",
]

# A parameter is at its limit when it is closer than this fraction of its error.
LIMIT_TOLERANCE = 1e-2

#: Columns of the energies of fits.
ENERGIES = ("e_min", "e_max", "e_ref", "energy_min", "energy_max")

#: What stands for a missing entry, by the kind of its column.
MISSING = {"f": np.nan, "i": 0, "b": False, "U": "", "S": b""}


def unique_parameter_names(models):
    """Names of the parameters of models, such as "MODEL.spectral.norm".

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.

    Returns
    -------
    names : dict
        Name of each parameter by the `id` of the parameter. Linked parameters are one
        object: they have the name under which they appear first.

    Examples
    --------
    >>> from gammapy.modeling.models import FoVBackgroundModel, Models
    >>> from gammapy.modeling.fit_table import unique_parameter_names
    >>> models = Models([FoVBackgroundModel(dataset_name="run")])
    >>> list(unique_parameter_names(models).values())
    ['run-bkg.spectral.tilt', 'run-bkg.spectral.norm', ...]
    """
    names = {}
    for model in _checked(models):
        for parameter, name in _named_parameters(model):
            names.setdefault(id(parameter), f"{model.name}.{name}")
    return names


def _checked(models):
    """Models as they are, a TypeError when they are none."""
    if isinstance(models, str) or not hasattr(models, "__iter__"):
        raise TypeError(f"models: expected models, got {show(models)}.")
    return models


def _named_parameters(model):
    """Pairs of parameter and name within a model, part by part.

    ``parameters_unique_names`` cannot be matched with ``parameters`` by position: of
    parameters that appear twice, one list has both and the other has one.
    """
    parts = getattr(model, "_models", None)
    if parts is None:
        for parameter in model.parameters.unique_parameters:
            yield parameter, parameter.name
        return
    for idx, part in enumerate(parts):
        # Parts of a sum of spectra are numbered, other parts have a type.
        is_sum = getattr(model, "type", None) == "spectral"
        prefix = f"model{idx + 1}" if is_sum else part.type
        for parameter, name in _named_parameters(part):
            yield parameter, f"{prefix}.{name}"


def factor_covariance(result, n_free):
    """Covariance of the parameter factors that a fit found.

    Parameters
    ----------
    result : `~gammapy.modeling.OptimizeResult` or None
        Result of the fit.
    n_free : int
        Number of free parameters.

    Returns
    -------
    matrix : `~numpy.ndarray`
        Array of shape (n_free, n_free), NaN when the fit has no covariance.
    """
    matrix = getattr(result, "factor_covariance", None)
    if matrix is None or len(matrix) != n_free:
        return np.full((n_free, n_free), np.nan)
    return np.array(matrix)


def parameter_errors(parameters, result=None):
    """Errors of the free parameters from the covariance that a fit found.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        Parameters that were fitted, unique.
    result : `~gammapy.modeling.OptimizeResult`, optional
        Result of this very fit. Default is None: no errors.

    Returns
    -------
    errors : dict
        Error by the `id` of the parameter; NaN when the fit has none. The parameters
        are not changed.
    """
    free = parameters.free_parameters
    variances = np.diag(factor_covariance(result, len(free)))
    sigmas = np.sqrt(np.clip(variances, 0, None))
    return {
        id(par): sigma * abs(par._inverse_transform_derivative(par.factor))
        for par, sigma in zip(free, sigmas, strict=True)
    }


def fit_row(models, result=None, *, message="", names=None, errors=None, skip=()):
    """Row of one fit.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models, with their parameters after the fit.
    result : `~gammapy.modeling.OptimizeResult`, optional
        Result of the fit. Default is None, no fit.
    message : str, optional
        Message if there is no result. Default is "".
    names : dict, optional
        Names by the `id` of the parameter. Default is the unique names.
    errors : dict, optional
        Errors by the `id` of the parameter. Default is those of the result.
    skip : list of `~gammapy.modeling.Parameter`
        Parameters that are not nuisance parameters.

    Returns
    -------
    row : dict
        Entries "stat", "success", "message", "nfev", "at_limit" (names of the
        parameters at a bound, separated by commas), "undetermined" (names of those
        that the data do not determine), and for each free parameter its value by its
        unique name and its error by the name with "_err", as quantities where they
        have a unit.

    Raises
    ------
    TypeError
        If ``models`` has the wrong type.

    Examples
    --------
    >>> from gammapy.modeling.models import FoVBackgroundModel, Models
    >>> from gammapy.modeling.fit_table import fit_row
    >>> models = Models([FoVBackgroundModel(dataset_name="run")])
    >>> row = fit_row(models, message="No counts.")
    >>> row["message"], row["run-bkg.spectral.norm"], row["run-bkg.spectral.norm_err"]
    ('No counts.', 1.0, nan)
    """
    if not hasattr(models, "parameters"):
        raise TypeError(f"models: expected models, got {show(models)}.")
    parameters = models.parameters.unique_parameters
    if errors is None:
        errors = parameter_errors(parameters, result)
    if names is None:
        names = unique_parameter_names(models)
    skipped = {id(par) for par in skip}
    return _row(
        stat=np.nan if result is None else result.total_stat,
        success=result is not None and result.success,
        message=message if result is None else result.message,
        nfev=0 if result is None else result.nfev,
        entries=[
            (par, names[id(par)], par.value, errors.get(id(par), np.nan))
            for par in parameters.free_parameters
            if id(par) not in skipped
        ],
        undetermined=_undetermined(result, models, names),
    )


def _undetermined(result, models, names):
    """Names in a row of the parameters that a fit did not determine."""
    found = set(getattr(result, "undetermined", ()))
    if not found:
        return []
    unique = unique_parameter_names(models)
    return [name for key, name in names.items() if unique.get(key) in found]


def undetermined_names(fit, parameters, names):
    """Names of the norms that a fit did not determine.

    Parameters
    ----------
    fit : `~gammapy.modeling.newton.NormFit`
        The fit.
    parameters : list of `~gammapy.modeling.Parameter`
        The norms.
    names : dict
        Names by the `id` of the parameter.

    Returns
    -------
    undetermined : list of str
        The names.
    """
    pairs = zip(parameters, fit.undetermined, strict=True)
    return [names[id(par)] for par, is_unknown in pairs if is_unknown]


def norm_row(fit, parameters, names):
    """Row of a fit of norms, which need not have their fitted values.

    Parameters
    ----------
    fit : `~gammapy.modeling.newton.NormFit`
        The fit.
    parameters : list of `~gammapy.modeling.Parameter`
        The norms.
    names : dict
        Names by the `id` of the parameter.

    Returns
    -------
    row : dict
        Row as from `fit_row`.
    """
    return _row(
        stat=fit.stat,
        success=fit.success,
        message=fit.message,
        nfev=fit.nfev,
        entries=[
            (par, names[id(par)], value, error)
            for par, value, error in zip(
                parameters, fit.values, fit.errors, strict=True
            )
        ],
        undetermined=undetermined_names(fit, parameters, names),
    )


def _row(stat, success, message, nfev, entries, undetermined=()):
    """Row with an entry and an error for each parameter, name, value and error."""
    row = {
        "stat": float(stat),
        "success": bool(success),
        "message": str(message),
        "nfev": int(nfev),
        "at_limit": "",
        "undetermined": ", ".join(undetermined),
    }
    at_limit = []
    for par, name, value, error in entries:
        row[name] = with_unit(value, par.unit)
        row[f"{name}_err"] = with_unit(error, par.unit)
        if is_at_limit(par, error, value=value):
            at_limit.append(name)
    row["at_limit"] = ", ".join(at_limit)
    return row


def best_fit_values(models):
    """Values and errors of the free parameters, to compare later fits with.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models at their best fit.

    Returns
    -------
    best_fit : dict
        List of value and error, floats, by the unique name of the parameter.

    Examples
    --------
    >>> from gammapy.modeling.models import FoVBackgroundModel, Models
    >>> from gammapy.modeling.fit_table import best_fit_values
    >>> models = Models([FoVBackgroundModel(dataset_name="run")])
    >>> models.parameters["norm"].value, models.parameters["norm"].error = 1.1, 0.02
    >>> best_fit_values(models)
    {'run-bkg.spectral.norm': [1.1, 0.02]}
    """
    names = unique_parameter_names(models)
    # Lists, for files: only Python knows tuples.
    return {
        names[id(par)]: [float(par.value), float(par.error)]
        for par in models.parameters.unique_parameters.free_parameters
    }


def add_pulls(row, best_fit, *, is_part=False):
    """Add pulls to a row: differences from an earlier fit in units of the error.

    The difference is divided by the error of the best fit. If the row is from a fit to
    a part of the same data, the two are correlated: the variance of the difference is
    the difference of the variances [1]_.

    Parameters
    ----------
    row : dict
        Row from `fit_row`.
    best_fit : dict
        Values and errors by name, from `best_fit_values`.
    is_part : bool, optional
        Whether the row is of a fit to a part of the data. Default is False.

    Returns
    -------
    row : dict
        The row with an entry "NAME_pull" behind "NAME_err" for each parameter of the
        best fit, NaN where one of the two has no error.

    Raises
    ------
    ValueError
        If an entry of the best fit is not a value and an error.

    References
    ----------
    .. [1] Hausman (1978), Econometrica 46, 1251

    Examples
    --------
    >>> from gammapy.modeling.fit_table import add_pulls
    >>> row = {"norm": 1.25, "norm_err": 0.1}
    >>> add_pulls(row, {"norm": (1.0, 0.125)})
    {'norm': 1.25, 'norm_err': 0.1, 'norm_pull': 2.0}
    """
    result = {}
    for name, value in row.items():
        result[name] = value
        parameter = name.removesuffix("_err")
        if name == parameter or parameter not in best_fit:
            continue
        if np.shape(best_fit[parameter]) != (2,):
            raise ValueError(
                f"best_fit: expected (value, error) for {parameter!r}, got "
                f"{show(best_fit[parameter])}."
            )
        best, best_err = best_fit[parameter]
        difference = _plain(row[parameter]) - best
        variance = best_err**2
        if is_part:
            variance = _plain(value) ** 2 - variance
        is_known = best_err > 0 and variance > 0
        pull = difference / np.sqrt(variance) if is_known else np.nan
        result[f"{parameter}_pull"] = float(pull)
    return result


def _plain(value):
    """Number of a quantity, in the unit that it has."""
    return getattr(value, "value", value)


def with_unit(value, unit):
    """Value as a quantity, a float when it has no unit."""
    return float(value) if unit == "" else u.Quantity(float(value), unit)


def is_at_limit(parameter, error=np.nan, *, value=None):
    """Whether a parameter, or a value that it might have, is at one of its bounds."""
    value = parameter.value if value is None else value
    scale = abs(value)
    if np.isfinite(error) and error > 0:
        scale = error
    bounds = np.array([parameter.min, parameter.max], dtype=float)
    with np.errstate(invalid="ignore"):
        return bool(np.any(abs(value - bounds) <= LIMIT_TOLERANCE * scale))


def stack_rows(rows, meta=None):
    """Make a table of rows.

    Parameters
    ----------
    rows : list of dict
        Rows; they need not have the same entries.
    meta : dict, optional
        Metadata of the table. Default is None.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per fit, in order. Missing entries are NaN, 0, False or "".

    Raises
    ------
    TypeError
        If ``rows`` is not a list of rows.

    Examples
    --------
    >>> from gammapy.modeling.fit_table import stack_rows
    >>> table = stack_rows([{"stat": 3.5, "norm": 1.1}, {"stat": 4.0}])
    >>> table["norm"].tolist()
    [1.1, nan]
    """
    if isinstance(rows, (str, dict)) or not hasattr(rows, "__iter__"):
        raise TypeError(f"rows: expected a list of rows, got {show(rows)}.")
    rows = [check_mapping("rows", row) for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    table = Table(meta=meta)
    for name in names:
        present = [row[name] for row in rows if name in row]
        kind = np.asarray(getattr(present[0], "value", present[0])).dtype.kind
        missing = MISSING.get(kind, np.nan)
        unit = getattr(present[0], "unit", None)
        values = [row.get(name, missing) for row in rows]
        if unit is not None:
            values = [
                u.Quantity(value, unit if value is missing else None)
                for value in values
            ]
            table[name] = u.Quantity(values, unit)
        else:
            table[name] = values
    return format_table(table)


def format_table(table):
    """Formats that show a value to a tenth of its usual error."""
    for name in table.colnames:
        if table[name].dtype.kind == "f" and table[name].info.format is None:
            table[name].info.format = _format_of(table[name])
    return table


def _format_of(column):
    if column.name in ENERGIES:
        return energy_format(column)
    is_short = column.name.startswith("stat") or column.name.endswith("_pull")
    return ".2f" if is_short else ".4g"


def fill_masked(table):
    """Turn masked entries into NaN, 0, False or "", in place."""
    for name in table.colnames:
        column = table[name]
        if isinstance(column, MaskedColumn):
            fill = MISSING.get(column.dtype.kind)
            table[name] = column.filled(fill)
    return table
