# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw nuisance tables."""

import numpy as np
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from matplotlib.ticker import ScalarFormatter
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.modeling.models import DatasetModels
from gammapy.utils.arguments import check_list, did_you_mean, show
from .axes import check_plain_axes
from .energies import format_energy_axis

__all__ = ["plot_nuisance"]

# Powers of ten that are no trouble to read at each tick.
PLAIN_EXPONENTS = range(-4, 6)
# Longest line of a label beside a panel, in characters.
N_CHARACTERS = 20
# Inches: below the panels, and of a character of the names of runs there.
BOTTOM, CHARACTER = 0.7, 0.08


def plot_nuisance(table, parameters=None, axes=None, *, best_fit=None):
    """Draw each nuisance parameter against what identifies its fit.

    Values of a profile, of flux points, light curves and backgrounds are drawn with
    error bars. Those of `~gammapy.modeling.Fit.stat_surface` are colours over the two
    scanned parameters, with crosses on the fits that failed.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table of a profile or surface, of flux points or of background
        normalisations.
    parameters : list of str, optional
        Columns to draw. Default is all that have an error or, where nothing was fitted
        beside the source, the measured backgrounds of on-off datasets.
    axes : list of `~matplotlib.axes.Axes`, optional
        One axes per parameter. Default is a new figure.
    best_fit : dict or `~gammapy.modeling.models.Models`, optional
        Global best fit, drawn as a band: (value, error) by parameter name, or models
        with these parameters. On a surface it is a star. Default is None, what the
        table knows of it.

    Returns
    -------
    axes : list of `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If there is no nuisance parameter, or one is not in the table.
    TypeError
        If this is no table, or there are no plain axes.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.modeling import Fit
    >>> from gammapy.visualization import plot_nuisance
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> amplitude = datasets.parameters["amplitude"]
    >>> amplitude.scan_n_values = 3
    >>> profile = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    >>> axes = plot_nuisance(profile["nuisance"], ["Fermi-LAT-bkg.spectral.norm"])
    """
    if not isinstance(table, Table):
        raise TypeError(
            f"table: expected a nuisance table, got {show(table)}; fits keep one with "
            "debug=True."
        )
    table = _with_measured(table)
    parameters = _check_parameters(table, parameters)
    best_fit = table.meta.get("best_fit") if best_fit is None else best_fit
    best_fit = _best_fit_values(best_fit)
    is_surface = len(table.meta.get("scan", [])) == 2
    if axes is None:
        axes = _make_axes(table, len(parameters), is_surface)
    axes = list(np.ravel(axes))
    if len(axes) != len(parameters):
        raise ValueError(
            f"There are {len(axes)} axes for {len(parameters)} parameters."
        )
    for ax in axes:
        check_plain_axes(ax)
    draw = _plot_surfaces if is_surface else _plot_points
    draw(table, parameters, axes, best_fit)
    return axes


def _make_axes(table, n_axes, is_surface):
    """New figure with one panel above the other."""
    width, panel, right = (7.5, 2.9, 0.9) if is_surface else (6.5, 1.7, 0.97)
    bottom = BOTTOM
    if _identifying_values(table)[-1] == "Observation":
        longest = max((len(name) for name in _run_names(table)), default=0)
        bottom = max(bottom, BOTTOM / 2 + CHARACTER * longest)
    height = panel * n_axes + 0.4 + bottom
    margins = {"left": 1.3 / width, "right": right, "hspace": 0.1}
    margins |= {"bottom": bottom / height, "top": 1 - 0.4 / height}
    figure = plt.figure(figsize=(width, height))
    options = {"sharex": True, "squeeze": False, "gridspec_kw": margins}
    return figure.subplots(n_axes, 1, **options)


def _plot_points(table, parameters, axes, best_fit):
    x, width, label = _identifying_values(table)
    for name, ax in zip(parameters, axes, strict=True):
        for rows, style in _groups(table, label):
            size = None if width is None else width[:, rows]
            _plot_parameter(table[rows], name, x[rows], size, ax, **style)
        if name in best_fit:
            _plot_band(*best_fit[name], ax)
        unit = _format_values(ax.yaxis, table, name)
        ax.set_ylabel(_break_name(name, unit), fontsize="small")
    _format_xaxis(axes, table, x, width, label)
    _plot_legend(axes[0])


