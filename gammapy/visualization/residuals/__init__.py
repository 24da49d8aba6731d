# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw residuals. What is drawn is computed in `gammapy.datasets`."""

from gammapy.maps.energy_bins import format_energy_range as format_energy_range
from gammapy.stats.residual_methods import METHODS
from .dataset import MapDatasetPlotter, SpectrumDatasetPlotter
from .datasets import DatasetsPlotter
from .panels import PANELS as PANELS
from .profiles import ProfileResidualsPlotter
from .spatial import (
    SpatialResidualsPlotter,
    plot_residuals_distribution,
    plot_spatial_residuals,
)
from .spectral import SpectralResidualsPlotter, plot_spectral_residuals

__all__ = [
    "DatasetsPlotter",
    "MapDatasetPlotter",
    "ProfileResidualsPlotter",
    "SpatialResidualsPlotter",
    "SpectralResidualsPlotter",
    "SpectrumDatasetPlotter",
    "plot_residuals_distribution",
    "plot_spatial_residuals",
    "plot_spectral_residuals",
]

# Names of the earlier module of this name.
SYMBOLS = {name: method.label for name, method in METHODS.items()}
