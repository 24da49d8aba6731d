# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Table of the steps of a history, from their facts alone."""

import numpy as np
from astropy.table import MaskedColumn, Table
from .history_record import number
from .nested import LikelihoodRatio

__all__ = []

#: Format of each column, the columns that are printed first.
FORMATS = {
    "name": "",
    "n_free": "",
    "stat": ".2f",
    "ts": ".2f",
    "n_dof": "",
    "sigma": ".1f",
    "caveat": "",
    "aic": ".2f",
    "bic": ".2f",
    "p_value": ".2g",
    "p_worst": ".2g",
    "n_spots": "",
    "spot": ".1f",
    "residual_std": ".3f",
    "success": "",
    "data": "",
    "time": "",
    "note": "",
}
#: Columns that are printed.
SHOWN = list(FORMATS)[:15]
#: Columns of whole numbers that may be unknown.
COUNTED = ("n_dof", "n_spots")


def make_table(records):
    """Table with a row per step, see `FitHistory.table`.

    Parameters
    ----------
    records : list of dict
        Facts of the steps, in order.

    Returns
    -------
    table : `~astropy.table.Table`
        Table.
    """
    groups = list(dict.fromkeys(record["data"] for record in records))
    rows = []
    for idx, record in enumerate(records):
        ratio = LikelihoodRatio(np.nan, None, np.nan)
        if idx:
            ratio = LikelihoodRatio.from_records(records[idx - 1], record)
        rows.append(_row(record, ratio) | {"data": groups.index(record["data"]) + 1})
    table = Table()
    for name, text in FORMATS.items():
        values = [row[name] for row in rows]
        if name in COUNTED:
            mask = [value is None for value in values]
            values = [0 if value is None else value for value in values]
            table[name] = MaskedColumn(values, mask=mask, dtype=int)
        else:
            table[name] = np.array(values, dtype=KINDS.get(name, float))
        table[name].info.format = text or None
    return table


KINDS = {
    **dict.fromkeys(("name", "caveat", "time", "note"), str),
    **dict.fromkeys(("n_free", "data"), int),
    "success": bool,
}


def _row(record, ratio):
    """Row of a step that is compared with the one before."""
    spots = record.get("spots")
    fit = record["fit"]
    return {
        "name": record["name"],
        "n_free": record["n_free"],
        "stat": number(record["stat"]),
        "ts": ratio.ts,
        "n_dof": ratio.n_dof,
        "sigma": ratio.sigma,
        "caveat": ratio.words,
        **{
            name: number(record.get("goodness", {}).get(name))
            for name in ("p_value", "p_worst")
        },
        "n_spots": None if spots is None else spots["number"],
        "spot": number((spots or {}).get("sqrt_ts")),
        "residual_std": number(record.get("residuals", {}).get("std")),
        "success": fit is not None and fit["success"],
        "time": record["time"],
        "note": record.get("note", ""),
        **criteria(record),
    }


def criteria(record):
    """Information criteria of a step, NaN where they are not defined.

    They are those of `~gammapy.modeling.FitResult`, also of a step without a fit.

    Parameters
    ----------
    record : dict
        Facts of the step.

    Returns
    -------
    criteria : dict
        Entries "aic" and "bic".
    """
    n_events = record["n_events"]
    if n_events is None:
        return {"aic": np.nan, "bic": np.nan}
    # What priors add is no likelihood of the data.
    stat = number(record["stat"]) - record["prior_stat"]
    n_free = record["n_free"]
    bic = stat + n_free * np.log(n_events) if n_events > 0 else np.nan
    return {"aic": stat + 2 * n_free, "bic": bic}
