# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins of runs, background, fit range, residuals and files of both interfaces."""

import tracemalloc
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.analysis.background import background_table, make_background_maker
from gammapy.analysis.geometry import empty_maps
from gammapy.analysis.session import apply_fit_range, set_start_models
from gammapy.datasets import (
    Datasets,
    MapDataset,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDataset,
)
from gammapy.estimators import FluxPoints
from gammapy.makers import FoVBackgroundMaker
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import Models
from gammapy.utils.testing import requires_data
from gammapy.workflow import Workflow, WorkflowConfig

MAPS = """
observations:
    datastore: $GAMMAPY_DATA/hess-dl3-dr1
    obs_ids: [20136, 20137, 20283]
datasets:
    type: 3d
    stack: {by: {zenith: [35 deg, 39 deg, 41 deg]}}
    geom:
        wcs:
            skydir: {frame: icrs, lon: 228.53 deg, lat: -59.16 deg}
            binsize: 0.1 deg
            width: {width: 3 deg, height: 3 deg}
            binsize_irf: 0.5 deg
        axes:
            energy: {min: 0.464158883361 TeV, max: 46.4158883361 TeV, nbins: 12}
            energy_true: {min: 0.3 TeV, max: 80 TeV, nbins: 10}
    safe_mask: {methods: [offset-max], parameters: {offset_max: 1.5 deg}}
    background:
        method: fov_background
        parameters: {method: fit}
        exclusion_regions: ["icrs;circle(228.53, -59.16, 0.4)"]
        energy_min: 1 TeV
        debug: true
fit:
    fit_range: {min: 1 TeV}
    debug: true
    models:
        components:
        -   name: MSH 15-52
            type: SkyModel
            spectral:
                type: PowerLawSpectralModel
                parameters:
                -   {name: amplitude, value: 5.0e-12, unit: cm-2 s-1 TeV-1}
                -   {name: reference, value: 1, unit: TeV, frozen: true}
            spatial:
                type: GaussianSpatialModel
                frame: icrs
                parameters:
                -   {name: lon_0, value: 228.53, unit: deg, frozen: true}
                -   {name: lat_0, value: -59.16, unit: deg, frozen: true}
                -   {name: sigma, value: 0.08, unit: deg, frozen: true}
residuals:
    energy_edges: [1 TeV, 4.64158883361 TeV, 46.4158883361 TeV]
    correlation_radius: 0.2 deg
    region: icrs;circle(228.53, -59.16, 0.3)
    panels: [significance, diff]
flux_points:
    source: MSH 15-52
    energy: {min: 1 TeV, max: 10 TeV, nbins: 1}
    parameters: {selection_optional: [ul], reoptimize: true}
    debug: true
"""

SPECTRA = """
observations:
    datastore: $GAMMAPY_DATA/hess-dl3-dr1
    obs_ids: [23523, 23526, 23559, 23592]
datasets:
    type: 1d
    stack: {by: {offset: [0.3 deg, 0.7 deg, 2 deg]}}
    geom:
        axes:
            energy: {min: 0.5 TeV, max: 30 TeV, nbins: 6}
            energy_true: {min: 0.3 TeV, max: 50 TeV, nbins: 12}
    on_region: {frame: icrs, lon: 83.633 deg, lat: 22.014 deg, radius: 0.11 deg}
    containment_correction: false
    background:
        method: reflected
        exclusion_regions: ["icrs;circle(83.633, 22.5, 0.2)"]
        debug: true
"""


def make_session(which, text, outdir=None):
    analysis, config = {
        "analysis": (Analysis, AnalysisConfig),
        "workflow": (Workflow, WorkflowConfig),
    }[which]
    config = config.from_yaml(text)
    if outdir is not None:
        config.general.outdir = str(outdir)
    return analysis(config)


CRAB = SkyCoord(83.633, 22.014, unit="deg")

both = pytest.mark.parametrize("which", ["analysis", "workflow"])


