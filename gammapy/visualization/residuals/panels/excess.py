# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Counts minus predicted counts, summed with the kernel."""

from gammapy.datasets.residuals.kernels import label_of
from gammapy.visualization.limits import symmetric_limit
from .base import MapPanel, energy_slice

__all__ = []


class ExcessPanel(MapPanel):
    """Map of the excess."""

    def image(self, residuals, idx):
        return energy_slice(residuals.excess, idx)

    def label(self, residuals):
        return "Excess counts" + label_of(residuals)

    def limits(self, residuals, idx, data, options):
        limit = symmetric_limit(data)
        return -limit, limit


EXCESS = ExcessPanel("excess", "Excess")
