# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on the steps that led to the fit."""

from gammapy.report.blocks import Text, figure_block, table_block
from .base import ReportSection

__all__ = []

#: Columns of the table on the page.
COLUMNS = (
    "name",
    "n_free",
    "stat",
    "ts",
    "n_dof",
    "sigma",
    "caveat",
    "aic",
    "bic",
    "p_value",
    "spot",
    "success",
    "note",
)


class HistorySection(ReportSection):
    """Section on the history of the fit."""

    name, title = "history", "History"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        history = context.history
        if history is None:
            page.summary = "There is no history."
            return
        page.summary = history.verdict
        page.data["history"] = history.to_dict()
        if not len(history):
            return
        axes = history.plotter.plot(history)
        ax = next(iter(axes.values()))
        alt = f"AIC, spots and p-values of {len(history)} steps. {history.verdict}"
        page.blocks.append(figure_block(ax, alt))
        page.blocks.append(table_block(history.table(), COLUMNS))
        if len(history) > 1:
            comparison = history.compare(-2, -1)
            page.blocks.append(Text(comparison.verdict))
