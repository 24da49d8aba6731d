# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual plots of joint datasets."""

from functools import partial
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.datasets.residuals.grids import parse_region
from gammapy.stats.residuals import check_residual_method
from gammapy.utils.arguments import check_mapping, check_options, option_names
from gammapy.visualization.axes import (
    check_plain_axes,
    check_wcs_axes,
    closing_new_figures,
)
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.sky.models import select_components
from .compute import spatial_residuals, spectral_residuals
from .layout import two_panels

__all__ = ["DatasetsPlotter"]

# What goes to the drawing of joint maps, not to their computation.
MAP_STYLE = (
    "models",
    "models_style",
    "region",
    "vmin",
    "vmax",
    "vsig",
    "stretch",
    "crop",
)
COMMON_OPTIONS = ("exclude", "apply_mask", "energy_unit")


class DatasetsPlotter(BasePlotter):
    """Draws residuals of `~gammapy.datasets.Datasets`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization.residuals import DatasetsPlotter
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(f"{path}_datasets.yaml")
    >>> datasets.plotter = DatasetsPlotter({"font.size": 8})
    >>> ax_spatial, ax_spectral = datasets.plot_residuals(energy_max="0.1 TeV")
    """

    def plot_residuals(
        self,
        datasets,
        ax_spatial=None,
        ax_spectral=None,
        *,
        kwargs_spatial=None,
        kwargs_spectral=None,
        region=None,
        method="significance",
        energy_min=None,
        energy_max=None,
        models=True,
        **options,
    ):
        """Draw the joint residuals as a map and against energy, side by side.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.
        ax_spatial, ax_spectral, kwargs_spatial, kwargs_spectral : optional
            As in `~gammapy.datasets.Datasets.plot_residuals`.
        region, method, energy_min, energy_max, models : optional
            As in `~gammapy.datasets.Datasets.plot_residuals`.
        **options : dict, optional
            Options of `~gammapy.datasets.SpatialResiduals.from_datasets`.

        Returns
        -------
        ax_spatial, ax_spectral : tuple of `~matplotlib.axes.Axes`
            The axes; for spectra ``ax_spatial`` is None.
        """
        if ax_spectral is not None:
            check_plain_axes(ax_spectral)
        kwargs_spatial = check_mapping("kwargs_spatial", kwargs_spatial)
        kwargs_spectral = check_mapping("kwargs_spectral", kwargs_spectral)
        _check_options(options, kwargs_spatial, kwargs_spectral)
        common = {"method": method, "energy_min": energy_min, "energy_max": energy_max}
        both = {name: options[name] for name in COMMON_OPTIONS if name in options}
        spectral = common | {"region": region} | both | kwargs_spectral
        draw_points = _prepare_points(datasets, **spectral)
        if all(dataset.counts.geom.is_region for dataset in datasets):
            _check_no_map_options(options, ax_spatial, kwargs_spatial)
            with self._rc_context(), closing_new_figures():
                return None, draw_points(ax=ax_spectral)

        if ax_spatial is not None:
            check_wcs_axes(ax_spatial)
        spatial = common | {"models": models, "region": spectral["region"]} | options
        spatial |= kwargs_spatial
        draw_map, geom = _prepare_map(datasets, **spatial)
        with self._rc_context(), closing_new_figures():
            axes = two_panels(ax_spatial, ax_spectral, geom)
            draw_map(axes[0])
            draw_points(ax=axes[1])
        return axes


def _check_options(options, kwargs_spatial, kwargs_spectral):
    """Raise an error that names an unknown option."""
    known = ["method", *option_names(SpatialResiduals.from_datasets), *MAP_STYLE]
    known.remove("datasets")
    check_options("plot_residuals", options, known)
    check_options("kwargs_spatial", kwargs_spatial, known)
    known = ["method", *option_names(SpectralResiduals.from_datasets)]
    known.remove("datasets")
    check_options("kwargs_spectral", kwargs_spectral, known)


def _prepare_points(datasets, *, method, region, **options):
    """Function of the axes that draws the joint residuals against energy."""
    check_residual_method(method)
    residuals = spectral_residuals(datasets, parse_region(region), options)
    return partial(residuals.plotter.plot_points, residuals, method=method)


def _prepare_map(datasets, method, **options):
    """Function of the axes that draws the joint map, and its geometry."""
    check_residual_method(method)
    style = {name: options.pop(name) for name in MAP_STYLE if name in options}
    style["region"] = parse_region(style["region"])
    residuals = spatial_residuals(datasets, options)
    if residuals.energy_axis.nbin > 1:
        raise ValueError(
            f"The energy edges give {residuals.energy_axis.nbin} maps, but only one "
            "can be drawn: use gammapy.visualization.plot_spatial_residuals."
        )
    style["models"] = select_components(residuals.models, style["models"])

    def draw(ax):
        axes = {method: ax}
        residuals.plotter.plot(residuals, panels=[method], axes=axes, **style)

    return draw, residuals.counts.geom


def _check_no_map_options(options, ax_spatial, kwargs_spatial):
    """Raise a ValueError for options of a map where there is none."""
    of_map = [name for name in options if name not in COMMON_OPTIONS]
    of_map += ["ax_spatial"] * (ax_spatial is not None)
    of_map += ["kwargs_spatial"] * bool(kwargs_spatial)
    if of_map:
        raise ValueError(
            f"The datasets are spectra without a map: remove the options {of_map}."
        )
