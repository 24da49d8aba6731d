# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance values of flux points: columns that travel with the flux points' table."""

import numpy as np
from gammapy.modeling.nuisance import fill_masked, format_table

__all__ = []

#: Prefix of the columns in the table of flux points.
PREFIX = "nuisance."

# Columns that say which flux point a row is of.
IDENTIFY = ("e_min", "e_max", "e_ref")


def flux_point_row(result):
    """Row of a flux point from what the estimator found; takes its rows out.

    Parameters
    ----------
    result : dict
        Result of the estimator with "nuisance_fit" and "nuisance_null", which are
        removed from it.

    Returns
    -------
    row : dict
        The row of the fit, counts and npred of each dataset, and the row of the fit
        of the null hypothesis with "_null" behind each name.
    """
    row = result.pop("nuisance_fit", None) or {
        "stat": np.nan,
        "success": False,
        "message": "No dataset contributes.",
        "nfev": 0,
        "at_limit": "",
    }
    null = result.pop("nuisance_null", {})
    for quantity in ("counts", "npred"):
        for name, value in zip(result["datasets"], result[quantity], strict=True):
            row[f"{quantity}.{name}"] = float(value)
    return row | {f"{name}_null": value for name, value in null.items()}


def split_nuisance(table):
    """Take the nuisance columns out of a table of flux points.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table of flux points with one energy bin per row, not changed.

    Returns
    -------
    table, nuisance : tuple of `~astropy.table.Table`
        The table without these columns, and the nuisance table with e_min, e_max and
        e_ref in front; None when there are no such columns.
    """
    names = [_ for _ in table.colnames if _.startswith(PREFIX)]
    if not names:
        return table, None
    identify = [_ for _ in IDENTIFY if _ in table.colnames]
    nuisance = table[identify + names].copy()
    nuisance.meta.clear()
    nuisance.rename_columns(names, [_.removeprefix(PREFIX) for _ in names])
    for name in nuisance.colnames:
        nuisance[name].info.format = None
    table = table.copy()
    table.remove_columns(names)
    return table, format_table(fill_masked(nuisance))


def join_nuisance(table, nuisance):
    """Add the nuisance columns to a table of flux points, in place."""
    if nuisance is not None:
        for name in nuisance.colnames:
            if name not in IDENTIFY:
                table[f"{PREFIX}{name}"] = nuisance[name]
    return table
