# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base class of the results of all diagnostics: a table, its file, its text."""

import copy
from html import escape
import numpy as np
from astropy.table import Table
from gammapy.maps.energy_bins import energy_format
from gammapy.modeling.fit_table import fill_masked
from gammapy.utils.arguments import check_type
from gammapy.utils.ecsv import read_ecsv, write_ecsv

__all__ = ["DiagnosticResult"]

#: Format of columns of energies, which depends on their values.
ENERGY = "energy"

#: Entry of the metadata of a file that says which result it holds.
KIND = "diagnostic"


class DiagnosticResult:
    """Table of a diagnostic with options, notes and a verdict.

    Subclasses set `COLUMNS` and define `verdict`. A subclass that needs more than a
    table and plain data extends `write` and `read`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table with the columns in `COLUMNS`, and others. It is copied.
    meta : dict, optional
        Options and other metadata as plain data: numbers, texts, lists and dicts.
        Default is None, no metadata.
    notes : list of str, optional
        Limitations, one sentence each. Default is none.

    Raises
    ------
    ValueError
        If the table lacks a column.
    TypeError
        If ``table`` is not a table.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.diagnostics.result import DiagnosticResult
    >>> class Sizes(DiagnosticResult):
    ...     COLUMNS = {"name": "", "size": ".2f"}
    ...
    ...     @property
    ...     def verdict(self):
    ...         largest = self.table["size"].argmax()
    ...         return f"The largest is {self.table['name'][largest]}."
    >>> sizes = Sizes(Table({"name": ["A", "B"], "size": [1.0, 3.0]}), {"seed": 1})
    >>> sizes.write("sizes.ecsv")
    >>> Sizes.read("sizes.ecsv").verdict
    'The largest is B.'
    >>> sizes.to_dict()["table"][0]
    {'name': 'A', 'size': 1.0}
    """

    #: Format of each column that the table must have, "" for the default, ``ENERGY``
    #: for energies.
    COLUMNS = {}

    #: Number of the format of files, to be raised when what they hold changes.
    FORMAT = 1

    def __init__(self, table, meta=None, notes=()):
        check_type("table", table, Table, "a table")
        missing = [name for name in self.COLUMNS if name not in table.colnames]
        if missing:
            raise ValueError(
                f"table: {type(self).__name__} needs the columns {', '.join(missing)}, "
                f"got {', '.join(table.colnames)}."
            )
        self._table = Table(table, copy=True, meta={})
        for name, text in self.COLUMNS.items():
            if text == ENERGY:
                text = energy_format(self._table[name])
            self._table[name].info.format = text or None
        self._meta = copy.deepcopy(dict(meta or {}))
        self._notes = [str(note) for note in notes]

    @property
    def table(self):
        """Rows of the result, a copy of the `~astropy.table.Table`."""
        return self._table.copy()

    @property
    def meta(self):
        """Options and other metadata, a copy of the dict."""
        return copy.deepcopy(self._meta)

    @property
    def notes(self):
        """Limitations, a list of str."""
        return list(self._notes)

    @property
    def verdict(self):
        """One sentence that summarises the result."""
        raise NotImplementedError(f"{type(self).__name__} has no verdict.")

    def to_dict(self):
        """The whole result as plain data for JSON and YAML.

        Returns
        -------
        data : dict
            Kind of the result, format, verdict, notes, the entries of ``meta``, and
            under "table" one dict per row. Values that are not finite are None. Units
            of columns are in "units".
        """
        units = {
            name: str(self._table[name].unit)
            for name in self._table.colnames
            if self._table[name].unit is not None
        }
        return {
            KIND: type(self).__name__,
            "format": self.FORMAT,
            "verdict": self.verdict,
            "notes": self.notes,
            **self.meta,
            "units": units,
            "table": plain_rows(self._table),
        }

    def write(self, filename, *, overwrite=False):
        """Write to an ECSV file with the table, and all other data in its header.

        The file is written completely or not at all.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            Name of the file, such as "goodness.ecsv".
        overwrite : bool, optional
            Whether to replace an existing file. Default is False.

        Raises
        ------
        OSError
            If the file exists and is not to be replaced, or its folder does not exist.
        """
        write_ecsv(
            self.table,
            filename,
            key=KIND,
            kind=type(self).__name__,
            number=self.FORMAT,
            meta={
                # A list, for YAML sorts the entries of a dict.
                "meta": [{name: value} for name, value in self.meta.items()],
                "notes": self.notes,
            },
            overwrite=overwrite,
        )

    @classmethod
    def read(cls, filename):
        """Read a file that was written with ``write``.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.

        Returns
        -------
        result : `DiagnosticResult`
            Result of this class.

        Raises
        ------
        OSError
            If there is no such file.
        ValueError
            If the file holds something else.
        """
        parts = read_ecsv(
            filename, _parse, key=KIND, kind=cls.__name__, number=cls.FORMAT
        )
        return cls(*parts)

    def __str__(self):
        lines = [type(self).__name__, "", f"  {self.verdict}", ""]
        lines += [f"  {name:15} : {value}" for name, value in self._summary().items()]
        lines += [f"  note            : {note}" for note in self._notes]
        text = self._shown().pformat(max_lines=-1, max_width=-1, show_unit=None)
        return "\n".join([*lines, "", *(f"  {line}" for line in text)]) + "\n"

    def _repr_html_(self):
        """The same for notebooks."""
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes)
        table = "\n".join(self._shown().pformat(max_lines=-1, max_width=-1, html=True))
        return (
            f"<p><b>{escape(type(self).__name__)}</b>: {escape(self.verdict)}</p>\n"
            f"{f'<ul>{notes}</ul>' if notes else ''}{table}"
        )

    def _shown(self):
        """Table of the text, by default the table."""
        return self._table

    def _summary(self):
        """Entries of the text, by default what ``meta`` has."""
        return self._meta


def _parse(table):
    """Table, metadata and notes of a file."""
    entries = [entry for part in table.meta["meta"] for entry in part.items()]
    # An empty text comes back masked.
    return fill_masked(table), dict(entries), list(table.meta["notes"])


def plain_rows(table, columns=None):
    """Rows of a table as plain data, None for what is not finite.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table.
    columns : list of str, optional
        Columns. Default is all.

    Returns
    -------
    rows : list of dict
        Rows.
    """
    names = [name for name in columns or table.colnames if name in table.colnames]
    return [{name: plain(row[name]) for name in names} for row in table]


def plain(value):
    """A number, text or list that JSON can hold; None for what is not finite."""
    if value is np.ma.masked:
        return None
    value = getattr(value, "value", value)
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {str(name): plain(element) for name, element in value.items()}
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
