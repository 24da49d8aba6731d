# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What did the background do?
===========================

Keep what the nuisance parameters were fitted to: along a profile, in each flux point,
in each run.

Nobody publishes the norm of a background, and yet each result stands on it. A profile
of an amplitude, a flux point and a run before stacking are each a fit of their own, in
which the background norms are free to go where they like. An excess that is really
background, a model with a source too few, a run under clouds: all of these are seen
first in the norms, and Gammapy 2.1 drops these as soon as the fit is done.

With ``debug=True`` they stay: one row per fit in a table, and a line in the log. It
changes no fitted value. The question to ask is always the same: **by how many standard
deviations does this fit want another background than the rest of the data?**
"""

# %%
# A fit to start from
# -------------------
# The field of :doc:`residuals_3d` in small: an extended source in two datasets with one
# background norm each. The shape of the source is known here, so amplitude and norms
# are the free parameters.

import logging
import sys
from pathlib import Path
import numpy as np
import astropy.units as u
from regions import CircleSkyRegion
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, SpatialResiduals
from gammapy.diagnostics import ImpactEstimator
from gammapy.estimators import FluxPointsEstimator
from gammapy.makers import FoVBackgroundMaker
from gammapy.modeling import Fit
from gammapy.report import FitReport
from gammapy.visualization import plot_nuisance, plot_spatial_residuals

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import j1702_scene  # noqa: E402

datasets = j1702_scene.make_datasets(j1702_scene.SMALL, seed=0)
source = datasets.models["HESS J1702-420B"]
amplitude = source.spectral_model.amplitude
norms = [f"{name}-bkg.spectral.norm" for name in datasets.names]
pulls_of_norms = [f"{name}_pull" for name in norms]


def free_norms_only(datasets):
    """Leave only amplitudes and norms free."""
    for par in datasets.parameters:
        par.frozen = par.name not in ("amplitude", "norm")


free_norms_only(datasets)
fit = Fit(debug=True)
result = fit.run(datasets)
print(result)

# %%
# Profiles
# --------
# At each value of the amplitude the norms are fitted again. Without that, the profile
# would be that of a known background, and too narrow.

amplitude.scan_n_values = 9
profile = fit.stat_profile(datasets, amplitude, reoptimize=True)
nuisance = profile["nuisance"]
columns = [f"{source.name}.spectral.amplitude", "stat", "success"]
nuisance[[*columns, *pulls_of_norms]].pprint_all()

# %%
# The columns ``..._pull`` are the answer to the question above: the difference from the
# norm of the global fit, in units of its error. They fall, because a brighter source
# leaves less to the background, and they stay far below one. This is what a source
# looks like on which the background does not depend.

plot_nuisance(nuisance)
plt.show()

# %%
# The slope is the covariance of amplitude and norms. How much of the error of the
# amplitude is due to the background? Impacts say so for each parameter, and for all
# backgrounds together (:doc:`/user-guide/impacts`).

impacts = ImpactEstimator(f"{source.name}.amplitude").run(datasets)
due_to_norms = abs(impacts.ranking(1, kind="group")["impact"][0])
total = amplitude.error
alone = np.sqrt(total**2 - due_to_norms**2)
print(f"error of the amplitude     : {total:.3g} {amplitude.unit}")
print(f"due to the background      : {due_to_norms:.3g} {amplitude.unit}")
print(f"with the background fixed  : {alone:.3g} {amplitude.unit}")

# %%
# Flux points
# -----------
# A flux point is a fit of the norm of the source in one energy bin. With
# ``reoptimize=True`` the background norms are free in each bin, too. Two things are
# then known from the pulls: whether the background has the right spectrum, and whether
# a flux point that sticks out does so because its background does.

axis = datasets[0].counts.geom.axes["energy"]
energy_edges = axis.edges[axis.edges > 0.999 * j1702_scene.ENERGY_FIT][::2]
estimator = FluxPointsEstimator(
    energy_edges=energy_edges,
    source=source.name,
    reoptimize=True,
    selection_optional=[],
    debug=True,
)
flux_points = estimator.run(datasets)
columns = ["e_min", "e_max", "success", *pulls_of_norms]
flux_points.nuisance[columns].pprint_all()

# %%
# Each bin has only a part of the counts of the global fit, and is a part of it; the
# pulls of flux points account for both. Noise gives numbers of the size of one.
#
# When the background is wrong
# ----------------------------
# Now a background with a wrong spectrum: in the second dataset we make it steeper by
# tilting the model, and fit again. In a real analysis this is a model of the background
# that was made at another zenith angle.

tilted = datasets.copy()
tilted.models = datasets.models.copy()
tilted.models[f"{tilted[1].name}-bkg"].spectral_model.tilt.value = 0.15
fit.run(tilted)
flux_points_tilted = estimator.run(tilted)
flux_points_tilted.nuisance[columns].pprint_all()

# %%
# The norm of that dataset now rises with energy, bin after bin, by many standard
# deviations; the other dataset stays where it was.

figure, axes = plt.subplots(2, 2, figsize=(11, 5), sharex=True, sharey="row")
figure.subplots_adjust(0.09, 0.12, 0.98, 0.92, hspace=0.12, wspace=0.15)
for column, points in zip(axes.T, (flux_points, flux_points_tilted), strict=True):
    models = datasets.models if points is flux_points else tilted.models
    plot_nuisance(points.nuisance, norms, column, best_fit=models)
axes[0, 0].set_title("right background", loc="left")
axes[0, 1].set_title("tilted background", loc="left")
plt.show()

# %%
# Would the residuals have shown it? The joint map hardly does, for the norm makes the
# sum over all energies right. Ask in energy groups when norms move with energy:

groups = SpatialResiduals.from_datasets(tilted[1], energy_edges=energy_edges)
plot_spatial_residuals(groups, panels=["significance"])
plt.show()
table = groups.distribution()
table["e_min", "e_max", "mean", "mean_err", "std"].pprint_all()

# %%
# The mean changes its sign with energy, and the width says little: each pixel is off by
# a little, all of them together by a lot.
#
# Runs
# ----
# Before runs are stacked, ``FoVBackgroundMaker`` gives each of them a norm, from the
# counts outside the sources. Here is a set of simulated runs around the same target. In
# one of them there were clouds: fewer events of all kinds.

scene = j1702_scene.SMALL
random = np.random.default_rng(0)
cloudy = 5
runs = Datasets()
for idx, angle in enumerate(np.arange(8) * 45):
    run_bin = j1702_scene.RunBin(
        offset=0.7, zenith=30, livetime=4, background_norm=1, angles=(angle,)
    )
    run = j1702_scene.make_response(scene, f"run-{idx}", run_bin)
    run.models = [source]
    npred = run.npred() * (0.75 if idx == cloudy else 1)
    run.counts = npred.copy(data=random.poisson(npred.data))
    run.models = None
    run.meta_table["OBS_ID"] = [idx]
    runs.append(run)

# %%
# The sources are excluded, and only energies of the analysis are used: the norm of a
# run should not be that of events which nobody looks at. The masks of the datasets stay
# as they are.

region = CircleSkyRegion(source.position, 0.9 * u.deg)
exclusion_mask = runs[0].counts.geom.to_image().region_mask([region], inside=False)


def normalise(runs, exclusion_mask):
    """Copies of the runs with normalised backgrounds."""
    maker = FoVBackgroundMaker(
        method="fit",
        exclusion_mask=exclusion_mask,
        energy_min=j1702_scene.ENERGY_FIT,
        debug=True,
    )
    return Datasets([maker.run(run.copy(name=run.name)) for run in runs])


normalised = normalise(runs, exclusion_mask)
table = FoVBackgroundMaker.nuisance(normalised)
table["dataset", "counts_off", "norm", "norm_err", "success"].pprint_all()

# %%
# ``counts_off`` is what fixed the norm. Do the runs agree on one? The section on
# backgrounds of the report compares each of them with the mean of all.

report = FitReport(normalised, sections=["backgrounds"])
print(report.verdict)
plot_nuisance(table)
plt.show()

# %%
# They do not. The run with clouds has a norm of its own, and once the runs are stacked,
# there is no way to see it: the norm has made its background right. It has *not* made
# right the exposure, so the flux of the source is too low. That is why the norms of
# runs belong to the checks of an analysis, not to its internals.
#
# The second use: is the exclusion mask large enough? Without one, the norms pay for the
# source:

unmasked = FoVBackgroundMaker.nuisance(normalise(runs, None))
shift = (unmasked["norm"] - table["norm"]) / table["norm_err"]
print(f"mean shift of the norms without a mask: {np.mean(shift):+.1f} sigma")

# %%
# In real data, no one knows the right norm. Enlarge the mask until the norms no longer
# move, or let :class:`~gammapy.makers.ExclusionMaskMaker` find the mask in the data.
# The page :doc:`hess_dr1` does all of this with real runs, and
# :doc:`/user-guide/nuisance` says what each column means.
#
# The log
# -------
# Each row is a line of the log, too, so that a log of hours can be searched for the
# fits that failed. By default Python does not show lines of this level; in a
# script, ``logging.basicConfig(level="INFO")`` does that for all of it.

log = logging.getLogger("gammapy.makers")
handler = logging.StreamHandler(sys.stdout)
log.addHandler(handler)
log.setLevel("INFO")
normalise(runs[:2], exclusion_mask)
log.setLevel("NOTSET")
log.removeHandler(handler)
