# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pickle
import pytest
import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis
from gammapy.utils.plotter import PLOTTERS, LazyPlotter, load_plotter
from gammapy.utils.testing import mpl_plot_check
from gammapy.visualization import plot_spatial_residuals
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.residuals import (
    DatasetsPlotter,
    MapDatasetPlotter,
    SpatialResidualsPlotter,
)
from gammapy.visualization.residuals.panels import PANELS
from gammapy.visualization.residuals.panels.base import MapPanel, energy_slice


@pytest.fixture(autouse=True)
def close_figures():
    """Other tests look for figures that were left open."""
    yield
    plt.close("all")


@pytest.fixture
def dataset():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    background = Map.create(width=1, binsz=0.1, axes=[axis], unit="")
    background.data += 2.0
    counts = background.copy(data=background.data + 1)
    return MapDataset(counts=counts, background=background, name="set")


def test_all_plotters_load():
    for name in PLOTTERS:
        assert issubclass(load_plotter(name), BasePlotter)
    with pytest.raises(ValueError, match="No plotter 'NoPlotter': choose from .*Map"):
        LazyPlotter("NoPlotter")


def test_only_given_settings_are_stored():
    plotter = BasePlotter({"font.size": "8", "axes.grid": True})
    assert dict(plotter.rc_params) == {"font.size": 8.0, "axes.grid": True}
    assert not BasePlotter().rc_params
    with pytest.raises(TypeError):
        plotter.rc_params["font.size"] = 9


@pytest.mark.parametrize(
    ("rc_params", "words"),
    [
        ({"font.seize": 8}, "Invalid rc_params: .*font.seize"),
        ({"font.size": "large"}, "Invalid rc_params: .*large"),
    ],
)
def test_bad_settings(rc_params, words):
    with pytest.raises(ValueError, match=words):
        MapDatasetPlotter(rc_params)


def test_objects_know_their_plotters(dataset):
    residuals = SpatialResiduals.from_datasets(dataset)
    for obj, cls in [
        (dataset, MapDatasetPlotter),
        (Datasets([dataset]), DatasetsPlotter),
        (residuals, SpatialResidualsPlotter),
    ]:
        before = dict(vars(obj))
        assert type(obj.plotter) is cls
        assert vars(obj).keys() == before.keys()
    own = SpatialResidualsPlotter({"font.size": 8})
    residuals.plotter = own
    assert residuals.plotter is own
    copied = pickle.loads(pickle.dumps(residuals))
    assert dict(copied.plotter.rc_params) == {"font.size": 8.0}


def test_settings_hold_while_drawing(dataset):
    before = plt.rcParams["axes.facecolor"]
    dataset.plotter = MapDatasetPlotter({"axes.facecolor": "yellow"})
    with mpl_plot_check():
        ax = dataset.plot_residuals_spectral(ax=plt.figure().add_subplot())
    assert plt.rcParams["axes.facecolor"] == before
    with mpl_plot_check():
        _, ax = dataset.plot_residuals()
    assert ax.get_facecolor() == (1.0, 1.0, 0.0, 1.0)


def test_style_sheet_is_kept(dataset):
    """A setting that the plotter was not given is the one of the style sheet."""
    dataset.plotter = MapDatasetPlotter({"font.size": 8})
    with plt.style.context({"axes.facecolor": "yellow"}):
        _, ax = dataset.plot_residuals()
    assert ax.get_facecolor() == (1.0, 1.0, 0.0, 1.0)


class VariancePanel(MapPanel):
    """A made-up panel: what one file has to hold."""

    cmap = "viridis"

    def image(self, residuals, idx):
        image = energy_slice(residuals.npred, idx)
        return image.copy(data=np.sqrt(image.data))

    def label(self, residuals):
        return "Expected standard deviation"

    def limits(self, residuals, idx, data, options):
        return 0, np.nanmax(data)


def test_new_panel(dataset, monkeypatch):
    monkeypatch.setitem(PANELS, "std", VariancePanel("std", "Spread"))
    residuals = SpatialResiduals.from_datasets(dataset, kernel=None)
    with mpl_plot_check():
        axes = plot_spatial_residuals(residuals, panels=["std", "counts"])
    image = axes["std"].images[0]
    assert np.all(image.get_array() == 2.0)
    assert image.colorbar.ax.get_ylabel() == "Expected standard deviation"
    assert axes["std"].get_title() == "Spread, 1 - 10 TeV"
    with pytest.raises(ValueError, match="got 'stdd', did you mean 'std'; choose from"):
        plot_spatial_residuals(residuals, panels="stdd")
