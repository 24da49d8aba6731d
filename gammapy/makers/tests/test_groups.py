# Licensed under a 3-clause BSD style license - see LICENSE.rst
import gc
import tracemalloc
import weakref
import pytest
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, ObservationGroups
from gammapy.datasets import MapDataset
from gammapy.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    SafeMaskMaker,
    stack_groups,
)
from gammapy.makers.core import Maker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.utils.testing import requires_data

TARGET = SkyCoord(228.53, -59.16, unit="deg")


def get_observations(n_runs):
    data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    table = data_store.obs_table
    pointings = SkyCoord(table["RA_PNT"], table["DEC_PNT"], unit="deg")
    obs_ids = table["OBS_ID"][pointings.separation(TARGET) < 1.5 * u.deg]
    return data_store.get_observations(obs_ids[:n_runs])


def get_reference():
    axis = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=6)
    energy_true = MapAxis.from_energy_bounds(
        "0.3 TeV", "80 TeV", nbin=8, name="energy_true"
    )
    geom = WcsGeom.create(skydir=TARGET, width=4, binsz=0.1, axes=[axis])
    return MapDataset.create(geom, energy_axis_true=energy_true, name="reference")


def get_makers():
    return [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["offset-max"], offset_max="1.5 deg"),
        FoVBackgroundMaker(energy_min="1 TeV", debug=True),
    ]


@requires_data()
def test_stack_groups():
    observations = get_observations(3)
    groups = ObservationGroups.from_observations(
        observations, TARGET, zenith=["35 deg", "39 deg", "41 deg"]
    )
    reference = get_reference()
    datasets = stack_groups(groups, observations, reference, get_makers(), n_jobs=1)
    assert datasets.names == groups.names == ["zenith-35-39", "zenith-39-41"]
    assert reference.counts.data.sum() == 0

    # As by hand: each run alone, stacked afterwards.
    maker = DatasetsMaker(get_makers(), stack_datasets=False)
    runs = maker.run(get_reference(), observations)
    expected = [[runs[0], runs[2]], [runs[1]]]
    for dataset, of_group in zip(datasets, expected, strict=True):
        stacked = get_reference()
        for run in of_group:
            stacked.stack(run)
        assert dataset.counts.data.sum() > 1000
        assert_allclose(dataset.counts.data, stacked.counts.data)
        assert_allclose(dataset.background.data, stacked.background.data)
        assert_allclose(dataset.exposure.data, stacked.exposure.data)

    table = FoVBackgroundMaker.nuisance(datasets)
    assert table["obs_id"].tolist() == ["20136", "20151", "20137"]
    of_runs = FoVBackgroundMaker.nuisance(runs)
    assert_allclose(sorted(table["norm"]), sorted(of_runs["norm"]))


def peak_memory(n_runs):
    """Highest memory in use while runs are reduced, and what is left, in bytes."""
    observations = get_observations(n_runs)
    groups = ObservationGroups.from_observations(
        observations, TARGET, zenith=["35 deg", "39 deg", "41 deg"]
    )
    reference, makers = get_reference(), get_makers()
    tracemalloc.start()
    try:
        datasets = stack_groups(groups, observations, reference, makers, n_jobs=1)
        return tracemalloc.get_traced_memory()[1], datasets
    finally:
        tracemalloc.stop()


@requires_data()
@pytest.mark.parametrize(
    "n_runs", [(3, 6), pytest.param((5, 20), marks=pytest.mark.long)]
)
def test_memory_is_that_of_one_run(n_runs):
    peak_memory(2)  # fills caches
    few, datasets = peak_memory(n_runs[0])
    assert len(datasets) == 2
    many, datasets = peak_memory(n_runs[1])
    assert len(FoVBackgroundMaker.nuisance(datasets)) == n_runs[1]
    assert_allclose(many, few, rtol=0.1)


class Watch(Maker):
    """Maker that counts the datasets that are still in memory when another is made."""

    tag = "watch"

    def __init__(self):
        self.datasets, self.n_alive = [], []

    def run(self, dataset, observation=None):
        self.n_alive.append(sum(dataset() is not None for dataset in self.datasets))
        self.datasets.append(weakref.ref(dataset))
        return dataset


@requires_data()
def test_runs_are_freed():
    observations = get_observations(4)
    groups = ObservationGroups.from_observations(observations, TARGET)
    watch = Watch()
    # However seldom Python looks for what can be freed.
    gc.disable()
    try:
        stack_groups(groups, observations, get_reference(), [*get_makers(), watch])
    finally:
        gc.enable()
    assert len(watch.n_alive) == 4 and max(watch.n_alive) == 0


@requires_data()
def test_processes():
    observations = get_observations(4)
    groups = ObservationGroups.from_observations(
        observations, TARGET, zenith=["35 deg", "39 deg", "41 deg"]
    )
    one, two = (
        stack_groups(groups, observations, get_reference(), get_makers(), n_jobs=power)
        for power in (1, 2)
    )
    assert one.names == two.names == groups.names
    for dataset, other in zip(one, two, strict=True):
        assert dataset.counts.data.sum() > 1000
        for name in ("counts", "background", "exposure", "mask_safe"):
            maps = getattr(dataset, name), getattr(other, name)
            assert_allclose(*(image.data for image in maps), rtol=1e-6)
        assert_allclose(dataset.gti.time_sum.value, other.gti.time_sum.value)
    tables = [FoVBackgroundMaker.nuisance(given) for given in (one, two)]
    for table in tables:
        table.sort("obs_id")
    for name in ("obs_id", "dataset"):
        assert tables[0][name].tolist() == tables[1][name].tolist()
    assert_allclose(tables[0]["norm"], tables[1]["norm"])
