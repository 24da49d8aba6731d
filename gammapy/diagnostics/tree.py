# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Boxes of a cube with enough expected counts each, by halving and quartering."""

import numpy as np

__all__ = []


def split_cube(npred, used, min_npred, *, sky=True, energy=True, min_pixels=1):
    """Split a cube into boxes that hold at least so many expected counts.

    The whole is quartered on the sky and halved in energy in turn, as long as each part
    that has a bin at all has enough. Where quarters have not, halves are tried that
    share the expected counts evenly.

    Parameters
    ----------
    npred : `~numpy.ndarray`
        Expected counts, shape (n_energy, n_lat, n_lon), 0 where a bin is not used.
    used : `~numpy.ndarray` of bool
        Bins that are used, of the same shape.
    min_npred : float
        Least number of expected counts of a box. The whole is one box where it has
        less.
    sky, energy : bool, optional
        In what the cube is split. Default is both.
    min_pixels : int, optional
        Least width and height of a box. Default is 1.

    Returns
    -------
    labels : `~numpy.ndarray` of int
        Number of the box of each bin, -1 where it is not used.
    n_boxes : int
        Number of boxes.

    Examples
    --------
    >>> import numpy as np
    >>> from gammapy.diagnostics.tree import split_cube
    >>> npred = np.ones((1, 4, 4))
    >>> labels, n_boxes = split_cube(npred, npred > 0, min_npred=4)
    >>> n_boxes, np.bincount(labels.ravel()).tolist()
    (4, [4, 4, 4, 4])
    """
    labels = np.full(npred.shape, -1, dtype=np.int32)
    if not used.any():
        return labels, 0
    # Regions are a small part of most cubes.
    inside = tuple(slice(*edges) for edges in _bounds(used))
    splits = [_sky] * sky + [_energy] * energy
    sums = _BoxSums(npred[inside], used[inside], min_npred, (1, min_pixels, min_pixels))
    n_boxes = _label_boxes(labels[inside], sums, splits)
    labels[~used] = -1
    return labels, n_boxes


def _label_boxes(labels, sums, splits):
    """Write the number of its box into each bin of a cube; the number of boxes."""
    whole = tuple((0, size) for size in labels.shape)
    waiting, n_boxes = [(whole, 0)], 0
    while waiting:
        box, turn = waiting.pop()
        parts = None
        # Where there is not enough for two, nothing needs to be tried.
        n_tries = len(splits) if sums.is_enough(box, parts=2) else 0
        # The one whose turn it is first, then the other.
        for number in range(n_tries):
            parts = splits[(turn + number) % len(splits)](sums, box)
            if parts:
                waiting += [(part, turn + number + 1) for part in parts]
                break
        if not parts:
            labels[tuple(slice(*edges) for edges in box)] = n_boxes
            n_boxes += 1
    return n_boxes


def _bounds(used):
    """Smallest box that holds all bins, as (first, last + 1) of each axis."""
    bounds = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        where = np.flatnonzero(used.any(axis=others))
        bounds.append((int(where[0]), int(where[-1]) + 1))
    return tuple(bounds)


class _BoxSums:
    """Sums over boxes of a cube at once, from its cumulative sums."""

    def __init__(self, npred, used, least, least_sizes):
        self.least, self.least_sizes = least, least_sizes
        self._npred, self._used = _cumulative(npred), _cumulative(used)

    def is_enough(self, box, parts=1):
        """Whether a box has enough for some parts; None when it has no bin."""
        if _sum(self._npred, box) >= parts * self.least:
            return True
        return False if _sum(self._used, box) else None

    def along(self, box, axis):
        """Cumulative sum along one axis of a box, from 0 to its sum."""
        first, last = box[axis]
        others = [other for other in range(3) if other != axis]
        total = 0.0
        for corner in np.ndindex(2, 2):
            index = [slice(first, last + 1)] * 3
            for other, end in zip(others, corner, strict=True):
                index[other] = box[other][end]
            sign = 1 if sum(corner) % 2 == 0 else -1
            total = total + sign * self._npred[tuple(index)]
        return total - total[0]


def _cumulative(values):
    table = np.zeros([size + 1 for size in values.shape])
    table[1:, 1:, 1:] = values
    for axis in range(3):
        np.cumsum(table, axis=axis, out=table)
    return table


def _sum(table, box):
    (e0, e1), (y0, y1), (x0, x1) = box
    low, high = table[e0], table[e1]
    above = high[y1, x1] - high[y0, x1] - high[y1, x0] + high[y0, x0]
    return above - (low[y1, x1] - low[y0, x1] - low[y1, x0] + low[y0, x0])


def _sky(sums, box):
    """Quarters of a box on the sky, else halves of its longer or shorter side."""
    energies, *sides = box
    quarters = [
        (energies, y, x)
        for y in _cut(sides[0], sum(sides[0]) // 2)
        for x in _cut(sides[1], sum(sides[1]) // 2)
    ]
    lengths = [last - first for first, last in sides]
    if min(lengths) >= 2 * sums.least_sizes[1]:
        enough = [sums.is_enough(part) for part in quarters]
        if False not in enough:
            return [part for part, is_it in zip(quarters, enough, strict=True) if is_it]
    order = (1, 2) if lengths[0] >= lengths[1] else (2, 1)
    return _even_halves(sums, box, order[0]) or _even_halves(sums, box, order[1])


def _energy(sums, box):
    """Halves of a box in energy."""
    return _even_halves(sums, box, 0)


def _even_halves(sums, box, axis):
    """Halves with about the same expected counts, None when they have not enough."""
    first, last = box[axis]
    size = sums.least_sizes[axis]
    if last - first < 2 * size:
        return None
    below = sums.along(box, axis)
    inside = below[size : below.size - size]
    cut = size + int(np.argmin(abs(inside - below[-1] / 2)))
    if min(below[cut], below[-1] - below[cut]) < sums.least:
        return None
    return [
        (*box[:axis], edges, *box[axis + 1 :]) for edges in _cut(box[axis], first + cut)
    ]


def _cut(edges, at):
    """Two parts of a range, or itself when it is too short."""
    first, last = edges
    return [(first, at), (at, last)] if first < at < last else [edges]
