# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Map of the residuals of one dataset, summed over energy and smoothed."""

from functools import partial
import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from gammapy.datasets.residuals.dataset_maps import residual_image
from gammapy.datasets.residuals.smoothing import parse_width, smoothing_shape
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.axes import check_wcs_axes, closing_new_figures
from gammapy.visualization.limits import check_limits, residual_limits
from gammapy.visualization.sky.components import DrawnMap, draw_components
from gammapy.visualization.sky.coordinates import format_sky_axes
from gammapy.visualization.sky.extremes import (
    find_extremes,
    mark_extremes,
    write_extremes,
)
from gammapy.visualization.sky.kernel import plot_kernel
from gammapy.visualization.sky.models import select_components
from gammapy.visualization.sky.names import check_models_style, name_all

__all__ = []


def prepare_image(
    dataset,
    *,
    method="diff",
    smooth_kernel="gauss",
    smooth_radius="0.1 deg",
    energy_min=None,
    energy_max=None,
    models=False,
    models_style="auto",
    **kwargs,
):
    """Function of the axes, or None for new ones, that draws the map."""
    if dataset._geom.is_region:
        raise ValueError(
            f"Dataset {dataset.name!r} is a spectrum, so it has no residual map. "
            "Use plot_residuals_spectral."
        )
    if dataset._geom.is_hpx:
        raise ValueError(
            f"Dataset {dataset.name!r} is on a HpxGeom: its residuals cannot be drawn "
            "as a map. Make the dataset on a WcsGeom, or use residuals(...).plot()."
        )
    components = select_components(dataset.models, models)
    check_models_style("models_style", models_style)
    check_limits(kwargs.get("vmin"), kwargs.get("vmax"))
    width = parse_width("smooth_radius", smooth_radius, dataset._geom)
    image = residual_image(
        dataset,
        method,
        energy_min=energy_min,
        energy_max=energy_max,
        smooth={"width": width, "kernel": smooth_kernel},
    )
    shape = smoothing_shape(smooth_kernel, width, dataset._geom)
    style = {"components": components, "models_style": models_style, "shape": shape}
    return partial(_draw_image, image, method, style, kwargs)


def _draw_image(image, method, style, kwargs, ax=None):
    """Draw a map of residuals with its kernel, extremes and components."""
    kwargs = {"add_cbar": True, "cmap": "coolwarm"} | kwargs
    kwargs |= residual_limits(image.data, method, kwargs)
    bar = {"label": METHODS[method].label}
    kwargs["kwargs_colorbar"] = bar | (kwargs.get("kwargs_colorbar") or {})
    # Map.plot adds entries to it.
    kwargs["axes_loc"] = dict(kwargs.get("axes_loc") or {})
    if ax is not None:
        kwargs.setdefault("fig", ax.figure)
    # Plain axes will do for the map alone.
    if ax is not None and style["components"]:
        check_wcs_axes(ax)
    with closing_new_figures():
        ax = image.plot(ax, **kwargs)
        if isinstance(ax, WCSAxes):
            _name_coordinates(image, ax)
        components = draw_components(style["components"], ax, color="black")
        extremes = []
        if METHODS[method].is_in_sigma:
            limit = max(abs(kwargs["vmin"]), abs(kwargs["vmax"]))
            extremes = find_extremes(np.squeeze(image.data), limit)
        mark_extremes(extremes, ax)
        plot_kernel(style["shape"], image.geom, ax)
        write_extremes(extremes, ax)
        name_all([DrawnMap(ax, components, "black")], style["models_style"])
        return ax


def _name_coordinates(image, ax):
    """Name and label coordinates as on other maps of residuals."""
    if image.geom.is_allsky:
        # `Map.plot` writes the frame into the map, and hides frame and longitudes.
        for text in ax.texts:
            if text.get_text() == f"{image.geom.frame} coords":
                text.remove()
        ax.coords.frame.set_linewidth(plt.rcParams["axes.linewidth"])
        for coord in ax.coords:
            coord.set_ticks_visible(True)
            coord.set_ticklabel(color=plt.rcParams["xtick.color"], alpha=1)
            coord.set_ticks(color=plt.rcParams["xtick.color"], alpha=1)
    format_sky_axes(ax, image.geom.frame)
