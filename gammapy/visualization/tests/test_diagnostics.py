# Licensed under a 3-clause BSD style license - see LICENSE.rst
import json
import pytest
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba
from gammapy.diagnostics import (
    FitHistory,
    GoodnessOfFit,
    HotSpots,
    Impacts,
    ScoreTests,
)
from gammapy.diagnostics.tests.history_fields import fitted, spectra, ts_of_norm
from gammapy.utils.testing import check_bad_input, mpl_plot_check
from gammapy.visualization.diagnostics import GoodnessOfFitPlotter
from gammapy.visualization.diagnostics.history import _draw_p_value


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def goodness():
    rows = [
        ("all", 90, 101.0, 88.0, 13.0, 2.0, 0, 0.16),
        ("dataset one", 9, 30.0, 8.0, 4.0, 1.0, 1000, 1e-5),
        ("ring around source", 4, 2.0, 3.0, 2.0, 1.0, 0, np.nan),
    ]
    return GoodnessOfFit(Table(rows=rows, names=list(GoodnessOfFit.COLUMNS)))


def test_plot(goodness):
    with mpl_plot_check():
        ax = goodness.plotter.plot(goodness)
    (points,) = ax.collections
    assert_allclose(points.get_offsets(), [[1, 0], [5.5, 1], [-0.5, 2]])
    wanted = ["tab:blue", "tab:red", "0.6"]
    assert_allclose(points.get_facecolors(), [to_rgba(color) for color in wanted])
    assert [label.get_text() for label in ax.get_yticklabels()] == list(
        goodness.table["test"]
    )
    assert [text.get_text() for text in ax.texts] == ["p = 0.16", "p = 1e-05"]
    # The first is at the top.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_given_axes(goodness):
    _figure, ax = plt.subplots()
    goodness.plotter = GoodnessOfFitPlotter({"font.size": 7})
    assert goodness.plotter.plot(goodness, ax=ax) is ax
    assert ax.texts[0].get_fontsize() < 7
    plot = goodness.plotter.plot
    check_bad_input(lambda: plot(goodness, ax="ax"), TypeError, "plain Axes", "'ax'")


def test_history(tmp_path, goodness):
    history = FitHistory(tmp_path)
    check_bad_input(lambda: history.plotter.plot(history), ValueError, "no step")
    datasets = spectra()
    history.add("fixed", datasets, goodness=goodness)
    columns = {name: [7.5] for name in HotSpots.COLUMNS} | {"nearest": [""]}
    spots = HotSpots(Table(columns), {"frame": "icrs", "threshold": 4})
    history.add("norm", datasets, fitted(datasets, "norm"), hot_spots=spots)
    none = HotSpots(Table(columns)[:0], {"frame": "icrs", "threshold": 4})
    history.add("again", datasets, hot_spots=none)
    with mpl_plot_check():
        axes = history.plotter.plot(history)
    assert list(axes) == ["aic", "spot", "p_value"]
    aic, bic = (line.get_ydata() for line in axes["aic"].lines)
    assert_allclose(aic, [ts_of_norm() - 2, 0, 0], rtol=1e-6, atol=1e-9)
    more = np.log(450) - ts_of_norm()
    assert_allclose(bic, [0, more, more], rtol=1e-6)
    spots, nothing, *_ = axes["spot"].lines
    assert_allclose(spots.get_ydata(), [np.nan, 7.5, np.nan])
    assert nothing.get_xdata().tolist() == [2]
    p_values, worst, *_ = axes["p_value"].lines
    assert_allclose(p_values.get_ydata(), [0.16, np.nan, np.nan])
    # 1 - (1 - p)^2 of the worst of two tests.
    assert_allclose(worst.get_ydata()[0], 1 - (1 - 1e-5) ** 2, rtol=1e-9)
    labels = [label.get_text() for label in axes["p_value"].get_xticklabels()]
    assert labels == ["fixed", "norm", "again"]
    # Nothing is too small to be drawn.
    assert not axes["p_value"].containers
    texts = {name: [text.get_text() for text in ax.texts] for name, ax in axes.items()}
    assert texts == {"aic": [], "spot": [r"5$\sigma$"], "p_value": ["0.01"]}


