# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins and sums of templates, while they are collected."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
import numpy as np
from scipy.sparse import csr_matrix
from .on_off import N_OFF

__all__ = []


class Rows:
    """Bins that are kept one by one, while they are collected."""

    def __init__(self, n_norms):
        self.n_norms = n_norms
        self.n_rows = 0
        names = ("counts", "weights", "fixed", "plane", "bin", "counts_off", "alpha")
        self.columns = {name: [] for name in names}
        self.triplets = ([], [], [])

    def add(self, dataset, first_plane, idx, counts, weights):
        """Add the bins with these indices in the cube of a dataset."""
        # Entries of one norm from several terms are added up when the matrix is made.
        fixed = np.zeros(idx[0].size)
        for term in dataset.terms:
            inside, values = term.at(idx)
            if term.index is None:
                fixed[inside] += values
                continue
            self.triplets[0].append(values)
            self.triplets[1].append(inside + self.n_rows)
            self.triplets[2].append(np.full(inside.size, term.index))
        rows = {
            "counts": counts.astype(float),
            "weights": weights,
            "fixed": fixed,
            "plane": first_plane + idx[0],
            "bin": np.ravel_multi_index(idx[1:], dataset.shape[1:]),
            "counts_off": np.zeros(idx[0].size),
            "alpha": np.full(idx[0].size, np.nan),
        }
        if dataset.off is not None:
            rows |= dataset.off.at(idx)
        for name, values in rows.items():
            self.columns[name].append(values)
        self.n_rows += idx[0].size

    def finish(self):
        """Columns and matrix."""
        columns = {
            name: np.concatenate(values) if values else np.zeros(0)
            for name, values in self.columns.items()
        }
        for name in ("plane", "bin"):
            columns[name] = columns[name].astype(int)
        return columns, _to_csr(self.triplets, (self.n_rows, self.n_norms))


def _to_csr(triplets, shape):
    values, rows, columns = [
        np.concatenate(triplet) if len(triplet) else np.zeros(0) for triplet in triplets
    ]
    matrix = csr_matrix((values, (rows.astype(int), columns.astype(int))), shape=shape)
    matrix.sum_duplicates()
    return matrix


@dataclass
class Planes:
    """Sums over each energy bin of each dataset, and bounds of what was summed."""

    dataset: np.ndarray  # shape (n_planes,)
    energy: np.ndarray  # shape (n_planes,)
    sums: csr_matrix  # shape (n_planes, n_norms)
    low: csr_matrix
    is_summed: csr_matrix
    sums_fixed: np.ndarray
    low_fixed: np.ndarray
    n_bins: np.ndarray
    off: np.ndarray  # see `OffMaps.sums`, shape (n_planes, 5)

    @cached_property
    def has_sums(self):
        """Whether some bins are known by sums alone."""
        return bool(self.is_summed.nnz or self.low_fixed.any())

    def select(self, keep):
        """Some of the planes."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: array[keep] for name, array in arrays.items()})


class Sums:
    """Sums and bounds of the planes, while they are collected."""

    def __init__(self, n_norms):
        self.n_norms = n_norms
        self.triplets = {name: ([], [], []) for name in ("sums", "low", "is_summed")}
        names = ("dataset", "energy", "sums_fixed", "low_fixed", "n_bins", "off")
        self.columns = {name: [] for name in names}
        self.n_planes = 0

    def add(self, number, dataset, energies, weights, is_summed):
        """Add some energy bins of a dataset, whose bins are summed or kept."""
        planes = np.arange(weights.shape[0]) + self.n_planes
        sums_fixed, low_fixed = np.zeros((2, planes.size))
        for term in dataset.terms:
            entries = {"sums": term.sums(energies, weights)}
            # Bounds are needed only of bins that are not kept one by one.
            if is_summed:
                entries["low"] = term.low(energies, weights)
                entries["is_summed"] = np.ones(planes.size)
            if term.index is None:
                sums_fixed += entries["sums"]
                low_fixed += entries.get("low", 0.0)
                continue
            for name, values in entries.items():
                self.triplets[name][0].append(values)
                self.triplets[name][1].append(planes)
                self.triplets[name][2].append(np.full(planes.size, term.index))
        columns = {
            "dataset": np.full(planes.size, number),
            "energy": np.arange(energies.start, energies.stop),
            "sums_fixed": sums_fixed,
            "low_fixed": low_fixed,
            "n_bins": np.count_nonzero(weights, axis=(1, 2)),
            "off": np.zeros((planes.size, N_OFF)),
        }
        if dataset.off is not None:
            columns["off"] = dataset.off.sums(energies)
        for name, values in columns.items():
            self.columns[name].append(values)
        self.n_planes += planes.size

    def finish(self):
        """The planes."""
        shape = (self.n_planes, self.n_norms)
        matrices = {
            name: _to_csr(triplets, shape) for name, triplets in self.triplets.items()
        }
        columns = {
            name: np.concatenate(column) for name, column in self.columns.items()
        }
        return Planes(**columns, **matrices)
