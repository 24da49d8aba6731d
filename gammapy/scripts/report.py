# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy report``."""

from pathlib import Path
import click
import matplotlib
from gammapy.diagnostics import FitHistory
from gammapy.estimators import FluxPoints
from gammapy.report import FitReport
from gammapy.report.sections import SECTIONS
from .common import (
    FILE,
    InputError,
    OneLineCommand,
    check_absent,
    input_errors,
    read_datasets,
    show_progress,
)
from .residuals import RegionType

__all__ = ["cli_report"]

#: Names that flags had before they were those of Python.
OLD_FLAGS = {
    "--toys": "--n-toys",
    "--seed": "--random-state",
    "--jobs": "--n-jobs",
    "--section": "--sections",
}


@click.command(
    "report",
    cls=OneLineCommand,
    old_flags=OLD_FLAGS,
    short_help="Report of a fit: one page with a verdict and the evidence",
    context_settings={"show_default": True},
)
@click.argument("datasets", type=FILE)
@click.argument("models", type=FILE)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    help="File of the page; its numbers are in a JSON file beside it.",
)
@click.option(
    "--n-toys",
    type=click.IntRange(min=0),
    help="Number of simulations for p-values, 0 for none.  [default: 100 for hot"
    " spots, and for goodness of fit as many as it needs]",
)
@click.option(
    "--history",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a FitHistory to show.",
)
@click.option(
    "--flux-points",
    type=FILE,
    help="File of flux points, written by FluxPoints.write.",
)
@click.option(
    "--region",
    type=RegionType(),
    help="Region to outline, with its spectrum: a DS9 file or a text such as"
    " 'galactic;circle(344.2, -0.15, 0.3)'.",
)
@click.option(
    "--parameter",
    help="Parameter whose impacts are ranked, such as 'source.amplitude'.  [default:"
    " the amplitude of the first source]",
)
@click.option(
    "--sections",
    metavar="NAME",
    multiple=True,
    type=click.Choice(list(SECTIONS)),
    help=f"Section of the page, can be given several times: {', '.join(SECTIONS)}."
    "  [default: all]",
)
@click.option("--title", default="Fit report", help="Title of the page.")
@click.option(
    "--random-state", type=click.IntRange(min=0), default=0, help="Random seed."
)
@click.option(
    "--n-jobs",
    type=click.IntRange(min=1),
    default=1,
    help="Number of processes for the computations.",
)
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
def cli_report(
    datasets, models, out, history, flux_points, sections, overwrite, **options
):
    """Make a report of a fit: one page with a verdict and the evidence for it.

    DATASETS is a YAML file written by Datasets.write, or the FITS file of one dataset.
    MODELS is the YAML file of the fitted models with their covariance. The verdict is
    printed. The page needs no network access, and is readable on a phone and on paper.

    \b
    Examples
    --------
      gammapy report datasets.yaml models.yaml
      gammapy report datasets.yaml models.yaml --history history --out fit.html
      gammapy report datasets.yaml models.yaml --n-toys 0 --sections goodness
    """
    check_absent([out, out.with_suffix(".json")], overwrite)
    matplotlib.use("agg")
    files = [datasets, models]
    fitted = read_datasets(datasets, models)
    points = None
    if flux_points is not None:
        files.append(flux_points)
        with input_errors(f"Cannot read flux points from {flux_points}", Exception):
            points = FluxPoints.read(flux_points)
    with show_progress(), input_errors(kinds=(ValueError, TypeError, OSError)):
        report = FitReport(
            fitted,
            history=None if history is None else FitHistory(history),
            flux_points=points,
            sections=list(sections) or None,
            files=files,
            **options,
        )
        try:
            paths = report.write(out, overwrite=overwrite)
        except ModuleNotFoundError as error:
            raise InputError(str(error)) from None
    click.echo(str(report), nl=False)
    click.echo(f"Written: {', '.join(str(path) for path in paths)}")
