# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Counts and predicted counts, which share their colours."""

from gammapy.datasets.residuals.kernels import label_of
from gammapy.visualization.limits import counts_limits
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
        both = [residuals.counts.data[idx], residuals.npred.data[idx]]
        return counts_limits(both, options.vmin, options.vmax)


COUNTS = CountsPanel("counts", "Counts", "Counts")
NPRED = CountsPanel("npred", "Model", "Predicted counts")
