# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The statistic with derivatives of datasets that are spread over processes.

Each process gets its datasets once, with the responses that their evaluators have, and
makes a `SmoothStatistic` of them. For each step it gets the values of parameters and
sends back numbers and small matrices: statistic, gradient, Fisher matrix and Hessian of
the parameters that change its datasets.
"""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
import numpy as np
from gammapy.modeling.linearity import parameter_name
from gammapy.modeling.models import SkyModel
from gammapy.modeling.smooth.statistic import Derivatives
from gammapy.modeling.utils import set_values
from gammapy.utils import parallel
from gammapy.utils.workers import make_workers
from .shape_images import shape_image
from .shape_terms import SmoothStatistic

__all__ = []


def spread(datasets, n_jobs, parallel_backend=None):
    """Spread datasets over processes.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets for which there is no reason in `why_not_shapes`.
    n_jobs : int
        Largest number of processes.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. Default is None, that of `gammapy.utils.parallel`.

    Returns
    -------
    shared : context manager
        Gives the datasets themselves for one process, else `SharedDatasets`.
    """
    n_jobs = min(n_jobs, len(datasets))
    if n_jobs == 1:
        return nullcontext(datasets)
    return _spread(datasets, n_jobs, parallel_backend or parallel.BACKEND_DEFAULT)


@contextmanager
def _spread(datasets, n_jobs, backend):
    # All processes, this one included, are to have the same responses.
    datasets.stat_sum()
    numbers = np.array_split(np.arange(len(datasets)), n_jobs)
    kind = type(datasets)
    parts = [kind([datasets[int(number)] for number in own]) for own in numbers]
    with make_workers(StatisticWorker, parts, backend) as workers:
        yield SharedDatasets(datasets, parts, workers)


class SharedDatasets:
    """Datasets in processes, with what a fit of shapes asks of datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        All of them; only their models are used.
    parts : list of `~gammapy.datasets.Datasets`
        Datasets of each process.
    workers : `~gammapy.utils.workers.ProcessWorkers`
        Processes, each with a `StatisticWorker`.
    """

    def __init__(self, datasets, parts, workers):
        self.unique_models = datasets.unique_models
        self.workers = workers
        self._stacked = datasets._stacked_parameters()
        self.parameters = [list(part.parameters) for part in parts]

    def stat_sum(self):
        """Statistic at the present values, as that of `~gammapy.datasets.Datasets`."""
        values = [([par.value for par in own],) for own in self.parameters]
        stats = self.workers.call("stat_sum", values)
        return sum(stats) + self._stacked.prior_stat_sum()

    def places(self, parameters):
        """Where parameters are among those of each process, those that it has."""
        free = {id(par) for par in parameters}
        return [
            [number for number, par in enumerate(known) if id(par) in free]
            for known in self.parameters
        ]

    def _smooth_statistic(self, parameters):
        return SharedStatistic(self, parameters)


class SharedStatistic(SmoothStatistic):
    """Statistic with its derivatives, summed over processes.

    Parameters
    ----------
    shared : `SharedDatasets`
        Datasets.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.
    """

    def __init__(self, shared, parameters):
        self.parameters = list(parameters)
        self.models = shared.unique_models
        self.names = [parameter_name(self.models, par) for par in self.parameters]
        indices = {id(par): idx for idx, par in enumerate(self.parameters)}
        self._workers = shared.workers
        # For each process: which of these it has, and where among its own.
        places = shared.places(self.parameters)
        self._own = [
            np.array([indices[id(known[place])] for place in own], dtype=int)
            for known, own in zip(shared.parameters, places, strict=True)
        ]
        drawn = self._workers.call("make", [(own,) for own in places])
        self.sources = [
            _source(model, indices, drawn)
            for model in self.models
            if isinstance(model, SkyModel)
        ]
        self._set_priors(indices)

    def _call(self, method, values, *args):
        values = np.asarray(values, dtype=float)
        arguments = [(values[own].tolist(), *args) for own in self._own]
        return self._workers.call(method, arguments)

    def stat(self, values=None):
        if values is not None:
            self._set(values)
        found = self._call("stat", self.values)
        self.is_positive = all(is_positive for _stat, is_positive in found)
        return sum(stat for stat, _is_positive in found) + self._prior()

    def unseen(self):
        unseen = np.ones(len(self.parameters), dtype=bool)
        for own, found in zip(
            self._own, self._call("unseen", self.values), strict=True
        ):
            unseen[own] &= found
        return unseen

    def n_truncated(self, values):
        self._set(values)
        return sum(self._call("n_truncated", values))

    def broken(self):
        return next((name for name in self._call("broken", self.values) if name), "")

    def is_outgrown(self):
        return any(self._call("is_outgrown", self.values))

    def derivatives(self, values, *, second=False, shapes=True):
        self._set(values)
        stat, gradient = self._prior(), 2 * self.precision * (values - self.mean)
        fisher = np.diag(2 * self.precision)
        hessian = fisher.copy() if second else None
        for own, found in zip(
            self._own, self._call("derivatives", values, second, shapes), strict=True
        ):
            stat += found.stat
            gradient[own] += found.gradient
            fisher[np.ix_(own, own)] += found.fisher
            if second:
                hessian[np.ix_(own, own)] += found.hessian
        return Derivatives(stat, gradient, fisher, hessian)


def _source(model, indices, drawn):
    """What bounds and steps need of a source: its shape and its pixels."""
    spatial = getattr(model, "spatial_model", None)
    known = [] if spatial is None else spatial.parameters
    free = [par for par in known if id(par) in indices]
    shape = list({id(par): par for par in free}.values())
    geoms = [geom for own in drawn for geom in own.get(model.name, [])]
    images = [shape_image(spatial, shape, geom) for geom in geoms]
    return SimpleNamespace(
        model=model,
        shape=shape,
        idx_shape=np.array([indices[id(par)] for par in shape], dtype=int),
        drawings=[(image, []) for image in images],
    )


class StatisticWorker:
    """Statistic of the datasets of one process.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    """

    def __init__(self, datasets):
        self.datasets = datasets
        self.parameters = list(datasets.parameters)
        self.statistic = None

    def stat_sum(self, values):
        """Statistic without priors at the values of all parameters."""
        set_values(self.parameters, values)
        return sum(dataset.stat_sum() for dataset in self.datasets)

    def why_not(self, places):
        """Why there is no statistic with derivatives of these parameters."""
        return self.datasets._why_not_smooth([self.parameters[idx] for idx in places])

    def make(self, places):
        """Make the statistic of parameters, by where they are among all.

        Returns
        -------
        drawn : dict
            Geometries of the images of each source, by its name.
        """
        free = [self.parameters[place] for place in places]
        self.statistic = self.datasets._smooth_statistic(free)
        self.statistic.leave_out_priors()
        return {
            source.model.name: [image.geom for image, _grids in source.drawings]
            for source in self.statistic.sources
        }

    def stat(self, values):
        """Statistic at some values, and whether no component is negative."""
        return self.statistic.stat(values), self.statistic.is_positive

    def unseen(self, values):
        """Which parameters act on components that no used bin sees."""
        set_values(self.statistic.parameters, values)
        return self.statistic.unseen()

    def n_truncated(self, values):
        """Number of bins with counts and no model."""
        return self.statistic.n_truncated(values)

    def broken(self, values):
        """Name of a component that is not a number."""
        set_values(self.statistic.parameters, values)
        return self.statistic.broken()

    def is_outgrown(self, values):
        """Whether a source reaches out of its cutout."""
        set_values(self.statistic.parameters, values)
        return self.statistic.is_outgrown()

    def derivatives(self, values, second, shapes):
        """Statistic and derivatives at some values."""
        return self.statistic.derivatives(
            np.array(values), second=second, shapes=shapes
        )
