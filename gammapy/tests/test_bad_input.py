# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bad input of residuals and plots: one line with argument, value and way out.

Each row of a table is a function, its argument, a bad value, the kind of the error and
words of its message. Functions get good values otherwise.
"""

import pytest
import numpy as np
import astropy.units as u
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.stats.residuals import (
    compute_residual_errors,
    compute_residuals,
    compute_sqrt_ts,
    compute_sqrt_ts_on_off,
)
from gammapy.utils.testing import given
from gammapy.visualization import (
    plot_models,
    plot_nuisance,
    plot_observation_groups,
    plot_residuals_distribution,
    plot_spatial_residuals,
    plot_spectral_residuals,
)

spatial = given(SpatialResiduals.from_datasets, datasets="datasets")
spectral = given(SpectralResiduals.from_datasets, datasets="datasets")
plot_maps = given(plot_spatial_residuals, datasets="datasets")
plot_computed = given(plot_spatial_residuals, datasets="spatial")
plot_spectrum = given(plot_spectral_residuals, datasets="spectral")
of_dataset = given("residuals", obj="dataset")
of_mask = given("distribution", obj="spatial")
residual_map = given("residual", obj="spatial")
to_table = given("to_table", obj="spectral")
EDGES = "two or more increasing energies"
BOOL = "True or False"
DATASETS = "expected Datasets, a list of datasets or one dataset"

RESIDUALS = [
    (spatial, "energy_edges", [2, 10, 50] * u.TeV, ValueError, "2, 50 TeV"),
    (spatial, "energy_edges", [2, 10, 50] * u.TeV, ValueError, "1, 31.622777 TeV"),
    (spatial, "energy_edges", ["2000 GeV", "1e4 GeV"], ValueError, "1000 GeV"),
    (spatial, "energy_edges", [200, 300] * u.TeV, ValueError, "ones are 100 TeV"),
    (spatial, "energy_edges", [2, 10, 50], ValueError, f"{EDGES}|got [2, 10, 50]"),
    (spatial, "energy_edges", ["1 TeV"], ValueError, f"{EDGES}|['1 TeV']"),
    (spatial, "energy_edges", [], ValueError, f"{EDGES}|got []"),
    (spatial, "energy_edges", "1 TeV", ValueError, f"{EDGES}|'1 TeV'"),
    (spatial, "energy_edges", 5, ValueError, f"{EDGES}|got 5"),
    (spatial, "energy_edges", [10, 1] * u.TeV, ValueError, f"{EDGES}|[10. 1.] TeV"),
    (spatial, "energy_edges", [1, np.nan] * u.TeV, ValueError, f"{EDGES}|nan] TeV"),
    (spatial, "energy_edges", ["1 TeV", "1 deg"], ValueError, f"{EDGES}|'1 deg'"),
    (spatial, "energy_edges", [1, 2] * u.deg, ValueError, f"{EDGES}|[1. 2.] deg"),
    (spatial, "energy_min", 5, ValueError, "an energy such as '1 TeV', got 5"),
    (spatial, "energy_min", "1 deg", ValueError, "such as '1 TeV', got '1 deg'"),
    (spatial, "energy_min", "nan TeV", ValueError, "an energy such as|'nan TeV'"),
    (spatial, "energy_min", "-1 TeV", ValueError, "an energy such as|'-1 TeV'"),
    (spatial, "energy_max", [1, 2] * u.TeV, ValueError, "an energy|[1. 2.] TeV"),
    (spatial, "energy_max", True, ValueError, "an energy such as|True"),
    (spatial, "apply_mask", "no", TypeError, f"{BOOL}|'no'"),
    (spatial, "apply_mask", None, TypeError, f"{BOOL}|None"),
    (spatial, "apply_mask", 2, TypeError, f"{BOOL}|got 2"),
    (spatial, "exclude", 3, TypeError, "names of models|got 3"),
    (spatial, "exclude", [3], TypeError, "names of models|got [3]"),
    (spatial, "exclude", "crb", ValueError, "did you mean 'crab'"),
    (spatial, "datasets", [1], TypeError, f"{DATASETS}|got [1]"),
    (spatial, "datasets", None, TypeError, f"{DATASETS}|got None"),
    (spatial, "datasets", "runs", TypeError, f"{DATASETS}|'runs'"),
    (spatial, "datasets", [], ValueError, "at least one|none"),
    (spatial, "n_jobs", "2", TypeError, "a number of processes of 1 or more, got '2'"),
    (spatial, "n_jobs", 0, ValueError, "a number of processes of 1 or more, got 0"),
    (spatial, "n_jobs", 1.5, ValueError, "a number of processes|1.5"),
    (spatial, "n_jobs", True, TypeError, "a number of processes|True"),
    (spatial, "parallel_backend", "mp", ValueError, "'mp'|'multiprocessing', 'ray'"),
    (spatial, "radius", "0.2 deg", TypeError, "did you mean 'correlation_radius'"),
    (spatial, "energy_mn", "2 TeV", TypeError, "did you mean 'energy_min'"),
    (spatial, "correlation_radius", 0.1, ValueError, "an angle such as|got 0.1"),
    (spatial, "correlation_radius", "3 TeV", ValueError, "an angle such as|'3 TeV'"),
    (spatial, "correlation_radius", "nan deg", ValueError, "an angle|'nan deg'"),
    (spatial, "correlation_radius", "-1 deg", ValueError, "-1.0 deg|size of a pixel"),
    (spatial, "kernel", "cone", ValueError, "'cone'|'tophat', 'gauss'"),
    (spatial, "geom", 3, TypeError, "WcsGeom on the datasets' grid|3"),
    (spectral, "energy_min", 5, ValueError, "an energy such as '1 TeV', got 5"),
    (spectral, "apply_mask", "no", TypeError, f"{BOOL}|'no'"),
    (spectral, "exclude", 3, TypeError, "names of models|got 3"),
    (spectral, "exclude", "crb", ValueError, "did you mean 'crab'"),
    (spectral, "datasets", [1], TypeError, f"{DATASETS}|got [1]"),
    (spectral, "region", 3, ValueError, "3, expected a sky region such as"),
    (spectral, "region", "crab", ValueError, "'crab'|expected a sky region such as"),
    (spectral, "region", "icrs;circle(9, 9, 1)", ValueError, "CircleSkyRegion"),
    (spectral, "region", "icrs;circle(83, 22, 9)", ValueError, "radius=9.0 deg"),
    (spectral, "energy_edges", [1, 10] * u.TeV, TypeError, "options are datasets"),
    (residual_map, "method", "sigma", ValueError, "'significance'"),
    (
        to_table,
        "method",
        "dif",
        ValueError,
        "did you mean 'diff'",
    ),
    (of_mask, "mask", "x", TypeError, "a boolean map|'x'"),
    (
        of_mask,
        "mask",
        lambda scene: scene.other_sky,
        ValueError,
        "10, 10 deg instead of 83.6",
    ),
    (
        of_mask,
        "mask",
        lambda scene: scene.other_frame,
        ValueError,
        "galactic instead of icrs",
    ),
    (
        of_mask,
        "mask",
        lambda scene: scene.spatial.npred,
        ValueError,
        "values than 0 and 1",
    ),
    (of_mask, "mask", True, TypeError, "a boolean map|True"),
    (given("write", obj="spatial"), "filename", 3, TypeError, "the name of a file|3"),
    (of_dataset, "method", "x", ValueError, "'x'|'diff'"),
    (of_dataset, "energy_min", 5, ValueError, "an energy such as|5"),
    (of_dataset, "width", "x", ValueError, "an angle such as|'x'"),
    (of_dataset, "width", "1 TeV", ValueError, "an angle such as|'1 TeV'"),
    (of_dataset, "width", -1, ValueError, "a number of 0 or more, got -1"),
    (of_dataset, "width", "-1 deg", ValueError, "0 or more, got -1.0 deg"),
    (of_dataset, "width", None, TypeError, "a number of 0 or more, got None"),
    (of_dataset, "mode", "nix", ValueError, "'nix'|'constant'"),
    (of_dataset, "kernel", "cone", ValueError, "'cone'|'gauss'"),
    (of_dataset, "wdth", 2, TypeError, "did you mean 'width'"),
]

spatial_panel = given("plot_residuals_spatial", obj="dataset")
spectral_panel = given("plot_residuals_spectral", obj="dataset")
both_panels = given("plot_residuals", obj="dataset")
joint = given("plot_residuals", obj="datasets")
plot_on_sky = given(plot_models, models="models", ax="sky_axes")
nuisance = given(plot_nuisance, table="nuisance")
distribution = given(plot_residuals_distribution, residuals="spatial")

PLOTS = [
    (spatial_panel, "smooth_radius", "x", ValueError, "an angle such as|'x'"),
    (spatial_panel, "models", "crb", ValueError, "'crb'|did you mean 'crab'"),
    (spatial_panel, "models", "flat", ValueError, "'flat'|no position on the sky"),
    (spatial_panel, "models", "run-bkg", ValueError, "'run-bkg'|is a background"),
    (spatial_panel, "vmin", "x", TypeError, "a finite number, got 'x'"),
    (spectral_panel, "kwargs_fit", 3, TypeError, "a dict of options, got 3"),
    (spectral_panel, "kwargs_safe", "x", TypeError, "a dict of options, got 'x'"),
    (spectral_panel, "energy_min", 3, ValueError, "an energy such as|3"),
    (both_panels, "kwargs_spatial", 3, TypeError, "a dict of options, got 3"),
    (both_panels, "kwargs_spectral", 3, TypeError, "a dict of options, got 3"),
    (joint, "kwargs_spatial", 3, TypeError, "a dict of options, got 3"),
    (joint, "kwargs_spatial", {"x": 1}, TypeError, "no option 'x'"),
    (joint, "kwargs_spectral", {"x": 1}, TypeError, "no option 'x'"),
    (joint, "radius", "1 deg", TypeError, "did you mean 'correlation_radius'"),
    (joint, "energy_edges", [2, 50] * u.TeV, ValueError, "2, 50 TeV"),
    (joint, "models", "flat", ValueError, "'flat'|no position on the sky"),
    (plot_maps, "energy_edges", [2, 50] * u.TeV, ValueError, "1, 31.622777 TeV"),
    (plot_maps, "radius", "1 deg", TypeError, "did you mean 'correlation_radius'"),
    (plot_maps, "apply_mask", "no", TypeError, f"{BOOL}|'no'"),
    (plot_maps, "datasets", None, TypeError, f"{DATASETS}|None"),
    (plot_computed, "models", "crb", ValueError, "'crb'|did you mean 'crab'"),
    (plot_computed, "models", ["flat"], ValueError, "'flat'|no position on the sky"),
    (plot_computed, "models", 3, TypeError, "names or Models, got 3"),
    (plot_computed, "panels", 3, TypeError, "names of 'counts'|got 3"),
    (plot_computed, "panels", [], ValueError, "names of 'counts'|got none"),
    (plot_computed, "panels", ["count"], ValueError, "did you mean 'counts'"),
    (plot_computed, "vmax", np.nan, ValueError, "a finite number, got nan"),
    (plot_computed, "vsig", -1, ValueError, "a number above 0, got -1"),
    (plot_spectrum, "models", "crb", ValueError, "did you mean 'crab'"),
    (plot_spectrum, "method", "x", ValueError, "'x'|'diff'"),
    (plot_on_sky, "select", "flat", ValueError, "'flat'|no position on the sky"),
    (plot_on_sky, "select", "crb", ValueError, "'crb'|did you mean 'crab'"),
    (plot_on_sky, "models", 3, TypeError, "expected models, or one, got 3"),
    (plot_on_sky, "models", "crab", TypeError, "expected models, or one, got 'crab'"),
    (plot_on_sky, "models", [1], TypeError, "expected models, or one, got [1]"),
    (plot_on_sky, "max_names", "x", TypeError, "a number of 0 or more, got 'x'"),
    (plot_on_sky, "max_names", -1, ValueError, "a number of 0 or more, got -1"),
    (plot_on_sky, "fontsize", "x", TypeError, "a number above 0, got 'x'"),
    (plot_on_sky, "color", "nix", ValueError, "a colour of matplotlib, got 'nix'"),
    (distribution, "residuals", None, TypeError, "SpatialResiduals, got None"),
    (distribution, "mask", "x", TypeError, "a boolean map|'x'"),
    (nuisance, "table", None, TypeError, "got None; fits keep one with debug=True"),
    (nuisance, "table", 3, TypeError, "a nuisance table, got 3"),
    (nuisance, "parameters", 3, TypeError, "names of columns, got 3"),
    (nuisance, "parameters", "nrm", ValueError, "did you mean 'norm'"),
    (nuisance, "axes", 3, TypeError, "plain Axes, got 3"),
    (nuisance, "best_fit", 3, TypeError, "(value, error) by name|got 3"),
    (nuisance, "best_fit", {"norm": 1}, ValueError, "(value, error)|1 for 'norm'"),
    (given(plot_observation_groups), "groups", None, TypeError, "got None"),
]

PAIR = {"counts": "pair", "npred": "pair"}
ON_OFF = {"counts": "pair", "counts_off": "pair", "alpha": "pair"}
arrays = given(compute_residuals, **PAIR)
errors = given(compute_residual_errors, **PAIR)
sqrt_ts = given(compute_sqrt_ts, **PAIR)
on_off = given(compute_sqrt_ts_on_off, **ON_OFF, npred_signal="pair")
NUMBERS = "numbers without a unit"
SHAPES = "shapes that broadcast"

STATS = [
    (arrays, "method", "dif", ValueError, "'dif', did you mean 'diff'"),
    (arrays, "counts", [1, 2, 3], ValueError, f"npred|{SHAPES}, got (3,), (2,)"),
    (arrays, "counts", "x", TypeError, f"{NUMBERS}, got 'x'"),
    (arrays, "counts", None, TypeError, f"{NUMBERS}, got None"),
    (arrays, "npred", [1, 2] * u.TeV, TypeError, f"{NUMBERS}, got [1. 2.] TeV"),
    (arrays, "variance", [1, 2, 3], ValueError, f"{SHAPES}, got (2,), (2,), (3,)"),
    (errors, "method", "x", ValueError, "'x'|'diff'"),
    (errors, "stat", 3, TypeError, "a statistic of counts, got 3"),
    (errors, "counts", [1j, 2], TypeError, NUMBERS),
    (sqrt_ts, "counts", [1, 2, 3], ValueError, f"{SHAPES}, got (3,), (2,)"),
    (on_off, "alpha", [-1.0, 1.0], ValueError, "values of 0 or more, got -1"),
    (on_off, "alpha", "x", TypeError, f"{NUMBERS}, got 'x'"),
    (on_off, "counts_off", [1, 2, 3], ValueError, f"{SHAPES}, got (2,), (3,)"),
]


@pytest.mark.parametrize("row", [*RESIDUALS, *PLOTS, *STATS])
def test_bad_input(row, check_row):
    check_row(*row)
