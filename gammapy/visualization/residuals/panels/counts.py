# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Counts and predicted counts, which share their colours."""

import numpy as np
from gammapy.datasets.residuals.kernels import label_of
from gammapy.visualization.limits import counts_limits
from gammapy.visualization.sky.stretch import find_stretch
from .base import MapPanel, energy_slice

__all__ = []


class CountsPanel(MapPanel):
    """Map of counts, or of those that the model predicts."""

    cmap = "viridis"
    # The colours are dark but for the brightest spots.
    line_color = "white"
    spot_color = "orange"

    def __init__(self, name, title, quantity):
        super().__init__(name, title)
        self.quantity = quantity

    def image(self, residuals, idx):
        return energy_slice(getattr(residuals, self.name), idx)

    def label(self, residuals):
        return self.quantity + label_of(residuals)

    def values(self, residuals, idx):
        both = residuals.counts.data[idx], residuals.npred.data[idx]
        return np.ravel(both)

    def limits(self, residuals, idx, data, options):
        return counts_limits(data, options.vmin, options.vmax)

    def stretch(self, values, limits, options):
        return find_stretch(options.stretch, values, *limits)


COUNTS = CountsPanel("counts", "Counts", "Counts")
NPRED = CountsPanel("npred", "Model", "Predicted counts")
