# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from numpy.testing import assert_allclose
from gammapy.datasets import MapDataset
from gammapy.makers import FoVBackgroundMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel


@pytest.fixture()
def flat_dataset():
    """Dataset with 400 counts, 200 from the background and 100 from a template."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    geom = WcsGeom.create(npix=10, axes=[axis])
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=4),
        background=Map.from_geom(geom, data=2.0),
        name="flat",
    )
    template = TemplateNPredModel(Map.from_geom(geom, data=1.0), name="template")
    background_model = FoVBackgroundModel(dataset_name="flat", name="any-name")
    dataset.models = [template, background_model]
    return dataset


def test_fov_bkg_maker_scale_twice(flat_dataset):
    maker = FoVBackgroundMaker(method="scale")
    norm = flat_dataset.background_model.spectral_model.norm
    for _ in range(2):
        maker.run(flat_dataset)
        # (400 - 100) / 200 and sqrt(400) / 200
        assert_allclose(norm.value, 1.5)
        assert_allclose(norm.error, 0.1)


def test_fov_bkg_maker_fit_template(flat_dataset):
    template_norm = flat_dataset.models["template"].parameters["norm"]
    template_norm.error = 0.3
    FoVBackgroundMaker(method="fit").run(flat_dataset)
    assert template_norm.value == 1
    assert template_norm.error == 0.3
    assert not template_norm.frozen

    norm = flat_dataset.background_model.spectral_model.norm
    assert_allclose(norm.value, 1.5, rtol=1e-3)
    assert_allclose(norm.error, 0.1, rtol=1e-2)


@pytest.mark.parametrize("method", ["scale", "fit"])
def test_fov_bkg_maker_rejected_without_mask_safe(flat_dataset, method):
    FoVBackgroundMaker(method=method, min_counts=1000).run(flat_dataset)
    assert flat_dataset.mask_safe.data.shape == (1, 10, 10)
    assert not flat_dataset.mask_safe.data.any()


def test_fov_bkg_maker_keeps_masks(flat_dataset):
    geom = flat_dataset.counts.geom
    mask_safe = Map.from_geom(geom, data=True, dtype=bool)
    exclusion_mask = Map.from_geom(geom, data=True, dtype=bool)
    exclusion_mask.data[:, :5] = False
    flat_dataset.mask_safe = mask_safe
    flat_dataset.mask_fit = mask_safe.copy()

    maker = FoVBackgroundMaker(exclusion_mask=exclusion_mask, min_counts=300)
    maker.run(flat_dataset)
    # All bins are still to be fitted
    assert flat_dataset.mask_fit.data.all()
    # Only 200 counts are left by the exclusion mask
    assert not flat_dataset.mask_safe.data.any()
    assert mask_safe.data.all()
