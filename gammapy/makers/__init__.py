# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .exclusion import ExclusionMaskMaker, ExclusionMaskResult

__all__ = ["ExclusionMaskMaker", "ExclusionMaskResult"]