@requires_data()
@both
def test_from_runs_to_files(which, tmp_path):
    figures_before = plt.get_fignums()
    session = make_session(which, MAPS, tmp_path / "out")
    session.get_observations()
    groups = session.get_observation_groups()
    assert groups.names == ["zenith-35-39", "zenith-39-41"]
    session.get_datasets()
    assert session.datasets.names == groups.names
    assert session.observation_groups.names == groups.names
    session.run_fit()
    assert session.fit.debug is True
    session.get_residuals()
    session.get_flux_points()
    paths = session.write()
    assert all(path.exists() for path in paths)
    assert plt.get_fignums() == figures_before

    # background: the range and the mask of the regions reached the maker
    out = tmp_path / "out"
    table = Table.read(out / "datasets_background.ecsv")
    assert table["obs_id"].tolist() == ["20136", "20283", "20137"]
    assert table["dataset"].tolist() == ["zenith-35-39"] * 2 + ["zenith-39-41"]
    assert_allclose(table["energy_min"], 1)
    assert_allclose(
        table["norm"], FoVBackgroundMaker.nuisance(session.datasets)["norm"]
    )
    assert np.all(table["norm_err"] > 0)
    image = session.datasets[0].counts.geom.to_image()
    sources = image.region_mask("icrs;circle(228.53, -59.16, 0.4)")
    # The second group is one run, whose mask it has; ten bins are above 1 TeV.
    dataset = session.datasets[1]
    used = dataset.mask_safe.data[2:] & ~sources.data
    assert table["n_bins"][2] == used.sum()
    assert table["counts_off"][2] == dataset.counts.data[2:][used].sum()

    summary = Table.read(out / "datasets_groups.ecsv")
    assert summary["obs_ids"].tolist() == ["20136 20283", "20137"]
    assert (out / "datasets_groups.png").stat().st_size > 0

    datasets = Datasets.read(out / "datasets.yaml", out / "models.yaml")
    assert datasets.names == groups.names
    for read, dataset in zip(datasets, session.datasets, strict=True):
        assert_allclose(read.counts.data, dataset.counts.data)
        assert read.mask_fit.data.sum() == 10 * 30 * 30
    amplitude = datasets.parameters["amplitude"]
    assert_allclose(amplitude.value, 5e-12, rtol=0.4)
    fitted = session.datasets.parameters["amplitude"]
    assert_allclose(amplitude.error, fitted.error)
    assert 0 < amplitude.error < amplitude.value / 2
    assert "MSH 15-52" in Models.read(out / "fit_result.yaml").names

    spatial = SpatialResiduals.read(out / "residuals_maps.fits")
    assert_allclose(spatial.sqrt_ts.data, session.spatial_residuals.sqrt_ts.data)
    by_hand = SpatialResiduals.from_datasets(
        session.datasets,
        energy_edges=[1, 4.64158883361, 46.4158883361] * u.TeV,
        correlation_radius="0.2 deg",
    )
    assert_allclose(spatial.excess.data, by_hand.excess.data)
    assert len(Table.read(out / "residuals_distribution.ecsv")) == 2

    region = "icrs;circle(228.53, -59.16, 0.3)"
    spectral = SpectralResiduals.from_datasets(
        session.datasets, region, energy_min="1 TeV", energy_max="46.4158883361 TeV"
    )
    table = Table.read(out / "residuals_spectrum.ecsv")
    expected = spectral.to_table("significance")
    for name in ("counts", "npred_MSH 15-52", "residual", "sqrt_ts"):
        assert_allclose(table[name], expected[name])
    for name in ("residuals_maps", "residuals_spectrum", "flux_points"):
        image = plt.imread(out / f"{name}.png")
        assert min(image.shape[:2]) > 300

    points = FluxPoints.read(out / "flux_points.ecsv")
    assert_allclose(points.norm.data, session.flux_points.data.norm.data)
    table = Table.read(out / "flux_points_nuisance.ecsv")
    assert "zenith-39-41-bkg.spectral.norm" in table.colnames

    # none is replaced, and none of those that are missing is made
    (out / "datasets.yaml").unlink()
    (out / "flux_points.ecsv").write_text("mine")
    with pytest.raises(OSError, match="and 16 more exist; overwrite=True"):
        session.write(overwrite=False)
    assert not (out / "datasets.yaml").exists()
    assert (out / "flux_points.ecsv").read_text() == "mine"
    assert not list(out.glob(".unfinished*"))


