# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Joint residuals against energy."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets.residuals.grids import parse_region
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.energies import format_energy_axis, legible_table
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.sky.models import select_names
from .compute import spectral_residuals
from .points import (
    energy_edges,
    plot_counts,
    plot_legend,
    plot_masked_ranges,
    plot_points,
    shown_edges,
)

__all__ = ["SpectralResidualsPlotter", "plot_spectral_residuals"]


class SpectralResidualsPlotter(BasePlotter):
    """Draws `~gammapy.datasets.SpectralResiduals`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings that hold while it draws. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpectralResiduals
    >>> from gammapy.visualization.residuals import SpectralResidualsPlotter
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpectralResiduals.from_datasets(datasets)
    >>> residuals.plotter = SpectralResidualsPlotter({"font.size": 8})
    >>> axes = residuals.plotter.plot(residuals, method="significance")
    """

    def plot(self, residuals, *, method="diff", models=True, axes=None):
        """Draw counts and model, with the residuals below.

        Parameters
        ----------
        residuals : `~gammapy.datasets.SpectralResiduals`
            Residuals.
        method, models, axes : optional
            As in `~gammapy.visualization.plot_spectral_residuals`.

        Returns
        -------
        ax_spectrum, ax_residuals : tuple of `~matplotlib.axes.Axes`
            The axes.
        """
        table = legible_table(residuals, method)
        counts_table = legible_table(residuals, "diff")
        # Components that were left out of the model are known, but have no curve.
        names = select_names([*residuals.components, *residuals.exclude], models)
        names = [name for name in residuals.components if name in names]
        with self._rc_context():
            axes = _new_spectral_axes() if axes is None else _check_spectral_axes(axes)
            ax_spectrum, ax_residuals = axes
            plot_counts(
                counts_table,
                ax_spectrum,
                names,
                background_label=_background_label(residuals),
                with_faint=models is not True,
            )
            plot_residual_points(residuals, table, ax_residuals)
            edges = energy_edges(table)
            plot_masked_ranges(edges, residuals.mask, ax_spectrum)
            format_energy_axis(ax_spectrum, *shown_edges(edges, residuals.mask))
            plot_legend(ax_spectrum)
            ax_spectrum.figure.align_ylabels(list(axes))
        return ax_spectrum, ax_residuals

    def plot_points(self, residuals, *, method="significance", ax=None):
        """Draw the residuals alone.

        Parameters
        ----------
        residuals : `~gammapy.datasets.SpectralResiduals`
            Residuals.
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "significance".
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is the current ones.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            The axes.
        """
        table = legible_table(residuals, method)
        with self._rc_context():
            ax = plt.gca() if ax is None else ax
            return plot_residual_points(residuals, table, ax)


def plot_residual_points(residuals, table, ax):
    """Residuals, the masked ranges and both axes with their labels."""
    plot_points(table, ax)
    edges = energy_edges(table)
    plot_masked_ranges(edges, residuals.mask, ax)
    format_energy_axis(ax, *shown_edges(edges, residuals.mask))
    ax.set_ylabel(METHODS[table.meta["method"]].label)
    ax.set_xlabel(f"Energy [{table['e_ref'].unit}]")
    return ax


def plot_spectral_residuals(
    datasets, region=None, *, method="diff", models=True, axes=None, **options
):
    """Draw counts and model against energy, with the residuals below.

    Residuals in sigma have dotted lines at plus and minus 3. Bins without counts show
    the upper end of their error bar; those with counts but no model, whose residual is
    infinite, a triangle at the border of the lower panel.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpectralResiduals`
        Datasets, one dataset, or residuals that were computed before.
    region : `~regions.SkyRegion` or str, optional
        Region whose pixels are summed. Default is all pixels.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw as curves: True all that reach a thousandth of the highest
        bin, False none, or names. Default is True.
    axes : tuple of `~matplotlib.axes.Axes`, optional
        Axes of the spectrum and of the residuals. Default is a new figure.
    **options
        Options of `SpectralResiduals.from_datasets`: ``energy_min``, ``energy_max``,
        ``exclude``, ``apply_mask``, and ``band``, with which the uncertainty of the
        model is shaded (not the default, for it takes a while).

    Returns
    -------
    ax_spectrum, ax_residuals : tuple of `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the method or an option is not valid, or there are not two axes.
    TypeError
        If axes are of the wrong kind. Nothing is drawn when there is an error.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization import plot_spectral_residuals
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> region = "galactic;circle(184.6, -5.8, 0.5)"
    >>> ax_spectrum, ax_residuals = plot_spectral_residuals(datasets, region)
    """
    parse_region(region)
    residuals = spectral_residuals(datasets, region, options)
    return residuals.plotter.plot(residuals, method=method, models=models, axes=axes)


def _check_spectral_axes(axes):
    axes = tuple(np.ravel(axes))
    if len(axes) != 2:
        raise ValueError(
            "Needed are two axes, of the spectrum and of the residuals; there are "
            f"{len(axes)}."
        )
    for ax in axes:
        check_plain_axes(ax)
    return axes


def _new_spectral_axes():
    figure = plt.figure(figsize=(7, 6.6))
    axes = figure.subplots(
        2, 1, sharex=True, height_ratios=(1.9, 1), gridspec_kw={"hspace": 0.06}
    )
    figure.subplots_adjust(left=0.125, top=0.98, right=0.97, bottom=0.085)
    return axes


def _background_label(residuals):
    if residuals.is_on_off:
        return r"Background ($\alpha$ $\times$ off counts)"
    return "Background"