def _plot_surfaces(table, parameters, axes, best_fit):
    x_name, y_name = table.meta["scan"]
    x, column = np.unique(np.asarray(table[x_name]), return_inverse=True)
    y, row = np.unique(np.asarray(table[y_name]), return_inverse=True)
    failed = ~np.asarray(table["success"]).astype(bool)
    for name, ax in zip(parameters, axes, strict=True):
        values = np.full((len(y), len(x)), np.nan)
        values[row, column] = table[name]
        image = ax.pcolormesh(_edges(x), _edges(y), values, cmap="viridis")
        colorbar = ax.figure.colorbar(image, ax=ax)
        colorbar.set_label(_name_with_unit(table, name), fontsize="small")
        if failed.any():
            style = {"color": "tab:red", "markeredgecolor": "white", "markersize": 8}
            style |= {"linestyle": "", "label": "Failed fit"}
            ax.plot(x[column[failed]], y[row[failed]], marker="X", **style)
        if x_name in best_fit and y_name in best_fit:
            _plot_star(best_fit[x_name][0], best_fit[y_name][0], ax)
        unit = _format_values(ax.yaxis, table, y_name)
        ax.set_ylabel(_break_name(y_name, unit), fontsize="small")
        unit = _format_values(ax.xaxis, table, x_name)
    axes[-1].set_xlabel(x_name + unit)
    _plot_legend(axes[0])


