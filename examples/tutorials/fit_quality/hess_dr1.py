# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The same with real events
=========================

Runs, residuals and nuisance values of MSH 15-52, in the first public data release of
H.E.S.S.

Simulated fields have backgrounds that are right, and components that are exactly what
the model says. Real ones do not. This page asks the questions of
:doc:`residuals_3d` and :doc:`nuisance_parameters` of runs on MSH 15-52, the nebula of
a pulsar: are the runs alike, is the exclusion mask large enough, is the source
elongated, and do the flux points trust their background?

The data are those of H.E.S.S. DL3 DR1 (``gammapy download datasets`` has it), below
the folder that the environment variable ``GAMMAPY_DATA`` names. A documentation that is
built without them shows recorded results, with their date.
"""

# %%
# The data
# --------

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
import numpy as np
from scipy.stats import chi2
import astropy.units as u
from regions import CircleSkyRegion
import matplotlib.pyplot as plt
from gammapy.datasets import SpatialResiduals
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import ExclusionMaskMaker, FoVBackgroundMaker
from gammapy.modeling import Fit
from gammapy.modeling.models import Models
from gammapy.report import FitReport
from gammapy.visualization import (
    plot_nuisance,
    plot_spatial_residuals,
    plot_spectral_residuals,
)

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import hess_runs  # noqa: E402

data_dir = Path(os.environ.get("GAMMAPY_DATA", "")) / "hess-dl3-dr1"
has_data = (data_dir / "obs-index.fits.gz").is_file()
if not has_data:
    print("NOTE: there is no $GAMMAPY_DATA/hess-dl3-dr1 here.")
    print(
        "Nothing is computed; docs/recorded has figures and numbers of a run with it."
    )

# %%
# Runs
# ----
# ``examples/hess_runs.py`` reduces the runs one by one and stacks them in two bins
# of zenith angle. On the way it fits the background norm of each run outside a circle
# around the source, and above the threshold of the analysis, with ``debug=True``. What
# was fitted stays with the stacked datasets.

if has_data:
    # without its progress bars, and its tables, which come below
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        datasets = hess_runs.make_datasets(data_dir)
    runs = FoVBackgroundMaker.nuisance(datasets)
    runs["dataset", "obs_id", "counts_off", "norm", "norm_err", "success"].pprint_all()
    # The section on backgrounds of the report compares each run with the mean of all.
    report = FitReport(datasets, sections=["backgrounds"])
    print(report.verdict)
    plot_nuisance(runs)
    plt.show()

# %%
# The runs do not agree on a norm: they scatter by more than their errors, as real
# background models do, and one is far off. The norm corrects the background of that
# run. Whatever it was has not necessarily left the events of the source alone, and the
# norm says nothing about these. Look at the run before you use its flux.
#
# Is the exclusion mask large enough?
# -----------------------------------
# The circle was a guess. What would the data have excluded? The maker looks for it with
# rings around each position, and goes on until nothing new is found.

if has_data:
    maker = ExclusionMaskMaker(
        energy_min=hess_runs.MSH_1552.energy_fit, dilation="0.1 deg"
    )
    exclusion = maker.run(datasets)
    guess = CircleSkyRegion(hess_runs.MSH_1552.target, 0.5 * u.deg)
    outside_guess = exclusion.mask.geom.region_mask([guess], inside=False)
    n_missed = np.sum(~exclusion.mask.data & outside_guess.data)
    exclusion.rounds.pprint_all()
    print(f"{np.sum(~exclusion.mask.data)} pixels are excluded,")
    print(f"{n_missed} of them outside the circle.")

# %%
# Is there more than the background?
# ----------------------------------
# We fit the background alone, then with a symmetric source, then with an elongated one,
# and compare.

if has_data:
    source = hess_runs.start_model()
    shape = [source.parameters[name] for name in ("e", "phi")]
    backgrounds = datasets.models
    region = CircleSkyRegion(hess_runs.MSH_1552.target, 0.3 * u.deg)

    residuals, stats = {}, {}
    for label in ("background", "symmetric", "elongated"):
        if label != "background":
            datasets.models = Models([source, *backgrounds])
            for par in shape:
                par.frozen = label == "symmetric"
            source.parameters["e"].value = 0.0 if label == "symmetric" else 0.5
        result = Fit().run(datasets)
        residuals[label] = SpatialResiduals.from_datasets(
            datasets, correlation_radius="0.12 deg"
        )
        noise = residuals[label].distribution()[0]
        stats[label] = result.total_stat
        print(
            f"{label:10}: statistic {result.total_stat:.1f}, residuals"
            f" {noise['mean']:+.2f} +- {noise['mean_err']:.2f} (mean),"
            f" {noise['std']:.2f} +- {noise['std_err']:.2f} (width)"
        )
    wcs = residuals["elongated"].mask.geom.to_image().wcs
    figure = plt.figure(figsize=(15, 4.4))
    figure.subplots_adjust(0.06, 0.11, 0.95, 0.93, wspace=0.4)
    for idx, (label, maps) in enumerate(residuals.items(), start=1):
        ax = figure.add_subplot(1, 3, idx, projection=wcs)
        plot_spatial_residuals(maps, panels=["significance"], axes=[ax])
        ax.set_title(label)
    plt.show()

# %%
# The source is beyond doubt. Its elongation is not a matter of the width of all pixels,
# for the source is a small part of the field. Look at the pixels around it, and at the
# likelihood: how often would noise improve the fit as much, with the two parameters of
# the elongation?

if has_data:
    ts = stats["symmetric"] - stats["elongated"]
    print(f"TS of the elongation: {ts:.1f}, by chance in {chi2.sf(ts, 2):.1%} of cases")
    near = residuals["symmetric"].mask.geom.region_mask([region])
    for label in ("symmetric", "elongated"):
        values = residuals[label].sqrt_ts.data[near.data]
        print(f"{label}: {values.min():+.1f} to {values.max():+.1f} near the source")
    print(datasets.models[source.name])

# %%
# The number is a guide only: a circle is at the border of all ellipses and has no
# position angle, so that the chi-square distribution does not quite hold. In these runs
# alone the elongation is a hint. The residuals of the symmetric source are within what
# noise does; from them we would not even have asked.
#
# Now the whole of it: counts, model, significance and distribution, and the spectrum of
# the source.

if has_data:
    plot_spatial_residuals(residuals["elongated"], region=region)
    plt.show()

# %%

if has_data:
    plot_spectral_residuals(datasets, region, method="significance")
    plt.show()

# %%
# Do the flux points trust their background?
# ------------------------------------------
# The shapes are known by now. With norms alone free, each bin is fitted with its own
# backgrounds.

if has_data:
    for par in datasets.parameters:
        par.frozen = par.name not in ("amplitude", "norm")
    Fit(backend="newton").run(datasets)
    axis = datasets[0].counts.geom.axes["energy"]
    edges = axis.edges[axis.edges > 0.999 * hess_runs.MSH_1552.energy_fit]
    estimator = FluxPointsEstimator(
        energy_edges=edges[[0, 2, 4, 6]],
        source=source.name,
        reoptimize=True,
        selection_optional=[],
        fit=Fit(backend="newton"),
        debug=True,
    )
    flux_points = estimator.run(datasets)
    norms = [f"{name}-bkg.spectral.norm" for name in datasets.names]
    nuisance = flux_points.nuisance
    nuisance[["e_min", "e_max", *(f"{norm}_pull" for norm in norms)]].pprint_all()
    plot_nuisance(nuisance, norms, best_fit=datasets.models)
    plt.show()

# %%
# No single pull is large. But at the highest energies both datasets want more
# background than over all energies, and that is how a background looks whose spectrum
# is a little harder than the one of the model. The flux point has the right error
# nevertheless, for the norm was free; with the norm of all energies, its flux would
# have been too high.
#
# The width of the residuals
# --------------------------
# In the simulated field the residuals of the right model had the width of noise. Here
# they are wider, by more than the error of the width. Is it one of the datasets?

if has_data:
    for dataset in datasets:
        alone = SpatialResiduals.from_datasets(dataset, correlation_radius="0.12 deg")
        noise = alone.distribution()[0]
        print(
            f"{dataset.name}: {noise['mean']:+.2f} +- {noise['mean_err']:.2f} (mean),"
            f" {noise['std']:.2f} +- {noise['std_err']:.2f} (width)"
        )

# %%
# It is not, they are alike. Real background models have structure that no norm removes,
# and it adds up when datasets are joined while their noise averages out. Think of the
# width as of the scale on which to read the map: what is at five in units of noise is
# at five divided by the width in units of what this field does anyway.
