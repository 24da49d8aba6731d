# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Workers that measure: the fork's environment, and one with plain Gammapy 2.1."""

import json
import os
import subprocess
import sys
from pathlib import Path
from reference import ROOT, make_reference

__all__ = ["Environment", "fork_environment", "plain_environment"]


class Environment:
    """A worker process in one environment.

    Parameters
    ----------
    python : `~pathlib.Path` or str
        Interpreter.
    script : str
        File name of the worker.
    path : `~pathlib.Path`, optional
        Where to look for packages first. Default is None.
    """

    def __init__(self, python, script, path=None):
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        variables |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        if path is not None:
            variables["PYTHONPATH"] = str(path)
        self._process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name(script))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, task, **arguments):
        """Answer to one request, a dict."""
        print(
            json.dumps({"task": task, **arguments}),
            file=self._process.stdin,
            flush=True,
        )
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The worker ended during {task}, {arguments}.")
        return json.loads(answer)


def fork_environment(script):
    """Worker with the fork of this folder.

    Parameters
    ----------
    script : str
        File name of the worker.

    Returns
    -------
    environment : `Environment`
        The worker.
    """
    return Environment(sys.executable, script, ROOT / "build" / "merged")


def plain_environment(script):
    """Worker with Gammapy 2.1, which is installed when it is not there.

    Parameters
    ----------
    script : str
        File name of the worker.

    Returns
    -------
    environment : `Environment`
        The worker.
    """
    return Environment(make_reference(), script)
