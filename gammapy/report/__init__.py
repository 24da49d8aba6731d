# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Report of a fit: one page with a verdict and the evidence for it."""

from .fit_report import FitReport

__all__ = ["FitReport"]
