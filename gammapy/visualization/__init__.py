# Licensed under a 3-clause BSD style license - see LICENSE.rst
from importlib import import_module

__all__ = [
    "plot_flux_points",
    "plot_models",
    "plot_nuisance",
    "plot_observation_groups",
    "plot_residuals_distribution",
    "plot_spatial_residuals",
    "plot_spectral_residuals",
    "plot_spots",
]

#: Modules of what is loaded when it is asked for. The subpackage maps loads this one
#: for a few tools, and what draws maps and datasets needs those first.
LAZY = {
    "plot_flux_points": "flux_points",
    "plot_models": "sky.models",
    "plot_nuisance": "nuisance",
    "plot_observation_groups": "observations",
    "plot_residuals_distribution": "residuals.spatial",
    "plot_spatial_residuals": "residuals.spatial",
    "plot_spectral_residuals": "residuals.spectral",
    "plot_spots": "sky.spots",
}


def __getattr__(name):
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)


def __dir__():
    return sorted([*globals(), *LAZY])
