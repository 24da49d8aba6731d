# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on backgrounds: fitted norms, norms of observations, profiled backgrounds."""

import numpy as np
from scipy.stats import norm
from astropy.table import Table
from gammapy.diagnostics.result import plain_rows
from gammapy.makers import FoVBackgroundMaker
from gammapy.modeling.measured_background import measured_background
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel
from gammapy.report.blocks import figure_block, table_block
from gammapy.report.findings import Level
from gammapy.stats.goodness import after_trials
from gammapy.visualization import plot_nuisance
from .base import ReportSection

__all__ = []

#: Columns of the table of runs on the page.
RUNS = (
    "dataset",
    "obs_id",
    "counts_off",
    "npred_off",
    "norm",
    "norm_err",
    "tilt",
    "tilt_err",
    "pull",
    "success",
    "at_limit",
)

#: Runs that are drawn.
MOST_DRAWN = 100

#: What a parameter of a background is without a correction.
EXPECTED = {"norm": 1.0, "tilt": 0.0}


class BackgroundsSection(ReportSection):
    """Section on backgrounds."""

    name, title = "backgrounds", "Backgrounds"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        groups = group_table(context.models)
        runs = run_table(context.datasets)
        measured = measured_table(context.datasets)
        page.data |= {
            name: None if table is None else plain_rows(table)
            for name, table in (
                ("groups", groups),
                ("runs", runs),
                ("measured", measured),
            )
        }
        if groups is None and runs is None and measured is None:
            page.summary = "No background is fitted or measured."
            return
        page.summary = " ".join(self._summaries(groups, runs, measured))
        if groups is not None:
            caption = "Parameters of background models; pulls relative to 1 and 0."
            page.blocks.append(table_block(groups, caption=caption))
        if runs is not None:
            self._runs(page, runs, context.p_threshold)
        if measured is not None:
            caption = "Measured backgrounds, profiled for the model."
            page.blocks.append(table_block(measured, caption=caption))

    def _summaries(self, groups, runs, measured):
        if groups is not None:
            yield f"Free parameters of background models: {len(groups)}."
        if runs is not None:
            yield f"Observations with their own background norm: {len(runs)}."
        if measured is not None:
            yield f"Datasets with off counts: {len(measured)}."

    def _runs(self, page, runs, threshold):
        """Observations, and the one that is furthest from the others."""
        pulls = np.asarray(runs["pull"], dtype=float)
        if np.isfinite(pulls).any():
            worst = int(np.nanargmax(abs(pulls)))
            n_runs = int(np.isfinite(pulls).sum())
            p_local = 2 * norm.sf(abs(pulls[worst]))
            p_value = float(after_trials(p_local, n_runs))
            text = (
                f"The background norm of observation {runs['obs_id'][worst]} is "
                f"{pulls[worst]:+.1f} errors from the mean of all {n_runs} "
                f"(p = {p_value:.2g} after trials)."
            )
            page.find(Level.LOOK if p_value < threshold else Level.GOOD, text)
        if len(runs) <= MOST_DRAWN:
            axes = plot_nuisance(runs)
            alt = f"Background norms of {len(runs)} runs with their errors."
            page.blocks.append(figure_block(axes[0], alt))
        page.blocks.append(
            table_block(runs, RUNS, caption="Background norm of each observation.")
        )


def group_table(models):
    """Table of the free parameters of background models, None without any.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.

    Returns
    -------
    table : `~astropy.table.Table`
        Columns model, parameter, value, error and pull.
    """
    rows = []
    for model in models:
        if not isinstance(model, (FoVBackgroundModel, TemplateNPredModel)):
            continue
        for par in model.parameters.free_parameters:
            expected = EXPECTED.get(par.name, np.nan)
            error = par.error if par.error > 0 else np.nan
            pull = (par.value - expected) / error
            rows.append((model.name, par.name, par.value, error, pull))
    if not rows:
        return None
    table = Table(rows=rows, names=["model", "parameter", "value", "error", "pull"])
    for name, text in (("value", ".4f"), ("error", ".2g"), ("pull", "+.1f")):
        table[name].info.format = text
    return table


def run_table(datasets):
    """Table of the norms of observations, with their pulls; None without any.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Returns
    -------
    table : `~astropy.table.Table`
        That of `~gammapy.makers.FoVBackgroundMaker.nuisance`, and "pull".
    """
    runs = FoVBackgroundMaker.nuisance(datasets)
    if runs is None or "norm_err" not in runs.colnames:
        return None
    errors = np.ma.filled(np.ma.asarray(runs["norm_err"], dtype=float), np.nan)
    values = np.ma.filled(np.ma.asarray(runs["norm"], dtype=float), np.nan)
    is_known = (errors > 0) & np.isfinite(values)
    weights = np.where(is_known, 1 / np.where(is_known, errors, 1) ** 2, 0)
    total = weights.sum()
    mean = np.sum(weights * np.where(is_known, values, 0)) / total if total else np.nan
    # The mean has a part of each.
    variance = errors**2 - (1 / total if total else np.nan)
    runs["pull"] = np.where(
        is_known & (variance > 0),
        (values - mean) / np.sqrt(np.where(variance > 0, variance, np.nan)),
        np.nan,
    )
    runs["pull"].info.format = "+.1f"
    return runs


def measured_table(datasets):
    """Table of measured backgrounds, None without any.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Returns
    -------
    table : `~astropy.table.Table`
        Columns dataset, counts, counts_off, alpha and background.
    """
    entries = measured_background(datasets)
    if not entries:
        return None
    names = ("counts", "counts_off", "alpha", "background")
    rows = [
        (dataset.name, *(entries[f"{name}.{dataset.name}"] for name in names))
        for dataset in datasets
        if f"counts.{dataset.name}" in entries
    ]
    table = Table(rows=rows, names=["dataset", *names])
    for name, text in zip(names, (".0f", ".0f", ".4g", ".1f"), strict=True):
        table[name].info.format = text
    return table
