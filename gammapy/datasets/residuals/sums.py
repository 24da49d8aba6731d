# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums over joint datasets, one image per energy group.

Each dataset is reduced alone, in this process or another one, and added.
"""

from dataclasses import dataclass, field
from itertools import pairwise
import numpy as np
import astropy.units as u
from gammapy.maps import WcsGeom
from gammapy.maps.energy_bins import bins_within
from gammapy.utils.parallel import N_JOBS_DEFAULT, run_multiprocessing
from gammapy.utils.pbar import progress_bar
from .grids import overlap_slices, pixel_offset
from .off_counts import alpha_summands, combine
from .planes import iter_planes, without_mask_fit

__all__ = []


@dataclass
class Selection:
    """What is summed of each dataset.

    ``edges`` are those of the energy groups, ``exclude`` the names of components to
    leave out, ``levels`` those of `~gammapy.datasets.residuals.planes.weight_levels`,
    and ``several_alphas`` whether on-off data need the sums for them.
    """

    edges: u.Quantity
    exclude: list
    apply_mask: bool = True
    levels: np.ndarray | None = None
    several_alphas: bool = False

    def groups(self, dataset):
        """Masks of the energy bins of each group."""
        axis = dataset.counts.geom.axes["energy"]
        return [bins_within(axis, *bounds) for bounds in pairwise(self.edges)]

    def planes(self, dataset):
        """Go through the planes of a dataset: index of the group and `Plane`."""
        if not self.apply_mask:
            dataset = without_mask_fit(dataset)
        for idx, group in enumerate(self.groups(dataset)):
            for plane in iter_planes(
                dataset, group, exclude=self.exclude, levels=self.levels
            ):
                yield idx, plane


@dataclass
class Reduced:
    """Images of one dataset, one per energy group.

    ``images`` (of a matched filter: filtered, and larger by ``margin`` pixels on each
    side) have the shape (n_energy, n_lat, n_lon), and so has ``used``: the sum of the
    weights on the geometry of the dataset. ``energies`` are the first and last one at
    which the dataset contributes, None if it does not. ``moments`` are further sums,
    of shape (n_energy, n).
    """

    geom: WcsGeom
    used: np.ndarray
    images: dict = field(default_factory=dict)
    moments: np.ndarray | float = 0.0
    margin: np.ndarray | int = 0
    energies: u.Quantity | None = None

    @classmethod
    def empty(cls, dataset, selection, **kwargs):
        """Nothing summed yet."""
        n_groups = len(selection.edges) - 1
        return cls(
            geom=dataset.counts.geom.to_image(),
            used=np.zeros((n_groups, *dataset.data_shape[1:])),
            **kwargs,
        )

    def add(self, idx_group, summands):
        """Add named images of one plane to those of an energy group."""
        for name, values in summands:
            if name not in self.images:
                self.images[name] = np.zeros((len(self.used), *values.shape))
            # Not images[idx] += values, which copies the sum onto itself.
            image = self.images[name][idx_group]
            combine(name)(image, values, out=image)

    def set_energies(self, dataset, bins):
        """Keep the energies of the bins that contribute, a list of indices."""
        if bins:
            edges = dataset.counts.geom.axes["energy"].edges
            self.energies = edges[[min(bins), max(bins) + 1]]


def reduce_dataset(dataset, selection):
    """Sum the planes of a dataset to an image per energy group."""
    reduced = Reduced.empty(dataset, selection)
    bins = []
    for idx, plane in selection.planes(dataset):
        bins.append(plane.idx)
        reduced.add(idx, plane.summands())
        if selection.several_alphas:
            reduced.add(idx, alpha_summands(plane))
    if bins:
        reduced.used = reduced.images["coverage"]
    reduced.set_energies(dataset, bins)
    return reduced


def reduce_all(function, tasks, n_jobs=None, backend=None):
    """Results of a function, one at a time unless several processes share the tasks.

    Parameters
    ----------
    function : callable
        Function of a module.
    tasks : list of tuple
        Arguments of each call.
    n_jobs : int, optional
        Number of processes. Default is `gammapy.utils.parallel.N_JOBS_DEFAULT`.
    backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Returns
    -------
    results : iterable
        Results in the order of the tasks.
    """
    n_jobs = N_JOBS_DEFAULT if n_jobs is None else n_jobs
    if n_jobs == 1:
        return (function(*task) for task in progress_bar(tasks, desc="Residuals"))
    return run_multiprocessing(
        function,
        tasks,
        backend=backend,
        pool_kwargs={"processes": n_jobs},
        task_name="Residuals",
    )


class JointSums:
    """Joint sums on a geometry that holds all datasets, one image per energy group."""

    def __init__(self, geom, n_groups):
        self.geom = geom
        self.images = {}
        self.mask = np.zeros((n_groups, *geom.data_shape), dtype=bool)
        self.moments = 0.0
        self.energies = []

    def add(self, reduced):
        """Add the images of one dataset."""
        if reduced.energies is None:
            return
        self.energies.append(reduced.energies)
        self.moments = self.moments + reduced.moments
        offset = pixel_offset(self.geom, reduced.geom)
        into, part = self._slices(offset, reduced.used)
        self.mask[into] |= reduced.used[part] > 0
        for name, images in reduced.images.items():
            if name not in self.images:
                self.images[name] = np.zeros(self.mask.shape)
            into, part = self._slices(offset - reduced.margin, images)
            image = self.images[name][into]
            combine(name)(image, images[part], out=image)

    def _slices(self, offset, images):
        shapes = self.geom.data_shape, images.shape[1:]
        into, part = overlap_slices(shapes[0], offset, shapes[1])
        return (slice(None), *into), (slice(None), *part)
