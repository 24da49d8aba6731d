# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Each subpackage can be the first that is imported: no import runs in a circle."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
import pytest

OVERLAY = Path(__file__).parents[2] / "gammapy"
SUBPACKAGES = sorted(path.name for path in OVERLAY.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", [*SUBPACKAGES, "maps"])
def test_first_import(name):
    code = f"import gammapy.{name}"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_version():
    import gammapy
    import gammapy.version

    assert gammapy.__version__ == gammapy.version.version == version("gammapy")
    assert gammapy.__version__ == "2.2.dev0"
