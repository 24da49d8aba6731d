# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bad input of fits, estimators and makers: one line, as in test_bad_input.py."""

import pytest
import numpy as np
from gammapy.data import ObservationGroups
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    ExclusionMaskMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    stack_groups,
)
from gammapy.modeling import Fit
from gammapy.modeling.fit_table import (
    best_fit_values,
    fit_row,
    stack_rows,
    unique_parameter_names,
)
from gammapy.modeling.linearity import why_not_linear
from gammapy.modeling.newton import confidence_norm, fit_norms
from gammapy.modeling.templates import NormTemplates
from gammapy.utils.testing import check_bad_input, given

BOOL = "True or False"
DATASETS = "expected Datasets, a list of datasets or one dataset"
EDGES = "two or more increasing energies"
SIGMA = "a number above 0"


def minuit(name):
    def called(scene, **arguments):
        values = {"datasets": scene.datasets, "parameter": scene.norm}
        return getattr(Fit(), name)(**values | arguments)

    return called


def surface(scene, **arguments):
    values = {"datasets": scene.datasets, "x": scene.norm, "y": "tilt"}
    return Fit().stat_surface(**values | arguments)


interval = given(confidence_norm, templates="templates", fit="fit", parameter="norm")
norms = given(fit_norms, templates="templates")
template = given(NormTemplates.from_datasets, datasets="datasets")
confidence, profile = minuit("confidence"), minuit("stat_profile")

by_energy = given("slice_by_energy", obj="templates", energy_max="energy")
step = given("step_backend", obj="minuit")


def flux_points(scene, *, datasets=None, source="crab"):
    datasets = scene.datasets if datasets is None else datasets
    FluxPointsEstimator(source=source).run(datasets)


