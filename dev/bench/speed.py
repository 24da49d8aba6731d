# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Compare time and memory of joint residuals with Gammapy 2.1, in one run.

Each side works in its own environment and process on the same files. They take
turns, so that what else the machine does hits both, and only ratios are judged.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from environment import fork_environment, plain_environment
from machine import describe, today
from reference import ROOT
import numpy as np

sys.path.insert(0, str(ROOT / "examples"))
from j1702_scene import FINE, FULL, SMALL, make_datasets  # noqa: E402

OUTPUT = ROOT / "build" / "bench"

LARGE = FINE
#: One small dataset, to be copied.
TINY = replace(SMALL, run_bins=SMALL.run_bins[:1])
N_COPIES = (1, 10, 100)

WORKER = "worker.py"

#: What is to be reached: times faster than 2.1, times the floor, float64 cubes.
TARGETS = {"upstream": 10, "floor": 1.5, "memory": 1}
# The clock, not the code, moves a time per dataset by this much.
TOLERANCE_LINEAR = 1.1
# The same sums are done in another order; in sigma or counts.
TOLERANCE_SAME = 1e-4
# The responses are averaged or not, which `compare` explains; in sigma.
TOLERANCE_JOINT = 0.02


# --- measure ---------------------------------------------------------------


def write_datasets(scene, directory):
    """Simulate a scene and write it with its true models."""
    directory.mkdir()
    make_datasets(scene).write(
        directory / "datasets.yaml", filename_models=directory / "models.yaml"
    )


def take_turns(lines, n_rounds):
    """Median time of each line, all lines once per round.

    Parameters
    ----------
    lines : list of tuple
        `Environment` and name of what is measured.
    n_rounds : int
        Number of rounds; one more goes first and does not count.
    """
    seconds = {what: [] for _, what in lines}
    for _ in range(n_rounds + 1):
        for environment, what in lines:
            seconds[what].append(environment.ask("time", what=what)["seconds"])
    return {what: statistics.median(values[1:]) for what, values in seconds.items()}


def measure_large(fork, plain, directory, n_rounds):
    """Times in seconds, peak memory in cubes, and how well the results agree."""
    about = [worker.ask("load", directory=str(directory)) for worker in (fork, plain)]
    print(f"{about[0]['n_datasets']} datasets of {tuple(about[0]['shape'])} bins")
    lines = [(plain, "upstream"), (fork, "residuals"), (fork, "floor")]
    times = take_turns(lines, n_rounds)
    memory = {what: name.ask("memory", what=what)["cubes"] for name, what in lines}
    agreement = compare(fork, plain, directory)

    fork.ask("forget")
    times["residuals_cold"] = fork.ask("time", what="residuals")["seconds"]
    versions = {"fork": about[0]["version"], "plain": about[1]["version"]}
    return {
        "versions": versions,
        "seconds": times,
        "cubes": memory,
        "agreement": agreement,
    }


def measure_maps(fork, plain, directory, n_rounds):
    """Times in seconds of the map of the datasets that `shapes.py` fits."""
    for worker in (fork, plain):
        worker.ask("load", directory=str(directory))
    lines = [(plain, "upstream"), (fork, "residuals")]
    seconds = take_turns(lines, n_rounds)
    print(
        f"Significance map of {directory.name}: 2.1 {seconds['upstream']:.3g} s, "
        f"fork {seconds['residuals']:.3g} s"
    )
    return {"seconds": seconds, "date": today(), "machine": describe()}


def compare(fork, plain, directory):
    """Differences of the fork's results from those of Gammapy 2.1.

    On the same stacked dataset both do the same. The joint map differs from it where
    there are sources: each dataset keeps its own response, while 2.1 folds the sources
    with the average of them all. Background and counts are the same.
    """
    images = {}
    for environment, what in (
        (plain, "upstream"),
        (fork, "residuals_stacked"),
        (fork, "residuals"),
    ):
        filename = str(directory / f"{what}.npz")
        environment.ask("save", what=what, filename=filename)
        images[what] = np.load(filename)
    reference = images["upstream"]
    return {
        "stacked": difference(images["residuals_stacked"], reference),
        "joint": difference(images["residuals"], reference),
    }


def difference(image, reference):
    """Compare two results where either is defined."""
    defined = [np.isfinite(maps["sqrt_ts"]) for maps in (image, reference)]
    valid = defined[0] & defined[1]
    sqrt_ts = [maps["sqrt_ts"][valid] for maps in (image, reference)]
    counts = [maps["counts"][valid] for maps in (image, reference)]
    return {
        "only_one_defined": int(np.sum(defined[0] != defined[1])),
        "max_counts": float(np.max(np.abs(counts[0] - counts[1]))),
        "max_sqrt_ts": float(np.max(np.abs(sqrt_ts[0] - sqrt_ts[1]))),
        "correlation": float(np.corrcoef(*sqrt_ts)[0, 1]),
    }


