# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw nuisance tables."""

from dataclasses import dataclass
import numpy as np
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.maps.energy_bins import energy_unit
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.modeling.models import DatasetModels
from gammapy.utils.arguments import check_list, did_you_mean, show
from .axes import check_plain_axes
from .energies import format_energy_axis
from .nuisance_labels import ScaledFormatter as ScaledFormatter
from .nuisance_labels import format_values, label, neutral_value
from .nuisance_scans import has_curve, is_good, plot_curve, plot_surfaces

__all__ = ["plot_nuisance"]

# Inches: a panel, the curve of the statistic, what is around them, and a character of
# the names of observations below.
PANEL, CURVE, AROUND, CHARACTER = 1.6, 1.4, 1.0, 0.08
ENERGIES, ENDS = ("e_min", "e_ref", "e_max"), ("e_min", "e_max")
# More groups of observations than this have no colours.
N_COLORS = 10


@dataclass(frozen=True)
class Positions:
    """Where the rows of a table are drawn.

    Parameters
    ----------
    x : `~numpy.ndarray`
        Positions, shape (n_rows,).
    width : `~numpy.ndarray` or None
        Distances to both ends of the bins, shape (2, n_rows) or (2, 1).
    label : str
        Text at the axis.
    each : str
        To what each fit belongs, for the explanation of the error bars.
    """

    x: np.ndarray
    width: np.ndarray | None
    label: str
    each: str


