# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Terms of templates: now in `gammapy.modeling.newton`, here for a release."""

from .newton.terms import DatasetTerms as DatasetTerms
from .newton.terms import Term as Term

__all__ = []
