# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic of norms: now in `gammapy.modeling.newton`, here for a release."""

from .newton.statistic import Point as Point
from .newton.statistic import Statistic as Statistic

__all__ = []
