# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.modeling.models import DiskSpatialModel


@pytest.mark.parametrize("r_0", [1e-9, 0.005, 0.01, 0.3, 10])
@pytest.mark.parametrize("e", [0, 0.5, 0.999])
def test_norm_is_one_over_the_solid_angle(r_0, e):
    """Of the ellipse 1 / sin(r)^2 = cos(x)^2 / sin(a)^2 + sin(x)^2 / sin(b)^2."""
    a = np.deg2rad(r_0)
    b = a * np.sqrt(1 - e**2)
    x = 2 * np.pi * np.arange(10_000) / 10_000
    sin_2 = 1 / (np.cos(x) ** 2 / np.sin(a) ** 2 + np.sin(x) ** 2 / np.sin(b) ** 2)
    # This is 1 - cos(r), with all digits for small angles.
    heights = sin_2 / (1 + np.sqrt(1 - sin_2))
    solid_angle = 2 * np.pi * np.mean(heights)
    norm = DiskSpatialModel._evaluate_norm_factor(r_0 * u.deg, u.Quantity(e))
    # The integral loses digits of narrow ellipses.
    assert_allclose(norm, 1 / solid_angle, rtol=1e-7 if e < 0.9 else 2e-4)


def test_norm_of_no_disk():
    assert DiskSpatialModel._evaluate_norm_factor(0 * u.deg, u.Quantity(0)) == np.inf
