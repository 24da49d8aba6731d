# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The machine on which benchmarks are measured, and the day."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
import numpy as np

__all__ = ["describe", "machine_text", "today"]

GIGABYTE = 2**30


def today():
    """Date of today in UTC, in ISO format."""
    return datetime.now(UTC).date().isoformat()


def describe():
    """What the times depend on besides the code.

    Returns
    -------
    machine : dict
        "cpu", its model; "n_cores"; "memory" in GiB; "system"; versions of "python" and
        "numpy".
    """
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "n_cores": os.cpu_count(),
        "memory": round(pages * size / GIGABYTE),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _cpu_model():
    """Name of the processor, as the system says it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [
        line.partition(":")[2].strip() for line in lines if "model name" in line.lower()
    ]
    return names[0] if names else platform.processor() or platform.machine()


def machine_text(machine):
    """A machine in words.

    Parameters
    ----------
    machine : dict
        As `describe` returns it.

    Returns
    -------
    text : str
        Text without a period.
    """
    return (
        f"{machine['n_cores']} cores of {machine['cpu']}, {machine['memory']} GiB of "
        f"memory, {machine['system']}, Python {machine['python']}, "
        f"numpy {machine['numpy']}"
    )
