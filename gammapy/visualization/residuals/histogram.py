# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Distribution of the significance."""

import numpy as np
from scipy.stats import norm

__all__ = []

BIN_WIDTH = 0.25
MAX_BINS = 200
NARROWEST = 5.0


def plot_histogram(values, row, ax):
    """Histogram of the significance, the Gaussian of its moments and N(0, 1).

    Parameters
    ----------
    values : `~numpy.ndarray`
        Significance; infinite values are counted in the legend, NaN is left out.
    row : `~astropy.table.Row`
        Row of `SpatialResiduals.distribution`.
    ax : `~matplotlib.axes.Axes`
        Axes.
    """
    finite = values[np.isfinite(values)]
    n_infinite = np.isinf(values).sum()
    low = min(-NARROWEST, 1.05 * np.min(finite, initial=0))
    high = max(NARROWEST, 1.05 * np.max(finite, initial=0))
    highest = smallest = norm.pdf(0)
    if finite.size:
        label = f"Pixels ({n_infinite} infinite)" if n_infinite else "Pixels"
        density, edges = _histogram(finite, low, high)
        ax.stairs(density, edges, fill=True, color="tab:blue", alpha=0.45, label=label)
        highest, smallest = max(highest, density.max()), density[density > 0].min()
    else:
        ax.text(0.5, 0.5, "No values", ha="center", transform=ax.transAxes)

    x = np.linspace(low, high, 1001)
    ax.plot(x, norm.pdf(x), color="black", linestyle="--", label="N(0, 1)")
    if row["std"] > 0:
        label = (
            f"$\\mu$ = {row['mean']:.2f} $\\pm$ {row['mean_err']:.2f}\n"
            f"$\\sigma$ = {row['std']:.2f} $\\pm$ {row['std_err']:.2f}"
        )
        fit = norm.pdf(x, row["mean"], row["std"])
        ax.plot(x, fit, color="tab:red", label=label)
    ax.set_yscale("log")
    ax.set_ylim(min(smallest, 1e-3) / 2, 2.5 * highest)
    ax.set_xlim(low, high)
    # On the side where the tail is longer there is more room.
    side = "right" if high > -low else "left"
    ax.legend(fontsize="small", loc=f"upper {side}")


def _histogram(values, low, high):
    """Probability density in bins of the same width, one of them around 0."""
    width = max(BIN_WIDTH, (high - low) / MAX_BINS)
    n_low, n_high = (int(np.ceil(abs(bound) / width + 0.5)) for bound in (low, high))
    edges = width * (np.arange(-n_low, n_high + 1) - 0.5)
    return np.histogram(values, bins=edges, density=True)
