# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from numpy.testing import assert_allclose
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse
from gammapy.maps import Map, MapAxis
from gammapy.modeling import models as m

FIELD = Map.create(npix=50, binsz=0.1)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_model(spatial, name):
    return m.SkyModel(m.PowerLawSpectralModel(), spatial, name=name)


def make_template():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy_true")
    values = Map.create(npix=20, binsz=0.1, axes=[axis], unit="sr-1")
    values.data += 1
    return make_model(m.TemplateSpatialModel(values, normalize=False), "template")


@pytest.fixture()
def placeless():
    """Models that have no position."""
    return m.Models(
        [
            make_model(None, "spectrum"),
            make_model(m.ConstantSpatialModel(), "isotropic"),
            make_model(m.ConstantFluxSpatialModel(), "flat"),
            m.FoVBackgroundModel(dataset_name="set"),
        ]
    )


@pytest.fixture()
def sources():
    return m.Models(
        [
            make_model(m.PointSpatialModel(lon_0="0.5 deg"), "point"),
            make_model(m.GaussianSpatialModel(sigma="0.3 deg"), "gauss"),
        ]
    )


def artists(ax):
    return [*ax.lines, *ax.patches, *ax.collections]


def test_no_positions(placeless):
    """Nothing is drawn, and nothing raised."""
    ax = FIELD.plot()
    before, limits = artists(ax), (ax.get_xlim(), ax.get_ylim())
    assert placeless.plot_positions(ax=ax) is ax
    assert artists(ax) == before
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    assert len(placeless.positions) == 0
    assert placeless.positions.frame.name == "icrs"
    assert len(m.Models([]).positions) == 0


def test_no_positions_and_no_axes(placeless):
    ax = placeless.plot_positions()
    assert isinstance(ax, WCSAxes) and not artists(ax)
    # The whole sky, and it stays when something else has nothing to draw.
    assert ax.get_xlim() == (-0.5, 359.5) and ax.get_ylim() == (-0.5, 179.5)
    assert placeless.plot_positions() is ax
    assert placeless.plot_regions() is ax
    assert not artists(ax)


def test_some_positions(placeless, sources):
    ax = FIELD.plot()
    models = m.Models([*placeless, *sources])
    assert models.plot_positions(ax=ax) is ax
    (points,) = ax.collections
    assert_allclose(points.get_offsets(), [[19.5, 24.5], [24.5, 24.5]], atol=1e-4)
    assert_allclose(models.positions.ra.deg, [0.5, 0])


def test_no_outline_of_templates(placeless, sources):
    """Nor of constants, which have the region of the map."""
    template = make_template()
    ax = FIELD.plot()
    models = m.Models([template, *placeless, *sources])
    assert models.plot_regions(ax=ax, edgecolor="red") is ax
    (outline,) = ax.patches
    (marker,) = ax.lines
    assert isinstance(outline, Ellipse)
    assert_allclose(outline.width, 6, rtol=1e-3)  # twice 0.3 deg at 0.1 deg per pixel
    assert outline.get_edgecolor() == (1, 0, 0, 1)
    assert_allclose(marker.get_xydata(), [[19.5, 24.5]], atol=1e-4)
    # The regions themselves are as they were, and so are the models.
    assert len(models.to_regions()) == 5
    assert models[0] is template and len(models) == 7


def test_nothing_to_outline(placeless):
    models = m.Models([make_template(), *placeless])
    ax = FIELD.plot()
    assert models.plot_regions(ax=ax) is ax
    assert models.plot_regions() is ax
    assert not artists(ax)


def test_skipped_models_are_named_once(placeless, sources, caplog):
    m.Models([*placeless, *sources]).plot_regions(ax=FIELD.plot())
    skipped = [
        message for message in caplog.messages if "Skipping model spectrum" in message
    ]
    assert len(skipped) == 1
