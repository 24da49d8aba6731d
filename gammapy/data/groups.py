# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of observations in bins of offset and zenith angle."""

import logging
from itertools import pairwise, product
from numbers import Integral
import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.utils.arguments import check_list, check_type, listed

__all__ = ["ObservationGroups"]

log = logging.getLogger(__name__)

ALL = "stacked"


class ObservationGroups:
    """Observations, grouped in bins of zenith angle and offset.

    Created by `ObservationGroups.from_observations`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per observation: obs_id, group ("" when it is in no bin), zenith,
        offset, livetime.
    names : list of str
        Names of the groups that have an observation.
    edges : dict of `~astropy.units.Quantity`
        Edges of the bins for "zenith", "offset" or both.
    """

    def __init__(self, table, names, edges):
        self._table = table
        self._names = list(names)
        self._edges = dict(edges)

    @classmethod
    def from_observations(cls, observations, target, *, zenith=None, offset=None):
        """Group observations.

        A bin includes its lower edge. The last bin also includes its upper edge. A
        warning names the observations outside all bins, and the bins without
        observations.

        Parameters
        ----------
        observations : `~gammapy.data.Observations`
            Observations. Only their headers are read.
        target : `~astropy.coordinates.SkyCoord`
            Position from which offsets are measured.
        zenith, offset : int, or list of `~astropy.units.Quantity` or str, optional
            Edges of the bins, or number of bins of equal width from the lowest to the
            highest value. Default is None, no bins.

        Returns
        -------
        groups : `ObservationGroups`
            Groups, named after their bins. Without bins there is one group named
            "stacked".

        Raises
        ------
        ValueError
            If bins are not valid or contain no observation, or there are no
            observations.
        TypeError
            If ``observations`` or ``target`` has the wrong type.

        Examples
        --------
        >>> from astropy.coordinates import SkyCoord
        >>> from gammapy.data import DataStore, ObservationGroups
        >>> data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
        >>> observations = data_store.get_observations([20136, 20137, 20151])
        >>> target = SkyCoord(228.53, -59.16, unit="deg")
        >>> groups = ObservationGroups.from_observations(
        ...     observations, target, zenith=["30 deg", "45 deg"], offset=2
        ... )
        >>> for name in groups.names:
        ...     print(name, groups.obs_ids(name))
        zenith-30-45-offset-0.4-0.5 [20136, 20151]
        zenith-30-45-offset-0.5-0.6 [20137]
        """
        # A module that needs this one.
        from .observations import Observation

        for observation in check_list("observations", observations, "observations"):
            check_type("observations", observation, Observation, "observations")
        check_type("target", target, SkyCoord, "a SkyCoord")
        table = _describe(observations, target)
        bins = {"zenith": zenith, "offset": offset}
        edges = {
            name: _edges(_parse_bins(name, value), table[name].quantity)
            for name, value in bins.items()
            if value is not None
        }
        all_names = _names(edges)
        labels = np.zeros(len(table), dtype=int)
        is_inside = np.ones(len(table), dtype=bool)
        for name, values in edges.items():
            idx = _bin_index(table[name].quantity, values)
            labels = labels * (len(values) - 1) + idx
            is_inside &= idx >= 0
        table["group"] = np.where(is_inside, np.array(all_names)[labels], "")
        names = [name for name in all_names if name in table["group"]]
        groups = cls(
            table["obs_id", "group", "zenith", "offset", "livetime"], names, edges
        )
        groups._report(set(all_names) - set(names))
        return groups

    def _report(self, empty):
        """Name the observations and bins that will be missing."""
        ungrouped = self.table[self.table["group"] == ""]
        described = ", ".join(
            f"{row['obs_id']} (zenith {row['zenith']:.1f} deg, offset"
            f" {row['offset']:.2f} deg)"
            for row in ungrouped
        )
        if not self.names:
            raise ValueError(
                "No observation is in a bin; change the edges of"
                f" {' and '.join(self.edges)}: {described}."
            )
        if described:
            log.warning(f"Observations outside all bins, left out: {described}.")
        if empty:
            log.warning(f"Bins without observations: {', '.join(sorted(empty))}.")

    @property
    def table(self):
        """One row per observation, as a `~astropy.table.Table`."""
        return self._table

    @property
    def names(self):
        """Names of the groups, as a list of str."""
        return self._names

    @property
    def edges(self):
        """Edges of the bins by name of the quantity, as a dict."""
        return self._edges

    @property
    def ungrouped(self):
        """Observations outside all bins, as a list of their ids."""
        return self.obs_ids("")

    def obs_ids(self, name):
        """Ids of the observations of a group.

        Parameters
        ----------
        name : str
            Name of the group.

        Returns
        -------
        obs_ids : list
            Ids in the order of the observations.
        """
        return self.table["obs_id"][self.table["group"] == name].tolist()

    def select(self, observations, name):
        """Observations of a group.

        Parameters
        ----------
        observations : `~gammapy.data.Observations`
            The observations that were grouped.
        name : str
            Name of the group.

        Returns
        -------
        observations : `~gammapy.data.Observations`
            Those of the group.

        Raises
        ------
        ValueError
            If there is no such group, or the observations are not those of the groups.
        """
        if name not in self.names:
            raise ValueError(
                f"name: there is no group {name!r}; choose from {listed(self.names)}."
            )
        if len(observations) != len(self.table):
            raise ValueError(
                f"There are {len(observations)} observations, but {len(self.table)}"
                " were grouped: group them again."
            )
        # By position, for time intervals of one run share its id.
        is_in_group = self.table["group"] == name
        pairs = zip(observations, is_in_group, strict=True)
        return type(observations)([obs for obs, is_in in pairs if is_in])

    def summary(self):
        """Summary of the groups.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per group: group, n_runs, livetime, zenith and offset (means,
            weighted with the live time) and obs_ids (separated by blanks).
        """
        rows = []
        for name in self.names:
            runs = self.table[self.table["group"] == name]
            livetime = runs["livetime"].quantity
            weights = livetime.value if livetime.sum() > 0 else None
            means = {
                name: np.average(runs[name].quantity, weights=weights)
                for name in ("zenith", "offset")
            }
            obs_ids = " ".join(map(str, runs["obs_id"]))
            rows.append((name, len(runs), livetime.sum(), *means.values(), obs_ids))
        names = ["group", "n_runs", "livetime", "zenith", "offset", "obs_ids"]
        table = Table(rows=rows, names=names)
        table["livetime"] = table["livetime"].quantity.to("h")
        for name, form in (("livetime", ".2f"), ("zenith", ".2f"), ("offset", ".3f")):
            table[name].info.format = form
        table.meta["ungrouped"] = self.ungrouped
        for name, edges in self.edges.items():
            table.meta[f"{name}_edges"] = [
                f"{edge.value} {edge.unit}" for edge in edges
            ]
        return table

    def __str__(self):
        lines = self.summary()["group", "n_runs", "livetime", "zenith", "offset"]
        text = "\n".join(
            f"  {line}" for line in lines.pformat(max_lines=-1, max_width=-1)
        )
        ungrouped = " ".join(map(str, self.ungrouped)) or "none"
        return (
            f"{self.__class__.__name__}\n\n{text}\n\n"
            f"  observations outside all bins : {ungrouped}\n"
        )


