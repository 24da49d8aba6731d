# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What to do next?
================

From the background alone to a model of the field, step by step: tests propose, the
analyst takes, a history remembers.

A fit that is not good leaves an analyst with many things to try: another source at one
of the spots that are left, an ellipse, a curved spectrum, the tilt of a background.
Each of them takes a fit, and there are more of them than anybody tries. Score tests say
for all of them at once what a fit would gain. This page begins with a background, and
at each step takes the best of what is proposed, until nothing is left that gains much.

The field is simulated, so that the end can be compared with the truth. Set the
environment variable ``J1702_SCENE`` to ``full`` for all four datasets of it, which
takes some minutes. The last section does the same with real events.
"""

# %%
# The background alone
# --------------------
# ``examples/j1702_scene.py`` makes the field of HESS J1702-420: two datasets with
# different pointings and zenith angles, and five sources that the model does not have
# yet.

import io
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.diagnostics import (
    FitHistory,
    HotSpotEstimator,
    ScoreTestEstimator,
    nearest_component,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import Models, ShellSpatialModel
from gammapy.visualization import plot_spatial_residuals

try:
    folder = Path(__file__).resolve().parent
except NameError:  # in a notebook, and while the documentation is built
    folder = Path.cwd()
sys.path.append(str(folder.parents[1]))
import hess_runs  # noqa: E402
import j1702_scene  # noqa: E402

if os.environ.get("J1702_SCENE", "small") == "full":
    scene = j1702_scene.FULL
else:
    steps = j1702_scene.FULL.steps
    scene = replace(j1702_scene.SMALL, steps=steps, width=4.0, pixel=0.05)
datasets = j1702_scene.make_datasets(scene, seed=0)
datasets.models = j1702_scene.background_models(scene)

# %%
# A step is a fit, a look at what it left over, and tests of what might be next. The
# history writes datasets, models, the fit and the spots to a folder. That of this page
# is temporary; take one of yours, and tomorrow it is still there.


def run_step(name, datasets, history, note=""):
    """Fit, keep the fit in the history, and test what might be next.

    Returns
    -------
    tests : `~gammapy.diagnostics.ScoreTests`
        What freeing a parameter, or a source at a spot, would gain.
    """
    result = Fit(backend="newton").run(datasets)
    step = history.add(
        name,
        datasets,
        result,
        hot_spots=HotSpotEstimator(random_state=0),
        goodness=True,
        note=note,
    )
    return ScoreTestEstimator(hot_spots=step.hot_spots).run(datasets)


temporary = tempfile.TemporaryDirectory()
history = FitHistory(Path(temporary.name) / "j1702")
tests = run_step("background", datasets, history)

step = history["background"]
print(step.hot_spots.verdict)
print(step.goodness.verdict)
print(tests.verdict)
tests.plotter.plot(tests)
plt.show()

# %%
# The fit is not a good one, and the tests say what to do: put a source at the first
# spot. Its TS is that of a source with amplitude, position, size and index. Nothing
# else comes near; tilts of the background would not help.
#
# One step after the other
# ------------------------
# ``tests.take`` gives the models with that step taken, ready for the fit. The loop
# takes what is first in the table while it is significant after all trials: of the
# number of tests, and of all places where a spot could have been. The names are the
# analyst's.


def take(tests, models, number):
    """Models of the best test, and a name for the step."""
    name = str(tests.table["name"][0])
    taken = tests.take(name, models)
    if tests.table["kind"][0] != "source":
        return taken, name
    known = [model.name for model in models]
    named = [
        model if model.name in known else model.copy(name=f"source-{number}")
        for model in taken
    ]
    return Models(named), f"source-{number}"


def run_steps(tests, datasets, history):
    """Take steps while they are significant; what was expected of each."""
    expected = []
    while tests.n_significant:
        row = tests.table[0]
        expected.append([row[name] for name in ("name", "ts", "ts_step", "flag")])
        note = tests.verdict
        datasets = datasets.copy()
        models, name = take(tests, history[-1].models, len(history))
        datasets.models = models
        tests = run_step(name, datasets, history, note=note)
    return datasets, tests, expected


datasets, tests, expected = run_steps(tests, datasets, history)
columns = ["name", "n_free", "ts", "sigma", "caveat", "aic", "p_value", "spot"]
print(history.verdict)
history.table()[columns].pprint_all()

# %%
# Each step was expected to gain some TS before there was a fit. What it did gain is in
# the history:

table = history.table()
found = Table(rows=expected, names=["test", "ts", "ts_step", "flag"])
found["found"] = table["ts"][1:]
for column in ("ts", "ts_step", "found"):
    found[column].info.format = ".1f"
found.pprint_all()

# %%
# Where expectation and evaluated step agree, a fit finds what was expected. Where they
# do not, the test is flagged: the statistic is no parabola as far as that, and the fit
# has to tell.
#
# In the history the columns ``sigma`` and ``caveat`` belong together: position, size
# and index of a source are not defined without it, so Wilks' theorem does not hold
# for a source that is added. Its significance is that of the spot, after trials. AIC
# and BIC do not know of that either, but they do say when parameters do not pay.
#
# Did it help?
# ------------
# What changed in the last step, and what is left over:

print(history.compare(-2, -1))
print(tests.verdict)
history.plotter.plot(history)
plt.show()

# %%
# No spot is left, no test proposes anything, and the goodness of fit has no complaint.

axes = plot_spatial_residuals(datasets)
plt.show()

# %%
# Against the truth
# -----------------
# Which of the true sources are these? A model that describes the counts need not be
# the one that made them: HESS J1702-420A lies on top of HESS J1702-420B, and one
# source with an ellipse describes both, as long as the counts are too few to tell them
# apart.

truth = j1702_scene.true_models(scene)
for model in datasets.models:
    if model.name.startswith("source"):
        name, separation = nearest_component(model.position, truth)
        print(f"{model.name} is {separation:.2f} deg from {name}")

# %%
# What was done, and why, is in the history:

for step in history:
    print(f"{step.name}: {step.note or 'the start'}")

# %%
# Real events
# -----------
# The same with fifteen runs on RX J1713.7-3946, in the first public data release of
# H.E.S.S.: a shell of about one degree, one of the brightest sources of its kind.
# Nothing in the code above knows the field.

data_dir = Path(os.environ.get("GAMMAPY_DATA", "")) / "hess-dl3-dr1"
has_data = (data_dir / "obs-index.fits.gz").is_file()
if has_data:
    # without its progress bars and tables
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        datasets_rxj = hess_runs.make_datasets(data_dir, field=hess_runs.RX_J1713)
    history_rxj = FitHistory(Path(temporary.name) / "rxj1713")
    tests_rxj = run_step("background", datasets_rxj, history_rxj)
    datasets_rxj, tests_rxj, expected_rxj = run_steps(
        tests_rxj, datasets_rxj, history_rxj
    )
    for step in history_rxj:
        print(f"{step.name}: {step.note or 'the start'}")
    print(history_rxj.verdict)
    history_rxj.table()[columns].pprint_all()
else:
    print("NOTE: there is no $GAMMAPY_DATA/hess-dl3-dr1 here.")
    print(
        "Nothing is computed; docs/recorded has a figure and numbers of a run with it."
    )

# %%
# The first source is a Gaussian of a third of a degree; then another profile is
# proposed for it, and the fit takes that as far as it goes: with ``eta`` at its lower
# bound a generalized Gaussian is a disk. The fit claims no success there, as the edge
# of the disk is harder than the pixels, and the history says so. What is left is a
# hole:

if has_data:
    print(history_rxj[-1].hot_spots.verdict)
    axes = plot_spatial_residuals(datasets_rxj, panels=["counts", "significance"])
    plt.show()

# %%
# No test proposes a shell, as a shell is no step away from a Gaussian. That is for the
# analyst, who knows what a supernova remnant looks like. The history says whether it
# helped: a disk is no special case of a shell that has a radius, so that a TS would
# have no meaning, but AIC compares them.

if has_data:
    datasets_rxj = datasets_rxj.copy()
    models_rxj = history_rxj[1].models
    place = models_rxj["source-1"].spatial_model
    shell = ShellSpatialModel(
        lon_0=place.lon_0.quantity,
        lat_0=place.lat_0.quantity,
        radius="0.4 deg",
        width="0.15 deg",
        frame="icrs",
    )
    shell.radius.min = shell.width.min = 0.01
    models_rxj["source-1"].spatial_model = shell
    datasets_rxj.models = models_rxj
    tests_rxj = run_step("shell", datasets_rxj, history_rxj, note="a hole in the disk")
    table_rxj = history_rxj.table()
    table_rxj[
        "name", "n_free", "stat", "aic", "p_value", "n_spots", "spot"
    ].pprint_all()
    print(history_rxj[-1].hot_spots.verdict)
    print(history_rxj[-1].goodness.verdict)
    print(tests_rxj.verdict)
    print(shell)

# %%
# The hole is gone. What goodness of fit still complains about is not the shell: read
# which cells it names. Real backgrounds are not exactly what the model says, so look at
# each proposal before you take it: a spot at the edge of the field, or a tilt of one
# dataset, is more likely to be background than a source.

temporary.cleanup()
