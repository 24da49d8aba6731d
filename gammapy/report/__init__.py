# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One page that says whether a fit is good, and what it is made of."""

from .fit_report import FitReport

__all__ = ["FitReport"]
