# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""History of the fits of an analysis."""

import logging
from html import escape
from pathlib import Path
import numpy as np
from gammapy.datasets import Datasets
from gammapy.datasets.core import local_datasets
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.utils.arguments import check_bool, check_type, did_you_mean, listed, show
from gammapy.utils.atomic import UnwoundBySigterm, locked_folder, staging_folder
from gammapy.utils.plotter import LazyPlotter
from gammapy.utils.scripts import make_path
from .history_comparison import StepComparison
from .history_files import (
    DataFiles,
    move_in,
    remove_step,
    step_folders,
    write_datasets,
    write_models,
    write_record,
)
from .history_record import make_record, number
from .history_step import read_step
from .history_summary import summarise
from .history_table import SHOWN, make_table

__all__ = ["FitHistory"]

log = logging.getLogger(__name__)

#: Relative difference of a parameter between a result and the models.
SAME = 1e-6

#: Difference of the statistics of a result and of the datasets that is said.
CHANGE = 0.1


class FitHistory:
    """Steps of an analysis, stored in a folder.

    Each step has a folder below ``steps``, with the models and their covariance, the
    result of the fit, and a summary of the residuals. Datasets are in the folder
    ``data``. Their file names contain the checksum of their content, so unchanged data
    are stored once. ``datasets.yaml`` and ``models.yaml`` of a step can be read with
    `~gammapy.datasets.Datasets.read`.

    Steps are written completely or not at all, even if the process is killed. The
    folder can be moved. Every access reads the folder again, so several processes may
    use it.

    Parameters
    ----------
    folder : `~pathlib.Path` or str
        Folder. It is created with the first step.

    Raises
    ------
    OSError
        If ``folder`` is a file.

    Examples
    --------
    A background, and whether its tilt helps:

    >>> import tempfile
    >>> from gammapy.datasets import Datasets, SpectrumDataset
    >>> from gammapy.diagnostics import FitHistory
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling import Fit
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> counts = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
    >>> background = counts.copy(data=100.0)
    >>> counts.data[:, 0, 0] = [150, 120, 100, 80]
    >>> datasets = Datasets(
    ...     [SpectrumDataset(name="run", counts=counts, background=background)]
    ... )
    >>> datasets.models = [FoVBackgroundModel(dataset_name="run")]
    >>> folder = tempfile.TemporaryDirectory()
    >>> history = FitHistory(folder.name)
    >>> step = history.add("norm", datasets, Fit("newton").run(datasets))
    >>> datasets.models[0].spectral_model.tilt.frozen = False
    >>> step = history.add("tilt", datasets, Fit("newton").run(datasets))
    >>> table = history.table()
    >>> table["ts"].round(1).tolist(), table["n_dof"].tolist()
    ([nan, 23.7], [None, 1])
    >>> print(history.verdict)
    'tilt' against 'norm': TS = 23.7 for 1 more parameter, 4.9 sigma; AIC falls by 21.7.
    >>> folder.cleanup()
    """

    plotter = LazyPlotter("FitHistoryPlotter")

    def __init__(self, folder):
        check_type("folder", folder, (str, Path), "the name of a folder")
        self._folder = make_path(folder).absolute()
        if self._folder.exists() and not self._folder.is_dir():
            raise OSError(f"folder: {str(self._folder)!r} is a file.")
        self._warned = set()

    @property
    def folder(self):
        """Folder, a `~pathlib.Path`."""
        return self._folder

    @property
    def names(self):
        """Names of the steps in order, a list of str."""
        return [step.name for step in self._steps()]

    def __len__(self):
        return len(self._steps())

    def __iter__(self):
        return iter(self._steps())

    def __contains__(self, name):
        return name in self.names

    def __getitem__(self, key):
        """Step by its name or index.

        Parameters
        ----------
        key : str or int
            Name or index.

        Returns
        -------
        step : `HistoryStep`
            Step.
        """
        steps = self._steps()
        if isinstance(key, str):
            for step in steps:
                if step.name == key:
                    return step
            names = [step.name for step in steps]
            raise KeyError(
                f"{key!r} is no step of {str(self._folder)!r}"
                f"{did_you_mean(key, names)}; there are {listed(names) or 'none'}."
            )
        return steps[key]

    def add(
        self,
        name,
        datasets,
        result=None,
        *,
        residuals=None,
        hot_spots=None,
        goodness=None,
        note="",
        overwrite=False,
    ):
        """Add a step.

        Parameters
        ----------
        name : str
            Name of the step.
        datasets : `~gammapy.datasets.Datasets`
            Datasets with their models after the fit. They are not changed.
        result : `~gammapy.modeling.FitResult`, optional
            Result of the fit, or of `~gammapy.modeling.Fit.optimize`. Default is None:
            nothing was fitted.
        residuals : `~gammapy.datasets.SpatialResiduals` or list, optional
            Residuals whose width and spectrum are stored:
            `~gammapy.datasets.SpatialResiduals`, `~gammapy.datasets.SpectralResiduals`,
            or a list of both. Default is None: residuals of all pixels and energies.
            False: no residuals.
        hot_spots : `HotSpots`, `HotSpotEstimator` or bool, optional
            Hot spots to store, or the estimator to find them. Default is None: maps are
            searched, without toys. False: no search.
        goodness : `GoodnessOfFit`, `GoodnessOfFitEstimator` or bool, optional
            Goodness of fit to store, or the estimator for it. True: a test without
            toys. Default is None, no test.
        note : str, optional
            Remark, such as the reason for this step. Default is "".
        overwrite : bool, optional
            Whether to replace an existing step of this name. Default is False.

        Returns
        -------
        step : `HistoryStep`
            The step.

        Raises
        ------
        ValueError
            If the step exists, or the result does not belong to these models.
        TypeError
            If an argument is of the wrong kind.
        OSError
            If the folder cannot be written to.
        """
        check_type("name", name, str, "the name of a step")
        if not name.strip():
            raise ValueError(f"name: expected the name of a step, got {name!r}.")
        check_type("note", note, str, "a text")
        overwrite = check_bool("overwrite", overwrite)
        self._check_new(name, overwrite)
        local = local_datasets(datasets)
        joint = datasets if isinstance(datasets, Datasets) else local
        models = joint.models
        _check_result(result, models)
        stat = joint.stat_sum()
        record = make_record(name, local, models, result, stat, note)
        summary = summarise(
            local,
            datasets,
            residuals=residuals,
            hot_spots=hot_spots,
            goodness=goodness,
        )
        summary.notes += _notes_of(joint, models, result, stat)
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked_folder(self._folder), staging_folder(self._folder) as stage:
            # Somebody else may have added it meanwhile.
            self._check_new(name, overwrite)
            data = DataFiles(self._folder, stage)
            folder = stage / "step"
            folder.mkdir()
            record["datasets"] = write_datasets(local, data, folder)
            write_models(models, data, folder)
            for filename, write in summary.writers.items():
                write(folder / filename)
            record["files"] = data.used
            record["results"] = list(summary.writers)
            record["notes"] = summary.notes
            record = {"verdicts": {}} | record | summary.facts
            return self._put(record, data, folder)

    def _put(self, record, data, folder):
        """Give a step its place, and remove the one that it replaces."""
        steps = self._read()
        replaced = [step for step in steps if step.name == record["name"]]
        record["position"] = (
            replaced[-1].position
            if replaced
            else max((step.position for step in steps), default=-1) + 1
        )
        write_record(record, folder)
        with UnwoundBySigterm() as sigterm, sigterm.held():
            place = max(step_folders(self._folder), default=-1) + 1
            path = move_in(data, self._folder, folder, place, record["name"])
            # Were it killed here, both would be there, of which the later one counts.
            self._discard(replaced)
        return read_step(path)

    def remove(self, name):
        """Remove a step, and the data that no other step needs.

        Parameters
        ----------
        name : str
            Name of the step.

        Raises
        ------
        KeyError
            If there is no such step.
        """
        self[name]
        with locked_folder(self._folder):
            self._discard([step for step in self._read() if step.name == name])

    def _discard(self, steps):
        """Remove steps and the data that they alone need."""
        if not steps:
            return
        for step in steps:
            remove_step(step.folder)
        known = self._read()
        if len(known) < len(step_folders(self._folder)):
            # It is not known which data a damaged step needs.
            return
        needed = {path for step in known for path in step.data_files()}
        for path in {path for step in steps for path in step.data_files()} - needed:
            path.unlink(missing_ok=True)

    def _check_new(self, name, overwrite):
        if not overwrite and name in self.names:
            raise ValueError(
                f"name: step {name!r} exists in {str(self._folder)!r}; use another "
                "name, or overwrite=True."
            )

    def _read(self):
        """Steps that can be read, in the order in which they were written."""
        steps = []
        for folder in step_folders(self._folder).values():
            try:
                steps.append(read_step(folder))
            except ValueError as error:
                self._warn(folder, f"A step of the history is ignored: {error}.")
                continue
            if steps[-1].is_later:
                self._warn(
                    folder,
                    f"Step {steps[-1].name!r} of the history was written by a later "
                    f"version of gammapy, {steps[-1].version}.",
                )
        return steps

    def _warn(self, folder, text):
        """Say once what is odd about a folder."""
        if folder not in self._warned:
            log.warning(text)
            self._warned.add(folder)

    def _steps(self):
        """Steps in order."""
        # Of a step that was being replaced when the process ended the later one counts.
        found = {step.name: step for step in self._read()}
        return sorted(found.values(), key=lambda step: step.position)

    def table(self):
        """Table of the steps.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per step: ``name``, ``n_free`` (parameters that the data determine),
            ``stat``; ``ts``, ``n_dof`` and ``sigma`` relative to the previous step,
            masked or NaN if the data differ; ``caveat``, why sigma is doubtful (see
            `compare`); ``aic`` and ``bic`` (NaN for weighted statistics), which can be
            compared if ``data`` is the same; ``p_value`` of the goodness of fit in all
            cells and ``p_worst`` of the worst test after trials; ``n_spots`` and
            ``spot``, number of hot spots and significance of the highest one, NaN or
            masked if not computed; ``residual_std``, width of the significance;
            ``success`` of the fit, ``time`` (UTC) and ``note``.
        """
        return make_table([step.record for step in self._steps()])

    def compare(self, before, after):
        """Compare two steps.

        Parameters
        ----------
        before, after : str or int
            Names or indices of steps.

        Returns
        -------
        comparison : `StepComparison`
            What changed: statistic, parameters, components, spots, tests.
        """
        return StepComparison(self[before], self[after])

    @property
    def verdict(self):
        """One sentence about the gain of the last step."""
        steps = self._steps()
        if not steps:
            return "There is no step yet."
        if len(steps) == 1:
            stat = number(steps[0].record["stat"])
            return f"{steps[0].name!r} is the only step; its statistic is {stat:.2f}."
        return StepComparison(*steps[-2:]).verdict

    def to_dict(self):
        """All facts of the steps as plain data, which JSON and YAML can hold.

        Returns
        -------
        data : dict
            Verdict, and under "steps" the facts of each.
        """
        records = [step.record for step in self._steps()]
        return {"history": "steps", "verdict": self.verdict, "steps": records}

    def __str__(self):
        table = self.table()
        lines = [type(self).__name__, "", f"  {self.verdict}", ""]
        lines += [f"  folder : {self._folder}", ""]
        text = table[SHOWN].pformat(max_lines=-1, max_width=-1)
        return "\n".join([*lines, *(f"  {line}" for line in text)]) + "\n"

    def _repr_html_(self):
        table = self.table()[SHOWN]
        html = "\n".join(table.pformat(max_lines=-1, max_width=-1, html=True))
        return f"<p><b>{type(self).__name__}</b>: {escape(self.verdict)}</p>\n{html}"


