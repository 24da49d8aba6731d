# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Result of the test of the goodness of fit."""

import numpy as np
from gammapy.stats.goodness import after_trials
from gammapy.utils.plotter import LazyPlotter
from .result import DiagnosticResult

__all__ = ["GoodnessOfFit"]

#: Tests that the verdict names.
N_WORST = 3


class GoodnessOfFit(DiagnosticResult):
    """Goodness of fit of a model, from `GoodnessOfFitEstimator`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per test, the first for all cells: test, n_cells, stat (the statistic
        relative to the saturated model), stat_expected and stat_std (its mean and
        standard deviation after a fit of this model), n_absorbed (reduction of the mean
        by the fit), n_toys (number of simulations for the p-value, 0 for none) and
        p_value.
    meta : dict
        Options, seed, names of the datasets, and "fall": expected decrease of the fit
        statistic in one more step of the fit, None if it is not known.
    notes : list of str
        Limitations, one sentence each.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.diagnostics import GoodnessOfFit
    >>> names = list(GoodnessOfFit.COLUMNS)
    >>> rows = [("all", 90, 95.0, 88.0, 13.0, 2.0, 0, 0.29)]
    >>> GoodnessOfFit(Table(rows=rows, names=names), {"p_threshold": 0.01}).verdict
    'No sign of a bad fit (p = 0.29 in all 90 cells).'
    """

    COLUMNS = {
        "test": "",
        "n_cells": "",
        "stat": ".2f",
        "stat_expected": ".2f",
        "stat_std": ".2f",
        "n_absorbed": ".2f",
        "n_toys": "",
        "p_value": ".3g",
    }

    plotter = LazyPlotter("GoodnessOfFitPlotter")

    @property
    def p_value(self):
        """P-value of the test of all cells."""
        return float(self._table["p_value"][0])

    @property
    def fall(self):
        """Expected decrease of the fit statistic in one more step of the fit, about 0.

        None without a covariance, or where a file of an earlier version has none.
        """
        return self._meta.get("fall")

    @property
    def n_tests(self):
        """Number of tests with a p-value."""
        return int(np.sum(np.isfinite(self._table["p_value"])))

    @property
    def p_worst(self):
        """P-value of the worst test after trials.

        It is 1 - (1 - p)^n for n tests (Sidak 1967, JASA 62, 626). It is conservative,
        because the tests share events.
        """
        p_values = np.asarray(self._table["p_value"], dtype=float)
        p_values = p_values[np.isfinite(p_values)]
        if p_values.size == 0:
            return np.nan
        return float(after_trials(np.min(p_values), p_values.size))

    def worst(self, n=N_WORST):
        """Tests with the lowest p-values.

        Parameters
        ----------
        n : int, optional
            Number of tests. Default is 3.

        Returns
        -------
        table : `~astropy.table.Table`
            Rows of the table, the worst first.
        """
        p_values = np.asarray(self._table["p_value"], dtype=float)
        order = np.argsort(p_values, kind="stable")
        # Those without a p-value come last in the order.
        return self._table[order[: min(n, self.n_tests)]]

    @property
    def is_bad(self):
        """Whether all cells, or the worst test after trials, are improbable."""
        threshold = self._meta.get("p_threshold", 0.01)
        return bool(self.p_value < threshold or self.p_worst < threshold)

    @property
    def verdict(self):
        """One sentence: is it a good fit, and which tests are worst."""
        n_cells = self._table["n_cells"][0]
        if self.n_tests == 0:
            reason = self._notes[0] if self._notes else "No test has a p-value."
            return f"Not judged: {reason}"
        summary = f"p = {_text(self.p_value)} in all {n_cells} cells"
        if self.n_tests > 1:
            summary += (
                f", {_text(self.p_worst)} for the worst of {self.n_tests} tests "
                "after trials"
            )
        worst = ", ".join(
            f"{row['test']} (p = {_text(row['p_value'])})" for row in self.worst()
        )
        ending = f"; worst are {worst}" if self.n_tests > 1 else ""
        begin = "Not a good fit" if self.is_bad else "No sign of a bad fit"
        return f"{begin} ({summary}){ending}."


def _text(p_value):
    return f"{p_value:.2g}"
