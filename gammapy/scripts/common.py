# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Common parts of the commands: input, errors in one line, output."""

import logging
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
import click
import numpy as np
from astropy.io import fits
from matplotlib.figure import Figure
from gammapy.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.modeling import fit_progress
from gammapy.modeling.models import Models
from gammapy.utils import atomic, pbar
from gammapy.utils.aliases import rename_flags
from gammapy.visualization.figures import save_figure

__all__ = []

log = logging.getLogger(__name__)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

#: Seconds between two states of a bar in a file.
INTERVAL = 10

YAML_SUFFIXES = (".yaml", ".yml")


class InputError(click.ClickException):
    """Bad input: one line on stderr and the exit code 2."""

    exit_code = 2

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))


class AliasedCommand(click.Command):
    """Command with flags that have old names, which stay for a release.

    Parameters
    ----------
    old_flags : dict, optional
        New flags by old ones. Default is None, there are none.
    **kwargs : dict
        Arguments of `~click.Command`.
    """

    def __init__(self, *args, old_flags=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.old_flags = old_flags or {}

    def parse_args(self, ctx, args):
        """Parse the arguments with the new names of flags."""
        args = rename_flags(args, self.old_flags, since="2.2")
        return super().parse_args(ctx, args)


class OneLineCommand(AliasedCommand):
    """Command whose usage errors are a line, not the usage and a line."""

    def parse_args(self, ctx, args):
        """Parse the arguments; an `InputError` when they are not valid."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            message = error.format_message().rstrip()
            raise InputError(f"{message} See {ctx.command_path} --help.") from error


@contextmanager
def input_errors(what="", kinds=(ValueError, TypeError)):
    """Turn errors of these kinds into an `InputError`, the log has the traceback."""
    try:
        yield
    except kinds as error:
        log.debug("The error in full:", exc_info=True)
        text = str(error) or error.__class__.__name__
        if isinstance(error, KeyError):
            text = f"it lacks {error}"
        raise InputError(f"{what}: {text}" if what else text) from error


@contextmanager
def show_progress():
    """Show the progress bars of Gammapy, with the lines of the log above them.

    In a file there are few states of each bar.
    """
    before = pbar.SHOW_PROGRESS_BAR, pbar.INTERVAL, fit_progress.DELAY
    is_terminal = sys.stderr.isatty()
    pbar.SHOW_PROGRESS_BAR, fit_progress.DELAY = True, 0
    pbar.INTERVAL = None if is_terminal else INTERVAL
    try:
        with _log_above_bars() if is_terminal else nullcontext():
            yield
    finally:
        pbar.SHOW_PROGRESS_BAR, pbar.INTERVAL, fit_progress.DELAY = before


def _log_above_bars():
    """Context in which lines of the log on the terminal do not go into a bar."""
    handlers = logging.root.handlers
    if not any(getattr(item, "stream", None) is sys.stderr for item in handlers):
        return nullcontext()
    try:
        from tqdm.contrib.logging import logging_redirect_tqdm
    except ImportError:  # there are no bars either
        return nullcontext()
    return logging_redirect_tqdm()


def is_yaml(path):
    """Whether a file is YAML, by its name."""
    return path.suffix.lower() in YAML_SUFFIXES


def read_datasets(path, path_models=None):
    """Read datasets and their models.

    Parameters
    ----------
    path : `~pathlib.Path`
        File of `~gammapy.datasets.Datasets.write`, or FITS file of one dataset.
    path_models : `~pathlib.Path`, optional
        File of models. Default is None, no models.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Raises
    ------
    InputError
        If a file cannot be read, whatever the reason.
    """
    log.info(f"Reading {path}")
    # What is wrong with a file shows in errors of any kind.
    with input_errors(f"Cannot read datasets from {path}", Exception):
        if is_yaml(path):
            # Not lazily: what is wrong with the files has to show here.
            datasets = Datasets.read(path, lazy=False)
        else:
            datasets = Datasets([_read_dataset(path)])
    if path_models is not None:
        with input_errors(f"Cannot read models from {path_models}", Exception):
            models = Models.read(path_models)
            _warn_unknown_datasets(models, datasets)
            datasets.models = models
    return datasets


def _read_dataset(path):
    """Dataset of one FITS file, whose extensions say of which kind it is."""
    with fits.open(path) as hdulist:
        names = {hdu.name for hdu in hdulist}
    if "SPECTRUM" in names:
        return SpectrumDatasetOnOff.read(path)
    if "COUNTS" not in names:
        raise ValueError("it has no counts")
    is_on_off = "ACCEPTANCE" in names
    if "COUNTS_REGION" in names:
        return (SpectrumDatasetOnOff if is_on_off else SpectrumDataset).read(path)
    return (MapDatasetOnOff if is_on_off else MapDataset).read(path)


def _warn_unknown_datasets(models, datasets):
    for model in models:
        named = np.atleast_1d(model.datasets_names or []).tolist()
        if named and not set(named) & set(datasets.names):
            log.warning(
                f"Model {model.name!r} is of {', '.join(named)}, not of the datasets "
                f"{', '.join(datasets.names)}: it is not used."
            )


def check_absent(paths, overwrite, *, error=InputError):
    """Raise an error of the command line when one of the files to write exists."""
    try:
        atomic.check_absent(paths, overwrite, option="--overwrite")
    except OSError as refusal:
        raise error(str(refusal)) from None


def check_format(figure):
    """Raise an `InputError` when matplotlib cannot write such a figure."""
    known = Figure().canvas.get_supported_filetypes()
    if figure and figure.suffix.lower().lstrip(".") not in known:
        raise InputError(
            f"{figure} is not a figure; the name ends with one of {', '.join(known)}."
        )


def figure_writer(figure):
    """Function that writes a figure to a path, for `write_files`."""
    return partial(save_figure, figure)


def write_files(folder, writers):
    """Write all files or none; an `InputError` when that is not possible.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the files, made when it is missing.
    writers : dict
        By file name a function that writes to the path that it is given.
    """
    with input_errors(f"Cannot write to {folder}", OSError):
        atomic.write_files({folder / name: writer for name, writer in writers.items()})
