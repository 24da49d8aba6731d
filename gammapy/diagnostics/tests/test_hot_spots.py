# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.catalog import SourceCatalogGammaCat
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpatialResiduals
from gammapy.diagnostics import HotSpotEstimator, HotSpots
from gammapy.diagnostics.noise_toys import NoiseToys
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.testing import check_bad_input, requires_dependency

AXIS = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4)
TRUE = AXIS.copy(name="energy_true")
GEOM = WcsGeom.create(npix=60, binsz=0.05, frame="galactic", axes=[AXIS])
RADII = ["0.1 deg", "0.2 deg"]


def source(sigma="0.15 deg", amplitude=1e-12, lon="0.5 deg", name="source"):
    return SkyModel(
        PowerLawSpectralModel(
            index=2.5, amplitude=u.Quantity(amplitude, "cm-2 s-1 TeV-1")
        ),
        GaussianSpatialModel(lon_0=lon, lat_0="0.2 deg", sigma=sigma, frame="galactic"),
        name=name,
    )


def make_dataset(models=(), seed=0, name="set-1", level=1.0):
    """Flat background, 68 percent of the PSF within 0.06 deg, a disc as mask."""
    geom_true = GEOM.to_image().to_cube([TRUE])
    dataset = MapDataset.create(GEOM, energy_axis_true=TRUE, name=name)
    dataset.exposure = Map.from_geom(geom_true, unit="cm2 s")
    dataset.exposure.data += 1e15
    dataset.psf = PSFMap.from_gauss(TRUE, sigma="0.04 deg")
    dataset.edisp = EDispKernelMap.from_diagonal_response(AXIS, TRUE)
    slope = np.array([1, 0.4, 0.15, 0.05])[:, np.newaxis, np.newaxis]
    dataset.background = Map.from_geom(GEOM, data=level * slope * np.ones((4, 60, 60)))
    center = SkyCoord(0, 0, unit="deg", frame="galactic")
    inside = GEOM.separation(center) < 1.4 * u.deg
    dataset.mask_safe = Map.from_geom(GEOM, data=np.broadcast_to(inside, (4, 60, 60)))
    dataset.models = list(models)
    counts = np.random.default_rng(seed).poisson(dataset.npred().data)
    dataset.counts = Map.from_geom(GEOM, data=counts)
    dataset.models = None
    return dataset


@pytest.fixture(scope="module")
def spots():
    datasets = Datasets([make_dataset([source()]), make_dataset([source()], 1, "two")])
    near = source(lon="0.7 deg", amplitude=1e-20, name="near")
    datasets.models = [near, source(lon="359 deg", amplitude=1e-20, name="far")]
    return HotSpotEstimator(correlation_radii=RADII, random_state=0).run(datasets)


def test_spot(spots):
    """Position, size, amplitude and index of a source that is missing."""
    row = spots.table[0]
    position = SkyCoord(0.5, 0.2, unit="deg", frame="galactic")
    separation = spots.positions[0].separation(position)
    assert separation < 2 * np.sqrt(2) * row["pos_err"] * u.deg
    assert row["sqrt_ts"] > 20
    assert row["radius"] == 0.2
    assert_allclose(row["size"], 0.15, rtol=0.15)
    assert_allclose(row["index"], 2.5, atol=0.15)
    assert_allclose(row["amplitude"], 1e-12, rtol=0.2)
    # Counts of the source, of which the kernel is as wide as source and PSF.
    true = 2 * 1e15 * 1e-12 / 1.5 * (1 - 100**-1.5)
    assert_allclose(row["excess"], true, rtol=0.3)
    assert row["nearest"] == "near"
    assert_allclose(row["separation"], 0.2, atol=0.03)
    assert row["p_global"] < 1e-20
    assert spots.meta["random_state"] == 0
    assert spots.meta["threshold"] == 4
    assert "deg from near" in spots.verdict and "after trials" in spots.verdict


def test_one_spot_per_excess(spots):
    """All scales see the source; noise has no spot besides it."""
    assert len(spots.table) == 1


def test_same_as_residuals(spots):
    """The significance is that of the map of this radius."""
    datasets = Datasets([make_dataset([source()]), make_dataset([source()], 1, "two")])
    residuals = SpatialResiduals.from_datasets(
        datasets, kernel="gauss", correlation_radius="0.2 deg"
    )
    assert_allclose(np.nanmax(residuals.sqrt_ts.data), spots.table["sqrt_ts"][0], 1e-4)


