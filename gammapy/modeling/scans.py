# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic along the values of parameters, with the others fitted at each point."""

import itertools
import logging
from dataclasses import dataclass
import numpy as np
from gammapy.utils import parallel
from gammapy.utils.arguments import check_bool, check_n_jobs, show
from gammapy.utils.pbar import progress_bar
from .automatic import Choice, choose, choose_for_scan
from .fit_log import log_row
from .fit_table import (
    add_pulls,
    best_fit_values,
    fit_row,
    norm_row,
    stack_rows,
    undetermined_names,
    unique_parameter_names,
    with_unit,
)
from .measured_background import measured_background
from .newton.minimise import fit_norms
from .norm_results import NormResults, warn_undetermined
from .smooth_scan import SmoothScan
from .utils import check_counts, set_values

__all__ = []

log = logging.getLogger(__name__)


@dataclass
class Scan:
    """Scan of one or more parameters.

    When all that varies is norms, templates are made once, and each point is a fit by
    Newton's method. When the scanned parameters are not, templates are made for each
    point. Shapes and spectra with derivatives are fitted by Newton's method, too, each
    point from its neighbour. All other scans take a fit with the optimiser per point.
    These start from the same values, so that results do not depend on the number of
    processes.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    scanned : list of `~gammapy.modeling.Parameter`
        Parameters to scan.
    reoptimize : bool
        Whether the other free parameters are fitted.
    debug : bool
        Whether to keep and log the fitted values.
    label : str
        What was called, for the log.
    result_class : type, optional
        `~gammapy.modeling.OptimizeResult`, for norm fits. Default is None.
    """

    fit: object
    datasets: object
    scanned: list
    reoptimize: bool
    debug: bool
    label: str
    result_class: type = None

    def __post_init__(self):
        self.reoptimize = check_bool("reoptimize", self.reoptimize)
        check_counts(self.datasets)
        # Each access of the datasets' models makes new ones.
        self.models = self.datasets.models
        self.parameters = self.models.parameters
        self.names = unique_parameter_names(self.models)
        self.scan_names = [self.names[id(par)] for par in self.scanned]
        self.values = [par.scan_values for par in self.scanned]
        for name, values in zip(self.scan_names, self.values, strict=True):
            _check_values(name, values)
        self.points = list(itertools.product(*self.values))
        scanned = {id(par) for par in self.scanned}
        if len(scanned) < len(self.scanned):
            raise ValueError(
                f"{self.scan_names[0]} cannot be scanned against itself; for a single "
                "parameter there is Fit.stat_profile."
            )
        free = self.parameters.unique_parameters.free_parameters
        self.free = [par for par in free if id(par) not in scanned]
        self.start = [par.value for par in self.free]
        self.undetermined = {}

    def run(self, n_jobs=None, parallel_backend=None):
        """Scan, and put all parameters back.

        Parameters
        ----------
        n_jobs : int, optional
            Number of processes, for scans that need the optimiser.
            Default is `gammapy.utils.parallel.N_JOBS_DEFAULT`.
        parallel_backend : {"multiprocessing", "ray"}, optional
            How to run them. Default is `gammapy.utils.parallel.BACKEND_DEFAULT`.

        Returns
        -------
        scan : dict
            Result of `~gammapy.modeling.Fit.stat_surface` or, with one parameter,
            `~gammapy.modeling.Fit.stat_profile`.

        Raises
        ------
        ValueError
            If ``n_jobs`` is no positive number, or there is no such parallel backend.
        """
        n_jobs = check_n_jobs(n_jobs, parallel_backend)
        best_fit = best_fit_values(self.models) if self.debug else {}
        with self.parameters.restore_status():
            points = [
                self._keep(*point, best_fit)
                for point in self._iter_points(n_jobs, parallel_backend)
            ]
        warn_undetermined(list(self.undetermined))
        stats, results, rows = zip(*points, strict=True) if points else [()] * 3
        return self._collect(stats, results, rows, best_fit)

    def _collect(self, stats, results, rows, best_fit):
        shape = tuple(len(value) for value in self.values)
        results = list(results) if self.reoptimize else []
        if len(shape) > 1 and self.reoptimize:
            results = _object_array(results, shape)
        scan = {
            f"{name}_scan": values
            for name, values in zip(self.scan_names, self.values, strict=True)
        }
        scan["stat_scan"] = np.array(stats, dtype=float).reshape(shape)
        scan["fit_results"] = results
        if self.debug and self.reoptimize:
            meta = {"scan": self.scan_names, "best_fit": best_fit}
            scan["nuisance"] = stack_rows(rows, meta=meta)
        return scan

    def _keep(self, point, stat, result, row, best_fit):
        """What a point leaves; its row is completed and logged."""
        if row is None:
            return stat, result, None
        identify = {
            name: with_unit(value, par.unit)
            for name, par, value in zip(
                self.scan_names, self.scanned, point, strict=True
            )
        }
        row = add_pulls(row, best_fit)
        log_row(log, self.label, row, identify=identify)
        return stat, result, {**identify, **row}

    # --- the ways to go from point to point --------------------------------

    def _iter_points(self, n_jobs, parallel_backend):
        """Iterate over scanned values, statistic, fit result and row of each point."""
        free = self.free if self.reoptimize else []
        choice = choose_for_scan(self.fit, self.datasets, self.scanned, free)
        if self.reoptimize:
            for par in self.scanned:
                par.frozen = True
        if self.reoptimize or choice.templates is not None:
            choice.log(self.label)
        if choice.templates is not None:
            return self._from_templates(choice.templates)
        if not self.reoptimize:
            return self._without_fit()
        if choice.at_each_value:
            return self._from_new_templates()
        if choice.is_fast:
            return self._from_derivatives()
        if n_jobs > 1:
            return self._from_processes(n_jobs, parallel_backend)
        return self._from_fits(self._progress(self.points))

    def _progress(self, points):
        return progress_bar(points, desc="Scan values")

    def _set(self, point):
        set_values(self.scanned, point)

    def _without_fit(self):
        for point in self._progress(self.points):
            self._set(point)
            yield point, self.datasets.stat_sum(), None, None

    def _from_templates(self, templates):
        if not self.reoptimize:
            for point in self._progress(self.points):
                templates = templates.extended(np.array(point))
                yield point, templates.stat_sum(np.array(point)), None, None
            return
        results = NormResults(self.models, self.result_class)
        start = templates.values
        for point in self._progress(self.points):
            fixed = dict(zip(self.scanned, point, strict=True))
            fit = fit_norms(templates, start=start, fixed=fixed)
            templates = fit.templates
            if fit.success:
                start = fit.values
            measured = templates.measured_background(fit.values) if self.debug else {}
            kept = slice(len(self.scanned), None)
            yield from self._norm_point(point, fit.select(kept), results, measured)

    def _from_new_templates(self):
        results = NormResults(self.models, self.result_class)
        changed, last = self._scanned_models(), None
        for point in self._progress(self.points):
            self._set(point)
            choice = choose(
                self.fit, self.datasets, self.free, reuse=last, changed=changed
            )
            last = choice.templates
            if last is None:
                choice.log(self.label)
                yield from self._from_fits([point])
            else:
                fit = fit_norms(last)
                measured = last.measured_background(fit.values) if self.debug else {}
                yield from self._norm_point(point, fit, results, measured)

    def _from_derivatives(self):
        """Fits by Newton's method, each from the nearest point that is done."""
        fitter = SmoothScan(self.datasets, self.scanned, self.free, self.points)
        results = NormResults(self.models, self.result_class)
        for point in self._progress(self.points):
            try:
                fit = fitter.fit(point)
            except ValueError as error:
                if not self.fit.is_automatic:
                    raise
                # Such as a shape that cannot be drawn there.
                Choice(self.fit.backend, reason=str(error)).log(self.label)
                yield from self._from_fits([point])
            else:
                measured = measured_background(self.datasets) if self.debug else {}
                yield from self._norm_point(point, fit, results, measured)

    def _scanned_models(self):
        """Names of the models that change from point to point."""
        scanned = {id(par) for par in self.scanned}
        names = [
            model.name
            for model in self.models
            if any(id(par) in scanned for par in model.parameters)
        ]
        # A parameter may hide in a model that does not list it.
        found = {id(par) for model in self.models for par in model.parameters}
        return names if scanned <= found else self.models.names

    def _norm_point(self, point, fit, results, measured):
        """A point where norms were fitted; the optimiser goes on where that failed."""
        # Where no norms give all counts a model, others would find a false minimum.
        is_possible = not np.isposinf(fit.stat)
        if not fit.success and is_possible and self.fit.is_automatic:
            reason = f"at {point}: {fit.message}"
            Choice(self.fit.backend, reason=reason).log(self.label)
            yield from self._from_fits([point])
            return
        unknown = undetermined_names(fit, self.free, self.names)
        self.undetermined |= dict.fromkeys(unknown)
        row = norm_row(fit, self.free, self.names) | measured if self.debug else None
        parameters = [*zip(self.scanned, point, strict=True)]
        yield point, fit.stat, results.make(fit, self.free, parameters), row

    def _from_fits(self, points):
        for point in points:
            self._set(point)
            set_values(self.free, self.start)
            result, row = self.fit.fit_nuisance(self.datasets), None
            if self.debug:
                row = fit_row(self.models, result, names=self.names)
                row |= measured_background(self.datasets)
            yield point, result.total_stat, result, row

    def _from_processes(self, n_jobs, parallel_backend):
        indices = [self.parameters.index(par) for par in self.scanned]
        parts = [
            chunk.tolist()
            for chunk in np.array_split(self.points, n_jobs)
            if len(chunk)
        ]
        inputs = [
            (self.fit, self.datasets, indices, part, self.debug) for part in parts
        ]
        done = parallel.run_multiprocessing(
            fit_points,
            inputs,
            backend=parallel_backend,
            pool_kwargs={"processes": n_jobs},
            task_name="Scan values",
        )
        return itertools.chain.from_iterable(done)


def fit_points(fit, datasets, indices, points, debug):
    """Fit at some points of a scan, in a process of its own.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit.
    datasets : `~gammapy.datasets.Datasets`
        Datasets with the scanned parameters frozen.
    indices : list of int
        The scanned parameters among those of the models.
    points : list of list of float
        Values of the scanned parameters.
    debug : bool
        Whether to make rows of nuisance values.

    Returns
    -------
    results : list of tuple
        Values, statistic, fit result and row. The results are without the optimiser,
        which cannot leave its process.
    """
    scanned = [datasets.models.parameters[idx] for idx in indices]
    scan = Scan(fit, datasets, scanned, True, debug, "")
    results = []
    for point, stat, result, row in scan._from_fits(points):
        result._factor_covariance = _array_or_none(result.factor_covariance)
        result._minuit = None
        results.append((tuple(point), stat, result, row))
    return results


def _array_or_none(matrix):
    return None if matrix is None else np.array(matrix)


def _check_values(name, values):
    """Raise a ValueError when the scan values of a parameter are no finite numbers."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"Scan values of {name}: expected a list of finite numbers, got "
            f"{show(values)}; set scan_values, or scan_min and scan_max."
        )


def _object_array(items, shape):
    """Array of objects, also when they look like sequences."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)
