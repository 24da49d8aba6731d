# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run Gammapy 2.1's own tests of the touched subpackages on the fork.

    python dev/test_upstream.py [OPTIONS OF PYTEST]

A test may fail only when it is listed in ``dev/upstream_failures.txt``: those fail on
plain 2.1 too, or demand what the fork changes on purpose, as said there. With
``--base FOLDER`` it runs the tests of the package in that folder instead, for instance
a plain 2.1, to renew the list.
"""

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KNOWN = ROOT / "dev" / "upstream_failures.txt"
REPORT = ROOT / "build" / "upstream.xml"


def touched_subpackages():
    """Subpackages in which the overlay has a file."""
    files = (ROOT / "gammapy").glob("*/**/*.py")
    return sorted({path.relative_to(ROOT / "gammapy").parts[0] for path in files})


def own_tests():
    """Test files of the fork, to leave out."""
    return [path.relative_to(ROOT) for path in (ROOT / "gammapy").rglob("test_*.py")]


def read_known():
    """Names of the tests that may fail, with the reasons."""
    known = {}
    for line in KNOWN.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition("  ")
            known[name] = reason.strip()
    return known


def failures(report):
    """Names and first lines of the errors of the tests that failed."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        for kind in ("failure", "error"):
            problem = case.find(kind)
            if problem is not None:
                # An error at collection has no class, and the names start at the
                # root folder of pytest, which need not be above the package.
                name = ".".join(filter(None, [case.get("classname"), case.get("name")]))
                name = "gammapy." + name.rpartition("gammapy.")[2]
                message = (problem.get("message") or "").splitlines() or [""]
                found[name] = message[0][:150]
    return found


def run_tests(base, options):
    """Run the tests and return the exit status of pytest."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={REPORT}", *options]
    command += [f"--rootdir={ROOT}", f"--config-file={ROOT / 'setup.cfg'}"]
    command += [f"--ignore={base / path}" for path in own_tests()]
    command += [
        str(base / "gammapy" / subpackage) for subpackage in touched_subpackages()
    ]
    # Some of them write files where they are run.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, cwd=folder).returncode


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, default=ROOT / "build" / "merged")
    arguments, options = parser.parse_known_args(argv)

    status = run_tests(arguments.base.resolve(), options)
    if status not in (0, 1) or not REPORT.exists():
        print(f"pytest stopped with status {status} before the tests were done")
        return 1

    known, failed = read_known(), failures(REPORT)
    new = {name: message for name, message in failed.items() if name not in known}
    fixed = sorted(set(known) - set(failed))
    print(
        f"\n{len(failed)} failures, {len(failed) - len(new)} of them listed"
        f"{f', {len(fixed)} listed ones do not fail here' if fixed else ''}"
    )
    for name, message in sorted(new.items()):
        print(f"not listed: {name}  {message}")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
