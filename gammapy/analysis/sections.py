# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the configurations of `Analysis` and `Workflow` have in common.

Options that Gammapy 2.1 did not know are made by `added`: they are written when they
differ from their default, so the files of a configuration without them stay the same.
"""

import difflib
import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
import astropy.units as u
from gammapy.data.groups import parse_bins
from gammapy.datasets.residuals.grids import parse_region
from gammapy.makers import ExclusionMaskMaker
from gammapy.maps.energy_bins import parse_energy_range
from gammapy.utils.arguments import check_type, parse_edges, show
from gammapy.utils.scripts import from_yaml, make_path
from gammapy.utils.types import AngleType, EnergyType, PathType

__all__ = ["ExclusionMakerConfig", "ResidualsConfig", "StackConfig"]

# Kinds of stacking; pydantic adds them to the key that an error names.
NOT_BINS, BINS = "<bool>", "<bins>"
ALWAYS_VALIDATE = {"validate_default": True, "validate_assignment": True}


def update_sections(settings, changes):
    """Update nested sections in place; a section replaces what is not one.

    Parameters
    ----------
    settings : dict
        Settings, which are changed.
    changes : dict
        What to change.

    Returns
    -------
    settings : dict
        The same settings.
    """
    for key, value in changes.items():
        if isinstance(value, Mapping):
            before = settings.get(key)
            before = before if isinstance(before, Mapping) else {}
            value = update_sections(before, value)
        settings[key] = value
    return settings


def settings_of(text):
    """Settings of a configuration as YAML.

    Parameters
    ----------
    text : str
        YAML.

    Returns
    -------
    settings : dict
        Settings by section.

    Raises
    ------
    ValueError
        If it is no YAML with keys.
    TypeError
        If it is no text.
    """
    check_type("config_str", text, str, "YAML as text")
    settings = from_yaml(text)
    for key in settings:
        if not isinstance(key, str):
            raise ValueError(f"Expected names of sections, got {show(key)}.")
    return settings


def options_of(cls):
    """Names of the options of a class and of the base classes that it hands them to.

    Parameters
    ----------
    cls : type
        Class.

    Returns
    -------
    names : list of str
        Names, None when some go to another class.
    """
    names = []
    for kind in cls.__mro__[:-1]:
        if "__init__" in vars(kind):
            options = inspect.signature(kind).parameters.values()
            named = [_.name for _ in options if _.kind is not _.VAR_KEYWORD]
            names += [_ for _ in named if _ not in names]
            if len(named) == len(options):
                return names
    return None


def check_options(parameters, cls, names):
    """Raise a ValueError that names an option that a class does not have.

    Parameters
    ----------
    parameters : dict
        Options.
    cls : type
        Class.
    names : list of str
        Names of the options that there are.
    """
    for name in parameters:
        if name not in names:
            close = difflib.get_close_matches(str(name), names, n=1)
            hint = f", did you mean {close[0]!r}" if close else ""
            raise ValueError(
                f"{cls.__name__} has no option {name!r}{hint}; options are"
                f" {', '.join(names)}."
            )


def estimator_parameters(cls, *own):
    """Validator of the ``parameters`` of an estimator.

    Parameters
    ----------
    cls : type
        Class of the estimator.
    *own : str
        Options of the estimator that come from elsewhere in the configuration.

    Returns
    -------
    validator : object
        Attribute of the class of the section.
    """

    def validate(parameters):
        for name in own:
            if name in parameters:
                raise ValueError(
                    f"{name!r} has its own key, here or in general: it cannot be one of"
                    " the parameters"
                )
        names = [_ for _ in options_of(cls) if _ not in own]
        check_options(parameters, cls, names)
        try:
            cls(**parameters)
        except (TypeError, ValueError) as error:
            selections = ", ".join(cls._available_selection_optional)
            raise ValueError(
                f"{cls.__name__}: {error} selection_optional is 'all', or a list of"
                f" {selections}"
                if "selection_optional" in parameters
                else f"{cls.__name__}: {error}"
            ) from None
        return parameters

    return field_validator("parameters")(validate)


def added(default=None):
    """Field that is written only when it differs from its default.

    Parameters
    ----------
    default : object, optional
        Default value. Default is None.
    """
    return Field(default=default, json_schema_extra={"added": True})


def without_defaults(section, handler):
    """Serialise a section without the added options that are at their default.

    Parameters
    ----------
    section : `~pydantic.BaseModel`
        Section.
    handler : callable
        What serialises it, from pydantic.

    Returns
    -------
    data : dict
        Serialised section.
    """
    data = handler(section)
    for name, field in type(section).model_fields.items():
        is_added = (field.json_schema_extra or {}).get("added")
        if is_added and _is_default(section, name, field):
            data.pop(name, None)
    return data


def _is_default(section, name, field):
    value = getattr(section, name)
    if value is None or field.default is None:
        return value is None
    if isinstance(value, BaseModel):
        return not value.model_dump()
    # A new section has the default as the validator made it.
    return bool(value == getattr(type(section)(), name))


def explain_errors(cls, value, handler):
    """Validate a section; a key that it does not have is told which there are.

    Parameters
    ----------
    cls : type
        Class of the section.
    value : object
        What was given.
    handler : callable
        What validates it, from pydantic.

    Returns
    -------
    section : `~pydantic.BaseModel`
        Validated section.

    Raises
    ------
    `~pydantic.ValidationError`
        If a value is not valid; it names the key and the allowed values.
    """
    try:
        return handler(value)
    except ValidationError as error:
        details = [_explain(cls, _) for _ in error.errors(include_url=False)]
        title = error.title
    raise ValidationError.from_exception_data(title, details)


def _explain(cls, error):
    """One error, with the keys or the form that the section takes."""
    message, location = error["msg"], error["loc"]
    message = message.removeprefix("Value error, ")
    fields = cls.model_fields
    if NOT_BINS in location:
        message = "Give true, false, or bins of runs, such as by: {zenith: 2}"
    location = tuple(_ for _ in location if _ not in (NOT_BINS, BINS))
    # Of a section inside this one that section knows more, and was asked before.
    if len(location) == 1:
        key = location[0]
        if error["type"] in ("extra_forbidden", "no_such_attribute"):
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f", did you mean {close[0]!r}" if close else ""
            message = f"There is no such key{hint}; keys are {', '.join(fields)}"
        elif error["type"] in ("model_type", "model_attributes_type") and key in fields:
            section = _section_of(fields[key])
            if section is not None:
                message = f"Give keys of {', '.join(section.model_fields)}"
    # Curly braces would be taken for a field of a template.
    kind = PydanticCustomError(error["type"], "{text}", {"text": message})
    return InitErrorDetails(type=kind, loc=location, input=error["input"])


def _section_of(field):
    """Section that a field is, if any."""
    for kind in get_args(field.annotation) or [field.annotation]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


class SectionConfig(BaseModel):
    """Base class of the sections that Gammapy 2.1 did not have."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, **ALWAYS_VALIDATE
    )

    def __setattr__(self, name, value):
        before = dict(vars(self))
        try:
            super().__setattr__(name, value)
        except ValidationError:
            # Validators of a whole section come after the assignment.
            vars(self).update(before)
            raise

    @model_validator(mode="wrap")
    @classmethod
    def _explain_errors(cls, value, handler):
        return explain_errors(cls, value, handler)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler):
        return without_defaults(self, handler)


