# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of spectra, and Gaussian shapes without units."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets.shape_gauss import GaussianOnSphere
from gammapy.datasets.shape_slopes import SpectrumSlopes
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
)

ENERGY = np.geomspace(1, 10, 4) * u.TeV


def make_slopes(spectrum, parameters):
    calls = []

    def evaluate():
        calls.append(1)
        return spectrum(ENERGY).value

    return SpectrumSlopes(spectrum, parameters, evaluate), calls


@pytest.mark.parametrize("amplitude, norm", [(3e-12, 1.5), (0.0, 1.5), (0.0, 0.0)])
def test_slopes_of_a_product(amplitude, norm):
    """Against the derivatives of A n (E / E0)**-(i + t), written out."""
    power = PowerLawSpectralModel(index=2.2)
    power.amplitude.value = amplitude
    factor = PowerLawNormSpectralModel(norm=norm, tilt=0.1)
    parameters = [factor.tilt, power.amplitude, factor.norm, power.index]
    slopes, _calls = make_slopes(power * factor, parameters)
    first, pairs = slopes.derivatives(second=True)
    logs = np.log(ENERGY.value)
    shape = np.exp(-2.3 * logs)
    expected = [
        -logs * amplitude * norm * shape,
        norm * shape,
        amplitude * shape,
        -logs * amplitude * norm * shape,
    ]
    assert_allclose(first, expected, rtol=2e-5)
    bends = {
        (0, 0): logs**2 * amplitude * norm,
        (1, 0): -logs * norm,
        (1, 1): 0,
        (2, 0): -logs * amplitude,
        (2, 1): 1,
        (2, 2): 0,
        (3, 0): logs**2 * amplitude * norm,
        (3, 1): -logs * norm,
        (3, 2): -logs * amplitude,
        (3, 3): logs**2 * amplitude * norm,
    }
    assert set(pairs) == set(bends)
    for key, bend in bends.items():
        wanted = bend * shape
        assert_allclose(pairs[key], wanted, rtol=1e-4, atol=1e-4 * np.max(abs(wanted)))
    assert power.amplitude.value == amplitude
    assert factor.norm.value == norm


def test_slopes_of_a_sum():
    """No part of a sum multiplies all of it."""
    one, two = (PowerLawSpectralModel(index=power) for power in (2, 3))
    slopes, _calls = make_slopes(one + two, [one.amplitude, two.index])
    first, pairs = slopes.derivatives(second=True)
    logs = np.log(ENERGY.value)
    assert_allclose(first[0], np.exp(-2 * logs), rtol=2e-5)
    assert_allclose(first[1], -logs * 1e-12 * np.exp(-3 * logs), rtol=2e-5)
    assert_allclose(pairs[1, 0], 0, atol=1e-6)


def test_slopes_of_a_norm_that_is_there_twice():
    one, two = PowerLawNormSpectralModel(tilt=2, norm=0.5), PowerLawNormSpectralModel()
    two.norm = one.norm
    slopes, _calls = make_slopes(one * two, [one.norm])
    first, pairs = slopes.derivatives(second=True)
    assert_allclose(first[0], 2 * 0.5 * ENERGY.value**-2, rtol=1e-5)
    assert_allclose(pairs[0, 0], 2 * ENERGY.value**-2, rtol=1e-3)


def test_slopes_cost_few_evaluations():
    power = PowerLawSpectralModel(index=2.2)
    slopes, calls = make_slopes(power, [power.index, power.amplitude])
    slopes.derivatives(second=True)
    calls.clear()
    power.index.value += 0.01
    slopes.derivatives(second=True)
    assert len(calls) == 3


@pytest.mark.parametrize("e", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("sigma", [0.02, 0.4, 20.0])
@pytest.mark.parametrize("lat", [-0.3, 62.0])
def test_gauss_is_that_of_the_model(e, sigma, lat):
    model = GaussianSpatialModel(
        lon_0="359.9 deg",
        lat_0=lat * u.deg,
        sigma=sigma * u.deg,
        e=e,
        phi="-37 deg",
        frame="galactic",
    )
    offsets = np.linspace(-3, 3, 31) * sigma
    lon = (359.9 + offsets) * u.deg
    lat = np.clip(lat + offsets[:, np.newaxis], -89, 89) * u.deg
    values = GaussianOnSphere(lon, lat)(model)
    expected = model(lon, lat).to_value("sr-1")
    assert_allclose(values, expected, rtol=1e-7, atol=1e-9 * np.max(expected))
