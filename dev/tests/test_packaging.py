# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a build from a clean clone gives. Needs the package index, and a minute."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the last commit."""
    folder = tmp_path_factory.mktemp("build")
    clone = folder / "with a space"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", str(folder), "."], cwd=clone, check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield path, archive


@pytest.mark.long
def test_wheel(wheel):
    path, archive = wheel
    names = archive.namelist()
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert path.name.startswith(f"gammapy-2.2.dev0-{python}-{python}-")
    assert not path.name.endswith("-any.whl")
    assert {"gammapy/datasets/residuals/spatial.py", "gammapy/maps/geom.py"} < set(
        names
    )
    assert any(name.endswith(".so") for name in names)
    assert not any(".merged" in name or "__pycache__" in name for name in names)

    info = "gammapy-2.2.dev0.dist-info"
    licences = {name for name in names if name.startswith(f"{info}/licenses/")}
    assert licences == {
        f"{info}/licenses/LICENSE.rst",
        f"{info}/licenses/build/gammapy-2.1/LICENSE.rst",
    }
    base = archive.read(f"{info}/licenses/build/gammapy-2.1/LICENSE.rst")
    assert b"Gammapy developers" in base
    metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    assert metadata["Version"] == "2.2.dev0"
    assert len(metadata.get_all("License-File")) == 2
    assert set(metadata.get_all("Provides-Extra")) >= {"all", "docs", "test"}
    assert "regions<0.12,>=0.9" in metadata.get_all("Requires-Dist")
