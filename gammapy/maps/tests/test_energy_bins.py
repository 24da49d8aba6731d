# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
import astropy.units as u
from gammapy.maps import MapAxis
from gammapy.maps.energy_bins import (
    energy_format,
    energy_unit,
    format_energy_range,
    show_energy,
)


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        ("0.1 TeV", "40 TeV", "TeV"),
        ("0.1 TeV", "0.9 TeV", "TeV"),
        ("10 GeV", "2000 GeV", "GeV"),
        ("30 GeV", "100000 GeV", "GeV"),
        ("100 MeV", "500000 MeV", "MeV"),
        ("10000 MeV", "2000000 MeV", "GeV"),
        # X-rays, and gamma rays in the format of X-ray astronomy: telescopes, Fermi.
        ("0.3 keV", "10 keV", "keV"),
        ("1e7 keV", "1e11 keV", "TeV"),
        ("3.2e7 keV", "2e9 keV", "GeV"),
        ("1e7 keV", "5e9 keV", "TeV"),
        ("2 eV", "3 eV", "keV"),
        ("0.1 erg", "80 erg", "TeV"),
        ("1e-8 J", "1e-6 J", "TeV"),
    ],
)
def test_energy_unit(low, high, unit):
    axis = MapAxis.from_energy_bounds(low, high, nbin=5)
    assert energy_unit(axis) == energy_unit(axis.edges) == u.Unit(unit)
    assert energy_unit(axis).to_string() == unit
    assert energy_unit(axis, "GeV") == u.GeV


@pytest.mark.parametrize("unit", ["deg", "eVV", 3, "s-1"])
def test_energy_unit_that_is_none(unit):
    with pytest.raises(ValueError, match="energy_unit: expected a unit of energy such"):
        energy_unit([1, 10] * u.TeV, unit)


@pytest.mark.parametrize(
    ("energies", "expected"),
    [
        ([0.5, 1.3625841381159225, 20], ["0.5", "1.36", "20"]),
        ([10, 28.853997588157657, 2000], ["10", "28.85", "2000"]),
        ([1, 1.001, 1.002], ["1", "1.001", "1.002"]),
        ([1, np.nan, 100000], ["1", "nan", "100000"]),
        ([], []),
    ],
)
def test_energy_format(energies, expected):
    """No power of 10, and what differs looks different."""
    text = energy_format(energies * u.GeV)
    assert [f"{energy:{text}}" for energy in energies] == expected


def test_show_energy():
    assert show_energy(1.3625841381159225 * u.TeV) == "1.36 TeV"
    assert show_energy(1.3625841381159225e9 * u.keV) == "1360 GeV"
    assert show_energy(1.3625841381159225e9 * u.keV, "TeV") == "1.36 TeV"
    assert show_energy(2000 * u.GeV) == "2000 GeV"
    assert show_energy(100000 * u.GeV) == "100000 GeV"
    assert show_energy(0 * u.TeV) == "0 TeV"


def test_format_energy_range():
    assert format_energy_range(0.05 * u.TeV, 0.09 * u.TeV) == "0.05 - 0.09 TeV"
    assert format_energy_range(1 * u.TeV, 1.0004 * u.TeV) == "1 - 1.0004 TeV"
    assert format_energy_range(1 * u.TeV, 12345.0 * u.GeV) == "1 - 12.3 TeV"
    assert format_energy_range(1 * u.TeV, 2 * u.TeV, "GeV") == "1000 - 2000 GeV"
    assert format_energy_range(1e8 * u.keV, 1e10 * u.keV) == "0.1 - 10 TeV"
