# Licensed under a 3-clause BSD style license - see LICENSE.rst


def _parsed(validate, value, example):
    """Validate; whatever is wrong is a ValueError, which pydantic reports."""
    try:
        return validate(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; give {example}") from None


def validate_angle(v):
    return _parsed(_upstream_validate_angle, v, "an angle such as '0.5 deg'")


def validate_energy(v):
    return _parsed(_upstream_validate_energy, v, "an energy such as '1 TeV'")
