# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the sections of a configuration are read, checked and written.

Options that came later are created by `added`. They are written only if they differ
from their default, so files of configurations without them do not change.
"""

import difflib
import inspect
from collections.abc import Mapping
from typing import get_args
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from gammapy.utils.aliases import rename_keys
from gammapy.utils.arguments import check_type, show
from gammapy.utils.scripts import from_yaml

__all__ = []

# Kinds of stacking; pydantic adds them to the key that an error names.
NOT_BINS, BINS = "<bool>", "<bins>"
#: By the class of a section, new names of keys by old ones, which stay for a release.
RENAMED_KEYS = {}
RENAMED_SINCE = "2.2"

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
        If it is not YAML with keys.
    TypeError
        If it is not a text.
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
            named = [
                option.name
                for option in options
                if option.kind is not option.VAR_KEYWORD
            ]
            names += [name for name in named if name not in names]
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


def merge_options(parameters, options, key):
    """Parameters of a section together with the options that have their own key.

    Parameters
    ----------
    parameters, options : dict
        Both.
    key : str
        Section.

    Returns
    -------
    merged : dict
        All of them.

    Raises
    ------
    ValueError
        If one is given twice.
    """
    for name in options:
        if name in parameters:
            raise ValueError(
                f"{name!r} is given twice, as {key}.{name} and in {key}.parameters:"
                " remove one of them."
            )
    return parameters | options


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
                    f"{name!r} has its own key, here or in general: remove it from the"
                    " parameters"
                )
        names = [option for option in options_of(cls) if option not in own]
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
    """Validate a section; the error for an unknown key lists the known ones.

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
    names = RENAMED_KEYS.get(cls.__name__, {})
    if isinstance(value, Mapping):
        value = rename_keys(value, names, since=RENAMED_SINCE)
    try:
        return handler(value)
    except ValidationError as error:
        details = [
            _explain(cls, problem) for problem in error.errors(include_url=False)
        ]
        title = error.title
    raise ValidationError.from_exception_data(title, details)


def _explain(cls, error):
    """One error, with the keys or the form that the section takes."""
    message, location = error["msg"], error["loc"]
    message = message.removeprefix("Value error, ")
    fields = cls.model_fields
    if NOT_BINS in location:
        message = "Set true, false, or bins of observations, such as by: {zenith: 2}"
    location = tuple(step for step in location if step not in (NOT_BINS, BINS))
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
                message = f"Set keys of {', '.join(section.model_fields)}"
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
    """Base class of the sections that came later."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, **ALWAYS_VALIDATE
    )

    def __setattr__(self, name, value):
        # Validators of a whole section run after the assignment: try it on a copy.
        super(SectionConfig, self.model_copy()).__setattr__(name, value)
        super().__setattr__(name, value)

    @model_validator(mode="wrap")
    @classmethod
    def _explain_errors(cls, value, handler):
        return explain_errors(cls, value, handler)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler):
        return without_defaults(self, handler)
