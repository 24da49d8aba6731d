# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of shapes with datasets that are spread over processes."""

import os
import signal
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets.actors import DatasetsActor
from gammapy.datasets.tests.test_shape_parts import make_runs
from gammapy.modeling import Fit
from gammapy.modeling.models import GaussianPrior
from gammapy.utils.testing import requires_dependency
from gammapy.utils.workers import ProcessWorkers, WorkerError, make_workers

FOUND = ("stat", "gradient", "fisher", "hessian")


@pytest.fixture()
def runs():
    datasets = make_runs(3)
    norm = datasets.models["run-1-bkg"].spectral_model.norm
    norm.prior = GaussianPrior(mu=1, sigma=0.1)
    index = datasets.models["gauss"].spectral_model.index
    index.prior = GaussianPrior(mu=2.2, sigma=0.2)
    datasets.stat_sum()
    return datasets


def free_values(datasets):
    return [par.value for par in datasets.parameters.free_parameters]


def check_same(datasets, n_jobs, backend):
    """The same numbers as in one process, at the start and not only there."""
    free = datasets.parameters.free_parameters
    alone = datasets._smooth_statistic(free)
    values = alone.values
    with datasets._spread(n_jobs, backend) as shared:
        assert_allclose(shared.stat_sum(), datasets.stat_sum(), rtol=1e-10)
        together = shared._smooth_statistic(free)
        for moved in (values, values * 1.001):
            one = alone.derivatives(moved, second=True)
            two = together.derivatives(moved, second=True)
            scales = np.sqrt(np.diag(one.fisher))
            for name in FOUND:
                size = {"stat": 1, "gradient": scales}.get(
                    name, np.outer(scales, scales)
                )
                difference = (getattr(one, name) - getattr(two, name)) / size
                assert_allclose(difference, 0, atol=1e-10 * abs(one.stat))
            assert_allclose(together.stat(moved), alone.stat(moved), rtol=1e-10)
        assert_allclose(together.reach(values), alone.reach(values))
        assert_allclose(together.bounds, alone.bounds)
        assert together.names == alone.names
        assert (together.is_shape == alone.is_shape).all()
        assert not together.is_outgrown()
        assert together.n_truncated(values) == 0
        assert together.broken() == ""


def test_two_processes(runs):
    check_same(runs, 2, "multiprocessing")


def test_fit_with_two_processes(runs):
    start = free_values(runs)
    one = Fit(backend="newton").run(runs)
    best, errors = free_values(runs), [par.error for par in one.parameters]
    for par, value in zip(runs.parameters.free_parameters, start, strict=True):
        par.value = value
    two = Fit(backend="newton", n_jobs=2).run(runs)
    assert two.success
    assert_allclose(two.total_stat, one.total_stat, rtol=1e-10)
    assert_allclose(free_values(runs), best, rtol=1e-6)
    assert_allclose([par.error for par in two.parameters], errors, rtol=1e-6)
    assert_allclose(runs.stat_sum(), two.total_stat, rtol=1e-10)


def test_lost_process_changes_nothing(runs, monkeypatch):
    """One of them is killed in the middle of a fit."""
    before = free_values(runs)
    call, ended = ProcessWorkers.call, []

    def lose_one(self, method, arguments):
        if method == "derivatives" and not ended:
            os.kill(self.processes[1].pid, signal.SIGKILL)
            self.processes[1].join()
            ended.append(self.processes[0])
        return call(self, method, arguments)

    monkeypatch.setattr(ProcessWorkers, "call", lose_one)
    with pytest.raises(WorkerError, match=r"process 2 of 2 has ended \(exit code -9\)"):
        Fit(backend="newton", n_jobs=2).run(runs)
    assert_allclose(free_values(runs), before, rtol=1e-12)
    assert not ended[0].is_alive()


def test_error_in_a_process(runs):
    runs[2].exposure.data[...] = np.nan
    runs.models = runs.models
    with pytest.raises(ValueError, match="is not a number"):
        Fit(backend="newton", n_jobs=2).run(runs)


def test_workers_pass_errors_on():
    with make_workers(list, ["ab", "abc"]) as workers:
        with pytest.raises(ValueError, match="'c' is not in list"):
            workers.call("index", [("c",), ("c",)])
        # Nothing is left from the failed call.
        assert workers.call("index", [("b",), ("c",)]) == [1, 2]


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_bad_number_of_processes(n_jobs):
    with pytest.raises((TypeError, ValueError), match="n_jobs: expected"):
        Fit(n_jobs=n_jobs)


def test_bad_backend():
    with pytest.raises(ValueError, match="parallel_backend"):
        Fit(parallel_backend="threads")


@pytest.fixture()
def cluster():
    """Two nodes of ray on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    handler = signal.getsignal(signal.SIGTERM)
    options = {"num_cpus": 1, "object_store_memory": 80_000_000}
    nodes = Cluster(initialize_head=True, head_node_args=options)
    nodes.add_node(**options)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes
    ray.shutdown()
    nodes.shutdown()
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.long
@requires_dependency("ray")
def test_two_nodes_of_ray(runs, cluster):
    check_same(runs, 2, "ray")
    result = Fit(backend="newton", n_jobs=2, parallel_backend="ray").run(runs)
    assert result.success
    assert_allclose(runs.stat_sum(), result.total_stat, rtol=1e-10)


@pytest.mark.long
@requires_dependency("ray")
def test_datasets_that_are_actors(runs, cluster):
    """Newton's method where the datasets are, and Minuit beside it."""
    start = free_values(runs)
    models = runs.models
    alone = Fit(backend="newton").run(runs)
    best = free_values(runs)
    for par, value in zip(models.parameters.free_parameters, start, strict=True):
        par.value = value
    actors = DatasetsActor(runs.copy())
    actors.models = models
    result = Fit(backend="newton").run(actors)
    assert result.success
    errors = [par.error for par in alone.parameters.free_parameters]
    found = [par.value for par in models.parameters.free_parameters]
    assert_allclose(np.subtract(found, best) / errors, 0, atol=0.01)
    # What is asked of them afterwards is for these parameters.
    npred = actors[0].npred().data
    assert_allclose(npred, runs[0].npred().data, rtol=1e-5, atol=1e-9)
    norm = models["run-0-bkg"].spectral_model.norm
    value, norm.value = norm.value, 1.1 * norm.value
    for par in models.parameters:
        par.frozen = par is not norm
    result = Fit(backend="minuit").optimize(actors)
    assert result.success
    assert_allclose(norm.value, value, atol=0.01 * norm.error)


@pytest.mark.long
@requires_dependency("ray")
def test_lost_actor_changes_nothing(runs, cluster, monkeypatch):
    import ray
    from gammapy.utils.workers import RayWorkers

    before = free_values(runs)
    call = RayWorkers.call

    def lose_one(self, method, arguments):
        if method == "derivatives":
            ray.kill(self.actors[0])
        return call(self, method, arguments)

    monkeypatch.setattr(RayWorkers, "call", lose_one)
    with pytest.raises(WorkerError, match="process 1 of 2 has ended"):
        Fit(backend="newton", n_jobs=2, parallel_backend="ray").run(runs)
    assert_allclose(free_values(runs), before, rtol=1e-12)
    assert ray.is_initialized()