def _edges(centers):
    """Edges of the cells around values, halfway between them."""
    if len(centers) == 1:
        half = abs(centers[0]) / 2 or 0.5
        return np.array([centers[0] - half, centers[0] + half])
    middle = (centers[1:] + centers[:-1]) / 2
    first, last = 2 * centers[0] - middle[0], 2 * centers[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _plot_star(x, y, ax):
    """Best fit, unless it is outside the scan."""
    (x_min, x_max), (y_min, y_max) = ax.get_xlim(), ax.get_ylim()
    if x_min <= x <= x_max and y_min <= y <= y_max:
        style = {"markerfacecolor": "white", "markeredgecolor": "black"}
        ax.plot(x, y, "*", markersize=11, linestyle="", label="Best fit", **style)


def _plot_legend(ax):
    if not ax.get_legend_handles_labels()[1]:
        return
    ax.legend(
        fontsize="small",
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        frameon=False,
    )


def _name_with_unit(table, name):
    return _break_name(name, _unit(table, name))


def _unit(table, name, scale=1):
    unit = table[name].unit
    if scale != 1:
        unit = u.Unit(scale * (u.dimensionless_unscaled if unit is None else unit))
    return "" if unit is None else f" [{unit}]"


def _format_values(axis, table, name):
    """Show values without a common power of ten, and give their unit, which has it.

    Matplotlib writes the power where it covers a long label.
    """
    values = np.abs(np.asarray(table[name], dtype=float))
    largest = np.max(values, initial=0, where=np.isfinite(values))
    exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
    scale = 1 if exponent in PLAIN_EXPONENTS else 10.0**exponent
    axis.set_major_formatter(ScaledFormatter(scale))
    return _unit(table, name, scale)


class ScaledFormatter(ScalarFormatter):
    """Ticks in units of a scale, in full.

    Parameters
    ----------
    scale : float
        The unit.
    """

    def __init__(self, scale):
        super().__init__(useOffset=False)
        self.set_scientific(False)
        self.scale = scale

    def set_locs(self, locs):
        """Set the values of all ticks, which make the number of digits."""
        super().set_locs([loc / self.scale for loc in locs])

    def __call__(self, x, pos=None):
        """Text of a tick."""
        return super().__call__(x / self.scale, pos)


def _with_measured(table):
    """Table where measured backgrounds can be drawn, when nothing was fitted.

    They have no errors.
    """
    names = table.colnames
    measured = [name for name in names if name.startswith("background.")]
    if not measured or any(f"{name}_err" in names for name in names):
        return table
    table = table.copy()
    for name in measured:
        table[f"{name}_err"] = np.full(len(table), np.nan)
    return table


def _check_parameters(table, parameters):
    known = [column for column in table.colnames if f"{column}_err" in table.colnames]
    if parameters is None:
        parameters = [name for name in known if not name.endswith("_null")]
    parameters = [parameters] if isinstance(parameters, str) else parameters
    if parameters or not hasattr(parameters, "__len__"):
        parameters = check_list("parameters", parameters, "names of columns")
    unknown = [par for par in parameters if par not in known]
    if unknown or not parameters:
        what = "no parameter to draw"
        if unknown:
            what = f"no parameters {unknown}{did_you_mean(unknown[0], known)}"
        raise ValueError(f"The table has {what}; its parameters are {known}.")
    return parameters


def _identifying_values(table):
    """Positions, half widths and label of the x axis."""
    if "time_min" in table.colnames and len(np.unique(table["time_min"])) > 1:
        low, high = (np.asarray(table[name]) for name in ("time_min", "time_max"))
        return (low + high) / 2, (high - low) / 2 * np.ones((2, 1)), "Time [MJD]"
    if "e_ref" in table.colnames:
        x, unit = table["e_ref"], table["e_ref"].unit
        x, low, high = (
            np.asarray(column) for column in (x, table["e_min"], table["e_max"])
        )
        return x, np.array([x - low, high - x]), f"Energy [{unit}]"
    if "obs_id" in table.colnames:
        return np.arange(len(table)), None, "Observation"
    name = table.meta.get("scan", table.colnames)[0]
    return np.asarray(table[name]), None, name


def _run_names(table):
    """Name of each run, with that of its dataset where a run is in several."""
    names = [str(obs_id) for obs_id in table["obs_id"]]
    if len(set(names)) < len(names) and "dataset" in table.colnames:
        datasets = [str(name) for name in table["dataset"]]
        pairs = zip(datasets, names, strict=True)
        names = [": ".join(filter(None, pair)) for pair in pairs]
    return names


def _groups(table, label):
    """Rows that are drawn alike, with their style: the energies of a light curve."""
    if not label.startswith("Time") or len(np.unique(table["e_min"])) == 1:
        return [(np.ones(len(table), dtype=bool), {})]
    groups = []
    for low in np.unique(np.asarray(table["e_min"])):
        rows = np.asarray(table["e_min"]) == low
        high, unit = table["e_max"][rows][0], table["e_max"].unit
        name = f"{low:.3g}-{high:.3g} {unit}"
        groups.append((rows, {"color": f"C{len(groups)}", "label": name}))
    return groups


def _plot_parameter(table, name, x, width, ax, *, color="black", label="Fit"):
    """Values with error bars; fits that failed are open and red."""
    values, errors = np.asarray(table[name]), np.asarray(table[f"{name}_err"])
    good = np.asarray(table["success"]).astype(bool)
    for select, style in [
        (good, {"color": color, "label": label}),
        (~good, {"color": "tab:red", "mfc": "white", "label": "Failed fit"}),
    ]:
        if select.any():
            ax.errorbar(
                x[select],
                values[select],
                xerr=None if width is None else width[:, select],
                yerr=np.nan_to_num(errors[select]),
                fmt="o",
                markersize=4,
                linewidth=1.1,
                **style,
            )


def _best_fit_values(best_fit):
    """(value, error) by name."""
    expected = "(value, error) by name of the parameter, or models"
    if best_fit is None or isinstance(best_fit, dict):
        for name, pair in (best_fit or {}).items():
            if np.shape(pair) != (2,):
                raise ValueError(
                    f"best_fit: expected {expected}, got {show(pair)} for {name!r}."
                )
        return best_fit or {}
    if not isinstance(best_fit, DatasetModels):
        raise TypeError(f"best_fit: expected {expected}, got {show(best_fit)}.")
    names = unique_parameter_names(best_fit)
    return {
        names[id(par)]: (par.value, par.error)
        for par in best_fit.parameters.unique_parameters
    }


def _plot_band(value, error, ax):
    ax.axhline(value, color="tab:blue", linewidth=1, label="Best fit")
    ax.axhspan(value - error, value + error, color="tab:blue", alpha=0.2, linewidth=0)


def _break_name(name, unit):
    """Long names on several lines, so that they fit beside their panel."""
    lines = name.replace(".", ".\n") if len(name) > 14 else name
    is_long = len(lines.rpartition("\n")[2] + unit) > N_CHARACTERS
    return lines + ("\n" + unit.strip() if is_long else unit)


def _format_xaxis(axes, table, x, width, label):
    if label.startswith("Energy"):
        for ax in axes:
            format_energy_axis(ax, np.min(x - width[0]), np.max(x + width[1]))
    if label in table.colnames:
        units = [_format_values(ax.xaxis, table, label) for ax in axes]
        label += units[-1]
    if label == "Observation":
        for ax in axes:
            ax.set_xticks(x, _run_names(table))
            ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    if label.startswith("Time"):
        axes[-1].ticklabel_format(axis="x", useOffset=False)
        axes[-1].locator_params(axis="x", nbins=5)
    axes[-1].set_xlabel(label)
