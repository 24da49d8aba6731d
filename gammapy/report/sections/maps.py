# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section with maps of counts, model and residuals."""

from gammapy.diagnostics import ResidualsSummary
from gammapy.report.blocks import Grid, Text, figure_block
from gammapy.report.findings import Level
from .base import ReportSection

__all__ = []

#: Panels, each with what it shows in words.
PANELS = {
    "counts": "Map of the counts",
    "npred": "Map of the predicted counts",
    "significance": "Map of the significance of the residuals in sigma",
    "distribution": "Histogram of the significance, which is N(0, 1) for a good fit",
}

#: Errors by which the width of the significance may differ from 1.
N_ERRORS = 4


class MapsSection(ReportSection):
    """Section with maps."""

    name, title = "maps", "Maps"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        residuals = context.spatial_residuals
        summary = ResidualsSummary(spatial=residuals)
        page.data["residuals"] = summary.to_dict()
        page.summary = " ".join(f"{line}." for line in summary.lines[1:3])
        row = summary.distribution[0]
        is_wide = abs(row["std"] - 1) > N_ERRORS * row["std_err"]
        text = (
            f"The significance of the map has the width {row['std']:.2f} +- "
            f"{row['std_err']:.2f}; 1 is expected."
        )
        page.find(Level.LOOK if is_wide else Level.GOOD, text)
        page.blocks.append(Grid(self._figures(residuals, context)))
        if summary.worst_pixel is not None:
            page.blocks.append(Text(f"Worst pixel: {summary.worst_pixel}."))

    def _figures(self, residuals, context):
        spots = context.hot_spots if len(context.hot_spots.table) else None
        figures = []
        for panel, alt in PANELS.items():
            axes = residuals.plotter.plot(
                residuals,
                panels=[panel],
                region=context.region,
                hot_spots=spots if panel != "distribution" else None,
            )
            is_map = panel != "distribution"
            figures.append(figure_block(axes[panel], f"{alt}.", is_picture=is_map))
        return figures
