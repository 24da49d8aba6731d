# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Compare fits of shapes with Gammapy 2.1, the J1702 scene with all 26 parameters free.

Gammapy 2.1 takes minutes for each line. It was run once: ``shapes_reference.json`` has
its times and results with machine and date, and ``--reference`` measures them again.
Times are CPU times. Results that disagree are exit status 1.
"""

import argparse
import datetime
import json
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from environment import fork_environment, plain_environment
from page import keep_lines, replace_part, table, times
from reference import ROOT
from speed import OUTPUT, verdict
import numpy as np

sys.path.insert(0, str(ROOT / "examples"))
from gammapy.modeling.models import Models  # noqa: E402
from j1702_scene import (  # noqa: E402
    FINE,
    FULL,
    background_models,
    make_datasets,
    start_models,
)

__all__ = ["LINES", "agreement", "main", "render", "write_start"]

WORKER = "shapes_worker.py"
REFERENCE = Path(__file__).with_name("shapes_reference.json")
FILE = OUTPUT / "shapes.json"
PAGE = ROOT / "docs" / "user-guide" / "fits.rst"

N_RUNS = 360
N_SCAN = 11
N_CALLS, N_CALLS_FINE = 10, 3
#: Each flux point has two bins of the data, which determine an index.
EDGES = np.geomspace(2, 20 * 10 ** (2 / 3), 6).tolist()

#: Largest differences: of the statistic, of values and of errors, in errors.
TOLERANCES = {"stat": 1e-3, "values": 0.02, "errors": 0.01}


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Parameters
    ----------
    what : str
        Its name.
    title : str
        What is done.
    target : float or None
        How many times faster than 2.1 it is to be.
    """

    what: str
    title: str
    target: float | None = None


LINES = (
    Line("fit", "Fit with covariance and set-up, responses looked up before", 100),
    Line("cold", "The same from datasets just read", 75),
    Line("automatic", "``Fit()``: Minuit, the same start", 8),
    Line("profile", f"``stat_profile`` of a position, {N_SCAN} values", 100),
    Line(
        "points", f"Flux points, {len(EDGES) - 1} bins, spectra and norms refitted", 50
    ),
    Line("runs", f"{N_RUNS} observations with a norm each and common sources"),
)


# --- measure ---------------------------------------------------------------


def write_start(scene, directory):
    """Simulate a scene and write it with the models with which a fit starts."""
    names = [name for _label, names in scene.steps for name in names]
    datasets = make_datasets(scene)
    datasets.models = Models(
        [*start_models(scene, names, seed=0), *background_models(scene)]
    )
    directory.mkdir()
    datasets.write(
        directory / "datasets.yaml", filename_models=directory / "models.yaml"
    )


def measure_reference(plain, directory):
    """Times and results of Gammapy 2.1."""
    about = plain.ask("load", directory=str(directory))
    known = {
        "machine": f"{platform.machine()}, {platform.system()}",
        "date": datetime.date.today().isoformat(),
        "version": about["version"],
        "look_up": about["look_up"],
    }
    for what in ("fit", "automatic"):
        print(f"Gammapy 2.1: {what} ...", flush=True)
        known[what] = plain.ask("time", what=what)
    calls = plain.ask("time", what="calls", n_calls=N_CALLS)
    known["call"] = calls["seconds"] / N_CALLS
    known["points"] = plain.ask("time", what="points", edges=EDGES)
    return known


def measure(fork, directory, lines, reference):
    """Times of the fork, its ratios to 2.1, and how well results agree.

    Parameters
    ----------
    fork : `Environment`
        Worker.
    directory : `~pathlib.Path`
        Datasets.
    lines : list of str
        Names of the lines.
    reference : dict
        What 2.1 did.

    Returns
    -------
    measured : dict
        For each line "fork" and "upstream" in seconds, and "agreement".
    """
    about = fork.ask("load", directory=str(directory))
    best = exact = None
    if set(lines) != {"runs"}:
        best = fork.ask("time", what="fit")["result"]
        exact = fork.ask("exact_errors")["errors"]
    measured = {}
    for line in lines:
        print(f"{line} ...", flush=True)
        measured[line] = TASKS[line](fork, directory, best, exact, reference)
    versions = {"fork": about["version"], "plain": reference["version"]}
    about = {name: about[name] for name in ("shape", "n_datasets", "n_free")}
    return {"versions": versions, **about, "lines": measured}


def measure_fit(fork, directory, best, exact, reference):
    """Fit with covariance, the faster one of two."""
    answers = [fork.ask("time", what="fit") for _turn in range(2)]
    known = reference["fit"]
    return {
        "fork": min(answer["seconds"] for answer in answers),
        "upstream": known["seconds"],
        "agreement": agreement(best, known["result"], exact),
    }


