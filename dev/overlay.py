# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Merge the overlay in `gammapy/` into Gammapy 2.1.

    python dev/overlay.py merge            write the merged package to build/merged
    python dev/overlay.py check            everything that merge checks, and the lock
    python dev/overlay.py lock             write dev/upstream.lock
    python dev/overlay.py diff             unified diff against the base
    python dev/overlay.py export CHECKOUT  write the change to a checkout of Gammapy

With `--base CHECKOUT`, check and diff take any other revision of Gammapy as the base.

A file without a counterpart in the base is copied, a module with one is merged
definition by definition: see `dev/merging.py` for the rules. The build hook calls
`find_base` and `merge`.

The lock holds two hashes of each base definition that the overlay replaces or wraps:
of its code and of its docstring. Nothing is merged into the release when one of them
changed or vanished. In a checkout docstrings may differ; that is said.
"""

import argparse
import difflib
import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# the build hook loads this file by its path
sys.path.insert(0, str(Path(__file__).resolve().parent))

from merging import Digest, OverlayError, check_syntax, merge_module  # noqa: E402

__all__ = ["Base", "OverlayError", "Plan", "find_base", "merge", "open_base", "plan"]

VERSION = "2.1"
ROOT = Path(__file__).resolve().parent.parent
LOCK = "dev/upstream.lock"
# File beside a merged package that says that this tool made it.
MARK = ".merged"
RUN_LOCK = "run `python dev/overlay.py lock`"


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


@dataclass
class Plan:
    """Everything that a merge writes, and what it does to the base."""

    #: content of each new or changed file, by its path like ``gammapy/x.py``
    files: dict = field(default_factory=dict)
    #: paths of the files that the base lacks
    copied: list = field(default_factory=list)
    #: the `merging.Merged` modules by path
    modules: dict = field(default_factory=dict)
    #: what was found of those that could not be merged, None for nothing
    failed: dict = field(default_factory=dict)
    #: what is wrong with them
    errors: list = field(default_factory=list)

    @property
    def locked(self):
        """The `merging.Digest` for the lock, by path and qualified name."""
        return {
            (path, name): digest
            for path, module in self.modules.items()
            for name, digest in module.locked.items()
        }

    def __str__(self):
        modules = self.modules.values()
        replaced = sum(len(_.replaced) for _ in modules)
        wrapped = sum(len(_.wrapped) for _ in modules)
        return (
            f"{len(self.copied)} files copied, {len(modules)} merged,"
            f" {replaced} definitions replaced, {wrapped} wrapped"
        )


@dataclass(frozen=True)
class Change:
    """How a definition of a base differs from what the lock says."""

    path: str
    name: str
    #: line in the overlay
    line: int
    #: "code", "docstring", "vanished" or "unlocked"
    kind: str

    @property
    def where(self):
        """File, line and name for messages."""
        return f"{self.path}:{self.line}: {self.name}"


# the base


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
    return (folder / "gammapy/__init__.py").is_file() and _project(folder) == "gammapy"


def _project(folder):
    """Name of the project in a folder, None when it has none."""
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return tomllib.loads(text).get("project", {}).get("name")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None


def _checked_base(distributions, folder):
    """Check that a folder holds exactly the version that is expected."""
    versions = [_.version for _ in distributions]
    if not versions:
        raise OverlayError(f"the base has no gammapy-{VERSION}.dist-info in {folder}")
    if versions != [VERSION]:
        raise OverlayError(
            f"the base is gammapy {' and '.join(versions)} (in {folder}), expected"
            f" exactly {VERSION}: build without --no-build-isolation"
        )
    files = distributions[0].files or []
    licences = [_.locate() for _ in files if "licenses" in _.parts]
    base = Base(folder, tuple(Path(_) for _ in licences))
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
        errors = [_ for _ in lines if _.startswith("ERROR")] or lines
        raise OverlayError(
            f"cannot download {requirement}, give a folder with --base: {errors[-1]}"
        )


# the lock


def read_lock(path):
    """Read a lock file: the `merging.Digest` by path and qualified name."""
    if not path.exists():
        return {}
    first, *lines = _read(path, LOCK).splitlines() or [""]
    if not first.startswith("gammapy == "):
        raise OverlayError(f"{LOCK}:1: expected `gammapy == {VERSION}`, got `{first}`")
    locked = {}
    for number, line in enumerate(lines, start=2):
        module, _, rest = line.partition(" ")
        # a name may hold spaces, like f.register(dict[str, int])
        name, *hashes = rest.rsplit(" ", 2)
        if len(hashes) != 2 or not all(_is_hash(_) for _ in hashes):
            raise OverlayError(
                f"{LOCK}:{number}: expected PATH NAME CODE DOCSTRING, the last two as"
                f" hashes, got `{line}`: {RUN_LOCK}"
            )
        locked[module, name] = Digest(*hashes)
    return locked


def _is_hash(text):
    """Whether a text is a hash in a lock, or says that there is nothing."""
    return text == "-" or text.startswith("sha256:")


def check_lock_version(path):
    """Check that a lock was written for the version of the base.

    It comes after the hashes were compared: on the way to another release these say
    which definitions are to be looked at.
    """
    if not path.exists():
        return
    version = _read(path, LOCK).partition("\n")[0].split()[-1]
    if version != VERSION:
        raise OverlayError(
            f"{LOCK}:1: is for gammapy {version}, the base is {VERSION}: {RUN_LOCK}"
        )


def lock_text(locked):
    """Text of a lock file."""
    lines = [
        f"{path} {name} {locked[path, name].code} {locked[path, name].docstring}"
        for path, name in sorted(locked)
    ]
    return "\n".join([f"gammapy == {VERSION}", *lines, ""])


def changes(made, locked):
    """List how the base of a plan differs from what is locked.

    Parameters
    ----------
    made : `Plan`
        The plan. Modules that could not be merged count as far as they were read.
    locked : dict
        From `read_lock`.

    Returns
    -------
    changes : list of `Change`
        In the order of the files.
    """
    modules = made.modules | {path: _ for path, _ in made.failed.items() if _}
    found = []
    for path, module in modules.items():
        for name, digest in module.locked.items():
            kind = _kind_of_change(locked.get((path, name)), digest)
            if kind:
                found.append(Change(path, name, module.lines[name], kind))
    for path, name in locked:
        if path in modules or path in made.copied:
            line = _vanished_line(modules.get(path), name)
            if line is not None:
                found.append(Change(path, name, line, "vanished"))
    return sorted(found, key=lambda _: (_.path, _.line))


def _kind_of_change(expected, digest):
    """How a definition changed, None when it did not."""
    if expected is None:
        return "unlocked"
    if expected.code != digest.code:
        return "code"
    return None if expected.docstring == digest.docstring else "docstring"


def _lock_errors(made, locked):
    """What in a plan for the release disagrees with the lock."""
    then = f"then {RUN_LOCK}"
    changed = f"of the base changed against {LOCK}"
    texts = {
        "unlocked": f"is not in {LOCK}: {RUN_LOCK}",
        "code": f"{changed} (its code): compare it with the overlay, {then}",
        "docstring": f"{changed} (only its docstring): compare it with the overlay,"
        f" {then}",
        "vanished": f"vanished from the base, but is in {LOCK}: change the overlay,"
        f" {then}",
    }
    return [
        f"{_.where} {texts[_.kind]}"
        for _ in changes(made, locked)
        if _.path not in made.failed
    ]


def _vanished_line(module, name):
    """Line where the overlay adds what the lock says that it replaces, or None."""
    if module is None:
        return 1
    if name in module.locked:
        return None
    parts = name.split(".")
    names = {".".join(parts[: n + 1]) for n in range(len(parts))}
    return min((module.lines[_] for _ in names & module.added), default=None)


def _stale_errors(made, locked):
    """One error for each entry of the lock that the overlay does not replace."""
    return [
        f"{LOCK}: {path} {name} is locked, but the overlay does not replace it:"
        f" {RUN_LOCK}"
        for path, name in locked
        if (path, name) not in made.locked
    ]


# the plan


def overlay_files(root):
    """List the files of the overlay, without caches and editor backups."""
    found = []
    for path in sorted((root / "gammapy").rglob("*")):
        name = path.relative_to(root)
        ignored = (".pyc", ".pyo", ".orig", ".rej", ".bak", "~")
        hidden = any(_.startswith((".", "#")) for _ in name.parts)
        if hidden or "__pycache__" in name.parts or name.name.endswith(ignored):
            continue
        if path.is_file():
            found.append(name.as_posix())
    return found


def plan(base, root=ROOT, locked=None, leave_out=()):
    """Merge the overlay in memory.

    Parameters
    ----------
    base : `Base`
        The base.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/``.
    locked : dict, optional
        From `read_lock`, checked unless None.
    leave_out : collection of str
        Files of the overlay to leave out.

    Returns
    -------
    plan : `Plan`
        What is to be written.
    """
    made = _plan_all(base, root, leave_out)
    errors = made.errors
    if locked is not None:
        errors = errors + _lock_errors(made, locked)
    if errors:
        raise OverlayError(*errors)
    return made


def _plan_all(base, root, leave_out=()):
    """Merge what can be merged, and note what cannot."""
    made = Plan()
    for name in overlay_files(root):
        if name in leave_out:
            continue
        try:
            if (base.folder / name).exists():
                _plan_merged(made, base, root, name)
            else:
                _plan_copied(made, base, root, name)
        except OverlayError as error:
            made.errors += error.lines
            made.failed[name] = error.merged
    return made


def _plan_copied(made, base, root, name):
    """Plan a file that the base does not have."""
    if name.endswith(".py"):
        check_syntax(_read(root / name, name), name)
        folder = Path(name).parent
        places = (base.folder / folder, root / folder / "__init__.py")
        if not any(_.exists() for _ in places):
            raise OverlayError(
                f"{name}:1: targets nothing: the base has no folder {folder.as_posix()}"
                " and the overlay no __init__.py there"
            )
    made.files[name] = (root / name).read_bytes()
    made.copied.append(name)


def _plan_merged(made, base, root, name):
    """Plan a file that the base has too."""
    if not name.endswith(".py"):
        raise OverlayError(f"{name}:1: is in the base: only Python modules are merged")
    old = _read(base.folder / name, f"{name} (base)")
    merged = merge_module(old, _read(root / name, name), name)
    if merged.text == old:
        raise OverlayError(f"{name}:1: targets nothing: it leaves the base as it is")
    made.files[name] = merged.text.encode()
    made.modules[name] = merged


def _read(path, name):
    """Text of a file, with its line ends."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise OverlayError(f"{name}:1: is not UTF-8: {error.reason}") from None


