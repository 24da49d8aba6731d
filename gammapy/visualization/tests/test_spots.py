# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.datasets import MapDataset
from gammapy.diagnostics import HotSpots
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.utils.deprecation import GammapyDeprecationWarning
from gammapy.utils.testing import check_bad_input
from gammapy.visualization import plot_spatial_residuals, plot_spots
from gammapy.visualization.sky.spots import HotSpotsPlotter

AXIS = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
GEOM = WcsGeom.create(npix=40, binsz=0.1, frame="galactic", axes=[AXIS])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def spots():
    table = Table({"number": [1, 2, 3], "sqrt_ts": [9.0, -6.0, 5.0]})
    table["lon"] = [1.0, 359.0, 0.0] * u.deg
    table["lat"] = [0.5, -0.5, 1.0] * u.deg
    table["energy_min"] = [1, 1, 3] * u.TeV
    table["energy_max"] = [10, 10, 10] * u.TeV
    table["radius"] = [0.2, 0.4, 0.2] * u.deg
    for name in ("pos_err", "p_local", "p_global", "excess", "separation"):
        table[name] = 0.1
    table["nearest"] = ["", "", ""]
    return HotSpots(table, {"frame": "galactic", "threshold": 4})


@pytest.fixture
def dataset():
    counts = Map.from_geom(GEOM, data=np.random.default_rng(0).poisson(5, (2, 40, 40)))
    background = Map.from_geom(GEOM, data=np.full((2, 40, 40), 5.0))
    return MapDataset(counts=counts, background=background, name="set-1")


def drawn(ax, prefix):
    """Artists by the number of their spot."""
    found = ax.findobj(lambda artist: str(artist.get_gid()).startswith(prefix + ":"))
    return {int(artist.get_gid().split(":")[1]): artist for artist in found}


def test_plot_spots(spots):
    ax = Map.from_geom(GEOM.to_image()).plot()
    assert plot_spots(spots, ax) is ax
    circles, numbers = drawn(ax, "spot"), drawn(ax, "spot-number")
    assert list(circles) == [1, 2, 3]
    assert [numbers[number].get_text() for number in (1, 2, 3)] == ["1", "2", "3"]
    # Centre and radius in pixels of 0.1 deg.
    x, y = np.array(circles[1].get_xydata()).T
    assert_allclose([x.max() - x.min(), y.max() - y.min()], 4, rtol=1e-3)
    center = np.ravel(GEOM.to_image().coord_to_pix((1 * u.deg, 0.5 * u.deg)))
    assert_allclose([(x.max() + x.min()) / 2, (y.max() + y.min()) / 2], center, 1e-3)
    styles = [circles[number].get_linestyle() for number in (1, 2, 3)]
    assert styles == ["-", "--", "-"]
    assert circles[1].get_color() == "darkgreen"
    ax = HotSpotsPlotter().plot(spots, Map.from_geom(GEOM.to_image()).plot())
    assert list(drawn(ax, "spot")) == [1, 2, 3]


def test_energies(spots, dataset):
    """Spots of an energy group are on the maps of these energies, others on all."""
    axes = plot_spatial_residuals(
        dataset,
        panels=["counts", "significance"],
        energy_edges=AXIS.edges,
        hot_spots=spots,
    )
    for name, color in (("counts", "orange"), ("significance", "darkgreen")):
        low, high = (drawn(ax, "spot") for ax in axes[name])
        assert list(low) == [1, 2]
        assert list(high) == [1, 2, 3]
        assert low[1].get_color() == color
        assert list(drawn(axes[name][1], "spot-number")) == [1, 2, 3]


def test_old_name(spots, dataset):
    match = '"spots" was deprecated.*2.2.*Use argument "hot_spots"'
    options = {"panels": ["significance"], "energy_edges": AXIS.edges[[0, -1]]}
    with pytest.warns(GammapyDeprecationWarning, match=match):
        axes = plot_spatial_residuals(dataset, spots=spots, **options)
    assert list(drawn(axes["significance"], "spot")) == [1, 2, 3]


def test_without(dataset):
    axes = plot_spatial_residuals(dataset, panels=["significance"])
    assert not drawn(axes["significance"], "spot")


def test_errors(spots, dataset):
    message = "hot_spots: expected HotSpots, as HotSpotEstimator.run returns, got 3"
    check_bad_input(
        lambda: plot_spatial_residuals(dataset, hot_spots=3), TypeError, message
    )
    assert not plt.get_fignums()
    ax = Map.from_geom(GEOM.to_image()).plot()
    check_bad_input(
        lambda: plot_spots(spots, ax, color="no"), ValueError, "color: expected"
    )
    check_bad_input(
        lambda: plot_spots(spots, plt.figure().add_subplot()), TypeError, "WCSAxes"
    )
