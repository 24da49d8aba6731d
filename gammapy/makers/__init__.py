# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .exclusion import ExclusionMaskMaker, ExclusionMaskResult
from .groups import stack_groups

__all__ = ["ExclusionMaskMaker", "ExclusionMaskResult", "stack_groups"]
