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
    """Maker that frees the memory of an observation before the next one.

    Datasets and models refer to each other. Python searches for such reference cycles
    depending on the number of objects, not on their size, so the maps of many
    observations would accumulate.
    """

    def make_dataset(self, dataset, observation):
        """Free memory, then call `DatasetsMaker.make_dataset`."""
        gc.collect()
        return super().make_dataset(dataset, observation)


def stack_groups(groups, observations, reference, makers, **options):
    """Reduce observations and stack each group of them.

    Each observation is stacked as soon as it is reduced. One observation (one per
    process with ``n_jobs``) and one stacked dataset per group are in memory.

    Parameters
    ----------
    groups : `~gammapy.data.ObservationGroups`
        Groups.
    observations : `~gammapy.data.Observations`
        The observations that were grouped.
    reference : `~gammapy.datasets.MapDataset`
        Empty dataset with the geometries. It is not changed.
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
        If there are no makers or observations, or the observations are not those of the
        groups.
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
        log.info(f"Reducing {len(runs)} observations of group {name}.")
        maker = OneRunAtATime(makers, stack_datasets=True, **options)
        datasets.extend(maker.run(reference.copy(name=name), runs))
    return datasets


def check_reduction(function, observations, reference, makers, options):
    """Raise an error that names the argument that is not valid.

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
