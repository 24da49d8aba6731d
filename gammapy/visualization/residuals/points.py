# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Counts, model and residuals against energy, or whatever bins there are."""

import numpy as np
from astropy.visualization import quantity_support
import matplotlib.pyplot as plt
from gammapy.maps.energy_bins import energy_unit
from gammapy.stats.residual_methods import METHODS
from gammapy.visualization.energies import format_energy_axis

__all__ = []

# Colours that stay apart for colour-blind readers (Okabe & Ito 2008); the lines of
# further components differ in their dashes.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# Curves that stay below this fraction of the model are not drawn.
FAINTEST = 1e-3
# Residuals that are in sigma have lines at plus and minus this.
SIGMA_LINE = 3
# Decades of masked energies to show on either side, no more than are used.
MASKED_SHOWN = 0.5
BAND_STYLE = {"color": "black", "alpha": 0.35, "linewidth": 0, "gid": "band"}
MASK_STYLE = {"color": "0.88", "linewidth": 0, "zorder": 0}
# Fraction of the axes, from the top, that a legend may take from the data.
LEGEND_HEIGHT = 0.6


def plot_counts(
    table,
    ax,
    names,
    *,
    background_label,
    with_faint=False,
    label="Counts per bin",
):
    """Counts as points; model, background and components as steps.

    The error bar of a bin without counts reaches up from the bottom of the axes.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table of `SpectralResiduals.to_table` for the method "diff".
    ax : `~matplotlib.axes.Axes`
        Axes.
    names : list of str
        Components to draw.
    background_label : str
        What the background is.
    with_faint : bool
        Whether to draw also components that are too faint to matter.
    label : str, optional
        What the axis shows. Default is "Counts per bin".
    """
    edges = bin_edges(table)
    highest = np.nanmax([table["counts"], table["npred"]])
    shown = []
    for column, style in _curves(names, background_label):
        # Of a component outside the region there is a tail too faint to be seen.
        is_asked_for = with_faint and column != "npred_background"
        least = 0 if is_asked_for else FAINTEST * highest
        if column == "npred" or np.nanmax(table[column]) > least:
            ax.stairs(table[column], edges, baseline=None, **style)
            shown.append(column)
    if "npred_err" in table.colnames:
        text = r"Model $\pm 1\sigma$"
        plot_band(table["npred"], table["npred_err"], edges, ax, label=text)
    ax.errorbar(
        _centers(table),
        table["counts"],
        yerr=(table["residual_errn"], table["residual_errp"]),
        label="Counts",
        zorder=4,
        **_point_style(len(table)),
    )
    if highest > 0:
        ax.set_yscale("log")
        ax.set_ylim(_lowest_shown(table, shown), 3 * highest)
    ax.set_ylabel(label)


def plot_band(centre, errors, edges, ax, *, label=None):
    """Shade one standard deviation of the model around it.

    Parameters
    ----------
    centre, errors : `~numpy.ndarray` or float
        Middle of the band, and half its height.
    edges : `~numpy.ndarray`
        Edges of the bins.
    ax : `~matplotlib.axes.Axes`
        Axes.
    label : str, optional
        Text for the legend. Default is None.
    """
    low, high = np.asarray(centre - errors), np.asarray(centre + errors)
    ax.stairs(high, edges, baseline=low, fill=True, label=label, zorder=2, **BAND_STYLE)