def test_models_and_regions(spots, tmp_path):
    (model,) = spots.to_models()
    assert model.name == "spot-1"
    spatial, spectral = model.spatial_model, model.spectral_model
    assert_allclose(spatial.sigma.value, spots.table["size"][0])
    assert_allclose(spectral.reference.value, 10)
    row = spots.table[0]
    at_one = spectral(1 * u.TeV).to_value("cm-2 s-1 TeV-1")
    assert_allclose(at_one, row["amplitude"])
    assert_allclose(spatial.lon_0.max - spatial.lon_0.value, 0.2, rtol=1e-3)
    (circle,) = spots.to_regions()
    assert_allclose(circle.radius.to_value("deg"), 0.2)
    assert circle.meta["text"] == "1"
    spots.write(tmp_path / "spots.ecsv")
    again = HotSpots.read(tmp_path / "spots.ecsv")
    assert again.verdict == spots.verdict
    assert_allclose(again.to_models()[0].parameters.value, model.parameters.value)
    with pytest.raises(ValueError, match=r"spot 7 has no amplitude; .* are \[1\]"):
        spots.to_models([7])


def test_both_signs_and_groups():
    """Where the model has too much; and a source of one energy group only."""
    dataset = make_dataset()
    random = np.random.default_rng(3)
    dataset.counts.data[0, 20:24, 20:24] = 0
    dataset.counts.data[3, 40, 40] += random.poisson(9)
    edges = AXIS.edges
    estimator = HotSpotEstimator(
        correlation_radii=["0.1 deg"], energy_edges=edges, n_toys=0, threshold=3.9
    )
    spots = estimator.run(dataset)
    assert spots.meta["energy_groups"][0] == ["1 TeV", "100 TeV"]
    assert len(spots.meta["energy_groups"]) == 5
    by_sign = {np.sign(row["sqrt_ts"]): row for row in spots.table[::-1]}
    assert by_sign[1]["energy_min"] == pytest.approx(31.6, rel=0.01)
    assert by_sign[-1]["energy_max"] < 5
    assert by_sign[-1]["excess"] < 0 and np.isnan(by_sign[-1]["amplitude"])
    assert np.isnan(spots.table["p_global"]).all()
    assert "Without toys p_global is not known." in spots.notes
    assert spots.table["sqrt_ts"][0] in (by_sign[1]["sqrt_ts"], by_sign[-1]["sqrt_ts"])


def test_matched_filter():
    """A point source is highest in the filter that is matched to it."""
    dataset = make_dataset([source("0.001 deg", 1e-13)])
    kernels = ["gauss", "point-source"]
    estimator = HotSpotEstimator(
        kernel=kernels, correlation_radii=["0.2 deg"], n_toys=30, random_state=0
    )
    spots = estimator.run(dataset)
    row = spots.table[0]
    assert row["kernel"] == "point-source"
    assert row["size"] == 0
    assert row["p_global"] < 1e-3
    # As many counts as the source has.
    assert_allclose(row["excess"], 1e15 * 1e-13 / 1.5, rtol=0.4)
    assert spots.to_models()[0].spatial_model.tag[0] == "PointSpatialModel"


def test_toys_are_the_same_map():
    """Toys of the counts themselves give the significance of the residuals."""
    from gammapy.diagnostics.noise_toys import Drawn
    from gammapy.diagnostics.scan_maps import find_kernels, make_scan

    dataset = make_dataset([source(amplitude=2e-13)])
    kernels = find_kernels(["gauss", "tophat", "point-source"], RADII)
    energies = {"energy_min": "2 TeV", "energy_max": None, "energy_edges": None}
    energies["energy_min"] = AXIS.edges[1]
    scan = make_scan(
        Datasets([dataset]), kernels, energies=energies, exclude=None, apply_mask=True,
        n_jobs=1, backend=None,
    )  # fmt: skip
    fields = [item.field for item in scan.maps]
    toys = NoiseToys(
        scan.blocks,
        fields,
        [False] * 5,
        [group.atoms for group in scan.groups],
        (60, 60),
    )
    counts = dataset.counts.data * dataset.mask_safe.data
    drawn = Drawn(scan.blocks, [counts[1:]], toys.group_atoms, toys.shape)
    for item in scan.maps:
        sqrt_ts = item.field.sqrt_ts(drawn)
        expected = item.sqrt_ts[item.field.mask]
        far = np.abs(expected) > 2
        assert far.sum() > 20
        assert_allclose(sqrt_ts[far], expected[far], atol=0.05)


