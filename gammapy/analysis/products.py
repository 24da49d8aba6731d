# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of the results of `Analysis` and `Workflow`."""

import logging
from functools import partial
from gammapy.modeling.parameter_table import parameters_table
from gammapy.utils.atomic import write_files
from gammapy.utils.ecsv import write_plain
from gammapy.utils.scripts import make_path
from gammapy.visualization import (
    plot_flux_points,
    plot_nuisance,
    plot_observation_groups,
    plot_spatial_residuals,
    plot_spectral_residuals,
)
from gammapy.visualization.figures import figure_of, save_figure
from .background import background_table
from .report import NUMBERS, PAGE, report_writers
from .session import check_datasets

__all__ = []

log = logging.getLogger(__name__)

DATASETS_FILE = "datasets.yaml"
MODELS_FILE = "models.yaml"
CONFIG_FILE = "config_used.yaml"
#: What `result_writers` may write
RESULT_FILES = (
    CONFIG_FILE,
    "fit_result.yaml",
    "parameters.ecsv",
    "residuals_maps.fits",
    "residuals_maps.png",
    "residuals_maps_by_dataset.png",
    "residuals_distribution.ecsv",
    "residuals_spectrum.ecsv",
    "residuals_spectrum.png",
    "flux_points.ecsv",
    "flux_points.png",
    "flux_points_nuisance.ecsv",
    "flux_points_nuisance.png",
    "light_curve.ecsv",
    "excess_map.fits",
    PAGE,
    NUMBERS,
)


