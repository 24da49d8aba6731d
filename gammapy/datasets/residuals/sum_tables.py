# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Significance of many simulations of one model, as a table for each pixel.

While the model stays the same the significance of a weighted sum depends on that sum
alone. What is tabulated, against ln(S / M), is its difference to the significance y of
S M / M2 counts over M^2 / M2 expected ones. It is small and smooth, so that few entries
will do.
"""

import numpy as np
from gammapy.stats.maxima import counts_at
from gammapy.stats.nodes import Nodes, SaddlepointRange
from .fourier import Convolution

__all__ = []

# Significances between which tables and nodes are made, and number of steps.
LOWEST, HIGHEST, N_STEPS = -8.0, 10.0, 20
# Smallest sum in units of its mean; smaller ones are taken for it.
SMALLEST = 1e-3
# Sums below it, in the same units, are rounding errors of none.
NOTHING = 1e-9
# Significances y that are not corrected.
NEAR = 1.5
# Tolerance of nodes; simulations need no more.
TOLERANCE = 3e-4
# Error of the significance up to which nodes are trusted for simulations.
ERROR_MAX = 0.01


class CountsTable:
    """Significance of sums of plain counts, which needs no table.

    Parameters
    ----------
    npred : `~numpy.ndarray`
        Expected sums of pixels, of shape (n,).
    scale : float, optional
        Weight that all counts of the sums have. Default is 1.
    """

    def __init__(self, npred, scale=1.0):
        self.npred = npred / scale
        self.scale = scale

    def sqrt_ts(self, sums):
        """Significance of sums, of shape (n,)."""
        # Sums by Fourier transforms are whole up to rounding.
        with np.errstate(divide="ignore", invalid="ignore"):
            counts = np.clip(np.rint(sums / self.scale), 0, None)
            ratio = np.where(counts > 0, counts * np.log(counts / self.npred), 0.0)
            half_ts = np.clip(ratio - counts + self.npred, 0, None)
        return np.sign(counts - self.npred) * np.sqrt(2 * half_ts)


class SumsTable:
    """Significance of weighted sums.

    Parameters
    ----------
    mean, variance : `~numpy.ndarray`
        Expected sums M, and those with squared weights M2, of shape (n,).
    solve : callable
        Gives significances and their errors from sums of shape (n,), infinite errors
        where they are not known.
    """

    def __init__(self, mean, variance, solve):
        used = (mean > 0) & (variance > 0)
        self._used, self._mean = used, np.where(used, mean, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._npred = np.where(used, mean**2 / variance, 1.0)
        ends = [counts_at(self._npred, y) / self._npred for y in (LOWEST, HIGHEST)]
        low, high = np.log(np.clip(ends, SMALLEST, None))
        self._first, self._step = low, (high - low) / N_STEPS
        table = np.empty((N_STEPS + 1, mean.size))
        is_known = np.empty(table.shape, dtype=bool)
        for idx in range(N_STEPS + 1):
            ratio = np.exp(self._first + idx * self._step)
            sqrt_ts, error = solve(self._mean * ratio)
            table[idx] = sqrt_ts - self._counts_sqrt_ts(ratio)
            is_known[idx] = error < ERROR_MAX
        self._of_nothing, _error = solve(np.zeros(mean.size))
        self.n_unknown = int(np.sum(~is_known.any(axis=0) & used))
        # Both ends of a step are next to each other.
        self._table = np.ravel(_fill(table, is_known).T.astype(np.float32))

    def _counts_sqrt_ts(self, ratio):
        """Significance y of sums that are so many times their mean."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(ratio > 0, ratio * np.log(ratio), 0.0) - ratio + 1
        size = np.sqrt(2 * self._npred * np.clip(rate, 0, None))
        return np.copysign(size, ratio - 1)

    def sqrt_ts(self, sums):
        """Significance of sums, of shape (n,); within `NEAR` of 0 it is y."""
        ratio = np.clip(sums, 0, None) / self._mean
        sqrt_ts = self._counts_sqrt_ts(ratio)
        # Most pixels are near their mean, which no one asks for.
        (far,) = np.nonzero(np.abs(sqrt_ts) > NEAR)
        ratio_far = np.maximum(ratio[far], SMALLEST)
        place = (np.log(ratio_far) - self._first[far]) / self._step[far]
        place = np.clip(place, 0, N_STEPS)
        idx = np.minimum(place.astype(np.intp), N_STEPS - 1)
        entry = far * (N_STEPS + 1) + idx
        low, high = self._table[entry], self._table[entry + 1]
        sqrt_ts[far] += low + (place - idx) * (high - low)
        is_empty = ratio < NOTHING
        sqrt_ts[is_empty] = self._of_nothing[is_empty]
        sqrt_ts[~self._used] = np.nan
        return sqrt_ts


