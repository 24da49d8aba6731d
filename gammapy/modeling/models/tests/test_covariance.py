# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Covariance of single models."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Covariance, Fit, Parameter, Parameters
from gammapy.modeling.models import (
    ConstantSpectralModel,
    FoVBackgroundModel,
    PowerLawSpectralModel,
    TemplateNPredModel,
)

MATRIX = np.array([[0.04, 0.006, 0.0], [0.006, 0.01, 0.0], [0.0, 0.0, 0.0]])


def make_model():
    model = PowerLawSpectralModel(index=2, amplitude="1 cm-2 s-1 TeV-1")
    model.covariance = MATRIX
    return model


def test_covariance_is_what_was_set():
    model = make_model()
    for _ in range(2):
        assert_allclose(model.covariance.data, MATRIX)
    assert_allclose([model.index.error, model.amplitude.error], [0.2, 0.1])
    assert model.covariance.parameters == model.parameters


def test_correlations_of_errors_that_changed_are_zero():
    model = make_model()
    model.index.error = 0.3
    expected = np.diag([0.09, 0.01, 0])
    assert_allclose(model.covariance.data, expected)
    model.index.error = 0.2
    assert_allclose(model.covariance.data, np.diag([0.04, 0.01, 0]))


def test_error_that_is_not_a_number():
    model = make_model()
    model.amplitude.error = np.nan
    assert_allclose(model.covariance.data, np.diag([0.04, 1, 0]))


def test_the_matrix_that_was_set_is_left_alone():
    model, matrix = PowerLawSpectralModel(), MATRIX.copy()
    model.covariance = matrix
    model.index.error = 0.5
    assert_allclose(model.covariance.data[0, 0], 0.25)
    assert_allclose(matrix, MATRIX)


def test_parameters_without_errors():
    assert_allclose(ConstantSpectralModel().covariance.data, [[0]])


def test_matrix_of_free_parameters_is_expanded():
    free, frozen = Parameter("a", 2), Parameter("b", 3, frozen=True)
    last = Parameter("c", 40)
    last.autoscale()
    linked = Parameters([frozen, free, last, free])
    matrix = np.array([[0.04, 0.001], [0.001, 0.09]])
    covariance = Covariance.from_factor_matrix(linked, matrix)
    expected = np.zeros((4, 4))
    expected[1:3, 1:3] = [[0.04, 0.01], [0.01, 9]]
    assert_allclose(covariance.data, expected)


@pytest.mark.parametrize("backend", [None, "minuit", "newton"])
def test_correlations_between_models_with_a_link(backend):
    """They are kept where parameters are linked."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
    background.data[:, 0, 0] = [100, 50]
    signal = background.copy(data=background.data[::-1].copy())
    maps = {"counts": background + signal, "background": background}
    names = ("one", "two")
    datasets = Datasets([SpectrumDataset(name=name, **maps) for name in names])
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    backgrounds[1].spectral_model.norm = backgrounds[0].spectral_model.norm
    datasets.models = [TemplateNPredModel(signal, name="signal"), *backgrounds]
    Fit(backend).run(datasets)
    shapes = np.array([signal.data[:, 0, 0], background.data[:, 0, 0]])
    wanted = np.linalg.inv(2 * (shapes / shapes.sum(axis=0)) @ shapes.T)
    free = datasets.parameters.free_parameters
    found = datasets.models.covariance.get_subcovariance(free).data
    assert_allclose(found, wanted, rtol=0.02)