def write_products(session, outdir=None, *, overwrite=True):
    """Write all results that a session has, or none.

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
    general = session.config.general
    outdir = make_path(general.outdir if outdir is None else outdir)
    datasets_file = make_path(general.datasets_file or outdir / DATASETS_FILE)
    models_file = make_path(general.models_file or outdir / MODELS_FILE)
    writers = {}
    if session.datasets:
        writers |= datasets_writers(session, datasets_file, models_file)
    writers |= table_writers(session, datasets_file)
    writers |= result_writers(session, outdir)
    return write(writers, overwrite=overwrite)


def write(writers, *, overwrite=True):
    """Write files, all or none, and log which.

    Parameters
    ----------
    writers : dict
        By path a function that writes to a path.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files.
    """
    paths = write_files(writers, overwrite=overwrite)
    for path in paths:
        log.info(f"Written: {path}")
    return paths


def write_datasets(session, *, overwrite=True, write_covariance=True):
    """Write the datasets of a session, and tables of what they were made of.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    overwrite : bool, optional
        Whether to replace existing files. Default is True.
    write_covariance : bool, optional
        Whether to write the covariance of the models. Default is True.

    Raises
    ------
    RuntimeError
        If the configuration names no file, or there are no datasets.
    """
    general = session.config.general
    if general.datasets_file is None:
        raise RuntimeError(
            "Missing datasets_file in config.general: it names the file to write."
        )
    check_datasets(session)
    datasets_file = make_path(general.datasets_file)
    writers = {datasets_file: session.datasets.write}
    if general.models_file is not None:
        writers[make_path(general.models_file)] = partial(
            session.models.write, write_covariance=write_covariance, checksum=True
        )
    write(writers | table_writers(session, datasets_file), overwrite=overwrite)


def datasets_writers(session, datasets_file, models_file):
    """Writers of the datasets and, when there are any, of the models.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    datasets_file, models_file : `~pathlib.Path`
        Files.

    Returns
    -------
    writers : dict
        By path a function that writes to a path.
    """
    writers = {datasets_file: session.datasets.write}
    if session.models:
        writers[models_file] = partial(session.models.write, checksum=True)
    return writers


def table_writers(session, datasets_file):
    """Writers of what is beside the datasets: groups and backgrounds of runs, masks.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    datasets_file : str or `~pathlib.Path`
        File of the datasets, which names the others.

    Returns
    -------
    writers : dict
        By path a function that writes to a path.
    """
    base = make_path(datasets_file)
    writers = {}
    if session.datasets:
        path = base.with_name(f"{base.stem}_background.ecsv")
        writers |= _nuisance_writers(path, background_table(session))
    exclusion = session.exclusion_result
    if exclusion is not None:
        settings = session.config.datasets.background.exclusion_maker
        filename = settings.filename if settings is not None else None
        path = make_path(filename) or base.with_name(f"{base.stem}_exclusion.fits")
        writers[path] = exclusion.write
    groups = session.observation_groups
    if groups is not None:
        path = base.with_name(f"{base.stem}_groups.ecsv")
        writers |= _table_writer(path, groups.summary())
        path = base.with_name(f"{base.stem}_groups.png")
        writers[path] = _figure_writer(lambda: plot_observation_groups(groups))
    return writers


def result_writers(session, outdir):
    """Writers of all results that a session has, but for the datasets.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    outdir : `~pathlib.Path`
        Folder.

    Returns
    -------
    writers : dict
        By path a function that writes to a path.
    """
    text = session.config.to_yaml()
    writers = {outdir / CONFIG_FILE: lambda path: path.write_text(text)}
    if session.fit_result is not None:
        writers[outdir / "fit_result.yaml"] = session.fit_result.write
        table = parameters_table(session.fit_result.models)
        writers |= _table_writer(outdir / "parameters.ecsv", table)
    writers |= _residuals_writers(session, outdir) | _flux_writers(session, outdir)
    return writers | report_writers(session, outdir)


def _residuals_writers(session, outdir):
    """Maps, tables and pictures of the residuals."""
    settings, writers = session.config.residuals, {}
    spatial, spectral = session.spatial_residuals, session.spectral_residuals

    def draw_maps():
        return plot_spatial_residuals(spatial, **settings.map_style)

    def draw_each():
        options = settings.spatial_options | settings.map_style
        options |= {"by": settings.by, "panels": settings.panels_by_dataset}
        return plot_spatial_residuals(session.datasets, **options)

    def draw_spectrum():
        return plot_spectral_residuals(spectral, method=settings.method)[0]

    if spatial is not None:
        writers[outdir / "residuals_maps.fits"] = spatial.write
        path = outdir / "residuals_distribution.ecsv"
        writers |= _table_writer(path, spatial.distribution())
        writers[outdir / "residuals_maps.png"] = _figure_writer(draw_maps)
        if settings.by is not None:
            path = outdir / "residuals_maps_by_dataset.png"
            writers[path] = _figure_writer(draw_each)
    if spectral is not None:
        path = outdir / "residuals_spectrum.ecsv"
        writers |= _table_writer(path, spectral.to_table(settings.method))
        writers[outdir / "residuals_spectrum.png"] = _figure_writer(draw_spectrum)
    return writers


def _flux_writers(session, outdir):
    """Flux points with picture and nuisance values, light curve, excess map."""
    writers = {}
    flux_points = session.flux_points
    if flux_points is not None:
        writers[outdir / "flux_points.ecsv"] = flux_points.data.write
        draw = partial(_draw_flux_points, flux_points)
        writers[outdir / "flux_points.png"] = _figure_writer(draw)
        path = outdir / "flux_points_nuisance.ecsv"
        writers |= _nuisance_writers(path, flux_points.data.nuisance)
    light_curve = getattr(session, "light_curve", None)
    if light_curve is not None:
        write = partial(light_curve.write, format="lightcurve")
        writers[outdir / "light_curve.ecsv"] = write
    excess_map = getattr(session, "excess_map", None)
    if excess_map is not None:
        writers[outdir / "excess_map.fits"] = excess_map.write
    return writers


def _draw_flux_points(flux_points):
    """Axes of the flux points of a session."""
    return plot_flux_points(flux_points)[0]


def _table_writer(path, table):
    """Writer of a table, none when there is no table."""
    if table is None:
        return {}
    return {path: partial(write_plain, table)}


def _nuisance_writers(path, table):
    """Writers of a nuisance table and, when it has any parameter, of its picture."""
    writers = _table_writer(path, table)
    names = [] if table is None else table.colnames
    if any(f"{name}_err" in names for name in names):
        path = path.with_suffix(".png")
        writers[path] = _figure_writer(lambda: plot_nuisance(table)[0])
    return writers


def _figure_writer(draw):
    """Writer of the figure of the axes that a function draws."""
    return lambda path: save_figure(figure_of(draw()), path)
