# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Do norm fits in one environment, see ``worker.py``.

The answers hold CPU times, for the processes use one thread, and what was found.
"""

import gc
import importlib.util
import logging
import sys
import time
import tracemalloc
from dataclasses import dataclass
from worker import copy_datasets, serve
import numpy as np
import astropy.units as u
import gammapy
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit

SOURCE = "HESS J1702-420B"
IS_FORK = importlib.util.find_spec("gammapy.modeling.newton") is not None


# --- what is timed ---------------------------------------------------------


@dataclass
class Task:
    """Fits of joint datasets, each from the same start.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    free : list of `~gammapy.modeling.Parameter`
        Norms that are fitted; the first one is of interest.
    start : list of tuple
        Their values and errors.
    """

    datasets: Datasets
    free: list
    start: list

    def reset(self):
        """Put the parameters back."""
        for par, (value, error) in zip(self.free, self.start, strict=True):
            par.value, par.error = value, error

    def floor(self):
        """Evaluate the models and make the templates, which any fit needs."""
        from gammapy.modeling.templates import NormTemplates

        NormTemplates.from_datasets(self.datasets, self.free)


@dataclass
class FitTask(Task):
    """Fit with its covariance."""

    def run(self, debug):
        """Fit; the fork's method is asked for, as a user would."""
        return make_fit(debug, "newton").run(self.datasets)

    def result(self, fit):
        """Values, errors and statistic."""
        values = [par.value for par in self.free]
        errors = [par.error for par in self.free]
        return {
            "values": values + errors,
            "errors": errors + errors,
            "stats": [fit.total_stat],
        }


@dataclass
class ProfileTask(Task):
    """Profile of the first norm.

    Parameters
    ----------
    scan : list of float
        Its values.
    """

    scan: list

    def run(self, debug):
        """Scan, all others fitted at each value."""
        parameter = self.free[0]
        parameter.scan_values = np.array(self.scan)
        return make_fit(debug).stat_profile(self.datasets, parameter, reoptimize=True)

    def result(self, profile):
        """Statistic and the values of the others along the profile."""
        positions = [
            self.datasets.models.parameters.index(par) for par in self.free[1:]
        ]
        values = []
        for fit in profile["fit_results"]:
            parameters = fit.models.parameters
            values += [parameters[idx].value for idx in positions]
        errors = [error for _, error in self.start[1:]] * len(self.scan)
        stats = profile["stat_scan"].tolist()
        return {"values": values, "errors": errors, "stats": stats}


@dataclass
class PointsTask(Task):
    """Flux points with asymmetric errors and upper limits.

    Parameters
    ----------
    edges : list of float
        Energies in TeV.
    """

    edges: list

    def run(self, debug):
        """Estimate the flux points, the background norms fitted in each bin."""
        options = {"debug": True} if debug else {}
        estimator = FluxPointsEstimator(
            energy_edges=self.edges * u.TeV,
            source=SOURCE,
            reoptimize=True,
            selection_optional=["errn-errp", "ul"],
            **options,
        )
        return estimator.run(self.datasets)

    def result(self, points):
        """Norms, errors and statistics of each bin."""
        names = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul")
        values = [_quantity(points, name) for name in names]
        errors = [_quantity(points, "norm_err")] * len(names)
        stats = [_quantity(points, name) for name in ("ts", "stat", "stat_null")]
        return {
            "values": np.ravel(values).tolist(),
            "errors": np.ravel(errors).tolist(),
            "stats": np.ravel(stats).tolist(),
        }

    def floor(self):
        """Make the templates of the whole energy range, with the norm of the source.

        As flux points do, it evaluates all components again.
        """
        from gammapy.modeling.templates import NormTemplates

        self.datasets.models = self.datasets.models
        norm = FluxPointsEstimator(energy_edges=self.edges * u.TeV).norm.copy()
        NormTemplates.from_datasets(self.datasets, self.free[1:], scales={SOURCE: norm})


@dataclass
class BackgroundTask:
    """Norms of the background of runs.

    Parameters
    ----------
    runs : list of `~gammapy.datasets.MapDataset`
        Runs.
    """

    runs: list

    def reset(self):
        """Take away the background models."""
        for dataset in self.runs:
            dataset.models = None

    def run(self, debug):
        """Normalise each run."""
        options = {"debug": True} if debug else {}
        maker = FoVBackgroundMaker(method="fit", **options)
        return [maker.run(dataset) for dataset in self.runs]

    def result(self, runs):
        """Norms, errors and statistics."""
        norms = [run.background_model.spectral_model.norm for run in runs]
        values, errors = [norm.value for norm in norms], [norm.error for norm in norms]
        return {
            "values": values + errors,
            "errors": errors + errors,
            "stats": [run.stat_sum() for run in runs],
        }

    def floor(self):
        """Make the template of each run, with the model that it has got."""
        from gammapy.modeling.templates import NormTemplates

        for dataset in self.runs:
            datasets = Datasets([dataset])
            NormTemplates.from_datasets(
                datasets, [dataset.background_model.spectral_model.norm]
            )


def _quantity(points, name):
    return getattr(points, name).data[:, 0, 0]


