# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checks of arguments, with errors of one line: argument, expected value, value.

Values are checked once, where they are passed by the user. A value of the wrong type
raises a TypeError, and a value out of range a ValueError. For values that are parsed,
such as quantities, both raise a ValueError, as required by pydantic.
"""

import functools
import inspect
from collections.abc import Mapping
from numbers import Integral, Real
import numpy as np
import astropy.units as u
from gammapy.utils import parallel
from .messages import did_you_mean, listed, show

__all__ = []

#: By unit what such a quantity is, with an example.
KINDS = {"TeV": "an energy such as '1 TeV'", "deg": "an angle such as '0.1 deg'"}


def check_options(function, options, known):
    """Raise a TypeError that names an option that a function does not have.

    Parameters
    ----------
    function : str
        Name of the function.
    options : dict or list of str
        Options that were given.
    known : list of str
        Options that there are.
    """
    for name in options:
        if name not in known:
            raise TypeError(
                f"{function} has no option {name!r}{did_you_mean(name, known)}; "
                f"options are {', '.join(known)}."
            )


def option_names(function):
    """Names of the arguments of a function, without that for its object or class."""
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "cls")]


def explain_options(function):
    """Decorate a function to say which options there are, when one is unknown."""
    known = option_names(function)
    name = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        check_options(name, kwargs, known)
        return function(*args, **kwargs)

    return wrapper


def check_mapping(name, value):
    """Options as a dict, empty for None; a TypeError when they are none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a dict of options, got {show(value)}.")
    return dict(value)


def check_type(name, value, kinds, expected):
    """Raise a TypeError when a value is not of the kind that is expected.

    Parameters
    ----------
    name : str
        Argument.
    value : object
        Value.
    kinds : type or tuple of type
        Kinds that it may be of.
    expected : str
        What they are, in words.
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{name}: expected {expected}, got {show(value)}.")


def check_list(name, values, expected):
    """Values as a list, a TypeError when they are none and a ValueError when empty.

    Parameters
    ----------
    name : str
        Argument.
    values : object
        What may be a list.
    expected : str
        What it is a list of, in words.

    Returns
    -------
    values : list
        The values.
    """
    try:
        items = None if isinstance(values, str) else list(values)
    except TypeError:
        items = None
    if items is None:
        raise TypeError(f"{name}: expected {expected}, got {show(values)}.")
    if not items:
        raise ValueError(f"{name}: expected {expected}, got none.")
    return items


def check_choice(name, value, choices):
    """Raise a ValueError that lists the choices when a value is none of them."""
    if not isinstance(value, str) or value not in choices:
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        raise ValueError(
            f"{name}: got {show(value)}{hint}; choose from {listed(choices)}."
        )


def check_bool(name, value):
    """A value as True or False; a TypeError when it is neither.

    A text such as "no" would count as true.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name}: expected True or False, got {show(value)}.")


def check_number(name, value, *, above=-np.inf, low=-np.inf):
    """A finite number in a range; a TypeError when it is no number.

    Parameters
    ----------
    name : str
        Argument.
    value : float
        Value.
    above, low : float, optional
        The value must be larger than the one, and at least the other. Default is any.

    Returns
    -------
    value : float
        The value.
    """
    expected = "a finite number"
    if above > -np.inf:
        expected = f"a number above {above}"
    if low > -np.inf:
        expected = f"a number of {low} or more"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {expected}, got {show(value)}.")
    if not (np.isfinite(value) and value > above and value >= low):
        raise ValueError(f"{name}: expected {expected}, got {show(value)}.")
    return value


def check_integer(name, value, *, low=1, expected="a number"):
    """A whole number; an error when it is none or below the lowest.

    Parameters
    ----------
    name : str
        Argument.
    value : int
        Value.
    low : int, optional
        Lowest value. Default is 1.
    expected : str, optional
        What it is, in words. Default is "a number".

    Returns
    -------
    value : int
        The value.
    """
    expected = f"{expected} of {low} or more"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {expected}, got {show(value)}.")
    if value != np.floor(value) or not low <= value < np.inf:
        raise ValueError(f"{name}: expected {expected}, got {show(value)}.")
    return int(value)


def check_n_jobs(n_jobs, parallel_backend=None):
    """Number of processes as an int; an error when it or what makes them is none.

    Parameters
    ----------
    n_jobs : int or None
        Number of processes, None for the default.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. Default is None, that of `gammapy.utils.parallel`.

    Returns
    -------
    n_jobs : int
        Number of processes.
    """
    if parallel_backend is not None:
        backends = [backend.value for backend in parallel.ParallelBackendEnum]
        if parallel_backend not in list(parallel.ParallelBackendEnum):
            check_choice("parallel_backend", parallel_backend, backends)
    if n_jobs is None:
        return parallel.N_JOBS_DEFAULT
    return check_integer("n_jobs", n_jobs, expected="a number of processes")


def parse_quantity(name, value, unit):
    """One quantity; a ValueError that says which argument has not this kind of unit.

    Parameters
    ----------
    name : str
        Argument.
    value : `~astropy.units.Quantity` or str
        Value.
    unit : {"TeV", "deg"}
        Unit of its kind.

    Returns
    -------
    quantity : `~astropy.units.Quantity`
        Scalar, in its own unit; not NaN, and of an energy not negative.
    """
    try:
        quantity = u.Quantity(value)
    except (TypeError, ValueError):
        quantity = None
    if quantity is None or quantity.shape or not quantity.unit.is_equivalent(unit):
        raise ValueError(f"{name}: expected {KINDS[unit]}, got {show(value)}.")
    if np.isnan(quantity) or (unit == "TeV" and quantity < 0):
        raise ValueError(f"{name}: expected {KINDS[unit]}, got {show(value)}.")
    return quantity


def parse_edges(name, values):
    """Increasing energies as a quantity, in the unit of the first; else a ValueError.

    Parameters
    ----------
    name : str
        Argument.
    values : `~astropy.units.Quantity` or list of str
        Two energies or more.

    Returns
    -------
    edges : `~astropy.units.Quantity`
        Energies.
    """
    expected = "two or more increasing energies such as ['1 TeV', '10 TeV']"
    try:
        edges = (
            None if isinstance(values, str) else u.Quantity([*map(u.Quantity, values)])
        )
    except (TypeError, ValueError):  # the error of units is one of these
        edges = None
    if (
        edges is None
        or edges.ndim != 1
        or len(edges) < 2
        or not edges.unit.is_equivalent("TeV")
        or not (np.diff(edges.value) > 0).all()
        or not edges[0] >= 0
    ):
        raise ValueError(f"{name}: expected {expected}, got {show(values)}.")
    return edges
