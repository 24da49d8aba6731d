# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.estimators import ExcessMapEstimator
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)


@pytest.fixture
def maps_mask_fit_energies():
    """Two energy bins, the first of which is masked in all pixels but one."""
    axis = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=2)
    geom = WcsGeom.create(npix=21, binsz=0.02, axes=[axis])
    geom_true = geom.to_image().to_cube([axis.copy(name="energy_true")])
    counts = np.array([9, 3]).reshape(2, 1, 1)

    mask_fit = Map.from_geom(geom, data=True, dtype=bool)
    mask_fit.data[0] = False
    mask_fit.data[0, 10, 11] = True
    return {
        "counts": Map.from_geom(geom, data=np.broadcast_to(counts, geom.data_shape)),
        "exposure": Map.from_geom(geom_true, data=1e10, unit="cm2 s"),
        "mask_fit": mask_fit,
    }


def test_excess_map_estimator_mask_fit_energies(maps_mask_fit_energies):
    mask_fit = maps_mask_fit_energies["mask_fit"]
    background = Map.from_geom(mask_fit.geom, data=1.0)
    dataset = MapDataset(background=background, **maps_mask_fit_energies)

    # A pixel and the four beside it
    estimator = ExcessMapEstimator(0.021 * u.deg, energy_edges=[1, 100] * u.TeV)
    result = estimator.run(dataset)
    assert_allclose(result["counts"].data[0, 10, 10], 5 * 3 + 9)
    assert_allclose(result["npred_excess"].data[0, 10, 10], 5 * 2 + 8)
    assert_allclose(result["counts"].data[0, 5, 5], 5 * 3)
    assert_allclose(result["npred_excess"].data[0, 5, 5], 5 * 2)

    # Of the photons in 1 TeV to 100 TeV, 0.99, 0.09 are in the second bin
    flux = 10 / 1e10 * 0.99 / 0.09
    assert_allclose(result["flux"].data[0, 5, 5], flux, rtol=1e-5)

    assert dataset.mask_safe is None
    assert dataset.mask_fit is mask_fit


def test_excess_map_estimator_on_off_mask_fit_energies(maps_mask_fit_energies):
    mask_fit = maps_mask_fit_energies["mask_fit"]
    dataset = MapDatasetOnOff(
        counts_off=Map.from_geom(mask_fit.geom, data=4),
        acceptance=Map.from_geom(mask_fit.geom, data=1),
        acceptance_off=Map.from_geom(mask_fit.geom, data=2),
        **maps_mask_fit_energies,
    )
    estimator = ExcessMapEstimator(0.021 * u.deg, energy_edges=[1, 100] * u.TeV)
    result = estimator.run(dataset)
    # The background is 4 * 1 / 2 in each bin
    assert_allclose(result["counts"].data[0, 10, 10], 5 * 3 + 9)
    assert_allclose(result["npred_excess"].data[0, 10, 10], 5 * 1 + 7)

    dataset.models = SkyModel(
        PowerLawSpectralModel(amplitude="1e-9 cm-2 s-1 TeV-1"),
        GaussianSpatialModel(sigma="0.1 deg"),
    )
    npred = dataset.npred_signal().data
    pixels = [10, 9, 11, 10, 10], [10, 10, 10, 9, 11]
    npred_used = npred[1][pixels].sum() + npred[0, 10, 11]
    result = estimator.run(dataset)
    excess = result["npred_excess"].data[0, 10, 10]
    assert_allclose(excess, 5 * 1 + 7 - npred_used, rtol=1e-5)