def test_history_of_tiny_probabilities():
    """They are arrows, not points at the least that is drawn."""
    table = Table({"p_value": [1e-30, 0.0, np.nan, 1e-19], "p_worst": [np.nan] * 4})
    _, ax = plt.subplots()
    _draw_p_value(ax, table)
    (arrows,) = ax.containers
    assert arrows.get_label() == "below 1e-20"
    (*_, (bars,)) = arrows.lines
    ends = np.array(bars.get_segments())
    assert_allclose(ends[:, :, 0].mean(axis=1), [-0.04, 0.96])
    assert_allclose(ends[:, :, 1].max(axis=1), 1e-20)
    line = ax.lines[0]
    assert line.get_markevery() == [2, 3]
    assert_allclose(line.get_ydata()[[0, 3]], [1e-20, 1e-19])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["all cells", "worst test", "below 1e-20"]
    assert ax.get_ylim()[0] < 1e-20


@pytest.fixture
def impacts():
    columns = {
        "name": ["a.spectral.index", "run-bkg.spectral.norm", "background"],
        "kind": ["parameter", "parameter", "group"],
        "value": [2.0, 1.05, np.nan],
        "error": [0.1, 0.02, np.nan],
        "unit": ["", "", ""],
        "pull": [np.nan, 2.5, np.nan],
        "pull_err": [np.nan, 0.8, np.nan],
        "impact": [-0.6, 0.3, 0.3],
        "impact_refit": [-0.7, np.nan, np.nan],
        "impact_refit_down": [0.5, np.nan, np.nan],
        "correlation": [-0.6, 0.3, 0.3],
        "flag": ["not parabolic", "", ""],
        "target": ["a.spectral.amplitude"] * 3,
    }
    target = {"name": "a.spectral.amplitude", "value": 4.0, "error": 2.0}
    target |= {"error_alone": 1.5, "unit": "cm-2 s-1 TeV-1", "energies": None}
    names = ["a.spectral.index", "run-bkg.spectral.norm", "a.spectral.amplitude"]
    matrix = [[1, 0.1, -0.6], [0.1, 1, 0.3], [-0.6, 0.3, 1]]
    data = {"names": names, "models": ["a", "run-bkg", "a"], "matrix": matrix}
    correlations = json.dumps({target["name"]: data})
    meta = {"targets": [target], "correlations": correlations}
    return Impacts(Table(columns), meta)


def bars(ax):
    """Widths of the bars by their row and colour."""
    return {
        (round(bar.get_y() + bar.get_height() / 2), bar.get_facecolor()[:3]): bar
        for bar in ax.patches
        if bar.get_fill()
    }


@pytest.mark.parametrize(
    "scale, unit", [("error", 2.0), ("value", 0.04), ("absolute", 1.0)]
)
def test_impacts(impacts, scale, unit):
    with mpl_plot_check():
        ax = impacts.plot(scale=scale)
    up, down = to_rgba("tab:blue")[:3], to_rgba("tab:orange")[:3]
    found = {key: bar.get_width() * unit for key, bar in bars(ax).items()}
    wanted = {
        # The fits where there are some, else the covariance to both sides.
        (0, up): -0.7,
        (0, down): 0.5,
        (1, up): 0.3,
        (1, down): -0.3,
        (2, up): 0.3,
        (2, down): -0.3,
    }
    assert found == pytest.approx(wanted)
    outlined = [bar.get_width() * unit for bar in ax.patches if not bar.get_fill()]
    assert_allclose(outlined, [-0.6, 0.6])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a.index *", "run-bkg.norm", "background"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert "a.amplitude" in ax.get_xlabel()
    (top,) = [other for other in ax.figure.axes if other is not ax]
    (points,) = top.containers
    assert_allclose(points[0].get_data(), [[2.5], [1]])
    (segment,) = points[2][0].get_segments()
    assert_allclose(segment[:, 0], [1.7, 3.3])


