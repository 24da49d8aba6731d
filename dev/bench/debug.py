# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What does ``debug=True`` cost?

Each task is done with and without it in turns, with the log lines formatted as they are
for a user who looks at them, and the median of the ratios of neighbours is printed.
"""

import argparse
import logging
import statistics
import sys
import time
from dataclasses import replace
from reference import ROOT
import astropy.units as u
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import FoVBackgroundMaker
from gammapy.modeling import Fit

sys.path.insert(0, str(ROOT / "examples"))
from j1702_scene import ENERGY_FIT, FULL, SMALL, make_datasets  # noqa: E402

SOURCE = "HESS J1702-420B"
TARGET = 0.02


class Profile:
    """Profile of an amplitude, the background norms refitted."""

    name = "stat_profile, 5 values"

    def __init__(self, scene):
        self.datasets = make_datasets(scene)
        self.amplitude = free_norms(self.datasets)
        Fit().run(self.datasets)
        self.amplitude.scan_n_values = 5

    def __call__(self, debug):
        fit = Fit(debug=debug)
        fit.stat_profile(self.datasets, self.amplitude, reoptimize=True)


class FluxPoints:
    """Flux points, the background norms refitted."""

    name = "flux points, 3 bins"

    def __init__(self, scene):
        self.datasets = make_datasets(scene)
        free_norms(self.datasets)

    def __call__(self, debug):
        edges = ENERGY_FIT * [1, 3, 10, 30]
        FluxPointsEstimator(
            energy_edges=edges, source=SOURCE, reoptimize=True, debug=debug
        ).run(self.datasets)


class Background:
    """Background norm of a run, in maps of the usual size."""

    name = "FoVBackgroundMaker, fit"

    def __init__(self, scene):
        del scene  # its maps are those of stacked runs
        scene = replace(FULL, width=5.0, pixel=0.02, run_bins=FULL.run_bins[:1])
        self.dataset = make_datasets(scene)[0]
        self.dataset.models = None

    def __call__(self, debug):
        maker = FoVBackgroundMaker(method="fit", energy_min=2 * u.TeV, debug=debug)
        maker.run(self.dataset.copy())


TASKS = (Profile, FluxPoints, Background)


def free_norms(datasets):
    """Leave an amplitude and the background norms free; the amplitude."""
    amplitude = datasets.models[SOURCE].spectral_model.amplitude
    for par in datasets.parameters:
        par.frozen = not (par.name == "norm" or par is amplitude)
    return amplitude


class Formatter(logging.Handler):
    """Formats records and forgets them."""

    def emit(self, record):
        self.format(record)


def seconds(task, debug):
    """Time of one run of a task."""
    start = time.perf_counter()
    task(debug)
    return time.perf_counter() - start


def measure(task, n_rounds):
    """Relative cost of debug: the median over rounds, and half their spread."""
    costs = []
    for idx in range(n_rounds + 1):
        # Whoever goes second finds warmer caches, so they take turns at that, too.
        order = (False, True) if idx % 2 else (True, False)
        times = {debug: seconds(task, debug) for debug in order}
        costs.append(times[True] / times[False] - 1)
    costs = sorted(costs[1:])
    quarter = len(costs) // 4
    return statistics.median(costs), (costs[-1 - quarter] - costs[quarter]) / 2


def main(args=None):
    """Print a line per task; the exit status is 1 when one costs too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="default: 15")
    parser.add_argument(
        "--full", action="store_true", help="the scene of the demo, not the small one"
    )
    options = parser.parse_args(args)

    logger = logging.getLogger("gammapy")
    logger.setLevel("INFO")
    logger.addHandler(Formatter())
    logger.propagate = False
    print(f"\n{'Cost of debug=True':30}percent    target")
    missed = False
    for task_class in TASKS:
        task = task_class(FULL if options.full else SMALL)
        cost, spread = measure(task, options.rounds)
        missed |= cost > TARGET + spread
        verdict = "met" if cost <= TARGET else f"MISSED by {cost - TARGET:.1%}"
        print(
            f"  {task.name:28}{cost:>7.1%} ±{spread:>5.1%}   "
            f"<= {TARGET:.0%}: {verdict}",
            flush=True,
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
