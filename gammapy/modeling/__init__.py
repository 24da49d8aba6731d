# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .smoothness import why_not_smooth

__all__ = ["why_not_smooth"]
