# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Time of diagnostics in units of what they are made of, in one run.

The scene is that of HESS J1702-420 after a fit of 26 parameters. Gammapy 2.1 has none
of them, so each is compared with parts that nobody can do without: residual maps, the
predicted counts at the ends of a step of each parameter, convolutions. All take turns,
and times are CPU times of one process.
"""

import argparse
import json
import logging
import statistics
import sys
import time
from dataclasses import dataclass
from page import keep_lines, write_page
from reference import ROOT
from speed import OUTPUT, verdict
import numpy as np
from astropy.convolution import Gaussian2DKernel
from gammapy.datasets import SpatialResiduals
from gammapy.diagnostics import (
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    PSMapEstimator,
)
from gammapy.maps import Map
from gammapy.modeling import Fit
from gammapy.modeling.utils import values_restored

sys.path.insert(0, str(ROOT / "examples"))
from j1702_scene import FULL, make_datasets  # noqa: E402

FILE = OUTPUT / "diagnostics.json"

RADII = (0.1, 0.2, 0.4)  # in deg, those of the search for hot spots
N_TOYS, N_SPOT_TOYS = 1000, 100
#: Share of an error to both sides.
STEP = 0.1


@dataclass(frozen=True)
class Line:
    """A line of the table.

    ``limit`` is what it may take: a number of seconds, or how many of each part.
    """

    what: str
    name: str
    limit: dict


LINES = (
    Line("goodness", "Goodness of fit without toys", {"map": 2, "derivatives": 1}),
    Line("toys", "1000 toys with norms refitted", {"seconds": 600}),
    Line("spots", "100 toys of hot spots", {"convolutions": N_SPOT_TOYS}),
    Line("ps_map", "PS map", {"map": 20}),
)


class Work:
    """What is measured, on fitted datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets after a fit.
    n_toys : int, optional
        Number of toys of the goodness of fit. Default is 1000.
    """

    def __init__(self, datasets, n_toys=N_TOYS):
        self.datasets = datasets
        self.n_toys = n_toys
        residuals = SpatialResiduals.from_datasets(datasets, kernel=None)
        image = residuals.counts.geom
        counts = np.nan_to_num(residuals.counts.data)
        self._counts = Map.from_geom(image, data=counts)
        pixel = image.pixel_scales.to_value("deg").min()
        self._kernels = [Gaussian2DKernel(radius / pixel).array for radius in RADII]

    def run_map(self):
        """A residual map."""
        SpatialResiduals.from_datasets(self.datasets)

    def run_derivatives(self):
        """Predicted counts of all datasets at both ends of a step of each parameter."""
        for par in self.datasets.parameters.free_parameters:
            value, step = par.value, STEP * par.error
            with values_restored([par]):
                for end in (value - step, value + step):
                    par.value = end
                    for dataset in self.datasets:
                        dataset.npred()

    def run_convolutions(self):
        """One convolution for each radius, and the one group of energies."""
        for kernel in self._kernels:
            self._counts.convolve(kernel)

    def run_goodness(self, n_toys=0):
        """Goodness of fit."""
        GoodnessOfFitEstimator(n_toys=n_toys, random_state=0).run(self.datasets)

    def run_toys(self):
        """Goodness of fit with toys for all tests."""
        self.run_goodness(self.n_toys)

    def run_scan(self, n_toys=0):
        """Search for hot spots."""
        radii = [f"{radius} deg" for radius in RADII]
        HotSpotEstimator(correlation_radii=radii, n_toys=n_toys, random_state=0).run(
            self.datasets
        )

    def run_spots(self):
        """Search for hot spots with toys."""
        self.run_scan(N_SPOT_TOYS)

    def run_ps_map(self):
        """PS map."""
        PSMapEstimator().run(self.datasets)

    def seconds(self, what):
        """CPU time of one turn."""
        run = getattr(self, f"run_{what}")
        start = time.process_time()
        run()
        return time.process_time() - start


def measure(work, lines, n_rounds):
    """Medians of turns, in seconds, by name; what a line and its limit need.

    Parameters
    ----------
    work : `Work`
        What is measured.
    lines : list of `Line`
        Lines.
    n_rounds : int
        Number of turns of each; one more goes first and does not count.
    """
    names = [name for line in lines for name in (line.what, *line.limit)]
    # What toys take is the rest of a run with them.
    bases = {"toys": "goodness", "spots": "scan"}
    names += [bases[name] for name in names if name in bases]
    names = [name for name in dict.fromkeys(names) if name != "seconds"]
    turns = {name: [] for name in names}
    for number in range(n_rounds + 1):
        for name in names:
            # A thousand toys are a mean by themselves.
            if name != "toys" or number == 1:
                turns[name].append(work.seconds(name))
    medians = {
        name: statistics.median(values[1:] or values) for name, values in turns.items()
    }
    for name, base in bases.items():
        if name in medians:
            medians[name] = max(medians[name] - medians[base], 0.0)
    return medians


def ratio_of(line, seconds):
    """Time of a line in units of what it may take."""
    allowed = sum(
        number * (1 if part == "seconds" else seconds[part])
        for part, number in line.limit.items()
    )
    return seconds[line.what] / allowed


def main(args=None):
    """Measure and print; the exit status is 0, for times decide nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [line.what for line in LINES]
    parser.add_argument("--lines", nargs="*", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=5, help="turns (default: 5)")
    parser.add_argument(
        "--docs", action="store_true", help="write the table of docs/benchmarks.rst"
    )
    options = parser.parse_args(args)
    if options.rounds < 1:
        parser.error("each needs a turn")
    logging.disable(logging.WARNING)  # the same notes in each turn
    datasets = make_datasets(FULL)
    Fit(backend="newton").run(datasets)
    lines = [line for line in LINES if line.what in options.lines]
    seconds = measure(Work(datasets), lines, options.rounds)
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    measured = {}
    for line in lines:
        ratio = ratio_of(line, seconds)
        print(
            f"{line.name}: {seconds[line.what]:.3g} s\n"
            f"  time / limit {ratio:.2f}   <= 1: {verdict(ratio <= 1)}"
        )
        measured[line.what] = {"seconds": seconds[line.what], "ratio": ratio}
    parts = known.get("parts", {}) | {
        name: seconds[name]
        for name in ("map", "derivatives", "convolutions")
        if name in seconds
    }
    keep_lines(FILE, {"lines": measured, "parts": parts})
    if options.docs:
        write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
