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

    def limits(self, residuals, idx, data, options):
        both = _counts_and_npred(residuals, idx)
        return counts_limits(both, options.vmin, options.vmax)

    def stretch(self, residuals, idx, limits, options):
        both = np.concatenate(_counts_and_npred(residuals, idx))
        return find_stretch(options.stretch, both, *limits)


def _counts_and_npred(residuals, idx):
    """Values of both maps, which share their colours."""
    return [residuals.counts.data[idx], residuals.npred.data[idx]]


COUNTS = CountsPanel("counts", "Counts", "Counts")
NPRED = CountsPanel("npred", "Model", "Predicted counts")
