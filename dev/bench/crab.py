# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Compare a spectral analysis of the Crab with Gammapy 2.1, in one run.

Two on-off spectra of H.E.S.S., as in Gammapy's own tutorial: flux points with all that
can be selected, and a fit of three parameters with a confidence interval of each. Both
sides take turns, times are CPU times, and results that disagree are exit status 1.
"""

import argparse
import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from environment import fork_environment, plain_environment
from page import keep_lines, write_page
from speed import OUTPUT, verdict
import numpy as np

WORKER = "crab_worker.py"
FILE = OUTPUT / "crab.json"

# Values in units of the fork's errors, which are exact. Minuit stops a bit earlier.
TOLERANCE_VALUE = 0.02
TOLERANCE_STAT = 1e-3


@dataclass(frozen=True)
class Line:
    """A line of the table: task, name, and how many times as fast it is to be."""

    what: str
    name: str
    target: float


LINES = (
    Line("points", "Flux points, 10 bins, all options", 100),
    Line("fit", "Fit of three parameters, confidence of each", 20),
)


def difference(result, expected):
    """Largest differences: of values in errors, and of how much lower 2.1 is."""
    result, expected = (
        {name: np.array(values) for name, values in each.items()}
        for each in (result, expected)
    )
    distance = abs(result["values"] - expected["values"]) / result["errors"]
    return {
        "max_values": float(np.max(distance)),
        "max_stats": float(np.max(abs(result["stats"] - expected["stats"]))),
    }


def agrees(agreement):
    """Whether results agree; not when they are nan."""
    return (
        agreement["max_values"] < TOLERANCE_VALUE
        and agreement["max_stats"] < TOLERANCE_STAT
    )


def measure(fork, plain, lines, n_rounds, n_turns):
    """Lines, by the names of their tasks.

    Parameters
    ----------
    fork, plain : `Environment`
        Workers.
    lines : list of `Line`
        Lines.
    n_rounds, n_turns : int
        Number of rounds, and of turns of the fork in each.

    Returns
    -------
    results : dict
        Versions and lines.
    """
    versions = [worker.ask("load")["version"] for worker in (fork, plain)]
    measured = {}
    for line in lines:
        fork.ask("time", what=line.what)  # imports and caches
        seconds = {"fork": [], "upstream": []}
        for _round in range(n_rounds):
            expected = plain.ask("time", what=line.what)
            seconds["upstream"].append(expected["seconds"])
            for _turn in range(n_turns):
                answer = fork.ask("time", what=line.what)
                seconds["fork"].append(answer["seconds"])
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        measured[line.what] = {
            "seconds": medians,
            "gain": medians["upstream"] / medians["fork"],
            "agreement": difference(answer["result"], expected["result"]),
        }
    versions = {"fork": versions[0], "plain": versions[1]}
    return {"versions": versions, "lines": measured}


def keep(results):
    """Add results to those of earlier runs, for the page."""
    keep_lines(FILE, results)


def report(result, line):
    """Print one line of the table; False when results disagree."""
    seconds, agreement = result["seconds"], result["agreement"]
    met = verdict(result["gain"] >= line.target)
    print(
        f"{line.name}: fork {seconds['fork']:.3g} s, 2.1 {seconds['upstream']:.3g} s\n"
        f"  2.1 / fork {result['gain']:.1f}   >= {line.target}: {met}\n"
        f"  largest difference {agreement['max_values']:.2g} of the error, "
        f"{agreement['max_stats']:.2g} in the statistic: "
        f"{'agree' if agrees(agreement) else 'DISAGREE'}"
    )
    return agrees(agreement)


def parse(args):
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [line.what for line in LINES]
    parser.add_argument("--lines", nargs="*", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3, help="of 2.1 (default: 3)")
    parser.add_argument(
        "--turns", type=int, default=5, help="of the fork in a round (default: 5)"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the table of docs/benchmarks.rst"
    )
    options = parser.parse_args(args)
    if options.rounds < 1 or options.turns < 1:
        parser.error("each side needs a round and a turn")
    return options


def main(args=None):
    """Measure and print; the exit status is 1 when results disagree."""
    options = parse(args)
    path = Path(os.environ.get("GAMMAPY_DATA", "")) / "joint-crab" / "spectra" / "hess"
    if not path.is_dir():
        print("The Crab is left out, for $GAMMAPY_DATA has no joint-crab.")
        return 0
    lines = [line for line in LINES if line.what in options.lines]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(environment(WORKER))
            for environment in (fork_environment, plain_environment)
        ]
        results = measure(*workers, lines, options.rounds, options.turns)
    same = [report(results["lines"][line.what], line) for line in lines]
    keep(results)
    if options.docs:
        write_page()
    return int(not all(same))


if __name__ == "__main__":
    sys.exit(main())
