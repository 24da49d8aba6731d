# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Notes about flux points, collected in one warning for all of them.

Each flux point has a dict of notes, which is passed between processes. The estimator
logs each note once, with the energy bins.
"""

__all__ = []

#: Column of the notes in the estimator's table.
NOTES = "notes"

#: Names of norms, or bins, in a warning.
MOST = 8


def take_notes(table):
    """Take the notes out of a table of flux points.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table fresh from the estimator, not changed.

    Returns
    -------
    table, notes : `~astropy.table.Table` and list of tuple
        The table without them, and pairs of a note and its energy bin.
    """
    if NOTES not in table.colnames:
        return table, []
    bins = [f"{low:.4g}-{high:.4g}" for low, high in table.iterrows("e_min", "e_max")]
    unit = table["e_min"].unit
    bins = [f"{name} {unit}" if unit else name for name in bins]
    notes = [
        (note, name)
        for row, name in zip(table[NOTES], bins, strict=True)
        for note in row["notes"]
    ]
    table = table.copy(copy_data=False)
    table.remove_column(NOTES)
    return table, notes


def warn_notes(log, notes, label):
    """Say each note once, with the bins that it is of.

    Parameters
    ----------
    log : `~logging.Logger`
        Logger of the calling module.
    notes : list of tuple
        Pairs of a note, itself a pair of what and a reason, and its energy bin.
    label : str
        Source that the flux points are of.
    """
    bins, names = {}, {}
    for (what, reason), name in notes:
        bins.setdefault(reason, {})[name] = None
        names.setdefault(reason, {})[what] = None
    for reason, found in bins.items():
        what = _join(list(names[reason]))
        log.warning(f"{what}: {reason}, for {label!r} in {_join(list(found))}.")


def _join(names):
    rest = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def limit_note(key, parameter, n_sigma, sign):
    """Note that an end of a confidence interval lies beyond a bound.

    Parameters
    ----------
    key : str
        Name of the result that is NaN for it, such as "norm_ul".
    parameter : `~gammapy.modeling.Parameter`
        The parameter.
    n_sigma : float
        Number of standard deviations.
    sign : {1, -1}
        Whether it is the upper or the lower end.

    Returns
    -------
    note : tuple of str
        What, and the reason.
    """
    bound = parameter.max if sign > 0 else parameter.min
    end = "max" if sign > 0 else "min"
    reason = (
        f"NaN, because the statistic does not rise by {n_sigma**2:.4g} up to the bound "
        f"{parameter.name}.{end} = {bound:.4g}"
    )
    return key, reason


def undetermined_notes(names):
    """Notes on norms that a fit did not determine, by their names."""
    reason = "not determined by the data, kept at its value without an error"
    return [(name, reason) for name in names]
