# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Score tests: what freeing parameters would gain."""

import numpy as np
import matplotlib.pyplot as plt
from gammapy.utils.arguments import check_integer
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.plotter import BasePlotter

__all__ = ["ScoreTestsPlotter"]

#: Height of the figure for each test, and besides, in inches.
HEIGHT, HEIGHT_MORE = 0.28, 1.2

#: Where the axis is no longer linear: TS of 1.
LINEAR = 1.0

#: End of the axis in units of the highest TS, beyond which there is room for a text.
ROOM = 6.0


class ScoreTestsPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.ScoreTests`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.diagnostics import ScoreTests
    >>> row = {"name": "tilt of run-bkg", "kind": "background", "component": "run-bkg"}
    >>> row |= {"n_free": 1, "value": 0.1, "change": "tilt: 0 -> 0.1", "ts": 24.3}
    >>> row |= {"ts_step": 24.1, "p_local": 8e-7, "p_value": 8e-6, "flag": False}
    >>> tests = ScoreTests(Table([row]))
    >>> ax = tests.plotter.plot(tests)
    """

    def plot(self, tests, *, n_most=20, ax=None):
        """Draw the expected gain of each test, and the gain of its step.

        Bars are the expected TS, points are the TS of the evaluated step. The p-value
        after trials is written beside them. Significant tests are red, and flagged
        tests have hatched bars.

        Parameters
        ----------
        tests : `~gammapy.diagnostics.ScoreTests`
            Result.
        n_most : int, optional
            Number of tests to draw, the most significant first. Default is 20.
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is new axes.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes.
        """
        n_most = check_integer("n_most", n_most, expected="a number of tests")
        if ax is not None:
            check_plain_axes(ax)
        table = tests.table[:n_most]
        is_found = table["p_value"] < tests.meta.get("p_threshold", 0.01)
        colors = np.where(is_found, "tab:red", "tab:blue")
        with self._rc_context():
            ax = _new_axes(len(table)) if ax is None else ax
            rows = np.arange(len(table))
            bars = ax.barh(rows, table["ts"], color=colors, alpha=0.4, label="expected")
            for bar, is_flagged in zip(bars, table["flag"], strict=True):
                bar.set_hatch("///" if is_flagged else "")
            steps = np.asarray(table["ts_step"], dtype=float)
            ax.scatter(steps, rows, c=colors, zorder=2, label="of the step")
            for row, test in enumerate(table):
                end = np.nanmax([test["ts"], test["ts_step"], 0])
                ax.annotate(
                    f"p = {test['p_value']:.2g}",
                    (end, row),
                    xytext=(8, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize="small",
                )
            ax.set_yticks(
                rows, [f"{test['name']} ({test['n_free']})" for test in table]
            )
            ax.invert_yaxis()
            ax.set_xscale("symlog", linthresh=LINEAR)
            known = [0.0, *table["ts"], *steps[np.isfinite(steps)]]
            ax.set_xlim(min(known), ROOM * max(*known, LINEAR))
            ax.set_xlabel("gain in TS")
            if len(table):
                ax.legend(loc="lower right", fontsize="small")
        return ax


def _new_axes(n_tests):
    size = (8, HEIGHT * max(n_tests, 1) + HEIGHT_MORE)
    return plt.subplots(figsize=size, layout="constrained")[1]
