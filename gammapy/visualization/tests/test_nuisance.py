# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import QTable, Table
import matplotlib.pyplot as plt
from gammapy.utils.testing import mpl_plot_check
from gammapy.visualization import plot_nuisance


@pytest.fixture()
def table():
    table = Table(
        {
            "src.spectral.amplitude": [1.0, 2.0, 3.0] * u.Unit("cm-2 s-1 TeV-1"),
            "success": [True, False, True],
            "norm": [0.9, 1.0, 1.2],
            "norm_err": [0.1, np.nan, 0.2],
            "norm_null": [1.0, 1.0, 1.0],
            "norm_null_err": [0.1, 0.1, 0.1],
            "src.spatial.lon_0": [1.0, 2.0, 3.0] * u.deg,
            "src.spatial.lon_0_err": [1.0, 1.0, 1.0] * u.deg,
        },
    )
    table.meta["scan"] = ["src.spectral.amplitude"]
    return table


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_profile(table):
    with mpl_plot_check():
        axes = plot_nuisance(table, parameters=["norm", "src.spatial.lon_0"])
    labels = [container.get_label() for container in axes[0].containers]
    assert labels == ["Fit", "Failed fit"]
    good, failed = (container[0] for container in axes[0].containers)
    assert good.get_xydata().tolist() == [[1, 0.9], [3, 1.2]]
    assert failed.get_xydata().tolist() == [[2, 1.0]]
    (bars,) = axes[0].containers[0][2]
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert_allclose(ends, [[0.8, 1.0], [1.0, 1.4]])
    assert axes[1].get_ylabel().endswith("[deg]")
    assert "amplitude" in axes[1].get_xlabel() and "TeV" in axes[1].get_xlabel()


def test_best_fit_is_a_band(table):
    (ax,) = plot_nuisance(table, "norm", best_fit={"norm": (1.1, 0.2)})
    assert ax.lines[-1].get_ydata() == [1.1, 1.1]
    (band,) = ax.patches
    assert_allclose([band.get_y(), band.get_y() + band.get_height()], [0.9, 1.3])
    table.meta["best_fit"] = {"norm": (1.1, 0.2)}
    assert len(plot_nuisance(table, "norm")[0].patches) == 1


def test_identifying_columns(table):
    for name, factor in [("e_min", 1), ("e_ref", 2), ("e_max", 4)]:
        table[name] = factor * np.array([1, 4, 16]) * u.TeV
    (ax,) = plot_nuisance(table, "norm")
    assert ax.get_xlabel() == "Energy [TeV]" and ax.get_xscale() == "log"
    table.remove_columns(["e_min", "e_ref", "e_max"])
    table["obs_id"] = ["11", "12", "13"]
    (ax,) = plot_nuisance(table, "norm")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["11", "12", "13"]
    assert [container[0].get_xdata().tolist() for container in ax.containers] == [
        [0, 2],
        [1],
    ]


def test_run_in_several_datasets(table):
    table["obs_id"] = ["11", "11", ""]
    table["dataset"] = ["zenith-angle-20-40", "far", "sum"]
    axes = plot_nuisance(table, ["norm", "norm_null"])
    axes[0].figure.canvas.draw()
    labels = [tick.get_text() for tick in axes[1].get_xticklabels()]
    assert labels == ["zenith-angle-20-40: 11", "far: 11", "sum"]
    drawn = [container[0].get_xydata().tolist() for container in axes[0].containers]
    assert drawn == [[[0, 0.9], [2, 1.2]], [[1, 1.0]]]
    figure = axes[0].figure
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert (
        min(box.y0 for box in boxes) >= 0
        and max(box.y1 for box in boxes) <= figure.bbox.y1
    )


def test_power_of_ten_is_in_the_unit(table):
    """Matplotlib writes it where it covers the end of a long label."""
    name, lon = "src.spectral.amplitude", "src.spatial.lon_0"
    table[name] *= 1e-13
    for suffix in ("", "_err"):
        table[lon + suffix] *= 1e7
    axes = plot_nuisance(table, ["norm", lon])
    axes[0].figure.canvas.draw()
    assert axes[1].get_xlabel() == f"{name} [1e-13 / (TeV s cm2)]"
    assert axes[1].get_ylabel().endswith("[1e+07 deg]")
    axis = axes[1].xaxis
    texts = [tick.get_text() for tick in axis.get_ticklabels()]
    assert len(texts) >= 3
    assert_allclose([float(text) for text in texts], axis.get_ticklocs() / 1e-13)
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            assert axis.get_offset_text().get_text() == ""
    assert axes[0].get_ylabel() == "norm"


