# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Distribution of the significance."""

import numpy as np
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.residuals.histogram import plot_histogram
from .base import Panel, within_mask

__all__ = []

#: Sizes in inches at which the legend does not cover the curve.
MIN_WIDTH, MIN_HEIGHT, MAX_HEIGHT = 3.2, 2.6, 4.0


class DistributionPanel(Panel):
    """Histogram of the significance beside N(0, 1)."""

    is_map = False

    def size(self, map_size):
        width, height = map_size
        return max(width, MIN_WIDTH), np.clip(height, MIN_HEIGHT, MAX_HEIGHT)

    def draw(self, residuals, idx, ax, options, colours=None):
        plot_distribution(residuals, ax, idx)
        return []


def plot_distribution(residuals, ax, idx, mask=None):
    """Draw the distribution of one energy group, within a mask."""
    values = within_mask(residuals.sqrt_ts.data[idx], mask)
    plot_histogram(values, residuals.distribution(mask)[idx], ax)
    ax.set_xlabel(METHODS["significance"].label)
    ax.set_ylabel("Probability density")
    return ax


DISTRIBUTION = DistributionPanel("distribution", "Distribution of significance")
