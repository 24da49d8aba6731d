# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Background maker, and its exclusion mask."""

import logging
from gammapy.makers import (
    ExclusionMaskMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
)
from gammapy.maps import Map
from .geometry import empty_maps, mask_of_regions
from .validation import check_options, merge_options, options_of

__all__ = []

log = logging.getLogger(__name__)

BACKGROUND_MAKERS = {
    "fov_background": FoVBackgroundMaker,
    "reflected": ReflectedRegionsBackgroundMaker,
    "ring": RingBackgroundMaker,
}

#: Maps that the methods of a safe mask need besides counts and background
MAPS_OF_SAFE_MASK = {"aeff-max": "exposure", "edisp-bias": "edisp"}


def make_background_maker(session, owner):
    """Make the maker of the background.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations, and gets the exclusion mask that is found in them.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What has the configuration and makes the geometry.

    Returns
    -------
    maker : `~gammapy.makers.Maker`
        Maker, None without a method.

    Raises
    ------
    ValueError
        If an option is not known or is given twice, or for the method "ring" with
        several energy bins.
    """
    datasets = owner.config.datasets
    cls = BACKGROUND_MAKERS.get(datasets.background.method)
    options = background_options(datasets.background)
    if cls is None:
        log.warning("No background maker set. Check configuration.")
        return None
    _check_background(datasets, cls, options)
    mask = background_mask(session, owner)
    if mask is not None:
        # A mask among the parameters goes before that of a file.
        options = {"exclusion_mask": mask} | options
    log.debug(f"Making a {cls.__name__} with {options}")
    return cls(**options)


def background_options(background):
    """Options of the background maker, except the exclusion mask.

    Parameters
    ----------
    background : `BackgroundConfig`
        Section of the background.

    Returns
    -------
    options : dict
        Its parameters, and the options that have their own key.
    """
    own = {
        name: getattr(background, name)
        for name in ("energy_min", "energy_max", "debug")
        if getattr(background, name) not in (None, False)
    }
    options = merge_options(background.parameters, own, "datasets.background")
    if background.exclusion_maker is not None or background.exclusion_regions:
        merge_options(options, {"exclusion_mask": None}, "datasets.background")
    return options


def _check_background(datasets, cls, options):
    """Raise a ValueError for what the maker of the background cannot do."""
    names = options_of(cls)
    if names is not None:
        try:
            check_options(options, cls, names)
        except ValueError as error:
            raise ValueError(f"datasets.background.parameters: {error}") from None
    n_bins = datasets.geom.axes.energy.nbins
    if cls is RingBackgroundMaker and n_bins > 1:
        raise ValueError(
            f"datasets.background.method: 'ring' is for one energy bin, got {n_bins};"
            " set datasets.geom.axes.energy.nbins to 1."
        )


def background_mask(session, owner):
    """Exclusion mask for the background: found in the data, of a file or of regions.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations, and gets the mask that is found in them.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What has the configuration and makes the geometry.

    Returns
    -------
    mask : `~gammapy.maps.WcsNDMap`
        Mask, None when there is none.
    """
    background = owner.config.datasets.background
    if background.exclusion_maker is None:
        return given_exclusion_mask(background, owner._create_geometry())
    if session.exclusion_result is None:
        session.exclusion_result = find_exclusion_mask(session, owner)
    return session.exclusion_result.mask


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
            "datasets.background has both exclusion and exclusion_regions: remove"
            " one of them."
        )
    if path is not None:
        mask = Map.read(path)
        mask.data = mask.data.astype(bool)
        return mask
    return mask_of_regions(regions, geom) if regions else None


def find_exclusion_mask(session, owner):
    """Find the exclusion mask in the data, see `~gammapy.makers.ExclusionMaskMaker`.

    Only the maps that it needs are made, also for spectra.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        What has the observations.
    owner : `Analysis` or `DatasetsWorkflowStep`
        What has the configuration and makes the maker of the safe mask.

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
            "The configuration has no exclusion mask: set"
            " datasets.background.exclusion_maker, whose keys all have defaults."
        )
    methods = config.datasets.safe_mask.methods
    maps = [name for method, name in MAPS_OF_SAFE_MASK.items() if method in methods]
    makers = [
        MapDatasetMaker(selection=["counts", "background", *maps]),
        owner._create_safe_mask_maker(),
    ]
    reference = empty_maps(config.datasets, "exclusion")
    log.info(f"Finding the exclusion mask in {len(session.observations)} observations.")
    maker = ExclusionMaskMaker(
        mask=given_exclusion_mask(background, reference.counts.geom),
        **background.exclusion_maker.options,
    )
    result = maker.run_observations(
        session.observations,
        reference,
        makers,
        **reduction_options(config),
    )
    log.info(f"\n{result}")
    return result


def check_observations(session):
    """Raise a RuntimeError when no observations have been selected."""
    if not session.observations:
        raise RuntimeError(
            "No observations have been selected: run get_observations() first."
        )


def reduction_options(config):
    """Options of `~gammapy.makers.DatasetsMaker` for maps, as a dict."""
    return {
        "n_jobs": config.general.n_jobs,
        "cutout_mode": "trim",
        "cutout_width": 2 * config.datasets.geom.selection.offset_max,
    }


def background_table(session):
    """Fitted background of each observation.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with datasets.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per observation, None without ``debug``.
    """
    cls = BACKGROUND_MAKERS.get(session.config.datasets.background.method)
    return None if cls is None else cls.nuisance(session.datasets)
