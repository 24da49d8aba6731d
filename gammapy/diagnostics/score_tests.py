# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Result of the score tests: what to free or to add next."""

import numpy as np
from gammapy.utils.arguments import check_type, did_you_mean, show
from gammapy.utils.plotter import LazyPlotter
from .result import DiagnosticResult
from .score_taken import take_step

__all__ = ["ScoreTests"]


class ScoreTests(DiagnosticResult):
    """Expected gain of freeing parameters or adding sources.

    Created by `ScoreTestEstimator`, with the most significant test first. Columns of
    the table:

    - ``name``: name of the test, such as "tilt of bin-3-bkg" or "curvature of src";
    - ``kind``: "background", "spectrum", "position", "size", "shape" (frozen
      parameters), "curvature", "cutoff", "extension", "profile" (another model of the
      same source), "joint" (several together), or "source";
    - ``component``: name of the model, "several" for those of several;
    - ``n_free``: number of parameters that are freed;
    - ``value``: expected value of the parameter, NaN if there are several;
    - ``change``: expected values of all parameters, with units, as a text;
    - ``ts``: expected gain of a new fit in TS;
    - ``ts_step``: gain of the step to the expected values, with all free parameters
      adjusted, computed from the counts. A fit gains at least as much;
    - ``p_local``: probability of such a TS if there is nothing to free, from
      ``ts_step`` if the test is flagged;
    - ``p_value``: the same after trials, for the number of tests;
    - ``flag``: whether ``ts`` and ``ts_step`` differ by more than 10 percent, or the
      spatial model has edges sharper than the pixels: the fit statistic is not
      parabolic over the step, and only a fit gives the gain.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Rows.
    meta : dict
        Options, and the step of each test.
    notes : list of str
        Limitations, one sentence each.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from gammapy.diagnostics import ScoreTests
    >>> row = {"name": "tilt of run-bkg", "kind": "background", "component": "run-bkg"}
    >>> row |= {"n_free": 1, "value": 0.1, "change": "tilt: 0 -> 0.1", "ts": 24.3}
    >>> row |= {"ts_step": 24.1, "p_local": 8e-7, "p_value": 8e-6, "flag": False}
    >>> tests = ScoreTests(Table([row]))
    >>> tests.verdict
    'Freeing the tilt of run-bkg would gain TS = 24 (p = 8e-06 after trials).'
    """

    COLUMNS = {
        "name": "<",
        "kind": "<",
        "n_free": "",
        "value": ".4g",
        "ts": ".2f",
        "ts_step": ".2f",
        "p_value": ".2g",
        "flag": "",
        "p_local": ".2g",
        "component": "<",
        "change": "<",
    }

    plotter = LazyPlotter("ScoreTestsPlotter")

    #: Tests that the verdict names.
    N_NAMED = 3

    @property
    def n_significant(self):
        """Number of tests with a p-value below the threshold."""
        return int(np.sum(self._table["p_value"] < self._threshold))

    @property
    def _threshold(self):
        return self._meta.get("p_threshold", 0.01)

    @property
    def verdict(self):
        """One sentence: what to free next, and the expected gain."""
        if not len(self._table):
            return "Nothing is frozen that could be tested."
        rows = list(self._table[: min(self.n_significant, self.N_NAMED)])
        if not rows:
            row = self._table[0]
            return (
                f"Nothing that was tested gains much: the most would be {_phrase(row)} "
                f"with {_gain(row)}."
            )
        texts = [
            f"{_phrase(row)} would gain {_gain(row)}"
            if number == 0
            else f"{_phrase(row)} {_gain(row)}"
            for number, row in enumerate(rows)
        ]
        text = ", ".join(texts)
        more = self.n_significant - len(rows)
        text += f", and {more} more tests" if more else ""
        return f"{text[0].upper()}{text[1:]}."

    def take(self, name, models):
        """Models of the next fit, after the step of one test.

        The parameters of the test are free and have their expected values. All other
        parameters do not change.

        Parameters
        ----------
        name : str
            Name of the test, as in the table.
        models : `~gammapy.modeling.models.Models`
            Models that were tested. They are not changed.

        Returns
        -------
        models : `~gammapy.modeling.models.Models`
            Copy of the models.

        Raises
        ------
        ValueError
            If there is no such test, or the models lack its component.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> from gammapy.diagnostics import ScoreTestEstimator
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> tests = ScoreTestEstimator().run(datasets)
        >>> models = tests.take(tests.table["name"][0], datasets.models)
        """
        check_type("name", name, str, "the name of a test")
        known = [str(known) for known in self._table["name"]]
        if str(name) not in known:
            hint = did_you_mean(name, known)
            raise ValueError(
                f"name: there is no test {show(name)}{hint}; see the column 'name' "
                "of the table."
            )
        return take_step(models, self._meta["steps"][known.index(str(name))])

    def _summary(self):
        return {name: value for name, value in self._meta.items() if name != "steps"}


#: How a test is spoken of.
PHRASES = {
    "background": "freeing the {name}",
    "spectrum": "freeing the {name}",
    "position": "freeing the {name}",
    "size": "freeing the {name}",
    "shape": "freeing the {name}",
    "curvature": "a log parabola for {component}",
    "cutoff": "an exponential cutoff of {component}",
    "extension": "a Gaussian instead of the point source {component}",
    "profile": "a generalized Gaussian for {component}",
    "joint": "freeing {name}",
    "source": "the new source {component}",
}


def _phrase(row):
    phrase = PHRASES.get(row["kind"], "{name}")
    return phrase.format(name=row["name"], component=row["component"])


def _gain(row):
    """TS and p-value in words; where a test is flagged what is certain."""
    # A step too far loses; a fit would not make it.
    ts = max(row["ts_step"], 0) if row["flag"] else row["ts"]
    least = "at least " if row["flag"] else ""
    return f"TS = {least}{_digits(ts)} (p = {row['p_value']:.2g} after trials)"


def _digits(ts):
    return f"{ts:.0f}" if ts >= 10 else f"{ts:.2g}"
