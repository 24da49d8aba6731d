# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Questions about a fit, and their answers: one estimator and its result each."""

from .goodness import GoodnessOfFitEstimator
from .goodness_result import GoodnessOfFit
from .hot_spot_estimator import HotSpotEstimator
from .hot_spots import HotSpots
from .ps_map import PSMapEstimator
from .ps_map_result import PSMap
from .result import DiagnosticResult

__all__ = [
    "DiagnosticResult",
    "GoodnessOfFit",
    "GoodnessOfFitEstimator",
    "HotSpotEstimator",
    "HotSpots",
    "PSMap",
    "PSMapEstimator",
]