def measure_cold(fork, directory, best, exact, reference):
    """Fit of datasets whose responses are not looked up."""
    fork.ask("load", directory=str(directory), is_warm=False)
    answer = fork.ask("time", what="fit")
    known = reference["fit"]
    fork.ask("load", directory=str(directory))
    return {
        "fork": answer["seconds"],
        "upstream": known["seconds"] + reference["look_up"],
        "agreement": agreement(answer["result"], best, exact),
    }


def measure_automatic(fork, directory, best, exact, reference):
    """Fit without a backend."""
    answer = fork.ask("time", what="automatic")
    known = reference["automatic"]
    found = agreement(answer["result"], known["result"], exact)
    return {
        "fork": answer["seconds"],
        "upstream": known["seconds"],
        "agreement": found,
    }


def measure_profile(fork, directory, best, exact, reference):
    """Profile; what 2.1 takes is its time per call times the calls of Minuit."""
    idx = best["idx_lon"]
    value, error = best["values"][idx], exact[idx]
    scan = (value + np.linspace(-2, 2, N_SCAN) * error).tolist()
    answer = fork.ask("time", what="profile", scan=scan)
    minuit = fork.ask("time", what="profile_calls", value=scan[-1])["result"]
    stats = answer["result"]["stats"]
    return {
        "fork": answer["seconds"],
        "upstream": N_SCAN * minuit["n_calls"] * reference["call"],
        "is_projected": True,
        "agreement": {"stat": abs(stats[-1] - minuit["stat"])},
    }


def measure_points(fork, directory, best, exact, reference):
    """Flux points: how much higher statistics are, how much norms differ, at most."""
    answer = fork.ask("time", what="points", edges=EDGES)
    known = reference["points"]
    ours, theirs = (
        {name: np.array(values) for name, values in own["result"].items()}
        for own in (answer, known)
    )
    fork.ask("load", directory=str(directory))
    distances = (ours["norm"] - theirs["norm"]) / theirs["norm_err"]
    return {
        "fork": answer["seconds"],
        "upstream": known["seconds"],
        "agreement": {
            # Minuit stops up to 0.002 above the minimum, which is no fault of ours.
            "stat": float(max(np.max(ours["stat"] - theirs["stat"]), 0)),
            "values": float(np.max(abs(distances))),
        },
    }


def measure_runs(fork, directory, best, exact, reference):
    """Many runs, with what they are and the memory of the process."""
    about = fork.ask("simulate_runs", n_runs=N_RUNS)
    answer = fork.ask("time", what="fit")
    found = fork.ask("distance")
    fork.ask("load", directory=str(directory))
    return {
        "fork": answer["seconds"],
        "n_free": about["n_free"],
        "megabytes": answer["megabytes"] - about["megabytes"],
        "megabytes_datasets": about["megabytes"],
        "agreement": found,
    }


def measure_fine(fork, plain, directory, reference):
    """Fit of large maps; what 2.1 takes is its time per call times its calls."""
    seconds = {}
    for name, warm in (("warm", True), ("cold", False)):
        fork.ask("load", directory=str(directory), is_warm=warm)
        answer = fork.ask("time", what="fit")
        seconds[name] = answer["seconds"]
        print(f"fork, {name}: {answer['seconds']:.1f} s, {answer['megabytes']:.0f} MB")
    about = plain.ask("load", directory=str(directory))
    call = plain.ask("time", what="calls", n_calls=N_CALLS_FINE)["seconds"]
    # Hesse takes calls, too, and fits of other scenes take a similar number.
    n_calls = reference["fit"]["seconds"] / reference["call"]
    upstream = n_calls * call / N_CALLS_FINE
    print(
        f"2.1, projected from {n_calls:.0f} calls: {upstream:.0f} s, "
        f"looking up {about['look_up']:.0f} s more\n"
        f"ratios {upstream / seconds['warm']:.0f} and "
        f"{(upstream + about['look_up']) / seconds['cold']:.0f}"
    )
    return 0


TASKS = {
    "fit": measure_fit,
    "cold": measure_cold,
    "automatic": measure_automatic,
    "profile": measure_profile,
    "points": measure_points,
    "runs": measure_runs,
}


def agreement(result, expected, exact):
    """Largest differences of statistic and values, and of the errors from exact ones.

    Parameters
    ----------
    result, expected : dict
        "stat", "values", "errors".
    exact : list of float
        Exact errors.

    Returns
    -------
    agreement : dict
        "stat", "values" (in errors), "errors" (relative).
    """
    values = np.subtract(result["values"], expected["values"]) / exact
    errors = np.divide(result["errors"], exact) - 1
    return {
        "stat": float(abs(result["stat"] - expected["stat"])),
        "values": float(np.max(np.abs(values))),
        "errors": float(np.max(np.abs(errors))),
    }


