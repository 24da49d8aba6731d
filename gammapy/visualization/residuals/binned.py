# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Counts and model in bins of energy or position, with the residuals below."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.sky.models import select_names
from .points import (
    bin_edges,
    plot_counts,
    plot_legend,
    plot_masked_ranges,
    plot_points,
)
from .titles import sum_text

__all__ = []


class BinnedResidualsPlotter(BasePlotter):
    """Draws residuals in bins.

    A subclass says how to make the tables and the axis of the bins.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.
    """

    #: What the upper axes show.
    counts_label = "Counts per bin"

    def _table(self, residuals, method):
        """Table of the residuals, as it is drawn."""
        raise NotImplementedError

    def _counts_table(self, residuals):
        """Table of counts and model, as they are drawn."""
        return self._table(residuals, "diff")

    def _format_axis(self, ax, edges, mask):
        """Set the limits and the numbers of the axis of the bins."""
        raise NotImplementedError

    def _x_label(self, residuals, table):
        """Text at the axis of the bins."""
        raise NotImplementedError

    def _title(self, residuals):
        """Title of the figure."""
        return sum_text(residuals)

    def plot(self, residuals, *, method="diff", models=True, axes=None):
        """Draw counts and model, with the residuals below.

        Parameters
        ----------
        residuals : `~gammapy.datasets.residuals.binned.BinnedResiduals`
            Residuals.
        method, models, axes : optional
            As in `~gammapy.visualization.plot_spectral_residuals`.

        Returns
        -------
        ax_counts, ax_residuals : tuple of `~matplotlib.axes.Axes`
            The axes.
        """
        table = self._table(residuals, method)
        counts_table = self._counts_table(residuals)
        # Components that were left out of the model are known, but have no curve.
        names = select_names([*residuals.components, *residuals.exclude], models)
        names = [name for name in residuals.components if name in names]
        with self._rc_context():
            axes = _new_axes() if axes is None else _check_axes(axes)
            ax_counts, ax_residuals = axes
            plot_counts(
                counts_table,
                ax_counts,
                names,
                background_label=_background_label(residuals),
                with_faint=models is not True,
                label=self.counts_label,
            )
            self._plot_residuals(residuals, table, ax_residuals)
            edges = bin_edges(table)
            plot_masked_ranges(edges, residuals.mask, ax_counts)
            self._format_axis(ax_counts, edges, residuals.mask)
            self._set_title(residuals, ax_counts)
            plot_legend(ax_counts)
            ax_counts.figure.align_ylabels(list(axes))
        return ax_counts, ax_residuals

    def plot_points(self, residuals, *, method="significance", ax=None):
        """Draw the residuals alone.

        Parameters
        ----------
        residuals : `~gammapy.datasets.residuals.binned.BinnedResiduals`
            Residuals.
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "significance".
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is the current axes.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            The axes.
        """
        table = self._table(residuals, method)
        with self._rc_context():
            ax = plt.gca() if ax is None else ax
            self._set_title(residuals, ax)
            return self._plot_residuals(residuals, table, ax)

    def _set_title(self, residuals, ax):
        """Set the title, unless the axes have one."""
        if not ax.get_title():
            ax.set_title(self._title(residuals), fontsize="medium")

    def _plot_residuals(self, residuals, table, ax):
        """Draw residuals, the masked ranges and both axes with their labels."""
        plot_points(table, ax)
        edges = bin_edges(table)
        plot_masked_ranges(edges, residuals.mask, ax)
        self._format_axis(ax, edges, residuals.mask)
        ax.set_ylabel(METHODS[table.meta["method"]].label)
        ax.set_xlabel(self._x_label(residuals, table))
        return ax


def _check_axes(axes):
    axes = tuple(np.ravel(axes))
    if len(axes) != 2:
        raise ValueError(
            "Needed are two axes, of the spectrum and of the residuals; there are "
            f"{len(axes)}."
        )
    for ax in axes:
        check_plain_axes(ax)
    return axes


def _new_axes():
    figure = plt.figure(figsize=(7, 7))
    axes = figure.subplots(
        2, 1, sharex=True, height_ratios=(1.9, 1), gridspec_kw={"hspace": 0.06}
    )
    figure.subplots_adjust(left=0.125, top=0.92, right=0.97, bottom=0.08)
    return axes


def _background_label(residuals):
    if residuals.is_on_off:
        return r"Background ($\alpha$ $\times$ off counts)"
    return "Background"