def _fill(table, is_known):
    """Entries that are not known from the next one that is, downwards or upwards."""
    filled = np.where(is_known, table, np.nan)
    for idx in range(1, len(table)):
        gap = np.isnan(filled[idx])
        filled[idx, gap] = filled[idx - 1, gap]
    for idx in range(len(table) - 2, -1, -1):
        gap = np.isnan(filled[idx])
        filled[idx, gap] = filled[idx + 1, gap]
    return np.nan_to_num(filled)


def kernel_table(kernel, sums, mask, parts):
    """Table for a kernel with the same weights for all datasets.

    Parameters
    ----------
    kernel : `~gammapy.datasets.residuals.kernels.plane.PlaneKernel` or another one
        Kernel.
    sums : dict of `~numpy.ndarray`
        Sums "npred" and "variance" with the kernel, of shape (n_lat, n_lon).
    mask : `~numpy.ndarray` of bool
        Pixels that the table has, of the same shape.
    parts : list of tuple
        Weights of masks and images of predicted counts, before they are summed.

    Returns
    -------
    table : `CountsTable` or `SumsTable`
        Table of the pixels of the mask.
    """
    if kernel.is_uniform and len(parts) == 1 and parts[0][0] == 1:
        weights = getattr(kernel, "weights", None)
        scale = 1.0 if weights is None else weights.max()
        return CountsTable(sums["npred"][mask], scale)
    weights = _typical_weights(kernel, mask.shape)
    levels = [level for level, _image in parts]
    scale = weights.max() * max(levels)
    values = np.concatenate([np.ravel(weights) * level / scale for level in levels])
    footprint = SaddlepointRange(values, np.ones(values.size))
    npred, variance = sums["npred"][mask], sums["variance"][mask]
    nodes = _make_nodes(footprint, npred, variance)
    totals = np.zeros((nodes.weights.size + 1, npred.size))
    for level, image in parts:

        def node_weights(f, level=level):
            return np.array([*nodes.kernels(f * level / scale), 1.0 * (f > 0)])

        totals += _sums_of_nodes(kernel, image, node_weights, mask)
    totals, reached = totals[:-1], totals[-1]
    return nodes_table(nodes, npred, variance, totals, reached, scale=scale)


def _sums_of_nodes(kernel, image, node_weights, mask):
    """Sums with the weights of the nodes, which may be negative."""
    weights = getattr(kernel, "weights", None)
    if weights is not None:
        convolution = Convolution(image.shape, weights.shape)
        product = convolution.transform(node_weights(weights))
        return convolution.same(product * convolution.transform(image))[:, mask]
    sums = []
    for idx in range(len(node_weights(np.ones(1)))):
        # A kernel with a shape for each row asks for one set of weights at a time.
        image_sums = kernel.apply(
            image[np.newaxis], lambda f, n=idx: node_weights(f)[n]
        )
        sums.append(image_sums[0][mask])
    return np.array(sums)


def nodes_table(nodes, npred, variance, totals, reached, *, scale=1.0):
    """Table from the predicted counts of nodes, see `Nodes.solve`.

    ``npred`` and ``variance`` are sums with weights whose largest one is ``scale``.
    """
    reached = np.clip(reached, 0, None)
    safe = np.where(npred > 0, npred / scale, 1.0)

    def solve(sums):
        return nodes.solve(sums / scale, safe, totals, reached)

    return SumsTable(npred, variance, solve)


def _make_nodes(footprint, npred, variance):
    """Nodes for pixels with few and with many counts."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n_effective = npred**2 / variance
    n_effective = n_effective[np.isfinite(n_effective)]
    if not n_effective.size:
        n_effective = np.ones(1)
    low, high = np.quantile(n_effective, [0.02, 1])
    weights = footprint.weights * footprint.npred
    of_one = footprint.mean**2 / np.sum(weights * footprint.weights)
    t_range = footprint.t_range_of(LOWEST, HIGHEST, low=max(low, 1e-3) / of_one)
    return Nodes(footprint, t_range, TOLERANCE / np.sqrt(max(high, 1)))


def _typical_weights(kernel, shape):
    """Weights of a kernel, of one for each row those in the middle."""
    weights = getattr(kernel, "weights", None)
    if weights is not None:
        return weights
    if kernel.is_uniform:
        return np.ones((1, 1))
    _rows, weights = kernel.around(shape[0] // 2, shape[1] // 2, shape[1])
    return weights