def test_seeds():
    """The same seed gives the same, one that was drawn is recorded."""
    dataset = make_dataset([source(amplitude=1e-13)])
    options = {"correlation_radii": RADII, "n_toys": 20, "threshold": 3}
    first = HotSpotEstimator(**options).run(dataset)
    seed = first.meta["random_state"]
    again = HotSpotEstimator(random_state=seed, **options).run(dataset)
    assert_allclose(again.table["p_global"], first.table["p_global"], rtol=0)
    other = HotSpotEstimator(random_state=seed + 1, **options).run(dataset)
    assert not np.allclose(
        np.log(other.table["p_global"]), np.log(first.table["p_global"]), rtol=1e-6
    )


def test_nothing_changes():
    dataset = make_dataset([source()])
    dataset.models = [source(amplitude=1e-13)]
    before = dataset.npred().data.copy(), dataset.counts.data.copy()
    stat = dataset.stat_sum()
    HotSpotEstimator(correlation_radii=RADII, n_toys=2, random_state=0).run(dataset)
    assert_allclose(dataset.npred().data, before[0], rtol=0)
    assert_allclose(dataset.counts.data, before[1], rtol=0)
    assert dataset.stat_sum() == stat


def test_interrupted(monkeypatch, caplog):
    dataset = make_dataset([source(amplitude=2e-13)])
    run_one = NoiseToys.run_one

    def interrupted(self, seed, idx):
        if idx == 12:
            raise KeyboardInterrupt
        return run_one(self, seed, idx)

    monkeypatch.setattr(NoiseToys, "run_one", interrupted)
    options = {"correlation_radii": RADII, "random_state": 0}
    spots = HotSpotEstimator(n_toys=40, **options).run(dataset)
    assert "Interrupted after 12 of 40 toys." in caplog.text
    assert "uses 12 instead of 40" in spots.notes[0]
    assert spots.meta["n_toys"] == 12
    monkeypatch.undo()
    full = HotSpotEstimator(n_toys=12, **options).run(dataset)
    assert_allclose(spots.table["p_global"], full.table["p_global"])


def test_size_beside_a_slope():
    """The highest significance is not at the source, which moves its image."""
    model = source(sigma="0.06 deg", lon="0.51 deg", amplitude=3e-12)
    dataset = make_dataset([model], level=20)
    lon = GEOM.to_image().get_coord().skycoord.galactic.l.wrap_at("180d").deg
    dataset.background.data *= np.clip(np.exp((0.51 - lon) / 0.07), 0.05, 20)
    dataset.models = [model]
    dataset.counts.data = np.where(dataset.mask.data, dataset.npred().data, 0)
    dataset.models = None
    row = HotSpotEstimator(correlation_radii=RADII, n_toys=0).run(dataset).table[0]
    assert_allclose(row["size"], 0.06, rtol=0.1)
    assert_allclose(row["lon"], 0.51, atol=2e-3)


@pytest.mark.long
@requires_dependency("ray")
def test_ray():
    """Other processes find the same, whatever makes them."""
    import ray

    dataset = make_dataset([source()])
    options = {"correlation_radii": RADII, "n_toys": 8, "random_state": 1}
    alone = HotSpotEstimator(**options).run(dataset)
    try:
        ray.init(num_cpus=2, log_to_driver=False)
        together = HotSpotEstimator(n_jobs=2, parallel_backend="ray", **options)
        spots = together.run(dataset)
    finally:
        ray.shutdown()
    for name in ("sqrt_ts", "p_global", "lon", "size"):
        assert_allclose(spots.table[name], alone.table[name], rtol=1e-12)


def test_on_off():
    dataset = make_dataset([source()])
    on_off = MapDatasetOnOff.from_map_dataset(
        dataset,
        acceptance=Map.from_geom(GEOM, data=np.ones((4, 60, 60))),
        acceptance_off=Map.from_geom(GEOM, data=np.full((4, 60, 60), 5.0)),
        counts_off=Map.from_geom(
            GEOM, data=np.random.default_rng(8).poisson(5 * dataset.background.data)
        ),
    )
    spots = HotSpotEstimator(kernel="tophat", correlation_radii=RADII).run(on_off)
    assert "On-off data are not simulated" in spots.notes[0]
    n_values = 2 * 2 * int(dataset.mask_safe.data[0].sum())
    row = spots.table[0]
    assert_allclose(row["p_global"], n_values * row["p_local"], rtol=1e-6)
    with pytest.raises(ValueError, match="On-off datasets need the kernel"):
        HotSpotEstimator(kernel="gauss").run(on_off)


