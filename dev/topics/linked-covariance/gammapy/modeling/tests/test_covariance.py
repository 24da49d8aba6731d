# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose
from gammapy.modeling import Covariance, Parameter, Parameters


def test_from_factor_matrix_nan():
    x = Parameter("x", 10, scale=10)
    y = Parameter("y", 1)
    z = Parameter("z", 1, frozen=True)
    matrix = np.array([[0.04, np.nan], [np.nan, np.nan]])
    covariance = Covariance.from_factor_matrix(Parameters([x, y, z]), matrix)
    expected = [[4, np.nan, 0], [np.nan, np.nan, 0], [0, 0, 0]]
    assert_allclose(covariance.data, expected)
