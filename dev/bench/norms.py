# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Compare norm fits with Gammapy 2.1, in one run.

Both sides do the same on the same files, each in its own process with one thread, and
take turns. Times are CPU times: what else the machine does matters less than for those
on the wall. What is judged are ratios; results that disagree are exit status 1.

Gammapy 2.1 takes minutes for a profile or a flux point. It does these once, and one of
the flux points stands for all unless ``--complete`` is given.
"""

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from environment import fork_environment, plain_environment
from growth import PICTURE, best_fit, measure_growth, plot_growth
from page import keep_lines, write_page
from reference import ROOT
from speed import LARGE, OUTPUT, verdict, write_datasets
import numpy as np

sys.path.insert(0, str(ROOT / "examples"))
from j1702_scene import FULL  # noqa: E402

WORKER = "norms_worker.py"
FILE = OUTPUT / "norms.json"

#: For a first look: four datasets of (8, 45, 45) bins.
TRIAL = replace(
    FULL, width=3.6, pixel=0.08, bins_per_decade=5, bins_below_fit=1, bins_above_fit=7
)

N_RUNS = 30
N_SCAN = 11
# Any number of values needs the same memory but for the results that are kept.
N_SCAN_MEMORY = 3
EDGES = np.geomspace(2, 20, 6).tolist()
#: Flux point that Gammapy 2.1 makes.
MIDDLE = 2

#: Ratios that are the same for all lines: their titles, and what they are to be.
RATIOS = (
    ("floor", "fork / templates alone", 1.3),
    ("debug", "debug=True / without", 1.02),
)
# Minuit stops before the minimum, and its errors are numerical; in errors.
TOLERANCE_VALUE = 0.01
TOLERANCE_STAT = 0.01


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Parameters
    ----------
    name : str
        What is done.
    what : str
        Task of the worker.
    target : float
        How many times faster than 2.1 it is to be.
    is_slow : bool, optional
        Whether 2.1 does it only once. Default is False.
    has_memory : bool, optional
        Whether memory is compared. Default is False.
    """

    name: str
    what: str
    target: float
    is_slow: bool = False
    has_memory: bool = False


LINES = (
    Line("fit, 1 amplitude + 4 norms", "fit", 50, has_memory=True),
    Line(f"stat_profile, {N_SCAN} values", "profile", 300, True, has_memory=True),
    Line(f"flux points, {len(EDGES) - 1} bins", "points", 100, True),
    Line(f"FoVBackgroundMaker, {N_RUNS} runs", "background", 10),
)


# --- measure ---------------------------------------------------------------


def take_turns(fork, plain, what, rounds, options, plain_options, is_slow):
    """Times of a line.

    Parameters
    ----------
    fork, plain : `Environment`
        Workers.
    what : str
        Task.
    rounds : (int, int)
        Number of rounds, and of turns of the fork in each.
    options, plain_options : dict
        Options of the task on both sides.
    is_slow : bool
        Whether 2.1 takes part in the middle round only.

    Returns
    -------
    seconds : dict
        Lists "upstream", "fork", "debug" and "floor".
    results : (dict, dict)
        What both sides found.
    """
    seconds = {name: [] for name in ("upstream", "fork", "debug", "floor")}
    fork.ask("time", what=what, **options)  # imports and caches
    for idx in range(rounds[0]):
        if not is_slow or idx == rounds[0] // 2:
            answer = plain.ask("time", what=what, **plain_options)
            seconds["upstream"].append(answer["seconds"])
            expected = answer["result"]
        for turn in range(rounds[1]):
            # Whoever goes second finds warmer caches, so they take turns at that, too.
            names = ("fork", "debug") if turn % 2 else ("debug", "fork")
            for name in names:
                is_debug = name == "debug"
                answer = fork.ask("time", what=what, debug=is_debug, **options)
                seconds[name].append(answer["seconds"])
            answered = fork.ask("time_floor", what=what, **options)["seconds"]
            seconds["floor"].append(answered)
    return seconds, (answer["result"], expected)


