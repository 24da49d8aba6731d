# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Which models are no sources."""

from .cube import FoVBackgroundModel, TemplateNPredModel

__all__ = []


def is_background(model):
    """Whether a model is the background of a dataset: it scales the map of one.

    Templates of counts are components beside it, also those that hold a background:
    sums, fits and tables have them by name.
    """
    return isinstance(model, FoVBackgroundModel)


def is_on_sky(model):
    """Whether a model describes the sky: neither a background nor counts as they are.

    Templates of counts have a map, but none of the sky alone: their counts went
    through the responses.
    """
    return not is_background(model) and not isinstance(model, TemplateNPredModel)
