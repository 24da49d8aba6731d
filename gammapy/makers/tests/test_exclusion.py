# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import re
import pytest
import numpy as np
import scipy.ndimage as ndi
from numpy.testing import assert_allclose, assert_equal
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import DataStore, Observations
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.makers import (
    ExclusionMaskMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from gammapy.maps import Map, MapAxis, RegionNDMap, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel
from gammapy.utils import pbar
from gammapy.utils.testing import requires_data, requires_dependency

AXIS = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
GEOM = WcsGeom.create(npix=141, binsz=0.04, frame="galactic", axes=[AXIS])
SPECTRUM = np.reshape([0.8, 0.2], (2, 1, 1))

# Longitude, latitude, sigma in deg, and counts.
POINT = (0.3, 0.2, 0.07, 150)
EXTENDED = (-0.6, -0.3, 0.2, 1500)


def sky(lon, lat):
    return SkyCoord(lon, lat, unit="deg", frame="galactic")


def source_counts(geom, lon, lat, sigma, counts):
    separation = geom.to_image().separation(sky(lon, lat)).deg
    image = np.exp(-0.5 * (separation / sigma) ** 2)
    return counts * image / image.sum() * SPECTRUM


def make_dataset(random, lon=0.0, *, sources=(), scale=1.0, name="run"):
    """Field of view of 1.9 deg; the background is 10 percent higher than its model."""
    geom = GEOM.cutout(sky(lon, 0), 4 * u.deg)
    offset = geom.to_image().separation(sky(lon, 0)).deg
    rate = 3.6 * scale * SPECTRUM * np.exp(-0.5 * (offset / 1.3) ** 2)
    npred = 1.1 * rate + sum(source_counts(geom, *source) for source in sources)
    return MapDataset(
        counts=Map.from_geom(geom, data=random.poisson(npred).astype(float)),
        background=Map.from_geom(geom, data=rate),
        mask_safe=Map.from_geom(geom, data=np.tile(offset < 1.9, (2, 1, 1))),
        name=name,
    )


def make_pair(seed, sources=()):
    """Two runs that overlap in part."""
    random = np.random.default_rng(seed)
    return Datasets(
        [
            make_dataset(random, 0.4, sources=sources, name="run-0"),
            make_dataset(random, -0.4, sources=sources, scale=0.5, name="run-1"),
        ]
    )


@pytest.fixture(scope="module")
def datasets():
    return make_pair(0, sources=[POINT, EXTENDED])


@pytest.fixture(scope="module")
def result(datasets):
    return ExclusionMaskMaker().run(datasets)


def regions_of(mask):
    return ndi.label(~mask.data, structure=np.ones((3, 3)))


def test_finds_the_sources_and_nothing_else(result):
    mask = result.mask
    assert mask.is_mask
    assert mask.geom.is_image
    # The field of both runs together.
    assert mask.geom.data_shape == (100, 120)
    separations = []
    for lon, lat, sigma, _ in (POINT, EXTENDED):
        separation = mask.geom.separation(sky(lon, lat)).deg
        assert not mask.data[separation < 1.5 * sigma].any()
        separations.append(separation / (4 * sigma + 0.1))
    assert mask.data[np.min(separations, axis=0) > 1].all()
    assert regions_of(mask)[1] == 2


def test_rounds(result):
    rounds = result.rounds
    assert result.is_stable
    assert rounds["round"].tolist() == list(range(1, len(rounds) + 1))
    assert rounds["n_new"][-1] == 0
    assert np.all(rounds["n_new"][:-1] > 0)
    assert_equal(np.cumsum(rounds["n_new"]), rounds["n_pixels"])
    assert rounds["n_pixels"][-1] == np.sum(~result.mask.data)
    assert rounds["n_regions"][-1] == 2
    area = np.sum(result.mask.geom.solid_angle()[~result.mask.data])
    assert_allclose(rounds["area"].quantity[-1].to_value("sr"), area.to_value("sr"))
    outside = result.sqrt_ts.data[result.mask.data]
    outside = outside[np.isfinite(outside)]
    values = [outside.mean(), outside.std(), outside.max()]
    assert_allclose([rounds[name][-1] for name in ("mean", "std", "max")], values)
    # The first rings are full of sources.
    assert rounds["mean"][0] < -0.5
    assert abs(rounds["mean"][-1]) < 0.1
    assert_allclose(rounds["std"][-1], 1, atol=0.1)


def test_hysteresis(datasets):
    result = ExclusionMaskMaker(n_rounds_max=1).run(datasets)
    sqrt_ts = result.sqrt_ts.data
    labels, n_regions = regions_of(result.mask)
    assert np.all(sqrt_ts[~result.mask.data] > 3)
    assert np.all(ndi.maximum(sqrt_ts, labels, range(1, n_regions + 1)) > 5)
    assert not result.mask.data[sqrt_ts > 5].any()
    # Pixels between the thresholds are excluded beside a source, else not.
    between = (sqrt_ts > 3) & (sqrt_ts < 5)
    assert (~result.mask.data[between]).any()
    alone = ExclusionMaskMaker(threshold_low=5, n_rounds_max=1).run(datasets)
    assert_equal(alone.mask.data, ~(sqrt_ts > 5))


def test_noise():
    """Significance of noise is N(0, 1), though the rings of neighbours overlap."""
    results = [ExclusionMaskMaker().run(make_pair(number)) for number in range(1, 13)]
    assert sum(np.sum(~result.mask.data) for result in results) == 0
    rows = [result.rounds[0] for result in results]
    assert_allclose(np.mean([row["mean"] for row in rows]), 0, atol=0.05)
    assert_allclose(np.mean([row["std"] for row in rows]), 1, atol=0.05)


def test_joint():
    # Too weak for one run.
    random = np.random.default_rng(1)
    options = {"sources": [(0, 0, 0.05, 24)], "scale": 0.5}
    datasets = [
        make_dataset(random, name=f"run-{number}", **options) for number in range(4)
    ]
    maker = ExclusionMaskMaker()
    for dataset in datasets:
        assert maker.run(dataset).mask.data.all()
    joint = maker.run(datasets)
    assert not joint.mask.get_by_coord(sky(0, 0))
    assert_equal(maker.run(datasets[::-1]).mask.data, joint.mask.data)


def test_one_dataset_is_li_ma():
    """Significance of a pixel from sums that are made here."""
    random = np.random.default_rng(2)
    dataset = make_dataset(random).to_image()
    maker = ExclusionMaskMaker("0.1 deg", "0.4 deg", "0.2 deg", n_rounds_max=1)
    sqrt_ts = maker.run(dataset).sqrt_ts
    off = RingBackgroundMaker("0.4 deg", "0.2 deg").run(dataset)

    center = sky(0, 0)
    near = sqrt_ts.geom.separation(center).deg < 0.1 + 1e-6
    counts, counts_off, acceptance, acceptance_off = (
        cube.data[0][near]
        for cube in (off.counts, off.counts_off, off.acceptance, off.acceptance_off)
    )
    n_on, n_off = counts.sum(), counts_off.mean()
    alpha = np.sum(acceptance / acceptance_off * counts_off) / n_off
    total = n_on + n_off
    terms = n_on * np.log((1 + alpha) / alpha * n_on / total)
    terms += n_off * np.log((1 + alpha) * n_off / total)
    expected = np.sign(n_on - alpha * n_off) * np.sqrt(2 * terms)
    assert_allclose(sqrt_ts.get_by_coord(center), expected, rtol=1e-6)


def test_masks_and_energy_range():
    random = np.random.default_rng(3)
    hot = (0, 0, 0.07, 200)
    dataset = make_dataset(random)
    dataset.counts.data[0] += random.poisson(source_counts(dataset.counts.geom, *hot))[
        0
    ]
    assert not ExclusionMaskMaker().run(dataset).mask.data.all()
    assert ExclusionMaskMaker(energy_min="3 TeV").run(dataset).mask.data.all()
    for name in ("mask_safe", "mask_fit"):
        masked = dataset.copy(name="masked")
        mask = Map.from_geom(masked.counts.geom, data=masked.mask_safe.data.copy())
        mask.data[0] = False
        setattr(masked, name, mask)
        assert ExclusionMaskMaker().run(masked).mask.data.all()


def test_start(datasets, result):
    geom = WcsGeom.create(skydir=(0.8, -0.8), binsz=0.02, width=1, frame="galactic")
    start = geom.region_mask("galactic;circle(0.8, -0.8, 0.2)", inside=False)
    cube = Map.from_geom(start.geom.to_cube([AXIS]), data=np.stack([start.data] * 2))
    cube.data[0] = True  # excluded at one energy is excluded
    near = result.mask.geom.separation(sky(0.8, -0.8)).deg < 0.17
    for mask in (start, cube):
        found = ExclusionMaskMaker(mask=mask).run(datasets).mask
        assert not found.data[near].any()
        assert regions_of(found)[1] == 3
        # Beyond the mask of the start the rest is as without it.
        assert not found.get_by_coord(sky(*POINT[:2]))


def test_dilation(datasets, result):
    dilated = ExclusionMaskMaker(dilation="0.12 deg").run(datasets).mask
    distance = 0.04 * ndi.distance_transform_edt(result.mask.data)
    assert not dilated.data[distance <= 0.12 - 1e-6].any()
    assert dilated.data[distance > 0.4].all()


def test_log_and_rounds_that_are_too_few(datasets, caplog):
    caplog.set_level(logging.INFO)
    result = ExclusionMaskMaker(n_rounds_max=2).run(datasets)
    assert not result.is_stable
    lines = [record.message for record in caplog.records if record.levelname == "INFO"]
    assert [line.split()[:2] for line in lines] == [
        ["exclusion_mask", "round=1"],
        ["exclusion_mask", "round=2"],
    ]
    assert f"n_pixels={result.rounds['n_pixels'][1]} " in lines[1]
    warnings = [
        record.message for record in caplog.records if record.levelname == "WARNING"
    ]
    assert len(warnings) == 1
    assert "still grows after 2 rounds" in warnings[0]
    assert "not stable" in str(result)


def bars_of(text):
    """Last state of each bar, such as "Runs: 100%| 2/2"."""
    states = re.findall(r"([^\r\n:]+: +\d+%)\|.*?\| (\d+/\d+) \[", text)
    last = {label.split(":")[0]: (label, count) for label, count in states}
    return [f"{label}, {count}" for label, count in last.values()]


@requires_dependency("tqdm")
def test_bars(datasets, capsys, monkeypatch):
    """Datasets are counted, and once more in each round."""
    monkeypatch.setattr(pbar, "SHOW_PROGRESS_BAR", True)
    result = ExclusionMaskMaker().run(datasets)
    rounds = [f"Exclusion mask, round {number}" for number in result.rounds["round"]]
    names = ["Exclusion mask", *rounds]
    assert bars_of(capsys.readouterr().err) == [f"{name}: 100%, 2/2" for name in names]


@requires_data()
@requires_dependency("tqdm")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bars_of_runs(n_jobs, capsys, monkeypatch):
    observations, reference, makers = crab_runs()
    monkeypatch.setattr(pbar, "SHOW_PROGRESS_BAR", True)
    maker = ExclusionMaskMaker(n_rounds_max=1)
    maker.run_observations(observations, reference, makers, n_jobs=n_jobs)
    expected = ["Exclusion mask: 100%, 2/2", "Exclusion mask, round 1: 100%, 2/2"]
    assert bars_of(capsys.readouterr().err) == expected


def test_write(result, datasets, tmp_path):
    path = tmp_path / "mask.fits"
    result.write(path)
    mask = Map.read(path)
    assert mask.geom == result.mask.geom
    mask.data = mask.data.astype(bool)
    assert_equal(mask.data, result.mask.data)
    assert_allclose(Map.read(path, hdu="SQRT_TS").data, result.sqrt_ts.data)
    rounds = Table.read(path, hdu="ROUNDS")
    assert rounds.colnames == result.rounds.colnames
    assert_equal(rounds["n_pixels"], result.rounds["n_pixels"])
    with pytest.raises(OSError, match="overwrite=True"):
        result.write(path)
    result.write(path, overwrite=True)

    # Without the mask the sources raise the background.
    dataset = datasets[0].copy(name="run")
    norms = []
    for exclusion_mask in (None, mask):
        maker = FoVBackgroundMaker(method="fit", exclusion_mask=exclusion_mask)
        fitted = maker.run(dataset.copy(name="run"))
        norms.append(fitted.background_model.spectral_model.norm.value)
    assert norms[0] > 1.15
    assert_allclose(norms[1], 1.1, atol=0.02)


def test_background_models_do_not_matter(datasets, result):
    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    copies.models = [FoVBackgroundModel(dataset_name=name) for name in copies.names]
    for dataset in copies:
        dataset.background_model.spectral_model.norm.value = 0.5
    before = [copy.counts.data.copy() for copy in copies]
    models = copies.models
    values = models.parameters.value
    again = ExclusionMaskMaker().run(copies)
    assert_equal(again.mask.data, result.mask.data)
    for dataset, counts in zip(copies, before, strict=True):
        assert_equal(dataset.counts.data, counts)
        assert dataset.mask_fit is None
    assert_equal(copies.models.parameters.value, values)
    assert copies.models.names == models.names


@pytest.mark.parametrize(
    "options, error, message",
    [
        (
            {"width": "0 deg"},
            ValueError,
            "expected above 0, .* got 0.0 deg",
        ),
        ({"dilation": "-1 deg"}, ValueError, "dilation"),
        ({"r_in": "0.05 deg"}, ValueError, "correlation_radius 0.1 deg is not between"),
        ({"threshold_low": 6}, ValueError, "threshold_low 6 is not between 0"),
        (
            {"threshold_high": "5"},
            TypeError,
            "threshold_high: expected a number above 0, got '5'",
        ),
        ({"n_rounds_max": 0}, ValueError, "n_rounds_max: expected a number of 1"),
        ({"mask": Map.from_geom(GEOM)}, TypeError, "boolean map"),
        ({"energy_min": "2 deg"}, ValueError, "energy_min: expected an energy"),
        ({"r_in": "1 TeV"}, ValueError, "r_in: expected an angle .* got '1 TeV'"),
        ({"width": 0.3}, ValueError, "width: expected an angle .* got 0.3"),
        (
            {"width": np.nan * u.deg},
            ValueError,
            "width: expected an angle .* got nan deg",
        ),
    ],
)
def test_invalid_options(options, error, message):
    with pytest.raises(error, match=message):
        ExclusionMaskMaker(**options)


def test_invalid_datasets(datasets):
    maker = ExclusionMaskMaker()
    dataset = datasets[0].copy(name="bad")
    with pytest.raises(ValueError, match="No energy bin of dataset 'run-0'"):
        ExclusionMaskMaker(energy_min="50 TeV").run(datasets)
    with pytest.raises(ValueError, match="No position has a ring"):
        start = Map.from_geom(GEOM.to_image(), data=False, dtype=bool)
        ExclusionMaskMaker(mask=start).run(datasets)
    with pytest.raises(TypeError, match="have off counts"):
        maker.run(RingBackgroundMaker("0.5 deg", "0.3 deg").run(dataset.to_image()))
    dataset.background = None
    with pytest.raises(ValueError, match="'bad' has no background"):
        maker.run(dataset)
    counts = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[AXIS])
    spectrum = SpectrumDataset(counts=counts, background=counts.copy(), name="flat")
    with pytest.raises(TypeError, match="dataset 'flat' is on a RegionGeom"):
        maker.run(spectrum)
    with pytest.raises(ValueError, match="at least one dataset"):
        maker.run([])