@requires_data()
@both
def test_spectra_in_bins(which, tmp_path):
    session = make_session(which, SPECTRA)
    session.config.general.datasets_file = tmp_path / "new" / "spectra.yaml"
    session.get_observations()
    session.get_datasets()
    assert session.datasets.names == ["offset-0.3-0.7", "offset-0.7-2"]
    assert len(session.observations) == 4
    near, far = session.datasets
    config = session.config.model_copy(deep=True)
    config.datasets.stack = False
    alone = type(session)(config)
    alone.get_observations()
    alone.get_datasets()
    counts = [
        (dataset.counts * dataset.mask_safe).data.sum() for dataset in alone.datasets
    ]
    assert near.counts.data.sum() == counts[0] + counts[1] > 0
    assert far.counts.data.sum() == counts[2] + counts[3] > 0

    models = Models.from_dict(AnalysisConfig.from_yaml(MAPS).fit.models)
    model = models[0].copy(name="source")
    model.spatial_model = None
    session.set_models([model])
    session.run_fit()
    session.get_residuals()
    assert session.spatial_residuals is None
    table = session.spectral_residuals.to_table()
    assert_allclose(np.nansum(table["counts"]), sum(counts))
    session.write_datasets()
    table = Table.read(tmp_path / "new" / "spectra_background.ecsv")
    assert table["obs_id"].tolist() == ["23523", "23526", "23559", "23592"]


@requires_data()
def test_exclusion_regions_of_spectra():
    counts_off = []
    for regions in ([], ["icrs;circle(83.633, 22.5, 0.6)"]):
        session = make_session("analysis", SPECTRA)
        session.config.observations.obs_ids = [23523]
        session.config.datasets.stack = True
        session.config.datasets.background.exclusion_regions = regions
        session.get_observations()
        session.get_datasets()
        counts_off.append(session.datasets[0].counts_off.data.sum())
    assert 0 < counts_off[1] < counts_off[0]


def make_dataset(name="empty", is_map=True):
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=4)
    if not is_map:
        geom = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis])
        return SpectrumDataset.create(geom, name=name)
    geom = WcsGeom.create(npix=3, binsz=1, axes=[axis])
    return MapDataset.create(geom, name=name)


class BrokenMask:
    """Result whose file cannot be written."""

    def write(self, path):
        path.write_text("half of it")
        raise OSError("the disk is full")


@both
def test_datasets_are_written_with_all_that_is_beside_them(which, tmp_path):
    session = make_session(which, "general: {}")
    with pytest.raises(RuntimeError, match="Missing datasets_file"):
        session.write_datasets()
    session.config.general.datasets_file = tmp_path / "new" / "runs.yaml"
    with pytest.raises(RuntimeError, match="No datasets defined"):
        session.write_datasets()
    session.datasets = Datasets([make_dataset()])
    session.exclusion_result = BrokenMask()
    with pytest.raises(OSError, match="the disk is full"):
        session.write_datasets()
    assert not list(tmp_path.iterdir())
    session.exclusion_result = None
    session.write_datasets()
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["empty.fits", "runs.yaml"]
    with pytest.raises(OSError, match="runs.yaml' exists; overwrite=True replaces it"):
        session.write_datasets(overwrite=False)


OPTIONS = """
datasets:
    type: {kind}
    map_selection: [counts]
    on_region: {{frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.1 deg}}
    geom:
        wcs:
            skydir: {{{skydir}}}
            binsize: 0.5 deg
            width: {{width: 2 deg, height: 1 deg}}
        axes:
            energy: {{min: 1 TeV, max: 10000 GeV, nbins: 2}}
            energy_true: {{min: 1 TeV, max: 10 TeV, nbins: 4}}
    background: {{method: fov_background, debug: true, parameters: {{method: fit}}}}
"""


def test_makers_are_built_from_the_configuration():
    """The configuration is the same at each moment, and so is that of the session."""
    session = make_session(
        "analysis",
        OPTIONS.format(kind="3d", skydir="frame: icrs, lon: 0 deg, lat: 0 deg"),
    )
    config = session.config
    before = config.model_dump_json()

    class Watched:
        """Session that must not be changed, as its makers are built."""

        exclusion_result = None
        observations = None

        def __getattr__(self, name):
            return getattr(session, name)

        def __setattr__(self, name, value):
            raise AssertionError(f"{name} was set")

    maker = make_background_maker(Watched(), Watched())
    assert isinstance(maker, FoVBackgroundMaker)
    assert maker.debug is True and maker.method == "fit"
    assert session.config is config and config.model_dump_json() == before


