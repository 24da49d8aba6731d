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
    labels = [_.get_label() for _ in axes[0].containers]
    assert labels == ["Fit", "Failed fit"]
    good, failed = (_[0] for _ in axes[0].containers)
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
    assert [_.get_text() for _ in ax.get_xticklabels()] == ["11", "13", "12"]


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
