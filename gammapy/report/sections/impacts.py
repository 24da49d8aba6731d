# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on impacts."""

from gammapy.report.blocks import Grid, Items, Text, figure_block, table_block
from .base import ReportSection

__all__ = []

#: Parameters that are ranked, and the most that a matrix of correlations has.
MOST, MOST_CORRELATED = 15, 60

#: Columns of the table on the page.
COLUMNS = ("name", "value", "error", "unit", "pull", "impact", "correlation", "flag")


class ImpactsSection(ReportSection):
    """Section on the impacts of parameters on the result."""

    name, title = "impacts", "Impacts"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        impacts = context.impacts
        if impacts is None:
            page.summary = (
                "There is no free amplitude or norm of a source with an error."
            )
            return
        page.summary = impacts.verdict
        page.data["impacts"] = impacts.to_dict()
        target = impacts.targets[0]["name"]
        ranking = impacts.ranking(MOST)
        if len(ranking):
            ax = impacts.plotter.plot(impacts, n=MOST)
            alt = f"Parameters ranked by their impact on {target}. {impacts.verdict}"
            figures = [figure_block(ax, alt)]
            names = impacts.correlation()[0]
            if 1 < len(names) <= MOST_CORRELATED:
                ax = impacts.plotter.plot_correlation(impacts)
                alt = f"Matrix of the correlations of {len(names)} free parameters."
                figures.append(figure_block(ax, alt))
            page.blocks.append(Grid(figures))
            text = (
                f"Impacts are shifts of {target} if a parameter changes by its error."
            )
            page.blocks.append(Text(text))
            page.blocks.append(table_block(ranking, COLUMNS))
        if impacts.notes:
            page.blocks.append(Items(impacts.notes))
