# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Quantities on axes on which there are quantities."""

import warnings
from contextlib import contextmanager

__all__ = ["one_converter"]


@contextmanager
def one_converter():
    """Draw quantities by several functions on the same axes, without a warning.

    Each use of `~astropy.visualization.quantity_support` has a class of its own, and
    Matplotlib from 3.10 on warns that they may be incompatible.

    Yields
    ------
    None
        In the context there is no such warning.

    Examples
    --------
    >>> import astropy.units as u
    >>> import matplotlib.pyplot as plt
    >>> from astropy.visualization import quantity_support
    >>> from gammapy.utils.one_converter import one_converter
    >>> ax = plt.figure().subplots()
    >>> with one_converter():
    ...     for energy in (1, 2) * u.TeV:
    ...         with quantity_support():
    ...             line = ax.axvline(energy)
    """
    with warnings.catch_warnings():
        message = "This axis already has a converter set"
        warnings.filterwarnings("ignore", message=message, category=UserWarning)
        yield
