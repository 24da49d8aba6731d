# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Summary of the residuals of a fit."""

import warnings
from dataclasses import dataclass
import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.maps.energy_bins import format_energy_range
from gammapy.modeling.models import DatasetModels
from gammapy.modeling.parameter_table import names_at_limit
from gammapy.utils.arguments import check_type
from gammapy.utils.deprecation import (
    GammapyDeprecationWarning,
    deprecated_renamed_argument,
)
from .hot_spots import HotSpots
from .positions import nearest_component

__all__ = ["ResidualsSummary", "WorstBin", "WorstPixel"]


@dataclass(frozen=True)
class WorstPixel:
    """Pixel in which counts and model differ most.

    Parameters
    ----------
    sqrt_ts : float
        Significance with its sign.
    position : `~astropy.coordinates.SkyCoord`
        Position.
    nearest : str
        Component of the model that is nearest, "" without any.
    separation : float
        Separation from it in deg, NaN without any.
    is_left_out : bool
        Whether that component was left out of the model.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from gammapy.diagnostics import WorstPixel
    >>> position = SkyCoord(0.2, 0.5, unit="deg", frame="galactic")
    >>> print(WorstPixel(4.2, position, "near", 0.54, False))
    +4.2 sigma at 0.200, +0.500 deg (galactic); nearest component: near, 0.54 deg away
    """

    sqrt_ts: float
    position: SkyCoord
    nearest: str
    separation: float
    is_left_out: bool

    def __str__(self):
        lon, lat = self.position.data.lon.deg, self.position.data.lat.deg
        place = f"{lon:.3f}, {lat:+.3f} deg ({self.position.frame.name})"
        text = f"{self.sqrt_ts:+.1f} sigma at {place}"
        if not self.nearest:
            return text
        what = f"{self.nearest}{' (left out)' if self.is_left_out else ''}"
        return f"{text}; nearest component: {what}, {self.separation:.2f} deg away"


@dataclass(frozen=True)
class WorstBin:
    """Energy bin in which counts and model differ most.

    Parameters
    ----------
    sqrt_ts : float
        Significance with its sign.
    energy_min, energy_max : `~astropy.units.Quantity`
        Edges of the bin.

    Examples
    --------
    >>> import astropy.units as u
    >>> from gammapy.diagnostics import WorstBin
    >>> print(WorstBin(-3.14, 5 * u.TeV, 10 * u.TeV))
    -3.1 sigma at 5 - 10 TeV
    """

    sqrt_ts: float
    energy_min: u.Quantity
    energy_max: u.Quantity

    def __str__(self):
        energies = _show_range(self.energy_min, self.energy_max)
        return f"{self.sqrt_ts:+.1f} sigma at {energies}"


