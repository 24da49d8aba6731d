# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Merge the overlay in `gammapy/` into Gammapy 2.1.

    python dev/overlay.py merge            write the merged package to build/merged
    python dev/overlay.py check            everything that merge checks, and the lock
    python dev/overlay.py lock             write dev/upstream.lock
    python dev/overlay.py diff             unified diff against the base
    python dev/overlay.py export CHECKOUT  write the change to a checkout of Gammapy,
                                           --topic NAME or --up-to NAME for a part

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
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# the build hook loads this file by its path
sys.path.insert(0, str(Path(__file__).resolve().parent))

from overlay_base import (  # noqa: E402
    ROOT,
    Base,
    base_folder,
    fetch_base,
    find_base,
    is_checkout,
    open_base,
    project_name,
)
from overlay_lock import (  # noqa: E402
    LOCK,
    check_lock_version,
    lock_text,
    read_lock,
    stale_errors,
)
from overlay_plan import (  # noqa: E402
    Plan,
    git,
    ignored_files,
    overlay_files,
    plan,
    plan_checkout,
)
from sources import OverlayError  # noqa: E402
from topic_export import chosen_topics, plan_everything, plan_topics  # noqa: E402
from topics import read_topics  # noqa: E402

__all__ = [
    "Base",
    "OverlayError",
    "Plan",
    "base_folder",
    "fetch_base",
    "find_base",
    "merge",
    "open_base",
    "plan",
]

# File beside a merged package that says that this tool made it.
MARK = ".merged"


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
            lines = [list(io.StringIO(text.decode())) for text in texts]
        except UnicodeDecodeError:
            parts.append(f"Binary files {before} and b/{name} differ\n")
            continue
        for line in difflib.unified_diff(*lines, before, f"b/{name}"):
            end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
            parts.append(line + end)
    return "".join(parts)


def export(checkout, root=ROOT, *, topic=None, up_to=None):
    """Write the change, or topics of it, into a git checkout of Gammapy.

    It is merged into the checkout's own files, which may have moved on, and which may
    have some of it already. Files that git ignores there, like a generated
    ``gammapy/version.py``, are left out. Nothing is written unless all can be.

    Parameters
    ----------
    checkout : path-like
        Folder of the checkout.
    root : `~pathlib.Path`
        Folder that holds the overlay in ``gammapy/``, the lock and the topics.
    topic, up_to : str, optional
        Name of a topic of ``dev/topics.toml`` to write alone, or after all that come
        before it. Default is everything.

    Returns
    -------
    names : list of str
        Files that were written.
    report : list of str
        What a human should know.
    """
    checkout = Path(checkout)
    _check_checkout(checkout)
    if topic is None and up_to is None:
        _check_clean(checkout, overlay_files(root))
        plans = plan_everything(checkout, root)
    else:
        topics = read_topics(root / "dev" / "topics.toml")
        chosen = chosen_topics(topics, root, topic=topic, up_to=up_to)
        plans = plan_topics(chosen, checkout, root)
    files = {name: text for plan in plans for name, text in plan.files.items()}
    _check_clean(checkout, sorted(files))
    _write(checkout, files)
    lines = [f"topic {plan.name}: is there already" for plan in plans if plan.is_there]
    return sorted(files), [*lines, *(line for plan in plans for line in plan.report)]


def _check_clean(checkout, names):
    """Refuse to write into files that have uncommitted changes."""
    ignored = ignored_files(checkout, names)
    names = [name for name in names if name not in ignored]
    status = ("status", "--porcelain", "--untracked-files=all", "--")
    if dirty := git(checkout, *status, *names) if names else []:
        raise OverlayError(
            *(f"{line[3:]}: has uncommitted changes in {checkout}" for line in dirty)
        )


def _write(checkout, files):
    """Write files into a checkout, all of them before the first is moved into place."""
    names = sorted(files)
    with tempfile.TemporaryDirectory(dir=checkout, prefix=".overlay-") as temporary:
        for number, name in enumerate(names):
            (Path(temporary) / str(number)).write_bytes(files[name])
        for number, name in enumerate(names):
            path = checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                shutil.copymode(path, Path(temporary) / str(number))
            os.replace(Path(temporary) / str(number), path)


def _check_checkout(checkout):
    """Check that a folder is a git checkout of Gammapy."""
    found = {
        ".git": (checkout / ".git").exists(),
        "gammapy/__init__.py": (checkout / "gammapy/__init__.py").is_file(),
        "a pyproject.toml that names gammapy": project_name(checkout) == "gammapy",
    }
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise OverlayError(
            f"{checkout} is not a checkout of Gammapy: it lacks {', '.join(missing)}"
        )


# commands


def run(arguments, root=ROOT):
    """Run a command and return the text that it prints."""
    if arguments.command == "export":
        chosen = {"topic": arguments.topic, "up_to": arguments.up_to}
        names, report = export(_export_folder(arguments), root, **chosen)
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
    if stale := stale_errors(made, locked):
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
    given = {folder for folder in (arguments.checkout, arguments.base) if folder}
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
    what = command.add_mutually_exclusive_group()
    what.add_argument("--topic", metavar="NAME", help="only a topic of dev/topics.toml")
    what.add_argument("--up-to", metavar="NAME", help="topics up to this one, in order")
    what.add_argument("--all", action="store_true", help="everything, the default")
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