def test_impacts_without_pulls(impacts):
    _figure, ax = plt.subplots()
    assert impacts.plot(n=1, ax=ax) is ax
    assert ax.figure.axes == [ax]
    check_bad_input(lambda: impacts.plot(scale="sigma"), ValueError, "'error'")
    check_bad_input(lambda: impacts.plot(target="b"), ValueError, "choose from")
    check_bad_input(lambda: impacts.plot(ax="ax"), TypeError, "plain Axes")


def test_correlation(impacts):
    with mpl_plot_check():
        ax = impacts.plot_correlation()
    (image,) = ax.images
    # Parameters of one component are side by side.
    wanted = [[1, -0.6, 0.1], [-0.6, 1, 0.3], [0.1, 0.3, 1]]
    assert_allclose(image.get_array(), wanted)
    assert image.get_clim() == (-1, 1)
    frames = [(frame.get_x(), frame.get_width()) for frame in ax.patches]
    assert frames == [(-0.5, 2), (1.5, 1)]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a.index", "a.amplitude", "run-bkg.norm"]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "index",
        "amplitude",
        "norm",
    ]
    assert len(ax.texts) == 6


@pytest.fixture
def score_tests():
    names = ["tilt of run-bkg", "ellipse of src", "profile of src"]
    columns = {
        "name": names,
        "kind": ["background", "shape", "profile"],
        "n_free": [1, 2, 1],
        "value": [0.1, np.nan, 0.2],
        "ts": [24.3, 5.0, 5.6],
        "ts_step": [24.1, 5.1, -12.8],
        "p_value": [8e-6, 0.5, 1.0],
        "flag": [False, False, True],
        "p_local": [8e-7, 0.08, 1.0],
        "component": ["run-bkg", "src", "src"],
        "change": ["tilt: 0 -> 0.1", "", ""],
    }
    return ScoreTests(Table(columns), {"p_threshold": 0.01})


def test_score_tests(score_tests):
    with mpl_plot_check():
        ax = score_tests.plotter.plot(score_tests)
    assert_allclose([bar.get_width() for bar in ax.patches], [24.3, 5.0, 5.6])
    assert [bar.get_hatch() for bar in ax.patches] == ["", "", "///"]
    (points,) = ax.collections
    assert_allclose(points.get_offsets()[:, 0], [24.1, 5.1, -12.8])
    wanted = ["tab:red", "tab:blue", "tab:blue"]
    assert_allclose(points.get_facecolors(), [to_rgba(color) for color in wanted])
    assert [text.get_text() for text in ax.texts] == ["p = 8e-06", "p = 0.5", "p = 1"]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["tilt of run-bkg (1)", "ellipse of src (2)", "profile of src (1)"]
    assert ax.get_xlim()[0] == -12.8
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_some_score_tests(score_tests):
    _figure, ax = plt.subplots()
    plot = score_tests.plotter.plot
    assert plot(score_tests, n_most=1, ax=ax) is ax
    assert len(ax.patches) == 1
    check_bad_input(lambda: plot(score_tests, n_most=0), ValueError, "n_most", "0")
    check_bad_input(lambda: plot(score_tests, ax=3), TypeError, "plain Axes", "3")
    empty = ScoreTests(score_tests.table[:0])
    assert not plot(empty).patches


def test_correlation_of_many_runs(impacts):
    names = [f"run-{number}-bkg.spectral.norm" for number in range(200)]
    models = [name.split(".")[0] for name in names]
    data = {"names": names, "models": models, "matrix": np.eye(200).tolist()}
    (target,) = impacts.targets
    meta = {"targets": [target], "correlations": json.dumps({target["name"]: data})}
    ax = Impacts(impacts.table, meta).plot_correlation()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == 50 and labels[1] == "run-4-bkg"
    assert max(ax.figure.get_size_inches()) < 25