def test_catalog():
    table = Table({"common_name": ["far", "near"], "ra": [10.0, 266.6] * u.deg})
    table["dec"] = [0.0, -28.7] * u.deg
    catalog = SourceCatalogGammaCat.__new__(SourceCatalogGammaCat)
    catalog.table, catalog._source_name_key = table, "common_name"
    catalog._source_name_alias = ()
    dataset = make_dataset([source()])
    options = {"correlation_radii": RADII, "n_toys": 0}
    spots = HotSpotEstimator(catalog=catalog, **options).run(dataset)
    assert spots.table["source"][0] == "near"
    expected = SkyCoord(266.6, -28.7, unit="deg").separation(spots.positions[0])
    assert_allclose(spots.table["source_separation"][0], expected.deg)
    del table["ra"]
    with pytest.raises(ValueError, match="has no positions; its table needs"):
        HotSpotEstimator(catalog=catalog)


BAD_OPTIONS = [
    ({"correlation_radii": []}, ValueError, "correlation_radii: expected angles"),
    ({"correlation_radii": ["1 TeV"]}, ValueError, "correlation_radii: expected an"),
    ({"kernel": "disc"}, ValueError, "Invalid kernel: 'disc'"),
    ({"threshold": 0}, ValueError, "threshold: expected a number above 0"),
    ({"n_toys": -1}, ValueError, "n_toys: expected a number of 0 or more"),
    ({"random_state": 0.5}, ValueError, "random_state: expected a seed"),
    ({"catalog": "3FHL"}, TypeError, "catalog: expected a SourceCatalog"),
    ({"radii": 1}, TypeError, "HotSpotEstimator has no option 'radii'"),
]


@pytest.mark.parametrize("options, error, message", BAD_OPTIONS)
def test_bad_options(options, error, message):
    check_bad_input(lambda: HotSpotEstimator(**options), error, message)


def test_bad_datasets():
    dataset = make_dataset()
    small = HotSpotEstimator(correlation_radii=["0.01 deg"])
    message = "correlation_radius 0.01 deg is not between the size of a pixel"
    check_bad_input(lambda: small.run(dataset), ValueError, message)
    estimator = HotSpotEstimator(correlation_radii=RADII)
    dataset.counts.data[...] = 0
    check_bad_input(lambda: estimator.run(dataset), ValueError, "have no counts within")
    dataset.mask_safe.data = np.zeros((4, 60, 60), dtype=bool)
    message = "All bins of the datasets are masked"
    check_bad_input(lambda: estimator.run(dataset), ValueError, message)


def test_no_spot():
    dataset = make_dataset(seed=5)
    spots = HotSpotEstimator(correlation_radii=RADII, n_toys=2, threshold=6).run(
        dataset
    )
    assert len(spots.table) == 0
    assert spots.verdict == "There is no spot of 6 sigma or more."
    assert len(spots.to_models()) == 0 and len(spots.to_regions()) == 0
    assert "no spot" in str(spots)


def test_energies_of_spots_are_in_the_unit_of_the_datasets():
    """Of a map in GeV they are in GeV, also where maps in another unit are searched."""
    axis = MapAxis.from_energy_bounds("20 GeV", "2000 GeV", nbin=2)
    geom = WcsGeom.create(npix=12, binsz=0.1, axes=[axis])
    dataset = MapDataset.create(geom, name="one")
    dataset.mask_safe.data[...] = True
    dataset.background.data += 1
    dataset.counts.data += 1
    dataset.counts.data[:, 6, 6] = 60
    options = {"kernel": "tophat", "correlation_radii": ["0.1 deg"], "n_toys": 0}
    table = HotSpotEstimator(**options).run([dataset]).table
    assert table["energy_min"].unit == table["energy_max"].unit == "GeV"
    assert_allclose([table["energy_min"][0], table["energy_max"][0]], [20, 2000])
    assert table["energy_max"].pformat(show_name=False)[-1].strip() == "2000"
    maps = SpatialResiduals.from_datasets(dataset, energy_unit="TeV", kernel="tophat")
    estimator = HotSpotEstimator.from_residuals(maps, n_toys=0)
    assert estimator.run([dataset]).table["energy_min"].unit == "TeV"