def summarise(seconds, scale=1):
    """Ratios of the times of a line.

    Parameters
    ----------
    seconds : dict
        Lists of times, see `take_turns`.
    scale : float, optional
        How much more than what 2.1 did the fork did. Default is 1.

    Returns
    -------
    ratios : dict
        Median times, and the medians of the ratios of neighbours with half the spread
        of the inner half of them.
    """
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {
        "seconds": medians | {"upstream": scale * medians["upstream"]},
        "n_times": {name: len(values) for name, values in seconds.items()},
        "scale": scale,
        "gain": scale * medians["upstream"] / medians["fork"],
    }
    for name, top, bottom in (("floor", "fork", "floor"), ("debug", "debug", "fork")):
        pairs = np.divide(seconds[top], seconds[bottom])
        low, middle, high = np.percentile(pairs, [25, 50, 75]).tolist()
        ratios[name] = {"ratio": middle, "spread": (high - low) / 2}
    return ratios


def difference(result, expected):
    """Largest differences: of values in their errors, and of statistics."""
    result, expected = (
        {name: np.array(values) for name, values in fit.items()}
        for fit in (result, expected)
    )
    distance = np.abs(result["values"] - expected["values"]) / expected["errors"]
    distance_stat = np.abs(result["stats"] - expected["stats"])
    return {
        "max_values": float(np.max(distance)),
        "max_stats": float(np.max(distance_stat)),
    }


def agrees(agreement):
    """Whether results agree; not when they are nan."""
    return (
        agreement["max_values"] < TOLERANCE_VALUE
        and agreement["max_stats"] < TOLERANCE_STAT
    )


def pick_bin(result, idx, n_bins):
    """Result of one flux point out of those of all."""
    return {
        name: np.reshape(values, (-1, n_bins))[:, idx].tolist()
        for name, values in result.items()
    }


def measure_line(fork, plain, line, options, rounds):
    """One line of the table; ``options`` are those of both sides."""
    ours, theirs = options
    seconds, (result, expected) = take_turns(
        fork, plain, line.what, rounds, ours, theirs, line.is_slow
    )
    scale = len(result["stats"]) / len(expected["stats"])
    measured = summarise(seconds, scale)
    if scale > 1:
        result = pick_bin(result, MIDDLE, len(EDGES) - 1)
    measured["agreement"] = difference(result, expected)
    if line.has_memory:
        ours = dict(ours)
        if "scan" in ours:
            ours["scan"] = ours["scan"][:N_SCAN_MEMORY]
        measured["cubes"] = {
            name: worker.ask("memory", what=line.what, **ours)["cubes"]
            for name, worker in (("upstream", plain), ("fork", fork))
        }
    return measured


def measure(fork, plain, directory, lines, rounds, complete=False):
    """All lines, by the names of their tasks.

    Parameters
    ----------
    fork, plain : `Environment`
        Workers.
    directory : `~pathlib.Path`
        Datasets.
    lines : list of `Line`
        Lines.
    rounds : (int, int)
        Number of rounds, and of turns of the fork in each.
    complete : bool, optional
        Whether 2.1 makes all flux points. Default is False.

    Returns
    -------
    results : dict
        Versions, shape and lines.
    """
    about = [worker.ask("load", directory=str(directory)) for worker in (fork, plain)]
    best = best_fit(fork)
    options = task_options(best, complete)
    measured = {}
    for line in lines:
        print(f"{line.name} ...", flush=True)
        for environment in (fork, plain):
            if line.what in options:
                environment.ask("place", **best)
            if line.what == "background":
                environment.ask("load_runs", n_runs=N_RUNS)
        measured[line.what] = measure_line(
            fork, plain, line, options.get(line.what, ({}, {})), rounds
        )
    return {
        "versions": {"fork": about[0]["version"], "plain": about[1]["version"]},
        "n_datasets": about[0]["n_datasets"],
        "shape": about[0]["shape"],
        "lines": measured,
    }


def task_options(best, complete):
    """Options of the tasks that have some, for the fork and for 2.1."""
    deviations = np.linspace(-2, 2, N_SCAN)
    scan = best["values"][0] + deviations * best["errors"][0]
    edges = EDGES if complete else EDGES[MIDDLE : MIDDLE + 2]
    return {
        "profile": ({"scan": scan.tolist()}, {"scan": scan.tolist()}),
        "points": ({"edges": EDGES}, {"edges": edges}),
    }


