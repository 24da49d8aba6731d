# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance parameters of flux points: additional columns of their table."""

import json
import numpy as np
import astropy.units as u
from astropy.table import Column, Table, vstack
from gammapy.maps import TimeMapAxis
from gammapy.modeling.fit_table import fill_masked, format_table, stack_rows

__all__ = []

#: Prefix of the columns in the table of flux points.
PREFIX = "nuisance."

#: Column of the rows of nuisance values in the estimator's table.
ROWS = "nuisance_row"

#: What the pulls compare with: in the metadata of a nuisance table, and of flux points.
BEST_FIT, BEST_FIT_KEY = "best_fit", "NUISBEST"

# Columns that say which flux point a row is of.
IDENTIFY = ("e_min", "e_max", "e_ref")


def flux_point_row(result, used=None):
    """Row of a flux point from what the estimator found; takes its rows out.

    Parameters
    ----------
    result : dict
        Result of the estimator with "nuisance_fit" and "nuisance_null", which are
        removed from it.
    used : `~gammapy.estimators.points.used_energies.UsedEnergies`, optional
        Energies of the bins that the masks leave. Default is None, not known.

    Returns
    -------
    row : dict
        Energies, the row of the fit, the energies with data, counts and npred of each
        dataset, and the row of the fit of the null hypothesis with "_null" behind each
        name.
    """
    row = result.pop("nuisance_fit", None) or {
        "stat": np.nan,
        "success": False,
        "message": "No dataset contributes.",
        "nfev": 0,
        "at_limit": "",
        "undetermined": "",
    }
    null = result.pop("nuisance_null", {})
    if used is not None:
        ends = used.within(result["e_min"], result["e_max"])
        row["e_min_used"], row["e_max_used"] = ends
    for quantity in ("counts", "npred"):
        for name, value in zip(result["datasets"], result[quantity], strict=True):
            row[f"{quantity}.{name}"] = float(value)
    identify = {name: result[name] for name in IDENTIFY}
    return identify | row | {f"{name}_null": value for name, value in null.items()}


def split_nuisance(table):
    """Take the nuisance columns out of a table of flux points.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table of flux points, not changed: one energy bin per row, or columns of shape
        (n_rows, n_energies) for light curves and profiles. Fresh from the estimator,
        it has a column of rows, as dict.

    Returns
    -------
    table, nuisance : tuple of `~astropy.table.Table`
        The table without these columns, and the nuisance table with e_min, e_max and
        e_ref in front, one row per flux point, and in its metadata the best fit that
        the pulls compare with; None when there are no such columns.
    """
    if ROWS in table.colnames:
        rows = list(table[ROWS])
        table = table.copy(copy_data=False)
        table.remove_column(ROWS)
        return table, stack_rows(rows)
    names = [column for column in table.colnames if column.startswith(PREFIX)]
    if not names:
        return table, None
    identify = [check for check in IDENTIFY if check in table.colnames]
    nuisance = table[identify + names].copy()
    nuisance.meta.clear()
    nuisance.rename_columns(names, [name.removeprefix(PREFIX) for name in names])
    nuisance = _one_value_per_row(nuisance)
    if BEST_FIT_KEY in table.meta:
        nuisance.meta[BEST_FIT] = _from_text(table.meta[BEST_FIT_KEY])
    for name in nuisance.colnames:
        nuisance[name].info.format = None
    table = table.copy()
    table.remove_columns(names)
    table.meta.pop(BEST_FIT_KEY, None)
    return table, format_table(fill_masked(nuisance))


def join_nuisance(table, nuisance):
    """Add the nuisance columns to a table of flux points, in place."""
    if nuisance is not None:
        for name in nuisance.colnames:
            if name not in IDENTIFY:
                table[f"{PREFIX}{name}"] = nuisance[name]
    return join_best_fit(table, nuisance)


def join_best_fit(table, nuisance):
    """Add what the pulls compare with to the metadata of flux points, in place.

    It is a text, for there are FITS files.
    """
    if nuisance is not None and BEST_FIT in nuisance.meta:
        table.meta[BEST_FIT_KEY] = json.dumps(nuisance.meta[BEST_FIT])
    return table


def _from_text(text):
    """Best fit of a file: value and error by name."""
    return {name: list(pair) for name, pair in json.loads(text).items()}


def _one_value_per_row(table):
    """Table whose columns of shape (n_rows, n_energies) are unrolled."""
    return Table({name: table[name].reshape(-1) for name in table.colnames})


def stack_nuisance(tables, axis):
    """Stack the nuisance tables of flux points along a new axis.

    Parameters
    ----------
    tables : list of `~astropy.table.Table` or None
        Table of each bin of the axis, not changed. Bins with None have no rows.
    axis : `~gammapy.maps.MapAxis` or `~gammapy.maps.TimeMapAxis`
        The new axis.

    Returns
    -------
    table : `~astropy.table.Table` or None
        The rows of all bins, the energies of a bin together, with columns for the
        edges of the bin behind e_ref: time_min and time_max (MJD) for a time axis,
        x_min and x_max else, and of the best fits that on which they agree. None when
        no bin has a table.
    """
    stacked = []
    best_fits = [table.meta.get(BEST_FIT) for table in tables if table is not None]
    for idx, table in enumerate(tables):
        if table is None:
            continue
        table = table.copy()
        table.meta.clear()
        behind = sum(name in table.colnames for name in IDENTIFY)
        for offset, (name, value) in enumerate(_bin_edges(axis, idx).items()):
            column = Column([value.value] * len(table), unit=value.unit)
            table.add_column(column, index=behind + offset, name=name)
        stacked.append(table)
    if not stacked:
        return None
    result = format_table(fill_masked(vstack(stacked)))
    if best_fit := _common_best_fit(best_fits):
        result.meta[BEST_FIT] = best_fit
    return result


def _common_best_fit(best_fits):
    """Parameters on which all best fits agree that have them, by name."""
    pairs = {}
    for best_fit in best_fits:
        for name, pair in (best_fit or {}).items():
            pairs.setdefault(name, []).append(list(pair))
    return {
        name: found[0]
        for name, found in pairs.items()
        if all(pair == found[0] for pair in found)
    }


def _bin_edges(axis, idx):
    """Edges of a bin by the names that tables of flux points give them."""
    if isinstance(axis, TimeMapAxis):
        return {
            "time_min": axis.time_min[idx].mjd * u.d,
            "time_max": axis.time_max[idx].mjd * u.d,
        }
    return {"x_min": axis.edges_min[idx], "x_max": axis.edges_max[idx]}
