# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba
from gammapy.diagnostics import FitHistory, GoodnessOfFit, HotSpots
from gammapy.diagnostics.tests.history_fields import fitted, spectra, ts_of_norm
from gammapy.utils.testing import check_bad_input, mpl_plot_check
from gammapy.visualization.diagnostics import GoodnessOfFitPlotter


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
