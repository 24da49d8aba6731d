# Licensed under a 3-clause BSD style license - see LICENSE.rst
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from gammapy.maps import Map
from gammapy.modeling.models import (
    ConstantSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)


def test_positions_empty():
    spectral = PowerLawSpectralModel()
    isotropic = SkyModel(spectral, ConstantSpatialModel(), name="isotropic")

    for models in [Models([]), Models([SkyModel(spectral)]), Models([isotropic])]:
        assert len(models.positions) == 0
        assert models.positions.frame.name == "icrs"


def test_plot_positions_empty():
    models = Models([SkyModel(PowerLawSpectralModel())])
    ax = Map.create(npix=20, binsz=0.1).plot()

    assert models.plot_positions(ax=ax) is ax
    assert ax.get_xlim() == (-0.5, 19.5)
    plt.close(ax.figure)

    ax = models.plot_positions()
    assert isinstance(ax, WCSAxes)
    plt.close(ax.figure)


def test_plot_regions_empty():
    models = Models([SkyModel(PowerLawSpectralModel())])
    ax = Map.create(npix=20, binsz=0.1).plot()

    assert models.plot_regions(ax=ax) is ax
    assert not ax.patches
    plt.close(ax.figure)

    ax = models.plot_regions()
    assert isinstance(ax, WCSAxes)
    plt.close(ax.figure)


def test_wcs_geom_empty(caplog):
    assert Models([SkyModel(PowerLawSpectralModel())]).wcs_geom is None
    assert "No spatial component in any model. Geom not defined" in caplog.messages
