# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The plan of a merge: all that it writes, made in memory and checked."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from merging import merge_module
from overlay_base import ROOT, Base, read_text
from overlay_lock import LOCK, changes, lock_errors, read_lock, report
from sources import OverlayError, check_syntax

__all__ = [
    "Plan",
    "git",
    "ignored_files",
    "overlay_files",
    "plan",
    "plan_checkout",
]


@dataclass
class Plan:
    """Everything that a merge writes, and what it does to the base."""

    #: content of each new or changed file, by its path like ``gammapy/x.py``
    files: dict = field(default_factory=dict)
    #: paths of the files that the base lacks
    copied: list = field(default_factory=list)
    #: the `merged.Merged` modules by path
    modules: dict = field(default_factory=dict)
    #: what was found of those that could not be merged, None for nothing
    failed: dict = field(default_factory=dict)
    #: what is wrong with them
    errors: list = field(default_factory=list)

    @property
    def locked(self):
        """The `merged.Digest` for the lock, by path and qualified name."""
        return {
            (path, name): digest
            for path, module in self.modules.items()
            for name, digest in module.locked.items()
        }

    def __str__(self):
        modules = self.modules.values()
        replaced = sum(len(module.replaced) for module in modules)
        wrapped = sum(len(module.wrapped) for module in modules)
        return (
            f"{len(self.copied)} files copied, {len(modules)} merged,"
            f" {replaced} definitions replaced, {wrapped} wrapped"
        )


def overlay_files(root):
    """List the files of the overlay, without caches and editor backups."""
    found = []
    for path in sorted((root / "gammapy").rglob("*")):
        name = path.relative_to(root)
        ignored = (".pyc", ".pyo", ".orig", ".rej", ".bak", "~")
        hidden = any(part.startswith((".", "#")) for part in name.parts)
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
        errors = errors + lock_errors(made, locked)
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
        check_syntax(read_text(root / name, name), name)
        folder = Path(name).parent
        places = (base.folder / folder, root / folder / "__init__.py")
        if not any(place.exists() for place in places):
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
    old = read_text(base.folder / name, f"{name} (base)")
    merged = merge_module(old, read_text(root / name, name), name)
    if merged.text == old:
        raise OverlayError(f"{name}:1: targets nothing: it leaves the base as it is")
    made.files[name] = merged.text.encode()
    made.modules[name] = merged


def plan_checkout(checkout, root=ROOT, *, accepted=()):
    """Merge the overlay into a checkout of any revision of Gammapy, in memory.

    Files that git ignores there, like a generated ``gammapy/version.py``, are left out.

    Parameters
    ----------
    checkout : `~pathlib.Path`
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/`` and the lock.
    accepted : collection of tuple of str, optional
        Definitions that may differ, pairs of file and qualified name. Default is none.

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
    leave_out = ignored_files(checkout, overlay_files(root))
    locked = {
        (path, name): digest
        for (path, name), digest in read_lock(root / LOCK).items()
        if path not in leave_out
    }
    made = _plan_all(Base(checkout), root, leave_out)
    found = [
        change
        for change in changes(made, locked)
        if (change.path, change.name) not in accepted
    ]
    lines = report(made, locked, found)
    if made.errors or any(problem.kind != "docstring" for problem in found):
        raise OverlayError(*made.errors, *lines)
    return made, lines


def ignored_files(checkout, files):
    """Files that git ignores in a checkout; none where there is no git."""
    if not files or not (checkout / ".git").exists():
        return []
    return git(checkout, "check-ignore", "--", *files)


def git(checkout, *arguments):
    """Lines that a git command prints; status 1 only says that there are none."""
    command = ["git", "-c", "core.quotePath=false", "-C", str(checkout), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode > 1:
        raise OverlayError(f"git in {checkout}: {result.stderr.strip()}")
    return result.stdout.splitlines()
