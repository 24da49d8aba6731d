# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.time import Time
from regions import CircleSkyRegion
from gammapy.data import GTI
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.estimators import (
    FluxPoints,
    FluxPointsEstimator,
    FluxProfileEstimator,
    LightCurveEstimator,
)
from gammapy.maps import Map, MapAxis, RegionNDMap, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)

EDGES = [1, 3, 10] * u.TeV
START = Time("2020-01-01T00:00:00", scale="utc")
NORMS = [f"run {number}-bkg.spectral.norm" for number in range(3)]


def make_dataset(index):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6)
    region = "icrs;circle(0, 0, 0.1)"
    exposure = RegionNDMap.create(
        region, axes=[axis.copy(name="energy_true")], unit="cm2 s", data=2e13
    )
    background = RegionNDMap.create(region, axes=[axis], data=30.0)
    return SpectrumDataset(
        name=f"run {index}",
        exposure=exposure,
        background=background,
        mask_safe=RegionNDMap.create(region, axes=[axis], dtype=bool, data=True),
        gti=GTI.create(index * u.h, (index + 1) * u.h, reference_time=START),
    )


@pytest.fixture(scope="module")
def datasets():
    """Three runs of an hour; their backgrounds differ, the source is constant."""
    rng = np.random.default_rng(3)
    datasets = Datasets([make_dataset(number) for number in range(3)])
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    source = SkyModel(spectral_model=spectrum, name="source")
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, *backgrounds])
    for dataset, factor in zip(datasets, [0.7, 1.0, 1.4], strict=True):
        dataset.background_model.spectral_model.norm.value = factor
        dataset.counts = RegionNDMap.from_geom(dataset.background.geom)
        dataset.counts.data = rng.poisson(dataset.npred().data)
        dataset.background_model.spectral_model.norm.value = 1
    return datasets


def estimate(datasets, **kwargs):
    kwargs = {"energy_edges": EDGES, "source": "source", "reoptimize": True} | kwargs
    return LightCurveEstimator(**kwargs).run(datasets)


@pytest.fixture(scope="module")
def lightcurve(datasets):
    return estimate(datasets, debug=True)


def assert_same_tables(actual, expected):
    assert actual.colnames == expected.colnames
    for name in expected.colnames:
        assert actual[name].unit == expected[name].unit
        assert actual[name].dtype.kind == expected[name].dtype.kind
        np.testing.assert_equal(actual[name].tolist(), expected[name].tolist())


def test_a_row_for_each_time_and_energy(datasets, lightcurve):
    table = lightcurve.nuisance
    names = ["e_min", "e_max", "e_ref", "time_min", "time_max", "stat", "success"]
    assert table.colnames[:7] == names
    assert len(table) == 6 and table["success"].all()
    assert_allclose(table["e_min"][[0, 2, 4]], 1)
    assert_allclose(table["e_min"][[1, 3, 5]], table["e_max"][0])
    hours = (table["time_min"] - START.tt.mjd) * 24
    assert_allclose(hours, np.repeat([0, 1, 2], 2), atol=1e-3)
    assert_allclose(table["time_max"] - table["time_min"], 1 / 24, atol=1e-6)
    times = lightcurve.to_table()["time_min"]
    assert table["time_min"].tolist() == np.repeat(times, 2).tolist()
    assert table["time_min"].unit == "d"
    assert_allclose(table["stat"], lightcurve.stat.data.ravel())
    for idx, name in enumerate(NORMS):
        # A run has no background but its own.
        others = np.arange(6) // 2 != idx
        assert np.isnan(table[name][others]).all()
        assert (abs(table[name][~others] - [0.7, 1.0, 1.4][idx]) < 0.35).all()
        assert (table[f"{name}_err"][~others] > 0).all()
    counts = [np.nansum(table[f"counts.run {number}"]) for number in range(3)]
    assert_allclose(counts, [dataset.counts.data.sum() for dataset in datasets])


def test_rows_are_those_of_flux_points(datasets, lightcurve):
    for idx, dataset in enumerate(datasets):
        points = FluxPointsEstimator(
            energy_edges=EDGES, source="source", reoptimize=True, debug=True
        ).run([dataset])
        rows = lightcurve.nuisance[2 * idx : 2 * idx + 2]
        for name in points.nuisance.colnames:
            np.testing.assert_equal(
                rows[name].tolist(), points.nuisance[name].tolist(), err_msg=name
            )


def test_debug_changes_nothing(datasets, lightcurve):
    plain = estimate(datasets)
    assert plain.nuisance is None
    for name in ("norm", "norm_err", "ts", "stat"):
        assert (plain[name].data == lightcurve[name].data).all()
    names = [
        column for column in lightcurve.to_table().colnames if "nuisance." not in column
    ]
    assert plain.to_table().colnames == names


