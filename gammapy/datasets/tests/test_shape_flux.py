# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets.shape_flux import SpectrumIntegral
from gammapy.datasets.shape_slopes import SpectrumSlopes
from gammapy.modeling import models

EDGES = np.geomspace(10, 1e5, 41) * u.GeV

FAST = [
    models.PowerLawSpectralModel(index=2.3, amplitude="4e-17 MeV-1 cm-2 s-1"),
    models.PowerLawSpectralModel(index=1),
    models.LogParabolaSpectralModel(reference="300 GeV"),
    models.ExpCutoffPowerLawSpectralModel(
        lambda_="1e-4 GeV-1", amplitude="3 m-2 s-1 erg-1"
    ),
    models.BrokenPowerLawSpectralModel(ebreak="700 GeV"),
    models.SmoothBrokenPowerLawSpectralModel(),
    models.SuperExpCutoffPowerLaw4FGLDR3SpectralModel(),
]


@pytest.mark.parametrize("spectrum", FAST, ids=lambda model: type(model).__name__)
def test_it_is_the_integral_of_the_spectrum(spectrum, monkeypatch):
    integral = SpectrumIntegral(spectrum, EDGES)
    for index in (0, 1):
        par = spectrum.parameters[index]
        par.value *= 1.1
        expected = spectrum.integral(EDGES[:-1], EDGES[1:]).to_value("cm-2 s-1")
        with monkeypatch.context() as patch:
            # The method with units, which takes ten times as long, is not called.
            patch.delattr(models.SpectralModel, "integral")
            assert_allclose(integral(), expected, rtol=1e-11)


@pytest.mark.parametrize("spectrum", FAST, ids=lambda model: type(model).__name__)
def test_many_at_once(spectrum):
    """One by one, or all at once where the formula takes arrays."""
    integral = SpectrumIntegral(spectrum, EDGES)
    parameters = [spectrum.parameters[0], spectrum.amplitude]
    values = np.array([par.value for par in parameters])
    points = values * (1 + 0.1 * np.array([[0, 0], [1, 0], [0, 2], [3, -1]]))
    found = integral.many(parameters, points)
    if isinstance(spectrum, models.ExpCutoffPowerLawSpectralModel):
        assert found is not None
    for row, point in zip(() if found is None else found, points, strict=False):
        for par, value in zip(parameters, point, strict=True):
            par.value = value
        assert_allclose(row, integral(), rtol=1e-12)


@pytest.mark.parametrize(
    "spectrum",
    [
        models.TemplateSpectralModel(
            [10, 1e5] * u.GeV, [1e-10, 1e-16] * u.Unit("cm-2 s-1 TeV-1")
        ),
        models.PowerLawSpectralModel() * models.PowerLawNormSpectralModel(),
        models.SuperExpCutoffPowerLaw4FGLSpectralModel(),
        models.PowerLaw2SpectralModel(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_spectra_with_units_inside(spectrum):
    expected = spectrum.integral(EDGES[:-1], EDGES[1:]).to_value("cm-2 s-1")
    assert_allclose(SpectrumIntegral(spectrum, EDGES)(), expected, rtol=1e-11)


def test_slopes_are_right_where_the_counts_are():
    """A cutoff changes nothing at low energies, where the flux is highest."""
    spectrum = models.ExpCutoffPowerLawSpectralModel(
        index=2, lambda_="0.17 TeV-1", amplitude="1e-11 cm-2 s-1 TeV-1"
    )
    energy = np.sqrt(EDGES[:-1] * EDGES[1:]).to_value("TeV")
    weights = np.where(energy > 1, 1.0, 0.0)
    integral = SpectrumIntegral(spectrum, EDGES)
    slopes = SpectrumSlopes(
        spectrum, [spectrum.lambda_], integral, weights=lambda: weights
    )
    first, pairs = slopes.derivatives(second=True)
    fluxes = []
    for value in 0.17 + 1e-4 * np.arange(-1, 2):
        spectrum.lambda_.value = value
        flux = spectrum.integral(EDGES[:-1], EDGES[1:])
        fluxes.append(flux.to_value("cm-2 s-1"))
    low, middle, high = fluxes
    is_seen = (energy > 1) & (energy < 50)
    slope, bend = (high - low) / 2e-4, (high - 2 * middle + low) / 1e-8
    assert_allclose(first[0][is_seen], slope[is_seen], rtol=1e-4)
    assert_allclose(pairs[0, 0][is_seen], bend[is_seen], rtol=1e-3)
