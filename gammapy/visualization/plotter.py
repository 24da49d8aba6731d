# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base class of all plotters."""

from types import MappingProxyType
import matplotlib.pyplot as plt
from matplotlib import RcParams

__all__ = ["BasePlotter"]


class BasePlotter:
    """Draws objects of one kind, with its own Matplotlib settings.

    A plotter has no state except its settings. The object to draw is an argument of
    each method. Other settings are those of Matplotlib at the time of drawing, so style
    sheets work as well.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings by name, as in `matplotlib.rcParams`, used while this
        plotter draws. Default is None, no settings.

    Raises
    ------
    ValueError
        If Matplotlib has no such setting, or the value is not valid.

    Examples
    --------
    >>> from gammapy.visualization.plotter import BasePlotter
    >>> plotter = BasePlotter(rc_params={"font.size": 8})
    >>> dict(plotter.rc_params)
    {'font.size': 8.0}
    """

    def __init__(self, rc_params=None):
        self._rc_params = _validated(rc_params or {})

    @property
    def rc_params(self):
        """Settings of this plotter. To change them, create another plotter."""
        return MappingProxyType(self._rc_params)

    def _rc_context(self):
        """Context in which the settings hold."""
        return plt.rc_context(self._rc_params)


def _validated(rc_params):
    """Settings as Matplotlib understands them, only those that were given."""
    try:
        return dict(RcParams(rc_params))
    except (KeyError, TypeError, ValueError) as error:
        # A KeyError shows its message in quotes.
        reason = error.args[0] if error.args else error
        raise ValueError(f"Invalid rc_params: {reason}") from None
