# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps of a history of fits."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.visualization.axes import annotate_level
from gammapy.visualization.plotter import BasePlotter

__all__ = ["FitHistoryPlotter"]

#: Size of a panel, in inches, and the width of a step.
HEIGHT, WIDTH, WIDTH_MORE = 1.7, 0.9, 2.5
#: Significance and probability at which there are lines.
LEVEL, P_LEVEL = 5.0, 0.01
#: Probabilities below are arrows that point down from here.
P_MIN = 1e-20
#: The arrows of both curves are this far to either side, in steps.
SHIFT = 0.04


class FitHistoryPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.FitHistory`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> import tempfile
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import FitHistory
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = FitHistory(folder)
    ...     step = history.add("catalogue", datasets, hot_spots=False)
    ...     axes = history.plotter.plot(history)
    >>> list(axes)
    ['aic']
    """

    def plot(self, history):
        """Draw the gain of each step, in panels above each other.

        The panel "aic" has AIC and BIC relative to the best step with the same data.
        "spot" has the significance of the highest hot spot. "p_value" has the p-values
        of the goodness of fit, in all cells and in the worst test after trials;
        p-values below 1e-20 are drawn as arrows. Panels without values are left out,
        except for the first one. Lines are at 5 sigma and at a p-value of 0.01.

        Parameters
        ----------
        history : `~gammapy.diagnostics.FitHistory`
            History.

        Returns
        -------
        axes : dict of `~matplotlib.axes.Axes`
            Axes by the name of the panel.

        Raises
        ------
        ValueError
            If there is no step.
        """
        table = history.table()
        if not len(table):
            raise ValueError(f"history: there is no step in {str(history.folder)!r}.")
        names = [
            name
            for name in DRAW
            if name == "aic" or np.any(np.isfinite(table[name].astype(float)))
        ]
        with self._rc_context():
            size = (WIDTH * len(table) + WIDTH_MORE, HEIGHT * len(names) + 0.8)
            _, axes = plt.subplots(
                len(names),
                sharex=True,
                squeeze=False,
                figsize=size,
                layout="constrained",
            )
            axes = dict(zip(names, axes[:, 0], strict=True))
            for name, ax in axes.items():
                DRAW[name](ax, table)
            last = axes[names[-1]]
            last.set_xticks(
                range(len(table)), list(table["name"]), rotation=30, ha="right"
            )
        return axes


def _draw_criteria(ax, table):
    """AIC and BIC above the best step of the same data."""
    for name, marker in (("aic", "o"), ("bic", "s")):
        values = np.array(table[name], dtype=float)
        for group in np.unique(table["data"]):
            is_same = np.asarray(table["data"] == group) & np.isfinite(values)
            if is_same.any():
                values[is_same] -= values[is_same].min()
        ax.plot(values, marker=marker, ls=":", label=name.upper())
    ax.set_yscale("symlog", linthresh=10)
    ax.set_ylim(bottom=-1)
    ax.set_ylabel("above the best")
    ax.legend()


def _draw_spots(ax, table):
    """Significance of the highest spot; an arrow where there is none."""
    spots = np.array(table["spot"], dtype=float)
    number = np.ma.filled(np.ma.asarray(table["n_spots"]), -1)
    ax.plot(np.abs(spots), marker="o", ls=":")
    without = np.flatnonzero(number == 0)
    if without.size:
        ax.plot(without, np.zeros(without.size), "v", color="C0", label="no spot")
        ax.legend()
    annotate_level(ax, LEVEL, rf"{LEVEL:g}$\sigma$")
    ax.set_ylabel(r"highest spot [$\sigma$]")


def _draw_p_value(ax, table):
    """Probabilities of the goodness of fit."""
    for name, label, marker, shift in (
        ("p_value", "all cells", "o", -SHIFT),
        ("p_worst", "worst test", "s", SHIFT),
    ):
        p_values = np.array(table[name], dtype=float)
        is_below = p_values < P_MIN
        shown = np.clip(p_values, P_MIN, None)
        (line,) = ax.plot(shown, ls=":", label=label, marker=marker)
        line.set_markevery(np.flatnonzero(~is_below).tolist())
        _plot_arrows(ax, np.flatnonzero(is_below) + shift, line.get_color())
    ax.set_yscale("log")
    # Room for the arrows.
    ax.set_ylim(bottom=max(ax.get_ylim()[0], P_MIN / 1e4))
    annotate_level(ax, P_LEVEL, f"{P_LEVEL:g}")
    ax.set_ylabel("p of the fit")
    handles, labels = ax.get_legend_handles_labels()
    # One entry for the arrows of both curves.
    entries = dict(zip(labels, handles, strict=True))
    ax.legend(entries.values(), entries.keys())


def _plot_arrows(ax, x, color):
    """Arrows down from the least probability that is drawn."""
    if not x.size:
        return
    ax.errorbar(
        x,
        np.full(x.size, P_MIN),
        yerr=P_MIN * 0.999,
        uplims=True,
        fmt="none",
        color=color,
        label=f"below {P_MIN:g}",
    )


DRAW = {"aic": _draw_criteria, "spot": _draw_spots, "p_value": _draw_p_value}