def test_empty_maps_for_spectra():
    text = OPTIONS.format(kind="1d", skydir="")
    settings = make_session("analysis", text).config.datasets
    dataset = empty_maps(settings, "maps")
    geom = dataset.counts.geom
    assert dataset.name == "maps" and geom.data_shape == (2, 2, 4)
    assert geom.center_skydir.separation(SkyCoord("83.63d", "22.01d")).deg < 1e-6
    assert_allclose(geom.axes["energy"].edges.value, [1, np.sqrt(10), 10])
    assert geom.axes["energy"].unit == "TeV"
    assert dataset.exposure.geom.axes["energy_true"].nbin == 4
    settings.type = "3d"
    with pytest.raises(ValueError, match="geom.wcs.skydir: expected frame, lon and"):
        empty_maps(settings, "maps")


@both
@pytest.mark.parametrize("is_map", [True, False])
def test_fit_range_keeps_mask_fit(which, is_map):
    session = make_session(which, "fit: {fit_range: {min: 0.3162 TeV}}")
    dataset = make_dataset(is_map=is_map)
    given = Map.from_geom(dataset.counts.geom, dtype=bool)
    given.data[:3, 0, 0] = True
    before = given.data.copy()
    dataset.mask_fit = given
    session.datasets = Datasets([dataset])

    apply_fit_range(session, session.config)
    assert dataset.mask_fit.data[:, 0, 0].tolist() == [False, True, True, False]
    assert dataset.mask_fit.data.sum() == 2
    # a wider range gives bins back, but none that the mask did not have
    session.config.fit.fit_range.min = "0.1 TeV"
    apply_fit_range(session, session.config)
    assert_allclose(dataset.mask_fit.data, before)
    assert_allclose(given.data, before)
    # a new mask is the one to start from
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=True, dtype=bool)
    session.config.fit.fit_range.max = "1 TeV"
    apply_fit_range(session, session.config)
    mask = dataset.mask_fit.data
    assert mask.reshape(4, -1).all(axis=1).tolist() == [True, True, False, False]

    session.config.fit.fit_range = {"min": "20 TeV"}
    with pytest.raises(ValueError, match="fit.fit_range: no energy bin of dataset 'em"):
        apply_fit_range(session, session.config)


@both
def test_start_models(which):
    session = make_session(which, MAPS)
    dataset = make_dataset()
    session.datasets = Datasets([dataset])
    set_start_models(session, session.config)
    assert session.models.names == ["MSH 15-52", "empty-bkg"]
    # models of sources stay as they are
    session.set_models([session.models[0].copy(name="other")], extend=False)
    set_start_models(session, session.config)
    assert session.models.names == ["other", "empty-bkg"]

    session = make_session(which, "fit: {fit_range: {}}")
    session.datasets = Datasets([make_dataset()])
    with pytest.raises(RuntimeError, match="Missing models.*fit.models"):
        session.run_fit()


@both
def test_errors(which):
    session = make_session(which, MAPS)
    with pytest.raises(RuntimeError, match=r"get_observations\(\) first"):
        session.get_observation_groups()
    with pytest.raises(RuntimeError, match="No observations have been selected"):
        session.get_datasets()
    with pytest.raises(RuntimeError, match=r"get_datasets\(\) first"):
        session.get_residuals()


@requires_data()
@both
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"methods": "fit"},
            "FoVBackgroundMaker has no option 'methods', did you mean 'method'; opt",
        ),
        ({"debug": False}, "'debug' is given twice, as datasets.background.debug"),
    ],
)
def test_background_parameters(which, parameters, message):
    session = make_session(which, MAPS)
    session.config.datasets.background.parameters = parameters
    session.get_observations()
    with pytest.raises(ValueError, match=message):
        session.get_datasets()
    assert session.config.datasets.background.parameters == parameters