class ResidualsSummary:
    """Summary of residuals: width, worst pixel and bin, parameters at a bound.

    The command ``gammapy residuals`` prints this summary. All values are computed at
    once, so later changes of the models have no effect.

    Parameters
    ----------
    spatial : `~gammapy.datasets.SpatialResiduals`, optional
        Maps. Default is None.
    spectral : `~gammapy.datasets.SpectralResiduals`, optional
        Spectrum. Default is None.
    hot_spots : `HotSpots`, optional
        Hot spots. Default is None.
    models : `~gammapy.modeling.models.DatasetModels`, optional
        Models after the fit. Default is None, those of the maps.

    Raises
    ------
    ValueError
        If there is neither a map nor a spectrum.
    TypeError
        If an argument is of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
    >>> from gammapy.diagnostics import ResidualsSummary
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> summary = ResidualsSummary(
    ...     spatial=SpatialResiduals.from_datasets(datasets),
    ...     spectral=SpectralResiduals.from_datasets(datasets),
    ... )
    >>> summary.worst_pixel.nearest
    'Crab Nebula'
    >>> len(str(summary).splitlines())
    6
    """

    @deprecated_renamed_argument("spots", "hot_spots", "2.2")
    def __init__(self, *, spatial=None, spectral=None, hot_spots=None, models=None):
        for name, value, kind in (
            ("spatial", spatial, SpatialResiduals),
            ("spectral", spectral, SpectralResiduals),
            ("hot_spots", hot_spots, HotSpots),
            ("models", models, DatasetModels),
        ):
            if value is not None:
                check_type(name, value, kind, f"{kind.__name__} or None")
        if spatial is None and spectral is None:
            raise ValueError(
                "spatial, spectral: there is nothing to summarise; pass one of them."
            )
        if models is None and spatial is not None:
            models = spatial.models
        self._spots = hot_spots
        first = spatial if spectral is None else spectral
        self._datasets_names = list(first.datasets_names)
        self._maps = None if spatial is None else _MapsSummary.of(spatial)
        self._spectrum = None if spectral is None else _SpectrumSummary.of(spectral)
        self._parameters = _ParametersSummary.of(models) if models else None

    @property
    def datasets_names(self):
        """Names of the datasets."""
        return list(self._datasets_names)

    @property
    def distribution(self):
        """Spread of the significance, see `SpatialResiduals.distribution`, or None."""
        return None if self._maps is None else self._maps.distribution.copy()

    @property
    def worst_pixel(self):
        """Pixel that differs most, a `WorstPixel`; None without maps, or all masked."""
        return None if self._maps is None else self._maps.worst

    @property
    def worst_bin(self):
        """Energy bin that differs most, a `WorstBin`; None without a spectrum."""
        return None if self._spectrum is None else self._spectrum.worst

    @property
    def sum_ts(self):
        """Sum of the squares of the significance of the energy bins, or None."""
        return None if self._spectrum is None else self._spectrum.sum_ts

    @property
    def n_bins(self):
        """Number of energy bins that are not masked, None without a spectrum."""
        return None if self._spectrum is None else self._spectrum.n_bins

    @property
    def n_parameters(self):
        """Number of parameters, those that are linked once; None without models."""
        return None if self._parameters is None else self._parameters.n_parameters

    @property
    def n_free(self):
        """Number of free parameters, None without models."""
        return None if self._parameters is None else self._parameters.n_free

    @property
    def at_limit(self):
        """Names of the free parameters at a bound, none without models."""
        return [] if self._parameters is None else list(self._parameters.at_limit)

    @property
    def hot_spots(self):
        """Hot spots, `HotSpots` or None."""
        return self._spots

    @property
    def spots(self):
        """Old name of `hot_spots`."""
        warnings.warn(
            "'spots' is deprecated since 2.2: use 'hot_spots'.",
            GammapyDeprecationWarning,
            stacklevel=2,
        )
        return self._spots

    def to_dict(self):
        """All values as plain data.

        Returns
        -------
        data : dict
            Names and numbers; positions and separations are in deg, energies texts.
            Hot spots are under "hot_spots" as `HotSpots.to_dict` gives them. What is
            not known is None.
        """
        data = {"datasets_names": self.datasets_names}
        for name, part in (
            ("maps", self._maps),
            ("spectrum", self._spectrum),
            ("parameters", self._parameters),
            ("hot_spots", self._spots),
        ):
            data[name] = None if part is None else part.to_dict()
        return data

    @property
    def lines(self):
        """Lines of the summary, a list of str."""
        lines = [f"Datasets: {', '.join(self._datasets_names)}"]
        if self._maps is not None:
            lines += self._maps.lines()
        if self._spots is not None:
            lines += _spots_lines(self._spots)
        if self._spectrum is not None:
            lines.append(str(self._spectrum))
        if self._parameters is not None:
            lines.append(str(self._parameters))
        return lines

    def __str__(self):
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class _MapsSummary:
    """Of `SpatialResiduals`: energy groups and kernel as text, spread, worst pixel."""

    kernel: str
    energies: list
    distribution: Table
    worst: WorstPixel | None

    @classmethod
    def of(cls, residuals):
        """Summary of residuals."""
        radius = residuals.correlation_radius
        kernel = residuals.kernel or "single pixels"
        edges = residuals.energy_axis.edges
        return cls(
            kernel=kernel if radius is None else f"{kernel} of {radius}",
            energies=[
                _show_range(*pair) for pair in zip(edges[:-1], edges[1:], strict=True)
            ],
            distribution=residuals.distribution(),
            worst=_worst_pixel(residuals),
        )

    def lines(self):
        """Lines on each energy group and on the worst pixel."""
        for energies, row in zip(self.energies, self.distribution, strict=True):
            yield f"Maps: {energies}, {self.kernel}"
            yield (
                f"Significance: mean {row['mean']:.2f} +- {row['mean_err']:.2f}, "
                f"width {row['std']:.2f} +- {row['std_err']:.2f} "
                f"in {row['n_trials']:.0f} independent trials (0 and 1 if the model "
                "holds)"
            )
        if self.worst is not None:
            yield f"Worst pixel: {self.worst}"

    def to_dict(self):
        """Plain data."""
        names = self.distribution.colnames[2:]
        groups = [
            {"energies": energies} | {name: _finite(row[name]) for name in names}
            for energies, row in zip(self.energies, self.distribution, strict=True)
        ]
        return {"kernel": self.kernel, "groups": groups, "worst": self._worst_dict()}

    def _worst_dict(self):
        if self.worst is None:
            return None
        position = self.worst.position
        return {
            "sqrt_ts": _finite(self.worst.sqrt_ts),
            "lon": float(position.data.lon.deg),
            "lat": float(position.data.lat.deg),
            "frame": position.frame.name,
            "nearest": self.worst.nearest,
            "separation": _finite(self.worst.separation),
            "is_left_out": self.worst.is_left_out,
        }


