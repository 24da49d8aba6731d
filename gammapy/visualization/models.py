# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Earlier place of `gammapy.visualization.sky.models`, kept for a release."""

from gammapy.visualization.sky.models import (
    plot_models,
    select_components,
    select_names,
)

__all__ = ["plot_models", "select_components", "select_names"]
