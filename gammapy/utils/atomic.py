# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that are written completely or not at all, even if the process is killed."""

import logging
import os
import re
import secrets
import shutil
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from gammapy.utils.arguments import show
from gammapy.utils.pbar import progress_bar
from gammapy.utils.scripts import make_path

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

__all__ = [
    "UnwoundBySigterm",
    "check_absent",
    "locked_folder",
    "staging_folder",
    "write_files",
]

log = logging.getLogger(__name__)


def as_path(filename):
    """A file name as a path; a TypeError that names what is none."""
    try:
        return make_path(filename)
    except TypeError:
        raise TypeError(
            f"filename: expected the name of a file, got {show(filename)}."
        ) from None


def write_files(writers, *, overwrite=True, make_folders=True, others=False, desc=None):
    """Write all files under temporary names first, then move them to their place.

    After an error or SIGTERM, existing files and folders are unchanged. Temporary files
    of a killed process are removed by the next process.

    Parameters
    ----------
    writers : dict
        Functions by path. Each function writes to the path that it is given, which has
        the same name. Other files that it writes to the same folder are moved, too.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.
    make_folders : bool, optional
        Whether to create missing folders. Default is True.
    others : bool, optional
        Whether to return the other files as well. Default is False.
    desc : str, optional
        Text of a progress bar that counts the files. Default is None, no bar.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files of the dict. With ``others``, each is followed by the other files of
        its function.

    Raises
    ------
    OSError
        If a file exists and is not to be replaced, or has no folder.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.utils.atomic import write_files
    >>> table = Table({"a": [1]})
    >>> [path.name for path in write_files({"new/table.ecsv": table.write})]
    ['table.ecsv']
    """
    writers = {make_path(path): write for path, write in writers.items()}
    check_absent(writers, overwrite)
    if not make_folders:
        _check_folders(writers)
    # What a link points to is replaced, not the link.
    targets = {path: path.resolve() for path in writers}
    folders = {target.parent for target in targets.values()}
    with (
        UnwoundBySigterm() as sigterm,
        ExitStack() as on_failure,
        ExitStack() as unfinished,
    ):
        for folder in sorted(folders):
            _make_folder(folder, on_failure)
        # In the same folder, so that moving is renaming.
        staged = {
            folder: unfinished.enter_context(staging_folder(folder))
            for folder in folders
        }
        written, known = [], set(targets.values())
        shown = progress_bar(writers.items(), desc) if desc else writers.items()
        for path, write in shown:
            target = targets[path]
            stage = staged[target.parent]
            write(stage / target.name)
            beside = {target.parent / source.name for source in stage.iterdir()} - known
            written += [path, *(path.parent / other.name for other in sorted(beside))]
            known |= beside
        moves = {
            source: folder / source.name
            for folder, stage in staged.items()
            for source in sorted(stage.iterdir())
        }
        check_absent(moves.values(), overwrite)
        with sigterm.held():
            # The files that others are listed in come last.
            for source in sorted(
                moves, key=lambda path: moves[path] in targets.values()
            ):
                source.replace(moves[source])
            on_failure.pop_all()
    return written if others else list(writers)


def check_absent(paths, overwrite=False, *, option="overwrite=True"):
    """Raise an OSError that names existing files, unless they may be replaced.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        Files.
    overwrite : bool, optional
        Whether they may be replaced. Default is False.
    option : str, optional
        Option that replaces them, for the message. Default is "overwrite=True".

    Raises
    ------
    OSError
        If one of them is a folder, or exists and may not be replaced.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gammapy.utils.atomic import check_absent
    >>> check_absent([Path("this-file-does-not-exist.fits")])
    """
    folders = [str(path) for path in paths if path.is_dir()]
    if folders:
        raise OSError(f"{folders[0]!r} is a folder, no file can be written there.")
    existing = [str(path) for path in paths if path.exists()]
    if existing and not overwrite:
        n_more = len(existing) - 1
        exist = f"and {n_more} more exist" if n_more else "exists"
        them = "them" if n_more else "it"
        raise OSError(f"File {existing[0]!r} {exist}; {option} replaces {them}.")


def _check_folders(paths):
    """Raise an OSError that names a file whose folder does not exist."""
    for path in paths:
        if not path.parent.is_dir():
            raise OSError(f"File {str(path)!r} is in a folder that does not exist.")


