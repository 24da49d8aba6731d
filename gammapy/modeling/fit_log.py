# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rows of fits, see `gammapy.modeling.fit_table`, as lines of the log."""

import astropy.units as u
from gammapy.utils.arguments import check_mapping

__all__ = ["log_row"]


def log_row(logger, label, row, *, identify=None):
    """Log a row as one line at level INFO.

    The line reads ``LABEL NAME=VALUE ... stat=... success=... PARAMETER=VALUE+-ERROR``,
    and the record has the row as its attribute ``nuisance``.

    Parameters
    ----------
    logger : `~logging.Logger`
        Logger of the calling module.
    label : str
        What was run, such as "stat_profile".
    row : dict
        Row from `~gammapy.modeling.fit_table.fit_row`.
    identify : dict, optional
        What identifies the row, such as the scanned value. Default is None.

    Raises
    ------
    ValueError
        If the row lacks an entry that each row has.

    Examples
    --------
    >>> import logging
    >>> from gammapy.modeling.fit_log import log_row
    >>> logging.basicConfig(level="INFO")
    >>> row = {"stat": 12.3, "success": True, "at_limit": ""}
    >>> row |= {"norm": 1.1, "norm_err": 0.02}
    >>> log_row(logging.getLogger("mine"), "stat_profile", row, identify={"index": 2.0})
    """
    identify = identify or {}
    missing = {"stat", "success", "at_limit"} - set(check_mapping("row", row))
    if missing:
        raise ValueError(
            f"row: expected a row as fit_row makes it, this lacks {min(missing)!r}."
        )
    words = [
        label,
        *(f"{name}={show_value(value)}" for name, value in identify.items()),
    ]
    words += [f"stat={row['stat']:.2f}", f"success={row['success']}"]
    for name, value in row.items():
        if f"{name}_err" in row:
            error = show_value(row[f"{name}_err"], digits=2)
            words.append(f"{name}={show_value(value)}+-{error}")
    if row["at_limit"]:
        words.append(f"at_limit={row['at_limit']}")
    if row.get("undetermined"):
        words.append(f"undetermined={row['undetermined']}")
    logger.info(" ".join(words), extra={"nuisance": {**identify, **row}})


def show_value(value, digits=4):
    """Text of a value for the log, with its unit, as one word."""
    if isinstance(value, u.Quantity):
        unit = value.unit.to_string("fits").replace(" ", ".")
        return f"{show_value(float(value.value), digits)}{unit}"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