# a checkout of another revision


def plan_checkout(checkout, root=ROOT):
    """Merge the overlay into a checkout of any revision of Gammapy, in memory.

    Files that git ignores there, like a generated ``gammapy/version.py``, are left out.

    Parameters
    ----------
    checkout : `~pathlib.Path`
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/`` and the lock.

    Returns
    -------
    plan : `Plan`
        What is to be written.
    report : list of str
        A line for each definition of the lock that differs, and one with their number.

    Raises
    ------
    OverlayError
        If the code of one of them differs or cannot be merged. It holds the report.
    """
    leave_out = _ignored(checkout, overlay_files(root))
    locked = {
        (path, name): digest
        for (path, name), digest in read_lock(root / LOCK).items()
        if path not in leave_out
    }
    made = _plan_all(Base(checkout), root, leave_out)
    found = changes(made, locked)
    report = [*(_describe(made, _) for _ in found), _count(made, locked, found)]
    if made.errors or any(_.kind != "docstring" for _ in found):
        raise OverlayError(*made.errors, *report)
    return made, report


def _ignored(checkout, files):
    """Files that git ignores in a checkout; none where there is no git."""
    if not files or not (checkout / ".git").exists():
        return []
    return _git(checkout, "check-ignore", "--", *files)


def _describe(made, change):
    """One line about a definition that differs in a checkout."""
    if change.kind != "docstring":
        texts = {
            "code": "its code changed",
            "vanished": f"vanished, {VERSION} has it",
            "unlocked": f"is new in this base, {VERSION} does not have it",
        }
        return f"{change.where}: {texts[change.kind]}"
    module = made.modules.get(change.path) or made.failed[change.path]
    ours = "replaces it by its own"
    if change.name in module.undocumented:
        ours = "takes it"
    elif change.name in module.extended:
        ours = "extends it"
    return f"{change.where}: only its docstring changed; the overlay {ours}"


