# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energy axes with readable labels."""

import numpy as np
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

__all__ = []

#: Inches of a decade above which there is room for numbers between its ends.
SHORTEST_DECADE = 1.1


def format_energy_axis(ax, energy_min, energy_max):
    """Logarithmic energy axis with plain numbers, with minor labels if it is short."""
    ax.set_xscale("log")
    ax.set_xlim(energy_min, energy_max)
    ratio = energy_max / energy_min
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    if ratio < 3:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_minor_formatter(NullFormatter())
        return
    digits = (2, 3, 5, 7) if ratio < 10 else (2, 5) if ratio < 1e3 else ()
    width = ax.get_window_extent().width / ax.figure.dpi
    if ratio >= 10 and width < SHORTEST_DECADE * np.log10(ratio):
        # The numbers would run into each other.
        digits = (3,) if ratio < 100 else ()

    def label_minor(x, _):
        digit = round(x / 10 ** np.floor(np.log10(x) + 1e-9))
        return f"{x:g}" if digit in digits else ""

    ax.xaxis.set_minor_formatter(FuncFormatter(label_minor))
    _align_labels(ax.xaxis)


def _align_labels(axis):
    """Put the labels of minor ticks, which are shorter, on the line of the others."""
    major, minor = (axis.get_tick_params(which=which) for which in ("major", "minor"))
    name = axis.axis_name
    length, pad, shorter = (
        given.get(key, plt.rcParams[f"{name}tick.{which}.{setting}"])
        for given, key, which, setting in (
            (major, "length", "major", "size"),
            (major, "pad", "major", "pad"),
            (minor, "length", "minor", "size"),
        )
    )
    axis.set_tick_params(which="minor", pad=pad + length - shorter)
