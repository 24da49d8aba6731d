# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of all datasets side by side."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
import matplotlib.pyplot as plt
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.testing import requires_data
from gammapy.visualization import plot_spatial_residuals
from gammapy.visualization.tests.test_residuals import assert_nothing_overlaps

AXIS = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
AXIS_TRUE = AXIS.copy(name="energy_true")
GEOM = WcsGeom.create(npix=(50, 40), binsz=0.05, frame="galactic", axes=[AXIS])
CENTER = SkyCoord(0.2, 0.1, unit="deg", frame="galactic")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_dataset(name, geom=GEOM, background=4.0, seed=0):
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = dataset.edisp = None
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e13) * u.cm**2
    dataset.exposure.quantity *= u.s
    dataset.background.data += background
    dataset.mask_safe.data[...] = True
    random = np.random.default_rng(seed)
    dataset.counts.data = random.poisson(background, geom.data_shape)
    return dataset


@pytest.fixture()
def datasets():
    """Three datasets of other exposures; one is a cutout, one has a component alone."""
    cutout = GEOM.cutout(CENTER, (1.2 * u.deg, 1 * u.deg))
    datasets = Datasets(
        [
            make_dataset("faint", background=1.0, seed=1),
            make_dataset("part", cutout, seed=2),
            make_dataset("bright", background=25.0, seed=3),
        ]
    )
    spatial = GaussianSpatialModel(sigma="0.1 deg", frame="galactic")
    common = SkyModel(PowerLawSpectralModel(), spatial, name="common")
    alone = common.copy(name="alone", datasets_names=["bright"])
    alone.spatial_model.lon_0.value = 0.5
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = [common, alone, *backgrounds]
    return datasets


def images(axes, panel):
    return {name: ax.images[0] for name, ax in axes[panel].items()}


def flat(axes):
    """Axes as lists by panel."""
    return {panel: list(row.values()) for panel, row in axes.items()}


def test_a_column_for_each_dataset(datasets):
    axes = plot_spatial_residuals(datasets, by="dataset")
    assert list(axes) == ["counts", "npred", "significance"]
    assert all(list(row) == ["faint", "part", "bright"] for row in axes.values())
    assert_nothing_overlaps(flat(axes))
    # The same place on paper in each row, and rows below each other.
    places = np.array(
        [[ax.get_position().p0 for ax in row.values()] for row in axes.values()]
    )
    assert_allclose(places[..., 0], np.broadcast_to(places[0, :, 0], (3, 3)))
    assert_allclose(places[..., 1], np.broadcast_to(places[:, :1, 1], (3, 3)))
    assert (np.diff(places[0, :, 0]) > 0).all() and (np.diff(places[:, 0, 1]) < 0).all()
    title = axes["counts"]["part"].get_title()
    assert title == "part\nCounts, 1 - 10 TeV"

    # Each is that of the dataset alone, on the geometry of all.
    for dataset in datasets:
        alone = SpatialResiduals.from_datasets(dataset, geom=GEOM.to_image())
        for panel, map_ in (("counts", alone.counts), ("significance", alone.sqrt_ts)):
            drawn = np.ma.filled(images(axes, panel)[dataset.name].get_array(), np.nan)
            assert_allclose(drawn, map_.data[0])
    limits = {
        (ax.get_xlim(), ax.get_ylim()) for row in flat(axes).values() for ax in row
    }
    assert limits == {((-0.5, 49.5), (-0.5, 39.5))}


