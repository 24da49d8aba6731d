# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Is it a good fit?
=================

Goodness of fit, hot spots, score tests, a history, impacts and a report: one question
each, on one fit.

A fit has converged, its errors are small, and the residual map looks like noise. Is it
good enough to publish? No single number answers this. This page asks one question after
the other, changes the model once, and puts everything on one page that a colleague can
read. :doc:`/user-guide/five_minutes` is the short version, in which the report asks
all questions itself.
"""

# %%
# A fit
# -----
# The field is simulated, so we know the answer: two joint datasets with a compact
# source, an extended one with a soft spectrum, and a small one with a hard spectrum on
# top of it. The field is a part of that of HESS J1702-420. The analyst of this page
# does not know of the hard source.

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
import matplotlib.pyplot as plt
from gammapy.diagnostics import (
    FitHistory,
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    ImpactEstimator,
    ScoreTestEstimator,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import Models
from gammapy.report import FitReport
from gammapy.visualization import plot_spatial_residuals

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import j1702_scene  # noqa: E402

known = ("HESS J1708-410", "HESS J1702-420B")
steps = (("background", ()), ("sources", (*known, "HESS J1702-420A")))
scene = replace(j1702_scene.SMALL, steps=steps)
datasets = j1702_scene.make_datasets(scene, seed=0)
truth = datasets.models
sources = j1702_scene.start_models(scene, known, seed=1)
datasets.models = Models([*sources, *j1702_scene.background_models(scene)])
fit = Fit(backend="newton")
result = fit.run(datasets)
print(result)

# %%
# Could this model have made these data?
# --------------------------------------
# Goodness of fit compares counts and model in cells: of the sky, of energy, of each
# dataset, and around each component. Its p-values take into account that the model was
# fitted to the same counts, with simulations where they are needed.

goodness = GoodnessOfFitEstimator(random_state=0).run(datasets)
print(goodness.verdict)
goodness.plotter.plot(goodness)
plt.show()

# %%
# No complaint. A small source is a few cells of many, and goodness of fit is made for
# mistakes that nobody can name. It is the first question, not the last one.
#
# Is something missing, and where?
# --------------------------------
# The hot spot estimator looks for excesses and deficits with several kernels, here in
# two energy groups. It simulates noise to find out how often noise has such a spot
# anywhere in the field.

axis = datasets[0].counts.geom.axes["energy"]
edges = axis.edges[axis.edges > 0.999 * j1702_scene.ENERGY_FIT]
edges = [edges[0], edges[len(edges) // 2], edges[-1]]
spots = HotSpotEstimator(energy_edges=edges, random_state=0).run(datasets)
print(spots.verdict)
spots.table["number", "lon", "lat", "sqrt_ts", "p_global", "ts"].pprint_all()
plot_spatial_residuals(
    datasets, energy_edges=edges, panels=["significance"], hot_spots=spots
)
plt.show()

# %%
# There is a spot at high energies, near the centre of the extended source. Noise has
# one as high anywhere in the field in less than one of a hundred cases
# (``p_global``). That is a reason to test a source there, and no detection yet.
#
# What would help?
# ----------------
# Score tests say what a fit would gain if a parameter were freed or a source were
# added, without fitting. The new source competes with other explanations: an extended
# source of another profile, curved spectra, tilted backgrounds.

tests = ScoreTestEstimator(hot_spots=spots).run(datasets)
print(tests.verdict)
tests.plotter.plot(tests)
plt.show()

# %%
# A source at the spot gains far more than all else. The verdict is cautious: it counts
# all places where a source could have been put, and all tests, and then p = 0.037 is
# not below 0.01. It is what an analyst would try next all the same.
#
# Did it help?
# ------------
# ``tests.take`` gives the models with that step taken. The history keeps both fits with
# their spots and goodness of fit, and compares them.

temporary = tempfile.TemporaryDirectory()
history = FitHistory(Path(temporary.name) / "history")
step = history.add("two sources", datasets, result, hot_spots=spots, goodness=goodness)

datasets = datasets.copy()
datasets.models = tests.take("source spot-1", history["two sources"].models)
result = fit.run(datasets)
goodness = GoodnessOfFitEstimator(random_state=0).run(datasets)
spots = HotSpotEstimator(energy_edges=edges, random_state=0).run(datasets)
step = history.add(
    "hard source",
    datasets,
    result,
    hot_spots=spots,
    goodness=goodness,
    note=tests.verdict,
)
print(history.compare("two sources", "hard source"))

# %%
# The fit improves about as much as was expected, and the spot is gone. The significance
# of TS itself is doubtful for a source that is added, and the history says so; trust
# that of the spot. Note the index of the extended source: without the hard source it
# was too small by several errors. A missing source is never only missing.

index = "HESS J1702-420B", "index"
for label, models in (
    ("two sources", history["two sources"].models),
    ("hard source", datasets.models),
    ("truth", truth),
):
    par = models[index[0]].parameters[index[1]]
    error = "" if label == "truth" else f" +- {par.error:.2f}"
    print(f"{label:12}: {par.value:.2f}{error}")

# %%
# Which parameter moves the result?
# ---------------------------------
# Suppose that the paper is about the flux of the extended source. Which of the other
# parameters is its error made of?

impacts = ImpactEstimator("HESS J1702-420B.amplitude").run(datasets)
print(impacts.verdict)
impacts.plot()
plt.show()

# %%
# Size and index of the new source are at the top. So the error of the flux depends on
# what is assumed of the other source, and a paper should say so. Each background norm
# moves it by less.
#
# All of it on one page
# ---------------------
# The report takes what was computed, adds maps, spectra, parameters and how it was
# made, and has a verdict on top. ``report.write`` writes the page and its numbers;
# `a report like this one <../reports/j1702_good.html>`__ is part of this documentation.

tests = ScoreTestEstimator(hot_spots=spots).run(datasets)
report = FitReport(
    datasets,
    result,
    history=history,
    goodness=goodness,
    hot_spots=spots,
    score_tests=tests,
    impacts=impacts,
    title="HESS J1702-420 (simulated)",
)
paths = report.write(Path(temporary.name) / "report.html")
print(report)

# %%
# No finding asks for another look. That does not prove the model: it says that none of
# these questions found a mistake. :doc:`/user-guide/goodness` shows how small a mistake
# is found, :doc:`next_step` repeats the loop of this page until nothing is left, and
# :doc:`nuisance_parameters` looks at the backgrounds.

temporary.cleanup()
