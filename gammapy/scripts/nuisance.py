# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy nuisance``."""

from fnmatch import fnmatchcase
from pathlib import Path
import click
import numpy as np
from astropy.io import fits
from astropy.table import Table
import matplotlib
from gammapy.estimators import FluxPoints
from gammapy.makers.background.nuisance import PREFIX, nuisance_table
from gammapy.visualization import plot_nuisance
from .common import (
    FILE,
    InputError,
    OneLineCommand,
    check_absent,
    check_format,
    figure_writer,
    input_errors,
    is_yaml,
    read_datasets,
    write_files,
)

__all__ = ["cli_nuisance"]

#: What a measured background has, which has no fitted parameters.
MEASURED = ("counts", "counts_off", "alpha", "background")


@click.command(
    "nuisance",
    cls=OneLineCommand,
    short_help="Nuisance parameters of flux points, datasets or profiles",
)
@click.argument("filename", metavar="FILE", type=FILE)
@click.option(
    "--parameters",
    metavar="NAME",
    multiple=True,
    help="Parameter to show, such as 'run-1-bkg.spectral.norm' or '*.norm'; can be"
    " given several times.  [default: all]",
)
@click.option(
    "--plot",
    "figure",
    metavar="FIGURE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to draw the table to, such as norms.png or norms.pdf.",
)
@click.option("--overwrite", is_flag=True, help="Replace the figure if it exists.")
def cli_nuisance(filename, parameters, figure, overwrite):
    """Show the fitted nuisance parameters of each fit.

    Prints the table that is stored in FILE, with one row per fit, if FILE was created
    with debug=True. FILE is one of

    \b
      flux points, light curve or profile   FITS or ECSV, of FluxPoints.write
      datasets                              YAML of Datasets.write, or FITS
      nuisance table                        ECSV, of Table.write

    Datasets have one table per kind of background maker. If there are several tables,
    the names of the figures contain their labels.

    \b
    Examples
    --------
      gammapy nuisance flux_points.fits --parameters "*.norm" --plot norms.png
      gammapy nuisance datasets.yaml --plot background.png
    """
    check_format(figure)
    tables = read_tables(filename)
    selected = {
        label: select_parameters(table, parameters) for label, table in tables.items()
    }
    if not any(selected.values()) and parameters:
        known = dict.fromkeys(
            figure for table in tables.values() for figure in drawable(table)
        )
        raise InputError(
            f"No parameter is named {', '.join(parameters)}; fitted were: "
            f"{', '.join(known) or 'none'}."
        )
    if figure is not None:
        write_figures(figure, tables, selected, overwrite)
    for label, table in tables.items():
        shown = shown_columns(table, selected[label]) if parameters else table.colnames
        click.echo(summarize(label, table))
        lines = _with_time(table[shown]).pformat(max_lines=-1, max_width=-1)
        click.echo("\n".join(lines))


def read_tables(path):
    """Nuisance tables of a file, by label."""
    if is_yaml(path) or _is_dataset(path):
        datasets = read_datasets(path)
        tables = {label: nuisance_table(datasets, label) for label in _labels(datasets)}
    else:
        with input_errors(f"Cannot read {path}", Exception):
            table = _read_table(path)
        tables = {} if table is None else {"nuisance": table}
    if not tables:
        raise InputError(
            f"{path} has no nuisance parameters: create its contents with debug=True."
        )
    return tables


def _is_dataset(path):
    """Whether a file is the FITS file of a dataset."""
    try:
        with fits.open(path) as hdulist:
            return bool({"COUNTS", "SPECTRUM"} & {hdu.name for hdu in hdulist})
    except OSError:  # not FITS
        return False


def _labels(datasets):
    """Kinds of background makers that left rows in meta tables."""
    names = {}
    for dataset in datasets:
        table = getattr(dataset, "meta_table", None)
        names |= dict.fromkeys([] if table is None else table.colnames)
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]