def test_colours_are_shared(datasets):
    panels = ["counts", "npred", "excess", "diff/model"]
    axes = plot_spatial_residuals(datasets, by="dataset", panels=panels)
    highest = {}
    for panel in panels:
        found = images(axes, panel).values()
        assert len({image.get_clim() for image in found}) == 1
        labels = {image.colorbar.ax.get_ylabel() for image in found}
        assert len(labels) == 1
        highest[panel] = next(iter(found)).get_clim()[1]
    each = [SpatialResiduals.from_datasets(dataset) for dataset in datasets]
    expected = max(np.nanmax([r.counts.data, r.npred.data]) for r in each)
    assert_allclose(highest["counts"], expected)
    assert highest["npred"] == highest["counts"]
    # Half a percent of all pixels is beyond the ends of symmetric colours.
    excess = np.concatenate([np.ravel(r.excess.data) for r in each])
    assert_allclose(highest["excess"], np.percentile(np.abs(excess), 99.5))
    # The median of all decides, so that faint datasets look faint.
    norms = [image.norm for image in images(axes, "counts").values()]
    assert len({float(norm(10.0)) for norm in norms}) == 1


def test_components_of_each(datasets):
    axes = plot_spatial_residuals(datasets, by="dataset", panels="significance")

    def drawn(row):
        return {
            name: {
                str(child.get_gid()).split(":")[1]
                for child in ax.get_children()
                if str(child.get_gid()).startswith("position:")
            }
            for name, ax in row.items()
        }

    both = {"common", "alone"}
    assert drawn(axes["significance"]) == {
        "faint": {"common"},
        "part": {"common"},
        "bright": both,
    }
    options = {"by": "dataset", "panels": "counts", "models": ["alone"]}
    axes = plot_spatial_residuals(datasets, **options)
    expected = {"faint": set(), "part": set(), "bright": {"alone"}}
    assert drawn(axes["counts"]) == expected
    # A component that one dataset has can be left out of it.
    excludes = ["alone", "faint-bkg"]
    options = {"by": "dataset", "panels": "npred", "exclude": excludes}
    axes = plot_spatial_residuals(datasets, **options)
    bright = SpatialResiduals.from_datasets(datasets["bright"], exclude=["alone"])
    image = images(axes, "npred")["bright"].get_array()
    assert_allclose(image, bright.npred.data[0])


def test_numbers_are_those_of_all_datasets(datasets):
    """A component has its number in each map, and the legend has each once."""
    alone = datasets.models["alone"]
    alone.datasets_names = ["part"]
    other = alone.copy(name="other", datasets_names=["bright"])
    rest = [model for model in datasets.models if model.name != "alone"]
    datasets.models = [alone, other, *rest]
    options = {"by": "dataset", "panels": "counts", "models_style": "markers"}
    axes = plot_spatial_residuals(datasets, **options)["counts"]
    numbers = {
        name: {text.get_gid(): text.get_text() for text in ax.texts}
        for name, ax in axes.items()
    }
    found = {}
    for row in numbers.values():
        for gid, text in row.items():
            if str(gid).startswith("number:"):
                found.setdefault(gid.split(":")[1], set()).add(text)
    assert sorted(len(texts) for texts in found.values()) == [1, 1, 1]
    assert len(set.union(*found.values())) == 3
    (legend,) = axes["bright"].figure.legends
    entries = [text.get_text().split() for text in legend.get_texts()]
    assert {name: {number} for number, name, *_ in entries} == found


def test_view_holds_what_any_shows(datasets):
    for dataset, columns in zip(datasets, ((5, 20), (0, 24), (12, 30)), strict=True):
        mask = np.zeros(dataset.counts.data.shape, dtype=bool)
        mask[:, 4:16, slice(*columns)] = dataset.name != "part"
        dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask)
    options = {"by": "dataset", "panels": "counts", "kernel": None}
    axes = plot_spatial_residuals(datasets[::2], **options)
    for ax in axes["counts"].values():
        assert_allclose([ax.get_xlim(), ax.get_ylim()], [(3.5, 30.5), (2.5, 16.5)])


def test_masked_dataset_is_left_out(datasets, caplog):
    datasets["part"].mask_safe.data[...] = False
    with caplog.at_level(logging.WARNING):
        axes = plot_spatial_residuals(datasets, by="dataset", panels="counts")
    assert list(axes["counts"]) == ["faint", "bright"]
    assert "left out: part" in caplog.text
    for dataset in datasets:
        dataset.mask_safe.data[0] = False
    with pytest.raises(ValueError, match="No dataset has an unmasked bin"):
        plot_spatial_residuals(datasets, by="dataset", energy_max="3 TeV")


