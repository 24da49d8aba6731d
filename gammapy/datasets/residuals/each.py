# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of each dataset, to be drawn side by side."""

import logging
import numpy as np
from gammapy.maps.energy_bins import bins_within
from ..core import local_datasets
from .checks import parse_names
from .energies import energy_groups
from .grids import check_wcs, common_image_geom
from .spatial import SpatialResiduals

__all__ = []

log = logging.getLogger(__name__)


def residuals_of_each(datasets, *, exclude=None, geom=None, **options):
    """Residuals of each dataset.

    All maps have the same geometry, so they show the same part of the sky. Datasets
    without an unmasked bin in the energy range are left out, with a warning.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.MapDataset`
        Datasets.
    exclude : list of str or of models, optional
        Names of model components to leave out of the models that have them.
    geom : `~gammapy.maps.WcsGeom`, optional
        Geometry of all maps. Default is the smallest one that holds all datasets.
    **options
        Other options of `SpatialResiduals.from_datasets`.

    Returns
    -------
    residuals : dict of `~gammapy.datasets.SpatialResiduals`
        Residuals by the name of the dataset.

    Raises
    ------
    ValueError
        If no dataset has a bin that is not masked, if they are not on one pixel grid,
        or as `SpatialResiduals.from_datasets`.
    """
    datasets = local_datasets(datasets)
    exclude = parse_names(datasets, exclude)
    used = [dataset for dataset in datasets if _has_bins(dataset, options)]
    if left_out := [dataset.name for dataset in datasets if dataset not in used]:
        log.warning(
            "Datasets without an unmasked bin in the energy range are left out: "
            f"{', '.join(left_out)}."
        )
    if not used:
        raise ValueError(
            "No dataset has an unmasked bin in the energy range; apply_mask=False "
            "ignores mask_fit."
        )
    geom = common_image_geom(used) if geom is None else geom
    return {
        dataset.name: SpatialResiduals.from_datasets(
            dataset,
            geom=geom,
            exclude=[name for name in exclude if name in _names(dataset)],
            **options,
        )
        for dataset in used
    }


def _names(dataset):
    """Names of the models of a dataset."""
    return dataset.models.names if dataset.models else []


def _has_bins(dataset, options):
    """Whether a dataset has unmasked bins in the energy range of the options."""
    check_wcs(dataset)
    names = ("energy_min", "energy_max", "energy_edges")
    edges = energy_groups([dataset], *(options.get(name) for name in names))
    axis = dataset.counts.geom.axes["energy"]
    used = bins_within(axis, edges[0], edges[-1])
    masks = [dataset.mask_safe]
    if options.get("apply_mask", True):
        masks.append(dataset.mask_fit)
    both = np.ones(dataset.data_shape, dtype=bool)
    for mask in masks:
        if mask is not None:
            both &= mask.data > 0
    return bool(both[used].any())
