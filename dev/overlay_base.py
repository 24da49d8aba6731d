# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The base of the merge: the published Gammapy 2.1, or a checkout of it."""

import importlib.metadata
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from sources import OverlayError

__all__ = [
    "Base",
    "base_folder",
    "fetch_base",
    "find_base",
    "is_checkout",
    "open_base",
    "project_name",
    "read_text",
]

VERSION = "2.1"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Base:
    """A folder that holds the unchanged package."""

    folder: Path
    #: licence files of the distribution
    licences: tuple = ()

    @property
    def package(self):
        """Folder of the package itself."""
        return self.folder / "gammapy"


def find_base():
    """Return the installed Gammapy as the base, for the build hook.

    Returns
    -------
    base : `Base`
        The base, checked to be exactly the version that the overlay is made for.
    """
    try:
        distribution = importlib.metadata.distribution("gammapy")
    except importlib.metadata.PackageNotFoundError:
        raise OverlayError(
            f"the base is not installed: gammapy {VERSION} is a build requirement, so"
            " build without --no-build-isolation"
        ) from None
    return _checked_base([distribution], Path(distribution.locate_file("")))


def open_base(folder):
    """Return the base in a folder, as `pip install --target` makes it."""
    folder = Path(folder)
    if is_checkout(folder):
        raise OverlayError(
            f"{folder} is a checkout of Gammapy: only check, diff and export take one,"
            f" expected the release {VERSION} from `pip install --target`"
        )
    found = importlib.metadata.distributions(name="gammapy", path=[str(folder)])
    return _checked_base(list(found), folder)


def is_checkout(folder):
    """Whether a folder holds the sources of Gammapy, of any revision."""
    return (folder / "gammapy/__init__.py").is_file() and project_name(
        folder
    ) == "gammapy"


def project_name(folder):
    """Name of the project in a folder, None when it has none."""
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return tomllib.loads(text).get("project", {}).get("name")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None


def _checked_base(distributions, folder):
    """Check that a folder holds exactly the version that is expected."""
    versions = [distribution.version for distribution in distributions]
    if not versions:
        raise OverlayError(f"the base has no gammapy-{VERSION}.dist-info in {folder}")
    if versions != [VERSION]:
        raise OverlayError(
            f"the base is gammapy {' and '.join(versions)} (in {folder}), expected"
            f" exactly {VERSION}: build without --no-build-isolation"
        )
    files = distributions[0].files or []
    licences = [path.locate() for path in files if "licenses" in path.parts]
    base = Base(folder, tuple(Path(licence) for licence in licences))
    if not (base.package / "__init__.py").is_file():
        raise OverlayError(f"the base has no package: {base.package} is missing")
    return base


def base_folder(root=ROOT):
    """Folder of the downloaded base.

    Its compiled module is for one version of Python, so each has a folder.
    """
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return root / "build" / "base" / f"gammapy-{VERSION}-{python}"


def fetch_base(root=ROOT):
    """Return the base in ``build/base``, downloaded when missing."""
    folder = base_folder(root)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            target = Path(temporary) / folder.name
            _download(target)
            target.rename(folder)
    return open_base(folder)


def _download(target):
    """Install the base and nothing else into a folder."""
    requirement = f"gammapy=={VERSION}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--target", str(target), requirement]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["pip failed"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise OverlayError(
            f"cannot download {requirement}, give a folder with --base: {errors[-1]}"
        )


def read_text(path, name):
    """Text of a file, with its line ends."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise OverlayError(f"{name}:1: is not UTF-8: {error.reason}") from None
