# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results of norm fits, now in `gammapy.modeling.newton`: results pickled earlier."""

from .newton.result import NormFit as NormFit

__all__ = []