def _count(made, locked, found):
    """Line that says how many definitions of the lock differ."""
    count = Counter(_.kind for _ in found)
    names = {(_.path, _.name) for _ in found}
    reached = made.locked | {
        (path, name): None
        for path, module in made.failed.items()
        if module
        for name in module.locked
    }
    same = sum(_ in reached and _ not in names for _ in locked)
    known = count["docstring"] + count["code"] + count["vanished"]
    text = (
        f"{len(locked)} definitions of {LOCK}: {same} as in {VERSION},"
        f" {count['docstring']} with another docstring only, {count['code']} with other"
        f" code, {count['vanished']} vanished"
    )
    unread = len(locked) - same - known
    return f"{text}, {unread} not reached" if unread else text


# writing


def merge(base, out=None, root=ROOT):
    """Write the merged package to the folder ``out/gammapy``.

    It is written beside and moved into place, so that an error or an interruption
    leaves an earlier one as it was.

    Parameters
    ----------
    base : `Base`
        The base, from `find_base` or `open_base`.
    out : path-like, optional
        Folder to hold the package. Default is ``build/merged``.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/`` and the lock.

    Returns
    -------
    plan : `Plan`
        What was done.
    """
    out = Path(out) if out else root / "build" / "merged"
    final = out / "gammapy"
    _check_target(final)
    made = plan(base, root, read_lock(root / LOCK))
    check_lock_version(root / LOCK)
    out.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(out)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="merged-") as temporary:
        new, old = Path(temporary) / "gammapy", Path(temporary) / "earlier"
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(base.package, new, ignore=ignore)
        for name, content in made.files.items():
            path = Path(temporary) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            _keep_time(path, out / name)
        if final.exists():
            final.rename(old)
        try:
            new.rename(final)
        except BaseException:
            if old.exists():
                old.rename(final)
            raise
    (out / MARK).write_text("dev/overlay.py merge made gammapy/ and replaces it\n")
    return made