FITS = [
    (confidence, "sigma", -1, ValueError, f"{SIGMA}, got -1"),
    (confidence, "sigma", 0, ValueError, f"{SIGMA}, got 0"),
    (confidence, "sigma", np.nan, ValueError, f"{SIGMA}, got nan"),
    (confidence, "sigma", np.inf, ValueError, f"{SIGMA}, got inf"),
    (confidence, "sigma", "x", TypeError, f"{SIGMA}, got 'x'"),
    (confidence, "sigma", None, TypeError, f"{SIGMA}, got None"),
    (confidence, "parameter", "nrm", ValueError, "'nrm', did you mean 'norm'"),
    (confidence, "parameter", None, TypeError, "got None; choose from"),
    (confidence, "parameter", "index", ValueError, "'index' is frozen"),
    (confidence, "reoptimize", "no", TypeError, f"{BOOL}|'no'"),
    (confidence, "datasets", [1], TypeError, f"{DATASETS}|got [1]"),
    (confidence, "datasets", None, TypeError, f"{DATASETS}|got None"),
    (confidence, "datasets", [], ValueError, "at least one dataset, got none"),
    (profile, "parameter", "nrm", ValueError, "'nrm', did you mean 'norm'"),
    (profile, "parameter", 99, ValueError, "99; choose from"),
    (profile, "reoptimize", "no", TypeError, f"{BOOL}|'no'"),
    (profile, "debug", "no", TypeError, f"{BOOL}|'no'"),
    (profile, "n_jobs", "2", TypeError, "a number of processes|'2'"),
    (profile, "n_jobs", [1], TypeError, "a number of processes|[1]"),
    (profile, "parallel_backend", "mp", ValueError, "'mp'|'multiprocessing', 'ray'"),
    (profile, "datasets", 3, TypeError, f"{DATASETS}|got 3"),
    (surface, "y", "tlt", ValueError, "'tlt', did you mean 'tilt'"),
    (surface, "x", None, TypeError, "got None; choose from"),
    (given(Fit), "backend", "newtn", ValueError, "did you mean 'newton'"),
    (given(Fit), "backend", 3, ValueError, "got 3; choose from 'minuit'"),
    (given(Fit), "debug", "no", TypeError, f"{BOOL}|'no'"),
    (given(Fit), "optimize_opts", 3, TypeError, "a dict of options, got 3"),
    (
        step,
        "step",
        "fit",
        ValueError,
        "'fit'|'optimize'",
    ),
    (given(why_not_linear), "datasets", 3, TypeError, f"{DATASETS}|got 3"),
    (interval, "sigma", -1, ValueError, f"{SIGMA}, got -1"),
    (interval, "ends", "left", ValueError, "'left'|'both', 'upper', 'lower'"),
    (interval, "ends", None, ValueError, "None|'both', 'upper', 'lower'"),
    (interval, "parameter", "norm", TypeError, "a parameter|'norm'"),
    (interval, "reoptimize", "no", TypeError, f"{BOOL}|'no'"),
    (interval, "fit", 3, TypeError, "a NormFit, as fit_norms gives it, got 3"),
    (interval, "templates", 3, TypeError, "NormTemplates, got 3"),
    (norms, "templates", None, TypeError, "NormTemplates, got None"),
    (norms, "start", [1.0, 2.0], ValueError, "'norm' of 'run-bkg', got the shape (2,)"),
    (norms, "start", "x", TypeError, "numbers without a unit, got 'x'"),
    (norms, "fixed", 3, TypeError, "a dict of options, got 3"),
    (norms, "fixed", {"norm": 1}, TypeError, "a parameter|'norm'"),
    (norms, "max_iter", -1, ValueError, "a number of 0 or more, got -1"),
    (norms, "max_iter", "x", TypeError, "a number of 0 or more, got 'x'"),
    (norms, "store_trace", "x", TypeError, f"{BOOL}|'x'"),
    (template, "datasets", [1], TypeError, f"{DATASETS}|got [1]"),
    (template, "parameters", 3, TypeError, "a list of parameters, got 3"),
    (template, "parameters", ["norm"], TypeError, "a list of parameters, got 'norm'"),
    (template, "reuse", 3, TypeError, "NormTemplates, got 3"),
    (by_energy, "energy_min", 1, ValueError, "got 1"),
    (given(FluxPointsEstimator), "energy_edges", [1, 10], ValueError, EDGES),
    (flux_points, "datasets", [1], TypeError, f"{DATASETS}|got [1]"),
    (flux_points, "source", "crb", ValueError, "'crb', did you mean 'crab'"),
    (given(unique_parameter_names), "models", 3, TypeError, "models, got 3"),
    (given(best_fit_values), "models", None, TypeError, "models, got None"),
    (given(fit_row), "models", None, TypeError, "models, got None"),
    (given(stack_rows), "rows", 3, TypeError, "a list of rows, got 3"),
    (given(stack_rows), "rows", [1], TypeError, "a dict of options, got 1"),
    (given(FluxPointsEstimator), "debug", "no", TypeError, f"{BOOL}|'no'"),
]


def observed(scene, **arguments):
    values = {"observations": [1], "reference": scene.dataset}
    values |= {"makers": [MapDatasetMaker()]}
    return ExclusionMaskMaker().run_observations(**values | arguments)


def maker(cls, **defaults):
    return lambda scene, **arguments: cls(**defaults | arguments)


RING = {"r_in": "0.5 deg", "width": "0.3 deg"}
fov, reflected = maker(FoVBackgroundMaker), maker(ReflectedRegionsBackgroundMaker)
ring = maker(RingBackgroundMaker, **RING)
adaptive = maker(AdaptiveRingBackgroundMaker, **RING, r_out_max="1 deg")
exclusion = maker(ExclusionMaskMaker)
grouped = given(ObservationGroups.from_observations, target="norm")
STACKED = {"observations": "datasets", "reference": "dataset", "makers": "datasets"}
SOURCES = "a map, False where there are sources, got 'x'"

