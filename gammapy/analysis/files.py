# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files that are there as a whole, or not at all."""

from contextlib import ExitStack
from gammapy.utils.atomic import UnwoundBySigterm, staging_folder
from gammapy.utils.scripts import make_path

__all__ = []


def write_files(writers, *, overwrite=True):
    """Write files in two steps: all of them under temporary names, then in place.

    Whatever fails leaves the files and folders that there were, and so does a process
    that ends by SIGTERM. What one that was killed left is removed by the next one.
    Missing folders are made.

    Parameters
    ----------
    writers : dict
        By path a function that writes to the path that it is given, which has the same
        name. What else it writes to that folder goes with it.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files of the dict.

    Raises
    ------
    OSError
        If a file exists and is not to be replaced.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.analysis.files import write_files
    >>> table = Table({"a": [1]})
    >>> [path.name for path in write_files({"new/table.ecsv": table.write})]
    ['table.ecsv']
    """
    writers = {make_path(path): write for path, write in writers.items()}
    check_absent(writers, overwrite)
    # What a link points to is replaced, not the link.
    targets = {path: path.resolve() for path in writers}
    folders = {_.parent for _ in targets.values()}
    with (
        UnwoundBySigterm() as sigterm,
        ExitStack() as on_failure,
        ExitStack() as unfinished,
    ):
        for folder in sorted(folders):
            _make_folder(folder, on_failure)
        # In the same folder, so that moving is renaming.
        staged = {_: unfinished.enter_context(staging_folder(_)) for _ in folders}
        for path, write in writers.items():
            target = targets[path]
            write(staged[target.parent] / target.name)
        moves = {
            source: folder / source.name
            for folder, stage in staged.items()
            for source in sorted(stage.iterdir())
        }
        check_absent(moves.values(), overwrite)
        with sigterm.held():
            # The files that others are listed in come last.
            for source in sorted(moves, key=lambda _: moves[_] in targets.values()):
                source.replace(moves[source])
            on_failure.pop_all()
    return list(writers)


def check_absent(paths, overwrite=False):
    """Raise an OSError that names the files that exist, unless they may be replaced.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        Files.
    overwrite : bool, optional
        Whether they may be replaced. Default is False.
    """
    folders = [str(_) for _ in paths if _.is_dir()]
    if folders:
        raise OSError(f"{folders[0]!r} is a folder, no file can be written there.")
    existing = [str(_) for _ in paths if _.exists()]
    if existing and not overwrite:
        n_more = len(existing) - 1
        exist = f"and {n_more} more exist" if n_more else "exists"
        raise OSError(f"File {existing[0]!r} {exist}; overwrite=True replaces files.")


def _make_folder(folder, on_failure):
    """Make a folder; on failure those that are new are removed again."""
    missing = [_ for _ in (folder, *folder.parents) if not _.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        on_failure.callback(path.rmdir)