def parse_bins(bins):
    """Number of bins, or increasing edges.

    Parameters
    ----------
    bins : int, or list of `~astropy.units.Quantity` or str
        Number of bins, or edges with units.

    Returns
    -------
    bins : int or `~astropy.units.Quantity`
        The number, or the edges in degrees.
    """
    if isinstance(bins, Integral) and not isinstance(bins, bool):
        if bins < 1:
            raise ValueError(f"number of bins: expected 1 or more, got {bins}")
        return int(bins)
    try:
        edges = u.Quantity([u.Quantity(edge).to("deg") for edge in bins])
    except (TypeError, ValueError):
        raise ValueError(
            "bins: expected a number, or a list of edges with units, such as"
            f" [20 deg, 40 deg, 60 deg], got {bins!r}"
        ) from None
    if len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise ValueError(f"edges: expected two or more that increase, got {bins!r}")
    return edges


def _parse_bins(name, value):
    """Bins from `parse_bins`, whose errors name the argument."""
    try:
        return parse_bins(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _describe(observations, target):
    """Table of what observations are grouped by."""
    table = Table()
    table["obs_id"] = [observation.obs_id for observation in observations]
    pointings = [
        observation.get_pointing_icrs(observation.tmid) for observation in observations
    ]
    offsets = [pointing.separation(target).deg for pointing in pointings]
    table["zenith"] = u.Quantity([_zenith(observation) for observation in observations])
    table["offset"] = np.ravel(offsets) * u.deg
    durations = [
        observation.observation_live_time_duration for observation in observations
    ]
    table["livetime"] = u.Quantity(durations)
    return table


def _zenith(observation):
    """Zenith angle that the header states, else that of the pointing."""
    pointing = getattr(observation.meta, "pointing", None)
    altaz = getattr(pointing, "altaz_mean", None)
    if altaz is None:
        altaz = observation.get_pointing_altaz(observation.tmid)
    return 90 * u.deg - np.ravel(altaz.alt)[0].to("deg")


def _edges(bins, values):
    """Edges of bins, from the number of them where that is given."""
    if not isinstance(bins, int):
        return bins
    low, high = values.min().value, values.max().value
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1) * values.unit


def _bin_index(values, edges):
    """Index of the bin of each value, -1 outside."""
    values = values.to_value(edges.unit)
    idx = np.searchsorted(edges.value, values, side="right") - 1
    idx[values == edges.value[-1]] = len(edges) - 2
    idx[values > edges.value[-1]] = -1
    return idx


def _names(edges):
    """Names of the bins, in the order of their index."""
    parts = []
    for name, values in edges.items():
        texts = _shortest(values.to_value("deg"))
        parts.append([f"{name}-{low}-{high}" for low, high in pairwise(texts)])
    return ["-".join(labels) for labels in product(*parts)] if parts else [ALL]


def _shortest(values):
    """Numbers with as few decimals as tell them apart."""
    exact = [f"{value:g}" for value in values]
    if max(map(len, exact)) <= 5 and len(set(exact)) == len(exact):
        return exact
    for decimals in range(1, 16):
        texts = [f"{value:.{decimals}f}" for value in values]
        if len(set(texts)) == len(texts):
            return texts
    return [str(number) for number in range(len(values))]
