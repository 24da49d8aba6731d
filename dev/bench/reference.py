# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""An environment with plain Gammapy 2.1, to compare the fork with."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["ROOT", "make_reference"]

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "build" / "bench-2.1"

# The same versions as in the fork's environment, so that the ratio is Gammapy's alone.
# They are below the caps without which Gammapy 2.1 does not import or compute.
SAME = ("numpy", "scipy", "astropy", "regions")


def requirements():
    """What is installed, a list of str."""
    return ["gammapy==2.1", *(f"{name}=={version(name)}" for name in SAME)]


def run(*command):
    """Run a command; a RuntimeError with its last words when it fails."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode:
        words = (result.stderr or result.stdout).strip().splitlines()[-3:]
        raise RuntimeError(
            "The environment with Gammapy 2.1 could not be made: " + " ".join(words)
        )


def make_reference():
    """Make the environment, or leave it alone when it is complete.

    Returns
    -------
    python : `~pathlib.Path`
        Its interpreter.
    """
    python = ENVIRONMENT / "bin" / "python"
    # Written last: without it an installation was interrupted, and starts afresh.
    stamp = ENVIRONMENT / "ready"
    wanted = f"{sys.version} {' '.join(requirements())}"
    if stamp.exists() and stamp.read_text() == wanted:
        return python

    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    run(sys.executable, "-m", "venv", str(ENVIRONMENT))
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    run(*pip, *requirements())
    stamp.write_text(wanted)
    return python