@pytest.mark.parametrize("filename", ["curve.fits", "curve.ecsv"])
@pytest.mark.parametrize("edges", [EDGES, EDGES[:2]])
def test_files(datasets, lightcurve, filename, edges, tmp_path):
    if len(edges) == 2:
        lightcurve = lightcurve.slice_by_idx({"energy": slice(0, 1)})
    lightcurve.write(tmp_path / filename, format="lightcurve")
    read = FluxPoints.read(tmp_path / filename, format="lightcurve")
    assert_same_tables(read.nuisance, lightcurve.nuisance)
    # Each interval has its own background, all have one source.
    best_fit = read.nuisance.meta["best_fit"]
    assert best_fit == lightcurve.nuisance.meta["best_fit"]
    assert set(NORMS) < set(best_fit) and best_fit[NORMS[0]][0] == 1
    assert_allclose(read.norm.data, lightcurve.norm.data)
    assert read.geom.axes.names == ["energy", "time"]


@pytest.mark.parametrize("sed_type", ["dnde", "flux", "likelihood"])
def test_tables(lightcurve, sed_type):
    table = lightcurve.to_table(sed_type=sed_type, format="lightcurve")
    assert len(table) == 3
    assert table[f"nuisance.{NORMS[0]}"].shape == (3, 2)
    again = FluxPoints.from_table(
        table, reference_model=PowerLawSpectralModel(), sed_type=sed_type
    )
    assert_same_tables(again.nuisance, lightcurve.nuisance)


def test_copy_and_slices(lightcurve):
    table = lightcurve.nuisance
    assert_same_tables(lightcurve.copy().nuisance, table)
    slices = [
        ({"time": slice(1, 3)}, [2, 3, 4, 5]),
        ({"time": 1}, [2, 3]),
        ({"energy": slice(1, 2)}, [1, 3, 5]),
        ({"energy": 0, "time": -1}, [4]),
    ]
    for key, rows in slices:
        assert_same_tables(lightcurve.slice_by_idx(key).nuisance, table[rows])
    late = lightcurve.slice_by_time(START + 0.9 * u.h, START + 3.1 * u.h)
    assert_same_tables(late.nuisance, table[2:])
    low = lightcurve.slice_by_energy(1 * u.TeV, 3.2 * u.TeV)
    assert_same_tables(low.nuisance, table[::2])
    for idx, points in enumerate(lightcurve.iter_by_axis("time")):
        assert_same_tables(points.nuisance, table[2 * idx : 2 * idx + 2])
        # and as points of one time in a table of their own
        alone = FluxPoints.from_table(
            points.to_table(), reference_model=PowerLawSpectralModel()
        )
        assert_same_tables(alone.nuisance, points.nuisance)


def test_processes(datasets, lightcurve):
    parallel = estimate(
        datasets, debug=True, n_jobs=2, parallel_backend="multiprocessing"
    )
    assert_same_tables(parallel.nuisance, lightcurve.nuisance)


def test_log(datasets, caplog):
    with caplog.at_level(logging.INFO, logger="gammapy.estimators.points.sed"):
        estimate(datasets[:1], debug=True)
    records = [record for record in caplog.records if hasattr(record, "nuisance")]
    assert len(records) == 2
    message = records[0].getMessage()
    assert message.startswith("flux_point time_min=2020-01-01T00:00:00.000 time_max=")
    assert " e_min=1TeV e_max=3.162TeV stat=" in message
    assert records[0].nuisance["time_min"] == "2020-01-01T00:00:00.000"


def test_interval_without_data_for_an_energy(datasets):
    """What a bin does not have is NaN, 0, False or empty."""
    edges = [0.1, 1, 10] * u.TeV
    table = estimate(datasets, debug=True, energy_edges=edges).nuisance
    assert len(table) == 6
    assert table["success"].tolist() == [False, True] * 3
    assert table["nfev_null"].tolist()[::2] == [0, 0, 0]
    assert table["success_null"].tolist()[::2] == [False] * 3
    assert np.isnan(table[NORMS[0]][0]) and table["message"][0]


def test_stacked_intervals(datasets):
    table = estimate(
        datasets, debug=True, reoptimize=False, stack_over_time_interval=True
    ).nuisance
    assert len(table) == 6 and table["success"].all()
    assert (table["counts.stacked"] > 0).all()


def test_profile(tmp_path):
    geom = WcsGeom.create(
        npix=20,
        binsz=0.1,
        axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)],
    )
    dataset = MapDataset.create(
        geom, energy_axis_true=geom.axes[0].copy(name="energy_true"), name="map"
    )
    dataset.exposure.data += 1e14
    dataset.background.data += 5
    dataset.mask_safe.data[...] = True
    dataset.counts = Map.from_geom(
        geom, data=np.random.default_rng(0).poisson(5, geom.data_shape)
    )
    centers = geom.to_image().center_skydir.directional_offset_by(
        0 * u.deg, [0, 0.3, 0.6] * u.deg
    )
    regions = [CircleSkyRegion(center, 0.15 * u.deg) for center in centers]
    estimator = FluxProfileEstimator(
        regions, energy_edges=[1, 3.17, 10] * u.TeV, debug=True
    )
    profile = estimator.run([dataset])
    table = profile.nuisance
    assert table.colnames[3:5] == ["x_min", "x_max"]
    assert len(table) == 6
    edges = profile.geom.axes["projected-distance"].edges.value
    assert_allclose(table["x_min"], np.repeat(edges[:-1], 2))
    profile.write(tmp_path / "profile.fits", format="profile")
    assert_same_tables(FluxPoints.read(tmp_path / "profile.fits").nuisance, table)
