# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What changed between two steps of a history."""

from html import escape
import numpy as np
from scipy.stats import norm
import astropy.units as u
from astropy.table import Table
from .history_record import is_free, number
from .history_table import criteria
from .nested import LikelihoodRatio

__all__ = ["StepComparison"]

#: Change of a parameter, in errors, above which the text names it.
N_ERRORS = 1.0
#: Change of a test, in sigma, above which the text names it.
N_SIGMA = 1.0
#: Spots are the same within this share of the larger radius.
REACH = 1.0
#: Lines of a kind in the text.
MOST = 10


class StepComparison:
    """Differences between two steps of a `FitHistory`.

    Parameters
    ----------
    before, after : `HistoryStep`
        Steps.

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
    ...     datasets.models["Crab Nebula"].spectral_model.amplitude.value *= 1.1
    ...     step = history.add("brighter", datasets, hot_spots=False)
    ...     comparison = history.compare("catalogue", "brighter")
    >>> row = comparison.parameters[0]
    >>> print(row["name"], f"{row['value'] / row['value_before']:.2f}")
    Crab Nebula.spectral.amplitude 1.10
    """

    def __init__(self, before, after):
        self._records = before.record, after.record
        self._ratio = LikelihoodRatio.from_records(*self._records)
        self._parameters = _compare_parameters(*self._records)
        self._spots = _compare_spots(before.hot_spots, after.hot_spots)
        self._tests = _compare_tests(before.goodness, after.goodness)

    @property
    def names(self):
        """Names of both steps."""
        return tuple(record["name"] for record in self._records)

    @property
    def ts(self):
        """Statistic of the first step minus the second; NaN if the data differ."""
        return self._ratio.ts

    @property
    def n_dof(self):
        """Number of additional parameters; None if the data differ."""
        return self._ratio.n_dof

    @property
    def sigma(self):
        """Significance of the second step over the first by Wilks' theorem.

        It is NaN if the models are not nested, and doubtful if there are `caveats`.
        """
        return self._ratio.sigma

    @property
    def caveats(self):
        """Why ``sigma`` is doubtful or missing, a list of sentences."""
        return self._ratio.sentences

    @property
    def aic(self):
        """AIC of the second step minus that of the first; NaN if the data differ."""
        return self._difference("aic")

    @property
    def bic(self):
        """BIC of the second step minus that of the first; NaN if the data differ."""
        return self._difference("bic")

    def _difference(self, name):
        before, after = (criteria(record)[name] for record in self._records)
        return np.nan if self.n_dof is None else after - before

    @property
    def parameters(self):
        """Parameters that changed, a `~astropy.table.Table`, the largest change first.

        Columns: ``name``; ``change``: "moved", "freed", "frozen", "new" or "gone";
        ``value_before``, ``error_before``, ``value``, ``error``, ``unit``; and
        ``n_errors``, the difference of the values in units of the error before, or of
        the error after if there is none before.
        """
        return self._parameters.copy()

    @property
    def components(self):
        """Components that were added, removed or have another type, a list of str."""
        before, after = (
            {row["name"]: row["parts"] for row in record["components"]}
            for record in self._records
        )
        changes = [f"new: {name}" for name in after if name not in before]
        changes += [f"gone: {name}" for name in before if name not in after]
        for name in [name for name in after if name in before]:
            for kind in dict.fromkeys([*before[name], *after[name]]):
                was, now = (parts[name].get(kind, "none") for parts in (before, after))
                if was != now:
                    changes.append(f"{kind} model of {name}: {was} is now {now}")
        return changes

    @property
    def spots(self):
        """Spots of either step, a `~astropy.table.Table`; None without both searches.

        Columns: ``change``: "came", "went" or "stayed"; ``lon``, ``lat``,
        ``sqrt_ts_before`` and ``sqrt_ts``, NaN if it is not a spot. Two spots are the
        same if their distance is at most the larger of their radii.
        """
        return None if self._spots is None else self._spots.copy()

    @property
    def tests(self):
        """Tests of the goodness of fit, a `~astropy.table.Table`; None without both.

        Columns: ``test``, ``p_value_before``, ``p_value`` and ``change``, the number of
        standard deviations by which the test became worse.
        """
        return None if self._tests is None else self._tests.copy()

    @property
    def verdict(self):
        """One sentence about the gain of the second step."""
        before, after = self.names
        begin = f"{after!r} against {before!r}: "
        if self.n_dof is None:
            return begin + self.caveats[0][:1].lower() + self.caveats[0][1:]
        n_dof = abs(self.n_dof)
        kind = "more" if self.n_dof >= 0 else "fewer"
        plural = "" if n_dof == 1 else "s"
        text = f"{begin}TS = {self.ts:.1f} for {n_dof} {kind} parameter{plural}"
        words = self._ratio.words
        if np.isfinite(self.sigma):
            text += f", {self.sigma:.1f} sigma"
            text += f" (doubtful: {words})" if words else ""
        elif words:
            text += f" (no sigma: {words})"
        if np.isfinite(self.aic):
            direction = "falls" if self.aic < 0 else "rises"
            text += f"; AIC {direction} by {abs(self.aic):.1f}"
        return f"{text}{self._spot_text()}."

    def _spot_text(self):
        """What became of the highest spot."""
        highest = [(record.get("spots") or {}) for record in self._records]
        if not all(highest):
            return ""
        was, now = (_highest(facts) for facts in highest)
        return f"; the highest spot was {was}, is {now}"

    def to_dict(self):
        """All of the comparison as plain data.

        Returns
        -------
        data : dict
            Entries by the names of the properties; None for what is not finite.
        """
        return {
            "names": list(self.names),
            "verdict": self.verdict,
            **{
                name: _finite(getattr(self, name))
                for name in ("ts", "sigma", "aic", "bic")
            },
            "n_dof": self.n_dof,
            "caveats": self.caveats,
            "components": self.components,
            **{
                name: None if table is None else _rows(table)
                for name, table in (
                    ("parameters", self._parameters),
                    ("spots", self._spots),
                    ("tests", self._tests),
                )
            },
        }

    def __str__(self):
        lines = [self.verdict]
        lines += _section("Doubts about sigma", self.caveats)
        lines += _section("Data", _data_changes(*self._records))
        lines += _section("Components", self.components)
        lines += _section("Parameters", map(_parameter_text, self._shown_parameters()))
        lines += _section("Spots", map(_spot_line, self._changed(self._spots)))
        lines += _section("Worse tests", map(_test_text, self._worse_tests()))
        return "\n".join(lines) + "\n"

    def _repr_html_(self):
        return f"<pre>{escape(str(self))}</pre>"

    def _shown_parameters(self):
        return [
            row
            for row in self._parameters
            if row["change"] in ("freed", "frozen")
            or (row["change"] == "moved" and not abs(row["n_errors"]) < N_ERRORS)
        ]

    def _changed(self, table):
        return [] if table is None else [row for row in table if _is_told(row)]

    def _worse_tests(self):
        if self._tests is None:
            return []
        return [row for row in self._tests if row["change"] >= N_SIGMA]


