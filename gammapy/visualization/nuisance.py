# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw nuisance tables."""

import numpy as np
import matplotlib.pyplot as plt
from .residuals import format_energy_axis

__all__ = ["plot_nuisance"]


def plot_nuisance(table, parameters=None, axes=None, *, best_fit=None):
    """Draw each nuisance parameter against what identifies its fit.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Nuisance table of a profile, of flux points or of background normalisations.
    parameters : list of str, optional
        Columns to draw. Default is all that have an error.
    axes : list of `~matplotlib.axes.Axes`, optional
        One axes per parameter. Default is a new figure.
    best_fit : dict or `~gammapy.modeling.models.Models`, optional
        Global best fit, drawn as a band: (value, error) by parameter name, or models
        with these parameters. Default is None, what the table knows of it.

    Returns
    -------
    axes : list of `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If there is no nuisance parameter, or one is not in the table.

    Examples
    --------
    >>> profile = fit.stat_profile(
    ...     datasets, "amplitude", reoptimize=True, debug=True
    ... )  # doctest: +SKIP
    >>> plot_nuisance(profile["nuisance"])  # doctest: +SKIP
    """
    parameters = _check_parameters(table, parameters)
    x, width, label = _identifying_values(table)
    if axes is None:
        height = 1.7 * len(parameters) + 1.1
        margins = {"left": 0.2, "right": 0.97, "hspace": 0.1}
        margins |= {"bottom": 0.7 / height, "top": 1 - 0.4 / height}
        figure = plt.figure(figsize=(6.5, height))
        axes = figure.subplots(
            len(parameters), 1, sharex=True, squeeze=False, gridspec_kw=margins
        )
    axes = list(np.ravel(axes))
    if len(axes) != len(parameters):
        raise ValueError(
            f"There are {len(axes)} axes for {len(parameters)} parameters."
        )

    bands = _best_fit_bands(
        table.meta.get("best_fit") if best_fit is None else best_fit
    )
    for name, ax in zip(parameters, axes, strict=True):
        _plot_parameter(table, name, x, width, ax)
        if name in bands:
            _plot_band(*bands[name], ax)
        unit = "" if table[name].unit is None else f" [{table[name].unit}]"
        ax.set_ylabel(_break_name(name) + unit, fontsize="small")
    _format_xaxis(axes, x, width, label)
    axes[0].legend(
        fontsize="small",
        ncols=3,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        frameon=False,
    )
    return axes


def _check_parameters(table, parameters):
    known = [_ for _ in table.colnames if f"{_}_err" in table.colnames]
    if parameters is None:
        parameters = [_ for _ in known if not _.endswith("_null")]
    parameters = [parameters] if isinstance(parameters, str) else list(parameters)
    unknown = [_ for _ in parameters if _ not in known]
    if unknown or not parameters:
        what = f"no parameters {unknown}" if unknown else "no parameter to draw"
        raise ValueError(f"The table has {what}; its parameters are {known}.")
    return parameters


def _identifying_values(table):
    """Positions, half widths and label of the x axis."""
    if "e_ref" in table.colnames:
        x, unit = table["e_ref"], table["e_ref"].unit
        x, low, high = (np.asarray(_) for _ in (x, table["e_min"], table["e_max"]))
        return x, np.array([x - low, high - x]), f"Energy [{unit}]"
    if "obs_id" in table.colnames:
        return np.asarray(table["obs_id"]).astype(str), None, "Observation"
    name = table.meta.get("scan", table.colnames)[0]
    unit = "" if table[name].unit is None else f" [{table[name].unit}]"
    return np.asarray(table[name]), None, f"{name}{unit}"


def _plot_parameter(table, name, x, width, ax):
    """Values with error bars; fits that failed are open and red."""
    values, errors = np.asarray(table[name]), np.asarray(table[f"{name}_err"])
    good = np.asarray(table["success"]).astype(bool)
    for select, style in [
        (good, {"color": "black", "label": "Fit"}),
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


def _best_fit_bands(best_fit):
    """(value, error) by name."""
    if best_fit is None or isinstance(best_fit, dict):
        return best_fit or {}
    from gammapy.modeling.nuisance import unique_parameter_names

    names = unique_parameter_names(best_fit)
    return {
        names[id(par)]: (par.value, par.error)
        for par in best_fit.parameters.unique_parameters
    }


def _plot_band(value, error, ax):
    ax.axhline(value, color="tab:blue", linewidth=1, label="Best fit")
    ax.axhspan(value - error, value + error, color="tab:blue", alpha=0.2, linewidth=0)


def _break_name(name):
    """Long names on several lines, so that they fit beside their panel."""
    return name.replace(".", ".\n") if len(name) > 14 else name


def _format_xaxis(axes, x, width, label):
    if width is not None:
        for ax in axes:
            format_energy_axis(ax, np.min(x - width[0]), np.max(x + width[1]))
    if x.dtype.kind == "U":
        axes[-1].tick_params(axis="x", labelrotation=90, labelsize="small")
    axes[-1].set_xlabel(label)