def agrees(found):
    """Whether differences are small enough; not when they are nan."""
    return all(found[name] < TOLERANCES[name] for name in found)


# --- report ----------------------------------------------------------------


def report(line, measured):
    """Print a line; False when results disagree."""
    print(f"\n{line.title}: fork {measured['fork']:.3g} s")
    if "upstream" in measured:
        ratio = measured["upstream"] / measured["fork"]
        how = "projected" if measured.get("is_projected") else "measured"
        target = f">= {line.target}: {verdict(ratio >= line.target)}"
        print(f"  2.1 {measured['upstream']:.0f} s ({how}), {times(ratio)}   {target}")
    if "megabytes" in measured:
        print(
            f"  {measured['n_free']} free parameters; the datasets take "
            f"{measured['megabytes_datasets']:.0f} MB, the fit "
            f"{measured['megabytes']:.0f} more"
        )
    same = agrees(measured["agreement"])
    differences = ", ".join(
        f"{name} {value:.2g}" for name, value in measured["agreement"].items()
    )
    print(f"  differences: {differences}: {'agree' if same else 'DISAGREE'}")
    return same


def render(measured, reference):
    """Table of the fits.

    Parameters
    ----------
    measured : dict
        What `measure` gives.
    reference : dict
        What 2.1 did.

    Returns
    -------
    text : str
        RST.
    """
    rows = [("", "Gammapy 2.1 [s]", "fork [s]", "ratio")]
    known = measured["lines"]
    for line in LINES:
        if line.what not in known:
            continue
        own = known[line.what]
        upstream = own.get("upstream")
        marked = " [#projected]_" if own.get("is_projected") else ""
        rows.append(
            (
                line.title,
                "" if upstream is None else f"{upstream:.0f}{marked}",
                f"{own['fork']:.2g}" if own["fork"] < 10 else f"{own['fork']:.0f}",
                "" if upstream is None else times(upstream / own["fork"]),
            )
        )
    n_energy, n_lat, n_lon = measured["shape"]
    text = (
        f"{measured['n_datasets']} datasets of ({n_energy}, {n_lat}, {n_lon}) bins, "
        f"{measured['n_free']} free parameters, CPU seconds. Gammapy "
        f"{reference['version']} was run on {reference['date']} "
        f"({reference['machine']}).\n\n"
    ) + table((52, 18, 15, 15), rows)
    if any(own.get("is_projected") for own in known.values()):
        text += (
            "\n.. [#projected] Projected: the time of a call times the calls of Minuit"
            ".\n"
        )
    if "runs" in known:
        own = known["runs"]
        text += (
            f"\nThe {N_RUNS} observations have {own['n_free']} free parameters "
            f"together; the datasets take {own['megabytes_datasets']:.0f} MB of memory"
            f"\nand the fit {own['megabytes']:.0f} MB more.\n"
        )
    if "fit" in known:
        found = known["fit"]["agreement"]
        text += (
            "\nBoth end at the same minimum: statistics differ by "
            f"{found['stat']:.1g}, parameters by at most {found['values']:.1g} of "
            "their errors.\nThe errors "
            f"agree with differences of the exact gradient within "
            f"{100 * found['errors']:.1g} percent.\n"
        )
    return text


def parse(args):
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [line.what for line in LINES]
    parser.add_argument("--lines", nargs="*", choices=names, default=names)
    parser.add_argument(
        "--reference", action="store_true", help="run 2.1 again (ten minutes)"
    )
    parser.add_argument(
        "--fine", action="store_true", help="maps of (24, 300, 300), 2.1 projected"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the table of docs/user-guide"
    )
    return parser.parse_args(args)


def main(args=None):
    """Measure and print; the exit status is 1 when results disagree."""
    options = parse(args)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "start"
        write_start(FINE if options.fine else FULL, directory)
        if options.reference:
            plain = stack.enter_context(plain_environment(WORKER))
            reference = measure_reference(plain, directory)
            REFERENCE.write_text(json.dumps(reference, indent=1) + "\n")
        reference = json.loads(REFERENCE.read_text())
        fork = stack.enter_context(fork_environment(WORKER))
        if options.fine:
            plain = stack.enter_context(plain_environment(WORKER))
            return measure_fine(fork, plain, directory, reference)
        measured = measure(fork, directory, options.lines, reference)
    measured = keep_lines(FILE, measured)
    lines = [line for line in LINES if line.what in options.lines]
    same = [report(line, measured["lines"][line.what]) for line in lines]
    if options.docs:
        page = replace_part(PAGE.read_text(), "shapes", render(measured, reference))
        PAGE.write_text(page)
    return int(not all(same))


if __name__ == "__main__":
    sys.exit(main())
