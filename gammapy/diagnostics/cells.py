# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Cells in which counts and model are compared, made from the model alone.

Each test has its own cells: the spectrum of a dataset, an image in an energy group, the
spectrum of a region. Datasets on one grid are added, because a missing component is
missing in all of them.
"""

from collections import defaultdict
import numpy as np
from scipy.sparse import csc_matrix
from .common_grids import common_grids, each_alone
from .tree import split_cube

__all__ = []


class Cells:
    """Cells of several datasets, and the tests that each is in.

    Parameters
    ----------
    labels : list of `~numpy.ndarray` of int
        For each dataset the cells of its bins, shape (n_partitions, n_bins), -1 for
        those in none.
    n_cells : int
        Number of cells.
    tests : dict of `~numpy.ndarray` of int
        Cells of each test, by its name.
    """

    def __init__(self, labels, n_cells, tests):
        self.labels = labels
        self.n_cells = n_cells
        self.tests = tests
        self._matrices = [self._matrix(part) for part in labels]

    def _matrix(self, labels):
        """Matrix that sums, column by column: a bin has few cells."""
        of_bins = np.ascontiguousarray(labels.T)
        is_in = of_bins >= 0
        ends = np.concatenate([[0], np.cumsum(is_in.sum(axis=1))])
        cells = of_bins[is_in]
        shape = (self.n_cells, labels.shape[1])
        return csc_matrix((np.ones(cells.size), cells, ends), shape)

    def sums(self, values):
        """Sums of values in the cells.

        Parameters
        ----------
        values : list of `~numpy.ndarray`
            Values for each dataset, shape (n_bins,) or (n_bins, n).

        Returns
        -------
        sums : list of `~numpy.ndarray`
            What each dataset adds to the cells, shape (n_cells,) or (n_cells, n).
        """
        return [
            matrix @ part for matrix, part in zip(self._matrices, values, strict=True)
        ]

    def total(self, values):
        """Sums of values in the cells over all datasets, shape (n_cells,)."""
        return np.sum(self.sums(values), axis=0)

    def total_of_some(self, number, bins, values):
        """Sums over some bins of one dataset, shape (n_cells,).

        Parameters
        ----------
        number : int
            Number of the dataset.
        bins : `~numpy.ndarray` of int
            Bins, shape (n,).
        values : `~numpy.ndarray`
            Values in these bins.

        Returns
        -------
        sums : `~numpy.ndarray`
            Sums.
        """
        labels = self.labels[number][:, bins]
        is_in = labels >= 0
        values = np.broadcast_to(values, labels.shape)[is_in]
        return np.bincount(labels[is_in], values, self.n_cells)


def make_cells(bins, questions, min_npred, min_width=0.0):
    """Cells for the questions of a test of the goodness of fit.

    Parameters
    ----------
    bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins of each dataset.
    questions : list of `~gammapy.diagnostics.questions.Question`
        How the bins are divided, and the names of the tests.
    min_npred : float
        Smallest number of predicted counts in a cell. If a part of a dataset has fewer,
        it is combined with the same part of other datasets.
    min_width : float, optional
        Least width of a cell on the sky, in deg. Default is 0.

    Returns
    -------
    cells : `Cells`
        Cells. A cell may still have less where all datasets together have.
    """
    labels, tests, n_cells = [[] for _part in bins], defaultdict(list), 0
    grids = {
        True: [_Grid(grid, bins) for grid in common_grids(bins)],
        False: [_Grid(grid, bins) for grid in each_alone(bins)],
    }
    for question in questions:
        own_grids = grids[question.joint]
        partition = _Partition(bins, own_grids, question, min_npred, min_width)
        for number, part in enumerate(partition.labels):
            labels[number].append(np.where(part >= 0, part + n_cells, -1))
        for zone, names in question.tests.items():
            ids = np.flatnonzero(partition.zones == zone) + n_cells
            for name in names if ids.size else ():
                tests[name].append(ids)
        n_cells += partition.n_cells
    return Cells(
        [np.array(part, dtype=np.int32) for part in labels],
        n_cells,
        {name: np.concatenate(ids) for name, ids in tests.items()},
    )


class _Grid:
    """Datasets on one grid: their numbers, bins, and where these are in its cube."""

    def __init__(self, grid, bins):
        self.numbers, self.shape = grid.numbers, grid.shape
        self.parts = [bins[number] for number in grid.numbers]
        self.expected = [part.expected for part in self.parts]
        places = np.arange(np.prod(grid.shape)).reshape(grid.shape)
        self.places = [
            places[into].ravel()[part.index]
            for part, into in zip(self.parts, grid.slices, strict=True)
        ]

    def split(self, inside, question, min_npred, min_pixels):
        """Boxes of some bins: labels of these bins, and the number of boxes.

        Parameters
        ----------
        inside : list of `~numpy.ndarray` of bool
            For each dataset which of its bins.
        question : `~gammapy.diagnostics.questions.Question`
            Says in what they are split.
        min_npred, min_pixels : float, int
            As for `split_cube`.
        """
        shape = self._shape(question)
        places = [
            self._places(own[is_in], question)
            for own, is_in in zip(self.places, inside, strict=True)
        ]
        expected = [
            own[is_in] for own, is_in in zip(self.expected, inside, strict=True)
        ]
        every, size = np.concatenate(places), int(np.prod(shape))
        cube = np.bincount(every, np.concatenate(expected), size).reshape(shape)
        used = np.bincount(every, minlength=size).reshape(shape) > 0
        labels, n_boxes = split_cube(cube, used, min_npred, min_pixels=min_pixels)
        return [labels.ravel()[own] for own in places], n_boxes

    def _shape(self, question):
        """Shape of the cube; where nothing is split, there is nothing to tell apart."""
        n_energy, *image = self.shape
        return (
            n_energy if question.energy else 1,
            *(image if question.sky else (1, 1)),
        )

    def _places(self, places, question):
        """Flat indices in that cube."""
        n_pixels = self.shape[1] * self.shape[2]
        if not question.sky:
            return places // n_pixels if question.energy else 0 * places
        return places if question.energy else places % n_pixels


class _Partition:
    """Cells of one question: labels of the bins, and the zone of each cell."""

    def __init__(self, bins, grids, question, min_npred, min_width):
        self.labels = [np.full(part.index.size, -1, dtype=np.int32) for part in bins]
        roots, self.n_cells = [], 0
        zones = [question.zones(part, number) for number, part in enumerate(bins)]
        for grid in grids:
            min_pixels = _min_pixels(grid.parts[0], min_width)
            for zone in sorted(question.tests):
                inside = [zones[number] == zone for number in grid.numbers]
                if not any(is_in.any() for is_in in inside):
                    continue
                labels, n_own = grid.split(inside, question, min_npred, min_pixels)
                for number, is_in, own in zip(
                    grid.numbers, inside, labels, strict=True
                ):
                    self.labels[number][is_in] = own + self.n_cells
                roots += [(int(zone), grid.parts[0].stat_type)] * n_own
                self.n_cells += n_own
        self.zones = np.array([zone for zone, _kind in roots], dtype=int)
        self._join_small(bins, roots, min_npred)

    def _join_small(self, bins, roots, min_npred):
        """Join cells with too little, of one zone and statistic."""
        expected = np.zeros(self.n_cells)
        for part, labels in zip(bins, self.labels, strict=True):
            inside = labels >= 0
            values = part.expected[inside]
            expected += np.bincount(labels[inside], values, self.n_cells)
        small = defaultdict(list)
        for cell in np.flatnonzero(expected < min_npred * (1 - 1e-9)):
            small[roots[cell]].append(int(cell))
        target = np.arange(self.n_cells)
        for cells in small.values():
            _chain(cells, expected, min_npred, target)
        kept, new = np.unique(target, return_inverse=True)
        self.zones, self.n_cells = self.zones[kept], kept.size
        # The last one is for bins that are in no cell.
        new = np.append(new, -1)
        self.labels = [new[part] for part in self.labels]


def _chain(cells, expected, min_npred, target):
    """Put each cell to the one before until these have enough."""
    first, last_full, total = None, None, 0.0
    for cell in cells:
        first = cell if first is None else first
        target[cell] = first
        total += expected[cell]
        if total >= min_npred:
            first, last_full, total = None, first, 0.0
    if first is not None and last_full is not None:
        # What is left over.
        target[target == first] = last_full


def _min_pixels(part, min_width):
    """Least number of pixels along a side of a box."""
    if part.image is None:
        return 1
    pixel = part.image.pixel_scales.to_value("deg").min()
    return max(1, int(np.ceil(min_width / pixel - 1e-6)))