@dataclass(frozen=True)
class _SpectrumSummary:
    """Of `SpectralResiduals`: range, number of bins, sum of ts, worst bin."""

    has_region: bool
    energies: str
    n_bins: int
    sum_ts: float
    worst: WorstBin | None

    @classmethod
    def of(cls, residuals):
        """Summary of residuals."""
        used = np.flatnonzero(residuals.mask)
        edges = residuals.energy_axis.edges
        return cls(
            has_region=residuals.region is not None,
            energies=_show_range(edges[used[0]], edges[used[-1] + 1]),
            n_bins=used.size,
            sum_ts=residuals.sum_ts,
            worst=_worst_bin(residuals),
        )

    def __str__(self):
        where = " of the region" if self.has_region else ""
        text = (
            f"Spectrum{where}: {self.energies}, sum of ts {self.sum_ts:.1f} in "
            f"{self.n_bins} bins"
        )
        return text if self.worst is None else f"{text}; worst {self.worst}"

    def to_dict(self):
        """Plain data."""
        worst = self.worst
        return {
            "energies": self.energies,
            "n_bins": int(self.n_bins),
            "sum_ts": _finite(self.sum_ts),
            "worst": worst
            and {
                "sqrt_ts": _finite(worst.sqrt_ts),
                "energies": _show_range(worst.energy_min, worst.energy_max),
            },
        }


@dataclass(frozen=True)
class _ParametersSummary:
    """How many parameters there are, how many are free, which are at a bound."""

    n_parameters: int
    n_free: int
    at_limit: list

    @classmethod
    def of(cls, models):
        """Summary of models."""
        parameters = models.parameters.unique_parameters
        return cls(
            n_parameters=len(parameters),
            n_free=len(parameters.free_parameters),
            at_limit=names_at_limit(models),
        )

    def __str__(self):
        text = f"Parameters: {self.n_parameters}, of which {self.n_free} are free"
        if not self.at_limit:
            return text
        return f"{text}; at a bound: {', '.join(self.at_limit)}"

    def to_dict(self):
        """Plain data."""
        return {
            "n_parameters": self.n_parameters,
            "n_free": self.n_free,
            "at_limit": list(self.at_limit),
        }


def _worst_pixel(residuals):
    """Worst pixel of maps with what is nearest; None when nothing is known."""
    sqrt_ts, position = residuals.worst_pixel()
    if sqrt_ts is None:
        return None
    name, separation = nearest_component(position, residuals.models)
    is_left_out = name in residuals.exclude
    return WorstPixel(sqrt_ts, position, name, separation, is_left_out)


def _worst_bin(residuals):
    """Worst energy bin of a spectrum; None when nothing is known."""
    row = residuals.worst_bin()
    if row is None:
        return None
    edges = [u.Quantity(row[name], row.table[name].unit) for name in ("e_min", "e_max")]
    return WorstBin(float(row["sqrt_ts"]), *edges)


def _spots_lines(spots):
    """Lines on hot spots: the highest, notes, and the table."""
    yield f"Hot spots: {spots.verdict}"
    yield from (f"Note: {note}" for note in spots.notes)
    table = spots.table
    table.keep_columns([name for name in spots.COLUMNS if name in table.colnames])
    if len(table):
        yield from table.pformat(max_lines=-1, max_width=-1)


def _show_range(low, high):
    """Energy range in the unit that residuals have."""
    return format_energy_range(low, high, low.unit)


def _finite(number):
    """Number for JSON, None for what is none."""
    return float(number) if np.isfinite(number) else None
