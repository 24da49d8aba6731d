# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pulls, impacts and correlations of parameters."""

from itertools import groupby
import numpy as np
import matplotlib.pyplot as plt
from gammapy.utils.arguments import check_choice, check_integer
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.plotter import BasePlotter

__all__ = ["ImpactsPlotter"]

#: Height of the figure for each row, and besides, in inches.
HEIGHT, HEIGHT_MORE = 0.28, 1.6

#: Room below the legend, in units of its font, with an axis of pulls and without.
ABOVE = {True: 6.0, False: 0.5}

#: Rows up to which the numbers are written into a matrix, and up to which there are
#: labels: of all parameters, else of all models, else of some of them.
N_NUMBERS, N_LABELS = 16, 60

#: Parts of names that say nothing new in a figure.
LEFT_OUT = (".spectral.", ".spatial.", ".temporal.")

UP, DOWN = "tab:blue", "tab:orange"


class ImpactsPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.Impacts`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import ImpactEstimator
    >>> from gammapy.modeling import Fit
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = Fit("newton").run(datasets)
    >>> impacts = ImpactEstimator("Crab Nebula.amplitude").run(datasets)
    >>> ax = impacts.plot()
    >>> ax = impacts.plot_correlation()
    """

    def plot(self, impacts, *, target=None, n=20, scale="error", ax=None):
        """Draw the largest impacts as bars, and pulls as points with error bars.

        Bars are the shifts of the result if the parameter is changed by plus and minus
        its error: from refits if there are any, else from the covariance. The lower
        axis is for the bars, the upper axis for the pulls. Groups are below the
        parameters. A star after a name stands for a flag in the table.

        Parameters
        ----------
        impacts : `~gammapy.diagnostics.Impacts`
            Result.
        target : str, optional
            Name of the result, if there are several flux points. Default is None, the
            first.
        n : int, optional
            Largest number of parameters. Default is 20.
        scale : {"error", "value", "absolute"}, optional
            Unit of the impacts: the error of the result, percent of its value, or its
            own unit. Default is "error".
        ax : `~matplotlib.axes.Axes`, optional
            Axes of the impacts. Default is new ones.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes of the impacts. The axes of the pulls are a twin of them.

        Raises
        ------
        ValueError
            If there is no such result or scale.
        """
        if ax is not None:
            check_plain_axes(ax)
        check_choice("scale", scale, ("error", "value", "absolute"))
        n = check_integer("n", n, expected="a number of parameters")
        target = impacts.find_target(target)
        parameters = impacts.ranking(n, target=target["name"])
        groups = impacts.ranking(target=target["name"], kind="group")
        unit, label = _scale(target, scale)
        with self._rc_context():
            n_rows = len(parameters) + len(groups)
            ax = _new_axes(n_rows) if ax is None else ax
            _draw_bars(ax, parameters, unit, 0)
            if len(groups):
                _draw_bars(ax, groups, unit, len(parameters))
                ax.axhline(len(parameters) - 0.5, color="0.4", lw=0.8)
            ax.axvline(0, color="0.4", lw=0.8)
            names = [_label(row) for table in (parameters, groups) for row in table]
            ax.set_yticks(np.arange(n_rows), names)
            ax.set_ylim(n_rows - 0.4, -0.6)
            reach = max(map(abs, ax.get_xlim()))
            ax.set_xlim(-reach, reach)
            ax.set_xlabel(label)
            has_pulls = _draw_pulls(ax, parameters)
            ax.legend(
                *_handles(ax),
                loc="lower center",
                bbox_to_anchor=(0.5, 1),
                borderaxespad=ABOVE[has_pulls],
                ncols=4,
                fontsize="small",
            )
        return ax

    def plot_correlation(self, impacts, *, target=None, ax=None, cmap="RdBu_r"):
        """Draw the correlations of all free parameters, with the blocks of components.

        Parameters
        ----------
        impacts : `~gammapy.diagnostics.Impacts`
            Result.
        target : str, optional
            Name of the result, if there are several flux points. Default is None, the
            first.
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is new axes.
        cmap : str or `~matplotlib.colors.Colormap`, optional
            Colours from -1 to 1. Default is "RdBu_r".

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            Axes.

        Raises
        ------
        ValueError
            If there is no such result.
        """
        if ax is not None:
            check_plain_axes(ax)
        names, models, matrix = impacts.correlation(target)
        order = np.argsort([models.index(model) for model in models], kind="stable")
        names, models = [names[idx] for idx in order], [models[idx] for idx in order]
        matrix = matrix[np.ix_(order, order)]
        with self._rc_context():
            ax = _square_axes(len(names)) if ax is None else ax
            image = ax.imshow(matrix, vmin=-1, vmax=1, cmap=cmap)
            ax.figure.colorbar(image, ax=ax, label="correlation", shrink=0.8)
            _draw_blocks(ax, models)
            _label_matrix(ax, names, models)
            if len(names) <= N_NUMBERS:
                _write_numbers(ax, matrix)
        return ax


def shorten(name):
    """Name of a parameter without the kind of the model.

    Parameters
    ----------
    name : str
        Unique name, such as "source.spatial.lon_0".

    Returns
    -------
    name : str
        Name, such as "source.lon_0".
    """
    for part in LEFT_OUT:
        name = name.replace(part, ".")
    return name


def _label(row):
    return shorten(row["name"]) + (" *" if row["flag"] else "")


def _scale(target, scale):
    """Unit of the impacts, and label of their axis."""
    name = shorten(target["name"])
    if scale == "error":
        return target["error"], f"shift of {name} / its error"
    if scale == "value":
        return abs(target["value"]) / 100, f"shift of {name} [% of its value]"
    unit = f" [{target['unit']}]" if target["unit"] else ""
    return 1.0, f"shift of {name}{unit}"


def _draw_bars(ax, table, unit, first):
    """Bars of the impacts up and down; where there are no fits, from the covariance."""
    impact = np.asarray(table["impact"], dtype=float)
    up = np.asarray(table["impact_refit"], dtype=float)
    down = np.asarray(table["impact_refit_down"], dtype=float)
    is_fitted = np.isfinite(up) & np.isfinite(down)
    up, down = np.where(is_fitted, up, impact), np.where(is_fitted, down, -impact)
    rows = first + np.arange(len(table))
    is_first = first == 0
    for values, color, label in (
        (up, UP, "parameter + error"),
        (down, DOWN, "parameter - error"),
    ):
        ax.barh(
            rows,
            np.nan_to_num(values / unit),
            height=0.8,
            color=color,
            alpha=0.6,
            label=label if is_first else None,
            zorder=1,
        )
    if is_fitted.any():
        # What the covariance says beside the fits.
        for sign in (1, -1):
            ax.barh(
                rows[is_fitted],
                sign * impact[is_fitted] / unit,
                height=0.8,
                fill=False,
                edgecolor="0.3",
                lw=0.8,
                label="covariance" if sign > 0 and is_first else None,
                zorder=2,
            )


def _draw_pulls(ax, table):
    """Pulls with their errors, on an axis of their own; whether there are any."""
    pulls = np.asarray(table["pull"], dtype=float)
    known = np.flatnonzero(np.isfinite(pulls))
    if not known.size:
        return False
    top = ax.twiny()
    errors = np.asarray(table["pull_err"], dtype=float)[known]
    top.errorbar(
        pulls[known], known, xerr=errors, fmt="o", color="black", ms=4, label="pull"
    )
    for value in (-1, 1):
        top.axvline(value, color="0.6", ls=":", lw=0.8, zorder=0)
    reach = max(2.0, 1.1 * np.max(abs(pulls[known]) + errors))
    top.set_xlim(-reach, reach)
    top.set_xlabel("pull: (value - expected value) / expected width")
    return True


def _handles(ax):
    """Handles and labels of the axes and its twin."""
    twins = [twin for twin in ax.figure.axes if twin.bbox.bounds == ax.bbox.bounds]
    found = [twin.get_legend_handles_labels() for twin in twins]
    handles = [handle for part, _labels in found for handle in part]
    return handles, [label for _handles_of_it, labels in found for label in labels]


def _new_axes(n_rows):
    size = (8, HEIGHT * n_rows + HEIGHT_MORE)
    return plt.subplots(figsize=size, layout="constrained")[1]


def _square_axes(n_rows):
    size = max(4.5, HEIGHT * min(n_rows, N_LABELS) + HEIGHT_MORE)
    return plt.subplots(figsize=(size * 1.15, size), layout="constrained")[1]


def _blocks(models):
    """First row, number of rows and name of each model."""
    first = 0
    for model, members in groupby(models):
        size = len(list(members))
        yield first, size, model
        first += size


def _label_matrix(ax, names, models):
    """Names of parameters at the sides; of models where there are too many."""
    if len(names) > N_LABELS:
        blocks = list(_blocks(models))
        blocks = blocks[:: 1 + len(blocks) // N_LABELS]
        ticks = [first + (size - 1) / 2 for first, size, _model in blocks]
        labels = [model for _first, _size, model in blocks]
        ax.set_yticks(ticks, labels)
        ax.set_xticks(ticks, labels, rotation=90)
        return
    ticks = np.arange(len(names))
    ax.set_yticks(ticks, [shorten(name) for name in names])
    own = [
        shorten(name).removeprefix(f"{model}.")
        for name, model in zip(names, models, strict=True)
    ]
    ax.set_xticks(ticks, own, rotation=90)


def _draw_blocks(ax, models):
    """Frames around the parameters of each model."""
    for first, size, _model in _blocks(models):
        frame = plt.Rectangle(
            (first - 0.5, first - 0.5), size, size, fill=False, edgecolor="black"
        )
        ax.add_patch(frame)


def _write_numbers(ax, matrix):
    """Numbers in the cells, but for the diagonal."""
    for row, column in zip(*np.nonzero(matrix), strict=True):
        value = matrix[row, column]
        if row != column and abs(value) >= 0.01:
            color = "white" if abs(value) > 0.6 else "black"
            text = f"{value:.2f}"
            ax.text(
                column, row, text, ha="center", va="center", color=color, fontsize=7
            )