# --- report ----------------------------------------------------------------


def report(result, line):
    """Print one line of the table; False when results disagree."""
    seconds = result["seconds"]
    print(
        f"\n{line.name}: fork {seconds['fork']:.3g} s, 2.1 {seconds['upstream']:.3g} s"
        f" (median of {result['n_times']['upstream']}"
        + (f", one bin times {result['scale']:.0f})" if result["scale"] > 1 else ")")
    )
    met = result["gain"] >= line.target
    row("2.1 / fork", f"{result['gain']:.1f}", met, f">= {line.target}")
    for name, title, target in RATIOS:
        ratio, spread = result[name]["ratio"], result[name]["spread"]
        row(title, f"{ratio:.3f} ± {spread:.3f}", ratio <= target, f"<= {target}")
    if "cubes" in result:
        ours, theirs = (result["cubes"][name] for name in ("fork", "upstream"))
        target = f"<= {theirs:.2f}, that of 2.1"
        row("peak memory in cubes, fork", f"{ours:.2f}", ours <= theirs, target)
    agreement = result["agreement"]
    same = agrees(agreement)
    print(
        f"  {'largest difference':30}{agreement['max_values']:.2g} of the error, "
        f"{agreement['max_stats']:.2g} in the statistic: "
        f"{'agree' if same else 'DISAGREE'}"
    )
    return same


def row(title, text, is_met, target):
    """Print a number, its target and what it is worth."""
    print(f"  {title:30}{text:>16}   {target}: {verdict(is_met)}")


def runs_are_there():
    """Whether the runs of H.E.S.S. are on this machine."""
    path = os.environ.get("GAMMAPY_DATA")
    return path is not None and (Path(path) / "hess-dl3-dr1").is_dir()


def select_lines(names):
    """The lines with these tasks, without that for which data are missing."""
    lines = [line for line in LINES if line.what in names]
    if "background" in names and not runs_are_there():
        print("FoVBackgroundMaker: left out, for $GAMMAPY_DATA has no hess-dl3-dr1.")
        lines = [line for line in lines if line.what != "background"]
    return lines


def keep(results):
    """Add results to those of earlier runs, for the page, and return all."""
    return keep_lines(FILE, results)


def parse(args):
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [line.what for line in LINES]
    parser.add_argument("--lines", nargs="*", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3, help="of 2.1 (default: 3)")
    parser.add_argument(
        "--turns", type=int, default=8, help="of the fork in a round (default: 8)"
    )
    parser.add_argument(
        "--complete", action="store_true", help="2.1 makes all flux points (an hour)"
    )
    parser.add_argument(
        "--trial", action="store_true", help="small maps, and nothing is kept"
    )
    parser.add_argument(
        "--plot", action="store_true", help=f"measure growth, too, for {PICTURE.name}"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the tables of docs/benchmarks.rst"
    )
    options = parser.parse_args(args)
    if options.rounds < 3 or options.turns < 1:
        parser.error("a median needs three rounds or more, and each a turn")
    if options.trial and (options.docs or options.plot):
        parser.error("the documentation is not written from a trial")
    return options


def main(args=None):
    """Measure and print; the exit status is 1 when results disagree."""
    options = parse(args)
    lines = select_lines(options.lines)
    rounds, same = (options.rounds, options.turns), []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        start = partial(start_workers, stack)
        if lines:
            write_datasets(TRIAL if options.trial else LARGE, directory / "large")
            results = measure(
                *start(), directory / "large", lines, rounds, options.complete
            )
            same = [report(results["lines"][line.what], line) for line in lines]
            if not options.trial:
                keep(results)
        if options.plot:
            results = keep({"growth": measure_growth(*start(), directory)})
            plot_growth(results["growth"], PICTURE)
    if options.docs:
        write_page()
    return int(not all(same))


def start_workers(stack):
    """The fork's worker and that of Gammapy 2.1, which end with the stack."""
    return [
        stack.enter_context(environment(WORKER))
        for environment in (fork_environment, plain_environment)
    ]


if __name__ == "__main__":
    sys.exit(main())