def _is_told(row):
    """Whether a spot is worth a line: it came, went, or is another one by 1 sigma."""
    change = abs(abs(row["sqrt_ts"]) - abs(row["sqrt_ts_before"]))
    return row["change"] != "stayed" or change >= 1


def _section(title, lines):
    """Lines under a title, none when there are none."""
    lines = list(lines)
    shown = [f"  {line}" for line in lines[:MOST]]
    if len(lines) > MOST:
        shown.append(f"  and {len(lines) - MOST} more")
    return [f"{title}:", *shown] if lines else []


def _highest(facts):
    if "sqrt_ts" not in facts:
        threshold = facts.get("threshold")
        return "below the threshold" if threshold is None else f"below {threshold:.3g}"
    return f"{number(facts['sqrt_ts']):+.1f} sigma"


def _data_changes(before, after):
    """Datasets that came, went or are other files."""
    was, now = (
        {row["name"]: row["filename"] for row in record["datasets"]}
        for record in (before, after)
    )
    changes = [f"new: {name}" for name in now if name not in was]
    changes += [f"gone: {name}" for name in was if name not in now]
    changes += [
        f"changed: {name}" for name in now if name in was and was[name] != now[name]
    ]
    return changes


def _compare_parameters(before, after):
    """Table of the parameters that differ."""
    was, now = (
        {row["name"]: row for row in record["parameters"] if not row["link"]}
        for record in (before, after)
    )
    rows = []
    for name in [*now, *(name for name in was if name not in now)]:
        change = _change(was.get(name), now.get(name))
        if change:
            rows.append({"name": name, "change": change} | _values(was, now, name))
    columns = ("name", "change", "value_before", "error_before", "value", "error")
    columns += ("unit", "n_errors")
    rows.sort(key=lambda row: -abs(np.nan_to_num(row["n_errors"])))
    kinds = [str, str, float, float, float, float, str, float]
    table = Table(
        {
            name: np.array([row[name] for row in rows], dtype=kind)
            for name, kind in zip(columns, kinds, strict=True)
        }
    )
    for name in ("value_before", "error_before", "value", "error"):
        table[name].info.format = ".4g"
    table["n_errors"].info.format = "+.2f"
    return table


def _change(was, now):
    """What happened to a parameter, "" for nothing."""
    if was is None or now is None:
        present = now if was is None else was
        kind = "new" if was is None else "gone"
        return kind if is_free(present) else ""
    if is_free(was) != is_free(now):
        return "freed" if is_free(now) else "frozen"
    return "moved" if was["value"] != now["value"] else ""


