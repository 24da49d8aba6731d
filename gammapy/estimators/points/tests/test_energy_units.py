# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energies of flux points, whatever the unit of the axis of the spectra is."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

EDGES = [0.7, 1.3625841381159225, 2, 20]


def make_datasets(unit, edges=EDGES * u.TeV):
    axis = MapAxis.from_energy_edges(edges.to(unit))
    axis_true = MapAxis.from_energy_edges(edges.to(unit), name="energy_true")
    geom = RegionGeom.create("icrs;circle(0, 0, 0.1)", axes=[axis])
    dataset = SpectrumDataset.create(geom, energy_axis_true=axis_true, name="run")
    dataset.edisp = None
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e13) * u.Unit(
        "cm2 s"
    )
    dataset.background.data += 2
    dataset.mask_safe.data[...] = True
    model = SkyModel(
        PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), name="source"
    )
    datasets = Datasets([dataset])
    datasets.models = [model]
    dataset.counts.data = dataset.npred().data
    return datasets


@pytest.mark.parametrize(
    "edges", [EDGES[:3] * u.TeV, np.multiply(EDGES[:3], 1e9) * u.keV]
)
def test_spectra_in_kev(edges, tmp_path, caplog):
    """As in OGIP files: they had points at 1188502227.4 keV."""
    caplog.set_level(logging.INFO)
    datasets = make_datasets("keV")
    unit = "TeV" if edges.unit == "TeV" else "GeV"
    estimator = FluxPointsEstimator(edges, source="source", debug=True)
    points = estimator.run(datasets)
    points.write(tmp_path / "points.fits")
    for found in (points, FluxPoints.read(tmp_path / "points.fits")):
        table = found.to_table(sed_type="dnde")
        for name in ("e_min", "e_max", "e_ref"):
            assert table[name].unit == found.nuisance[name].unit == unit
        assert_allclose(table["e_max"].quantity.to_value("TeV"), EDGES[1:3], rtol=1e-12)
        shown = table["e_min"].pformat(show_name=False, show_unit=False)
        expected = {"TeV": ["0.7", "1.36"], "GeV": ["700", "1363"]}[unit]
        assert [text.strip() for text in shown if "-" not in text] == expected
    # Fluxes are those of datasets in TeV.
    same = FluxPointsEstimator(EDGES[:3] * u.TeV, source="source").run(
        make_datasets("TeV")
    )
    assert_allclose(points.dnde.quantity, same.dnde.quantity, rtol=1e-6)
    lines = [text for text in caplog.messages if text.startswith("flux_point")]
    low = {"TeV": "0.7TeV e_max=1.363TeV", "GeV": "700GeV e_max=1363GeV"}[unit]
    assert lines[0].startswith(f"flux_point e_min={low} stat=")


@pytest.mark.parametrize("unit", ["GeV", "TeV", "MeV"])
def test_other_units_stay(unit):
    """Whatever the unit of the edges that were asked for."""
    datasets = make_datasets(unit, [0.07, 0.1, 0.9] * u.TeV)
    edges = [0.07, 0.1, 0.9] * u.TeV
    points = FluxPointsEstimator(edges, source="source").run(datasets)
    assert points.to_table()["e_min"].unit == unit
