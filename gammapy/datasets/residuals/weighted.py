# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of the significance of weighted sums.

The significance is the one of `gammapy.stats.weighted_poisson` in each pixel, to 1e-3.
The sums over the neighbours of each pixel are made for a few nodes, by Fourier
transforms (`gammapy.stats.nodes.Nodes`); pixels for which that is not good enough, with
next to no counts or far more than expected, have their sums made one by one.
"""

import numpy as np
from scipy.sparse import hstack
from gammapy.stats.nodes import ERROR_MAX, FineNodes, Nodes, SaddlepointRange
from gammapy.stats.residuals import compute_sqrt_ts
from gammapy.stats.weighted_poisson import Saddlepoint, compute_sqrt_ts_weighted
from .fourier import (
    ROUNDING,
    SMALL,
    Convolution,
    mend_rounding,
    rounding_of,
    sum_windows,
)

__all__ = []

# Part of the pixels, at each end, that may be beyond the range of the nodes.
OUTSIDE = 0.005
# Tolerance of nodes: their errors add up.
TOLERANCE = 3e-5
# Pixels whose fine nodes are held at a time.
CHUNK = 4000


def convolve_sums(sums, kernel, mask, parts):
    """Sums of counts and models with a kernel, and their significance.

    Parameters
    ----------
    sums : dict of `~numpy.ndarray`
        Arrays of shape (n_energy, n_lat, n_lon): "counts", "npred", "variance" and any
        others.
    kernel : `~gammapy.datasets.residuals.kernels.plane.PlaneKernel` or another one
        Kernel of the same weights for all datasets.
    mask : `~numpy.ndarray` of bool
        Where the significance is needed, of the same shape.
    parts : list of tuple
        Weights of the bins (of masks) and the predicted counts that have this weight:
        ``[(1.0, npred)]`` for plain masks.

    Returns
    -------
    sums : dict of `~numpy.ndarray`
        Sums, with "sqrt_ts", which is NaN outside the mask.
    """
    if not kernel.is_uniform:
        if hasattr(kernel, "weights"):
            return _convolve_graded(sums, kernel.weights, mask, parts)
        return _convolve_rows(sums, kernel, mask, parts)
    result = {
        name: kernel.apply(image, np.square if name == "variance" else None)
        for name, image in sums.items()
    }
    weights = getattr(kernel, "weights", None)
    scale = 1.0 if weights is None else weights.max()
    counts = np.where(mask, result["counts"] / scale, np.nan)
    images = [(1.0, result["npred"] / scale)]
    if len(parts) > 1 or parts[0][0] != 1:
        images = [(level, kernel.apply(image) / scale) for level, image in parts]
    result["sqrt_ts"] = sqrt_ts_of_parts(counts, images)
    return result


def _convolve_rows(sums, kernel, mask, parts):
    """Sums with a kernel that has weights for each row, `GaussRowKernel`."""
    result = {
        name: np.clip(
            kernel.apply(image, np.square if name == "variance" else None), 0, None
        )
        for name, image in sums.items()
    }
    result["sqrt_ts"] = np.full(mask.shape, np.nan)
    for idx, select in enumerate(mask):
        group = _RowGroup(kernel, [(level, image[idx]) for level, image in parts])
        pixels = np.nonzero(select)
        result["sqrt_ts"][idx][pixels] = group.sqrt_ts(
            pixels,
            sums["counts"][idx],
            *(result[name][idx][pixels] for name in ("counts", "npred", "variance")),
        )
    return result


class _RowGroup:
    """Significance of the pixels of one energy group, with a kernel for each row.

    Parameters
    ----------
    kernel : `~gammapy.datasets.residuals.kernels.gauss_rows.GaussRowKernel`
        Kernel.
    parts : list of tuple
        Weights of masks and predicted counts.
    """

    def __init__(self, kernel, parts):
        self.kernel = kernel
        self.parts = parts
        self.scale = kernel.largest * max(level for level, _image in parts)

    def sqrt_ts(self, pixels, counts_image, counts, npred, variance):
        """Significance of pixels from their sums."""
        with np.errstate(divide="ignore", invalid="ignore"):
            n_effective, ratio = npred**2 / variance, counts / npred
        floors = [
            SMALL * ROUNDING * np.sqrt(np.sum(image**2)) * self.kernel.largest
            for image in (counts_image, sum(image for _level, image in self.parts))
        ]
        is_large = (counts > floors[0]) | (counts == 0)
        by_nodes = is_large & (npred > floors[1]) & np.isfinite(ratio)
        sqrt_ts = np.full(counts.shape, np.nan)
        if by_nodes.any():
            used = tuple(index[by_nodes] for index in pixels)
            nodes = self._make_nodes(ratio[by_nodes], n_effective[by_nodes].max())
            sqrt_ts[by_nodes], error = nodes.solve(
                counts[by_nodes] / self.scale,
                npred[by_nodes] / self.scale,
                *self._sum_nodes(nodes, used),
                rounding=floors[1] / SMALL / self.scale,
            )
            by_nodes[by_nodes] = error < ERROR_MAX
        rest = np.nonzero(~by_nodes)[0]
        for idx in rest:
            y, x = pixels[0][idx], pixels[1][idx]
            rows, weights = self.kernel.around(y, x, counts_image.shape[1])
            total = np.sum(weights * counts_image[rows])
            f = np.concatenate([level * np.ravel(weights) for level, _ in self.parts])
            m = np.concatenate([np.ravel(image[rows]) for _, image in self.parts])
            sqrt_ts[idx] = compute_sqrt_ts_weighted(total, f, m)
        return sqrt_ts

    def _make_nodes(self, ratio, n_effective):
        n_y, n_x = self.parts[0][1].shape
        values = []
        for y in np.linspace(0, n_y - 1, 5).astype(int):
            _rows, weights = self.kernel.around(y, n_x // 2, n_x)
            values += [np.ravel(weights) * level for level, _image in self.parts]
        values = np.concatenate(values) / self.scale
        footprint = SaddlepointRange(values, np.ones(values.size))
        lowest, highest = np.quantile(ratio, [OUTSIDE, 1 - OUTSIDE])
        tolerance = TOLERANCE / np.sqrt(max(n_effective, 1))
        return Nodes(footprint, footprint.t_range(lowest, highest), tolerance)

    def _sum_nodes(self, nodes, pixels):
        """Predicted counts of the nodes, and of all of the footprint."""
        sums = np.zeros((nodes.weights.size, len(pixels[0])))
        footprint = np.zeros(len(pixels[0]))
        for level, image in self.parts:
            for idx in range(nodes.weights.size):

                def node_weights(f, idx=idx, level=level):
                    return nodes.kernels(f * level / self.scale)[idx]

                sums[idx] += self.kernel.apply(image[np.newaxis], node_weights)[0][
                    pixels
                ]
            used = self.kernel.apply(image[np.newaxis], lambda f: 1.0 * (f > 0))
            footprint += used[0][pixels]
        return sums, np.clip(footprint, 0, None)


def sqrt_ts_of_parts(counts, parts):
    """Significance of counts that are weighted by masks alone.

    Parameters
    ----------
    counts : `~numpy.ndarray`
        Weighted counts.
    parts : list of tuple
        Weights and the predicted counts that have this weight.

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Significance.
    """
    if len(parts) == 1:
        level, npred = parts[0]
        return compute_sqrt_ts(counts / level, npred)
    npred = np.stack([values for _level, values in parts], axis=-1)
    # A weight that no bin has does not make the others different.
    levels = np.where(npred != 0, [level for level, _values in parts], 0.0)
    return compute_sqrt_ts_weighted(counts, levels, npred)


def _convolve_graded(sums, weights, mask, parts):
    """Sums with a kernel of different weights."""
    convolution = Convolution(mask.shape[1:], weights.shape)
    transforms = {name: convolution.transform(image) for name, image in sums.items()}
    kernel, squared = (convolution.transform(weights**k) for k in (1, 2))
    result, is_small = {}, np.zeros(mask.shape, dtype=bool)
    for name, image in sums.items():
        is_squared = name == "variance"
        product = transforms[name] * (squared if is_squared else kernel)
        used = weights**2 if is_squared else weights
        result[name] = convolution.same(product)
        small = mend_rounding(result[name], image, used, where=mask)
        np.clip(result[name], 0, None, out=result[name])
        if name in ("npred", "variance"):
            is_small |= small
    result["sqrt_ts"] = np.full(mask.shape, np.nan)
    for idx, select in enumerate(mask):
        pixels = np.nonzero(select)
        planes = [
            (level, image[idx], weights, convolution.transform(image[idx]))
            for level, image in parts
        ]
        group = _Group(convolution, planes)
        result["sqrt_ts"][idx][pixels] = group.sqrt_ts(
            pixels,
            *(result[name][idx][pixels] for name in ("counts", "npred", "variance")),
            is_small=is_small[idx][pixels],
        )
    return result


class _Group:
    """Significance of the pixels of one energy group.

    Parameters
    ----------
    convolution : `~gammapy.datasets.residuals.fourier.Convolution`
        What makes the sums.
    planes : list of tuple
        Predicted counts: weight, image, kernel, and the transform of the image.
    """

    def __init__(self, convolution, planes):
        self.convolution = convolution
        self.scale = max(level * kernel.max() for level, _, kernel, _ in planes)
        # Each with its kernel, whose largest weight is 1 at most.
        self.planes = [
            (image, kernel * (level / self.scale), transform)
            for level, image, kernel, transform in planes
        ]

    def sqrt_ts(self, pixels, counts, npred, variance, *, is_small):
        """Significance of pixels from their sums."""
        counts, npred = counts / self.scale, npred / self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            n_effective = npred**2 / (variance / self.scale**2)
            ratio = counts / npred
        by_nodes = ~is_small & (npred > 0) & np.isfinite(ratio)
        sqrt_ts = np.full(counts.shape, np.nan)
        if by_nodes.any():
            nodes = self._make_nodes(ratio[by_nodes], n_effective[by_nodes].max())
            place = tuple(index[by_nodes] for index in pixels)
            sqrt_ts[by_nodes], error = nodes.solve(
                counts[by_nodes],
                npred[by_nodes],
                *self._sum_nodes(nodes, place),
                rounding=self._rounding(),
            )
            by_nodes[by_nodes] = error < ERROR_MAX
        rest = np.nonzero(~by_nodes)[0]
        for start in range(0, rest.size, CHUNK):
            part = rest[start : start + CHUNK]
            place = tuple(index[part] for index in pixels)
            sqrt_ts[part] = solve_fine(counts[part], *self._sum_fine(place))
        return sqrt_ts

    def _make_nodes(self, ratio, n_effective):
        values, typical = [], []
        for image, kernel, _transform in self.planes:
            values.append(np.ravel(kernel))
            typical.append(np.full(kernel.size, image.mean()))
        footprint = SaddlepointRange(np.concatenate(values), np.concatenate(typical))
        lowest, highest = np.quantile(ratio, [OUTSIDE, 1 - OUTSIDE])
        tolerance = TOLERANCE / np.sqrt(max(n_effective, 1))
        return Nodes(footprint, footprint.t_range(lowest, highest), tolerance)

    def _sum_nodes(self, nodes, pixels):
        """Predicted counts of the nodes, and of all of the footprint."""
        total = 0.0
        for _image, kernel, transform in self.planes:
            kernels = [*nodes.kernels(kernel), (kernel > 0).astype(float)]
            total = total + self.convolution.transform(np.array(kernels)) * transform
        sums = self.convolution.same(total)[:, *pixels]
        return sums[:-1], np.clip(sums[-1], 0, None)

    def _rounding(self):
        return sum(rounding_of(image, kernel) for image, kernel, _ in self.planes)

    def _sum_fine(self, pixels):
        """Predicted counts of the fine nodes, and of all of the footprint."""
        fine, sums = FineNodes(), 0.0
        for image, kernel, _transform in self.planes:
            flipped = kernel[::-1, ::-1]
            columns = fine_columns(fine, flipped)
            sums = sums + sum_windows(image, pixels, columns, kernel.shape)
        return sums[:, :-1].T, sums[:, -1]


def fine_columns(fine, kernel):
    """Columns of the fine nodes, and one for all of the footprint."""
    used = np.ravel(kernel > 0).astype(float)[:, np.newaxis]
    return hstack([fine.matrix(kernel), used]).tocsr()


def solve_fine(counts, npred, footprint):
    """Significance from the predicted counts of fine nodes.

    Parameters
    ----------
    counts, footprint : `~numpy.ndarray`
        Weighted counts and predicted counts of the footprint, of shape (n,).
    npred : `~numpy.ndarray`
        Predicted counts of `~gammapy.stats.nodes.FineNodes`, of shape (n_nodes, n).

    Returns
    -------
    sqrt_ts : `~numpy.ndarray`
        Significance; without model 0, or infinite where there are counts.
    """
    weights = FineNodes().weights[:, np.newaxis]
    sqrt_ts = compute_sqrt_ts(counts, weights[:, 0] @ npred)
    valid = np.isfinite(sqrt_ts) & (footprint > 0)
    used = npred.any(axis=1)
    point = Saddlepoint(
        counts[valid], weights[used], npred[used][:, valid], footprint[valid]
    )
    sqrt_ts[valid] = point.sqrt_ts
    return sqrt_ts
