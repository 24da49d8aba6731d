# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import DataStore, ObservationGroups
from gammapy.utils.testing import requires_data

TARGET = SkyCoord(228.53, -59.16, unit="deg")
OBS_IDS = [20136, 20137, 20151, 20283, 20301]
ZENITH = [38.512962, 40.21616, 37.164658, 36.221436, 36.839905]
OFFSET = [0.390656, 0.613101, 0.390656, 0.613101, 0.390656]


@pytest.fixture(scope="module")
def observations():
    data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    return data_store.get_observations(OBS_IDS)


@requires_data()
def test_edges(observations, caplog):
    table = ObservationGroups.from_observations(observations, TARGET).table
    edge = table["zenith"].quantity[2]
    groups = ObservationGroups.from_observations(
        observations, TARGET, zenith=["36 deg", edge, 40 * u.deg]
    )
    table = groups.table
    assert table.colnames == ["obs_id", "group", "zenith", "offset", "livetime"]
    # The zenith angle is that of the observation table.
    assert_allclose(table["zenith"], ZENITH, rtol=1e-7)
    assert_allclose(table["offset"], OFFSET, rtol=1e-5)
    assert groups.names == ["zenith-36.0-37.2", "zenith-37.2-40.0"]
    assert groups.obs_ids("zenith-36.0-37.2") == [20283, 20301]
    # an edge belongs to the bin above
    assert groups.obs_ids("zenith-37.2-40.0") == [20136, 20151]
    assert groups.ungrouped == [20137]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "20137 (zenith 40.2 deg, offset 0.61 deg)" in record.message

    selected = groups.select(observations, "zenith-37.2-40.0")
    assert selected.ids == ["20136", "20151"]
    with pytest.raises(ValueError, match="no group 'other'; choose from 'zenith-36.0"):
        groups.select(observations, "other")
    with pytest.raises(ValueError, match="2 observations, but 5 were grouped"):
        groups.select(selected, "zenith-36.0-37.2")


@requires_data()
def test_number_of_bins_of_both(observations, caplog):
    groups = ObservationGroups.from_observations(
        observations, TARGET, zenith=2, offset=2
    )
    # No run is lost: the last bin holds its upper edge.
    assert groups.ungrouped == []
    low, high = min(ZENITH), max(ZENITH)
    assert_allclose(groups.edges["zenith"].value, [low, (low + high) / 2, high])
    expected = {
        "zenith-36.2-38.2-offset-0.4-0.5": [20151, 20301],
        "zenith-36.2-38.2-offset-0.5-0.6": [20283],
        "zenith-38.2-40.2-offset-0.4-0.5": [20136],
        "zenith-38.2-40.2-offset-0.5-0.6": [20137],
    }
    assert {name: groups.obs_ids(name) for name in groups.names} == expected
    assert not caplog.records

    groups = ObservationGroups.from_observations(observations, TARGET, zenith=4)
    assert len(groups.names) == 3
    assert "Bins without observations: zenith-37.2-38.2." in caplog.text
    groups = ObservationGroups.from_observations(observations, TARGET, offset=3)
    assert len(groups.names) == 2
    assert "Bins without observations: offset-0.46-0.54." in caplog.text


@requires_data()
def test_one_value(observations):
    """A single run can be put in a number of bins."""
    groups = ObservationGroups.from_observations(observations[:1], TARGET, zenith=1)
    assert groups.names == ["zenith-38.0-39.0"]
    assert groups.obs_ids("zenith-38.0-39.0") == [20136]


@requires_data()
def test_summary(observations, tmp_path):
    groups = ObservationGroups.from_observations(
        observations, TARGET, offset=[0.3, 0.5] * u.deg
    )
    groups.summary().write(tmp_path / "groups.ecsv")
    (row,) = summary = Table.read(tmp_path / "groups.ecsv")
    assert row["group"] == "offset-0.3-0.5"
    assert row["obs_ids"] == "20136 20151 20301"
    assert row["n_runs"] == 3
    runs = [0, 2, 4]
    livetime = groups.table["livetime"].quantity[runs]
    assert_allclose(row["livetime"], livetime.sum().to_value("h"))
    weights = livetime.value / livetime.value.sum()
    assert_allclose(row["zenith"], np.sum(weights * np.array(ZENITH)[runs]))
    assert_allclose(row["offset"], OFFSET[0], rtol=1e-5)
    assert summary.meta["ungrouped"] == [20137, 20283]
    assert summary.meta["offset_edges"] == ["0.3 deg", "0.5 deg"]
    assert "observations outside all bins : 20137 20283" in str(groups)


@requires_data()
def test_without_bins(observations):
    groups = ObservationGroups.from_observations(observations, TARGET)
    assert groups.names == ["stacked"]
    assert groups.obs_ids("stacked") == OBS_IDS


@requires_data()
def test_errors(observations):
    def group(**bins):
        return ObservationGroups.from_observations(observations, TARGET, **bins)

    with pytest.raises(ValueError, match="No observation is in a bin.*zenith: 20136"):
        group(zenith=["50 deg", "60 deg"])
    with pytest.raises(ValueError, match="number of bins: expected 1 or more, got 0"):
        group(zenith=0)
    with pytest.raises(ValueError, match=r"with units, such as .* got \[35, 40\]"):
        group(zenith=[35, 40])
    with pytest.raises(ValueError, match="increase"):
        group(zenith=[40, 35] * u.deg)
    with pytest.raises(ValueError, match="with units"):
        group(offset=True)
    with pytest.raises(ValueError, match="expected observations, got none"):
        ObservationGroups.from_observations(observations[:0], TARGET, zenith=2)
