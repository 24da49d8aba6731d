# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energies of results are in one unit, whatever the unit of the datasets' axis."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
from regions import CircleSkyRegion
from gammapy.datasets import (
    MapDataset,
    RadialResiduals,
    SliceResiduals,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDataset,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

EDGES = [0.01, 0.0464159, 0.215443, 1.3625841381159225, 4.64159, 100]


def make_map(unit="TeV", edges=EDGES):
    """Dataset with 2 counts in each bin, where 1 is expected, and one masked bin."""
    axis = MapAxis.from_energy_edges((edges * u.TeV).to(unit))
    geom = WcsGeom.create(npix=8, binsz=0.1, axes=[axis])
    energies = [edges[0], edges[-1]] * u.TeV
    axis_true = MapAxis.from_energy_edges(energies, name="energy_true")
    dataset = MapDataset.create(geom, energy_axis_true=axis_true, name="one")
    dataset.counts.data += 2
    dataset.background.data += 1
    dataset.mask_safe.data[1:] = True
    return dataset


def make_spectrum(unit="TeV"):
    axis = MapAxis.from_energy_edges((EDGES * u.TeV).to(unit))
    region = CircleSkyRegion(
        RegionGeom.create("icrs;circle(0, 0, 1)").center_skydir, 1 * u.deg
    )
    dataset = SpectrumDataset.create(RegionGeom(region, axes=[axis]), name="spectrum")
    dataset.counts.data += 2
    dataset.background.data += 1
    dataset.mask_safe.data[1:] = True
    return dataset


@pytest.mark.parametrize("unit", ["TeV", "keV", "erg"])
def test_table_and_text_of_a_spectrum(unit):
    """Spectra of Cherenkov telescopes in the OGIP format are in keV."""
    residuals = SpectralResiduals.from_datasets(make_spectrum(unit))
    table = residuals.to_table("significance")
    for name in ("e_min", "e_max", "e_ref"):
        assert table[name].unit == "TeV"
    assert_allclose(table["e_min"], EDGES[:-1], rtol=1e-14)
    assert_allclose(table["e_max"], EDGES[1:], rtol=1e-14)
    column = table["e_min"].pformat(show_name=False, show_unit=False)
    assert [text.strip() for text in column if "--" not in text] == [
        "0.01", "0.0464", "0.215", "1.36", "4.64",
    ]  # fmt: skip
    assert "energy range   : 0.0464 - 100 TeV" in str(residuals)


@pytest.mark.parametrize("cls", [SpatialResiduals, SpectralResiduals])
def test_all_groups_have_one_unit(cls):
    """Also those far below 1 TeV, and those that end below 5 TeV."""
    dataset = make_map("keV", [0.01, 0.02, 0.05, 1.5, 3, 100])
    options = {"energy_max": "3 TeV"}
    if cls is SpatialResiduals:
        options = {"energy_edges": ["20 GeV", "50 GeV", "1.5 TeV", "3 TeV"]}
    residuals = cls.from_datasets(dataset, **options)
    assert residuals.energy_axis.unit == "TeV"
    if cls is SpatialResiduals:
        text = str(residuals)
        for energies in ("0.02 - 0.05", "0.05 - 1.5", "1.5 - 3"):
            assert f"  {energies} TeV: significance" in text
        assert (
            "energy_edges         : ['0.02 TeV', '0.05 TeV', '1.5 TeV', '3 TeV']"
            in text
        )


def test_range_that_is_left_by_masks():
    """Its ends are those of the datasets, in the unit of all else."""
    residuals = SpatialResiduals.from_datasets(make_map("keV"))
    assert residuals.energy_axis.unit == "TeV"
    assert_allclose(residuals.energy_axis.edges.value, [EDGES[1], 100], rtol=1e-14)


@pytest.mark.parametrize("unit", ["GeV", "keV"])
def test_a_unit_that_is_asked_for(unit):
    dataset, scale = make_map(), u.TeV.to(unit)
    spectral = SpectralResiduals.from_datasets(dataset, energy_unit=unit)
    assert spectral.to_table()["e_min"].unit == unit
    assert_allclose(spectral.to_table()["e_max"], np.multiply(EDGES[1:], scale))
    spatial = SpatialResiduals.from_datasets(dataset, energy_unit=unit)
    assert spatial.distribution()["e_min"].unit == unit
    for cls, options in (
        (RadialResiduals, {"center": dataset.counts.geom.center_skydir}),
        (
            SliceResiduals,
            {
                "center": dataset.counts.geom.center_skydir,
                "angle": "0 deg",
                "length": "0.6 deg",
            },
        ),
    ):
        profile = cls.from_datasets(dataset, **options, energy_unit=unit)
        assert profile.energy_range.unit == unit
        assert f" {unit}\n" in str(profile)
        assert cls.from_datasets(dataset, **options).energy_range.unit == "TeV"
    with pytest.raises(ValueError, match="energy_unit: expected a unit of energy"):
        SpatialResiduals.from_datasets(dataset, energy_unit="deg")


def test_files_keep_the_unit_and_all_digits(tmp_path):
    path = tmp_path / "residuals.ecsv"
    for unit in ("TeV", "keV"):
        residuals = SpectralResiduals.from_datasets(make_spectrum(), energy_unit=unit)
        residuals.write(path, overwrite=True)
        read = SpectralResiduals.read(path)
        assert read.energy_axis.unit == unit
        assert np.all(read.energy_axis.edges == residuals.energy_axis.edges)
    # As before there was a unit to ask for: that of the datasets, whatever it was.
    table = Table.read(path)
    del table.meta["bins"]["energy_unit"]
    table.write(path, overwrite=True)
    read = SpectralResiduals.read(path)
    assert read.energy_axis.unit == "TeV"
    assert_allclose(read.energy_axis.edges.value, EDGES, rtol=1e-14)


def test_errors_say_energies_in_the_unit_of_the_analysis():
    dataset = make_map("keV")
    match = "inside 200 TeV to any energy: its axis covers 0.01 to 100 TeV."
    with pytest.raises(ValueError, match=match):
        SpectralResiduals.from_datasets(dataset, energy_min="200 TeV")
