# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Parameters of joint datasets."""

from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import FoVBackgroundModel, SkyModel


def make_datasets():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    return Datasets(
        [
            SpectrumDataset(name=name, counts=background, background=background)
            for name in ("one", "two")
        ]
    )


def test_parameters_are_those_of_the_models_each_once():
    datasets = make_datasets()
    source, other = (SkyModel.create("pl", "gauss", name=name) for name in ("a", "b"))
    other.spectral_model.index = source.spectral_model.index
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = [source, *backgrounds, other]
    parameters = datasets.parameters
    expected = list(datasets.models.parameters.unique_parameters)
    assert [id(par) for par in parameters] == [id(par) for par in expected]
    assert len({id(par) for par in parameters}) == len(parameters) == 8 + 2 * 3 + 7
    assert list(parameters.free_parameters) == [
        par for par in expected if not par.frozen
    ]


def test_parameters_without_models():
    assert len(make_datasets().parameters) == 0


def test_looking_at_parameters_leaves_their_errors():
    datasets = make_datasets()
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    norm = datasets.models[1].spectral_model.norm
    norm.error = 0.3
    assert "norm" in datasets.parameters.names
    assert_allclose(norm.error, 0.3)
