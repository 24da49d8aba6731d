# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Steps that `Analysis` and `Workflow` share; both are called a session here."""

import contextlib
import logging
import numpy as np
import astropy.units as u
from gammapy.data import ObservationGroups
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.datasets.residuals.grids import parse_region
from gammapy.datasets.residuals.planes import is_background
from gammapy.makers import (
    ExclusionMaskMaker,
    FoVBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    stack_groups,
)
from gammapy.maps import Map, RegionGeom, WcsGeom
from gammapy.maps.energy_bins import bins_within, find_edges
from gammapy.modeling.models import Models
from .sections import StackConfig, check_options, options_of

__all__ = []

log = logging.getLogger(__name__)

#: Name of the dataset that all runs are stacked into
STACKED = "stacked"

BACKGROUND_MAKERS = {
    "fov_background": FoVBackgroundMaker,
    "reflected": ReflectedRegionsBackgroundMaker,
    "ring": RingBackgroundMaker,
}


def is_in_bins(config):
    """Whether the runs are stacked in bins."""
    return isinstance(config.datasets.stack, StackConfig)


def group_observations(session, owner):
    """Group observations as the configuration says.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the geometry; offsets are measured from its centre.

    Returns
    -------
    groups : `~gammapy.data.ObservationGroups`
        Groups; a single one when the configuration has no bins.
    """
    check_observations(session)
    bins = {}
    if is_in_bins(owner.config):
        by = owner.config.datasets.stack.by
        bins = {"zenith": by.zenith, "offset": by.offset}
    center = owner._create_geometry().center_skydir
    groups = ObservationGroups.from_observations(session.observations, center, **bins)
    log.info(f"\n{groups}")
    return groups


def check_observations(session):
    """Raise a RuntimeError when no observations have been selected."""
    if not session.observations:
        raise RuntimeError(
            "No observations have been selected: run get_observations() first."
        )


def prepare_reduction(session, owner):
    """Groups of observations, where they are stacked in bins, and the exclusion mask.

    What was there before is replaced, for bins and options can have changed since.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations and gets the results.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the geometry and the makers.
    """
    session.observation_groups = session.exclusion_result = None
    if not session.observations:
        return
    if is_in_bins(owner.config):
        session.observation_groups = group_observations(session, owner)
    if owner.config.datasets.background.exclusion_maker is not None:
        session.exclusion_result = find_exclusion_mask(session, owner)


def find_exclusion_mask(session, owner):
    """Find the exclusion mask in the data, see `~gammapy.makers.ExclusionMaskMaker`.

    Only the maps that it needs are made, also for spectra.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the reference dataset and the makers.

    Returns
    -------
    result : `~gammapy.makers.ExclusionMaskResult`
        Mask, significance and rounds.
    """
    check_observations(session)
    config = owner.config
    background = config.datasets.background
    if background.exclusion_maker is None:
        raise RuntimeError(
            "No exclusion mask is asked for: set datasets.background.exclusion_maker,"
            " whose keys all have defaults."
        )
    with replaced_config(owner, _config_of_maps(config)):
        reference = owner._create_reference_dataset(name="exclusion")
        makers = [owner._create_dataset_maker(), owner._create_safe_mask_maker()]
    log.info(f"Finding the exclusion mask in {len(session.observations)} runs.")
    options = background.exclusion_maker.options
    maker = ExclusionMaskMaker(
        mask=given_exclusion_mask(background, reference.counts.geom), **options
    )
    result = maker.run_observations(
        session.observations,
        reference,
        makers,
        **reduction_options(config),
    )
    log.info(f"\n{result}")
    return result


def _config_of_maps(config):
    """Configuration for the maps that an exclusion mask is found in."""
    changed = config.model_copy(deep=True)
    datasets = changed.datasets
    methods = set(datasets.safe_mask.methods)
    selection = ["counts", "background"]
    selection += ["exposure"] if "aeff-max" in methods else []
    selection += ["edisp"] if "edisp-bias" in methods else []
    datasets.map_selection = selection
    skydir, on_region = datasets.geom.wcs.skydir, datasets.on_region
    if datasets.type == "1d" and skydir.lon is None:
        datasets.geom.wcs.skydir = {
            name: getattr(on_region, name) for name in ("frame", "lon", "lat")
        }
    datasets.type = "3d"
    return changed


def reduction_options(config):
    """Options of `~gammapy.makers.DatasetsMaker` for maps, as a dict."""
    return {
        "n_jobs": config.general.n_jobs,
        "cutout_mode": "trim",
        "cutout_width": 2 * config.datasets.geom.selection.offset_max,
    }


def reduce_groups(session, owner):
    """Reduce maps and stack them group by group.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations and their groups.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What makes the reference dataset and the makers.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group.
    """
    makers = [
        owner._create_dataset_maker(),
        owner._create_safe_mask_maker(),
        owner._create_background_maker(),
    ]
    return stack_groups(
        session.observation_groups,
        session.observations,
        owner._create_reference_dataset(),
        [_ for _ in makers if _ is not None],
        **reduction_options(owner.config),
    )


