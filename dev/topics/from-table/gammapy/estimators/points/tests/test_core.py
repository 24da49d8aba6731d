# Licensed under a 3-clause BSD style license - see LICENSE.rst
import astropy.units as u
from astropy.table import Table
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel


def test_from_table_unknown_columns(caplog):
    table = Table()
    table["e_ref"] = [1, 2] * u.TeV
    table["dnde"] = [1, 2] * u.Unit("cm-2 s-1 TeV-1")
    table["dnde_error"] = [0.1, 0.2] * u.Unit("cm-2 s-1 TeV-1")
    table["Comment"] = ["a", "b"]
    model = PowerLawSpectralModel()

    flux_points = FluxPoints.from_table(table, sed_type="dnde", reference_model=model)
    message = "Unknown columns of flux points are not read: ['dnde_error', 'Comment']"
    assert caplog.messages.count(message) == 1
    assert flux_points.available_quantities == ["norm"]

    table.rename_column("dnde_error", "dnde_err")
    table.remove_column("Comment")
    caplog.clear()
    flux_points = FluxPoints.from_table(table, sed_type="dnde", reference_model=model)
    assert flux_points.available_quantities == ["norm", "norm_err"]
    assert "WARNING" not in [record.levelname for record in caplog.records]