def make_fit(debug, backend=None):
    """Fit of this environment."""
    options = {"debug": True} if debug else {}
    if backend and IS_FORK:
        options["backend"] = backend
    return Fit(**options)


# --- datasets --------------------------------------------------------------


def free_norms(datasets, n_free=None):
    """Leave norms free and freeze all else.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    n_free : int, optional
        Number of norms, amplitudes of sources included. Default is None: the
        background norms and the amplitude of the source of interest.

    Returns
    -------
    free : list of `~gammapy.modeling.Parameter`
        The norms.
    """
    parameters = list(datasets.models.parameters)
    if n_free is None:
        amplitude = datasets.models[SOURCE].spectral_model.amplitude
        free = [amplitude, *(par for par in parameters if par.name == "norm")]
    else:
        free = [par for par in parameters if par.name in ("amplitude", "norm")][:n_free]
    for par in parameters:
        par.frozen = True
    for par in free:
        par.frozen = False
    return free


def read_runs(n_runs):
    """Runs of the public data release of H.E.S.S., as an analysis has them.

    Parameters
    ----------
    n_runs : int
        Number of runs.

    Returns
    -------
    runs : list of `~gammapy.datasets.MapDataset`
        Datasets without models.
    """
    store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    observations = store.get_observations(
        store.obs_table["OBS_ID"][:n_runs], required_irf=["aeff", "edisp", "bkg"]
    )
    axis = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=24)
    true = MapAxis.from_energy_bounds("0.3 TeV", "80 TeV", nbin=20, name="energy_true")
    maker = MapDatasetMaker(selection=["counts", "background", "exposure", "edisp"])
    masks = SafeMaskMaker(methods=["offset-max"], offset_max=2.2 * u.deg)
    runs = []
    for observation in observations:
        geom = WcsGeom.create(
            skydir=observation.get_pointing_icrs(observation.tmid),
            width=5,
            binsz=0.02,
            axes=[axis],
            frame="icrs",
        )
        empty = MapDataset.create(
            geom, energy_axis_true=true, name=f"run-{observation.obs_id}"
        )
        runs.append(masks.run(maker.run(empty, observation), observation))
    return runs


class Worker:
    """Datasets and what is done with them."""

    def __init__(self):
        self.datasets = self.free = self.start = self.shape = None
        self.runs = []

    # --- tasks ---

    def load(self, directory, n_datasets=None, n_free=None):
        """Read datasets and evaluate their models, so that the caches are warm."""
        datasets = Datasets.read(
            f"{directory}/datasets.yaml", filename_models=f"{directory}/models.yaml"
        )
        if n_datasets is not None:
            datasets = copy_datasets(datasets, n_datasets)
        self.datasets = datasets
        self.free = free_norms(datasets, n_free)
        # Where an analyst would start, and what Minuit takes as its first steps.
        self.start = [
            (1.0, 0.02) if par.name == "norm" else (par.value, par.error)
            for par in self.free
        ]
        for dataset in datasets:
            dataset.npred()
        return self._about(datasets)

    def load_runs(self, n_runs):
        """Read runs, in the place of the datasets."""
        self.datasets = None
        self.runs = read_runs(n_runs)
        return self._about(self.runs)

    def _about(self, datasets):
        self.shape = [int(n_pixels) for n_pixels in datasets[0].counts.geom.data_shape]
        return {
            "version": gammapy.__version__,
            "shape": self.shape,
            "n_datasets": len(datasets),
        }

    def place(self, values, errors):
        """Set where fits start."""
        self.start = [*zip(values, errors, strict=True)]
        return {}

    def time(self, what, debug=False, **options):
        """Time of one call in seconds, and its result."""
        task = self._task(what, options)
        task.reset()
        gc.collect()
        start = time.process_time()
        output = task.run(debug)
        seconds = time.process_time() - start
        return {"seconds": seconds, "result": task.result(output)}

    def time_floor(self, what, **options):
        """Time of making the templates of a task, in seconds."""
        task = self._task(what, options)
        if what != "background":  # whose models the last run has made
            task.reset()
        gc.collect()
        start = time.process_time()
        task.floor()
        return {"seconds": time.process_time() - start}

    def memory(self, what, **options):
        """Peak memory of one call above what was there, in float64 cubes."""
        task = self._task(what, options)
        task.reset()
        gc.collect()
        tracemalloc.start()
        task.run(False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {"cubes": peak / (8 * np.prod(self.shape))}

    def _task(self, what, options):
        if what == "background":
            return BackgroundTask(self.runs)
        kinds = {"fit": FitTask, "profile": ProfileTask, "points": PointsTask}
        return kinds[what](self.datasets, self.free, self.start, **options)


class Formatter(logging.Handler):
    """Formats records and forgets them."""

    def emit(self, record):
        """Do what a handler does before it writes."""
        self.format(record)


def main():
    """Answer requests; log lines are made as for a user who looks at them."""
    logger = logging.getLogger("gammapy")
    logger.setLevel("INFO")
    logger.addHandler(Formatter())
    logger.propagate = False
    serve(Worker())


if __name__ == "__main__":
    sys.exit(main())
