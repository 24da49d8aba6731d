# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reduction of observations, group by group."""

import gc
import logging
from gammapy.data import Observation, ObservationGroups
from gammapy.datasets import Datasets, MapDataset
from gammapy.utils.arguments import (
    check_list,
    check_n_jobs,
    check_options,
    check_type,
    option_names,
)
from .core import Maker
from .reduce import DatasetsMaker

__all__ = ["stack_groups"]

log = logging.getLogger(__name__)


class OneRunAtATime(DatasetsMaker):
    """Maker that frees the memory of a run before it goes on to the next.

    Datasets and models refer to each other, and Python looks for such circles by the
    number of objects, not by their size: maps of many runs would pile up.
    """

    def make_dataset(self, dataset, observation):
        """Free what earlier runs left, then do as `DatasetsMaker.make_dataset`."""
        gc.collect()
        return super().make_dataset(dataset, observation)


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

    Raises
    ------
    ValueError
        If there are no makers or observations, or not those that were grouped.
    TypeError
        If an argument is of the wrong kind, or an option is not known.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from gammapy.data import DataStore, ObservationGroups
    >>> from gammapy.datasets import MapDataset
    >>> from gammapy.makers import MapDatasetMaker, stack_groups
    >>> from gammapy.maps import MapAxis, WcsGeom
    >>> data_store = DataStore.from_dir("$GAMMAPY_DATA/hess-dl3-dr1")
    >>> observations = data_store.get_observations([20136, 20137, 20151])
    >>> target = SkyCoord(228.53, -59.16, unit="deg")
    >>> groups = ObservationGroups.from_observations(observations, target, zenith=2)
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    >>> geom = WcsGeom.create(skydir=target, width=3, binsz=0.1, axes=[axis])
    >>> makers = [MapDatasetMaker(selection=["counts", "background"])]
    >>> datasets = stack_groups(groups, observations, MapDataset.create(geom), makers)
    >>> datasets.names == groups.names
    True
    """
    check_type("groups", groups, ObservationGroups, "ObservationGroups")
    check_reduction("stack_groups", observations, reference, makers, options)
    datasets = Datasets()
    for name in groups.names:
        runs = groups.select(observations, name)
        log.info(f"Reducing {len(runs)} runs of group {name}.")
        maker = OneRunAtATime(makers, stack_datasets=True, **options)
        datasets.extend(maker.run(reference.copy(name=name), runs))
    return datasets


def check_reduction(function, observations, reference, makers, options):
    """Raise an error that names what a reduction cannot be made of.

    Parameters
    ----------
    function : str
        Name of the function that reduces.
    observations : list of `~gammapy.data.Observation`
        Observations.
    reference : `~gammapy.datasets.MapDataset`
        Empty dataset with the geometries.
    makers : list of `~gammapy.makers.Maker`
        Makers.
    options : dict
        Options of `~gammapy.makers.DatasetsMaker`.
    """
    check_type("reference", reference, MapDataset, "an empty MapDataset")
    for maker in check_list("makers", makers, "makers of datasets"):
        check_type("makers", maker, Maker, "makers of datasets")
    expected = "observations"
    for observation in check_list("observations", observations, expected):
        check_type("observations", observation, Observation, expected)
    own = ("makers", "stack_datasets")
    known = [name for name in option_names(DatasetsMaker) if name not in own]
    check_options(function, options, known)
    check_n_jobs(options.get("n_jobs"), options.get("parallel_backend"))