def _validate_bins(value):
    bins = parse_bins(value)
    # A list, for arrays cannot be compared to the default.
    return bins if isinstance(bins, int) else list(bins)


def _show_bins(bins):
    if isinstance(bins, int):
        return bins
    return [f"{_.value} {_.unit}" for _ in bins]


BinsType = Annotated[
    Any,
    BeforeValidator(_validate_bins),
    PlainSerializer(_show_bins, when_used="json-unless-none"),
]


def _validate_region(value):
    if not isinstance(value, str):
        raise ValueError("give a region such as 'icrs;circle(83.63, 22.01, 0.5)'")
    parse_region(value)
    return value


RegionType = Annotated[str, BeforeValidator(_validate_region)]


class GroupByConfig(SectionConfig):
    """Bins of the runs that are stacked together.

    Attributes
    ----------
    zenith, offset : int or list of `~astropy.units.Quantity`
        How many bins of equal width, or their edges.
    """

    zenith: BinsType | None = added()
    offset: BinsType | None = added()


class StackConfig(SectionConfig):
    """Stacking of runs in bins.

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
                "no_bins", "'by' needs bins: give zenith, offset or both"
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
            raise ValueError(
                "give a file of models, or what is in one: components: [...]"
            )
        return value
    try:
        return make_path(value)
    except TypeError:
        raise ValueError(
            "give a file of models, or what is in one: components: [...]"
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
        Margin around what is found.
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


Method = Literal["diff", "diff/model", "diff/sqrt(model)", "significance"]
Panel = Literal["counts", "npred", "excess", "distribution", Method]


class ResidualsConfig(SectionConfig):
    """Configuration of the residuals.

    Attributes
    ----------
    energy_min, energy_max : `~astropy.units.Quantity`
        Energy range.
    energy_edges : list of `~astropy.units.Quantity`
        Edges of energy groups, each of which gets its maps, instead of a range.
    kernel : str
        Kernel of the maps: "tophat", "gauss", "point-source" or "none".
    correlation_radius : `~astropy.units.Quantity`
        Radius of the kernel.
    region : str
        Region to sum for the residuals against energy, outlined on the maps.
    panels : list of str
        Maps to draw: "counts", "npred", "excess", "distribution" or a method.
    method : str
        Residuals in the table and picture against energy: "diff", "diff/model",
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
    kernel: Literal["tophat", "gauss", "point-source", "none"] = added("tophat")
    correlation_radius: AngleType = added("0.1 deg")
    region: RegionType | None = added()
    panels: list[Panel] = added(["counts", "npred", "significance", "distribution"])
    method: Method = added("significance")
    exclude: list[str] | None = added()
    apply_mask: bool = added(True)

    @model_validator(mode="after")
    def _range_or_edges(self):
        has_range = self.energy_min is not None or self.energy_max is not None
        if has_range and self.energy_edges is not None:
            raise PydanticCustomError(
                "range_and_edges", "give energy_edges or energy_min and energy_max"
            )
        parse_energy_range(self.energy_min, self.energy_max)
        if self.energy_edges is not None:
            parse_edges("energy_edges", self.energy_edges)
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
            "kernel": None if self.kernel == "none" else self.kernel,
            "correlation_radius": self.correlation_radius,
        }
