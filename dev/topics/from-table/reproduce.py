"""A misspelt column of a table of flux points is left out silently."""

import logging
import sys
import astropy.units as u
from astropy.table import Table
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel


class Collect(logging.Handler):
    """Collect messages."""

    messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


table = Table()
table["e_ref"] = [1, 2] * u.TeV
table["dnde"] = [1e-11, 1e-12] * u.Unit("cm-2 s-1 TeV-1")
table["dnde_error"] = [1e-12, 1e-13] * u.Unit("cm-2 s-1 TeV-1")

logging.basicConfig(level="WARNING", handlers=[Collect()])
flux_points = FluxPoints.from_table(
    table, sed_type="dnde", reference_model=PowerLawSpectralModel()
)
print(f"Columns: {table.colnames}")
print(f"Quantities: {flux_points.available_quantities}")
print(f"Warnings: {Collect.messages}")
sys.exit(not any("dnde_error" in message for message in Collect.messages))
