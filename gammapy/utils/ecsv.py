# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results in ECSV files: a table, whose header says what it is, in which format."""

import logging
from astropy.table import Table
from .arguments import check_bool, show
from .atomic import as_path, write_files

__all__ = []

log = logging.getLogger(__name__)

#: Entry of the metadata with the number of the format.
FORMAT = "format"


def write_ecsv(table, filename, *, key, kind, number, meta, overwrite=False):
    """Write a table to a file that is there as a whole or not at all.

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
        {path: lambda staged: table.write(staged, format="ascii.ecsv")},
        overwrite=overwrite,
        make_folders=False,
    )


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
