# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel


def test_run_linked_correlation_between_models():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
    background.data[:, 0, 0] = [100, 50]
    signal = background.copy(data=background.data[::-1].copy())
    maps = {"counts": background + signal, "background": background}
    datasets = Datasets([SpectrumDataset(name=name, **maps) for name in ["a", "b"]])

    models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    models[1].spectral_model.norm = models[0].spectral_model.norm
    datasets.models = [TemplateNPredModel(signal, name="signal"), *models]
    Fit().run(datasets)

    # Inverse of the Fisher matrix of two datasets with 150 counts in each bin
    fisher = 2 / 150 * np.array([[12500, 10000], [10000, 12500]])
    free = datasets.parameters.free_parameters
    covariance = datasets.models.covariance.get_subcovariance(free)
    assert_allclose(covariance.data, np.linalg.inv(fisher), rtol=0.02)

    # The norms of the background models, on both places
    norms = [0, 3, 6]
    data = datasets.models.covariance.data
    assert_allclose(data[6, norms], data[3, norms])
