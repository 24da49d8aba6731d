# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the files of datasets are called, and the masks that they keep."""

import re
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import (
    Datasets,
    SpectralResiduals,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import Models, PowerLawSpectralModel, SkyModel
from gammapy.scripts.main import cli
from gammapy.utils.scripts import make_path
from gammapy.utils.testing import requires_data, run_cli

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
NAMES = [
    *("../x", "$HOME", "/tmp/x", "runs/zenith 20", "a\\b", "${HOME}/x", "..", ".x"),
    *("HESS J1702-420", "23523"),
]


def region_map(value):
    return RegionNDMap.create("icrs;circle(0, 0, 0.1)", axes=[AXIS], data=value)


def make_spectrum(name):
    return SpectrumDataset(
        counts=region_map(3.0),
        background=region_map(2.0),
        mask_safe=region_map(True),
        name=name,
    )


def make_on_off(name):
    dataset = SpectrumDatasetOnOff(
        counts=region_map(3.0),
        counts_off=region_map(20.0),
        acceptance=region_map(1.0),
        acceptance_off=region_map(10.0),
        mask_safe=region_map(True),
        name=name,
    )
    dataset.mask_fit = dataset.counts.geom.energy_mask(energy_min=3 * u.TeV)
    return dataset


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [make_spectrum, make_on_off])
def test_names_stay_and_files_are_in_the_folder(make, name, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    Datasets([make(name)]).write(folder / "datasets.yaml")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {folder} and len(files) == 2
    assert not any(path.name.startswith(".") for path in files)
    (dataset,) = Datasets.read(folder / "datasets.yaml")
    assert dataset.name == name
    assert dataset.counts.data.sum() == 12


def test_names_of_files_as_before():
    assert (
        make_spectrum("HESS J1702-420").to_dict()["filename"] == "HESS_J1702-420.fits"
    )
    assert make_on_off("23523").to_dict()["filename"] == "pha_obs23523.fits"


def test_two_datasets_with_the_same_file(tmp_path):
    datasets = Datasets([make_spectrum("a b"), make_spectrum("a_b")])
    message = "Datasets 'a b' and 'a_b' would both be written to 'a_b.fits'"
    with pytest.raises(ValueError, match=message):
        datasets.write(tmp_path / "datasets.yaml", overwrite=True)
    assert not list(tmp_path.iterdir())


def test_mask_fit_of_spectra_is_kept(tmp_path):
    Datasets([make_on_off("run")]).write(tmp_path / "datasets.yaml")
    (dataset,) = Datasets.read(tmp_path / "datasets.yaml")
    assert dataset.mask_fit.data.dtype == bool
    assert dataset.mask_fit.data.ravel().tolist() == [False, False, True, True]


@pytest.fixture()
def crab():
    path = make_path("$GAMMAPY_DATA/joint-crab/spectra/hess")
    names = [f"pha_obs{obs_id}.fits" for obs_id in (23523, 23526, 23559, 23592)]
    datasets = Datasets([SpectrumDatasetOnOff.read(path / name) for name in names])
    for dataset in datasets:
        geom = dataset.counts.geom
        dataset.mask_fit = geom.energy_mask(0.66 * u.TeV, 30 * u.TeV)
    spectral_model = PowerLawSpectralModel(
        index=2.6, amplitude="4.6e-11 cm-2 s-1 TeV-1"
    )
    datasets.models = Models([SkyModel(spectral_model, name="crab")])
    return datasets


def bins_of(datasets):
    """Bins that any dataset uses, and their energies in TeV."""
    used = np.any([dataset.mask.data[:, 0, 0] for dataset in datasets], axis=0)
    edges = datasets[0].counts.geom.axes["energy"].edges.to_value("TeV")
    return used.sum(), edges[:-1][used].min(), edges[1:][used].max()


@requires_data()
def test_command_judges_the_bins_of_the_fit(crab, tmp_path):
    residuals = SpectralResiduals.from_datasets(crab)
    table = residuals.to_table("significance")[residuals.mask]
    expected = (np.asarray(table["sqrt_ts"]) ** 2).sum()
    n_bins, energy_min, energy_max = bins_of(crab)
    assert n_bins == 32

    crab.write(tmp_path / "datasets.yaml", tmp_path / "models.yaml")
    command = [
        "residuals",
        *(str(tmp_path / f"{name}.yaml") for name in ("datasets", "models")),
    ]
    output = run_cli(cli, [*command, "--out", str(tmp_path / "out")]).stdout
    pattern = r"Spectrum: (\S+) - (\S+) TeV, sum of ts (\S+) in (\d+) bins"
    *energies, total, printed = map(float, re.search(pattern, output).groups())
    assert printed == 32
    assert_allclose(total, expected, atol=0.06)
    assert_allclose(energies, [energy_min, energy_max], rtol=5e-3)


@requires_data()
def test_ogip_files_have_no_mask_fit(crab, tmp_path, caplog):
    dataset = crab[1]
    lost = (dataset.mask_safe.data & ~dataset.mask_fit.data).sum()
    assert lost == 11
    dataset.write(tmp_path / "crab.fits", format="ogip")
    assert "'23526': OGIP files have no mask_fit. 11 of 43 bins" in caplog.text
    assert "crab.fits' is read" in caplog.text
    assert SpectrumDatasetOnOff.read(tmp_path / "crab.fits").mask.data.sum() == 43

    caplog.clear()
    dataset.mask_fit = None
    dataset.write(tmp_path / "crab.fits", format="ogip", overwrite=True)
    dataset.write(tmp_path / "crab.fits", overwrite=True)
    assert not caplog.records