def _check_target(final):
    """Refuse to replace a folder that no merge has made."""
    if final.exists() and not (final.parent / MARK).exists():
        raise OverlayError(
            f"{final} was not made by a merge and will not be replaced: give another"
            " --out, or remove it"
        )


def _remove_leftovers(out):
    """Remove what a merge left that was killed, unless it may be at work still."""
    for path in out.parent.glob("merged-*"):
        if path.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(path, ignore_errors=True)


def _keep_time(path, earlier):
    """Give a file the modification time of an earlier one with the same content."""
    if earlier.is_file() and earlier.read_bytes() == path.read_bytes():
        shutil.copystat(earlier, path)


def diff(made, base):
    """Unified diff of a plan against the base."""
    parts = []
    for name, content in sorted(made.files.items()):
        old = base.folder / name
        before = f"a/{name}" if old.exists() else "/dev/null"
        try:
            texts = [old.read_bytes() if old.exists() else b"", content]
            lines = [list(io.StringIO(_.decode())) for _ in texts]
        except UnicodeDecodeError:
            parts.append(f"Binary files {before} and b/{name} differ\n")
            continue
        for line in difflib.unified_diff(*lines, before, f"b/{name}"):
            end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
            parts.append(line + end)
    return "".join(parts)


def export(checkout, root=ROOT):
    """Write the merged files into a git checkout of Gammapy.

    The overlay is merged into the checkout's own files, which may have moved on where
    the lock does not name them, or in docstrings. Files that git ignores there, like a
    generated ``gammapy/version.py``, are left out.

    Parameters
    ----------
    checkout : path-like
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/`` and the lock.

    Returns
    -------
    names : list of str
        Files that were written.
    report : list of str
        From `plan_checkout`.
    """
    checkout = Path(checkout)
    _check_checkout(checkout)
    files = overlay_files(root)
    ignored = _ignored(checkout, files)
    files = [_ for _ in files if _ not in ignored]
    _check_not_exported(checkout, root, files)
    status = ("status", "--porcelain", "--untracked-files=all", "--")
    if dirty := _git(checkout, *status, *files) if files else []:
        raise OverlayError(
            *(f"{_[3:]}: has uncommitted changes in {checkout}" for _ in dirty)
        )
    made, report = plan_checkout(checkout, root)
    names = sorted(made.files)
    with tempfile.TemporaryDirectory(dir=checkout, prefix=".overlay-") as temporary:
        # all files are written before the first is moved into place
        for number, name in enumerate(names):
            (Path(temporary) / str(number)).write_bytes(made.files[name])
        for number, name in enumerate(names):
            path = checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                shutil.copymode(path, Path(temporary) / str(number))
            os.replace(Path(temporary) / str(number), path)
    return names, report


