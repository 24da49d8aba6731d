# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reduction of observations, group by group."""

import logging
from gammapy.datasets import Datasets
from .reduce import DatasetsMaker

__all__ = ["stack_groups"]

log = logging.getLogger(__name__)


def stack_groups(groups, observations, reference, makers, **options):
    """Reduce observations and stack each group of them.

    Each run is stacked as soon as it is reduced: memory holds one run (one per process
    with ``n_jobs``) and one stacked dataset per group.

    Parameters
    ----------
    groups : `~gammapy.data.ObservationGroups`
        Groups.
    observations : `~gammapy.data.Observations`
        The observations that were grouped.
    reference : `~gammapy.datasets.MapDataset`
        Empty dataset with the geometries; it stays empty.
    makers : list of `~gammapy.makers.Maker`
        Makers to run on each observation.
    **options
        Options of `~gammapy.makers.DatasetsMaker`, such as ``n_jobs`` and
        ``cutout_width``.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per group, named after it.

    Examples
    --------
    >>> groups = ObservationGroups.from_observations(
    ...     observations, target, zenith=2
    ... )  # doctest: +SKIP
    >>> datasets = stack_groups(
    ...     groups, observations, reference, makers
    ... )  # doctest: +SKIP
    """
    datasets = Datasets()
    for name in groups.names:
        runs = groups.select(observations, name)
        log.info(f"Reducing {len(runs)} runs of group {name}.")
        maker = DatasetsMaker(makers, stack_datasets=True, **options)
        datasets.extend(maker.run(reference.copy(name=name), runs))
    return datasets
