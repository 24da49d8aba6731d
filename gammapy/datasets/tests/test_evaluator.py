# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
)


@pytest.fixture
def dataset():
    """Dataset far from (0, 0), where the first of two lookups was thought to be."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    axis_true = axis.copy(name="energy_true")
    geom = WcsGeom.create(skydir=(83, 22), width=3, binsz=0.1, axes=[axis])
    exposure = Map.from_geom(geom.to_image().to_cube([axis_true]), unit="m2 s")
    exposure.data += 1e9
    psf_geom = WcsGeom.create(skydir=(83, 22), width=3, binsz=1)
    psf = PSFMap.from_gauss(axis_true, sigma=0.1 * u.deg, geom=psf_geom)
    # The PSF depends on the position, so that it matters where it is taken from.
    psf.psf_map.data = psf.psf_map.data * (
        1 + 0.1 * np.arange(psf.psf_map.data.shape[1])[:, np.newaxis, np.newaxis]
    )
    model = SkyModel(
        spectral_model=PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"),
        spatial_model=GaussianSpatialModel(
            lon_0="83.1 deg", lat_0="22.05 deg", sigma="0.2 deg", frame="icrs"
        ),
        name="source",
    )
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=1.0),
        exposure=exposure,
        psf=psf,
        edisp=EDispKernelMap.from_diagonal_response(axis, axis_true),
        models=[model],
        name="set",
    )
    return dataset


def test_responses_are_looked_up_once(dataset, monkeypatch):
    calls = []
    lookup = PSFMap.get_psf_kernel

    def counting(self, *args, **kwargs):
        calls.append(kwargs["position"])
        return lookup(self, *args, **kwargs)

    monkeypatch.setattr(PSFMap, "get_psf_kernel", counting)
    lon = dataset.models["source"].spatial_model.lon_0
    dataset.stat_sum()
    for step in (0.01, 0.02, 0.01):
        lon.value += step
        dataset.stat_sum()
    assert len(calls) == 1
    # Farther away than the source is wide the responses are others.
    lon.value += 1.3
    dataset.stat_sum()
    assert len(calls) == 2


def test_statistic_does_not_jump(dataset):
    """A step and the way back give the statistic from before."""
    sigma = dataset.models["source"].spatial_model.sigma
    lon = dataset.models["source"].spatial_model.lon_0
    first = dataset.stat_sum()
    for parameter, step in ((lon, 0.05), (sigma, 0.01)):
        value = parameter.value
        parameter.value = value + step
        dataset.stat_sum()
        parameter.value = value
        assert dataset.stat_sum() == first


def test_template(dataset):
    template = TemplateNPredModel(
        Map.from_geom(dataset.counts.geom, data=1.0), name="template"
    )
    dataset.models = [template]
    assert dataset.npred().data.sum() == dataset.counts.data.sum()


def test_source_that_comes_back(dataset):
    """One that left the map was gone for good, whatever its parameters became."""
    before, npred = dataset.stat_sum(), dataset.npred().data.copy()
    lat = dataset.models["source"].spatial_model.lat_0
    value = lat.value
    lat.value = 40
    assert dataset.npred().data.sum() == 0
    lat.value = value
    assert_allclose(dataset.npred().data, npred)
    assert dataset.stat_sum() == pytest.approx(before, rel=1e-12)


def test_source_off_the_map_is_looked_up_once(dataset, monkeypatch):
    dataset.models["source"].spatial_model.lat_0.value = 40
    dataset.npred()
    monkeypatch.setattr(PSFMap, "get_psf_kernel", None)
    # Its spectrum does not matter.
    dataset.models["source"].spectral_model.index.value = 3
    assert dataset.npred().data.sum() == 0