@requires_data()
def test_two_exclusions(tmp_path):
    session = make_session("analysis", MAPS)
    session.config.datasets.background.exclusion = tmp_path / "mask.fits"
    session.get_observations()
    with pytest.raises(ValueError, match="exclusion and exclusion_regions: remove"):
        session.get_datasets()
    session.config.datasets.background.exclusion_maker = {}
    with pytest.raises(ValueError, match="exclusion and exclusion_regions: remove"):
        session.get_datasets()


GROUPS = ("groups.ecsv", "groups.png")

#: Of MSH 15-52, which the data of a few runs show
MAKER = {
    "correlation_radius": "0.2 deg",
    "r_in": "0.6 deg",
    "width": "0.4 deg",
    "energy_min": "1 TeV",
    "dilation": "0.1 deg",
}


@requires_data()
@both
def test_exclusion_maker_of_maps(which, tmp_path, caplog):
    session = make_session(which, MAPS, tmp_path)
    background = session.config.datasets.background
    background.exclusion_regions = ["icrs;circle(229.3, -58.6, 0.25)"]
    background.exclusion_maker = MAKER
    session.get_observations()
    with caplog.at_level("INFO", logger="gammapy"):
        session.get_datasets()
    rounds = [
        message
        for message in caplog.messages
        if message.startswith("exclusion_mask round=")
    ]
    result = session.exclusion_result
    assert len(rounds) == len(result.rounds) >= 2

    # The source, and the region to start with.
    geom = session.datasets[0].counts.geom.to_image()
    mask = result.mask.interp_to_geom(geom)
    given = geom.region_mask(background.exclusion_regions[0]).data
    center = geom.region_mask("icrs;circle(228.53, -59.16, 0.15)").data
    near = geom.region_mask("icrs;circle(228.53, -59.16, 0.6)").data
    assert given.sum() > 5 and not mask.data[given].any()
    assert center.sum() > 3 and not mask.data[center].any()
    assert mask.data[~near & ~given].all()

    # The background of the second group, one run, was measured outside.
    dataset = session.datasets[1]
    used = dataset.mask_safe.data[2:] & mask.data
    table = FoVBackgroundMaker.nuisance(session.datasets)
    assert table["counts_off"][2] == dataset.counts.data[2:][used].sum()

    # It is the file that datasets.background.exclusion takes.
    session.write()
    path = tmp_path / "datasets_exclusion.fits"
    assert_allclose(Map.read(path).data, result.mask.data)
    background.exclusion_maker = None
    background.exclusion_regions = None
    background.exclusion = path
    session.get_datasets()
    assert session.exclusion_result is None
    again = FoVBackgroundMaker.nuisance(session.datasets)
    assert_allclose(again["norm"], table["norm"])


@requires_data()
@both
def test_exclusion_maker_of_spectra(which, tmp_path):
    session = make_session(which, SPECTRA)
    config = session.config
    config.general.datasets_file = tmp_path / "runs.yaml"
    config.datasets.geom.wcs.binsize = "0.05 deg"
    config.datasets.background.exclusion_regions = None
    config.datasets.background.exclusion_maker = MAKER | {
        "filename": tmp_path / "masks" / "mine.fits"
    }
    session.get_observations()
    # Before anything is reduced, for looking at it.
    result = session.get_exclusion_mask()
    assert result is session.exclusion_result and session.datasets is None
    separation = result.mask.geom.separation(CRAB).deg
    assert not result.mask.data[separation < 0.1].any()
    assert result.mask.data[separation > 0.6].all()

    session.get_datasets()
    assert session.datasets.names == ["offset-0.3-0.7", "offset-0.7-2"]
    assert all(dataset.counts_off.data.sum() > 0 for dataset in session.datasets)
    session.write_datasets()
    mask = Map.read(tmp_path / "masks" / "mine.fits")
    assert_allclose(mask.data, session.exclusion_result.mask.data)
    assert not (tmp_path / "runs_exclusion.fits").exists()


@requires_data()
def test_exclusion_maker_changes_off_regions():
    counts_off = []
    for maker in (None, MAKER, MAKER | {"dilation": "0.25 deg"}):
        session = make_session("analysis", SPECTRA)
        datasets = session.config.datasets
        session.config.observations.obs_ids = [23523, 23526]
        datasets.geom.wcs.binsize = "0.05 deg"
        datasets.stack = True
        datasets.background.exclusion_regions = None
        datasets.background.exclusion_maker = maker
        session.get_observations()
        session.get_datasets()
        counts_off.append(session.datasets[0].counts_off.data.sum())
    assert counts_off[0] > counts_off[2] > 0
    assert counts_off[0] >= counts_off[1]


