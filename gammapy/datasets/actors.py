# Licensed under a 3-clause BSD style license - see LICENSE.rst
from contextlib import nullcontext
from gammapy.utils.workers import ray_answers
from .shape_shared import SharedDatasets, SharedStatistic, StatisticWorker


class DatasetsActor:
    def _why_not_smooth(self, parameters):
        """Why the backend "newton" cannot fit these parameters, "" when it can."""
        shared = self._shared()
        own = shared.places(parameters)
        reasons = shared.workers.call("why_not", [(places,) for places in own])
        return next((reason for reason in reasons if reason), "")

    def _smooth_statistic(self, parameters):
        return SharedStatistic(self._shared(), parameters)

    def _spread(self, n_jobs, parallel_backend=None):
        """The datasets where they are: each has a process of its own."""
        return nullcontext(self._shared())

    def _shared(self):
        return SharedDatasets(self, list(self), ActorWorkers(list(self)))


class ActorWorkers:
    """Statistics in the processes of datasets, see `make_workers`.

    Parameters
    ----------
    actors : list of `MapDatasetActor`
        Datasets.
    """

    def __init__(self, actors):
        self.actors = actors
        # Each gets the models that it has here, whose parameters are numbered.
        self._updates = [{"models": actor.models} for actor in actors]

    def call(self, method, arguments):
        """Call a method of each `StatisticWorker` with its own arguments."""
        answers = []
        for number, (actor, own) in enumerate(zip(self.actors, arguments, strict=True)):
            update, self._updates[number] = self._updates[number], {}
            answers.append(actor._actor._call_worker.remote(method, own, update))
            # Whatever is asked next finds the parameters as they are here then.
            actor._to_update["models"] = actor.models
        return ray_answers(answers)


class MapDatasetActor:
    @property
    def parameters(self):
        """Parameters of the models, each one once."""
        return self.models.parameters.unique_parameters


class _MapDatasetActorBackend:
    def _call_worker(self, method, arguments, to_update):
        """Ask the statistic of this dataset with its derivatives."""
        for key, value in to_update.items():
            setattr(self, key, value)
            # The same dataset without the methods that ray has changed.
            dataset = MapDataset.__new__(MapDataset)
            dataset.__dict__ = self.__dict__
            self._worker = StatisticWorker(Datasets([dataset]))
        return getattr(self._worker, method)(*arguments)