def plot_points(table, ax):
    """Residuals with their error bars, and the line of agreement.

    Infinite residuals, of counts without model, are triangles at the border.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table of `SpectralResiduals.to_table`.
    ax : `~matplotlib.axes.Axes`
        Axes.
    """
    method = table.meta["method"]
    x = _centers(table)
    y, *errors = _residuals_with_errors(table)
    errors = np.array(errors)
    edges = bin_edges(table)
    widths = (x - edges[:-1], edges[1:] - x)
    finite, infinite = np.isfinite(y), np.isinf(y)
    ax.axhline(0, color="black", linewidth=0.7, zorder=1)
    if "residual_band" in table.colnames:
        plot_band(0.0, table["residual_band"], edges, ax)
    ax.errorbar(
        x,
        np.where(finite, y, np.nan),
        xerr=widths,
        yerr=np.where(finite, errors, np.nan),
        **_point_style(len(table)),
    )
    in_sigma = METHODS[method].is_in_sigma
    if in_sigma:
        for level in (-SIGMA_LINE, SIGMA_LINE):
            ax.axhline(level, color="0.6", linestyle=":", linewidth=0.9, zorder=1)
    ends = np.abs([y - errors[0], y, y + errors[1]])[:, finite]
    reach = 1.08 * np.nanmax(ends, initial=0)
    limit = max(reach, 1.2 * SIGMA_LINE) if in_sigma else reach
    limit = limit if limit > 0 else 1.0
    ax.set_ylim(-limit, limit)
    for marker, sign in (("^", 1), ("v", -1)):
        beyond = infinite & (np.sign(y) == sign)
        if beyond.any():
            # Their height is a fraction of the axes.
            transform = ax.get_xaxis_transform()
            (line,) = ax.plot(
                x[beyond],
                np.full(beyond.sum(), 0.5 + sign * 0.45),
                marker,
                markersize=5,
                color="black",
                markerfacecolor="white",
                transform=transform,
            )
            line.set_gid("infinite")


def plot_error_bars(table, axis, ax=None, **kwargs):
    """Residuals on axes that others made, in their unit or in that of a reader.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table of `SpectralResiduals.to_table`.
    axis : `~gammapy.maps.MapAxis`
        Energy axis.
    ax : `~matplotlib.axes.Axes`, optional
        Axes. Default is the current axes.
    **kwargs : dict
        Arguments of `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.
    """
    residual, errn, errp = _residuals_with_errors(table)
    finite = np.isfinite(residual)
    residual = np.where(finite, residual, np.nan)
    style = {"marker": "o", "markersize": 4, "ls": "None", "yerr": (errn, errp)}
    kwargs.setdefault("color", kwargs.pop("c", "black"))
    with quantity_support():
        ax = plt.gca() if ax is None else ax
        if ax.xaxis.get_units() is None:
            ax.xaxis.set_units(energy_unit(axis))
        style["xerr"] = axis.as_plot_xerr
        ax.errorbar(axis.as_plot_center, residual, **style | kwargs)
        axis.format_plot_xaxis(ax)
        ax.axhline(0, color=kwargs["color"], lw=0.5)
    if finite.any():
        low = min(np.min((residual - np.nan_to_num(errn))[finite]), 0)
        high = max(np.max((residual + np.nan_to_num(errp))[finite]), 0)
        margin = 0.05 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)
    return ax


def _residuals_with_errors(table):
    names = ("residual", "residual_errn", "residual_errp")
    return [np.asarray(table[name], dtype=float) for name in names]


def plot_masked_ranges(edges, mask, ax):
    """Shade the bins in which all is masked; the first range has a label.

    Parameters
    ----------
    edges : `~numpy.ndarray`
        Edges of the bins.
    mask : `~numpy.ndarray`
        Bins that are used.
    ax : `~matplotlib.axes.Axes`
        Axes.
    """
    # Where the mask changes a range begins or ends.
    steps = np.diff(np.concatenate([[1], np.asarray(mask, dtype=int), [1]]))
    starts, stops = np.nonzero(steps == -1)[0], np.nonzero(steps == 1)[0]
    label = "Masked"
    for start, stop in zip(starts, stops, strict=True):
        ax.axvspan(edges[start], edges[stop], label=label, **MASK_STYLE)
        label = None


