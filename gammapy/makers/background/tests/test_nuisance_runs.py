# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance tables of all background makers on runs of H.E.S.S. and MAGIC."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, PointSkyRegion
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import (
    DatasetsMaker,
    MapDatasetMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from gammapy.makers.background import (
    AdaptiveRingBackgroundMaker,
    FoVBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.utils.testing import requires_data

CRAB = SkyCoord(83.63, 22.01, unit="deg")
SOURCE = CircleSkyRegion(CRAB, 0.3 * u.deg)
AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")
GEOM = WcsGeom.create(skydir=CRAB, width=4, binsz=0.05, axes=[AXIS])
SPECTRUM_GEOM = RegionGeom(CircleSkyRegion(CRAB, 0.11 * u.deg), axes=[AXIS])
EXCLUSION = GEOM.to_image().region_mask([SOURCE], inside=False)

RINGS = [
    (RingBackgroundMaker, {"r_in": "0.4 deg", "width": "0.3 deg"}),
    (
        AdaptiveRingBackgroundMaker,
        {
            "r_in": "0.4 deg",
            "width": "0.3 deg",
            "r_out_max": "1.2 deg",
            "stepsize": "0.2 deg",
        },
    ),
]


@pytest.fixture(scope="module")
def observations():
    data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    return data_store.get_observations([23523, 23526])


@pytest.fixture(scope="module")
def images(observations):
    """Runs as maps with one energy bin."""
    return Datasets(
        [reduce_run(observation).to_image() for observation in observations]
    )


def map_makers():
    return [
        MapDatasetMaker(selection=["counts", "exposure", "background"]),
        SafeMaskMaker(methods=["offset-max"], offset_max=1.5 * u.deg),
    ]


def reduce_run(observation):
    dataset = MapDataset.create(GEOM, AXIS_TRUE, name=f"run-{observation.obs_id}")
    for maker in map_makers():
        dataset = maker.run(dataset, observation)
    return dataset


def reduce_spectra(observations, maker, stack, n_jobs=None):
    """Spectra of the runs with OFF counts."""
    makers = DatasetsMaker(
        [SpectrumDatasetMaker(selection=["counts", "exposure"]), maker],
        stack_datasets=stack,
        n_jobs=n_jobs,
        parallel_backend="multiprocessing",
    )
    reference = SpectrumDataset.create(SPECTRUM_GEOM, AXIS_TRUE, name="stacked")
    return makers.run(reference, observations)


def assert_same_tables(table, other):
    """Equal but for the names of the datasets."""
    assert table.colnames == other.colnames
    for name in table.colnames[1:]:
        assert_equal(table[name].tolist(), other[name].tolist())
        assert table[name].unit == other[name].unit


def sorted_by_run(table):
    """Processes end in any order, and so are the runs stacked."""
    return table[np.argsort(table["obs_id"])]


def assert_same_maps(datasets, others):
    names = ["counts", "counts_off", "acceptance", "acceptance_off", "exposure"]
    for dataset, other in zip(datasets, others, strict=True):
        for name in [*names, "mask_safe"]:
            maps = [getattr(given, name, None) for given in (dataset, other)]
            if maps[0] is None:
                assert maps[1] is None
            else:
                assert_array_equal(maps[0].data, maps[1].data)


@requires_data()
@pytest.mark.parametrize("stack", [True, False])
@pytest.mark.parametrize("min_counts", [0, 900])
def test_fov_in_parallel(observations, stack, min_counts):
    background_maker = FoVBackgroundMaker(
        method="fit", exclusion_mask=EXCLUSION, min_counts=min_counts, debug=True
    )
    expected = background_maker.nuisance(
        [background_maker.run(reduce_run(observation)) for observation in observations]
    )
    assert expected["obs_id"].tolist() == ["23523", "23526"]
    assert expected["success"].tolist() == [True, min_counts == 0]

    makers = DatasetsMaker(
        [*map_makers(), background_maker],
        stack_datasets=stack,
        n_jobs=2,
        parallel_backend="multiprocessing",
        cutout_mode="partial",
    )
    datasets = makers.run(MapDataset.create(GEOM, AXIS_TRUE), observations)
    assert len(datasets) == (1 if stack else 2)
    table = sorted_by_run(background_maker.nuisance(datasets))
    for name in ["counts_off", "success", "message", "energy_min", "energy_max"]:
        assert_equal(table[name].tolist(), expected[name].tolist())
    for name in ["norm", "norm_err", "stat"]:
        assert_allclose(table[name], expected[name], rtol=1e-5)


@requires_data()
@pytest.mark.parametrize("finder", [None, WobbleRegionsFinder(n_off_regions=3)])
def test_reflected(observations, finder):
    maker = ReflectedRegionsBackgroundMaker(
        region_finder=finder, exclusion_mask=EXCLUSION, debug=True
    )
    datasets = reduce_spectra(observations, maker, stack=False, n_jobs=2)
    table = maker.nuisance(datasets)
    assert table["dataset"].tolist() == datasets.names
    assert table["obs_id"].tolist() == ["23523", "23526"]
    assert table["success"].all() and table["n_bins"].tolist() == [2, 2]
    assert_allclose(table["energy_min"].quantity, 1 * u.TeV)
    assert_allclose(table["energy_max"].quantity, 10 * u.TeV)
    for row, dataset in zip(table, datasets, strict=True):
        n_regions = dataset.acceptance_off.data[0, 0, 0]
        assert row["n_regions"] == n_regions > 1
        assert_allclose(row["alpha"], 1 / n_regions)
        assert row["counts"] == dataset.counts.data.sum() > 50
        assert row["counts_off"] == dataset.counts_off.data.sum() > 2
        assert_allclose(row["background"], dataset.background.data.sum())

    plain = ReflectedRegionsBackgroundMaker(
        region_finder=finder, exclusion_mask=EXCLUSION
    )
    without = reduce_spectra(observations, plain, stack=False)
    assert_same_maps(datasets, without)
    assert maker.nuisance(without) is None


@requires_data()
def test_reflected_table_stays_with_the_datasets(observations, tmp_path):
    maker = ReflectedRegionsBackgroundMaker(exclusion_mask=EXCLUSION, debug=True)
    datasets = reduce_spectra(observations, maker, stack=False)
    expected = maker.nuisance(datasets)

    stacked = reduce_spectra(observations, maker, stack=True, n_jobs=2)
    assert type(stacked[0]) is SpectrumDataset
    assert_same_tables(sorted_by_run(maker.nuisance(stacked)), expected)
    for other in [
        datasets.stack_reduce(),
        datasets.copy(),
        [dataset.to_spectrum_dataset() for dataset in datasets],
        [dataset.slice_by_energy("1 TeV", "4 TeV") for dataset in datasets],
    ]:
        assert_same_tables(maker.nuisance(other), expected)

    for name, written in {"runs": datasets, "stacked": stacked}.items():
        path = tmp_path / name / "datasets.yaml"
        path.parent.mkdir()
        written.write(path)
        read = Datasets.read(path)
        assert_same_tables(sorted_by_run(maker.nuisance(read)), expected)

    # As the docstring says.
    datasets[0].write(tmp_path / "pha.fits", format="ogip")
    assert maker.nuisance(SpectrumDatasetOnOff.read(tmp_path / "pha.fits")) is None


@requires_data()
def test_reflected_energy_range(observations):
    options = {"exclusion_mask": EXCLUSION, "debug": True}
    edge = AXIS.edges[1]
    maker = ReflectedRegionsBackgroundMaker(energy_min=edge, **options)
    whole = ReflectedRegionsBackgroundMaker(**options)
    datasets, others = (
        reduce_spectra(observations, given, False) for given in (maker, whole)
    )
    assert_same_maps(datasets, others)
    table = maker.nuisance(datasets)
    assert_allclose(table["energy_min"].quantity, edge)
    assert table["n_bins"].tolist() == [1, 1]
    assert table["counts"][0] == datasets[0].counts.data[1, 0, 0] > 0
    assert table["counts_off"][0] == datasets[0].counts_off.data[1, 0, 0]

    maker = ReflectedRegionsBackgroundMaker(energy_max="1.5 TeV", **options)
    row = maker.nuisance(reduce_spectra(observations, maker, False))[0]
    assert not row["success"] and row["message"].startswith("No bin is inside")
    assert row["n_regions"] > 1 and row["counts_off"] == 0

    with pytest.raises(ValueError, match="energy_min: expected an energy .* got '3 m'"):
        ReflectedRegionsBackgroundMaker(energy_min="3 m")


@requires_data()
def test_reflected_without_region(observations):
    dark = Map.from_geom(EXCLUSION.geom, dtype=bool)
    maker = ReflectedRegionsBackgroundMaker(exclusion_mask=dark, debug=True)
    datasets = reduce_spectra(observations, maker, stack=False)
    table = maker.nuisance(datasets)
    reason = "No off region found: the exclusion mask leaves no room."
    assert table["message"].tolist() == [reason] * 2
    assert not table["success"].any() and table["n_regions"].tolist() == [0, 0]
    # What could have been used is in the row although the dataset is masked now.
    assert not datasets[0].mask_safe.data.any()
    assert table["counts"][0] == datasets[0].counts.data.sum() > 50
    assert table["counts_off"].tolist() == [0, 0] and np.isnan(table["alpha"]).all()

    plain = ReflectedRegionsBackgroundMaker(exclusion_mask=dark)
    assert_same_maps(datasets, reduce_spectra(observations, plain, stack=False))

    # A run without regions can be stacked with one that has some.
    good = ReflectedRegionsBackgroundMaker(exclusion_mask=EXCLUSION, debug=True)
    other = reduce_spectra(observations[1:], good, stack=False)
    stacked = SpectrumDataset.create(SPECTRUM_GEOM, AXIS_TRUE)
    for dataset in [datasets[0], other[0]]:
        stacked.stack(dataset)
    assert maker.nuisance(stacked)["success"].tolist() == [False, True]


@requires_data()
def test_reflected_region_around_the_pointing(observations):
    pointing = observations[0].get_pointing_icrs(observations[0].tmid)
    geom = RegionGeom(CircleSkyRegion(pointing, 0.1 * u.deg), axes=[AXIS])
    maker = ReflectedRegionsBackgroundMaker(debug=True)
    dataset = SpectrumDatasetMaker(selection=["counts"]).run(
        SpectrumDataset.create(geom, AXIS_TRUE), observations[0]
    )
    row = maker.nuisance(maker.run(dataset, observations[0]))[0]
    assert row["message"].endswith("there is no room around the pointing.")


@requires_data()
@pytest.mark.parametrize("n_off_regions", [1, 30])
def test_reflected_point_regions(n_off_regions):
    data_store = DataStore.from_dir("$GAMMAPY_DATA/magic/rad_max/data")
    observation = data_store.get_observations(required_irf="point-like")[0]
    geom = RegionGeom(PointSkyRegion(CRAB), axes=[AXIS])
    dataset = SpectrumDatasetMaker(
        containment_correction=False, selection=["counts", "exposure"]
    ).run(SpectrumDataset.create(geom, AXIS_TRUE), observation)
    maker = ReflectedRegionsBackgroundMaker(
        region_finder=WobbleRegionsFinder(n_off_regions=n_off_regions), debug=True
    )
    dataset = maker.run(dataset, observation)
    row = maker.nuisance(dataset)[0]
    if n_off_regions == 1:
        assert row["success"] and row["n_regions"] == 1 and row["alpha"] == 1
        assert row["counts_off"] == dataset.counts_off.data.sum() > 0
    else:
        assert not row["success"] and row["n_regions"] == 0
        assert "overlap within the RAD_MAX" in row["message"]


@requires_data()
@pytest.mark.parametrize(("maker_class", "options"), RINGS)
def test_rings(images, maker_class, options, tmp_path):
    maker = maker_class(**options, exclusion_mask=EXCLUSION, debug=True)
    datasets = Datasets([maker.run(image) for image in images])
    table = maker.nuisance(datasets)
    assert table["obs_id"].tolist() == ["23523", "23526"]
    for row, dataset in zip(table, datasets, strict=True):
        mask = dataset.mask_safe.data
        alpha = dataset.alpha.data[mask]
        assert row["success"] and row["message"] == ""
        assert row["n_bins"] == mask.sum()
        assert row["counts"] == dataset.counts.data[mask].sum()
        assert_allclose(row["counts_off"], dataset.counts_off.data[mask].mean())
        assert_allclose(row["alpha"], alpha.mean())
        assert_allclose(
            [row["alpha_min"], row["alpha_max"]], [alpha.min(), alpha.max()]
        )
        assert 0 < row["alpha_min"] < row["alpha"] < row["alpha_max"]
        assert_allclose(row["background"], dataset.background.data[mask].sum())
        # Outside of the source all is background.
        assert 0.7 < row["background"] / row["counts"] < 1

    plain = maker_class(**options, exclusion_mask=EXCLUSION)
    without = [plain.run(image) for image in images]
    assert_same_maps(datasets, without)
    assert maker.nuisance(without) is None
    assert maker.nuisance(images) is None

    stacked = datasets.stack_reduce(name="stacked")
    as_maps = Datasets(
        [dataset.to_map_dataset() for dataset in datasets]
    ).stack_reduce()
    datasets.write(tmp_path / "datasets.yaml")
    read = Datasets.read(tmp_path / "datasets.yaml", lazy=False)
    for other in [stacked, as_maps, read]:
        assert_same_tables(maker.nuisance(other), table)


@requires_data()
@pytest.mark.parametrize(("maker_class", "options"), RINGS)
def test_positions_without_ring(images, maker_class, options):
    # Only the source region may be used: far from it rings stay dark.
    inverse = ~EXCLUSION
    maker = maker_class(**options, exclusion_mask=inverse, debug=True)
    with np.errstate(all="ignore"):
        dataset = maker.run(images[0])
        plain = maker_class(**options, exclusion_mask=inverse).run(images[0])
    assert_same_maps([dataset], [plain])
    row = maker.nuisance(dataset)[0]
    n_all = images[0].mask_safe.data.sum()
    n_ring = (images[0].mask_safe.data & (dataset.acceptance_off.data > 0)).sum()
    assert 0 < n_ring < n_all
    assert row["success"] and row["n_bins"] == n_ring
    assert row["message"] == f"No off acceptance in {n_all - n_ring} of {n_all} bins."
    assert np.isfinite([row["counts_off"], row["alpha"], row["background"]]).all()

    dark = Map.from_geom(EXCLUSION.geom, dtype=bool)
    maker = maker_class(**options, exclusion_mask=dark, debug=True)
    row = maker.nuisance(maker.run(images[0]))[0]
    assert not row["success"] and row["n_bins"] == 0 and row["counts"] == 0
    assert row["message"] == f"No off acceptance in {n_all} of {n_all} bins."


@requires_data()
def test_ring_energy_range(observations):
    dataset = reduce_run(observations[0])
    options = {"r_in": "0.4 deg", "width": "0.3 deg", "exclusion_mask": EXCLUSION}
    maker = RingBackgroundMaker(**options, energy_max=AXIS.edges[1], debug=True)
    whole = RingBackgroundMaker(**options, debug=True)
    low, both = maker.run(dataset), whole.run(dataset)
    assert_same_maps([low], [both])
    row, other = maker.nuisance(low)[0], whole.nuisance(both)[0]
    mask = low.mask_safe.data
    assert row["counts"] == low.counts.data[0][mask[0]].sum() < other["counts"]
    # Counts in a ring are those of all energies that are summed.
    sums = np.where(mask, low.counts_off.data, 0).sum(axis=(1, 2))
    assert_allclose(row["counts_off"], sums[0] / mask[0].sum())
    assert_allclose(other["counts_off"], sums.sum() / mask.any(axis=0).sum())
    assert_allclose(row["energy_max"], AXIS.edges[1].value)


@requires_data()
def test_two_makers_have_two_tables(observations):
    fov = FoVBackgroundMaker(exclusion_mask=EXCLUSION, debug=True)
    ring = RingBackgroundMaker(
        r_in="0.4 deg", width="0.3 deg", exclusion_mask=EXCLUSION, debug=True
    )
    datasets = Datasets(
        [fov.run(reduce_run(observation)).to_image() for observation in observations]
    )
    on_off = Datasets([ring.run(dataset) for dataset in datasets])
    assert_same_tables(fov.nuisance(on_off), fov.nuisance(datasets))
    assert "norm" not in ring.nuisance(on_off).colnames
    # One ring background of all runs.
    stacked = ring.run(datasets.stack_reduce(name="all"))
    assert fov.nuisance(stacked)["obs_id"].tolist() == ["23523", "23526"]
    assert ring.nuisance(stacked)["obs_id"].tolist() == ["all"]


@requires_data()
def test_log_lines(observations, images, caplog):
    reflected = ReflectedRegionsBackgroundMaker(exclusion_mask=EXCLUSION, debug=True)
    ring = RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", debug=True)
    with caplog.at_level(logging.INFO, logger="gammapy.makers.background"):
        spectra = reduce_spectra(observations[:1], reflected, stack=False)
        on_off = ring.run(images[0])
    records = [record for record in caplog.records if hasattr(record, "nuisance")]
    tables = [reflected.nuisance(spectra), ring.nuisance(on_off)]
    labels = ["reflected_background", "ring_background"]
    for record, table, label in zip(records, tables, labels, strict=True):
        assert record.levelname == "INFO"
        row = table[0]
        assert record.nuisance["counts_off"] == row["counts_off"]
        words = record.getMessage().split()
        assert words[:3] == [label, f"dataset={row['dataset']}", "obs_id=23523"]
        for name in ["counts", "counts_off", "alpha"]:
            assert f"{name}={row[name]:.4g}" in words
        assert "success=True" in words and "message" not in record.getMessage()


def test_options_are_shown():
    ring = RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", energy_min="2 TeV")
    assert "energy_min : 2.0 TeV" in " ".join(str(ring).split())
    assert not ring.debug
    reflected = ReflectedRegionsBackgroundMaker(min_distance="0.2 deg", debug=True)
    assert reflected.region_finder.min_distance == 0.2 * u.deg
    with pytest.raises(ValueError, match="No kwargs"):
        ReflectedRegionsBackgroundMaker(
            region_finder=WobbleRegionsFinder(n_off_regions=1), min_distance="0.2 deg"
        )
