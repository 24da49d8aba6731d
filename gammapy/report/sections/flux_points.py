# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on flux points."""

import numpy as np
from gammapy.diagnostics.result import plain_rows
from gammapy.report.blocks import figure_block, table_block
from gammapy.visualization import plot_flux_points
from .base import ReportSection

__all__ = []

#: Columns of the table on the page.
COLUMNS = (
    "e_ref",
    "e_min",
    "e_max",
    "e2dnde",
    "e2dnde_err",
    "e2dnde_ul",
    "sqrt_ts",
    "success",
)


class FluxPointsSection(ReportSection):
    """Section on flux points."""

    name, title = "flux-points", "Flux points"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        points = context.flux_points
        if points is None:
            page.summary = "There are no flux points."
            return
        table = points.to_table(sed_type="e2dnde")
        page.data["flux_points"] = plain_rows(
            table, [name for name in table.colnames if table[name].ndim == 1]
        )
        n_points = int(np.sum(np.asarray(table["sqrt_ts"]) >= 2))
        page.summary = f"{n_points} of {len(table)} points have 2 sigma or more."
        axes = plot_flux_points(points)
        ax = np.ravel(axes)[0]
        page.blocks.append(
            figure_block(ax, f"Flux points with the model. {page.summary}")
        )
        page.blocks.append(table_block(table, COLUMNS))