CRAB = SkyCoord(83.63, 22.01, unit="deg")


def crab_runs():
    """Two runs of H.E.S.S., an empty dataset and makers for them."""
    geom = WcsGeom.create(skydir=CRAB, width=4, binsz=0.05, axes=[AXIS])
    axis_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", 4, name="energy_true")
    store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    makers = [
        MapDatasetMaker(selection=["counts", "background"]),
        SafeMaskMaker(methods=["offset-max"], offset_max=1.5 * u.deg),
    ]
    reference = MapDataset.create(geom, axis_true, name="reference")
    return store.get_observations([23523, 23526]), reference, makers


@requires_data()
def test_crab():
    """The Crab is found, and nothing else."""
    observations, reference, makers = crab_runs()
    datasets = Datasets()
    for observation in observations:
        dataset = reference.copy(name=str(observation.obs_id))
        for maker in makers:
            dataset = maker.run(dataset, observation)
        datasets.append(dataset)

    result = ExclusionMaskMaker().run(datasets)
    separation = result.mask.geom.separation(CRAB).deg
    assert not result.mask.data[separation < 0.1].any()
    assert result.mask.data[separation > 0.4].all()
    assert result.rounds["max"][-1] < 5

    # The same when each run is read, made an image and forgotten; no order matters.
    for runs, n_jobs in [(observations, 1), (observations, 2), (observations[::-1], 1)]:
        other = ExclusionMaskMaker().run_observations(
            Observations(list(runs)),
            reference,
            makers,
            n_jobs=n_jobs,
            cutout_width="10 deg",
        )
        assert_equal(other.mask.data, result.mask.data)
        assert_allclose(other.sqrt_ts.data, result.sqrt_ts.data, atol=1e-6)
    assert reference.counts.data.sum() == 0

    # An energy range, and runs cut out of a larger map.
    maker = ExclusionMaskMaker(energy_min="3 TeV")
    expected = maker.run(datasets)
    other = maker.run_observations(
        observations, reference, makers, cutout_mode="trim", cutout_width="3.2 deg"
    )
    inside = other.mask.geom.get_coord().skycoord
    assert_equal(other.mask.data, expected.mask.get_by_coord({"skycoord": inside}) == 1)
    assert expected.rounds["n_pixels"][-1] < result.rounds["n_pixels"][-1]


@requires_data()
def test_observations_that_do_not_fit():
    observations, reference, makers = crab_runs()
    far = WcsGeom.create(skydir=(0, 0), width=4, binsz=0.1, axes=[AXIS])
    axis_true = reference.exposure.geom.axes["energy_true"]
    empty = MapDataset.create(far, axis_true)
    maker = ExclusionMaskMaker()
    with pytest.raises(ValueError, match="No observation reaches into the reference"):
        maker.run_observations(observations, empty, makers)
    makers = [MapDatasetMaker(selection=["counts"]), makers[1]]
    with pytest.raises(ValueError, match="has no background, which is needed"):
        maker.run_observations(observations, reference, makers)
