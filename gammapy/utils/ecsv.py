# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results in ECSV files: a table, whose header says what it is, in which format."""

import io
import logging
import warnings
from pathlib import Path
import astropy.units as u
from astropy.table import Table
from .arguments import check_bool, show
from .atomic import as_path, write_files

__all__ = []

log = logging.getLogger(__name__)

#: Entry of the metadata with the number of the format.
FORMAT = "format"


def write_ecsv(table, filename, *, key, kind, number, meta, overwrite=False):
    """Write a table to a file, completely or not at all.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table. Its metadata is replaced.
    filename : `pathlib.Path` or str
        File name.
    key : str
        Entry of the metadata that says which class the file is of.
    kind : str
        Name of that class.
    number : int
        Number of the format.
    meta : dict
        What else the file is to hold, plain data.
    overwrite : bool, optional
        Whether a file of that name is replaced. Default is False.

    Raises
    ------
    OSError
        If there is such a file already, or no folder for it.
    """
    path = as_path(filename)
    overwrite = check_bool("overwrite", overwrite)
    table.meta = {key: kind, FORMAT: number, **meta}
    write_files(
        {path: lambda staged: write_plain(table, staged)},
        overwrite=overwrite,
        make_folders=False,
    )


def write_plain(table, filename):
    """Write a table to an ECSV file that any reader understands.

    Units are those of the FITS standard, which are VOUnits, too: TOPCAT does not know
    "1 / (TeV s cm2)". The metadata are numbers, texts, lists and dicts: tuples are
    those of Python.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table, not changed.
    filename : `pathlib.Path` or str
        File; one that exists is replaced.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import Table
    >>> from gammapy.utils.ecsv import write_plain
    >>> write_plain(Table({"flux": [1.5] * u.Unit("cm-2 s-1")}), "flux.ecsv")
    >>> with open("flux.ecsv") as file:
    ...     print(file.readlines()[3].strip())
    # - {name: flux, unit: cm**-2.s**-1, datatype: float64}
    """
    plain = table.copy(copy_data=False)
    plain.meta = _plain(table.meta)
    text = io.StringIO()
    plain.write(text, format="ascii.ecsv")
    lines = text.getvalue().splitlines(keepends=True)
    for unit in {str(table[name].unit) for name in table.colnames}:
        lines = [_with_unit(line, unit) for line in lines]
    Path(filename).write_text("".join(lines), encoding="utf-8")


def _with_unit(line, unit):
    """Line of a header with a unit as it is in files."""
    if not line.startswith("# - {name: "):
        return line
    old, new = (f", unit: {text}, datatype: " for text in (unit, _in_files(unit)))
    return line.replace(old, new)


def _in_files(unit):
    """Unit as both standards have it, or as it is when they do not know it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return u.Unit(unit).to_string("vounit")
    # Which error it is depends on the unit; also of those that are no longer in use.
    except Exception:
        return unit


def _plain(value):
    """Metadata without what only Python knows."""
    if isinstance(value, dict):
        return type(value)((key, _plain(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def read_ecsv(filename, parse, *, key, kind, number):
    """Read a file that `write_ecsv` wrote.

    Parameters
    ----------
    filename : `pathlib.Path` or str
        File name.
    parse : callable
        Makes the result of the table, with its metadata. Any error of it means that
        the file is damaged.
    key, kind, number : str, str, int
        As for `write_ecsv`. A later format is read with a warning.

    Returns
    -------
    result : object
        What ``parse`` returned.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If the file holds something else.
    """
    path = as_path(filename)
    if not path.is_file():
        raise OSError(f"There is no file {str(path)!r}.")
    try:
        table = Table.read(path, format="ascii.ecsv")
        found, own_number = table.meta[key], table.meta[FORMAT]
        result = parse(table) if found == kind else None
    # Which error it is depends on what the file is.
    except Exception as error:
        raise ValueError(
            f"File {str(path)!r} has no {kind}: it is damaged, or not a file that "
            f"{kind}.write made."
        ) from error
    if found != kind:
        raise ValueError(f"File {str(path)!r} has no {kind} but a {show(found)}.")
    if own_number > number:
        log.warning(f"File {str(path)!r} was written by a later version of gammapy.")
    return result