def _check_checkout(checkout):
    """Check that a folder is a git checkout of Gammapy."""
    found = {
        ".git": (checkout / ".git").exists(),
        "gammapy/__init__.py": (checkout / "gammapy/__init__.py").is_file(),
        "a pyproject.toml that names gammapy": _project(checkout) == "gammapy",
    }
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise OverlayError(
            f"{checkout} is not a checkout of Gammapy: it lacks {', '.join(missing)}"
        )


def _check_not_exported(checkout, root, files):
    """Refuse a checkout in which a new file of the overlay is already."""
    for name in files:
        content, there = (root / name).read_bytes(), checkout / name
        if content and there.is_file() and there.read_bytes() == content:
            raise OverlayError(
                f"{checkout} holds an earlier export ({name}): check out a branch"
                " without it first"
            )


def _git(checkout, *arguments):
    """Lines that a git command prints; status 1 only says that there are none."""
    command = ["git", "-c", "core.quotePath=false", "-C", str(checkout), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode > 1:
        raise OverlayError(f"git in {checkout}: {result.stderr.strip()}")
    return result.stdout.splitlines()


# commands


def run(arguments, root=ROOT):
    """Run a command and return the text that it prints."""
    if arguments.command == "export":
        names, report = export(_export_folder(arguments), root)
        written = f"{len(names)} files written to {_export_folder(arguments)}"
        return "\n".join([*report, written, ""])
    if arguments.command in ("check", "diff") and arguments.base:
        checkout = Path(arguments.base)
        if is_checkout(checkout):
            return _look_at(checkout, arguments.command, root)
    base = open_base(arguments.base) if arguments.base else fetch_base(root)
    if arguments.command == "merge":
        return f"{merge(base, arguments.out, root)}\n"
    if arguments.command == "lock":
        made = plan(base, root)
        path = root / LOCK
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(lock_text(made.locked), encoding="utf-8")
        unfinished.replace(path)
        return f"{len(made.locked)} definitions locked\n"
    locked = read_lock(root / LOCK)
    made = plan(base, root, locked)
    if arguments.command == "diff":
        return diff(made, base)
    check_lock_version(root / LOCK)
    if stale := _stale_errors(made, locked):
        raise OverlayError(*stale)
    return f"{made}\n"


def _look_at(checkout, command, root):
    """Text that check or diff prints about a checkout."""
    made, report = plan_checkout(checkout, root)
    text = "\n".join([*report, ""])
    if command == "check":
        return f"{text}{made}\n"
    # what is printed can be applied as a patch
    sys.stderr.write(text)
    return diff(made, Base(checkout))


def _export_folder(arguments):
    """The checkout that export writes to, which is its base."""
    given = {_ for _ in (arguments.checkout, arguments.base) if _}
    if len(given) != 1:
        raise OverlayError(
            "export writes into its base: give one folder, as CHECKOUT or as --base"
        )
    return given.pop()


def parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Merge the overlay in gammapy/ into Gammapy 2.1."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    summaries = {
        "merge": "write the merged package",
        "check": "check everything that merge checks, and the lock",
        "lock": "write the lock: hashes of the base definitions that are replaced",
        "diff": "print a unified diff against the base",
    }
    takes_checkout = ", or a checkout of any revision of Gammapy"
    for name, summary in summaries.items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument(
            "--base",
            metavar="DIR",
            help="folder that holds gammapy/ and its dist-info (default: build/base)"
            + (takes_checkout if name in ("check", "diff") else ""),
        )
        if name == "merge":
            command.add_argument(
                "--out", metavar="DIR", help="default: build/merged", default=None
            )
    summary = "write the change into a git checkout of Gammapy"
    command = commands.add_parser("export", help=summary, description=summary)
    command.add_argument("checkout", metavar="CHECKOUT", nargs="?")
    command.add_argument(
        "--base", metavar="CHECKOUT", help="the same, as the other commands have it"
    )
    return parser


def main(argv=None, root=ROOT):
    """Run the command line and return its exit status."""
    arguments = parser().parse_args(argv)
    try:
        sys.stdout.write(run(arguments, root))
    except (OverlayError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted, nothing was changed", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
