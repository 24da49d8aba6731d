# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of matched filters: of the data, and of toys."""

from dataclasses import dataclass
import numpy as np
from gammapy.datasets.residuals.fourier import Convolution
from gammapy.datasets.residuals.grids import overlap_slices
from gammapy.datasets.residuals.kernels.matched_filter import (
    look_at,
    make_filters,
    period_of,
    wrap,
)
from gammapy.datasets.residuals.kernels.matched_sums import (
    filter_dataset,
    matched_sums,
)
from gammapy.datasets.residuals.sum_tables import nodes_table
from gammapy.datasets.residuals.sums import JointSums, reduce_all

__all__ = []


@dataclass
class MatchedMaps:
    """Maps of a matched filter of one energy group, of shape (n_lat, n_lon).

    ``excess`` are the counts of a source with the amplitude found, as many as one at
    the centre of the maps would have; ``table`` gives the significance of toys, whose
    sums have the weights of ``filters``.
    """

    sqrt_ts: np.ndarray
    excess: np.ndarray
    mask: np.ndarray
    n_correlated: float
    filters: list
    periods: list
    table: object


def matched_maps(datasets, selection, source, geom, n_jobs=None, backend=None):
    """Maps of the filter that is matched to a source, in one energy group."""
    joint, n_correlated, _radius = matched_sums(
        datasets, selection, source, geom, n_jobs, backend
    )
    inputs = [look_at(dataset, selection, source) for dataset in datasets]
    highest = 1.0 if selection.levels is None else selection.levels.max()
    bins = [selection.groups(dataset) for dataset in datasets]
    filters = make_filters(inputs, bins, highest)
    n_counts = sum(
        np.sum(item.stamps[select[0] & (item.n_pixels > 0)])
        for item, select in zip(inputs, bins, strict=True)
    )
    mask, images = joint.mask[0], joint.images
    excess = n_counts * (images["counts"][0] - images["npred"][0])
    tasks = [
        (dataset, selection, f) for dataset, f in zip(datasets, filters, strict=True)
    ]
    return MatchedMaps(
        sqrt_ts=images["sqrt_ts"][0],
        excess=np.where(mask, excess, 0.0),
        mask=mask,
        n_correlated=n_correlated,
        filters=filters,
        periods=[period_of(dataset.counts.geom.to_image()) for dataset in datasets],
        table=_make_table(geom, tasks, mask, n_jobs, backend),
    )


def _make_table(geom, tasks, mask, n_jobs, backend):
    """Table of the significance of sums that are not divided by anything."""
    joint = JointSums(geom, n_groups=1)
    for item in reduce_all(filter_dataset, tasks, n_jobs, backend):
        joint.add(item)
    images, nodes = joint.images, tasks[0][2].groups[0].nodes
    names = [f"node_{idx}" for idx in range(nodes.weights.size)]
    npred, variance, footprint = (
        images[name][0][mask] for name in ("npred", "variance", "footprint")
    )
    totals = np.array([images[name][0][mask] for name in names])
    return nodes_table(nodes, npred, variance, totals, footprint)


class MatchedField:
    """Map of toys with a matched filter, see `PlainField`.

    Parameters
    ----------
    group : int
        Energy group.
    maps : `MatchedMaps`
        Maps of the data.
    atoms : list of int
        Energy bins of the group.
    """

    def __init__(self, group, maps, atoms):
        self.group, self.mask, self.table = group, maps.mask, maps.table
        self._filters, self._periods, self._atoms = maps.filters, maps.periods, atoms
        self._prepared = None

    def _prepare(self, blocks):
        """Fourier transforms of the weights of each image that is drawn."""
        prepared = []
        for block, matched in zip(blocks, self._filters, strict=True):
            used = np.isin(block.atoms, self._atoms)
            convolution = Convolution(block.npred.shape[1:], matched.weights.shape[1:])
            weights = matched.weights[block.planes[used]][:, ::-1, ::-1]
            prepared.append((used, convolution, convolution.transform(weights)))
        return prepared

    def sqrt_ts(self, drawn):
        """Significance of a toy, of the pixels of the mask."""
        if self._prepared is None:
            self._prepared = self._prepare(drawn.blocks)
        shape = self.mask.shape
        total = np.zeros(shape)
        for block, counts, matched, period, prepared in zip(
            drawn.blocks,
            drawn.counts,
            self._filters,
            self._periods,
            self._prepared,
            strict=True,
        ):
            used, convolution, weights = prepared
            if not used.any():
                continue
            product = np.sum(convolution.transform(counts[used]) * weights, axis=0)
            sums = wrap(convolution.full(product), period)
            offset = np.array(block.offset) - matched.margin
            into, part = overlap_slices(shape, offset, sums.shape)
            total[into] += sums[part]
        return self.table.sqrt_ts(total[self.mask])
