# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw diagnostics. What is drawn is computed in `gammapy.diagnostics`."""

from .goodness import GoodnessOfFitPlotter
from .history import FitHistoryPlotter
from .impacts import ImpactsPlotter
from .ps_map import PSMapPlotter
from .score_tests import ScoreTestsPlotter

__all__ = [
    "FitHistoryPlotter",
    "GoodnessOfFitPlotter",
    "ImpactsPlotter",
    "PSMapPlotter",
    "ScoreTestsPlotter",
]