def peak_memory(n_runs):
    """Highest memory in use while runs are reduced, in bytes."""
    session = make_session("analysis", MAPS)
    session.config.observations.obs_cone = {
        "frame": "icrs",
        "lon": "228.53 deg",
        "lat": "-59.16 deg",
        "radius": "1.5 deg",
    }
    session.config.observations.obs_ids = []
    datasets = session.config.datasets
    datasets.stack = {"by": {"zenith": ["35 deg", "39 deg", "41 deg"]}}
    datasets.geom.wcs.binsize = "0.05 deg"
    datasets.background.exclusion_regions = None
    datasets.background.exclusion_maker = MAKER
    session.get_observations()
    session.observations = session.observations[:n_runs]
    tracemalloc.start()
    try:
        session.get_datasets()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@requires_data()
@pytest.mark.long
def test_memory_of_a_session():
    peak_memory(2)  # fills caches
    assert_allclose(peak_memory(20), peak_memory(5), rtol=0.1)


@both
def test_no_exclusion_maker(which):
    session = make_session(which, MAPS)
    with pytest.raises(RuntimeError, match=r"get_observations\(\) first"):
        session.get_exclusion_mask()
    session.observations = [None]
    with pytest.raises(RuntimeError, match="set datasets.background.exclusion_maker"):
        session.get_exclusion_mask()


@requires_data()
@both
def test_runs_without_off_regions(which, caplog):
    session = make_session(which, SPECTRA)
    # Nothing is left around the pointings at 0.5 deg.
    regions = ["icrs;circle(83.633, 22.014, 1.3)"]
    session.config.datasets.background.exclusion_regions = regions
    session.get_observations()
    session.get_datasets()
    assert session.datasets.names == ["offset-0.7-2"]
    assert len(session.observations) == 4
    assert session.config.datasets.stack.by.offset is not None
    message = "left out of offset-0.3-0.7, which has no other observations: 23523, "
    message += "23526."
    assert f"Observations without an off region, {message}" in caplog.text

    session.config.datasets.stack = {"by": {"zenith": 1}}
    caplog.clear()
    session.get_datasets()
    (dataset,) = session.datasets
    assert sorted(dataset.meta_table["OBS_ID"][0]) == [23559, 23592]
    assert f"left out of {dataset.name}: 23523, 23526." in caplog.text

    # All of them stacked.
    session.config.datasets.stack = True
    session.get_datasets()
    assert session.datasets.names == ["stacked"]
    assert session.datasets[0].counts.data.sum() == dataset.counts.data.sum()

    regions = ["icrs;circle(83.633, 22.014, 4)"]
    session.config.datasets.background.exclusion_regions = regions
    with pytest.raises(ValueError, match="No observation has an off region"):
        session.get_datasets()
    assert len(session.observations) == 4


@requires_data()
@both
@pytest.mark.parametrize("text", [MAPS, SPECTRA], ids=["maps", "spectra"])
def test_groups_in_processes(which, text):
    counts = []
    for n_jobs in (1, 2):
        session = make_session(which, text)
        session.config.general.n_jobs = n_jobs
        session.get_observations()
        session.get_datasets()
        counts.append([dataset.counts.data for dataset in session.datasets])
        assert session.observation_groups.names == session.datasets.names
        obs_ids = [str(observation.obs_id) for observation in session.observations]
        assert sorted(background_table(session)["obs_id"]) == sorted(obs_ids)
    for one, two in zip(*counts, strict=True):
        assert one.sum() > 0
        assert_allclose(one, two)


@requires_data()
def test_picture_before_reduction(tmp_path):
    session = make_session("workflow", MAPS, tmp_path)
    session.config.datasets.background.exclusion_maker = MAKER
    steps = ["observations", "observation-groups", "exclusion-mask", "write"]
    session.config.general.steps = steps
    session.run(overwrite=[True])
    names = sorted(path.name for path in tmp_path.iterdir())
    tables = [f"datasets_{name}" for name in ("exclusion.fits", *GROUPS)]
    assert names == ["config_used.yaml", *tables]