def _make_folder(folder, on_failure):
    """Make a folder; on failure those that are new are removed again."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        on_failure.callback(path.rmdir)


class EndedBySignal(BaseException):
    """Raised to unwind what is being done; no `Exception`, so that nobody goes on."""


class UnwoundBySigterm:
    """Context in which SIGTERM ends the process after its clean-up, not at once.

    By default the signal ends Python on the spot, without ``finally``. In this context
    it raises an `EndedBySignal` first, and the process ends by the signal as soon as
    the context is left. It changes nothing where somebody else handles the signal, or
    outside the main thread.

    Examples
    --------
    >>> from gammapy.utils.atomic import UnwoundBySigterm
    >>> with UnwoundBySigterm() as sigterm:
    ...     with sigterm.held():
    ...         done = "what must not be half done"
    """

    def __init__(self):
        self.is_asked = False
        self._is_held = False
        self._is_installed = False

    def __enter__(self):
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._end)
            self._is_installed = True
        return self

    def __exit__(self, *args):
        if self._is_installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.is_asked:
            os.kill(os.getpid(), signal.SIGTERM)

    @contextmanager
    def held(self):
        """Context that is not interrupted; the signal waits for its end.

        Yields
        ------
        None
            Nothing.
        """
        self._is_held = True
        yield
        self._is_held = False
        if self.is_asked:
            self._raise()

    def _end(self, signum, frame):
        self.is_asked = True
        if not self._is_held:
            self._raise()

    def _raise(self):
        # The clean-up is not interrupted by the next one.
        self._is_held = True
        raise EndedBySignal


@contextmanager
def staging_folder(folder):
    """New folder inside a folder, removed in any case; for files to be moved from it.

    Files of killed processes of this host are removed, too. They are distinguished
    from living ones by a lock of the operating system, which ends with the process, and
    so not by a process number, which another process may have by now.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder.

    Yields
    ------
    path : `~pathlib.Path`
        The new folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from gammapy.utils.atomic import staging_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with staging_folder(Path(folder)) as stage:
    ...         size = (stage / "notes.txt").write_text("complete")
    ...         path = (stage / "notes.txt").replace(Path(folder) / "notes.txt")
    ...     [path.name for path in Path(folder).iterdir()]
    ['notes.txt']
    """
    remove_left_over(folder)
    # The name comes first, so that the signal finds nothing that is not cleaned up.
    path = Path(folder) / f"{_prefix()}{secrets.token_hex(8)}"
    lock = None
    with UnwoundBySigterm():
        try:
            lock = _make_locked(path)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            _close(lock)


@contextmanager
def locked_folder(folder):
    """Context that one process at a time has; the others wait.

    It is a lock of the operating system, which ends with the process whatever ends it.
    Where the file system has none, nobody waits.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder, which exists.

    Yields
    ------
    None
        Nothing.

    Examples
    --------
    >>> import tempfile
    >>> from gammapy.utils.atomic import locked_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked_folder(folder):
    ...         done = "what two processes must not do at once"
    """
    descriptor = None
    try:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except (AttributeError, OSError):  # no fcntl, or no locks
            log.debug(f"No lock of {str(folder)!r}.")
        yield
    finally:
        _close(descriptor)


def remove_left_over(folder):
    """Remove the staging folders of processes of this host that are dead.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder in which they are.
    """
    for path in Path(folder).glob(f"{_prefix()}*"):
        lock = _lock(path)
        if lock is None:
            continue
        shutil.rmtree(path, ignore_errors=True)
        _close(lock)
        log.info(f"Removed {str(path)!r}, which a process that was killed left.")


def _prefix():
    """Begin of the names; locks of another host may not be seen here."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    return f".unfinished-{host}-"


def _make_locked(path):
    """Make a folder and lock it; the lock is None where the file system has none."""
    while True:
        path.mkdir(mode=0o700, exist_ok=True)
        if not _has_locks(path.parent):
            return None
        lock = _lock(path)
        # Before it was locked somebody else may have taken it for left over.
        if lock is not None and _is_same(path, lock):
            return lock
        _close(lock)
        time.sleep(0.001)


def _lock(path):
    """Open and lock a folder; None when that fails, as when another process has it."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _has_locks(folder):
    """Whether folders on this file system can be locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (AttributeError, OSError):  # no fcntl, or no locks
        return False
    finally:
        os.close(descriptor)
    return True


def _is_same(path, descriptor):
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _close(descriptor):
    if descriptor is not None:
        os.close(descriptor)
