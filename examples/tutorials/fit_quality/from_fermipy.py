# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A fermipy session, here
=======================

The steps of an analysis with fermipy and their equivalents, with what differs and why.

With fermipy you judge a fit with ``gta.residmap``, ``gta.tsmap`` and ``gta.psmap``,
and look at a source with ``gta.sed`` and ``gta.profile``. This page goes through such a
session command by command. The differences are small, but some of them change numbers.
What is said of fermipy was read in the documentation and the code of its version 1.4.2
(May 2026). The page :doc:`/coming_from` has tables of commands, also for ctools, XSPEC,
3ML, sherpa and cabinetry.
"""

# %%
# Set up
# ------
# ``GTAnalysis("config.yaml")`` and ``gta.setup()`` make counts, exposure and responses
# of one or several components. Their counterpart is a list of datasets, one for each
# component: event types there, bins of runs here. They may be read from files,
# ``Datasets.read("datasets.yaml", filename_models="models.yaml")``; we simulate an
# extended source, seen by two groups of runs.

import sys
from pathlib import Path
import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets import SpatialResiduals
from gammapy.diagnostics import (
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    ImpactEstimator,
    PSMapEstimator,
)
from gammapy.estimators import FluxPointsEstimator, TSMapEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.visualization import (
    plot_flux_points,
    plot_nuisance,
    plot_residuals_distribution,
    plot_spatial_residuals,
)

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import j1702_scene  # noqa: E402

datasets = j1702_scene.make_datasets(j1702_scene.SMALL, seed=0)
source = datasets.models["HESS J1702-420B"]

# %%
# gta.free_sources(pars="norm"), gta.fit()
# ----------------------------------------

for par in datasets.parameters:
    par.frozen = par.name not in ("amplitude", "norm")
result = Fit().run(datasets)
print(result)
print(datasets.models.to_parameters_table()["model", "name", "value", "error"])

# %%
# The diffuse components of a LAT analysis are models like any other. For telescopes on
# the ground the background is a model of its own in each dataset, with a norm, and with
# a tilt if you free it.
#
# gta.residmap(exclude=[...])
# ---------------------------
# fermipy convolves counts and model with a kernel made of the counts :math:`s` that a
# test source predicts, :math:`s / \sum s^2`, by default for a point source with an
# index of 2. Here the kernel ``"point-source"`` is matched to such a source over the
# background of the model :math:`m`, :math:`\ln(1 + A s / m)`; a ``SkyModel`` is the one
# of another source. ``exclude`` leaves components out of the model, as it does there.

exclude = source.name
residmap = SpatialResiduals.from_datasets(
    datasets, kernel="point-source", exclude=exclude
)
print(residmap)
plot_spatial_residuals(residmap)
plt.show()

# %%
# What differs:
#
# - **The significance.** With weights :math:`f`, the sum :math:`N = \sum f n` is not a
#   Poisson number. fermipy puts it into the likelihood of one and, since version 1.3.0,
#   divides the likelihood ratio by :math:`M_2 / M`, where :math:`M = \sum f m` is its
#   expectation and :math:`M_2 = \sum f^2 m` its variance. That makes the width of noise
#   1, and leaves too many values far from 0 where few counts have most of the weight.
#   Here the likelihood ratio is that of the weighted sum itself: from 5 effective
#   counts, :math:`M^2 / M_2`, on noise is beyond 3 to 5 sigma 0.8 to 1.3 times as often
#   as N(0, 1). The page :doc:`/user-guide/residuals` has the rates for each kernel.
# - **The kernel** is made of the response of each dataset, and the joint map is the sum
#   of the sums.
# - **The excess** is the flux of the test source, integrated over the energies, not
#   counts.
# - **A top-hat** is the default, for its sums are counts, and their significance is
#   that of the Poisson likelihood, whatever the background. Look at both:

tophat = SpatialResiduals.from_datasets(datasets, exclude=exclude)
full = {
    "top-hat": SpatialResiduals.from_datasets(datasets),
    "point-source": SpatialResiduals.from_datasets(datasets, kernel="point-source"),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
for ax, (name, residuals) in zip(axes, full.items(), strict=True):
    plot_residuals_distribution(residuals, ax)
    ax.set_title(f"{name}, all components")
plt.show()

# %%
# gta.tsmap()
# -----------
# The TS map fits the amplitude of a test source at each position, and all other
# parameters keep their values. fermipy does so, and so does
# :class:`~gammapy.estimators.TSMapEstimator` of Gammapy 2.1. We leave the extended
# source out of the model, and ask for a point source in its place.

test_source = SkyModel(
    spectral_model=PowerLawSpectralModel(index=2),
    spatial_model=PointSpatialModel(),
)
without = datasets.copy()
without.models = [model for model in datasets.models if model is not source]
estimator = TSMapEstimator(
    test_source,
    kernel_width="0.4 deg",
    selection_optional=[],
    sum_over_energy_groups=True,
)
maps = {
    "TS map": estimator.run(without).sqrt_ts,
    "residuals, point-source": residmap.sqrt_ts,
    "residuals, top-hat": tophat.sqrt_ts,
}
at_source = {
    name: image.reduce_over_axes().get_by_coord({"skycoord": source.position})[0]
    for name, image in maps.items()
}
for name, value in at_source.items():
    print(f"{name:23}: {value:.1f} sigma at the source")

# %%
# A TS map is for finding sources: it is the better test for a source of the kind that
# it assumes, for it weighs each energy with its background. A residual map is for
# judging a model: it needs no fit, shows what is too bright in the model as well as
# what is missing, and its distribution can be compared with that of noise. Take both;
# their values differ, because they answer different questions.
#
# gta.sed("source", free_background=True)
# ---------------------------------------
# Background parameters are fixed by default, there as well as here. Free them with
# ``reoptimize=True``, and keep what they were fitted to with ``debug=True``. fermipy
# fits norms of the background, each with a prior from the fit of all energies
# (``cov_scale=3``); here all free parameters are fitted, with priors if they have any.

axis = datasets[0].counts.geom.axes["energy"]
energy_edges = axis.edges[axis.edges > 0.999 * j1702_scene.ENERGY_FIT][::2]
estimator = FluxPointsEstimator(
    energy_edges=energy_edges,
    source=source.name,
    reoptimize=True,
    selection_optional=["ul"],
    debug=True,
)
flux_points = estimator.run(datasets)
table = flux_points.to_table(sed_type="dnde", formatted=True)
table["e_ref", "dnde", "dnde_err"].pprint_all()

plot_flux_points(flux_points, source)
norms = [f"{name}-bkg.spectral.norm" for name in datasets.names]
plot_nuisance(flux_points.nuisance, norms, best_fit=datasets.models)
plt.show()

# %%
# The shape in a bin differs, too. fermipy takes a power law of a fixed index in each
# bin, 2 unless told otherwise, or the local slope of the model; the estimator here
# takes the fitted model itself, and its flux points are norms of that.
#
# gta.profile("source", "Prefactor", reoptimize=True)
# ---------------------------------------------------

amplitude = source.spectral_model.amplitude
amplitude.scan_n_values = 7
profile = Fit().stat_profile(datasets, amplitude, reoptimize=True, debug=True)
nuisance = profile["nuisance"]
nuisance["delta_loglike"] = -(nuisance["stat"] - np.min(nuisance["stat"])) / 2
nuisance["delta_loglike"].info.format = ".2f"
nuisance[[nuisance.colnames[0], "delta_loglike", *norms]].pprint_all()

# %%
# fermipy returns ``dloglike``; the statistic here is minus two times the logarithm of
# the likelihood, so that one standard deviation is a rise of one. In version 1.4.2
# ``gta.profile`` scans the normalisation of the source, whatever parameter is named.
#
# gta.psmap(cmap=..., mmap=...), gta.find_sources()
# -------------------------------------------------
# The PS map asks whether the spectrum fits at each position. It follows Bruel (2021) in
# both; here the radius is the one with 68 percent of the point spread function, and the
# energies are those of the datasets. ``gta.find_sources`` adds a source at each peak of
# a TS map, and fits it; hot spots are found at several radii, with the probability that
# noise has one anywhere, and are start models for a fit of yours.

ps_map = PSMapEstimator(exclude=exclude).run(datasets)
print(ps_map.verdict)
spots = HotSpotEstimator(random_state=0, exclude=exclude).run(datasets)
print(spots.verdict)
print(spots.to_models()[0])

# %%
# With the source in the model neither has anything to show, and the p-value of the
# goodness of fit says how well all of it agrees:

goodness = GoodnessOfFitEstimator(random_state=0).run(datasets)
for found in (
    PSMapEstimator().run(datasets),
    HotSpotEstimator(random_state=0).run(datasets),
    goodness,
):
    print(found.verdict)

# %%
# gta.fit()["correlation"]
# ------------------------
# The matrix of correlations, and how far each parameter moves the amplitude:

impacts = ImpactEstimator(amplitude).run(datasets)
names, _models, matrix = impacts.correlation()
for name, row in zip(names, matrix, strict=True):
    print(f"{name:35}", *(f"{value:6.2f}" for value in row))
impacts.ranking()["name", "impact", "correlation"].pprint_all()

# %%
# gta.write_roi("fit1")
# ---------------------
# ``datasets.write("datasets.yaml", filename_models="models.yaml")`` writes data and
# model, ``residmap.write("residuals.fits")`` the maps,
# ``flux_points.write("sed.fits")`` flux points with their nuisance values.
# ``FitHistory(folder).add("fit1", datasets, result)`` keeps all of a step. What was
# written can be judged in the shell::
#
#     gammapy residuals datasets.yaml models.yaml
#     gammapy nuisance sed.fits --plot norms.png
#     gammapy report datasets.yaml models.yaml --out report.html
