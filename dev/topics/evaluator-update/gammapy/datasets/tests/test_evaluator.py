# Licensed under a 3-clause BSD style license - see LICENSE.rst
from numpy.testing import assert_allclose
from gammapy.datasets import MapDataset
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)


def test_model_that_left_the_map_comes_back():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy_true")
    geom = WcsGeom.create(width=2, binsz=0.05, axes=[axis])
    model = SkyModel(
        spectral_model=PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"),
        spatial_model=GaussianSpatialModel(sigma="0.1 deg"),
        name="source",
    )
    dataset = MapDataset(
        counts=Map.from_geom(geom.to_image().to_cube([axis.copy(name="energy")])),
        exposure=Map.from_geom(geom, data=1e13, unit="cm2 s"),
        models=[model],
    )
    # 1e-11 * (1 - 1 / 10) * 1e13
    assert_allclose(dataset.npred().data.sum(), 90, rtol=1e-2)

    model.spatial_model.lat_0.value = 5
    assert_allclose(dataset.npred().data, 0)
    evaluator = dataset.evaluators["source"]
    assert not evaluator.contributes
    assert not evaluator.needs_update

    # Its position has to change before it is looked up again
    model.spectral_model.index.value = 3
    assert not evaluator.needs_update

    model.spectral_model.index.value = 2
    for lat in [0, 0.3]:
        model.spatial_model.lat_0.value = lat
        assert_allclose(dataset.npred().data.sum(), 90, rtol=1e-2)
