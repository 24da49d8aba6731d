# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
import astropy.units as u
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis, RegionNDMap, TimeMapAxis
from gammapy.modeling.models import PowerLawSpectralModel

NAMES = ["norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "ts", "sqrt_ts"]
NAMES += ["stat", "stat_null", "success", "n_dof", "niter", "is_ul"]


def make_flux_points():
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    norm = MapAxis.from_nodes([0.2, 1, 5], name="norm")
    maps = {
        name: RegionNDMap.create(None, axes=[energy], data=1.0) for name in NAMES
    } | {
        "stat_scan": RegionNDMap.create(None, axes=[norm, energy], data=1.0),
    }
    for name in ("success", "is_ul"):
        maps[name].data = np.ones(maps[name].data.shape, dtype=bool)
    return FluxPoints.from_maps(
        maps, sed_type="likelihood", reference_model=PowerLawSpectralModel()
    )


def stacked(format):
    points = [make_flux_points(), make_flux_points()]
    if format == "gadf-sed":
        return points[0]
    if format == "lightcurve":
        gti = GTI.create([0, 1] * u.h, [1, 2] * u.h, Time("2020-01-01"))
        return FluxPoints.from_stack(points, axis=TimeMapAxis.from_gti(gti))
    distance = MapAxis.from_nodes([0, 1], unit="deg", name="projected-distance")
    return FluxPoints.from_stack(points, axis=distance)


def warnings(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
    ]


@pytest.mark.parametrize("sed_type", ["dnde", "e2dnde", "flux", "eflux", "likelihood"])
@pytest.mark.parametrize("format", ["gadf-sed", "lightcurve", "profile"])
@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_no_warning_of_what_gammapy_writes(sed_type, format, suffix, caplog, tmp_path):
    flux_points = stacked(format)
    filename = tmp_path / f"points.{suffix}"
    flux_points.write(filename, sed_type=sed_type, format=format)
    read = FluxPoints.read(filename, reference_model=PowerLawSpectralModel())
    assert read.geom.axes.names == flux_points.geom.axes.names
    assert not warnings(caplog)


def test_unknown_columns_are_named(caplog):
    """They are dropped, with a warning."""
    table = Table()
    table["e_ref"] = [1, 2] * u.TeV
    table["dnde"] = [1, 2] * u.Unit("cm-2 s-1 TeV-1")
    table["dnde_error"] = [0.1, 0.2] * u.Unit("cm-2 s-1 TeV-1")
    table["Comment"] = ["a", "b"]
    names = list(table.colnames)
    flux_points = FluxPoints.from_table(
        table, sed_type="dnde", reference_model=PowerLawSpectralModel()
    )
    (message,) = warnings(caplog)
    assert "are ignored: dnde_error, Comment. " in message
    assert table.colnames == names
    assert flux_points.available_quantities == ["norm"]
    # renamed, as the message says
    caplog.clear()
    table.rename_column("dnde_error", "dnde_err")
    table.remove_column("Comment")
    flux_points = FluxPoints.from_table(
        table, sed_type="dnde", reference_model=PowerLawSpectralModel()
    )
    assert "norm_err" in flux_points.available_quantities
    assert not warnings(caplog)


def test_quantities_of_another_sed_type_are_known(caplog):
    table = make_flux_points().to_table(sed_type="flux")
    table["dnde"] = table["flux"].quantity / u.TeV
    FluxPoints.from_table(
        table, sed_type="flux", reference_model=PowerLawSpectralModel()
    )
    assert not warnings(caplog)