@pytest.mark.parametrize("n_datasets, shape", [(20, (4, 5)), (5, (2, 3)), (1, (1, 1))])
def test_many_datasets_are_in_a_grid(n_datasets, shape):
    geom = WcsGeom.create(npix=10, binsz=0.1, axes=[AXIS.squash()])
    maps = Map.from_geom(geom, data=3.0)
    many = [
        MapDataset(counts=maps, background=maps, name=f"run-{idx}")
        for idx in range(n_datasets)
    ]
    axes = plot_spatial_residuals(many, by="dataset", kernel=None)
    expected = (
        ["significance"] if n_datasets > 4 else ["counts", "npred", "significance"]
    )
    assert list(axes) == expected
    row = axes["significance"]
    assert list(row) == [dataset.name for dataset in many]
    places = np.round([ax.get_position().p0 for ax in row.values()], 6)
    assert [len(np.unique(column)) for column in places.T] == [shape[1], shape[0]]
    # They are read from left to right, and then down.
    assert np.lexsort((places[:, 0], -places[:, 1])).tolist() == list(range(n_datasets))


def test_rows_of_panels_go_on_below():
    geom = WcsGeom.create(npix=10, binsz=0.1, axes=[AXIS.squash()])
    maps = Map.from_geom(geom, data=3.0)
    many = [
        MapDataset(counts=maps, background=maps, name=f"run-{idx}") for idx in range(6)
    ]
    panels = ["counts", "significance"]
    axes = plot_spatial_residuals(many, by="dataset", kernel=None, panels=panels)
    heights = {
        panel: [ax.get_position().y0 for ax in row.values()]
        for panel, row in axes.items()
    }
    first = heights["counts"][0], heights["significance"][0]
    second = heights["counts"][4], heights["significance"][4]
    assert first[0] > first[1] > second[0] > second[1]


def test_residuals_that_were_computed_and_axes_that_are_given(datasets):
    geom = GEOM.to_image()
    computed = {
        name: SpatialResiduals.from_datasets(datasets[name], geom=geom)
        for name in ("faint", "bright")
    }
    grid = plt.figure().subplots(1, 2, subplot_kw={"projection": geom.wcs})
    for given in (list(grid), dict(zip(computed, grid, strict=True))):
        options = {"by": "dataset", "panels": ["counts"], "axes": {"counts": given}}
        axes = plot_spatial_residuals(computed, **options)
        assert list(axes["counts"].values()) == list(grid)
    with pytest.raises(ValueError, match="kernel comes too late"):
        plot_spatial_residuals(computed, by="dataset", kernel=None)


@pytest.mark.parametrize(
    "options, kind, match",
    [
        ({"by": "datasets"}, ValueError, "by: got 'datasets', did you mean 'dat"),
        ({"panels": ["count"]}, ValueError, "did you mean 'counts'"),
        (
            {"energy_edges": AXIS.edges},
            ValueError,
            "energy_edges make 2: give ene",
        ),
        ({"models": ["crab"]}, ValueError, r"no components \['crab'\]"),
        ({"exclude": ["crab"]}, ValueError, "no model named 'crab'"),
        ({"axes": {"counts": {"faint": None}}, "panels": "counts"}, ValueError, "part"),
        (
            {"axes": {"counts": [None]}, "panels": "counts"},
            ValueError,
            "1 axes for 3",
        ),
        ({"energy_min": "1 PeV"}, ValueError, "No energy bin of dataset 'faint'"),
    ],
)
def test_bad_input_leaves_no_figure(datasets, options, kind, match):
    with pytest.raises(kind, match=match):
        plot_spatial_residuals(datasets, **{"by": "dataset"} | options)
    assert plt.get_fignums() == []


