# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual plots of one dataset.

Each ``_prepare_...`` function computes and checks everything and returns a function
that draws it on axes: so nothing is drawn when something is wrong.
"""

from dataclasses import dataclass
import numpy as np
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.datasets import SpectralResiduals
from gammapy.datasets.residuals.grids import parse_region
from gammapy.datasets.residuals.sky_regions import region_mask
from gammapy.maps import Map, RegionGeom
from gammapy.maps.energy_bins import energy_unit
from gammapy.stats.residuals import check_residual_method
from gammapy.utils.arguments import check_mapping
from gammapy.utils.one_converter import one_converter
from gammapy.visualization.axes import (
    check_plain_axes,
    closing_new_figures,
)
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.sky.image import plot_region
from .dataset_map import prepare_image
from .layout import two_panels
from .points import plot_error_bars, show_used_energies
from .titles import spectrum_title

__all__ = ["MapDatasetPlotter", "SpectrumDatasetPlotter"]

MASK_STYLES = {
    "mask_fit": {"label": "Mask fit", "color": "tab:green"},
    "mask_safe": {"label": "Mask safe", "color": "black"},
}


class MapDatasetPlotter(BasePlotter):
    """Draws residuals of `~gammapy.datasets.MapDataset`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization.residuals import MapDatasetPlotter
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> dataset = Datasets.read(f"{path}_datasets.yaml")[0]
    >>> dataset.plotter = MapDatasetPlotter({"image.cmap": "viridis"})
    >>> ax = dataset.plot_residuals_spatial(method="significance")
    """

    def plot_residuals_spatial(
        self,
        dataset,
        ax=None,
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
        """Draw the map of the residuals, summed over energy and smoothed.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset`
            Dataset.
        ax, method, smooth_kernel, smooth_radius : optional
            As in `~gammapy.datasets.MapDataset.plot_residuals_spatial`.
        energy_min, energy_max, models, models_style : optional
            As in `~gammapy.datasets.MapDataset.plot_residuals_spatial`.
        **kwargs : dict, optional
            Arguments of `~gammapy.maps.WcsNDMap.plot`.

        Returns
        -------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`
            The axes.
        """
        draw = prepare_image(
            dataset,
            method=method,
            smooth_kernel=smooth_kernel,
            smooth_radius=smooth_radius,
            energy_min=energy_min,
            energy_max=energy_max,
            models=models,
            models_style=models_style,
            **kwargs,
        )
        with self._rc_context():
            return draw(ax)

    def plot_residuals_spectral(
        self,
        dataset,
        ax=None,
        *,
        method="diff",
        region=None,
        kwargs_fit=None,
        kwargs_safe=None,
        energy_min=None,
        energy_max=None,
        **kwargs,
    ):
        """Draw the residuals against energy.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset`
            Dataset.
        ax, method, region, kwargs_fit, kwargs_safe, energy_min, energy_max : optional
            As in `~gammapy.datasets.MapDataset.plot_residuals_spectral`.
        **kwargs : dict, optional
            Arguments of `~matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            The axes.
        """
        draw = _prepare_points(
            dataset,
            method=method,
            region=region,
            kwargs_fit=kwargs_fit,
            kwargs_safe=kwargs_safe,
            energy_min=energy_min,
            energy_max=energy_max,
            **kwargs,
        )
        with self._rc_context():
            return draw(ax)

    def plot_residuals(
        self,
        dataset,
        ax_spatial=None,
        ax_spectral=None,
        *,
        kwargs_spatial=None,
        kwargs_spectral=None,
        **shared,
    ):
        """Draw the residuals as a map and against energy, side by side.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset`
            Dataset.
        ax_spatial, ax_spectral, kwargs_spatial, kwargs_spectral : optional
            As in `~gammapy.datasets.MapDataset.plot_residuals`.
        **shared : dict, optional
            Arguments of both panels; of these "models" and "models_style" are for the
            map alone.

        Returns
        -------
        ax_spatial, ax_spectral : tuple of `~matplotlib.axes.Axes`
            The axes.
        """
        shared = {name: value for name, value in shared.items() if value is not None}
        kwargs_spatial = shared | check_mapping("kwargs_spatial", kwargs_spatial)
        for name in ("models", "models_style"):
            shared.pop(name, None)
        kwargs_spectral = shared | check_mapping("kwargs_spectral", kwargs_spectral)

        if ax_spectral is not None:
            check_plain_axes(ax_spectral)
        region = parse_region(kwargs_spectral.get("region"))
        draw_image = prepare_image(dataset, **kwargs_spatial)
        draw_points = _prepare_points(dataset, **kwargs_spectral)
        with self._rc_context(), closing_new_figures():
            axes = two_panels(ax_spatial, ax_spectral, dataset.counts.geom)
            draw_image(axes[0])
            draw_points(axes[1])
            plot_region(region, axes[0])
        return axes


class SpectrumDatasetPlotter(MapDatasetPlotter):
    """Draws residuals of `~gammapy.datasets.SpectrumDataset`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import SpectrumDatasetOnOff
    >>> from gammapy.visualization.residuals import SpectrumDatasetPlotter
    >>> folder = "$GAMMAPY_DATA/joint-crab/spectra/hess"
    >>> dataset = SpectrumDatasetOnOff.read(f"{folder}/pha_obs23523.fits")
    >>> dataset.plotter = SpectrumDatasetPlotter({"font.size": 8})
    >>> ax = dataset.plot_residuals_spectral(method="significance")
    """

    def plot_fit(self, dataset, plot, axes=None, **kwargs_residuals):
        """Draw excess and predicted signal, with the residuals below.

        Parameters
        ----------
        dataset : `~gammapy.datasets.SpectrumDataset`
            Dataset.
        plot : callable
            Function of the axes that draws both panels and returns their axes.
        axes : tuple of `~matplotlib.axes.Axes`, optional
            Axes of both panels. Default is a new figure.
        **kwargs_residuals : dict, optional
            Arguments of the residuals, which are checked before anything is drawn.

        Returns
        -------
        ax_spectrum, ax_residuals : tuple of `~matplotlib.axes.Axes`
            The axes.
        """
        points = _prepare_points(dataset, **kwargs_residuals)
        with self._rc_context(), closing_new_figures(), one_converter():
            if axes is None:
                axes = plot(*_new_fit_axes(points.residuals.energy_axis))
                _format_new_fit(axes, points.residuals, dataset.excess.data)
            else:
                axes = plot(*axes)
            show_used_energies(axes[0], points.residuals)
        axes[1].yaxis.label.set_fontsize("small")
        return axes

    def plot_masks(self, dataset, ax=None, *, kwargs_fit=None, kwargs_safe=None):
        """Shade the energies that are not masked.

        Parameters
        ----------
        dataset : `~gammapy.datasets.SpectrumDataset`
            Dataset.
        ax, kwargs_fit, kwargs_safe : optional
            As in `~gammapy.datasets.SpectrumDataset.plot_masks`.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            The axes.
        """
        styles = {
            "mask_fit": check_mapping("kwargs_fit", kwargs_fit),
            "mask_safe": check_mapping("kwargs_safe", kwargs_safe),
        }
        with self._rc_context():
            return draw_masks(masks_in_region(dataset), ax, styles)


def _prepare_points(
    dataset,
    *,
    method="diff",
    region=None,
    kwargs_fit=None,
    kwargs_safe=None,
    energy_min=None,
    energy_max=None,
    **kwargs,
):
    """What draws the residuals on axes, None for the current ones."""
    check_residual_method(method)
    styles = {
        "mask_fit": check_mapping("kwargs_fit", kwargs_fit),
        "mask_safe": check_mapping("kwargs_safe", kwargs_safe),
    }
    residuals = SpectralResiduals._from_datasets(
        dataset, region, energy_min=energy_min, energy_max=energy_max
    )
    table = residuals.to_table(method)
    label = f"Residuals ({dataset._residuals_labels[method]})"
    masks = masks_in_region(dataset, region)

    return _Points(residuals, table, label, masks, styles, kwargs)


@dataclass(frozen=True)
class _Points:
    """Residuals against energy, ready to be drawn."""

    residuals: SpectralResiduals
    table: Table
    label: str
    masks: dict
    styles: dict
    kwargs: dict

    def __call__(self, ax=None):
        """Draw them; returns the axes."""
        if ax is not None:
            check_plain_axes(ax)
        with closing_new_figures(), one_converter():
            axis = self.residuals.energy_axis
            ax = plot_error_bars(self.table, axis, ax, **self.kwargs)
            ax.set_ylabel(self.label)
            draw_masks(self.masks, ax, self.styles)
            show_used_energies(ax, self.residuals)
        return ax


def _new_fit_axes(energy_axis):
    """Figure with the axes of spectrum and residuals, in the unit of a reader."""
    figure = plt.figure(figsize=(8, 7))
    axes = figure.subplots(
        2, 1, sharex=True, height_ratios=(5, 2), gridspec_kw={"hspace": 0.08}
    )
    axes[0].xaxis.set_units(energy_unit(energy_axis))
    return axes


def _format_new_fit(axes, residuals, excess):
    """Title, labels and limits of a figure of a fit."""
    axes[0].set_title(spectrum_title(residuals), fontsize="medium")
    axes[0].set_xlabel("")
    axes[0].set_ylabel("Counts")
    axes[0].tick_params(axis="x", which="both", labelbottom=False)
    excess = excess.squeeze()[residuals.mask]
    low, _ = axes[0].get_ylim()
    # Of a model that falls steeply not all decades matter.
    lowest = 0.1 * np.min(excess[excess > 0], initial=np.inf)
    if np.isfinite(lowest) and axes[0].get_yscale() == "log":
        axes[0].set_ylim(bottom=max(low, lowest))


def masks_in_region(dataset, region=None):
    """Energy bins in which any pixel inside a region is not masked.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    region : `~regions.SkyRegion` or str, optional
        Region, for map datasets. Default is all pixels.

    Returns
    -------
    masks : dict of `~gammapy.maps.RegionNDMap`
        Boolean maps with the names "mask_fit" and "mask_safe", as far as there are any.
    """
    masks = {}
    for name in MASK_STYLES:
        mask = getattr(dataset, name)
        if mask is None:
            continue
        used = mask.data != 0
        if region is not None:
            image = mask.geom.to_image()
            used = used & region_mask(image, parse_region(region))
        axis = mask.geom.axes["energy"]
        used = used.reshape(axis.nbin, -1).any(axis=1)
        geom = RegionGeom.create(None, axes=[axis])
        masks[name] = Map.from_geom(geom, data=used.reshape(geom.data_shape))
    return masks


def draw_masks(masks, ax, styles):
    """Shade the energies that are not masked, with entries in the legend.

    Parameters
    ----------
    masks : dict of `~gammapy.maps.RegionNDMap`
        Masks from `masks_in_region`.
    ax : `~matplotlib.axes.Axes` or None
        Axes, None for the current ones.
    styles : dict of dict
        Arguments of `~gammapy.maps.RegionNDMap.plot_mask` by name, or None.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.
    """
    ax = plt.gca() if ax is None else ax
    for name, mask in masks.items():
        mask.plot_mask(ax=ax, **MASK_STYLES[name] | (styles.get(name) or {}))
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        # A mask of several ranges is one entry.
        entries = dict(zip(labels, handles, strict=True))
        ax.legend(entries.values(), entries.keys())
    return ax