def plot_nuisance(table, parameters=None, axes=None, *, best_fit=None):
    """Draw the fitted nuisance parameters of many fits.

    Values of a profile, of flux points, light curves and background norms are drawn
    with error bars. Values of `~gammapy.modeling.Fit.stat_surface` are drawn as colours
    over the two scanned parameters, with crosses at failed fits.

    A new figure of a profile has the rise of the fit statistic in its top panel, with
    lines at one and two standard deviations. Each parameter has a line at its best fit,
    with a band of one standard deviation. If the best fit is not known, a dashed line
    is at a norm of 1 or a tilt of 0. A text below a new figure explains bars and band.
    Observations of several datasets have one colour per dataset, for up to ten
    datasets.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table of a profile or surface, of flux points or of background
        normalisations.
    parameters : list of str, optional
        Columns to draw. Default is all columns with an error. If nothing except the
        source was fitted, the measured backgrounds of on-off datasets are drawn.
    axes : list of `~matplotlib.axes.Axes`, optional
        One axes per parameter. For a profile, an additional first axes is used for the
        fit statistic. Default is a new figure.
    best_fit : dict or `~gammapy.modeling.models.Models`, optional
        Global best fit, drawn as a band: (value, error) by parameter name, or models
        with these parameters. On a surface it is drawn as a star. Default is None: the
        best fit in the metadata of the table, if any.

    Returns
    -------
    axes : list of `~matplotlib.axes.Axes`
        The axes of the parameters. The axes of the fit statistic in a new figure is
        ``axes[0].figure.axes[0]``.

    Raises
    ------
    ValueError
        If there is no nuisance parameter, or one is not in the table.
    TypeError
        If ``table`` is not a table, or the axes are not plain axes.

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
    n_curves = int(has_curve(table))
    if axes is None:
        axes = _make_axes(table, len(parameters), n_curves, is_surface)
        is_new = True
    else:
        axes, is_new = list(np.ravel(axes)), False
        n_curves *= len(axes) == len(parameters) + 1
    if len(axes) != len(parameters) + n_curves:
        raise ValueError(
            f"There are {len(axes)} axes for {len(parameters)} parameters."
        )
    for ax in axes:
        check_plain_axes(ax)
    if is_surface:
        plot_surfaces(table, parameters, axes, best_fit)
    else:
        positions = _positions(table)
        _plot_points(table, parameters, axes[n_curves:], best_fit, positions)
        if n_curves:
            plot_curve(table, best_fit, axes[0])
        if is_new:
            text = _explanation(table, parameters, best_fit, positions)
            axes[0].figure.supxlabel(text, fontsize="small", color="0.4")
    _plot_legend(axes[0], axes[n_curves])
    if is_new:
        axes[0].figure.align_ylabels(axes)
    return axes[n_curves:]


def _make_axes(table, n_axes, n_curves, is_surface):
    """New figure with one panel above the other."""
    width, panel = (7.5, 2.9) if is_surface else (6.5, PANEL)
    height = panel * n_axes + CURVE * n_curves + AROUND
    if _is_of_runs(table):
        longest = max((len(name) for name in _run_names(table)), default=0)
        height += CHARACTER * longest
    figure = plt.figure(figsize=(width, height), layout="constrained")
    ratios = [CURVE] * n_curves + [panel] * n_axes
    options = {"sharex": True, "squeeze": False, "height_ratios": ratios}
    return list(figure.subplots(n_curves + n_axes, 1, **options)[:, 0])


def _plot_points(table, parameters, axes, best_fit, positions):
    for name, ax in zip(parameters, axes, strict=True):
        for rows, style in _groups(table, positions):
            _plot_parameter(table, name, positions, rows, ax, **style)
        if name in best_fit:
            _plot_band(*best_fit[name], ax)
        elif (value := neutral_value(name)) is not None:
            style = {"color": "tab:blue", "linewidth": 1, "linestyle": "--"}
            text = f"{name.rpartition('.')[2]} of {value:g}".capitalize()
            ax.axhline(value, label=text, **style)
        unit = format_values(ax.yaxis, table, name)
        ax.set_ylabel(label(table, name, unit), fontsize="small")
    _format_xaxis(axes, table, positions)


def _explanation(table, parameters, best_fit, positions):
    """What error bars and band are, in one line."""
    parts = []
    if any(np.isfinite(table[f"{name}_err"]).any() for name in parameters):
        parts.append(rf"bars: 1$\sigma$ of the fit {positions.each}")
    if any(name in best_fit for name in parameters):
        parts.append(r"band: 1$\sigma$ of the best fit")
    return "; ".join(parts).capitalize()


def _plot_legend(ax, ax_with_entries):
    """Legend above the first axes."""
    handles, labels = ax_with_entries.get_legend_handles_labels()
    if labels:
        style = {"fontsize": "small", "loc": "lower right", "frameon": False}
        ax.legend(handles, labels, ncols=4, bbox_to_anchor=(1, 1), **style)


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


def _is_of_runs(table):
    """Whether the rows are observations."""
    return "obs_id" in table.colnames and not {"e_ref", "time_min"} & set(
        table.colnames
    )


def _positions(table):
    """Where the rows are drawn."""
    if "time_min" in table.colnames and len(np.unique(table["time_min"])) > 1:
        low, high = (np.asarray(table[name]) for name in ("time_min", "time_max"))
        width = (high - low) / 2 * np.ones((2, 1))
        return Positions((low + high) / 2, width, "Time [MJD]", "of each interval")
    if "e_ref" in table.colnames:
        energies = u.Quantity([u.Quantity(table[name]) for name in ENERGIES])
        unit = energy_unit(energies)
        low, x, high = energies.to_value(unit)
        width = np.array([x - low, high - x])
        return Positions(x, width, f"Energy [{unit}]", "in each energy bin")
    if "obs_id" in table.colnames:
        x = np.arange(len(table))
        return Positions(x, None, "Observation", "of each observation")
    name = table.meta.get("scan", table.colnames)[0]
    each = "at each value of the scanned parameter, which is fixed"
    return Positions(np.asarray(table[name]), None, name, each)


def _run_names(table):
    """Name of each observation, with its dataset if it is in several."""
    names = [str(obs_id) for obs_id in table["obs_id"]]
    if len(set(names)) < len(names) and "dataset" in table.colnames:
        datasets = [str(name) for name in table["dataset"]]
        pairs = zip(datasets, names, strict=True)
        names = [": ".join(filter(None, pair)) for pair in pairs]
    return names


def _groups(table, positions):
    """Rows that are drawn alike, with their style."""
    if positions.label.startswith("Time"):
        groups = _energies_of_light_curve(table)
    elif positions.label == "Observation":
        groups = _datasets_of_runs(table)
    else:
        groups = {}
    if not 1 < len(groups) <= N_COLORS:
        return [(np.ones(len(table), dtype=bool), {})]
    return [
        (rows, {"color": f"C{idx}", "label": name})
        for idx, (name, rows) in enumerate(groups.items())
    ]


def _energies_of_light_curve(table):
    """Rows of each energy bin, by its name."""
    groups = {}
    unit = energy_unit(u.Quantity(table["e_max"]))
    for low in np.unique(np.asarray(table["e_min"])):
        rows = np.asarray(table["e_min"]) == low
        edges = u.Quantity([u.Quantity(table[name][rows][:1]) for name in ENDS])
        low_text, high_text = (f"{edge:.3g}" for edge in edges.to_value(unit).ravel())
        groups[f"{low_text}-{high_text} {unit}"] = rows
    return groups


def _datasets_of_runs(table):
    """Rows of the observations of each dataset, none if each has its own."""
    if "dataset" not in table.colnames:
        return {}
    names = np.array([str(name) for name in table["dataset"]])
    groups = {name: names == name for name in dict.fromkeys(names)}
    return {} if len(groups) == len(table) else groups


def _plot_parameter(table, name, positions, rows, ax, *, color="black", label="Fit"):
    """Values with error bars; fits that failed are open and red."""
    values, errors = np.asarray(table[name]), np.asarray(table[f"{name}_err"])
    good, width = is_good(table), positions.width
    if width is not None:
        width = np.broadcast_to(width, (2, len(table)))
    for select, style in [
        (rows & good, {"color": color, "label": label}),
        (rows & ~good, {"color": "tab:red", "mfc": "white", "label": "Failed fit"}),
    ]:
        if select.any():
            ax.errorbar(
                positions.x[select],
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
    """Best fit, with a band where it has an error."""
    ax.axhline(value, color="tab:blue", linewidth=1, label="Best fit")
    if np.isfinite(error):
        style = {"color": "tab:blue", "alpha": 0.2, "linewidth": 0}
        ax.axhspan(value - error, value + error, **style)


def _format_xaxis(axes, table, positions):
    text, x, width = positions.label, positions.x, positions.width
    if text.startswith("Energy"):
        for ax in axes:
            format_energy_axis(ax, np.min(x - width[0]), np.max(x + width[1]))
    if text in table.colnames:
        units = [format_values(ax.xaxis, table, text) for ax in axes]
        text += units[-1]
    if text == "Observation":
        for ax in axes:
            ax.set_xticks(x, _run_names(table))
            ax.tick_params(axis="x", labelrotation=90, labelsize="small")
    if text.startswith("Time"):
        axes[-1].ticklabel_format(axis="x", useOffset=False)
        axes[-1].locator_params(axis="x", nbins=5)
    axes[-1].set_xlabel(text)
