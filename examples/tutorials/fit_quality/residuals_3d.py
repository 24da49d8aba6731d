# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Is this source really there?
============================

Add components one by one, and let the residuals say what is missing.

A joint fit of several datasets has converged. Minuit reports success, the errors are
small, and yet a source may be missing: the optimiser compares parameters of *one*
model, and never asks for another model. That question is for the residuals, the counts
that the model does not explain, in units of what noise would do.

We take a simulated field, for there we know the answer: two datasets with different
pointings and zenith angles, a compact source, an extended one of a soft spectrum, and
on top of it a small one with a hard spectrum. The field is a part of that of HESS
J1702-420, whose two components were told apart in just this way.

Set the environment variable ``J1702_SCENE`` to ``full`` to run this page with the whole
field: all components, four datasets and more energy bins, which takes some minutes.
"""

# %%
# The field
# ---------
# The scene is computed in ``examples/j1702_scene.py`` from a table of sources and a few
# formulas for the instrument. The counts come from a seed.

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
import numpy as np
import astropy.units as u
from regions import CircleSkyRegion
import matplotlib.pyplot as plt
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.diagnostics import (
    FitHistory,
    GoodnessOfFitEstimator,
    HotSpotEstimator,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import Models
from gammapy.visualization import plot_spatial_residuals, plot_spectral_residuals

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import j1702_scene  # noqa: E402

if os.environ.get("J1702_SCENE", "small") == "full":
    scene = j1702_scene.FULL
else:
    names = ("HESS J1708-410", "HESS J1702-420B", "HESS J1702-420A")
    steps = [(name.removeprefix("HESS "), (name,)) for name in names]
    scene = replace(j1702_scene.SMALL, steps=(("background", ()), *steps))

datasets = j1702_scene.make_datasets(scene, seed=0)
print(datasets)

# %%
# Start with the background alone
# -------------------------------
# The analyst knows nothing yet of the sources. The datasets get one background model
# each, with a free norm, and the joint residuals show the rest. Nothing is stacked for
# that: each dataset is folded with its own response and masked with its own masks, and
# only counts and predicted counts are summed.

datasets.models = j1702_scene.background_models(scene)
Fit().run(datasets)
plot_spatial_residuals(datasets)
plt.show()

# %%
# Four panels, read in this order. **Counts and model** share one colour scale, so that
# a difference you can see is one. The **significance** is that of the sum of the counts
# within the correlation radius, given the model. Its colours end at five standard
# deviations; beyond, each area has a dot at its extreme with the value, and contours
# carry theirs. The circle in the corner is the kernel. The **distribution** of all
# pixels is compared with noise, N(0, 1).
#
# Note what the background norms did: with no source to explain the excess, they took up
# a part of it, and the field around the sources is too blue. A missing source is never
# only missing. Something else is wrong in its place.

print(datasets.models.to_parameters_table()["model", "name", "value", "error"])

# %%
# One component at a time
# -----------------------
# For each step we add one component and fit all parameters jointly. A history keeps the
# steps: how far the statistic fell (``ts``), the highest spot, and how wide the
# distribution of the significance is (``residual_std``). A component starts near its
# place, as if read off the map before.
#
# Each fit has two stages. First only amplitudes and norms are free: the model is linear
# in them, and the backend "newton" needs a few steps to the minimum (see
# :doc:`fast_norm_fits`). From there it fits all parameters. The size of the compact
# source is not determined as long as the bright source beside it is missing: that fit
# has no success, and the next ones do.

fit = Fit(backend="newton")
temporary = tempfile.TemporaryDirectory()
history = FitHistory(Path(temporary.name) / "history")
residuals_by_step = {}
for label, names in scene.steps:
    new_models = j1702_scene.start_models(scene, names, seed=1)
    datasets.models = Models([*new_models, *datasets.models])
    with datasets.parameters.restore_status(restore_values=False):
        for par in datasets.parameters:
            par.frozen |= par.name not in ("amplitude", "norm")
        fit.optimize(datasets)
    result = fit.run(datasets)
    residuals_by_step[label] = SpatialResiduals.from_datasets(datasets)
    step = history.add(label, datasets, result, residuals=residuals_by_step[label])
    print(f"{label}: {step.hot_spots.verdict}")

table = history.table()
table["name", "success", "ts", "n_dof", "spot", "residual_std"].pprint_all()

# %%
# As long as the width is above 1 by more than noise allows, look next at the highest
# spot. Mind that the compact source hardly changes the width, and yet improves the fit
# by far more than its parameters cost. The width is a summary of the field; a small
# source is a few pixels of it.
#
# The last row is what the end of an analysis looks like: the width is that of noise,
# and there is no spot of 4 sigma or more. :doc:`next_step` lets tests propose the
# steps.

n_steps = len(scene.steps)
n_columns = min(n_steps, 3 if n_steps > 4 else 2)
n_rows = int(np.ceil(n_steps / n_columns))
wcs = datasets[0].counts.geom.to_image().wcs
figure = plt.figure(figsize=(5.4 * n_columns, 4.4 * n_rows))
figure.subplots_adjust(0.08, 0.07, 0.93, 0.95, wspace=0.4, hspace=0.3)
for idx, (label, residuals) in enumerate(residuals_by_step.items(), start=1):
    ax = figure.add_subplot(n_rows, n_columns, idx, projection=wcs)
    plot_spatial_residuals(residuals, panels=["significance"], axes=[ax])
    ax.set_title(f"+ {label}, width {residuals.distribution()['std'][0]:.2f}")
plt.show()

# %%
# A hard source on a soft one
# ---------------------------
# After the extended component, the map still has a spot, yet a small one compared with
# what was there before. Is it a source, or has the extended one the wrong shape? Two
# things speak against the shape: the spot is compact, and it has another spectrum. The
# first can be seen in the map. For the second, look at the residuals against energy in
# a region around the spot:

before, after = history.names[-2:]
left, spot = residuals_by_step[before].worst_pixel()
region = CircleSkyRegion(spot, 0.2 * u.deg)

datasets.models = history[before].models
spectrum_before = SpectralResiduals.from_datasets(datasets, region)
plot_spectral_residuals(spectrum_before, method="diff/model")
plt.show()

# %%
# The fraction that is missing rises with energy, from next to nothing: this is what a
# component with a harder spectrum does. ``diff/model`` is the method for such a
# question. The significance says in which bins there is evidence, and falls where
# counts get few; the relative difference says what the missing spectrum looks like
# compared with the model.
#
# A wrong shape of the extended component would show where most of its counts are, at
# low energies. So we look at the map in two groups of energy bins, too: the spot is in
# that of the high energies.

axis = datasets[0].counts.geom.axes["energy"]
edges = axis.edges[axis.edges > 0.999 * j1702_scene.ENERGY_FIT]
groups = SpatialResiduals.from_datasets(
    datasets, energy_edges=[edges[0], edges[len(edges) // 2], edges[-1]]
)
plot_spatial_residuals(groups, panels=["significance", "distribution"], region=region)
plt.show()

# %%
# With the last component both are gone:

datasets.models = history[after].models
spectrum_after = SpectralResiduals.from_datasets(datasets, region)
plot_spectral_residuals(spectrum_after, method="diff/model")
plt.show()

# %%
# To see what a component does in a fit that has it, leave it out of the model of the
# residuals. ``exclude`` fits nothing again, so this is the excess that the component
# itself explains, not what was left before it was added: then its neighbours had grown
# to fill the gap.

target = scene.steps[-1][1][0]
without = SpatialResiduals.from_datasets(datasets, exclude=target)
explained, _position = without.worst_pixel()
print(f"left after the step before : {left:.1f}")
print(f"explained by {target} : {explained:.1f}")

# %%
# Masks and energy ranges
# -----------------------
# All of this looks only at what was fitted. ``mask_fit`` begins at the energy threshold
# of the analysis; masked bins enter no sum, and are gaps in the spectra above rather
# than zeros that look like agreement. Does the model hold below the threshold as well?
# ``apply_mask=False`` ignores ``mask_fit``, and only that: ``mask_safe`` applies
# always.

below = SpatialResiduals.from_datasets(
    datasets, apply_mask=False, energy_max=j1702_scene.ENERGY_FIT
)
print(below)

# %%
# A mask also answers a question about the rest of the field. Suppose that the sources
# are no concern of ours, and all we need is a good background: we mask them in the fit
# instead of modelling them. Grey pixels in the map are those without any bin left.

masked = datasets.copy()
masked.models = j1702_scene.background_models(scene)
sources = [
    CircleSkyRegion(
        model.position, 0.3 * u.deg + 2 * model.spatial_model.sigma.quantity
    )
    for model in datasets.models.select(tag="sky-model")
]
for dataset in masked:
    outside = dataset.counts.geom.region_mask(sources, inside=False)
    dataset.mask_fit &= outside
Fit().run(masked)
plot_spatial_residuals(masked, panels=["significance", "distribution"])
plt.show()

# %%
# Now the norms are those of the full model, within their errors, without any model of a
# source:

for model in masked.models:
    norm = model.spectral_model.norm
    full_model = datasets.models[model.name].spectral_model.norm
    print(f"{model.name}: {norm.value:.3f} +- {norm.error:.3f}, {full_model.value:.3f}")

# %%
# What a wrong model looks like
# -----------------------------
# The model is complete now. We make three mistakes on purpose, each of which is held
# while all amplitudes and norms are fitted again, as they would be in an analysis that
# had the wrong value frozen.

extended = datasets.models["HESS J1702-420B"]
last_background = datasets.models[f"{datasets.names[-1]}-bkg"]
mistakes = {
    "index 25 % too soft": (extended.spectral_model.index, 1.25),
    "extension half as large": (extended.spatial_model.sigma, 0.5),
    "background norm 10 % too high": (last_background.spectral_model.norm, 1.1),
}
region = CircleSkyRegion(extended.position, 0.6 * u.deg)
figure = plt.figure(figsize=(11, 4.6 * len(mistakes)))
figure.subplots_adjust(0.09, 0.04, 0.97, 0.95, wspace=0.45, hspace=0.35)
mistake_residuals = {}
for idx, (label, (wrong, factor)) in enumerate(mistakes.items()):
    with datasets.parameters.restore_status():
        wrong.value *= factor
        for par in datasets.parameters:
            par.frozen |= par is wrong or par.name not in ("amplitude", "norm")
        fit.optimize(datasets)
        ax_map = figure.add_subplot(len(mistakes), 2, 2 * idx + 1, projection=wcs)
        ax_spectrum = figure.add_subplot(len(mistakes), 2, 2 * idx + 2)
        datasets.plot_residuals(ax_map, ax_spectrum, region=region)
        mistake_residuals[label] = [
            SpatialResiduals.from_datasets(chosen) for chosen in (datasets, *datasets)
        ]
    noise = mistake_residuals[label][0].distribution()[0]
    ax_map.set_title(
        f"{label}:\nmean {noise['mean']:.2f} +- {noise['mean_err']:.2f},"
        f" width {noise['std']:.2f} +- {noise['std_err']:.2f}"
    )
plt.show()

# %%
# - **Index**: a matter of the spectrum. The amplitude makes the sum right, so the map
#   is all but noise, and the residuals against energy go from one sign to the other.
# - **Extension**: a matter of the map. A model that is too small is too bright in the
#   middle and leaves a halo; one that is too large does the opposite. The spectrum says
#   that counts are missing, most of them at low energies. From it alone we would have
#   taken the index for wrong.
# - **Background norm**: hardly to be seen. It moves the mean of the distribution and
#   not its width: all of the field is a little too blue, no place more than another,
#   and the dataset that is right dilutes the one that is not. Joint residuals cannot
#   say which dataset it is. The residuals of each dataset can:

label = list(mistakes)[-1]
figure = plt.figure(figsize=(5.4 * len(datasets), 4.4))
figure.subplots_adjust(0.08, 0.07, 0.93, 0.95, wspace=0.4)
for idx, residuals in enumerate(mistake_residuals[label][1:], start=1):
    ax = figure.add_subplot(1, len(datasets), idx, projection=wcs)
    plot_spatial_residuals(residuals, panels=["significance"], axes=[ax], models=False)
    noise = residuals.distribution()[0]
    ax.set_title(
        f"{residuals.datasets_names[0]}: mean {noise['mean']:.2f}"
        f" +- {noise['mean_err']:.2f}"
    )
plt.show()

# %%
# The verdict
# -----------
# Maps show, and the eye judges. For the question of the title there are numbers: could
# a model without the source have made these data, and how often has noise anywhere, at
# several scales and in both groups of energies, a spot as high as the one that is left?
# Both look at a fit with the covariance of its parameters, which the history has kept.

edges = [edges[0], edges[len(edges) // 2], edges[-1]]
verdicts = {}
for label in (before, after):
    datasets.models = history[label].models
    goodness = GoodnessOfFitEstimator(n_toys=200, random_state=0).run(datasets)
    spots = HotSpotEstimator(energy_edges=edges, random_state=0).run(datasets)
    verdicts[label] = goodness, spots
    print(f"{label} added last: {goodness.verdict}")
    print(f"    {spots.verdict}")

# %%
# Without the source the highest spot is at its place, at high energies. Noise has such
# a spot anywhere in less than one of a hundred maps: enough to try a source there, not
# to claim one. The goodness of fit does not object, for a small source is a few cells
# of many; it is made for mistakes that nobody has named. A spot has a name:
# ``spots.to_models()`` is the source that would make it, and the fit with a source
# there improves by the TS in the last row of the table above, far more than its
# parameters cost. With it no spot is left. So yes, it is really there. See
# :doc:`/user-guide/goodness` and :doc:`/user-guide/hot_spots`.

goodness, spots = verdicts[before]
goodness.plotter.plot(goodness)
plot_spatial_residuals(
    residuals_by_step[before], panels=["significance"], hot_spots=spots, region=region
)
plt.show()

# %%
# So look at both kinds of residuals, at each dataset once, at the verdict, and at the
# nuisance parameters: :doc:`nuisance_parameters`. The page on :doc:`patterns of
# residuals </user-guide/patterns>` has more mistakes and what they look like.

temporary.cleanup()
