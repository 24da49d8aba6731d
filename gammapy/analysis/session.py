# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""From datasets to results; `Analysis` and `Workflow` are called sessions."""

import logging
import numpy as np
import astropy.units as u
from gammapy.datasets import FluxPointsDataset, SpatialResiduals, SpectralResiduals
from gammapy.diagnostics import FitHistory
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import Map, RegionGeom
from gammapy.maps.energy_bins import (
    bins_within,
    energy_format,
    energy_unit,
    find_edges,
    format_energy_range,
)
from gammapy.modeling.models import Models
from gammapy.modeling.models.backgrounds import is_background
from gammapy.visualization.residuals.each import panels_of_datasets
from .geometry import energy_axis
from .validation import merge_options

__all__ = []

log = logging.getLogger(__name__)

#: Columns of the flux points that are logged
FLUX_COLUMNS = ["e_ref", "dnde", "dnde_ul", "dnde_err", "sqrt_ts"]


def set_start_models(session, config):
    """Set the models to start from, unless the datasets have a source already.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    config : `AnalysisConfig`
        Configuration.
    """
    start = config.fit.models
    if start is None or not session.datasets:
        return
    if any(not is_background(model) for model in session.models or []):
        log.info("The datasets have models: fit.models is not used.")
        return
    models = Models.from_dict(start) if isinstance(start, dict) else Models.read(start)
    session.set_models(models)


def check_datasets(session):
    """Raise a RuntimeError when there are no datasets."""
    if not session.datasets:
        raise RuntimeError("No datasets defined: run get_datasets() first.")


def run_fit(session, config):
    """Fit the datasets of a session.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    config : `AnalysisConfig`
        Configuration.

    Returns
    -------
    result : `~gammapy.modeling.FitResult`
        Result.
    """
    history = fit_history(config)
    set_start_models(session, config)
    if not session.models:
        raise RuntimeError(
            "Missing models: use set_models(), or fit.models of the configuration"
        )
    apply_fit_range(session, config)
    session.fit.debug = session.fit.debug or config.fit.debug
    log.info(f"Fitting {len(session.datasets)} datasets.")
    result = session.fit.run(datasets=session.datasets)
    log.info(result)
    if history is not None:
        name = config.fit.step or _new_name(history)
        step = history.add(name, session.datasets, result, overwrite=True)
        log.info(f"Step {name!r} of the history: {step.folder}")
        log.info(history.verdict)
    return result


def fit_history(config):
    """History to which fits are added.

    Parameters
    ----------
    config : `AnalysisConfig`
        Configuration.

    Returns
    -------
    history : `~gammapy.diagnostics.FitHistory` or None
        History, None where none is asked for.

    Raises
    ------
    ValueError
        If there is a name of a step but no folder.
    """
    settings = config.fit
    if settings.history is None:
        if settings.step is not None:
            raise ValueError(
                f"fit.step: {settings.step!r} is a step of a history, which needs a "
                "folder; set fit.history as well."
            )
        return None
    return FitHistory(settings.history)


def _new_name(history):
    """Name of the next fit without a name."""
    names = history.names
    number = len(names) + 1
    while f"fit-{number}" in names:
        number += 1
    return f"fit-{number}"


def apply_fit_range(session, config):
    """Restrict the ``mask_fit`` of the datasets to the fit range.

    An existing mask of a dataset is kept, and the range restricts it further. If the
    range changes, a new mask is created from it.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    config : `AnalysisConfig`
        Configuration.
    """
    fit_range = config.fit.fit_range
    # By dataset: the mask it had, and the one made of it.
    masks = vars(session).setdefault("_fit_masks", {})
    for dataset in session.datasets:
        given = dataset.mask_fit
        if dataset.name in masks and masks[dataset.name][1] is given:
            given = masks[dataset.name][0]
        geom = dataset.counts.geom
        used = bins_within(geom.axes["energy"], fit_range.min, fit_range.max)
        if not used.any():
            edges = geom.axes["energy"].edges
            reach = format_energy_range(
                *edges[[0, -1]], energy_unit(edges), dash=" to "
            )
            raise ValueError(
                f"fit.fit_range: no energy bin of dataset {dataset.name!r} lies within"
                f" {fit_range.min} to {fit_range.max}; its bins reach from {reach}."
            )
        data = np.broadcast_to(used[:, np.newaxis, np.newaxis], geom.data_shape)
        if given is not None:
            data = data & given.data.astype(bool)
        dataset.mask_fit = Map.from_geom(geom, data=data.copy())
        masks[dataset.name] = given, dataset.mask_fit


def compute_residuals(session, config):
    """Residuals of the datasets of a session.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    config : `AnalysisConfig`
        Configuration.

    Returns
    -------
    spatial : `~gammapy.datasets.SpatialResiduals`
        Residuals in space, None for spectra.
    spectral : `~gammapy.datasets.SpectralResiduals`
        Residuals in energy.
    """
    check_datasets(session)
    settings = config.residuals
    log.info("Computing residuals.")
    for dataset in session.datasets if settings.energy_edges else ():
        axis = dataset.counts.geom.axes["energy"]
        find_edges(axis, u.Quantity(settings.energy_edges), dataset.name)
    spatial = None
    if not isinstance(session.datasets[0].counts.geom, RegionGeom):
        if settings.by is not None:
            # Too many maps are an error now, not when results are written.
            panels_of_datasets(settings.panels_by_dataset, len(session.datasets))
        spatial = SpatialResiduals.from_datasets(
            session.datasets,
            n_jobs=config.general.n_jobs,
            **settings.spatial_options,
        )
        log.info(f"\n{spatial}")
    spectral = SpectralResiduals.from_datasets(
        session.datasets,
        None if spatial is None else settings.region,
        **settings.spectral_options,
    )
    log.info(f"\n{spectral}")
    return spatial, spectral


def compute_flux_points(session, config, **options):
    """Flux points of a component.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.
    config : `AnalysisConfig`
        Configuration.
    **options : dict
        Options of `~gammapy.estimators.FluxPointsEstimator` that come from elsewhere
        in the configuration.

    Returns
    -------
    flux_points : `~gammapy.datasets.FluxPointsDataset`
        Flux points with the model of the component.
    """
    check_datasets(session)
    settings = config.flux_points
    axis = energy_axis(settings.energy)
    if axis is None:
        raise ValueError(
            "Missing or incomplete energy axis parameters in flux points configuration."
            " flux_points.energy needs min, max and nbins."
        )
    debug = {"debug": True} if settings.debug else {}
    options |= merge_options(settings.parameters, debug, "flux_points")
    log.info(f"Estimating flux points of {settings.source!r}.")
    estimator = FluxPointsEstimator(
        energy_edges=axis.edges, source=settings.source, fit=session.fit, **options
    )
    points = estimator.run(datasets=session.datasets)
    dataset = FluxPointsDataset(data=points, models=session.models[settings.source])
    log.info(f"\n{flux_text(dataset.data)}")
    return dataset


def flux_text(flux_points):
    """Flux points as text, with three digits."""
    table = flux_points.to_table(sed_type="dnde")[FLUX_COLUMNS]
    for name in FLUX_COLUMNS:
        table[name].info.format = ".3g"
    table["e_ref"].info.format = energy_format(table["e_ref"])
    return "\n".join(table.pformat(max_lines=-1, max_width=-1))
