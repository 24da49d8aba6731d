# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
import astropy.units as u
from gammapy.utils.messages import did_you_mean, listed, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1 TeV", "'1 TeV'"),
        (np.float64(2.5), "2.5"),
        (1 * u.TeV, "1.0 TeV"),
        ([1, 2], "[1, 2]"),
        (object(), "a object"),
        ("x" * 200, "a str"),
    ],
)
def test_show(value, text):
    assert show(value) == text


def test_did_you_mean():
    known = ["kernel", "correlation_radius", 3]
    assert did_you_mean("kernl", known) == ", did you mean 'kernel'"
    assert did_you_mean("radius", known) == ", did you mean 'correlation_radius'"
    assert did_you_mean("energy", known) == ""


def test_listed():
    assert listed(["a", "b"]) == "'a', 'b'"
