# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Copies of models that take little time and memory."""

import copy
from gammapy.maps import Map

__all__ = []


def copy_models(models):
    """Copy of models that shares the maps of templates.

    `DatasetModels.copy` makes new ones, checks and all, and takes many times as long.
    """
    parts = [part for model in models for part in (model, *vars(model).values())]
    maps = [
        value
        for part in parts
        for value in getattr(part, "__dict__", {}).values()
        if isinstance(value, Map)
    ]
    return copy.deepcopy(models, {id(map_): map_ for map_ in maps})
