# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps that `Analysis` and `Workflow` share; both are called a session here."""

import contextlib
import inspect
import logging
import numpy as np
import astropy.units as u
from gammapy.data import ObservationGroups
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.datasets.grids import parse_region
from gammapy.datasets.reduction import bins_within, is_background
from gammapy.makers import (
    FoVBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    stack_groups,
)
from gammapy.maps import Map, RegionGeom, WcsGeom
from gammapy.modeling.models import Models
from .sections import StackConfig

__all__ = []

log = logging.getLogger(__name__)

BACKGROUND_MAKERS = {
    "fov_background": FoVBackgroundMaker,
    "reflected": ReflectedRegionsBackgroundMaker,
    "ring": RingBackgroundMaker,
}


def is_in_bins(config):
    """Whether the runs are stacked in bins."""
    return isinstance(config.datasets.stack, StackConfig)


def group_observations(config, observations, geom):
    """Group observations as the configuration says.

    Parameters
    ----------
    config : `AnalysisConfig`
        Configuration.
    observations : `~gammapy.data.Observations`
        Observations.
    geom : `~gammapy.maps.Geom`
        Geometry of the datasets; offsets are measured from its centre.

    Returns
    -------
    groups : `~gammapy.data.ObservationGroups`
        Groups; a single one when the configuration has no bins.
    """
    if not observations:
        raise RuntimeError(
            "No observations have been selected: run get_observations() first."
        )
    bins = {}
    if is_in_bins(config):
        by = config.datasets.stack.by
        bins = {"zenith": by.zenith, "offset": by.offset}
    groups = ObservationGroups.from_observations(
        observations, geom.center_skydir, **bins
    )
    log.info(f"\n{groups}")
    return groups


def reduce_groups(config, groups, observations, reference, makers):
    """Reduce maps and stack them group by group.

    Parameters
    ----------
    config : `AnalysisConfig`
        Configuration.
    groups : `~gammapy.data.ObservationGroups`
        Groups.
    observations : `~gammapy.data.Observations`
        Observations.
    reference : `~gammapy.datasets.MapDataset`
        Empty dataset.
    makers : list of `~gammapy.makers.Maker`
        Makers; None among them are left out.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group.
    """
    return stack_groups(
        groups,
        observations,
        reference,
        [_ for _ in makers if _ is not None],
        n_jobs=config.general.n_jobs,
        cutout_mode="trim",
        cutout_width=2 * config.datasets.geom.selection.offset_max,
    )


def extract_groups(groups, session, extract):
    """Extract spectra group by group.

    Parameters
    ----------
    groups : `~gammapy.data.ObservationGroups`
        Groups.
    session : `Analysis` or `Workflow`
        What has the observations; it has those of one group at a time.
    extract : callable
        Extracts and stacks the spectra of the observations and returns the datasets.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group.
    """
    observations = session.observations
    datasets = Datasets()
    try:
        for name in groups.names:
            session.observations = groups.select(observations, name)
            (stacked,) = extract()
            datasets.append(stacked.copy(name=name))
    finally:
        session.observations = observations
    return datasets


@contextlib.contextmanager
def options_as_parameters(owner, make_geom=None):
    """Let a method of 2.1 see the new options: as ``parameters`` of their section.

    Parameters
    ----------
    owner : object
        What has the attribute ``config``; it has another one meanwhile.
    make_geom : callable, optional
        Makes the geometry of the datasets, for the exclusion mask. Default is None,
        which leaves the background as it is.
    """
    config = owner.config
    changed = config.model_copy(deep=True)
    if config.flux_points.debug:
        _add_parameters(changed.flux_points, "flux_points", {"debug": True})
    if make_geom is not None:
        options = _background_options(config.datasets.background, make_geom)
        _add_parameters(changed.datasets.background, "datasets.background", options)
        _check_background_parameters(changed.datasets.background)
    owner.config = changed
    try:
        yield
    finally:
        owner.config = config


