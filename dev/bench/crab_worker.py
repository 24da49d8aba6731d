# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral analysis of the Crab in one environment, see ``worker.py``."""

import gc
import importlib.util
import logging
import sys
import time
from worker import serve
import numpy as np
import astropy.units as u
import gammapy
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
)

IS_FORK = importlib.util.find_spec("gammapy.modeling.newton") is not None

RUNS = (23523, 23592)
EDGES = np.geomspace(0.7, 30, 11) * u.TeV
AMPLITUDE = "4.6e-11 cm-2 s-1 TeV-1"

#: What is compared of flux points, but for the statistic.
COLUMNS = ("norm", "norm_errn", "norm_errp", "norm_ul", "norm_sensitivity")


class Worker:
    """Two runs of H.E.S.S. and what is done with them."""

    def __init__(self):
        self.datasets = None

    def load(self):
        """Read the runs."""
        folder = "$GAMMAPY_DATA/joint-crab/spectra/hess"
        self.datasets = Datasets(
            [SpectrumDatasetOnOff.read(f"{folder}/pha_obs{run}.fits") for run in RUNS]
        )
        return {"version": gammapy.__version__}

    def time(self, what):
        """CPU time of one call in seconds, and its result."""
        task = getattr(self, what)
        run, result = task()
        gc.collect()
        start = time.process_time()
        output = run()
        seconds = time.process_time() - start
        return {"seconds": seconds, "result": result(output)}

    def points(self):
        """Flux points with all that can be selected."""
        spectrum = PowerLawSpectralModel(index=2.6, amplitude=AMPLITUDE)
        self.datasets.models = [SkyModel(spectrum, name="crab")]
        estimator = FluxPointsEstimator(
            energy_edges=EDGES, source="crab", selection_optional="all"
        )
        return lambda: estimator.run(self.datasets), _points_result

    def fit(self):
        """Fit of three parameters with a confidence interval of each."""
        spectrum = ExpCutoffPowerLawSpectralModel(
            index=2.2, amplitude=AMPLITUDE, lambda_="0.1 TeV-1"
        )
        self.datasets.models = [SkyModel(spectrum, name="crab")]
        fit = Fit(backend="newton") if IS_FORK else Fit()
        return lambda: self._fit_all(fit), self._fit_result

    def _fit_all(self, fit):
        result = fit.run(self.datasets)
        free = result.parameters.free_parameters
        names = [par.name for par in free]
        return result, [fit.confidence(self.datasets, name) for name in names]

    def _fit_result(self, output):
        result, intervals = output
        free = result.parameters.free_parameters
        ends = [float(each[end]) for each in intervals for end in ("errn", "errp")]
        sizes = [0.5 * sum(pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
        return {
            "values": [float(par.value) for par in free] + ends,
            "errors": sizes + np.repeat(sizes, 2).tolist(),
            "stats": [float(result.total_stat)],
        }


def _points_result(points):
    table = points.to_table(sed_type="likelihood")
    columns = {
        name: np.ravel(table[name]).astype(float)
        for name in table.colnames
        if name in (*COLUMNS, "norm_err", "stat", "ts")
    }
    values = np.concatenate([columns[name] for name in COLUMNS])
    return {
        "values": values.tolist(),
        "errors": np.tile(columns["norm_err"], len(COLUMNS)).tolist(),
        "stats": np.concatenate([columns["stat"], columns["ts"]]).tolist(),
    }


if __name__ == "__main__":
    logging.getLogger("gammapy").setLevel("ERROR")
    sys.exit(serve(Worker()))
