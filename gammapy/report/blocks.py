# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Contents of the sections of a report: text, lists, tables and figures."""

import base64
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
import matplotlib.pyplot as plt

__all__ = []

#: Rows of a table on the page; the others are in the JSON file.
MOST_ROWS = 60

#: Resolution of pictures: twice that of a screen, 96 per inch.
DPI = 192

#: Settings of figures: text as curves, since the reader may lack the font, and names
#: that depend on the content alone.
SETTINGS = {
    "svg.fonttype": "path",
    "svg.hashsalt": "gammapy",
    "figure.max_open_warning": 0,
}

#: Largest size of a drawing in bytes; a larger one is smaller as a picture.
LARGEST_SVG = 150_000


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: list
    kind: str = "items"


@dataclass(frozen=True)
class TableBlock:
    """A table of texts.

    Parameters
    ----------
    header : list of str
        Names of the columns with their units.
    rows : list of list of str
        Cells.
    numbers : list of bool
        Which columns hold numbers, which are set to the right.
    caption : str
        What it shows, and what is left out.
    """

    header: list
    rows: list
    numbers: list
    caption: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class FigureBlock:
    """A picture.

    Parameters
    ----------
    source : str
        Data URI of the picture.
    alt : str
        What it shows, in words.
    caption : str
        Caption.
    width : int
        Width on a screen, in pixels.
    """

    source: str
    alt: str
    caption: str
    width: int
    kind: str = "figure"


@dataclass(frozen=True)
class Grid:
    """Figures side by side where there is room."""

    figures: list = field(default_factory=list)
    kind: str = "grid"


def table_block(table, columns=None, *, caption="", most=MOST_ROWS):
    """Table with the formats of its columns.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table.
    columns : list of str, optional
        Columns to show. Default is all.
    caption : str, optional
        Caption. Default is "".
    most : int, optional
        Largest number of rows. Default is 60.

    Returns
    -------
    block : `TableBlock`
        Block.
    """
    names = [name for name in columns or table.colnames if name in table.colnames]
    if len(table) > most:
        left_out = f"The first {most} of {len(table)} rows; all are in the JSON file."
        caption = f"{caption} {left_out}".strip()
    cells = [_cells(table[name][:most]) for name in names]
    header = [
        f"{name} [{table[name].unit}]" if table[name].unit else name for name in names
    ]
    rows = [list(row) for row in zip(*cells, strict=True)]
    numbers = [table[name].dtype.kind in "iuf" for name in names]
    return TableBlock(header, rows, numbers, caption)


def _cells(column):
    """Texts of a column."""
    if len(column) == 0:
        return []
    lines = column.pformat(max_lines=-1, show_name=False, show_unit=False)
    texts = [line.strip() for line in lines]
    return ["" if text in ("nan", "--") else text for text in texts]


@contextmanager
def drawing():
    """Context in which figures are drawn for the page; all new ones are closed after.

    Yields
    ------
    None
        Nothing.
    """
    before = set(plt.get_fignums())
    current = plt.gcf().number if before else None
    with plt.rc_context(SETTINGS), plt.ioff():
        try:
            yield
        finally:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            if current is not None:
                plt.figure(current)


def figure_block(axes, alt, *, caption="", is_picture=False):
    """Figure of some axes, as a drawing or, of many parts, as a picture.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Axes in the figure.
    alt : str
        What it shows, in words.
    caption : str, optional
        Caption. Default is "".
    is_picture : bool, optional
        Whether it has an image, so that a drawing would be no smaller. Default is
        False.

    Returns
    -------
    block : `FigureBlock`
        Block.
    """
    figure = axes.figure
    content = None if is_picture else _saved(figure, "svg", metadata={"Date": None})
    kind = "svg+xml"
    if content is None or len(content) > LARGEST_SVG:
        content, kind = _saved(figure, "png", dpi=DPI), "png"
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    width = round(_width(content, kind))
    return FigureBlock(source, alt, caption, width)


def _saved(figure, kind, **options):
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, facecolor="white", **options)
    return stream.getvalue()


def _width(content, kind):
    """Width of a picture on a screen, in pixels."""
    if kind == "png":
        # The header of a PNG file has it in these bytes.
        return int.from_bytes(content[16:20], "big") * 96 / DPI
    text = content[:2000].decode(errors="replace")
    # In points, 72 per inch.
    return float(text.split('width="', 1)[1].split("pt", 1)[0]) * 96 / 72
