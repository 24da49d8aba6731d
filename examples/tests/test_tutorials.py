# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The tutorials run as scripts, and find what their text says they find."""

import re
import runpy
import sys
import tempfile
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose
import matplotlib.pyplot as plt
from gammapy.utils.testing import requires_data

FOLDER = Path(__file__).parents[1] / "tutorials" / "fit_quality"

# Figures are shown, for which a test has no window.
pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg")


@pytest.fixture
def run(monkeypatch):
    """Run a tutorial and return its names; figures are closed at the end."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("J1702_SCENE", raising=False)
    plt.close("all")
    yield lambda name: runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    plt.close("all")


@pytest.mark.long
def test_judge_a_fit(run, monkeypatch):
    # The history is read below.
    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", lambda self: None)
    names = run("judge_a_fit")
    history, truth = names["history"], names["truth"]
    before, after = history
    # Goodness of fit does not see the hard source, the spots do.
    assert not before.goodness.is_bad and not after.goodness.is_bad
    missing = truth["HESS J1702-420A"].position
    assert before.hot_spots.positions[0].separation(missing).deg < 0.1
    assert before.hot_spots.table["p_global"][0] < 0.01
    assert len(after.hot_spots.table) == 0
    # What the test expected is what the fit gained.
    expected = after.note.partition("TS = ")[2].split()[0]
    ts = history.table()["ts"][1]
    assert ts > 25
    assert_allclose(ts, float(expected), rtol=0.05)
    # Without the source the index of the other one was off.
    index = [
        models["HESS J1702-420B"].spectral_model.index
        for models in (before.models, after.models, truth)
    ]
    assert index[2].value - index[0].value > 3 * index[0].error
    assert abs(index[2].value - index[1].value) < 2 * index[1].error
    assert list(names["impacts"].ranking(2)["name"]) == [
        "spot-1.spatial.sigma",
        "spot-1.spectral.index",
    ]
    assert names["report"].level == "good"
    assert [path.name for path in names["paths"]] == ["report.html", "report.json"]
    assert len(plt.get_fignums()) == 4


@pytest.mark.long
def test_residuals_3d(run):
    names = run("residuals_3d")
    table = names["table"]
    assert len(table) == 4
    # The missing source is at the highest pixel, until there is none.
    truth = names["datasets"].models["HESS J1702-420A"].position
    assert names["spot"].separation(truth).deg < 0.1
    assert np.all(table["spot"][:3] > 4) and np.isnan(table["spot"][3])
    # Each component improves the fit by far more than its parameters cost.
    assert np.all(table["ts"][1:] > 25 + 2 * np.diff(table["n_free"]))
    assert table["residual_std"][0] > 2 and abs(table["residual_std"][-1] - 1) < 0.1
    # It takes over from its neighbours.
    assert 5 < names["left"] < names["explained"] - 2

    ratio = names["spectrum_before"].to_table("diff/model")["residual"]
    ratio = ratio[np.isfinite(ratio)]
    assert abs(ratio[0]) < 0.1 and ratio[-1] > 0.5 and np.all(np.diff(ratio) > 0)
    low, high = names["groups"].sqrt_ts.data
    mask = names["groups"].mask.geom.region_mask([names["region"]])
    assert np.nanmax(high[mask.data[1]]) > np.nanmax(low[mask.data[0]])
    after = names["spectrum_after"].to_table("significance")["residual"]
    assert np.nanmax(np.abs(after)) < 3

    # A masked fit has the norms of a modelled one.
    for model in names["masked"].models:
        norm = model.spectral_model.norm
        full = names["datasets"].models[model.name].spectral_model.norm
        assert abs(norm.value - full.value) < 2 * norm.error
    below = names["below"].distribution()[0]
    assert abs(below["mean"]) < 0.2 and abs(below["std"] - 1) < 0.1

    index, extension, norm = [
        [residual.distribution()[0] for residual in residuals]
        for residuals in names["mistake_residuals"].values()
    ]
    assert abs(index[0]["std"] - 1) < 0.1 and abs(norm[0]["std"] - 1) < 0.1
    assert extension[0]["std"] > 1.15
    pulls = [row["mean"] / row["mean_err"] for row in norm]
    # The dataset with the wrong norm is off by more than both together, in mean.
    assert pulls[2] < pulls[0] < -3 and abs(pulls[1]) < 3

    # The spot is there without the source, and no spot with it.
    (_goodness, spots), (goodness, none) = names["verdicts"].values()
    assert spots.positions[0].separation(truth).deg < 0.1
    assert spots.table["p_global"][0] < 0.01
    assert not goodness.is_bad and len(none.table) == 0
    assert len(plt.get_fignums()) == 10


@pytest.mark.long
def test_next_step(run):
    names = run("next_step")
    table = names["table"]
    assert names["tests"].n_significant == 0 and len(table) >= 5
    # What one step was expected to gain, a fit finds, where the test was not flagged.
    found = names["found"][~names["found"]["flag"]]
    assert len(found) >= 3
    assert_allclose(found["found"], found["ts"], rtol=0.1)
    assert np.all(table["ts"][1:] > 2 * table["n_dof"][1:])
    assert np.all(np.diff(table["aic"]) < 0) and np.all(np.diff(table["bic"]) < 0)
    assert table["p_worst"][0] < 1e-10 and table["p_worst"][-1] > 0.01
    assert table["spot"][0] > 20 and not table["spot"][-1] > 5
    # The sources are those of the truth.
    separations = [
        names["nearest_component"](model.position, names["truth"])[1]
        for model in names["datasets"].models
        if model.name.startswith("source")
    ]
    assert len(separations) == 4 and max(separations) < 0.15
    if names["has_data"]:
        table = names["table_rxj"]
        steps = ["background", "source-1", "profile of source-1", "shell"]
        assert table["name"].tolist() == steps
        # The Gaussian, the disk with a hole, and the shell without one.
        assert table["ts"][1] == pytest.approx(491, abs=5)
        assert table["spot"][2] < -4.5 and table["spot"][3] > 0
        assert np.all(np.diff(table["aic"]) < -9)
        # Outer radius of the remnant: 0.5 to 0.6 deg.
        shell = names["shell"]
        outer = shell.radius.quantity + shell.width.quantity
        assert 0.5 < outer.to_value("deg") < 0.6


def test_nuisance_parameters(run):
    names = run("nuisance_parameters")
    pulls = np.array([names["nuisance"][norm] for norm in names["pulls_of_norms"]])
    assert np.all(np.diff(pulls) < 0) and np.abs(pulls).max() < 1
    assert names["alone"] < names["total"]
    # The same from the curvature of the profile with free and with fixed norms.
    amplitude, profile = names["amplitude"], names["profile"]
    fixed = names["fit"].stat_profile(names["datasets"], amplitude, reoptimize=False)
    for error, scan in ((names["total"], profile), (names["alone"], fixed)):
        stat = scan["stat_scan"] - np.min(scan["stat_scan"])
        curvature = np.polyfit(amplitude.scan_values, stat, 2)[0]
        assert_allclose(error, curvature**-0.5, rtol=0.05)

    right = names["flux_points"].nuisance
    tilted = names["flux_points_tilted"].nuisance
    first, second = names["norms"]
    assert np.all(np.abs(right[f"{second}_pull"]) < 3)
    assert np.all(np.diff(tilted[second]) > 0)
    assert np.abs(tilted[f"{second}_pull"]).max() > 5
    assert_allclose(tilted[first], right[first], rtol=1e-2)

    assert names["report"].level == "look here"
    pull = re.search(r"observation 5 is (\S+) errors", names["report"].verdict)[1]
    others = np.delete(np.arange(8), names["cloudy"])
    norm, error = names["table"]["norm"], names["table"]["norm_err"]
    assert norm[5] < 0.85 and float(pull) < -5
    mean = np.average(norm, weights=error**-2)
    assert np.all(norm[others] > mean - 2 * error[others])
    assert np.mean(names["shift"]) > 1
    assert len(plt.get_fignums()) == 4


@pytest.mark.long
def test_fast_norm_fits(run):
    names = run("fast_norm_fits")
    minuit, newton = (names["results"][backend] for backend in ("minuit", "newton"))
    assert newton.total_stat <= minuit.total_stat + 1e-9
    assert_allclose(newton.total_stat, minuit.total_stat, atol=1e-3)
    slow_way, fast_way = 'Fit("minuit")', "Fit()"
    for way in (fast_way, "templates"):
        assert_allclose(names["profiles"][way], names["profiles"][slow_way], atol=1e-2)
        values, errors = np.array(names["norms"][slow_way]).T
        other, other_errors = np.array(names["norms"][way]).T
        assert np.all(np.abs(other - values) < 0.02 * errors)
        assert_allclose(other_errors, errors, rtol=0.02)
    seconds = names["timings"]
    assert seconds["fit", "newton"] < seconds["fit", "minuit"] / 2
    for task in ("profile", "flux points"):
        assert seconds[task, "templates"] < seconds[task, slow_way] / 5
    bars = names["ax_time"].patches
    assert_allclose([bar.get_width() for bar in bars], names["table"]["seconds"])
    assert "index" in names["reason_for"](names["free"]("index"))


@pytest.mark.long
@requires_data()
def test_hess_dr1(run):
    names = run("hess_dr1")
    runs = names["runs"]
    weights = np.array(runs["norm_err"], dtype=float) ** -2
    mean = np.average(runs["norm"], weights=weights)
    assert len(runs) == 20 and np.sum(weights * (runs["norm"] - mean) ** 2) > 60
    assert runs["obs_id"][np.argmax(weights * (runs["norm"] - mean) ** 2)] == "20283"
    assert "observation 20283 is -" in names["report"].verdict
    assert names["n_missed"] == 0
    widths = {
        label: residuals.distribution()["std"][0]
        for label, residuals in names["residuals"].items()
    }
    assert widths["background"] > 1.4 and 1 < widths["elongated"] < 1.2
    assert 2 < names["ts"] < 20
    # Both datasets want more background at the highest energies.
    for name in names["norms"]:
        assert 1 < names["nuisance"][f"{name}_pull"][-1] < 4
    # Each map has the components of its own fit.
    symmetric, elongated = (
        names["residuals"][label].models["MSH 15-52"].spatial_model
        for label in ("symmetric", "elongated")
    )
    assert symmetric.e.value == 0 and elongated.e.value > 0.3
    assert len(plt.get_fignums()) == 5


def test_hess_dr1_without_data(run, monkeypatch, capsys):
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    names = run("hess_dr1")
    assert "NOTE: there is no $GAMMAPY_DATA" in capsys.readouterr().out
    assert "datasets" not in names and plt.get_fignums() == []


def test_from_fermipy(run):
    names = run("from_fermipy")
    ts_map, matched, tophat = names["at_source"].values()
    assert 8 < tophat < matched < ts_map < 20
    for residuals in names["full"].values():
        row = residuals.distribution()[0]
        assert abs(row["std"] - 1) < 3 * row["std_err"]
    assert len(names["flux_points"].nuisance) == 3
    assert names["nuisance"]["delta_loglike"].max() == 0
    assert_allclose(names["nuisance"]["delta_loglike"][[0, -1]], -2, atol=0.2)
    spots = names["spots"]
    assert spots.positions[0].separation(names["source"].position).deg < 0.1
    assert spots.table["p_global"][0] < 1e-6 and names["ps_map"].is_bad
    assert not names["goodness"].is_bad
    assert_allclose(np.diag(names["matrix"]), 1)
    assert len(plt.get_fignums()) == 4
