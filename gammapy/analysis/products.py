# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of the results of `Analysis` and `Workflow`."""

import logging
import matplotlib.pyplot as plt
from gammapy.utils.scripts import make_path
from gammapy.visualization import (
    plot_observation_groups,
    plot_spatial_residuals,
    plot_spectral_residuals,
)
from .session import background_table

__all__ = []

log = logging.getLogger(__name__)

DATASETS_FILE = "datasets.yaml"
MODELS_FILE = "models.yaml"
DPI = 150


def write_products(session, outdir=None, *, overwrite=True):
    """Write all results that a session has.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    outdir : str or `~pathlib.Path`, optional
        Folder, made when missing. Default is ``general.outdir``.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files, but for those of single datasets.
    """
    outdir = make_path(session.config.general.outdir if outdir is None else outdir)
    paths = _write_datasets(session, outdir, overwrite)
    return paths + write_results(session, outdir, overwrite=overwrite)


def write_results(session, outdir, *, overwrite=True):
    """Write all results that a session has, but for the datasets.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    outdir : str or `~pathlib.Path`
        Folder, made when missing.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files.
    """
    outdir = make_path(outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    paths = []
    if session.fit_result is not None:
        path = outdir / "fit_result.yaml"
        session.fit_result.write(path, overwrite=overwrite)
        paths.append(path)
    paths += _write_residuals(session, outdir, overwrite)
    paths += _write_fluxes(session, outdir, overwrite)
    for path in paths:
        log.info(f"Written: {path}")
    return paths


def _write_datasets(session, outdir, overwrite):
    """Datasets, models and the tables beside them."""
    general = session.config.general
    datasets_file = make_path(general.datasets_file or outdir / DATASETS_FILE)
    datasets_file.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    if session.datasets:
        models_file = None
        if session.models:
            models_file = make_path(general.models_file or outdir / MODELS_FILE)
            models_file.parent.mkdir(parents=True, exist_ok=True)
        session.datasets.write(datasets_file, models_file, overwrite=overwrite)
        paths += [_ for _ in (datasets_file, models_file) if _ is not None]
    return paths + write_tables(session, datasets_file, overwrite=overwrite)


def make_folders(config):
    """Make the folders of the files that the configuration names.

    Parameters
    ----------
    config : `AnalysisConfig`
        Configuration.
    """
    for path in (config.general.datasets_file, config.general.models_file):
        if path is not None:
            make_path(path).parent.mkdir(parents=True, exist_ok=True)


def write_tables(session, datasets_file, *, overwrite=True):
    """Write tables of runs and groups beside the datasets.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    datasets_file : str or `~pathlib.Path`
        File of the datasets, which names the others.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files.
    """
    base = make_path(datasets_file)
    paths = []
    if session.datasets:
        table = background_table(session.config, session.datasets)
        path = base.with_name(f"{base.stem}_background.ecsv")
        paths += _write_table(table, path, overwrite)
    groups = session.observation_groups
    if groups is not None:
        path = base.with_name(f"{base.stem}_groups.ecsv")
        paths += _write_table(groups.summary(), path, overwrite)
        path = base.with_name(f"{base.stem}_groups.png")
        paths += _save_figure(plot_observation_groups(groups), path, overwrite)
    return paths


def _write_residuals(session, outdir, overwrite):
    """Maps, tables and pictures of the residuals."""
    settings, paths = session.config.residuals, []
    spatial, spectral = session.spatial_residuals, session.spectral_residuals
    if spatial is not None:
        path = outdir / "residuals_maps.fits"
        spatial.write(path, overwrite=overwrite)
        paths.append(path)
        path = outdir / "residuals_distribution.ecsv"
        paths += _write_table(spatial.distribution(), path, overwrite)
        axes = plot_spatial_residuals(
            spatial, panels=settings.panels, region=settings.region
        )
        first = next(iter(axes.values()))
        first = first[0] if isinstance(first, list) else first
        paths += _save_figure(first, outdir / "residuals_maps.png", overwrite)
    if spectral is not None:
        path = outdir / "residuals_spectrum.ecsv"
        paths += _write_table(spectral.to_table(settings.method), path, overwrite)
        ax, _ = plot_spectral_residuals(spectral, method=settings.method)
        paths += _save_figure(ax, outdir / "residuals_spectrum.png", overwrite)
    return paths


def _write_fluxes(session, outdir, overwrite):
    """Flux points with their nuisance values, light curve, excess map."""
    paths = []
    flux_points = session.flux_points
    if flux_points is not None:
        path = outdir / "flux_points.ecsv"
        flux_points.data.write(path, overwrite=overwrite)
        paths.append(path)
        path = outdir / "flux_points_nuisance.ecsv"
        paths += _write_table(flux_points.data.nuisance, path, overwrite)
    light_curve = getattr(session, "light_curve", None)
    if light_curve is not None:
        path = outdir / "light_curve.ecsv"
        light_curve.write(path, format="lightcurve", overwrite=overwrite)
        paths.append(path)
    excess_map = getattr(session, "excess_map", None)
    if excess_map is not None:
        path = outdir / "excess_map.fits"
        excess_map.write(path, overwrite=overwrite)
        paths.append(path)
    return paths


def _write_table(table, path, overwrite):
    """Write a table when there is one, and list its path."""
    if table is None:
        return []
    table.write(path, format="ascii.ecsv", overwrite=overwrite)
    return [path]


def _save_figure(ax, path, overwrite):
    """Save the figure of axes and close it."""
    try:
        if path.exists() and not overwrite:
            raise OSError(f"File {str(path)!r} exists; overwrite=True replaces it.")
        ax.figure.savefig(path, dpi=DPI)
    finally:
        plt.close(ax.figure)
    return [path]
