# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Trees of Gammapy in which topics are proven: the release, and a later revision."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path
from overlay_base import ROOT, VERSION, fetch_base

__all__ = [
    "Tree",
    "checkout_tree",
    "failed_tests",
    "known_failures",
    "release_tree",
    "run_tests",
]

FOLDER = ROOT / "build" / "upstream"

#: What a test run needs beside Gammapy. pytest-astropy cannot be loaded by pytest 9.2.
TEST_PACKAGES = ("pytest<9.2", "pytest-astropy", "pytest-xdist", "healpy", "naima")


@dataclass(frozen=True)
class Tree:
    """A working tree of Gammapy, with an interpreter that its tests run with."""

    name: str
    folder: Path
    python: str
    #: what the table calls it, such as "2.1" or a commit with its date
    revision: str
    #: commit without topics
    base: str = ""

    def run(self, *command, **options):
        """Run a command in the tree, with its package first on the path."""
        environment = os.environ | {
            "PYTHONPATH": str(self.folder),
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            **options,
        )

    def git(self, *arguments):
        """Output of a git command in the tree."""
        identity = ("-c", "user.name=topics", "-c", "user.email=topics@localhost")
        command = ["git", *identity, "-C", str(self.folder), *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.strip()


def release_tree(folder=FOLDER / f"v{VERSION}"):
    """The release, unpacked from its source distribution.

    Parameters
    ----------
    folder : `~pathlib.Path`, optional
        Where to; what is there is replaced. Default is below ``build/upstream``.

    Returns
    -------
    tree : `Tree`
        The tree, in which nothing was changed.
    """
    archive = ROOT / "build" / "sdist" / f"gammapy-{VERSION}.tar.gz"
    if not archive.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "gammapy", "--dest", str(archive.parent)]
        subprocess.run([*command, f"gammapy=={VERSION}"], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        (Path(temporary) / f"gammapy-{VERSION}").rename(folder)
    # Its compiled module is that of the wheel.
    base = fetch_base().folder
    for path in base.rglob("gammapy/**/*.so"):
        shutil.copy2(path, folder / path.relative_to(base))
    tree = Tree(f"v{VERSION}", folder, sys.executable, VERSION)
    tree.git("init", "--quiet")
    tree.git("add", "--all", "--force")
    tree.git("commit", "--quiet", "--message", f"Gammapy {VERSION}")
    _check_package(tree)
    return replace(tree, base=tree.git("rev-parse", "HEAD"))


def checkout_tree(checkout, python=None):
    """A clone of a checkout, installed into an environment of its own.

    Parameters
    ----------
    checkout : path-like
        Git repository of Gammapy; its HEAD is taken.
    python : str, optional
        Interpreter. Default is the newest of 3.14, 3.13 and 3.12 that runs.

    Returns
    -------
    tree : `Tree`
        The tree, in which nothing was changed.
    """
    folder, venv = FOLDER / "main", FOLDER / "main-venv"
    shutil.rmtree(folder, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(checkout), str(folder)]
    subprocess.run(clone, check=True)
    if not (venv / "ready").is_file():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python or _find_python(), "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-e", str(folder), *TEST_PACKAGES], check=True)
    (venv / "ready").touch()
    tree = Tree("main", folder, str(venv / "bin" / "python"), "")
    commit, short, date = tree.git("log", "-1", "--format=%H %h %cs").split()
    _check_package(tree)
    return replace(tree, revision=f"{short} of {date}", base=commit)


def _find_python():
    """Interpreter for the main branch, which needs Python 3.12."""
    for name in ("python3.14", "python3.13", "python3.12"):
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0
        ):
            return path
    raise SystemExit("the checkout needs Python >= 3.12: give it as PYTHON=...")


def _check_package(tree):
    """Check that the package of the tree is what tests import."""
    code = "import gammapy.stats; print(gammapy.__file__)"
    result = tree.run(tree.python, "-c", code)
    expected = tree.folder / "gammapy" / "__init__.py"
    if result.stdout.strip() != str(expected):
        raise SystemExit(f"cannot import {expected}: {result.stderr or result.stdout}")


def run_tests(tree, names, *, jobs=0):
    """Run tests in a tree.

    Parameters
    ----------
    tree : `Tree`
        The tree.
    names : list of str
        Files, folders or tests, relative to the tree.
    jobs : int, optional
        Number of processes. Default is 0, no other process.

    Returns
    -------
    outcomes : dict of str to str
        "passed", "failed" or "skipped" by test.
    seconds : float
        What the tests took, summed.
    """
    report = tree.folder.with_name(f"{tree.folder.name}.xml")
    report.unlink(missing_ok=True)
    command = [tree.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", *(["-n", str(jobs)] if jobs else []), *names]
    result = tree.run(*command)
    if not report.is_file():
        raise SystemExit(f"pytest {' '.join(names)}: {result.stdout}{result.stderr}")
    outcomes, seconds = {}, 0.0
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        outcome = "skipped" if "skipped" in kinds else outcome
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = outcome
        seconds += float(case.get("time"))
    return outcomes, seconds


def failed_tests(outcomes):
    """Names of the tests that failed."""
    return {name for name, outcome in outcomes.items() if outcome == "failed"}


def known_failures(tree, package):
    """Tests of a package that fail in the tree without any topic, kept in a file.

    Parameters
    ----------
    tree : `Tree`
        The tree, in which all is committed.
    package : str
        Folder of the package.

    Returns
    -------
    names : set of str
        The tests.
    """
    path = FOLDER / f"failures-{tree.name}.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    key = f"{tree.base}: {package}" if tree.name == "main" else package
    if key not in known:
        now = tree.git("rev-parse", "HEAD")
        tree.git("checkout", "--quiet", tree.base)
        try:
            outcomes, _seconds = run_tests(tree, [package], jobs=2)
        finally:
            tree.git("checkout", "--quiet", now)
        known[key] = sorted(failed_tests(outcomes))
        path.write_text(json.dumps(known, indent=1))
    return set(known[key])
