# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A map for each residual method."""

from gammapy.datasets.residuals.kernels import KERNELS, label_of
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.limits import symmetric_limit
from gammapy.visualization.sky.contours import plot_contours
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


class SignificancePanel(MethodPanel):
    """Significance with contours beyond its colours."""

    def __init__(self, method):
        super().__init__(method)
        self.title = "Significance"

    def limits(self, residuals, idx, data, options):
        return -options.vsig, options.vsig

    def finish(self, image, ax, options):
        plot_contours(image.data, ax, options.vsig)


SPECIAL = {"diff": DifferencePanel, "significance": SignificancePanel}
PANELS_OF_METHODS = tuple(
    SPECIAL.get(method.name, MethodPanel)(method) for method in METHODS.values()
)
