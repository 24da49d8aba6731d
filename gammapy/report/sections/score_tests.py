# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on what to free or add next."""

from gammapy.report.blocks import Items, Text, table_block
from gammapy.report.findings import Level
from .base import ReportSection

__all__ = []

#: Columns of the table on the page.
COLUMNS = ("name", "kind", "n_free", "ts", "ts_step", "p_value", "flag", "change")

#: Tests that are listed.
MOST = 25


class ScoreTestsSection(ReportSection):
    """Section on score tests."""

    name, title = "score-tests", "What to free or add next"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        tests = context.score_tests
        page.summary = tests.verdict
        page.data["score_tests"] = tests.to_dict()
        has_proposal = tests.n_significant > 0
        level = Level.LOOK if has_proposal else Level.GOOD
        page.find(level, tests.verdict, is_proposal=has_proposal)
        if len(tests.table):
            text = (
                "TS is the expected gain of a fit. A flag marks tests whose step "
                "gains a different TS."
            )
            page.blocks.append(Text(text))
            page.blocks.append(table_block(tests.table, COLUMNS, most=MOST))
        if tests.notes:
            page.blocks.append(Items(tests.notes))