def plot_legend(ax):
    """Legend in the upper right, above the data.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes with a logarithmic scale, which is extended to make room.
    """
    handles, labels = ax.get_legend_handles_labels()
    # Counts and model first, what is masked last.
    order = sorted(
        range(len(labels)),
        key=lambda idx: {"Counts": -2, "Model": -1, "Masked": 1}.get(labels[idx], 0),
    )
    n_columns = min(3, 1 + (len(labels) - 1) // 7)
    legend = ax.legend(
        [handles[idx] for idx in order],
        [labels[idx] for idx in order],
        fontsize="small",
        loc="upper right",
        ncols=n_columns,
        framealpha=0.9,
    )
    if ax.get_yscale() != "log":
        return
    box = legend.get_window_extent().transformed(ax.transAxes.inverted())
    free = max(box.y0 - 0.03, 1 - LEGEND_HEIGHT)
    highest = _highest_in_display(ax, box.x0)
    if highest > free:
        low, high = np.log(ax.get_ylim())
        ax.set_ylim(np.exp(low), np.exp(low + (high - low) * highest / free))


def _highest_in_display(ax, x_min):
    """Highest point of lines and bars right of a place, in fractions of the axes."""
    vertices = [
        patch.get_path().vertices for patch in ax.patches if patch.get_gid() == "curve"
    ]
    for container in ax.containers:
        points, _, bars = container.lines
        vertices += [points.get_xydata(), *(end for bar in bars for end in _ends(bar))]
    vertices = np.concatenate(vertices)
    vertices = vertices[np.isfinite(vertices).all(axis=1)]
    to_axes = ax.transData + ax.transAxes.inverted()
    x, y = to_axes.transform(vertices).T
    return np.max(y[x >= x_min], initial=0)


def shown_edges(edges, mask):
    """First and last energy to show: what is used, and little that is masked.

    Parameters
    ----------
    edges : `~numpy.ndarray`
        Edges of the energy bins.
    mask : `~numpy.ndarray`
        Bins that are used, one at least.

    Returns
    -------
    energy_min, energy_max : float
        Energies within the edges. Masked ends are cut half a decade from the bins that
        are used, or nearer when these span less.
    """
    used = np.nonzero(mask)[0]
    low, high = edges[[used[0], used[-1] + 1]]
    margin = min(10**MASKED_SHOWN, high / low if low > 0 else np.inf)
    return max(low / margin, edges[0]), min(high * margin, edges[-1])


def show_used_energies(ax, residuals):
    """Limit axes with units to the energies that are used, and write plain numbers.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes on which there are energies with a unit.
    residuals : `~gammapy.datasets.SpectralResiduals`
        Residuals, whose bins are shown.
    """
    axis = residuals.energy_axis
    edges = axis.edges.to_value(ax.xaxis.get_units())
    limits = shown_edges(edges, residuals.mask)
    if axis.interp == "log":
        format_energy_axis(ax, *limits)
    else:
        ax.set_xlim(*limits)


def _ends(bars):
    return [segment for segment in bars.get_segments() if len(segment)]


def bin_edges(table):
    """Edges of the bins of a table: of energies, else of x."""
    x = _bins_of(table)
    return np.append(table[f"{x}_min"], table[f"{x}_max"][-1])


def _centers(table):
    return np.asarray(table[f"{_bins_of(table)}_ref"], dtype=float)


def _bins_of(table):
    """What the names of the columns of the bins begin with."""
    return "e" if "e_ref" in table.colnames else "x"


def _curves(names, background_label):
    """Column and style of each curve, the model last but on top."""
    style = {"linewidth": 1.4, "gid": "curve"}
    yield (
        "npred",
        style | {"label": "Model", "color": "black", "linewidth": 1.6, "zorder": 3},
    )
    yield (
        "npred_background",
        style | {"label": background_label, "color": "0.5", "linestyle": "--"},
    )
    for idx, name in enumerate(names):
        color = COLORS[idx % len(COLORS)]
        dashes = DASHES[idx // len(COLORS) % len(DASHES)]
        yield (
            f"npred_{name}",
            style | {"label": name, "color": color, "linestyle": dashes},
        )


def _point_style(n_points):
    """Points and bars get thinner when there are many."""
    scale = min(1.0, np.sqrt(50 / n_points))
    return {
        "fmt": "o",
        "color": "black",
        "markersize": max(3.5 * scale, 1),
        "elinewidth": max(1.1 * scale, 0.4),
    }


def _lowest_shown(table, shown):
    """Lower end of a logarithmic axis.

    It is below all counts, the error bars of bins without counts and the top of each
    curve. A curve leaves the axes where it is ten times lower than these.
    """
    counts, errors = table["counts"], table["residual_errp"]
    ends = np.where(counts > 0, counts, errors)
    ends = np.concatenate([ends, [np.nanmax(table[name]) for name in shown]])
    lowest = ends[ends > 0].min()
    curves = np.concatenate([table[name] for name in shown])
    return 0.3 * np.min(curves[curves > 0.1 * lowest], initial=lowest)