def test_given_axes(table):
    axes = plt.figure().subplots(2)
    assert plot_nuisance(table, ["norm", "norm_null"], axes=axes) == list(axes)
    with pytest.raises(ValueError, match="2 axes for 1 parameters"):
        plot_nuisance(table, "norm", axes=axes)


def test_bad_input(table):
    with pytest.raises(ValueError, match=r"no parameters \['tilt'\].*'norm'"):
        plot_nuisance(table, ["tilt"])
    with pytest.raises(ValueError, match="no parameter to draw"):
        plot_nuisance(table["success", "norm"])
    assert plt.get_fignums() == []


def test_quantity_tables(table):
    axes = plot_nuisance(QTable(table))
    assert len(axes) == 2


@pytest.fixture()
def surface():
    """Table as `Fit.stat_surface` makes it; the scan is not regular in x."""
    x, y = (
        np.ravel(grid) for grid in np.meshgrid([1.0, 2, 4], [0.5, 0.7], indexing="ij")
    )
    table = Table(
        {
            "src.spectral.amplitude": x * u.Unit("cm-2 s-1 TeV-1"),
            "bkg.norm": y,
            "success": [True, True, False, True, True, True],
            "tilt": 10 * x + y,
            "tilt_err": 0.1 * x,
            "src.spatial.lon_0": y * u.deg,
            "src.spatial.lon_0_err": y * u.deg,
        }
    )
    table.meta["scan"] = ["src.spectral.amplitude", "bkg.norm"]
    table.meta["best_fit"] = {
        "src.spectral.amplitude": (1.5, 0.2),
        "bkg.norm": (0.6, 0.1),
    }
    return table


def test_surface(surface):
    axes = plot_nuisance(surface)
    axes[0].figure.canvas.draw()
    (image,) = axes[0].collections
    assert_allclose(image.get_array(), [[10.5, 20.5, 40.5], [10.7, 20.7, 40.7]])
    corners = image.get_coordinates()
    assert_allclose(corners[0, :, 0], [0.5, 1.5, 3, 5])
    assert_allclose(corners[:, 0, 1], [0.4, 0.6, 0.8])
    failed, star = axes[0].lines
    assert failed.get_xydata().tolist() == [[2, 0.5]] and failed.get_marker() == "X"
    assert star.get_xydata().tolist() == [[1.5, 0.6]]
    texts = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert texts == ["Failed fit", "Best fit"]
    assert axes[0].get_ylabel() == "bkg.norm"
    assert axes[1].get_xlabel() == "src.spectral.amplitude [1 / (TeV s cm2)]"
    labels = [axis.get_ylabel() for axis in axes[0].figure.axes[2:]]
    assert labels[0] == "tilt" and labels[1].endswith("lon_0 [deg]")


def test_surface_in_any_order_and_with_gaps(surface):
    shuffled = surface[[5, 2, 0, 3, 1]]
    (ax,) = plot_nuisance(shuffled, "tilt", best_fit={})
    values = ax.collections[0].get_array()
    expected = [[10.5, 20.5, np.nan], [10.7, 20.7, 40.7]]
    np.testing.assert_allclose(values.filled(np.nan), expected)
    assert len(ax.lines) == 1


def test_surface_of_one_value(surface):
    row = surface[:1]
    (ax,) = plot_nuisance(row, "tilt")
    assert ax.collections[0].get_array().tolist() == [[10.5]]
    # The best fit is outside the scan, and nothing failed.
    row.meta["best_fit"]["bkg.norm"] = (9.0, 0.1)
    assert not plot_nuisance(row, "tilt")[0].lines


def test_light_curve(table):
    table = QTable(table)
    rows = table[[0, 1, 2, 0]]
    rows["time_min"] = [58849.0, 58849.0, 58850.0, 58850.0] * u.d
    rows["time_max"] = rows["time_min"] + 0.5 * u.d
    for name, factor in [("e_min", 1), ("e_ref", 2), ("e_max", 3)]:
        rows[name] = factor * np.array([1, 3, 1, 3]) * u.TeV
    rows["success"] = True
    rows = Table(rows)
    (ax,) = plot_nuisance(rows, "norm")
    assert ax.get_xlabel() == "Time [MJD]" and ax.get_xscale() == "linear"
    assert [container.get_label() for container in ax.containers] == [
        "1-3 TeV",
        "3-9 TeV",
    ]
    low, high = (container[0].get_xydata() for container in ax.containers)
    assert low.tolist() == [[58849.25, 0.9], [58850.25, 1.2]]
    assert high.tolist() == [[58849.25, 1.0], [58850.25, 0.9]]
