# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The lock: what the definitions of the base were when the overlay was written."""

from collections import Counter
from dataclasses import dataclass
from merged import Digest
from overlay_base import VERSION, read_text
from sources import OverlayError

__all__ = [
    "Change",
    "changes",
    "check_lock_version",
    "lock_errors",
    "lock_text",
    "read_lock",
    "report",
    "stale_errors",
]

LOCK = "dev/upstream.lock"
RUN_LOCK = "run `python dev/overlay.py lock`"


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


def read_lock(path):
    """Read a lock file: the `merged.Digest` by path and qualified name."""
    if not path.exists():
        return {}
    first, *lines = read_text(path, LOCK).splitlines() or [""]
    if not first.startswith("gammapy == "):
        raise OverlayError(f"{LOCK}:1: expected `gammapy == {VERSION}`, got `{first}`")
    locked = {}
    for number, line in enumerate(lines, start=2):
        module, _, rest = line.partition(" ")
        # a name may hold spaces, like f.register(dict[str, int])
        name, *hashes = rest.rsplit(" ", 2)
        if len(hashes) != 2 or not all(_is_hash(text) for text in hashes):
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
    version = read_text(path, LOCK).partition("\n")[0].split()[-1]
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
    modules = made.modules | {
        path: reason for path, reason in made.failed.items() if reason
    }
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
    return sorted(found, key=lambda change: (change.path, change.line))


def _kind_of_change(expected, digest):
    """How a definition changed, None when it did not."""
    if expected is None:
        return "unlocked"
    if expected.code != digest.code:
        return "code"
    return None if expected.docstring == digest.docstring else "docstring"


def lock_errors(made, locked):
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
        f"{change.where} {texts[change.kind]}"
        for change in changes(made, locked)
        if change.path not in made.failed
    ]


def _vanished_line(module, name):
    """Line where the overlay adds what the lock says that it replaces, or None."""
    if module is None:
        return 1
    if name in module.locked:
        return None
    parts = name.split(".")
    names = {".".join(parts[: n + 1]) for n in range(len(parts))}
    return min((module.lines[name] for name in names & module.added), default=None)


def stale_errors(made, locked):
    """One error for each entry of the lock that the overlay does not replace."""
    return [
        f"{LOCK}: {path} {name} is locked, but the overlay does not replace it:"
        f" {RUN_LOCK}"
        for path, name in locked
        if (path, name) not in made.locked
    ]


def report(made, locked, found):
    """Lines about a checkout: one for each change, and one with their number."""
    return [*(_describe(made, change) for change in found), _count(made, locked, found)]


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
    count = Counter(change.kind for change in found)
    names = {(change.path, change.name) for change in found}
    reached = made.locked | {
        (path, name): None
        for path, module in made.failed.items()
        if module
        for name in module.locked
    }
    same = sum(name in reached and name not in names for name in locked)
    known = count["docstring"] + count["code"] + count["vanished"]
    text = (
        f"{len(locked)} definitions of {LOCK}: {same} as in {VERSION},"
        f" {count['docstring']} with another docstring only, {count['code']} with other"
        f" code, {count['vanished']} vanished"
    )
    unread = len(locked) - same - known
    return f"{text}, {unread} not reached" if unread else text
