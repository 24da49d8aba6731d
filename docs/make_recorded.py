# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Record what the tutorials with real events print and draw.

    python docs/make_recorded.py            run them, and write docs/recorded
    python docs/make_recorded.py --check    run them, and compare what they print

Both need ``$GAMMAPY_DATA/hess-dl3-dr1`` and take about two minutes. A documentation
that is built without the data shows the records, see ``dev/recorded.py``. Run it again
when the code of such a tutorial has changed. Pages of the user guide have the date and
data release of their own, which their scripts write, see ``docs/user-guide/pages.py``.
"""

import argparse
import io
import json
import os
import re
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
import matplotlib
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("dev", "docs/user-guide", "examples")]

import pages  # noqa: E402
import recorded  # noqa: E402

__all__ = ["check", "main", "run_blocks", "write"]

#: Tutorials that read data.
NAMES = ("hess_dr1", "next_step")

# A temporary folder has another name each time.
TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+")


def run_blocks(path, save=None, *, n_blocks=None):
    """Run a tutorial, and keep what its blocks print and draw.

    Parameters
    ----------
    path : `~pathlib.Path`
        Tutorial.
    save : callable, optional
        Called with the number of each picture, with its figure as the current one, and
        returns the name of the file. Default is None: pictures have no file.
    n_blocks : int, optional
        Number of blocks to run, from the first on that reads data. Default is all.

    Returns
    -------
    blocks : list of dict
        From the first block on that reads data: "code", a digest; "text", a list of
        lines; "pictures", a list of dict with "file" and "alt".
    """
    parts, first = recorded.code_blocks(path)
    last = None if n_blocks is None else first + n_blocks
    names = {"__name__": "__main__", "__file__": str(path)}
    found, n_pictures = [], 0
    plt.close("all")
    for idx, part in enumerate(parts[:last]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "FigureCanvasAgg")
            with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()) as text:
                exec(compile(part.code, f"{path.name}, block {idx + 1}", "exec"), names)
        pictures = []
        for number in plt.get_fignums() if idx >= first else ():
            n_pictures += 1
            alt = _titles(plt.figure(number)) or path.stem
            file = save(n_pictures) if save else None
            pictures.append({"file": file, "alt": alt})
        plt.close("all")
        if idx >= first:
            lines = TEMPORARY.sub("temporary", text.getvalue()).rstrip().splitlines()
            lines = [line.rstrip() for line in lines]
            found.append({"code": part.digest, "text": lines, "pictures": pictures})
    return found


def _titles(figure):
    """Titles of the panels of a figure, for readers who do not see it."""
    titles = (" ".join(ax.get_title().split()) for ax in figure.axes)
    return ", ".join(dict.fromkeys(title for title in titles if title))


def write(name):
    """Run a tutorial and write its record."""
    record = recorded.Record(name)
    recorded.FOLDER.mkdir(exist_ok=True)
    date, data = recorded.new_stamp()
    text = recorded.stamp_text(date, data)

    def save(number):
        path = recorded.FOLDER / f"{name}_{number}.png"
        description = f"{record.script.name}, {text}"
        pages.write_picture(plt.gcf(), path, description=description)
        return path.name

    blocks = run_blocks(record.script, save)
    content = {"date": date, "data": data, "blocks": blocks}
    record.path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    kept = [picture["file"] for block in blocks for picture in block["pictures"]]
    for path in recorded.FOLDER.glob(f"{name}_*.png"):
        if path.name not in kept:
            path.unlink()


def check(name, *, n_blocks=None):
    """Run a tutorial and compare what it prints with its record.

    Parameters
    ----------
    name : str
        Name of the tutorial.
    n_blocks : int, optional
        As in `run_blocks`. Default is all.

    Returns
    -------
    problems : list of str
        Lines that differ by more than the rounding of their numbers, and what
        `recorded.Record.problems` finds.
    """
    record = recorded.Record(name)
    problems = record.problems()
    if problems:
        return problems
    found = run_blocks(record.script, n_blocks=n_blocks)
    for block, other in zip(found, record.content["blocks"], strict=n_blocks is None):
        if len(block["text"]) != len(other["text"]):
            problems.append(
                f"{name}: {len(block['text'])} lines, not the recorded ones"
            )
            continue
        for line, quoted in zip(block["text"], other["text"], strict=True):
            if not pages.is_same_line(quoted, line):
                problems.append(f"{name}: recorded {quoted!r}, printed {line!r}")
    return problems


def main(argv=None):
    """Run from the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="tutorials, all by default")
    text = "only compare what the tutorials print, write nothing"
    parser.add_argument("--check", action="store_true", help=text)
    args = parser.parse_args(argv)
    matplotlib.use("agg")
    if recorded.find_index() is None:
        print("The records stay: they need $GAMMAPY_DATA/hess-dl3-dr1.")
        return 1
    os.environ.pop("J1702_SCENE", None)
    problems = []
    for name in args.names or NAMES:
        if args.check:
            problems += check(name)
        else:
            write(name)
            problems += recorded.Record(name).problems()
    for problem in problems:
        print(problem)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
