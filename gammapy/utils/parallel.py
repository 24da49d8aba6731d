# Licensed under a 3-clause BSD style license - see LICENSE.rst
from functools import partial
from gammapy.utils import pbar


def _call(func, arguments):
    """Call of a function with a tuple of arguments, in another process."""
    return func(*arguments)


def run_pool_star_map(pool, func, inputs, method_kwargs=None, task_name=""):
    """Notes
    -----
    The progress bar counts what is done, not what was sent.
    """
    if not pbar.SHOW_PROGRESS_BAR:
        return _upstream_run_pool_star_map(
            pool, func, inputs, method_kwargs=method_kwargs, task_name=task_name
        )
    inputs = list(inputs)
    done = pool.imap(partial(_call, func), inputs, **method_kwargs)
    return [next(done) for _arguments in progress_bar(inputs, desc=task_name)]


def run_pool_async(pool, func, inputs, method_kwargs=None, task_name=""):
    """Notes
    -----
    The progress bar counts what is done, not what was sent.
    """
    results = [
        pool.apply_async(func, arguments, **method_kwargs) for arguments in inputs
    ]
    for result in progress_bar(results, desc=task_name):
        result.wait()
    return results
