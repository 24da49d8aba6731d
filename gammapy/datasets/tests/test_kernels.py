# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels and residual methods that are made up: one class each, and an entry."""

import pickle
import pytest
import numpy as np
from numpy.testing import assert_allclose
import matplotlib.pyplot as plt
from gammapy.datasets import MapDataset, SpatialResiduals, SpectralResiduals
from gammapy.datasets.residuals import kernels
from gammapy.datasets.residuals.kernels import KERNELS, choices, find_kernel
from gammapy.datasets.residuals.kernels.base import RadialKernel, WeightsKernel
from gammapy.maps import Map, MapAxis
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from gammapy.stats.residual_methods import METHODS, ResidualMethod
from gammapy.stats.residuals import compute_residual_errors, compute_residuals
from gammapy.visualization import plot_spatial_residuals
from gammapy.visualization.residuals.panels.counts import COUNTS


@pytest.fixture
def dataset():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    background = Map.create(npix=(12, 10), binsz=0.1, axes=[axis], unit="")
    background.data += 2.0
    counts = background.copy()
    counts.data = np.random.default_rng(0).poisson(2, counts.data.shape).astype(float)
    return MapDataset(counts=counts, background=background, name="set")


class Column(WeightsKernel):
    """The pixel and those above and below it."""

    name = "column"
    given_as = "'column'"
    label = " in a column"
    is_for_on_off = True

    def weights(self, geom):
        return np.ones((3, 1))


class Cone(RadialKernel):
    """Weights that fall to 0 at the radius."""

    name = "cone"
    given_as = "'cone'"
    label = " in a cone of {radius}"

    def profile(self, separation, radius):
        return np.clip(1 - separation / radius, 0, None)


class HalfDifference(ResidualMethod):
    """Excess in units of twice the model."""

    def scale(self, npred, variance):
        return 2 * npred


def test_made_up_kernel(dataset, monkeypatch, tmp_path):
    monkeypatch.setitem(KERNELS, Column.name, Column)
    result = SpatialResiduals.from_datasets(dataset, kernel="column")
    image = np.pad(dataset.counts.data.sum(axis=0), ((1, 1), (0, 0)))
    assert_allclose(result.counts.data[0], image[:-2] + image[1:-1] + image[2:])
    assert (result.kernel, result.correlation_radius) == ("column", None)
    assert "column" in choices()
    plot_spatial_residuals(result, panels=["counts"])
    assert COUNTS.label(result) == "Counts in a column"
    plt.close("all")
    result.write(tmp_path / "residuals.fits")
    assert SpatialResiduals.read(tmp_path / "residuals.fits").kernel == "column"
    with pytest.raises(ValueError, match="'point-source', 'column', a Map, a SkyModel"):
        SpatialResiduals.from_datasets(dataset, kernel="row")


def test_made_up_radial_kernel(dataset, monkeypatch):
    monkeypatch.setitem(KERNELS, Cone.name, Cone)
    result = SpatialResiduals.from_datasets(
        dataset, kernel="cone", correlation_radius="0.15 deg"
    )
    image = dataset.counts.data.sum(axis=0)
    around = image[3:6, 4:7].copy()
    weights = np.array([[0, 1, 0], [1, 3, 1], [0, 1, 0]]) / 3
    weights[::2, ::2] = 1 - np.sqrt(2) * 0.1 / 0.15
    assert_allclose(result.counts.data[0, 4, 5], np.sum(around * weights))
    assert COUNTS.label(result) == "Counts in a cone of 0.15 deg"


def test_made_up_method(dataset, monkeypatch):
    method = HalfDifference("diff/2model", "Half", "(n - m) / (2 m)")
    monkeypatch.setitem(METHODS, method.name, method)
    assert_allclose(compute_residuals([6, 0], [2, 4], method.name), [1, -0.5])
    errors = compute_residual_errors([100], [90], method.name)
    unscaled = compute_residual_errors([100], [90], "diff")
    assert_allclose(errors, np.array(unscaled) / 180)
    n = dataset.counts.data
    table = SpectralResiduals.from_datasets(dataset).to_table(method.name)
    assert_allclose(table["residual"], (n.sum(axis=(1, 2)) / 240 - 1) / 2)
    residual = SpatialResiduals.from_datasets(dataset, kernel=None).residual
    assert_allclose(residual(method.name).data[0], (n.sum(axis=0) / 4 - 1) / 2)
    assert_allclose(dataset.residuals(method.name).data, (n / 2 - 1) / 2)
    with pytest.raises(ValueError, match="'significance', 'diff/2model'"):
        compute_residuals([1], [1], "half")


def test_each_value_has_one_kernel():
    source = SkyModel(PowerLawSpectralModel(), PointSpatialModel())
    values = ["tophat", "gauss", "point-source", source, Map.create(npix=3), None]
    for value in values:
        names = [name for name, kernel in KERNELS.items() if kernel.accepts(value)]
        assert names == [find_kernel(value).name]
    assert choices() == ["tophat", "gauss", "point-source", "none"]
    assert [kernels.from_choice(name) for name in choices()][2:] == [
        "point-source",
        None,
    ]


def test_results_keep_their_import_path(dataset):
    """What an earlier release pickled names the class in the package."""
    result = SpatialResiduals.from_datasets(dataset, kernel=None)
    data = pickle.dumps(result, protocol=0)
    old = data.replace(
        b"gammapy.datasets.residuals.spatial", b"gammapy.datasets.residuals"
    )
    assert old != data
    assert_allclose(pickle.loads(old).counts.data, result.counts.data)
