# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import FoVBackgroundModel, GaussianPrior, Models
from gammapy.stats import GaussianPriorPenalty


def test_datasets_stat_sum_no_joint_models(monkeypatch):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    datasets = Datasets(
        [
            SpectrumDataset(name=name, counts=background * 1.2, background=background)
            for name in ["a", "b"]
        ]
    )
    models = Models([FoVBackgroundModel(dataset_name=name) for name in datasets.names])
    norm_a, norm_b = [model.spectral_model.norm for model in models]
    norm_a.value = 1.2
    norm_a.prior = GaussianPrior(mu=1, sigma=0.1)
    penalty = GaussianPriorPenalty([norm_b], mean=[0.5], covariance=[[0.25]])
    models.set_penalties(penalty)
    datasets.models = models

    monkeypatch.delattr(Datasets, "models")
    # 48 counts in each
    likelihood = 2 * (48 - 48 * np.log(12)) + 2 * (40 - 48 * np.log(10))
    prior = 4 + np.log(2 * np.pi * 0.1**2)
    assert_allclose(datasets.stat_sum(), likelihood + prior + 1)
