# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Comparison of two fits of the same data, and its limits.

The difference TS of the statistics of nested models has a chi2 distribution with as
many degrees of freedom as the larger model has more parameters (Wilks 1938, Annals of
Mathematical Statistics 9, 60), if the smaller model is a special case of the larger
one, is not at a bound, and each additional parameter is defined in it. An additional
source violates these conditions: its flux starts at a bound (Chernoff 1954, Annals of
Mathematical Statistics 25, 573), and its position is not defined without it (Davies
1977, Biometrika 64, 247; Protassov et al. 2002, ApJ 571, 545).
"""

from dataclasses import dataclass, field
import numpy as np
from gammapy.datasets.component_ts import sigma_of
from .history_record import is_free, number

__all__ = ["LikelihoodRatio"]

#: Statistics that differ by less are the same.
TOLERANCE = 0.01
#: Relative difference of values that are the same.
SAME = 1e-6

#: What a parameter of a shape is called.
ASPECTS = {
    **dict.fromkeys(("lon_0", "lat_0"), "position"),
    **dict.fromkeys(("sigma", "r_0", "radius", "width", "edge_width"), "size"),
    **dict.fromkeys(("e", "phi", "eta", "edge"), "shape"),
}
#: Parameters that say how much there is of a component.
AMOUNTS = ("amplitude", "norm", "amplitude1", "amplitude2")
#: Models that are the same as another one where some parameters have these values, and
#: the names under which the other one has the rest.
LARGER = {
    ("PowerLawSpectralModel", "LogParabolaSpectralModel"): (
        {"beta": 0.0},
        {"alpha": "index"},
    ),
    ("PowerLawSpectralModel", "ExpCutoffPowerLawSpectralModel"): ({"lambda_": 0.0}, {}),
    ("PointSpatialModel", "GaussianSpatialModel"): ({"sigma": 0.0}, {}),
    ("PointSpatialModel", "DiskSpatialModel"): ({"r_0": 0.0}, {}),
    ("PointSpatialModel", "GeneralizedGaussianSpatialModel"): ({"r_0": 0.0}, {}),
    ("GaussianSpatialModel", "GeneralizedGaussianSpatialModel"): (
        {"eta": 0.5},
        {"r_0": "sigma"},
    ),
}
#: Parameters of spectra whose reference energy is a convention.
POWER_LAWS = {"reference", "amplitude", "index", "alpha", "beta", "lambda_"}
#: Parameters that cannot be below 0 whatever their limits say.
NOT_NEGATIVE = ("sigma", "r_0", "e", "lambda_")


@dataclass
class LikelihoodRatio:
    """Difference of two fits, the second of which may have more parameters.

    Parameters
    ----------
    ts : float
        Statistic of the first fit minus that of the second, NaN if the data differ.
    n_dof : int or None
        Number of additional parameters of the second fit, None if the data differ.
    sigma : float
        Significance of the second fit over the first by Wilks' theorem; NaN if the
        models are not nested or TS does not follow a chi2 distribution.
    caveats : dict
        Lists of sentences by a short word: why sigma is doubtful or missing.

    Examples
    --------
    >>> from gammapy.diagnostics.nested import LikelihoodRatio
    >>> ratio = LikelihoodRatio(25.0, 1, 5.0, {"bound": ["It cannot be below 0."]})
    >>> ratio.words, ratio.sentences
    ('bound', ['It cannot be below 0.'])
    """

    ts: float
    n_dof: int | None
    sigma: float
    caveats: dict = field(default_factory=dict)

    @classmethod
    def from_records(cls, before, after):
        """Compare two steps.

        Parameters
        ----------
        before, after : dict
            Facts of the steps, see `gammapy.diagnostics.history_record`.

        Returns
        -------
        ratio : `LikelihoodRatio`
            Comparison.
        """
        if not is_same_data(before, after):
            return cls(np.nan, None, np.nan, {"other data": [_other_data(before)]})
        ts = number(before["stat"]) - number(after["stat"])
        n_dof = after["n_free"] - before["n_free"]
        caveats = _Caveats()
        _add_problems_of_fits(caveats, before, after, ts)
        is_nested = _add_structure(caveats, before, after)
        has_chi2 = not (before["is_weighted"] or after["is_weighted"])
        sigma = np.nan
        if is_nested and has_chi2 and n_dof > 0 and ts >= 0:
            sigma = sigma_of(ts, n_dof)
        return cls(ts, n_dof, sigma, dict(caveats))

    @property
    def words(self):
        """Short words of the caveats, separated by commas."""
        return ", ".join(self.caveats)

    @property
    def sentences(self):
        """All caveats, a list of str."""
        return [text for texts in self.caveats.values() for text in texts]


def is_same_data(before, after):
    """Whether two steps have the same counts, bins and masks."""
    return bool(before["data"]) and before["data"] == after["data"]


def _other_data(before):
    if not before["data"]:
        return "The data of such datasets cannot be compared."
    return "Counts, bins or masks differ: statistics cannot be compared."


class _Caveats(dict):
    """Sentences by a short word, each once."""

    def add(self, word, sentence):
        sentences = self.setdefault(word, [])
        if sentence not in sentences:
            sentences.append(sentence)


def _add_problems_of_fits(caveats, before, after, ts):
    """What is wrong with the fits, or their statistics."""
    for record in (before, after):
        name = record["name"]
        fit = record["fit"]
        if fit is None:
            caveats.add("not fitted", f"{name!r} was not fitted.")
        elif not fit["success"]:
            caveats.add("fit failed", f"The fit of {name!r} failed.")
        if record["is_weighted"]:
            caveats.add("weighted", f"TS of weighted data of {name!r} is not a chi2.")
    if after["n_free"] >= before["n_free"] and ts < -TOLERANCE:
        caveats.add(
            "rose",
            f"The statistic rose by {-ts:.2g} although no parameter was removed: "
            "the models are not nested, or a fit has not found the minimum.",
        )


def _add_structure(caveats, before, after):
    """What the models say; whether the first is inside the second."""
    rows = {row["name"]: row for row in after["parameters"]}
    start = _StartingPoint(before, after)
    for sentence in start.reasons_against():
        caveats.add("not nested", sentence)
    _add_new_components(caveats, after, start)
    is_any_freed = any(start.is_freed(row) for row in rows.values())
    if not is_any_freed and "not nested" not in caveats:
        caveats.add("same model", "The same parameters are free in both.")
    for row in rows.values():
        if not start.is_freed(row) or row["component"] in start.new_components:
            continue
        name, value = row["name"], start.value(row)
        if value is not None and _is_bound(row, value):
            caveats.add("bound", f"{name} starts at its bound, {value:.3g}.")
        if row["parameter"] == "phi" and start.has_no_axis(row):
            caveats.add("shape", f"{name} is not defined where e is 0.")
    for record in (before, after):
        for row in record["parameters"]:
            if row["at_limit"]:
                caveats.add("bound", f"{row['name']} is at a bound.")
    return "not nested" not in caveats


def _add_new_components(caveats, after, start):
    """What parameters of components that were added mean without them."""
    for component in after["components"]:
        name = component["name"]
        # The norm of a background that has no model yet is 1, and not at a bound.
        is_background = component["type"] == "FoVBackgroundModel"
        if name not in start.new_components or is_background:
            continue
        free = [
            row
            for row in after["parameters"]
            if row["component"] == name and is_free(row)
        ]
        aspects = [
            ASPECTS.get(row["parameter"], row["parameter"])
            for row in free
            if row["parameter"] not in AMOUNTS
        ]
        if not free:
            caveats.add("not nested", f"{name} is new and has no free parameter.")
        for aspect in dict.fromkeys(aspects):
            caveats.add(aspect, f"{aspect} of {name} is not defined without it.")
        if any(_is_bound(row, 0.0) for row in free if row["parameter"] in AMOUNTS):
            caveats.add("bound", f"The amplitude of {name} cannot be negative.")


def _is_bound(row, value):
    """Whether a value is at a bound of a parameter."""
    bounds = [number(row["min"]), number(row["max"])]
    if row["parameter"] in NOT_NEGATIVE:
        bounds.append(0.0)
    return any(_is_same(value, bound) for bound in bounds if np.isfinite(bound))


def _is_same(one, other):
    return bool(np.isclose(one, other, rtol=SAME, atol=0))


class _StartingPoint:
    """Where in the larger model the smaller one is.

    Parameters
    ----------
    before, after : dict
        Facts of both steps.
    """

    def __init__(self, before, after):
        self._components = {row["name"]: row for row in before["components"]}
        self._before = {row["name"]: row for row in before["parameters"]}
        self._after = after
        self.new_components = [
            row["name"]
            for row in after["components"]
            if row["name"] not in self._components
        ]
        self._nulls, self._old_names = self._changed_parts()

    def _changed_parts(self):
        """Values and former names of parameters of parts of another type."""
        nulls, old_names = {}, {}
        for component in self._after["components"]:
            for kind, tags in self._changes(component).items():
                values, renamed = LARGER.get(tags, ({}, {}))
                prefix = f"{component['name']}.{kind}."
                nulls |= {prefix + name: value for name, value in values.items()}
                old_names |= {
                    prefix + name: prefix + old for name, old in renamed.items()
                }
        return nulls, old_names

    def _changes(self, component):
        """Type before and after of each part that has another one."""
        old = self._components.get(component["name"], component)["parts"]
        new = component["parts"]
        kinds = ("spatial", "spectral", "temporal")
        pairs = {kind: (old.get(kind, ""), new.get(kind, "")) for kind in kinds}
        return {kind: tags for kind, tags in pairs.items() if tags[0] != tags[1]}

    def _old(self, row):
        """Parameter of the smaller model that goes on as this one, or None."""
        name = row["name"]
        return self._before.get(self._old_names.get(name, name))

    def is_freed(self, row):
        """Whether a parameter is free that was not free before."""
        old = self._old(row)
        return is_free(row) and not (old is not None and is_free(old))

    def value(self, row):
        """Value that makes the larger model the smaller one, None for any."""
        if row["name"] in self._nulls:
            return self._nulls[row["name"]]
        old = self._old(row)
        return None if old is None else number(old["value"])

    def has_no_axis(self, row):
        """Whether a source is round in the smaller model, so that it has no angle."""
        name = row["name"].removesuffix("phi") + "e"
        old = self._before.get(name)
        return old is None or number(old["value"]) == 0

    def reasons_against(self):
        """Why the smaller model is not inside the larger one, sentences."""
        names = [row["name"] for row in self._after["components"]]
        for name in self._components:
            if name not in names:
                yield f"{name} was removed."
        for component in self._after["components"]:
            for kind, tags in self._changes(component).items():
                if tags not in LARGER:
                    name = component["name"]
                    was, now = (tag or "nothing" for tag in tags)
                    yield f"The {kind} model of {name} was {was}, and is {now}."
        yield from self._changed_values()

    def _changed_values(self):
        known = set()
        for row in self._after["parameters"]:
            old = self._old(row)
            if old is None:
                continue
            known.add(old["name"])
            name = row["name"]
            if is_free(old) and not is_free(row):
                yield f"{name} was free, and is frozen now."
            is_fixed = not is_free(old) and not is_free(row) and not row["link"]
            values = number(old["value"]), number(row["value"])
            if is_fixed and not _is_same(*values) and not self._is_convention(row):
                yield f"{name} is frozen at another value, {values[1]:.4g}."
        for name, old in self._before.items():
            is_gone = name not in known and old["component"] not in self._gone()
            if is_gone and is_free(old):
                yield f"{name} was free, and was removed."

    def _is_convention(self, row):
        """Whether a parameter is a reference energy that other ones make up for."""
        if row["parameter"] != "reference":
            return False
        prefix = row["name"].removesuffix("reference")
        part = {
            other["parameter"]: is_free(other)
            for other in self._after["parameters"]
            if other["name"].startswith(prefix)
        }
        # A log parabola has another index there.
        needed = ["amplitude"] + (["alpha"] if "beta" in part else [])
        return set(part) <= POWER_LAWS and all(part.get(name) for name in needed)

    def _gone(self):
        return set(self._components) - {
            row["name"] for row in self._after["components"]
        }
