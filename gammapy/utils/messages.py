# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Texts of values and of names for messages."""

import difflib
import numpy as np
import astropy.units as u

__all__ = []

# Longest text of a value in a message.
N_CHARACTERS = 120


def show(value):
    """Text of a value on one line; of an object that has no text of its own the class.

    Parameters
    ----------
    value : object
        Value.

    Returns
    -------
    text : str
        Text for a message.

    Examples
    --------
    >>> from gammapy.utils.messages import show
    >>> show("0.1 deg"), show(object())
    ("'0.1 deg'", 'a object')
    """
    if isinstance(value, np.generic):
        value = value.item()
    is_plain = type(value).__repr__ is not object.__repr__
    text = repr(value) if is_plain else f"a {value.__class__.__name__}"
    if isinstance(value, u.Quantity):
        text = str(value)
    text = " ".join(text.split())
    if "object at 0x" in text or len(text) > N_CHARACTERS:
        text = f"a {value.__class__.__name__}"
    return text


def listed(names):
    """Text of names, quoted and separated by commas."""
    return ", ".join(map(repr, names))


def did_you_mean(name, known):
    """Hint at the name that a misspelt one is likely to be, "" without one.

    Parameters
    ----------
    name : str
        What was given.
    known : list of str
        Names that there are.

    Returns
    -------
    hint : str
        Text such as ", did you mean 'correlation_radius'".

    Examples
    --------
    >>> from gammapy.utils.messages import did_you_mean
    >>> did_you_mean("radius", ["kernel", "correlation_radius"])
    ", did you mean 'correlation_radius'"
    """
    known, name = [name for name in known if isinstance(name, str)], str(name)
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    # A word of a longer name is far from it by the number of letters.
    close += [word for word in lower if name.lower() in word.split("_")]
    return f", did you mean {lower[close[0]]!r}" if close else ""
