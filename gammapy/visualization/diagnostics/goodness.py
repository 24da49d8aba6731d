# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tests of the goodness of fit."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.plotter import BasePlotter

__all__ = ["GoodnessOfFitPlotter"]

#: Height of the figure for each test, and besides, in inches.
HEIGHT, HEIGHT_MORE = 0.25, 1.2
#: Room for the text of the point furthest right, in units of the width of the axes.
ROOM = 0.12


class GoodnessOfFitPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.GoodnessOfFit`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.diagnostics import GoodnessOfFit
    >>> rows = [("all", 90, 95.0, 88.0, 13.0, 2.0, 0, 0.29)]
    >>> goodness = GoodnessOfFit(Table(rows=rows, names=list(GoodnessOfFit.COLUMNS)))
    >>> ax = goodness.plotter.plot(goodness)
    """

    def plot(self, goodness, *, ax=None):
        """Draw the statistic of each test in standard deviations from its mean.

        The p-value is written beside each test. Tests that are improbable after trials
        are red, and tests without a p-value are grey. The bands are one and two
        standard deviations. Sums of few cells are not normally distributed; use the
        p-value for these tests.

        Parameters
        ----------
        goodness : `~gammapy.diagnostics.GoodnessOfFit`
            Result.
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is new axes.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes.
        """
        table = goodness.table
        if ax is not None:
            check_plain_axes(ax)
        pulls = (table["stat"] - table["stat_expected"]) / table["stat_std"]
        pulls = np.where(table["stat_std"] > 0, pulls, np.nan)
        colors = _colors(goodness)
        with self._rc_context():
            ax = _new_axes(len(table)) if ax is None else ax
            rows = np.arange(len(table))
            for width, shade in ((2, "0.94"), (1, "0.87")):
                ax.axvspan(-width, width, color=shade, lw=0, zorder=0)
            ax.scatter(pulls, rows, c=colors, zorder=2)
            for row, pull, p_value in zip(rows, pulls, table["p_value"], strict=True):
                if np.isfinite(p_value) and np.isfinite(pull):
                    text = f"p = {p_value:.2g}"
                    ax.annotate(
                        text,
                        (pull, row),
                        xytext=(6, 0),
                        textcoords="offset points",
                        va="center",
                        fontsize="small",
                    )
            ax.set_yticks(rows, list(table["test"]))
            ax.invert_yaxis()
            ax.margins(x=0.15)
            # The texts are to the right of the points.
            low, high = ax.get_xlim()
            ax.set_xlim(low, high + ROOM * (high - low))
            ax.set_xlabel("statistic, standard deviations from its mean")
        return ax


def _colors(goodness):
    """Red for tests that are improbable after trials, grey without a p-value."""
    p_values = np.asarray(goodness.table["p_value"], dtype=float)
    threshold = goodness.meta.get("p_threshold", 0.01) / max(goodness.n_tests, 1)
    is_bad = p_values < threshold
    return np.where(np.isnan(p_values), "0.6", np.where(is_bad, "tab:red", "tab:blue"))


def _new_axes(n_tests):
    size = (7, HEIGHT * n_tests + HEIGHT_MORE)
    return plt.subplots(figsize=size, layout="constrained")[1]
