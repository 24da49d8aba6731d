# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A step of a history, read from its folder."""

import copy
import json
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.modeling.fit import CovarianceResult, FitResult, OptimizeResult
from gammapy.modeling.models import Models
from gammapy.version import version
from .goodness_result import GoodnessOfFit
from .history_files import DATA, DATASETS, MODELS, RECORD, read_checked
from .history_record import FORMAT, number
from .hot_spots import HotSpots

__all__ = ["HistoryStep"]

#: Files of results of a step.
GOODNESS, HOT_SPOTS = "goodness.ecsv", "hot_spots.ecsv"
DISTRIBUTION, SPECTRUM = "residuals_distribution.ecsv", "residuals_spectrum.ecsv"


class HistoryStep:
    """A step of a `FitHistory`. Its files are read when they are needed.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the step.
    record : dict
        Facts of the step.

    Examples
    --------
    >>> import tempfile
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import FitHistory
    >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
    >>> from gammapy.datasets import SpectrumDatasetOnOff
    >>> datasets = Datasets([SpectrumDatasetOnOff.read(path)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     step = FitHistory(folder).add("data", datasets)
    ...     step.name, step.datasets.names
    ('data', ['23523'])
    """

    def __init__(self, folder, record):
        self.folder, self._record = folder, record

    @property
    def name(self):
        """Name of the step."""
        return self._record["name"]

    @property
    def position(self):
        """Number that orders the steps."""
        return self._record["position"]

    @property
    def note(self):
        """Remark that was passed to `FitHistory.add`."""
        return self._record.get("note", "")

    @property
    def is_later(self):
        """Whether a later version of the format wrote it."""
        return self._record["format"] > FORMAT

    @property
    def version(self):
        """Version of gammapy that wrote it."""
        return self._record["versions"].get("gammapy", "?")

    @property
    def record(self):
        """Facts of the step, plain data that is a copy."""
        return copy.deepcopy(self._record)

    @property
    def parameters(self):
        """Parameters of the models, a `~astropy.table.Table`."""
        names = ("name", "value", "error", "unit", "min", "max", "frozen", "link")
        rows = self._record["parameters"]
        table = Table({name: [row.get(name) for row in rows] for name in names})
        for name in ("value", "error", "min", "max"):
            table[name] = [number(row.get(name)) for row in rows]
            table[name].info.format = ".4g"
        return table

    @property
    def models(self):
        """Models with their covariance, `~gammapy.modeling.models.Models`.

        Raises
        ------
        OSError
            If a file is missing.
        ValueError
            If a file is damaged, or of a version that this one cannot read.
        """
        return self._read(MODELS, Models.read)

    @property
    def datasets(self):
        """Datasets with their models, `~gammapy.datasets.Datasets`.

        Raises
        ------
        OSError
            If a file is missing.
        ValueError
            If a file is damaged, or of a version that this one cannot read.
        """
        datasets = self._read(DATASETS, lambda path: Datasets.read(path, lazy=False))
        for dataset, facts in zip(datasets, self._record["datasets"], strict=True):
            dataset.stat_type = facts["stat_type"]
        models = self.models
        if len(models):
            datasets.models = models
        return datasets

    @property
    def result(self):
        """Result of the fit, a `~gammapy.modeling.FitResult`; None without one.

        It has no trace and no Minuit object.
        """
        fit = self._record["fit"]
        if fit is None:
            return None
        models = self.models
        facts = dict(fit["optimize"])
        optimize = OptimizeResult(
            models=models,
            total_stat=number(self._record["stat"]),
            trace=Table(),
            **facts,
        )
        optimize._undetermined = tuple(self._record["undetermined"])
        covariance = fit["covariance"]
        if covariance is not None:
            covariance = CovarianceResult(models.covariance.data.copy(), **covariance)
        return FitResult(optimize, covariance)

    @property
    def goodness(self):
        """Test of the goodness of fit, a `GoodnessOfFit`; None without one."""
        return self._read_if_listed(GOODNESS, GoodnessOfFit.read)

    @property
    def hot_spots(self):
        """Spots where counts and model differ, `HotSpots`; None without a search."""
        return self._read_if_listed(HOT_SPOTS, HotSpots.read)

    @property
    def residuals_distribution(self):
        """Mean and width of the residuals, a `~astropy.table.Table`; None for none."""
        return self._read_if_listed(DISTRIBUTION, _read_table)

    @property
    def residuals_spectrum(self):
        """Residuals against energy, a `~astropy.table.Table`; None for none."""
        return self._read_if_listed(SPECTRUM, _read_table)

    def data_files(self):
        """Files of the data that the step needs.

        Returns
        -------
        paths : list of `~pathlib.Path`
            Files.
        """
        folder = self.folder.parents[1] / DATA
        return [folder / name for name in self._record["files"]]

    def _read_if_listed(self, filename, read):
        if filename not in self._record["results"]:
            return None
        return self._read(filename, read, check_data=False)

    def _read(self, filename, read, check_data=True):
        """What a file of the step has; an error of one line names the step."""
        path = self.folder / filename
        try:
            if not path.is_file():
                raise OSError(f"file {str(path)!r} is missing.")
            for data in self.data_files() if check_data else ():
                read_checked(data)
        except (OSError, ValueError) as error:
            raise type(error)(
                f"Step {self.name!r} of the history: {error} The table and other "
                "steps do not need it."
            ) from None
        try:
            return read(path)
        # What is wrong with a file shows in errors of any kind.
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"Step {self.name!r} of the history: cannot read {str(path)!r}, which "
                f"gammapy {self.version} wrote, with {version}: {reason}"
            ) from error

    def __str__(self):
        record = self._record
        entries = {
            "why": self.note,
            "folder": self.folder,
            "stat": f"{number(record['stat']):.2f}",
            "n_free": record["n_free"],
            "datasets": _listed(record["datasets"]),
            "models": _listed(record["components"]),
            **record["verdicts"],
        }
        lines = [f"Step {self.name!r} of {record['time']}"]
        lines += [f"{name:10}: {text}" for name, text in entries.items() if text != ""]
        lines += [f"note      : {text}" for text in record["notes"]]
        return "\n".join(lines) + "\n"


def _listed(rows):
    return ", ".join(row["name"] for row in rows)


def _read_table(path):
    return Table.read(path, format="ascii.ecsv")


def read_step(folder):
    """Read a step.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the step.

    Returns
    -------
    step : `HistoryStep`
        Step.

    Raises
    ------
    ValueError
        If its record is missing or damaged.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        for key in NEEDED:
            record[key]
    except FileNotFoundError:
        raise ValueError(f"file {str(path)!r} is missing") from None
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"file {str(path)!r} cannot be read: {error}") from None
    except KeyError as error:
        raise ValueError(f"file {str(path)!r} lacks {error}") from None
    return HistoryStep(folder, record)


#: Entries of a record without which nothing can be said.
NEEDED = (
    *("format", "name", "position", "time", "versions", "stat", "n_free", "n_events"),
    "prior_stat",
    *("is_weighted", "data", "fit", "datasets", "components", "parameters", "files"),
    *("results", "verdicts", "notes", "undetermined"),
)
