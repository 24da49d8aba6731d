# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Objects in other processes, whose methods are called repeatedly."""

import importlib.util
import multiprocessing
import signal
import threading
from contextlib import contextmanager

__all__ = ["WorkerError", "make_workers"]


class WorkerError(RuntimeError):
    """A process that did a part of the work has ended.

    Examples
    --------
    >>> from gammapy.utils.workers import WorkerError
    >>> issubclass(WorkerError, RuntimeError)
    True
    """


@contextmanager
def make_workers(factory, payloads, backend="multiprocessing"):
    """Create an object in a separate process for each payload, and end them afterwards.

    Parameters
    ----------
    factory : callable
        Makes the object of a payload. It must be known by its name, as must be what the
        methods return.
    payloads : list
        What each object is made of; it is sent once.
    backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Yields
    ------
    workers : `ProcessWorkers` or `RayWorkers`
        Both have a method ``call(method, arguments)``, which calls the method of each
        object with its own tuple of arguments, all at once, and returns a list.

    Raises
    ------
    WorkerError
        If a process ends before its time.
    ModuleNotFoundError
        If there is no ray.

    Examples
    --------
    >>> from gammapy.utils.workers import make_workers
    >>> with make_workers(list, ["ab", "abc"]) as workers:
    ...     workers.call("__len__", [(), ()])
    [2, 3]
    """
    workers = (RayWorkers if backend == "ray" else ProcessWorkers)(factory, payloads)
    try:
        yield workers
    finally:
        workers.close()


def _is_gone(number, total, reason):
    return WorkerError(
        f"n_jobs: process {number + 1} of {total} has ended ({reason}); nothing was "
        "changed. Run it again, with fewer processes if memory was short."
    )


class ProcessWorkers:
    """Objects in processes of this machine.

    Parameters are as for `make_workers`.
    """

    def __init__(self, factory, payloads):
        context = multiprocessing.get_context()
        self.processes, self._pipes = [], []
        for payload in payloads:
            here, there = context.Pipe()
            process = context.Process(
                target=_serve, args=(there, factory, payload), daemon=True
            )
            process.start()
            there.close()
            self.processes.append(process)
            self._pipes.append(here)

    def call(self, method, arguments):
        """Call a method of each object, see `make_workers`."""
        for number, own in enumerate(arguments):
            try:
                self._pipes[number].send((method, own))
            except OSError:
                raise self._gone(number) from None
        answers = [self._answer(number) for number in range(len(arguments))]
        for error, _result in answers:
            if error is not None:
                raise error
        return [result for _error, result in answers]

    def _answer(self, number):
        try:
            return self._pipes[number].recv()
        except (EOFError, OSError):
            raise self._gone(number) from None

    def _gone(self, number):
        process = self.processes[number]
        process.join(1)
        reason = f"exit code {process.exitcode}"
        return _is_gone(number, len(self.processes), reason)

    def close(self):
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self.processes:
            process.join(5)
            if process.is_alive():
                process.terminate()
                process.join()


def _serve(pipe, factory, payload):
    """Answer messages until the pipe is closed."""
    # Ctrl-C is for the process that asked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        target, error = factory(payload), None
    except Exception as found:
        target, error = None, found
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        is_made = error is None
        pipe.send(_answer(target, method, arguments) if is_made else (error, None))


def _answer(target, method, arguments):
    try:
        return None, getattr(target, method)(*arguments)
    except Exception as error:
        return error, None


class _Holder:
    """Object in an actor of ray."""

    def __init__(self, factory, payload):
        self.target = factory(payload)

    def call(self, method, arguments):
        return getattr(self.target, method)(*arguments)


class RayWorkers:
    """Objects in actors of ray, on the nodes of the cluster that is connected.

    Without one, a local one is started and shut down at the end. Parameters are as for
    `make_workers`.
    """

    def __init__(self, factory, payloads):
        if importlib.util.find_spec("ray") is None:
            raise ModuleNotFoundError(
                "parallel_backend: ray is missing; install it (pip install ray) or "
                "use 'multiprocessing'."
            )
        import ray

        self._ray = ray
        self._is_own = not ray.is_initialized()
        if self._is_own:
            self._handler = signal.getsignal(signal.SIGTERM)
            ray.init(
                num_cpus=len(payloads), include_dashboard=False, log_to_driver=False
            )
        holder = ray.remote(_Holder).options(scheduling_strategy="SPREAD")
        self.actors = [holder.remote(factory, payload) for payload in payloads]

    def call(self, method, arguments):
        """Call a method of each object, see `make_workers`."""
        answers = [
            actor.call.remote(method, own)
            for actor, own in zip(self.actors, arguments, strict=True)
        ]
        return ray_answers(answers)

    def close(self):
        """End the actors, and ray where it was started for them."""
        for actor in self.actors:
            self._ray.kill(actor)
        if self._is_own:
            self._ray.shutdown()
            # It leaves one of its own.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, self._handler)


def ray_answers(answers):
    """What actors of ray answer, in turn.

    Parameters
    ----------
    answers : list of ``ray.ObjectRef``
        One for each actor.

    Returns
    -------
    results : list
        Results.

    Raises
    ------
    WorkerError
        If an actor has ended.
    """
    import ray

    results = []
    for number, answer in enumerate(answers):
        try:
            results.append(ray.get(answer))
        except ray.exceptions.RayActorError as error:
            reason = str(error).splitlines()[0]
            raise _is_gone(number, len(answers), reason) from None
    return results
