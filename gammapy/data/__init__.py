# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .groups import ObservationGroups

__all__ = ["ObservationGroups"]
