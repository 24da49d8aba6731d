# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sections that the configurations of `Analysis` and `Workflow` have in common."""

from typing import Annotated, Any, Literal
from pydantic import (
    BeforeValidator,
    Discriminator,
    PlainSerializer,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError
import astropy.units as u
from gammapy.data.groups import parse_bins
from gammapy.datasets.residuals import kernels
from gammapy.datasets.residuals.grids import parse_region
from gammapy.makers import ExclusionMaskMaker
from gammapy.maps.energy_bins import parse_energy_range, parse_energy_unit
from gammapy.stats.residual_methods import METHODS
from gammapy.utils.arguments import parse_edges
from gammapy.utils.scripts import make_path
from gammapy.utils.types import AngleType, EnergyType, PathType
from gammapy.visualization.residuals.each import BY
from gammapy.visualization.residuals.panels import PANELS
from gammapy.visualization.sky.names import MODELS_STYLES
from gammapy.visualization.sky.stretch import STRETCHES
from .validation import BINS, NOT_BINS, SectionConfig, added

__all__ = ["ExclusionMakerConfig", "ResidualsConfig", "StackConfig"]


def _validate_bins(value):
    bins = parse_bins(value)
    # A list, for arrays cannot be compared to the default.
    return bins if isinstance(bins, int) else list(bins)


def _show_bins(bins):
    if isinstance(bins, int):
        return bins
    return [f"{edge.value} {edge.unit}" for edge in bins]


BinsType = Annotated[
    Any,
    BeforeValidator(_validate_bins),
    PlainSerializer(_show_bins, when_used="json-unless-none"),
]


def _validate_region(value):
    if not isinstance(value, str):
        raise ValueError("use a region such as 'icrs;circle(83.63, 22.01, 0.5)'")
    parse_region(value)
    return value


RegionType = Annotated[str, BeforeValidator(_validate_region)]


def _validate_energy_unit(value):
    return str(parse_energy_unit("energy_unit", value))


EnergyUnitType = Annotated[str, BeforeValidator(_validate_energy_unit)]


class GroupByConfig(SectionConfig):
    """Bins of the observations that are stacked together.

    Attributes
    ----------
    zenith, offset : int or list of `~astropy.units.Quantity`
        Number of bins of equal width, or their edges.
    """

    zenith: BinsType | None = added()
    offset: BinsType | None = added()


class StackConfig(SectionConfig):
    """Stacking of observations in bins.

    Attributes
    ----------
    by : `GroupByConfig`
        Bins of zenith angle, offset or both.

    Examples
    --------
    >>> from gammapy.analysis.sections import StackConfig
    >>> config = StackConfig(by={"zenith": ["20 deg", "40 deg"], "offset": 2})
    >>> print(config.by.offset)
    2
    """

    by: GroupByConfig

    @model_validator(mode="after")
    def _has_bins(self):
        if self.by.zenith is None and self.by.offset is None:
            raise PydanticCustomError(
                "no_bins", "'by' needs bins: set zenith, offset or both"
            )
        return self


def _stack_tag(value):
    return BINS if isinstance(value, (dict, StackConfig)) else NOT_BINS


#: True, False, or bins of runs
StackType = Annotated[
    Annotated[bool, Tag(NOT_BINS)] | Annotated[StackConfig, Tag(BINS)],
    Discriminator(_stack_tag),
]


def _validate_models(value):
    if isinstance(value, dict):
        if "components" not in value:
            raise ValueError("use a file of models, or its contents: components: [...]")
        return value
    try:
        return make_path(value)
    except TypeError:
        raise ValueError(
            "use a file of models, or its contents: components: [...]"
        ) from None


#: A file of models, or what would be in it
ModelsType = Annotated[
    Any,
    BeforeValidator(_validate_models),
    PlainSerializer(
        lambda v: v if isinstance(v, dict) else str(v), when_used="json-unless-none"
    ),
]


class ExclusionMakerConfig(SectionConfig):
    """Exclusion mask that is found in the data.

    Attributes
    ----------
    correlation_radius : `~astropy.units.Quantity`
        Radius within which counts are summed.
    r_in, width : `~astropy.units.Quantity`
        Inner radius and width of the ring.
    threshold_high, threshold_low : float
        Significances that a region reaches, and extends to.
    dilation : `~astropy.units.Quantity`
        Margin around the regions that are found.
    energy_min, energy_max : `~astropy.units.Quantity`
        Energy range.
    n_rounds_max : int
        Largest number of rounds.
    filename : `~pathlib.Path`
        File of the mask. Default is NAME_exclusion.fits beside the datasets.

    Examples
    --------
    >>> from gammapy.analysis.sections import ExclusionMakerConfig
    >>> config = ExclusionMakerConfig(threshold_high=6, dilation="0.1 deg")
    >>> config.options["threshold_high"], config.options["dilation"]
    (6.0, <Angle 0.1 deg>)
    """

    correlation_radius: AngleType = added("0.1 deg")
    r_in: AngleType = added("0.5 deg")
    width: AngleType = added("0.3 deg")
    threshold_high: float = added(5.0)
    threshold_low: float = added(3.0)
    dilation: AngleType = added("0 deg")
    energy_min: EnergyType | None = added()
    energy_max: EnergyType | None = added()
    n_rounds_max: int = added(10)
    filename: PathType | None = added()

    @property
    def options(self):
        """Options of `~gammapy.makers.ExclusionMaskMaker`, as a dict."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name != "filename"
        }

    @model_validator(mode="after")
    def _options_are_valid(self):
        # Its errors name the options.
        ExclusionMaskMaker(**self.options)
        return self


Method = Literal[*METHODS]
Panel = Literal[*PANELS]
Kernel = Literal[*kernels.choices()]
Stretch = Literal[*STRETCHES]
By = Literal[*BY]
ModelsStyle = Literal[*MODELS_STYLES]


class ResidualsConfig(SectionConfig):
    """Configuration of the residuals.

    Attributes
    ----------
    energy_min, energy_max : `~astropy.units.Quantity`
        Energy range.
    energy_edges : list of `~astropy.units.Quantity`
        Edges of energy groups with one map each, instead of a range.
    energy_unit : str
        Unit of the energies in tables, figures and texts. Default is that of the
        energy axis of the datasets.
    kernel : str
        Kernel of the maps: "tophat", "gauss", "point-source" or "none".
    correlation_radius : `~astropy.units.Quantity`
        Radius of the kernel.
    region : str
        Region of the residuals against energy, outlined on the maps.
    panels : list of str
        Maps to draw: "counts", "npred", "excess", "distribution" or a method.
    by : str
        "dataset" also draws the maps of all datasets side by side.
    models_style : str
        Labels of components on maps: "auto", "names" or "markers".
    stretch : str
        Stretch of the colours of counts: "auto", "linear", "sqrt", "asinh" or "log".
    crop : bool
        Whether to draw only the unmasked part of the maps.
    method : str
        Residual method of table and figure against energy: "diff", "diff/model",
        "diff/sqrt(model)" or "significance".
    exclude : list of str
        Names of components to leave out of the model.
    apply_mask : bool
        Whether to leave out bins outside the fit range.

    Examples
    --------
    >>> from gammapy.analysis.sections import ResidualsConfig
    >>> config = ResidualsConfig(energy_min="1 TeV", kernel="gauss")
    >>> print(config.energy_min, config.correlation_radius.deg)
    1.0 TeV 0.1
    """

    energy_min: EnergyType | None = added()
    energy_max: EnergyType | None = added()
    energy_edges: list[EnergyType] | None = added()
    energy_unit: EnergyUnitType | None = added()
    kernel: Kernel = added("tophat")
    correlation_radius: AngleType = added("0.1 deg")
    region: RegionType | None = added()
    panels: list[Panel] = added(["counts", "npred", "significance", "distribution"])
    by: By | None = added()
    models_style: ModelsStyle = added("auto")
    stretch: Stretch = added("auto")
    crop: bool = added(True)
    method: Method = added("significance")
    exclude: list[str] | None = added()
    apply_mask: bool = added(True)

    @model_validator(mode="after")
    def _range_or_edges(self):
        has_range = self.energy_min is not None or self.energy_max is not None
        if has_range and self.energy_edges is not None:
            raise PydanticCustomError(
                "range_and_edges", "set energy_edges or energy_min and energy_max"
            )
        parse_energy_range(self.energy_min, self.energy_max)
        if self.energy_edges is not None:
            parse_edges("energy_edges", self.energy_edges)
            if self.by is not None and len(self.energy_edges) > 2:
                raise PydanticCustomError(
                    "groups_by_dataset",
                    "by: dataset draws one energy group: set energy_min and "
                    "energy_max instead of energy_edges",
                )
        return self

    @property
    def spectral_options(self):
        """Options of `~gammapy.datasets.SpectralResiduals.from_datasets`, as a dict."""
        low, high = self.energy_min, self.energy_max
        if self.energy_edges is not None:
            low, high = self.energy_edges[0], self.energy_edges[-1]
        return {
            "energy_min": low,
            "energy_max": high,
            "exclude": self.exclude,
            "apply_mask": self.apply_mask,
            "energy_unit": self.energy_unit,
        }

    @property
    def spatial_options(self):
        """Options of `~gammapy.datasets.SpatialResiduals.from_datasets`, as a dict."""
        edges = self.energy_edges
        options = self.spectral_options
        if edges is not None:
            options |= {"energy_min": None, "energy_max": None}
            options["energy_edges"] = u.Quantity(edges)
        return options | {
            "kernel": kernels.from_choice(self.kernel),
            "correlation_radius": self.correlation_radius,
        }

    @property
    def panels_by_dataset(self):
        """Panels that were asked for, None for those that suit many datasets."""
        return self.panels if "panels" in self.model_fields_set else None

    @property
    def map_style(self):
        """How `~gammapy.visualization.plot_spatial_residuals` draws them, as a dict."""
        return {
            "panels": self.panels,
            "region": self.region,
            "models_style": self.models_style,
            "stretch": self.stretch,
            "crop": self.crop,
        }
