# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps of a history of fits."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.visualization.plotter import BasePlotter

__all__ = ["FitHistoryPlotter"]

#: Size of a panel, in inches, and the width of a step.
HEIGHT, WIDTH, WIDTH_MORE = 1.7, 0.9, 2.5
#: Significance and probability at which there are lines.
LEVEL, P_LEVEL = 5.0, 0.01
#: Probabilities below are drawn here.
P_MIN = 1e-20


class FitHistoryPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.FitHistory`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings that hold while it draws. Default is None.

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
        """Draw what each step was worth, one panel above the other.

        "aic" has AIC and BIC above those of the best step with the same data, "spot"
        the significance of the highest spot, "p_value" the probability of the goodness
        of fit in all cells and that of the worst test after trials, at least 1e-20.
        Panels without any value are left out, but for the first.

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
    ax.plot(np.flatnonzero(number == 0), np.zeros(np.sum(number == 0)), "v", color="C0")
    ax.axhline(LEVEL, color="0.7", lw=1)
    ax.set_ylabel("highest spot [sigma]")


def _draw_p_value(ax, table):
    """Probabilities of the goodness of fit."""
    for name, label, marker in (
        ("p_value", "all cells", "o"),
        ("p_worst", "worst test", "s"),
    ):
        p_values = np.clip(np.array(table[name], dtype=float), P_MIN, None)
        ax.plot(p_values, marker=marker, ls=":", label=label)
    ax.axhline(P_LEVEL, color="0.7", lw=1)
    ax.set_yscale("log")
    ax.set_ylabel("p of the fit")
    ax.legend()


DRAW = {"aic": _draw_criteria, "spot": _draw_spots, "p_value": _draw_p_value}