def _check_result(result, models):
    """Raise an error when a result is none, or not of these models."""
    if result is None:
        return
    if not (hasattr(result, "total_stat") and hasattr(result, "models")):
        raise TypeError(f"result: expected a FitResult or None, got {show(result)}.")
    fitted, known = (_values(of) for of in (result.models, models))
    for name in fitted | known:
        values = [values.get(name, np.nan) for values in (fitted, known)]
        if not np.isclose(*values, rtol=SAME, atol=0):
            raise ValueError(
                f"result: it is not of these models: {name} is {values[0]:.6g} "
                f"there and {values[1]:.6g} in the datasets; add a step after its fit."
            )


def _values(models):
    """Values of the parameters by their unique names."""
    names = unique_parameter_names(models or [])
    parameters = {} if models is None else models.parameters.unique_parameters
    return {names[id(par)]: par.value for par in parameters}


def _notes_of(datasets, models, result, stat):
    """What a step does not keep, or what is odd about it; each is a warning."""
    notes = []
    if any(getattr(of, "_penalties", None) for of in (datasets, models)):
        notes.append(
            "Penalties of the models contribute to the statistic, but are not stored."
        )
    if result is not None and abs(result.total_stat - stat) > CHANGE:
        notes.append(
            f"The statistic of the fit is {result.total_stat:.2f}, and that of the "
            f"datasets is {stat:.2f} now: they changed after the fit."
        )
    for note in notes:
        log.warning(note)
    return notes