MAKERS = [
    (fov, "exclusion_mask", "x", TypeError, SOURCES),
    (ring, "exclusion_mask", "x", TypeError, SOURCES),
    (adaptive, "exclusion_mask", "x", TypeError, SOURCES),
    (reflected, "exclusion_mask", "x", TypeError, SOURCES),
    (ring, "width", 3, ValueError, "an angle such as|3"),
    (adaptive, "theta", "x", ValueError, "an angle such as|'x'"),
    (fov, "debug", "no", TypeError, f"{BOOL}|'no'"),
    (ring, "debug", "no", TypeError, f"{BOOL}|'no'"),
    (fov, "energy_min", 3, ValueError, "an energy such as '1 TeV', got 3"),
    (fov, "min_counts", "x", TypeError, "a finite number, got 'x'"),
    (fov, "fit", 3, TypeError, "a Fit or None, got 3"),
    (exclusion, "mask", "x", TypeError, "a boolean map|'x'"),
    (exclusion, "r_in", 0.5, ValueError, "an angle such as|0.5"),
    (exclusion, "threshold_high", "x", TypeError, f"{SIGMA}, got 'x'"),
    (exclusion, "threshold_low", -1, ValueError, f"{SIGMA}, got -1"),
    (exclusion, "n_rounds_max", "2", TypeError, "a number of 1 or more, got '2'"),
    (exclusion, "radius", "1 deg", TypeError, "did you mean 'correlation_radius'"),
    (observed, "observations", [], ValueError, "expected observations, got none"),
    (observed, "observations", None, TypeError, "expected observations, got None"),
    (observed, "observations", [1], TypeError, "expected observations, got 1"),
    (observed, "reference", 3, TypeError, "an empty MapDataset, got 3"),
    (observed, "makers", [], ValueError, "makers of datasets, got none"),
    (observed, "makers", 3, TypeError, "makers of datasets, got 3"),
    (grouped, "observations", [], ValueError, "expected observations, got none"),
    (grouped, "observations", [1], TypeError, "expected observations, got 1"),
    (given(stack_groups, **STACKED), "groups", 3, TypeError, "ObservationGroups"),
]


@pytest.mark.parametrize("row", [*FITS, *MAKERS])
def test_bad_input(row, check_row):
    check_row(*row)


@pytest.mark.parametrize("backend", ["minuit", "newton", None])
@pytest.mark.parametrize(
    "name, words", [("negative", "(lowest -1)"), ("broken", "not finite")]
)
def test_bad_counts_in_a_fit(backend, name, words, scene):
    """They counted as 0, or made the statistic NaN, and the fit a success."""
    datasets = getattr(scene, name)
    where = f"'{name}' has 1 bins inside its mask with counts"
    parameter = datasets[0].models.parameters["norm"]
    parameter.scan_values = [1.0]
    fit = Fit(backend)
    for run in (
        lambda: fit.run(datasets),
        lambda: fit.optimize(datasets),
        lambda: fit.confidence(datasets, parameter),
        lambda: fit.stat_profile(datasets, parameter),
        lambda: NormTemplates.from_datasets(datasets),
    ):
        check_bad_input(run, ValueError, where, words, "mask_safe")
    assert parameter.value == 1


def test_masked_bad_counts_do_not_matter(scene):
    dataset = scene.negative[0].copy(name="negative")
    dataset.models = scene.negative[0].models
    dataset.mask_safe.data[0, 10, 10] = False
    assert Fit().run([dataset]).success


def test_one_dataset_is_enough(scene):
    dataset = scene.dataset.copy(name="run")
    dataset.models = scene.dataset.models.copy()
    assert Fit("newton").run(dataset).success
    assert why_not_linear(dataset) == ""
    assert NormTemplates.from_datasets(dataset).n_norms == 1
    points = FluxPointsEstimator(source="crab").run(dataset)
    assert points.geom.axes["energy"].nbin == 1