def _background_options(background, make_geom):
    """Options of a background maker that are keys of their own."""
    options = {
        name: getattr(background, name)
        for name in ("energy_min", "energy_max", "debug")
        if getattr(background, name) not in (None, False)
    }
    if background.exclusion_regions:
        if background.exclusion is not None:
            raise ValueError(
                "datasets.background has both exclusion and exclusion_regions: give"
                " one of them."
            )
        options["exclusion_mask"] = make_exclusion_mask(
            background.exclusion_regions, make_geom()
        )
    return options


def _add_parameters(section, key, options):
    """Add options to the parameters of a section; none may be given twice."""
    for name in options:
        if name in section.parameters:
            raise ValueError(
                f"{name!r} is given twice, as {key}.{name} and in {key}.parameters:"
                " remove one of them."
            )
    section.parameters = section.parameters | options


def _check_background_parameters(background):
    """Raise a ValueError that names a parameter that the maker does not have."""
    cls = BACKGROUND_MAKERS.get(background.method)
    if cls is None:
        return
    signature = inspect.signature(cls).parameters
    known = [name for name, par in signature.items() if par.kind is not par.VAR_KEYWORD]
    # Some makers hand what they do not know to another class.
    if len(known) < len(signature):
        return
    for name in background.parameters:
        if name not in known:
            raise ValueError(
                f"datasets.background.parameters: {cls.__name__} has no option"
                f" {name!r}; options are {', '.join(known)}."
            )


def make_exclusion_mask(regions, geom):
    """Mask that is False in the regions.

    Parameters
    ----------
    regions : list of str
        Regions.
    geom : `~gammapy.maps.WcsGeom` or `~gammapy.maps.RegionGeom`
        Geometry of the datasets. Around a region there is a mask as wide as a field
        of view.

    Returns
    -------
    mask : `~gammapy.maps.WcsNDMap`
        Mask.
    """
    if isinstance(geom, RegionGeom):
        center = geom.center_skydir
        image = WcsGeom.create(
            skydir=center, width=10 * u.deg, binsz=0.02, frame=center.frame.name
        )
    else:
        image = geom.to_image()
    return image.region_mask([parse_region(_) for _ in regions], inside=False)


def background_table(config, datasets):
    """What the background of each run was fitted to.

    Parameters
    ----------
    config : `AnalysisConfig`
        Configuration.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per run, None without ``debug``.
    """
    cls = BACKGROUND_MAKERS.get(config.datasets.background.method)
    return None if cls is None else cls.nuisance(datasets)


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
    if any(not is_background(_) for _ in session.models or []):
        log.info("The datasets have models: those of fit.models are not read.")
        return
    models = Models.from_dict(start) if isinstance(start, dict) else Models.read(start)
    session.set_models(models)


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
    set_start_models(session, config)
    if not session.models:
        raise RuntimeError(
            "Missing models: set_models() sets them, or fit.models of the configuration"
        )
    apply_fit_range(session, config)
    session.fit.debug = session.fit.debug or config.fit.debug
    log.info(f"Fitting {len(session.datasets)} datasets.")
    result = session.fit.run(datasets=session.datasets)
    log.info(result)
    return result


def apply_fit_range(session, config):
    """Restrict the ``mask_fit`` of the datasets to the fit range.

    A mask that a dataset had is kept: the range takes bins from it. The mask is made
    anew from it when the range changes.

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
            raise ValueError(
                f"fit.fit_range: no energy bin of dataset {dataset.name!r} lies within"
                f" {fit_range.min} to {fit_range.max}; its bins reach from"
                f" {geom.axes['energy'].edges[0]} to {geom.axes['energy'].edges[-1]}."
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
    if not session.datasets:
        raise RuntimeError("No datasets defined: run get_datasets() first.")
    settings = config.residuals
    log.info("Computing residuals.")
    spatial = None
    if not isinstance(session.datasets[0].counts.geom, RegionGeom):
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