def _read_table(path):
    """Table of flux points, or the one that the file is; None when there is none."""
    if path.suffix.lower() in (".ecsv", ".txt", ".dat"):
        table = Table.read(path, format="ascii.ecsv")
        if not any(column.startswith(PREFIX) for column in table.colnames):
            return table if _is_nuisance(table) else None
    elif not _has_table(path):
        raise ValueError("it contains neither flux points nor a dataset")
    return FluxPoints.read(path).nuisance


def _has_table(path):
    """Whether a FITS file has a table that may be one of flux points."""
    with fits.open(path) as hdulist:
        return any(
            isinstance(hdu, fits.BinTableHDU) and hdu.name in ("FLUXPOINTS", "")
            for hdu in hdulist
        )


def _is_nuisance(table):
    """Whether a table is of fits, or of measured backgrounds; flux points are not."""
    return "at_limit" in table.colnames or set(MEASURED) <= set(table.colnames)


def drawable(table):
    """Names of the fitted parameters, or else of the values of a measured background.

    Parameters of the fit of the null hypothesis are not among them.
    """
    fitted = [column for column in table.colnames if f"{column}_err" in table.colnames]
    measured = [name for name in MEASURED if name in table.colnames]
    return fitted or measured or [name for name in table.colnames if _is_profiled(name)]


def _is_profiled(name):
    """Whether a column is the background that the fit of an on-off dataset profiles."""
    return name.startswith("background.") and not name.endswith("_null")


def select_parameters(table, patterns):
    """Names that match one of the patterns, all when there are none."""
    if not patterns:
        return drawable(table)
    return [
        name
        for name in drawable(table)
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def shown_columns(table, selected):
    """Columns without those of parameters that are not selected."""
    hidden = set(drawable(table)) - set(selected)
    return [column for column in table.colnames if _owner(column) not in hidden]


def _with_time(table):
    """Table whose times are shown to a second, not to four digits."""
    table = table.copy()
    for name in {"time_min", "time_max"} & set(table.colnames):
        table[name].info.format = ".5f"
    return table


def _owner(column):
    """Parameter that a column belongs to."""
    column = column.removesuffix("_null")
    return column.removesuffix("_err").removesuffix("_pull")


def summarize(label, table):
    """Line above a table."""
    words = [f"{label}: {len(table)} row{'s' if len(table) != 1 else ''}"]
    if "success" in table.colnames:
        n_failed = int(np.sum(~np.asarray(table["success"]).astype(bool)))
        words.append(f"{n_failed} failed")
    if "at_limit" in table.colnames:
        n_at_limit = sum(bool(str(flag)) for flag in table["at_limit"])
        words.append(f"{n_at_limit} with a parameter at a bound")
    return ", ".join(words)


def write_figures(figure, tables, selected, overwrite):
    """Draw each table to its file."""
    drawn = {label: table for label, table in tables.items() if selected[label]}
    paths = dict.fromkeys(drawn, figure)
    if len(tables) > 1:
        paths = {name: figure.with_stem(f"{figure.stem}-{name}") for name in drawn}
    check_absent(paths.values(), overwrite)
    if not drawn:
        raise InputError("There is nothing to draw: no parameter was fitted.")
    matplotlib.use("agg")
    writers = {}
    for label, path in paths.items():
        is_fitted = f"{selected[label][0]}_err" in drawn[label].colnames
        draw = plot_nuisance if is_fitted else _plot_measured
        with input_errors():
            axes = draw(drawn[label], selected[label])
        writers[path.name] = figure_writer(axes[0].figure)
    write_files(figure.parent, writers)


def _plot_measured(table, names):
    """Draw the values of a measured background, which have no errors."""
    table = table.copy()
    for name in names:
        # What differs in the last digits only is the same.
        table[name] = [float(f"{number:.6g}") for number in table[name]]
        table[f"{name}_err"] = np.full(len(table), np.nan)
    axes = plot_nuisance(table, names)
    labels = {"Fit": "Measured", "Failed fit": "Not measured"}
    for text in axes[0].get_legend().get_texts():
        text.set_text(labels[text.get_text()])
    return axes
