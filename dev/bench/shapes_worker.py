# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Do fits of shapes in one environment, see ``worker.py``.

The answers hold CPU times, for the processes use one thread, and what was found.
"""

import gc
import importlib.util
import logging
import resource
import sys
import time
from worker import serve
import numpy as np
import astropy.units as u
import gammapy
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit

SOURCE = "HESS J1702-420B"
IS_FORK = importlib.util.find_spec("gammapy.modeling.smooth") is not None


class Worker:
    """Datasets, and fits of all that is free in their models."""

    def __init__(self):
        self.datasets = self.start = None

    # --- tasks ---

    def load(self, directory, is_warm=True):
        """Read datasets; when they are to be warm, have their responses looked up."""
        self.datasets = Datasets.read(
            f"{directory}/datasets.yaml", filename_models=f"{directory}/models.yaml"
        )
        self.start = [(par.value, par.error) for par in self._free]
        seconds = self._look_up() if is_warm else 0.0
        return {
            "version": gammapy.__version__,
            "shape": [int(size) for size in self.datasets[0].counts.geom.data_shape],
            "n_datasets": len(self.datasets),
            "n_free": len(self.start),
            "look_up": seconds,
        }

    def simulate_runs(self, n_runs):
        """Take runs that are simulated in the place of the datasets."""
        from runs import make_runs

        self.datasets = make_runs(n_runs)
        self.start = [(par.value, par.error) for par in self._free]
        return {"n_free": len(self.start), "megabytes": megabytes()}

    def time(self, what, **options):
        """Time of one call in seconds, and its result."""
        for par, (value, error) in zip(self._free, self.start, strict=True):
            par.value, par.error = value, error
        gc.collect()
        start = time.process_time()
        output = getattr(self, what)(**options)
        seconds = time.process_time() - start
        return {"seconds": seconds, "megabytes": megabytes(), "result": output}

    def exact_errors(self):
        """Errors from differences of the exact gradient at the present values."""
        statistic = self.datasets._smooth_statistic(self._free)
        values = statistic.values
        scales = np.sqrt(2 / np.diag(statistic.derivatives(values).fisher))
        rows = []
        for idx, scale in enumerate(scales):
            moved = np.tile(values, (2, 1))
            moved[:, idx] += np.array([-0.03, 0.03]) * scale
            low, high = (statistic.derivatives(own).gradient for own in moved)
            rows.append((high - low) / (0.06 * scale))
        hessian = (np.array(rows) + np.transpose(rows)) / 2
        statistic.stat(values)
        return {"errors": np.sqrt(np.diag(np.linalg.inv(hessian / 2))).tolist()}

    def distance(self):
        """Distance from the minimum, in errors, and of the statistic from stat_sum."""
        statistic = self.datasets._smooth_statistic(self._free)
        found = statistic.derivatives(statistic.values)
        errors = np.array([par.error for par in self._free])
        return {
            "stat": abs(found.stat - self.datasets.stat_sum()),
            "values": float(np.max(abs(found.gradient * errors))) / 2,
        }

    # --- what is timed ---

    def fit(self):
        """Fit with exact errors: Newton's method, or Minuit and its Hesse."""
        if IS_FORK:
            return self._result(Fit(backend="newton").run(self.datasets))
        fit = Fit(backend="minuit")
        result = fit.optimize(self.datasets)
        minuit = result.minuit
        minuit.hesse()
        scales = [par.scale for par in self._free]
        for par, error, scale in zip(self._free, minuit.errors, scales, strict=True):
            par.error = abs(float(error) * scale)
        return self._result(result, n_calls=minuit.nfcn)

    def automatic(self):
        """Fit without a backend: Minuit."""
        return self._result(Fit().run(self.datasets))

    def profile(self, scan):
        """Profile of the longitude of a source, all other parameters fitted."""
        lon = self.datasets.models[SOURCE].spatial_model.lon_0
        lon.scan_values = np.array(scan)
        fit = Fit(backend="newton") if IS_FORK else Fit()
        profile = fit.stat_profile(self.datasets, lon, reoptimize=True)
        return {"stats": profile["stat_scan"].tolist()}

    def profile_calls(self, value):
        """Calls of the statistic by Minuit for one value of such a profile."""
        lon = self.datasets.models[SOURCE].spatial_model.lon_0
        lon.value, lon.frozen = value, True
        result = Fit().optimize(self.datasets)
        lon.frozen = False
        return {"n_calls": result.nfev, "stat": float(result.total_stat)}

    def points(self, edges):
        """Flux points, the spectra of all sources and all norms fitted in each bin."""
        for model in self.datasets.models:
            if getattr(model, "spatial_model", None) is not None:
                model.spatial_model.freeze()
        options = {"fit": Fit(backend="newton")} if IS_FORK else {}
        points = FluxPointsEstimator(
            energy_edges=edges * u.TeV,
            source=SOURCE,
            reoptimize=True,
            selection_optional=[],
            **options,
        ).run(self.datasets)
        values = {name: getattr(points, name).data[:, 0, 0] for name in NAMES}
        return {name: array.tolist() for name, array in values.items()}

    def calls(self, n_calls):
        """Calls of the statistic, all parameters moved a little before each."""
        for number in range(n_calls):
            for par, (value, error) in zip(self._free, self.start, strict=True):
                par.value = value + 1e-4 * (number % 2 + 1) * error
            self.datasets.stat_sum()
        return {}

    # --- helpers ---

    @property
    def _free(self):
        return self.datasets.parameters.free_parameters

    def _look_up(self):
        """Time of looking up all responses; 2.1 does a part of it at a second call."""
        start = time.process_time()
        self.datasets.stat_sum()
        self.calls(1)
        for par, (value, _error) in zip(self._free, self.start, strict=True):
            par.value = value
        self.datasets.stat_sum()
        return time.process_time() - start

    def _result(self, result, n_calls=None):
        lon = self.datasets.models[SOURCE].spatial_model.lon_0
        return {
            "idx_lon": [par is lon for par in self._free].index(True),
            "values": [float(par.value) for par in self._free],
            "errors": [float(par.error) for par in self._free],
            "stat": float(result.total_stat),
            "success": bool(result.success),
            "n_calls": int(result.nfev if n_calls is None else n_calls),
        }


NAMES = ("norm", "norm_err", "stat")


def megabytes():
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Answer requests."""
    logging.getLogger("gammapy").setLevel("ERROR")
    serve(Worker())


if __name__ == "__main__":
    sys.exit(main())
