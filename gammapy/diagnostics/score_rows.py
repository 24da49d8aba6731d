# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rows of the table of score tests."""

from dataclasses import dataclass, field
import numpy as np
from astropy.table import Table
from gammapy.stats.goodness import after_trials
from .score_steps import SMALL, p_value_of

__all__ = []


@dataclass
class Changed:
    """Value of a parameter before and after a step.

    Parameters
    ----------
    component, name : str
        Names of the model and of the parameter.
    place : int
        Which one it is of those of this name in the model.
    unit : str
        Unit.
    before, value : float
        Values.
    """

    component: str
    name: str
    place: int
    unit: str
    before: float
    value: float

    def __str__(self):
        is_place = self.name in ("lon_0", "lat_0")
        show = "{:.4f}" if is_place else "{:.3g}"
        before, value = (show.format(number) for number in (self.before, self.value))
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name}: {before} -> {value}{unit}"


@dataclass
class Row:
    """One test.

    Parameters
    ----------
    name, kind, component : str
        As the columns of the table, see `ScoreTests`.
    n_free, n_one_sided : int
        Number of parameters that are freed, and how many start at a bound.
    ts, ts_step : float
        What is expected and what the step gains.
    changed : list of `Changed`
        Parameters.
    p_local : float
        Probability where it is known otherwise, at least that of the TS. Default is
        NaN, that of the TS.
    model : dict or None
        New source. Default is None.
    is_rough : bool
        Whether the statistic jumps, as where hard edges pass pixels, so that no
        expectation is exact. Default is False.
    """

    name: str
    kind: str
    component: str
    n_free: int
    n_one_sided: int
    ts: float
    ts_step: float
    changed: list = field(default_factory=list)
    p_local: float = np.nan
    model: dict | None = None
    is_rough: bool = False

    def is_flagged(self, max_difference):
        """Whether the step gains something else than expected, or may well do so."""
        if self.is_rough:
            return True
        difference = abs(self.ts - self.ts_step)
        return not difference <= max(max_difference * self.ts, SMALL)

    def columns(self, max_difference, n_tests):
        """Columns of the table."""
        is_flagged = self.is_flagged(max_difference)
        # What a step gains is certain, what is expected beyond it is not.
        ts = np.nan_to_num(self.ts_step) if is_flagged else self.ts
        one_sided = min(self.n_one_sided, 1)
        p_local = p_value_of(max(ts, 0.0), self.n_free, n_one_sided=one_sided)
        # A spot that models explain by now is none any more.
        p_local = np.fmax(self.p_local, p_local)
        values = [changed.value for changed in self.changed]
        is_single = len(values) == 1 or self.kind == "source"
        return {
            "name": self.name,
            "kind": self.kind,
            "n_free": self.n_free,
            "value": values[0] if is_single else np.nan,
            "ts": self.ts,
            "ts_step": self.ts_step,
            "p_value": float(after_trials(p_local, n_tests)),
            "flag": is_flagged,
            "p_local": float(p_local),
            "component": self.component,
            "change": self._change(),
        }

    def _change(self):
        """All changes as a text; of several components with their names."""
        is_one = len({changed.component for changed in self.changed}) == 1
        names = ["" if is_one else f"{part.component} " for part in self.changed]
        return "; ".join(
            f"{name}{part}" for name, part in zip(names, self.changed, strict=True)
        )

    def step(self):
        """How the step is taken, as plain data."""
        step = {
            "kind": self.kind,
            "parameters": [
                [part.component, part.name, part.place, part.unit, float(part.value)]
                for part in self.changed
            ],
        }
        return step if self.model is None else step | {"model": self.model}


#: Columns of a table without rows.
EMPTY = Row("", "", "", 0, 0, 0.0, 0.0)


def ranked(rows, max_difference):
    """Table of tests, the most significant first, and their steps.

    Parameters
    ----------
    rows : list of `Row`
        Tests.
    max_difference : float
        Relative difference above which a test is flagged.

    Returns
    -------
    table : `~astropy.table.Table`
        Table.
    steps : list of dict
        Step of each row.
    """
    columns = [row.columns(max_difference, len(rows)) for row in rows]
    order = sorted(
        range(len(rows)), key=lambda idx: (columns[idx]["p_local"], -rows[idx].ts)
    )
    table = Table(rows=[columns[idx] for idx in order])
    if not rows:
        table = Table(rows=[EMPTY.columns(max_difference, 1)])[:0]
    return table, [rows[idx].step() for idx in order]
