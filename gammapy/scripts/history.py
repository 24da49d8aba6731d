# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy history``."""

from pathlib import Path
import click
import matplotlib
from gammapy.diagnostics import FitHistory
from .common import (
    InputError,
    OneLineCommand,
    check_absent,
    check_format,
    figure_writer,
    input_errors,
    write_files,
)

__all__ = ["cli_history"]


@click.command(
    "history",
    cls=OneLineCommand,
    short_help="Steps of an analysis: gain of each step, and what changed",
)
@click.argument(
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--compare",
    metavar="STEP STEP",
    nargs=2,
    help="Two steps to compare: names, or numbers from 0 on; -1 is the last one.",
)
@click.option("--step", metavar="STEP", help="A step to show, with its parameters.")
@click.option("--notes", is_flag=True, help="Show times and notes of the steps, too.")
@click.option(
    "--plot",
    "figure",
    metavar="FIGURE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to draw the steps to, such as history.png or history.pdf.",
)
@click.option("--overwrite", is_flag=True, help="Replace the figure if it exists.")
def cli_history(folder, compare, step, notes, figure, overwrite):
    """Show the steps of an analysis.

    Prints a table of the steps in FOLDER, which were stored by FitHistory or by the key
    fit.history of a configuration: fit statistic, TS relative to the previous step with
    degrees of freedom and sigma, AIC, BIC, goodness of fit and the highest hot spot.

    \b
    Examples
    --------
      gammapy history output/hess_j1702
      gammapy history output/hess_j1702 --compare background J1702-420B
      gammapy history output/hess_j1702 --compare -2 -1 --plot history.png
    """
    history = FitHistory(folder)
    if not len(history):
        raise InputError(f"{folder} has no step of a history.")
    if figure is not None:
        check_format(figure)
        check_absent([figure], overwrite)
    if compare:
        text = str(history.compare(*(find_step(history, name) for name in compare)))
    elif step is not None:
        found = history[find_step(history, step)]
        text = f"{found}\n{_as_text(found.parameters)}\n"
    else:
        text = str(history)
    click.echo(text, nl=False)
    if notes:
        click.echo(_as_text(history.table()["name", "time", "note"]))
    if figure is not None:
        matplotlib.use("agg")
        axes = history.plotter.plot(history)
        writer = figure_writer(next(iter(axes.values())).figure)
        write_files(figure.parent, {figure.name: writer})


def find_step(history, name):
    """Name of a step from its name or number; an `InputError` when there is none."""
    if name in history:
        return name
    with input_errors(kinds=(IndexError, KeyError, ValueError)):
        try:
            return history[int(name)].name
        except ValueError:
            return history[name].name


def _as_text(table):
    return "\n".join(table.pformat(max_lines=-1, max_width=-1))