def _values(was, now, name):
    """Values and errors of a parameter, and their difference."""
    old, new = was.get(name, {}), now.get(name, {})
    values = {
        "value_before": number(old.get("value")),
        "error_before": number(old.get("error")),
        "value": number(new.get("value")),
        "error": number(new.get("error")),
        "unit": (new or old)["unit"],
    }
    scale = values["error_before"]
    if not scale > 0:
        scale = values["error"]
    difference = values["value"] - values["value_before"]
    values["n_errors"] = difference / scale if scale > 0 else np.nan
    return values


def _parameter_text(row):
    unit = f" {row['unit']}" if row["unit"] else ""
    text = f"{row['name']}: {row['value_before']:.4g} is now {row['value']:.4g}{unit}"
    if np.isfinite(row["n_errors"]):
        text += f" ({row['n_errors']:+.1f} errors)"
    return text if row["change"] == "moved" else f"{text}, {row['change']}"


def _compare_spots(before, after):
    """Table of the spots of two searches."""
    if before is None or after is None:
        return None
    pairs = _matched(before, after)
    old, new = before.table, after.table
    rows = []
    for idx in range(len(new)):
        was = old[pairs[idx]] if idx in pairs else None
        rows.append(_spot_row(new[idx], was, new[idx]))
    gone = [idx for idx in range(len(old)) if idx not in pairs.values()]
    rows += [_spot_row(old[idx], old[idx], None) for idx in gone]
    names = ("change", "lon", "lat", "sqrt_ts_before", "sqrt_ts", "nearest")
    kinds = (str, float, float, float, float, str)
    table = Table(
        {
            name: np.array([row[idx] for row in rows], dtype=kind)
            for idx, (name, kind) in enumerate(zip(names, kinds, strict=True))
        }
    )
    for name in ("lon", "lat"):
        table[name].unit = "deg"
        table[name].info.format = ".3f"
    for name in ("sqrt_ts_before", "sqrt_ts"):
        table[name].info.format = "+.1f"
    return table


def _matched(before, after):
    """Number of the former spot of each spot that stayed, the nearest ones first."""
    old, new = before.table, after.table
    if not (len(old) and len(new)):
        return {}
    distance = after.positions[:, np.newaxis].separation(before.positions).deg
    radii = (u.Quantity(table["radius"], "deg").value for table in (new, old))
    reach = REACH * np.maximum.outer(*radii)
    same_sign = np.equal.outer(
        np.sign(np.asarray(new["sqrt_ts"])), np.sign(np.asarray(old["sqrt_ts"]))
    )
    distance = np.where(same_sign & (distance <= reach), distance, np.inf)
    pairs = {}
    for flat in np.argsort(distance, axis=None):
        idx, old_idx = np.unravel_index(flat, distance.shape)
        if not np.isfinite(distance[idx, old_idx]):
            break
        if idx not in pairs and old_idx not in pairs.values():
            pairs[int(idx)] = int(old_idx)
    return pairs


def _spot_row(place, was, now):
    change = "came" if was is None else "went" if now is None else "stayed"
    sqrt_ts = [np.nan if row is None else row["sqrt_ts"] for row in (was, now)]
    return (change, place["lon"], place["lat"], *sqrt_ts, place["nearest"])


def _spot_line(row):
    where = f"{row['lon']:.2f}, {row['lat']:+.2f} deg"
    if row["nearest"]:
        where += f" near {row['nearest']}"
    if row["change"] == "stayed":
        was, now = row["sqrt_ts_before"], row["sqrt_ts"]
        return f"stayed: {was:+.1f} is now {now:+.1f} sigma at {where}"
    sqrt_ts = row["sqrt_ts_before"] if row["change"] == "went" else row["sqrt_ts"]
    return f"{row['change']}: {sqrt_ts:+.1f} sigma at {where}"


def _compare_tests(before, after):
    """Table of the tests that both steps have."""
    if before is None or after is None:
        return None
    was, now = (
        {row["test"]: row["p_value"] for row in goodness.table}
        for goodness in (before, after)
    )
    names = [name for name in now if name in was]
    table = Table({"test": np.array(names, dtype=str)})
    table["p_value_before"] = np.array([was[name] for name in names], dtype=float)
    table["p_value"] = np.array([now[name] for name in names], dtype=float)
    sigma = [norm.isf(table[name]) for name in ("p_value_before", "p_value")]
    with np.errstate(invalid="ignore"):
        table["change"] = sigma[1] - sigma[0]
    table["change"].info.format = "+.1f"
    for name in ("p_value_before", "p_value"):
        table[name].info.format = ".2g"
    return table


def _test_text(row):
    return f"{row['test']}: p = {row['p_value_before']:.2g} is now {row['p_value']:.2g}"


def _finite(value):
    return float(value) if np.isfinite(value) else None


def _rows(table):
    """Rows as plain data."""
    rows = []
    for row in table:
        values = {name: row[name].item() for name in table.colnames}
        rows.append(
            {
                name: _finite(value) if isinstance(value, float) else value
                for name, value in values.items()
            }
        )
    return rows
