# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""
Norm fits in milliseconds
=========================

When only norms are free the model is linear, and a fit takes about as long as two
evaluations of the model. When that is, how to know, and what it is good for.

The questions that tell whether a fit is good are cheap to ask and slow to answer. A
profile is a fit at each value. Flux points with free backgrounds are two fits or more
in each bin. Each run has a fit before it is stacked. In nearly all of these fits the
shapes stay as they are, and what is free are amplitudes and background norms. Then the
predicted counts in bin :math:`i` are

.. math::
    m_i = F_i + \sum_k \theta_k T_{ki}

with norms :math:`\theta_k` and templates :math:`T_{ki}` that do not depend on them. An
optimiser that does not know this folds every component with the response, or at least
sums up cubes, each time it wants a value. One that knows it evaluates each component
*once*. After that, empty bins enter only as sums, the statistic is convex, and Newton's
method finds its minimum in a few steps, with the exact second derivatives as
covariance.
"""

# %%
# A field with several norms
# --------------------------
# The datasets of :doc:`residuals_3d` with all of the sources of the field. The shapes
# are taken as known. With ``J1702_SCENE=full`` in the environment all four datasets are
# used, with more energy bins.

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import numpy as np
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.linearity import NotLinearError, why_not_linear
from gammapy.modeling.models import UniformPrior
from gammapy.modeling.newton import fit_norms
from gammapy.modeling.templates import NormTemplates

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import j1702_scene  # noqa: E402

if os.environ.get("J1702_SCENE", "small") == "full":
    scene = j1702_scene.FULL
else:
    scene = replace(
        j1702_scene.SMALL, steps=j1702_scene.FULL.steps, width=4.0, pixel=0.05
    )
datasets = j1702_scene.make_datasets(scene, seed=0)
print(len(datasets), "datasets with bins of", datasets[0].counts.data.shape)

# %%
# Is it linear?
# -------------
# ``why_not_linear`` names the first reason why it is not, or nothing.

print("all free  :", why_not_linear(datasets) or "linear")
for par in datasets.parameters:
    par.frozen = par.frozen or par.name not in ("amplitude", "norm")
print("only norms:", why_not_linear(datasets) or "linear")

# %%
# The fit
# -------
# ``Fit(backend="newton")`` insists on the fast way, and ``Fit(backend="minuit")`` on
# Minuit. We start both from the same wrong place, and do not count the time of the
# first evaluation, which fills the caches of the components.

start = [par.value * 1.2 for par in datasets.parameters.free_parameters]
timings, results = {}, {}


@contextmanager
def timed(task, way):
    """Keep the seconds that the block takes."""
    begin = time.perf_counter()
    yield
    timings[task, way] = time.perf_counter() - begin


for backend in ("minuit", "newton"):
    for par, value in zip(datasets.parameters.free_parameters, start, strict=True):
        par.value = value
    datasets.stat_sum()
    with timed("fit", backend):
        results[backend] = Fit(backend=backend).run(datasets)
    print(
        f"{backend}: {results[backend].nfev:4} evaluations,"
        f" {timings['fit', backend]:.3f} s,"
        f" statistic {results[backend].total_stat:.5f}"
    )

# %%
# Both stop at the same minimum: not to within an error bar, but to a small part of it.

rows = []
slow, fast = (results[backend].models.parameters for backend in ("minuit", "newton"))
names = results["newton"].models.parameters_unique_names
for name, a, b in zip(names, slow, fast, strict=True):
    if not a.frozen:
        rows.append(
            {
                "parameter": name,
                "minuit": a.value,
                "newton": b.value,
                "difference / error": (a.value - b.value) / a.error,
                "ratio of errors": b.error / a.error,
            }
        )
table = Table(rows)
for name in table.colnames[1:3]:
    table[name].info.format = ".4g"
for name in table.colnames[3:]:
    table[name].info.format = ".4f"
table.pprint_all()

# %%
# Profiles and flux points
# ------------------------
# What takes long is not the fit, but the many fits that follow. Of these, ``Fit()``
# without a backend leaves the choice to Gammapy: profiles, surfaces, flux points, light
# curves and background makers take Newton's method whenever the model allows, and
# Minuit for everything else. Nothing needs to be changed in a script to have it.
# ``Fit("minuit")`` always takes Minuit, as here to compare:

source = datasets.models["HESS J1702-420B"]
amplitude = source.spectral_model.amplitude
amplitude.scan_n_values = 9
axis = datasets[0].counts.geom.axes["energy"]
energy_edges = axis.edges[axis.edges > 0.999 * j1702_scene.ENERGY_FIT][::3]

profiles, norms = {}, {}
for way, fit in {'Fit("minuit")': Fit("minuit"), "Fit()": Fit()}.items():
    print(f"{way:13} is automatic: {fit.is_automatic}")
    estimator = FluxPointsEstimator(
        energy_edges=energy_edges,
        source=source.name,
        reoptimize=True,
        selection_optional=[],
        fit=fit,
    )
    with timed("profile", way):
        profile = fit.stat_profile(datasets, amplitude, reoptimize=True)
    profiles[way] = profile["stat_scan"]
    print(f"{'':13} profile with: {profile['fit_results'][0].backend}")
    with timed("flux points", way):
        flux_points = estimator.run(datasets)
    table = flux_points.to_table(sed_type="likelihood")
    norms[way] = np.array([table["norm"], table["norm_err"]]).T

# %%
# A scan of a shape is made of norm fits, too, as long as nothing but norms is fitted at
# each value. Then new templates are made for each of them:

index = source.spectral_model.index
index.scan_values = index.value + np.linspace(-0.2, 0.2, 3)
scans = {}
for way, fit in {'Fit("minuit")': Fit("minuit"), "Fit()": Fit()}.items():
    with timed("profile of a shape", way):
        scans[way] = fit.stat_profile(datasets, index, reoptimize=True)["stat_scan"]
    print(f"{way:13}", (scans[way] - scans[way].min()).round(3))

# %%
# By hand
# -------
# For more than that, take the templates into your own hands. ``NormTemplates``
# evaluates each component once; ``fit_norms`` fits them, with some held at a value if
# you like, and changes no parameter. Templates can be sliced in energy, too: a slice of
# a template is the template of the slice. The result is the same.

with timed("profile", "templates"):
    templates = NormTemplates.from_datasets(datasets)
    profiles["templates"] = np.array(
        [
            fit_norms(templates, fixed={amplitude: value}).stat
            for value in amplitude.scan_values
        ]
    )

with timed("flux points", "templates"):
    templates = NormTemplates.from_datasets(datasets)
    idx = templates.parameters.index(amplitude)
    norms["templates"] = []
    for low, high in pairwise(energy_edges):
        in_bin = fit_norms(templates.slice_by_energy(low, high))
        values = np.array([in_bin.values[idx], in_bin.errors[idx]])
        norms["templates"].append(values / amplitude.value)

table = Table({"e_min": energy_edges[:-1], "e_max": energy_edges[1:]})
for way, values in norms.items():
    table[way] = [f"{norm:.4f} +- {error:.4f}" for norm, error in values]
for name in ("e_min", "e_max"):
    table[name].info.format = ".3g"
table.pprint_all()

# %%
# The balance
# -----------

slowest = {}
for (task, _), seconds in timings.items():
    slowest[task] = max(seconds, slowest.get(task, 0))
table = Table(
    [
        {
            "task": task,
            "with": way,
            "seconds": seconds,
            "times faster": slowest[task] / seconds,
        }
        for (task, way), seconds in timings.items()
    ]
)
table.sort(["task", "seconds"])
table["seconds"].info.format = ".3f"
table["times faster"].info.format = ".0f"
table.pprint_all()

figure, (ax_profile, ax_time) = plt.subplots(
    1, 2, figsize=(11, 4.2), layout="constrained"
)
best = np.min(profiles["templates"])
for way, style in zip(profiles, ("ko", "C0-", "C1--"), strict=True):
    values = amplitude.scan_values / 1e-13
    ax_profile.plot(values, profiles[way] - best, style, label=way)
ax_profile.set_xlabel("Amplitude [1e-13 TeV-1 cm-2 s-1]")
ax_profile.set_ylabel("Statistic above its minimum")
ax_profile.legend()
labels = [f"{row['task']}, {row['with']}" for row in table]
ax_time.barh(labels, table["seconds"], color="C0")
ax_time.set_xscale("log")
ax_time.set_xlabel("Seconds")
ax_time.invert_yaxis()
plt.show()

# %%
# The shares of the time say what is left to be gained. The fit itself is nearly free;
# what takes time is to evaluate each component once for the templates, which a scan of
# a shape does at each value, and for flux points all that the estimator does around the
# fits.
#
# When it applies
# ---------------
# Free parameters must be norms of spectral models on a list that was tested, one for
# each component, alone or as a factor of a product. Bounds, links and Gaussian priors
# are fine. The data must be counts compared with a modelled background, the statistics
# ``cash`` and ``cash_weighted``. To see what is not covered, we free this and that:


def reason_for(change):
    """Why datasets are not linear after a change of their models."""
    changed = datasets.copy()
    changed.models = datasets.models.copy()
    change(changed)
    return why_not_linear(changed)


def free(name, model=source.name):
    """Change that frees a parameter."""
    return lambda changed: setattr(
        changed.models[model].parameters[name], "frozen", False
    )


def set_uniform_prior(changed):
    """Change that gives a norm a prior which is no parabola."""
    norm = changed.models[f"{changed.names[0]}-bkg"].spectral_model.norm
    norm.prior = UniformPrior(min=0.9, max=1.1)


print("index     :", reason_for(free("index")))
print("position  :", reason_for(free("lon_0")))
print("tilt      :", reason_for(free("tilt", f"{datasets.names[0]}-bkg")))
print("prior     :", reason_for(set_uniform_prior))

# %%
# To insist all the same is an error that says why. ``Fit()`` without a backend would
# take Minuit here, silently, and say so in the log at level DEBUG.

source.spectral_model.index.frozen = False
try:
    Fit(backend="newton").run(datasets)
except NotLinearError as error:
    print(error)
source.spectral_model.index.frozen = True

# %%
# And when shapes are free?
# -------------------------
# Most of the way to the minimum is made of norms even then. Fit these first, with
# Newton's method, and all of it with Minuit afterwards, as :doc:`residuals_3d` does.
# Minuit starts with the right amplitudes, and has only the shapes left to find.
