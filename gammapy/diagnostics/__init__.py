# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Diagnostics of a fit: estimators and their results."""

from .goodness import GoodnessOfFitEstimator
from .goodness_result import GoodnessOfFit
from .history import FitHistory
from .history_comparison import StepComparison
from .history_step import HistoryStep
from .hot_spot_estimator import HotSpotEstimator
from .hot_spots import HotSpots
from .impact_estimator import ImpactEstimator
from .impacts import Impacts
from .positions import nearest_component
from .ps_map import PSMapEstimator
from .ps_map_result import PSMap
from .residuals_summary import ResidualsSummary, WorstBin, WorstPixel
from .result import DiagnosticResult
from .score_test_estimator import ScoreTestEstimator
from .score_tests import ScoreTests

__all__ = [
    "DiagnosticResult",
    "FitHistory",
    "GoodnessOfFit",
    "GoodnessOfFitEstimator",
    "HistoryStep",
    "HotSpotEstimator",
    "HotSpots",
    "ImpactEstimator",
    "Impacts",
    "PSMap",
    "PSMapEstimator",
    "ResidualsSummary",
    "ScoreTestEstimator",
    "ScoreTests",
    "StepComparison",
    "WorstBin",
    "WorstPixel",
    "nearest_component",
]
