# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The times of an analysis in one figure and table: fit, profile, flux points, map.

They are those that ``shapes.py`` and ``speed.py`` measured last, of the same datasets,
and left in ``build/bench``.
"""

import json
import sys
from dataclasses import dataclass
from page import FOLDER, PAGE, measured_text, replace_part, seconds_text, table, times
from reference import ROOT
import matplotlib.pyplot as plt

__all__ = ["Task", "collect", "plot_story", "render_story"]

PICTURE = ROOT / "docs" / "images" / "bench_story.png"

COLORS = {"upstream": "0.6", "fork": "tab:blue"}

#: Tasks of `shapes.py` by their names there, in the order of an analysis.
TITLES = {
    "fit": "Fit, 26 free parameters",
    "profile": "Profile of a position,\n11 values",
    "points": "Flux points, 5 bins",
}


@dataclass(frozen=True)
class Task:
    """A task and the CPU seconds that it takes."""

    title: str
    upstream: float
    fork: float
    #: whether the time of 2.1 is that of a call times the calls of Minuit
    is_projected: bool = False

    @property
    def ratio(self):
        """How many times faster the fork is."""
        return self.upstream / self.fork


def collect(shapes, maps):
    """Tasks from what was measured.

    Parameters
    ----------
    shapes, maps : dict
        Contents of ``shapes.json`` and ``maps.json``, which ``speed.py`` writes.

    Returns
    -------
    tasks : list of `Task`
        In the order of an analysis.
    """
    tasks = []
    for what, title in TITLES.items():
        line = shapes["lines"][what]
        is_projected = line.get("is_projected", False)
        tasks.append(Task(title, line["upstream"], line["fork"], is_projected))
    seconds = maps["seconds"]
    title = "Residual map"
    return [*tasks, Task(title, seconds["upstream"], seconds["residuals"])]


def plot_story(tasks, path=None):
    """Draw the times of both sides on a log scale.

    Parameters
    ----------
    tasks : list of `Task`
        What `collect` returns.
    path : `~pathlib.Path`, optional
        Picture to write. Default is None.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        Axes.
    """
    figure, ax = plt.subplots(figsize=(7.6, 3.9), layout="constrained")
    sides = (("upstream", -0.2, "Gammapy 2.1"), ("fork", 0.2, "fork"))
    for side, shift, label in sides:
        values = [getattr(task, side) for task in tasks]
        places = [idx + shift for idx in range(len(tasks))]
        bars = ax.barh(places, values, height=0.36, color=COLORS[side], label=label)
        texts = [f"{seconds_text(value)} s" for value in values]
        if side == "fork":
            faster = [f"{times(task.ratio)} times faster" for task in tasks]
            texts = [f"{a},  {b}" for a, b in zip(texts, faster, strict=True)]
        else:
            marks = ["  (projected)" if task.is_projected else "" for task in tasks]
            texts = [a + b for a, b in zip(texts, marks, strict=True)]
        ax.bar_label(bars, texts, padding=4, fontsize=9)
    ax.set_xscale("log")
    ax.set_xlabel("CPU time [s]")
    ax.set_yticks(range(len(tasks)), labels=[task.title for task in tasks])
    ax.invert_yaxis()
    # The shortest bar is to be seen, and the numbers beside the longest one.
    longest = max(task.upstream for task in tasks)
    ax.set_xlim(0.3 * min(task.fork for task in tasks), 40 * longest)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="0.9", lw=0.8)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, loc="lower right")
    if path is not None:
        figure.savefig(path, dpi=110)
        plt.close(figure)
    return ax


def render_story(tasks, shapes, maps):
    """Table of the tasks.

    Parameters
    ----------
    tasks : list of `Task`
        What `collect` returns.
    shapes, maps : dict
        Contents of ``shapes.json`` and ``maps.json``, which ``speed.py`` writes.

    Returns
    -------
    text : str
        RST.
    """
    rows = [("", "2.1 [s]", "fork [s]", "2.1 / fork")]
    for task in tasks:
        mark = " (projected)" if task.is_projected else ""
        rows.append(
            (
                " ".join(task.title.split()),
                f"{seconds_text(task.upstream)}{mark}",
                seconds_text(task.fork),
                times(task.ratio),
            )
        )
    return (
        table((46, 22, 16, 16), rows)
        + f"\n*Fit, profile and flux points*: {measured_text(shapes)}\n"
        f"*Residual map*: {measured_text(maps)}\n"
    )


def main():
    """Write the picture and the table."""
    files = [FOLDER / "shapes.json", FOLDER / "maps.json"]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        print(f"The story stays, for there is no {' and no '.join(missing)}.")
        return 1
    shapes, maps = (json.loads(file.read_text()) for file in files)
    tasks = collect(shapes, maps)
    plot_story(tasks, PICTURE)
    text = render_story(tasks, shapes, maps)
    PAGE.write_text(replace_part(PAGE.read_text(), "story", text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
