# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Free parameters of datasets, and where their covariance comes from."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.free_parameters import FreeParameters
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel

# In the order of the models: index and amplitude of each, reference is frozen.
N_FREE = 4


@pytest.fixture
def matrix():
    random = np.random.default_rng(0)
    roots = random.normal(size=(N_FREE, N_FREE))
    return roots @ roots.T


@pytest.fixture
def datasets(matrix):
    models = Models(
        [SkyModel(PowerLawSpectralModel(), name=name) for name in ("one", "two")]
    )
    datasets = Datasets([SpectrumDataset(name="a"), SpectrumDataset(name="b")])
    datasets.models = models
    is_free = np.array([not par.frozen for par in models.parameters])
    covariance = np.zeros((is_free.size, is_free.size))
    covariance[np.ix_(is_free, is_free)] = matrix
    joint = datasets.models
    joint.covariance = covariance
    datasets.models = joint
    return datasets


def free_of(source):
    return FreeParameters.of_datasets(local_datasets(source), source)


def test_joint_covariance(datasets, matrix):
    free = free_of(datasets)
    assert [par.name for par in free.parameters] == 2 * ["index", "amplitude"]
    assert_allclose(free.covariance, matrix)
    assert free.has_correlations
    assert free.is_known.all() and free.unknown == []


def test_list_knows_each_model_alone(datasets, matrix):
    free = free_of(list(datasets))
    wanted = matrix.copy()
    wanted[:2, 2:] = wanted[2:, :2] = 0
    assert_allclose(free.covariance, wanted)
    assert not free.has_correlations
    given = FreeParameters.of_datasets(local_datasets(list(datasets)), datasets.models)
    assert_allclose(given.covariance, matrix)
    assert given.has_correlations


def test_linked_parameters_count_once(datasets):
    one, two = (model.spectral_model for model in datasets.models)
    two.index = one.index
    datasets.models = datasets.models
    free = free_of(datasets)
    assert len(free.parameters) == N_FREE - 1
    assert free.covariance.shape == (N_FREE - 1, N_FREE - 1)


@pytest.mark.parametrize("error", [0.0, np.nan, np.inf])
def test_unknown_errors(datasets, matrix, error):
    amplitude = datasets.models[1].spectral_model.amplitude
    amplitude.error = error
    free = free_of(datasets)
    assert free.is_known.tolist() == [True, True, True, False]
    assert free.unknown == [amplitude]
    assert_allclose(free.covariance[:3, :3], matrix[:3, :3])
    assert np.all(free.covariance[3] == 0)
    known = free.known
    assert len(known.parameters) == 3
    assert_allclose(known.covariance, matrix[:3, :3])
    # Nothing was put right on the way.
    assert_allclose(amplitude.error, error)


def test_errors_that_changed(datasets, matrix):
    """They are uncorrelated; no other error is set back."""
    index = datasets.models[0].spectral_model.index
    index.error = 7.0
    wanted = matrix.copy()
    wanted[0] = wanted[:, 0] = 0
    wanted[0, 0] = 49
    assert_allclose(free_of(datasets).covariance, wanted)
    assert index.error == 7


def test_nothing_is_free(datasets):
    for par in datasets.parameters:
        par.frozen = True
    free = free_of(datasets)
    assert free.parameters == [] and free.covariance.shape == (0, 0)
    assert free.known.parameters == []
