# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.data import ObservationGroups
from gammapy.utils.testing import mpl_plot_check
from gammapy.visualization import plot_observation_groups


@pytest.fixture()
def groups():
    table = Table(
        {
            "obs_id": [1, 2, 3, 4],
            "group": ["low", "high", "", "low"],
            "zenith": [21.0, 45.0, 70.0, 22.0] * u.deg,
            "offset": [0.5, 0.7, 0.6, 0.4] * u.deg,
            "livetime": [1800.0, 1800, 900, 5400] * u.s,
        }
    )
    return ObservationGroups(table, ["low", "high"], {"zenith": [20, 40, 60] * u.deg})


def test_plot_observation_groups(groups):
    with mpl_plot_check():
        ax = plot_observation_groups(groups)
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines["low: 2 observations, 2.0 h"] == [[0.5, 21], [0.4, 22]]
    assert lines["high: 1 observation, 0.5 h"] == [[0.7, 45]]
    assert lines["outside all bins: 1"] == [[0.6, 70]]
    # All that has no label is an edge.
    edges = [line for line in ax.lines if line.get_label().startswith("_")]
    assert [edge.get_ydata()[0] for edge in edges] == [20, 40, 60]
    assert_allclose(ax.get_ylim(), [16, 74])
    assert_allclose(ax.get_xlim(), [0.376, 0.724])
    assert ax.get_xlabel() == "Offset [deg]"
    assert ax.get_ylabel() == "Zenith angle [deg]"
    assert len(ax.get_legend().get_texts()) == 3
    plt.close("all")


def test_on_axes_without_bins(groups):
    groups = ObservationGroups(groups.table[:1], ["low"], {})
    _, ax = plt.subplots()
    assert plot_observation_groups(groups, ax) is ax
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[0.5, 21]]
    # One run has limits around it.
    assert_allclose(ax.get_ylim(), [20.5, 21.5])
    plt.close("all")
