# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .models import plot_models
from .nuisance import plot_nuisance
from .observations import plot_observation_groups
from .residuals import (
    plot_residuals_distribution,
    plot_spatial_residuals,
    plot_spectral_residuals,
)

__all__ = [
    "plot_models",
    "plot_nuisance",
    "plot_observation_groups",
    "plot_residuals_distribution",
    "plot_spatial_residuals",
    "plot_spectral_residuals",
]