def test_too_many_maps(datasets):
    many = list(datasets) * 7
    with pytest.raises(ValueError, match="would draw 63 maps, 3 of each of 21"):
        panels = ["counts", "npred", "diff"]
        plot_spatial_residuals(many, by="dataset", panels=panels)
    joint = SpatialResiduals.from_datasets(datasets)
    with pytest.raises(ValueError, match="needs the datasets: these residuals are"):
        plot_spatial_residuals(joint, by="dataset")
    assert plt.get_fignums() == []


def test_nothing_is_changed(datasets):
    before = [(par.name, par.value, par.frozen) for par in datasets.parameters]
    plot_spatial_residuals(datasets, by="dataset", exclude=["alone"])
    after = [(par.name, par.value, par.frozen) for par in datasets.parameters]
    assert before == after and datasets.names == ["faint", "part", "bright"]
    assert "alone" in datasets["bright"].models.names


def test_from_a_configuration(datasets, tmp_path, monkeypatch):
    drawn = {}

    def draw(*args, **kwargs):
        axes = plot_spatial_residuals(*args, **kwargs)
        drawn[kwargs.get("by")] = axes
        return axes

    monkeypatch.setattr("gammapy.analysis.products.plot_spatial_residuals", draw)
    text = "residuals: {by: dataset, stretch: log, crop: false, energy_min: 3 TeV}"
    config = AnalysisConfig.from_yaml(text)
    config.general.outdir = str(tmp_path)
    analysis = Analysis(config)
    analysis.datasets = datasets
    analysis.get_residuals()
    names = {path.name for path in analysis.write()}
    assert {"residuals_maps.png", "residuals_maps_by_dataset.png"} <= names
    assert list(drawn["dataset"]) == ["counts", "npred", "significance"]
    ax = drawn["dataset"]["counts"]["part"]
    assert ax.get_title() == "part\nCounts, 3 - 10 TeV"
    assert "log scale" in ax.images[0].colorbar.ax.get_ylabel()
    assert "log scale" in drawn[None]["counts"].images[0].colorbar.ax.get_ylabel()

    analysis.config.residuals.panels = ["excess"]
    analysis.write()
    assert list(drawn["dataset"]) == list(drawn[None]) == ["excess"]
    with pytest.raises(ValueError, match="draws one energy group"):
        AnalysisConfig.from_yaml(
            "residuals: {by: dataset, energy_edges: [1 TeV, 3 TeV, 10 TeV]}"
        )


@requires_data()
def test_real_runs():
    """Runs of RX J1713.7-3946: the same part of the sky, one scale of colours."""
    store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    rows = ["1713" in name for name in store.obs_table["OBJECT"]]
    observations = store.get_observations(store.obs_table["OBS_ID"][rows][:3])
    axis = MapAxis.from_energy_edges([1, 5, 30] * u.TeV)
    true = MapAxis.from_energy_edges([0.5, 2, 10, 50] * u.TeV, name="energy_true")
    position = SkyCoord(258.3, -39.76, unit="deg")
    geom = WcsGeom.create(skydir=position, width=5, binsz=0.1, axes=[axis])
    maker = MapDatasetMaker(selection=["counts", "background", "exposure"])
    safe = SafeMaskMaker(methods=["offset-max"], offset_max="1.5 deg")
    runs = Datasets()
    for observation in observations:
        empty = MapDataset.create(
            geom, energy_axis_true=true, name=str(observation.obs_id)
        )
        runs.append(safe.run(maker.run(empty, observation), observation))
    axes = plot_spatial_residuals(runs, by="dataset")
    assert list(axes["counts"]) == runs.names
    assert_nothing_overlaps(flat(axes))
    found = images(axes, "counts").values()
    assert len({image.get_clim() for image in found}) == 1
    views = {(ax.get_xlim(), ax.get_ylim()) for ax in axes["significance"].values()}
    assert len(views) == 1
    # What no run has is cropped.
    ((x_limits, _),) = views
    assert np.ptp(x_limits) < 48
