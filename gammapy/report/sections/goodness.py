# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on the goodness of fit."""

from gammapy.report.blocks import Items, figure_block, table_block
from gammapy.report.findings import Level
from .base import ReportSection

__all__ = []

#: Tests that are drawn.
MOST_DRAWN = 40


class GoodnessSection(ReportSection):
    """Section on the goodness of fit."""

    name, title = "goodness", "Goodness of fit"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        goodness = context.goodness
        page.summary = goodness.verdict
        page.data["goodness"] = goodness.to_dict()
        level = Level.BAD if goodness.is_bad else Level.GOOD
        page.find(Level.LOOK if goodness.n_tests == 0 else level, goodness.verdict)
        if goodness.n_tests > 0 and len(goodness.table) <= MOST_DRAWN:
            ax = goodness.plotter.plot(goodness)
            alt = f"P-values of {goodness.n_tests} tests. {goodness.verdict}"
            page.blocks.append(figure_block(ax, alt))
        page.blocks.append(table_block(goodness.table, list(goodness.COLUMNS)))
        if goodness.notes:
            page.blocks.append(Items(goodness.notes))
