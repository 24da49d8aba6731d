# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on spots where counts and model differ."""

import numpy as np
from gammapy.report.blocks import Items, Text, table_block
from gammapy.report.findings import Level
from .base import ReportSection

__all__ = []

#: Significance above which a spot is worth a look where trials are not known.
SIGMA = 5.0


class HotSpotsSection(ReportSection):
    """Section on hot spots."""

    name, title = "hot-spots", "Hot spots"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        spots = context.hot_spots
        page.summary = spots.verdict
        page.data["hot_spots"] = spots.to_dict()
        page.find(self._level(spots, context.p_threshold), spots.verdict)
        if len(spots.table):
            text = "Numbers are the same as on the maps. Negative spots are deficits."
            page.blocks.append(Text(text))
            page.blocks.append(table_block(spots.table, list(spots.COLUMNS)))
        if spots.notes:
            page.blocks.append(Items(spots.notes))

    def _level(self, spots, threshold):
        table = spots.table
        if not len(table):
            return Level.GOOD
        p_global = np.asarray(table["p_global"], dtype=float)
        if np.any(p_global < threshold):
            return Level.BAD
        is_high = abs(np.asarray(table["sqrt_ts"])) >= SIGMA
        return Level.LOOK if np.any(is_high & np.isnan(p_global)) else Level.GOOD