def extract_stacked(session, owner, extract):
    """Extract spectra and stack all of them, or group by group.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations; it has those of one group at a time.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What extracts; its configuration does not stack meanwhile.
    extract : callable
        Extracts the spectra of the observations and returns the datasets.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group. A warning names the runs without an OFF region, which
        are left out, and the groups that have no others.
    """
    groups, observations = session.observation_groups, session.observations
    runs_of = {STACKED: observations}
    if groups is not None:
        runs_of = {_: groups.select(observations, _) for _ in groups.names}
    alone = owner.config.model_copy(deep=True)
    alone.datasets.stack = False
    datasets = Datasets()
    try:
        with replaced_config(owner, alone):
            for name, session.observations in runs_of.items():
                spectra = extract()
                _report_without_off(session.observations, spectra, name)
                if spectra:
                    datasets.append(spectra.stack_reduce(name=name))
    finally:
        session.observations = observations
    if not datasets:
        raise ValueError(
            "No run has an OFF region: look at the exclusion mask and at the size of"
            " datasets.on_region."
        )
    return datasets


def _report_without_off(observations, spectra, name):
    """Name the runs of a group that have no spectrum."""
    kept = {str(_.meta_table["OBS_ID"][0]) for _ in spectra}
    missing = [str(_.obs_id) for _ in observations if str(_.obs_id) not in kept]
    if missing:
        end = "" if kept else ", which has no other runs"
        log.warning(
            f"Runs without an OFF region, left out of {name}{end}:"
            f" {', '.join(missing)}."
        )


@contextlib.contextmanager
def replaced_config(owner, config):
    """Let an object have another configuration for a while.

    Parameters
    ----------
    owner : object
        What has the attribute ``config``.
    config : `AnalysisConfig`
        Configuration that it has meanwhile.
    """
    before, owner.config = owner.config, config
    try:
        yield
    finally:
        owner.config = before


def flux_points_as_parameters(owner):
    """Let a method of 2.1 see the new options of the flux points.

    Parameters
    ----------
    owner : `Analysis` or `FluxPointsWorkflowStep`
        What has the configuration.

    Returns
    -------
    context : context manager
        In it, they are ``parameters`` of their section.
    """
    changed = owner.config.model_copy(deep=True)
    if owner.config.flux_points.debug:
        _add_parameters(changed.flux_points, "flux_points", {"debug": True})
    return replaced_config(owner, changed)


def background_as_parameters(session, owner):
    """Let a method of 2.1 see the new options of the background, and the mask.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the exclusion mask that was found in the data.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What has the configuration.

    Returns
    -------
    context : context manager
        In it, they are ``parameters`` of their section.
    """
    changed = owner.config.model_copy(deep=True)
    background = changed.datasets.background
    options = {
        name: getattr(background, name)
        for name in ("energy_min", "energy_max", "debug")
        if getattr(background, name) not in (None, False)
    }
    if background.exclusion_maker is not None:
        if session.exclusion_result is None:
            session.exclusion_result = find_exclusion_mask(session, owner)
        options["exclusion_mask"] = session.exclusion_result.mask
    elif background.exclusion_regions:
        geom = owner._create_geometry()
        options["exclusion_mask"] = given_exclusion_mask(background, geom)
    _add_parameters(background, "datasets.background", options)
    _check_background_parameters(background)
    return replaced_config(owner, changed)


def given_exclusion_mask(background, geom):
    """Exclusion mask of a file or of regions.

    Parameters
    ----------
    background : `BackgroundConfig`
        Section of the background.
    geom : `~gammapy.maps.WcsGeom` or `~gammapy.maps.RegionGeom`
        Geometry of the datasets.

    Returns
    -------
    mask : `~gammapy.maps.WcsNDMap`
        Mask, None when neither is given.
    """
    path, regions = background.exclusion, background.exclusion_regions
    if path is not None and regions:
        raise ValueError(
            "datasets.background has both exclusion and exclusion_regions: give one of"
            " them."
        )
    if path is not None:
        mask = Map.read(path)
        mask.data = mask.data.astype(bool)
        return mask
    return make_exclusion_mask(regions, geom) if regions else None


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
    names = options_of(cls)
    if names is not None:
        try:
            check_options(background.parameters, cls, names)
        except ValueError as error:
            raise ValueError(f"datasets.background.parameters: {error}") from None


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


def background_table(session):
    """What the background of each run was fitted to.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per run, None without ``debug``.
    """
    cls = BACKGROUND_MAKERS.get(session.config.datasets.background.method)
    return None if cls is None else cls.nuisance(session.datasets)


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

    A mask that a dataset had is kept: the range takes bins from it. A new one is
    made from it when the range changes.

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
    for dataset in session.datasets if settings.energy_edges else ():
        axis = dataset.counts.geom.axes["energy"]
        find_edges(axis, u.Quantity(settings.energy_edges), dataset.name)
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
