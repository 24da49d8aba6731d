# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Panels of a figure of residuals. A new one is a file, and an entry here."""

from gammapy.utils.arguments import check_list, did_you_mean, listed, show
from .counts import COUNTS, NPRED
from .distribution import DISTRIBUTION
from .excess import EXCESS
from .methods import PANELS_OF_METHODS

__all__ = []

#: Panels by name, in the order in which they are listed.
PANELS = {
    panel.name: panel
    for panel in (COUNTS, NPRED, EXCESS, DISTRIBUTION, *PANELS_OF_METHODS)
}


def check_panels(names, panels=PANELS):
    """Panels with these names. Raises a ValueError for an unknown name."""
    names = [names] if isinstance(names, str) else names
    for name in check_list("panels", names, f"names of {listed(panels)}"):
        if name not in panels:
            hint = did_you_mean(name, panels)
            raise ValueError(
                f"panels: got {show(name)}{hint}; choose from {listed(panels)}."
            )
    return [panels[name] for name in names]
