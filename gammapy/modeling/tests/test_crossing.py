# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.modeling.smooth.crossing import find_crossing


class Counted:
    """Function that counts its calls."""

    def __init__(self, function):
        self.function = function
        self.n_calls = 0

    def __call__(self, distance):
        self.n_calls += 1
        return self.function(distance)


@pytest.mark.parametrize("skew", (-0.3, -0.1, 0, 0.1, 0.3))
def test_few_steps_where_it_is_nearly_linear(skew):
    function = Counted(lambda x: x + skew * x**2 - 0.7)
    distance, value = find_crossing(function, -0.7, 1.0, 100.0, precision=1e-4)
    assert abs(value) < 1e-4
    assert_allclose(distance + skew * distance**2, 0.7, atol=1e-4)
    assert function.n_calls <= 5


@pytest.mark.parametrize("root", (1e-3, 0.3, 30.0))
def test_far_roots(root):
    distance, _value = find_crossing(
        lambda x: np.tanh(x / root) - np.tanh(1), -np.tanh(1), 1.0, 1e3, precision=1e-6
    )
    assert_allclose(distance, root, rtol=1e-4)


def test_bound_before_the_root():
    distance, value = find_crossing(lambda x: x - 3, -3.0, 1.0, 2.0, precision=1e-4)
    assert (distance, value) == (2.0, -1.0)


def test_jump():
    distance, value = find_crossing(
        lambda x: x - 3 + (x > 1.2), -3.0, 1.0, 2.1, precision=1e-4
    )
    assert_allclose(distance, 2, atol=1e-3)
    distance, value = find_crossing(
        lambda x: -1.0 if x < 1.2 else 1.0, -1.0, 1.0, 9.0, precision=1e-4
    )
    assert_allclose(distance, 1.2, atol=1e-3)
    assert abs(value) == 1


def test_no_root():
    distance, _value = find_crossing(
        lambda x: -1 / (1 + x), -1.0, 1.0, np.inf, precision=1e-6, n_steps=20
    )
    assert np.isnan(distance)
