# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A map for each residual method."""

from gammapy.datasets.residuals.kernels import KERNELS, label_of
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.limits import symmetric_limit
from .base import MapPanel, energy_slice

__all__ = []


class MethodPanel(MapPanel):
    """Map of a residual method, with colours that are symmetric around 0."""

    def __init__(self, method):
        super().__init__(method.name, method.label)

    def image(self, residuals, idx):
        return energy_slice(residuals.residual(self.name), idx)

    def label(self, residuals):
        return METHODS[self.name].label

    def limits(self, residuals, idx, data, options):
        limit = symmetric_limit(data)
        return -limit, limit


class DifferencePanel(MethodPanel):
    """Difference per pixel, or the flux of a matched filter."""

    def label(self, residuals):
        has_bin_weights = KERNELS[residuals.kernel].has_bin_weights
        behind = label_of(residuals) if has_bin_weights else " per pixel"
        return super().label(residuals) + behind


class SigmaPanel(MethodPanel):
    """Map in standard deviations.

    All of them share their colours, beyond which there are extremes and contours.
    """

    def limits(self, residuals, idx, data, options):
        return -options.vsig, options.vsig

    def extremes_from(self, options):
        return options.vsig


class SignificancePanel(SigmaPanel):
    """Map of the significance."""

    def __init__(self, method):
        super().__init__(method)
        self.title = "Significance"


def _panel_of(method):
    """Panel of a residual method."""
    if method.name in SPECIAL:
        return SPECIAL[method.name](method)
    return SigmaPanel(method) if method.is_in_sigma else MethodPanel(method)


SPECIAL = {"diff": DifferencePanel, "significance": SignificancePanel}
PANELS_OF_METHODS = tuple(_panel_of(method) for method in METHODS.values())