def measure_copies(fork, directory, n_rounds):
    """Time and memory for more and more datasets."""
    results = {}
    for n_copies in N_COPIES:
        fork.ask("load", directory=str(directory), n_copies=n_copies)
        # a single dataset takes so little that the clock needs more of them
        rounds = n_rounds if n_copies > 10 else 5 * n_rounds
        seconds = take_turns([(fork, "residuals")], rounds)["residuals"]
        cubes = fork.ask("memory", what="residuals")["cubes"]
        results[n_copies] = {"seconds": seconds, "cubes": cubes}
    return results


# --- report ----------------------------------------------------------------


def verdict(is_met):
    """Word for a target."""
    return "met" if is_met else "MISSED"


def report_large(result):
    """Print times and memory, as ratios."""
    seconds, cubes = result["seconds"], result["cubes"]
    ours = seconds["residuals"]
    gain, floor = seconds["upstream"] / ours, ours / seconds["floor"]
    print(f"\nJoint significance map{'':24}ratio   target")
    print(
        f"  2.1 / fork (median, caches warm)   {gain:>14.2f}"
        f"   >= {TARGETS['upstream']}: {verdict(gain >= TARGETS['upstream'])}"
    )
    print(
        f"  fork / floor                       {floor:>14.2f}"
        f"   <= {TARGETS['floor']}: {verdict(floor <= TARGETS['floor'])}"
    )
    # Freshly read datasets: the fork folds each source with each dataset's response
    # first, which a fit has done; 2.1 does it once, for the stacked dataset.
    cold = seconds["upstream"] / seconds["residuals_cold"]
    print(f"  2.1 / fork (datasets just read)    {cold:>14.2f}")

    print(f"\nPeak memory above the datasets' own{'':11}cubes   target")
    met = verdict(cubes["residuals"] <= TARGETS["memory"])
    for what, name in (("upstream", "2.1"), ("floor", "floor"), ("residuals", "fork")):
        target = f"   <= {TARGETS['memory']}: {met}" if what == "residuals" else ""
        print(f"  {name:35}{cubes[what]:>14.2f}{target}")


def report_copies(results):
    """Print the cost of many datasets in units of that of one."""
    one = results[N_COPIES[0]]
    print(f"\nSmall datasets{'':10}time / one   memory / one   target")
    for n_copies, result in results.items():
        ratio = result["seconds"] / one["seconds"]
        met = verdict(ratio <= TOLERANCE_LINEAR * n_copies)
        target = f"   <= {n_copies}: {met}" if n_copies > 1 else ""
        memory = result["cubes"] / one["cubes"]
        print(f"  {n_copies:<20}{ratio:>12.2f}{memory:>15.2f}{target}")


def report_agreement(agreement):
    """Print how well the results agree; False when they do not."""
    stacked, joint = agreement["stacked"], agreement["joint"]
    same = (
        stacked["only_one_defined"] == 0
        and stacked["max_counts"] < TOLERANCE_SAME
        and stacked["max_sqrt_ts"] < TOLERANCE_SAME
    )
    close = (
        joint["only_one_defined"] == 0
        and joint["max_counts"] < TOLERANCE_SAME
        and joint["max_sqrt_ts"] < TOLERANCE_JOINT
    )
    print("\nDifference from 2.1        counts      sigma  correlation")
    for name, row, is_good in (
        ("stacked dataset", stacked, same),
        ("joint datasets", joint, close),
    ):
        print(
            f"  {name:20}{row['max_counts']:>11.2g}{row['max_sqrt_ts']:>11.2g}"
            f"{row['correlation']:>13.6f}   {'agree' if is_good else 'DISAGREE'}"
        )
    return same and close


def main(args=None):
    """Measure and print; the exit status is 1 when results disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each side (default: 5)"
    )
    parser.add_argument(
        "--maps",
        action="store_true",
        help="only the map of the datasets of shapes.py, into maps.json",
    )
    options = parser.parse_args(args)
    if options.rounds < 3:
        parser.error("a median needs three rounds or more")

    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        full, large, tiny = (
            Path(directory) / name for name in ("full", "large", "tiny")
        )
        write_datasets(FULL, full)
        with fork_environment(WORKER) as fork, plain_environment(WORKER) as plain:
            maps = measure_maps(fork, plain, full, options.rounds)
            (OUTPUT / "maps.json").write_text(json.dumps(maps, indent=1) + "\n")
            if options.maps:
                return 0
            write_datasets(LARGE, large)
            write_datasets(TINY, tiny)
            result = measure_large(fork, plain, large, options.rounds)
            result["copies"] = measure_copies(fork, tiny, options.rounds)

    report_large(result)
    report_copies(result["copies"])
    agree = report_agreement(result["agreement"])
    result |= {"date": today(), "machine": describe()}
    (OUTPUT / "speed.json").write_text(json.dumps(result, indent=1) + "\n")
    return int(not agree)


if __name__ == "__main__":
    sys.exit(main())
