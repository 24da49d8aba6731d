# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums of joint datasets with a matched filter, and their significance.

The datasets are gone through twice, and only one plane is held at a time: once for the
mean model of each dataset and energy bin, from which all filters are made together, and
once for the filtered sums. Pixels whose sums are too small for Fourier transforms are
summed one by one, for which the datasets are gone through again.
"""

import numpy as np
from gammapy.stats.nodes import ERROR_MAX, FineNodes
from ..fourier import ROUNDING, SMALL, Convolution, sum_windows
from ..grids import pixel_offset
from ..sums import JointSums, Reduced, reduce_all
from ..weighted import fine_columns, solve_fine
from .containment import containment_radii
from .matched_filter import look_at, make_filters, period_of, wrap

__all__ = []

# A filter that sees less than this of a source sees rounding errors.
COVERAGE_MIN = 1e-9
# Sums that are made for each pixel, besides those of the nodes.
PLAIN = ("counts", "npred", "npred_background", "variance")
FILTERED = (*PLAIN, "coverage")
# Pixels that are summed one by one at a time.
CHUNK = 20_000


def matched_sums(datasets, selection, source, geom, n_jobs=None, backend=None):
    """Sums of all datasets with the filter matched to a source.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    selection : `~gammapy.datasets.residuals.sums.Selection`
        What is summed.
    source : `~gammapy.modeling.models.SkyModel`
        Source.
    geom : `~gammapy.maps.WcsGeom`
        Image geometry that holds all datasets.
    n_jobs, backend : optional
        See `~gammapy.datasets.residuals.sums.reduce_all`.

    Returns
    -------
    joint : `~gammapy.datasets.residuals.sums.JointSums`
        Its images are "counts", "npred", "npred_background" (in amplitudes of the
        source), "variance", "coverage" and "sqrt_ts".
    n_correlated : float
        Number of pixels that one value depends on.
    radii : `~astropy.units.Quantity`
        Radii that hold 68 percent of the counts of the source, one per energy group.
    """
    inputs = list(
        reduce_all(
            look_at,
            [(dataset, selection, source) for dataset in datasets],
            n_jobs,
            backend,
        )
    )
    highest = 1.0 if selection.levels is None else selection.levels.max()
    bins = [selection.groups(dataset) for dataset in datasets]
    filters = make_filters(inputs, bins, highest)
    radii = containment_radii(inputs, bins, geom)
    tasks = [
        (dataset, selection, f) for dataset, f in zip(datasets, filters, strict=True)
    ]
    joint = JointSums(geom, n_groups=len(selection.edges) - 1)
    for item in reduce_all(filter_dataset, tasks, n_jobs, backend):
        joint.add(item)
    if not joint.energies:
        return joint, 1.0, radii
    groups = filters[0].groups
    # Where the source is not seen there is nothing to look for.
    norms = np.array([group.norm / group.scale for group in groups])
    joint.images["coverage"] /= norms[:, np.newaxis, np.newaxis]
    joint.mask &= joint.images["coverage"] > COVERAGE_MIN

    images = joint.images
    images["sqrt_ts"] = np.full(joint.mask.shape, np.nan)
    for idx, group in enumerate(groups):
        pixels = np.nonzero(joint.mask[idx])
        if not pixels[0].size:
            continue
        rest = _solve_group(images, idx, pixels, group, joint.moments[idx])
        for start in range(0, rest[0].size, CHUNK):
            part = tuple(index[start : start + CHUNK] for index in rest)
            sums = _sum_again(joint.geom, tasks, idx, part, n_jobs, backend)
            for name, values in zip(PLAIN, sums, strict=False):
                images[name][idx][part] = values
            footprint, npred = sums[len(PLAIN)], sums[len(PLAIN) + 1 :]
            images["sqrt_ts"][idx][part] = solve_fine(sums[0], npred, footprint)
        for name in PLAIN:
            power = 2 if name == "variance" else 1
            images[name][idx] *= (group.scale / group.norm) ** power
    joint.images = {name: images[name] for name in (*FILTERED, "sqrt_ts")}
    of_sums, of_squares = np.sum(joint.moments[:, :2], axis=0)
    return joint, of_sums / of_squares if of_squares > 0 else 1.0, radii


def _node_name(idx):
    return f"node_{idx}"


def filter_dataset(dataset, selection, matched):
    """Filtered sums of one dataset.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    selection : `~gammapy.datasets.residuals.sums.Selection`
        What is summed.
    matched : `~gammapy.datasets.residuals.kernels.matched_filter.MatchedFilter`
        Filter.

    Returns
    -------
    reduced : `~gammapy.datasets.residuals.sums.Reduced`
        Images of the sums, of "footprint" and of the nodes. The moments of each energy
        group are two sums whose ratio is the number of pixels in the filter, and the
        squared errors of counts and model by rounding.
    """
    n_groups = len(matched.groups)
    reduced = Reduced.empty(
        dataset, selection, moments=np.zeros((n_groups, 4)), margin=matched.margin
    )
    convolution = Convolution(dataset.data_shape[1:], matched.weights.shape[1:])
    products, bins = {}, []
    for idx, plane in selection.planes(dataset):
        bins.append(plane.idx)
        np.add(reduced.used[idx], plane.weights, out=reduced.used[idx])
        group = matched.groups[idx]
        for name, product in _filter_plane(convolution, plane, matched, group.nodes):
            if name not in products:
                products[name] = np.zeros((n_groups, *product.shape), dtype=complex)
            total = products[name][idx]
            total += product
        reduced.moments[idx] += _moments(plane, matched.weights[plane.idx])
    for name, product in products.items():
        period = period_of(dataset.counts.geom.to_image())
        reduced.images[name] = wrap(convolution.full(product), period)
        if not name.startswith("node"):
            np.clip(reduced.images[name], 0, None, out=reduced.images[name])
    reduced.set_energies(dataset, bins)
    return reduced


def _filter_plane(convolution, plane, matched, nodes):
    """Names and Fourier transforms of the filtered sums of one plane."""
    weights = matched.weights[plane.idx][::-1, ::-1]
    stamp = matched.stamps[plane.idx][::-1, ::-1]
    kernels = np.array([weights, weights**2, weights * stamp])
    linear, squared, seen = convolution.transform(kernels)
    by_name = {"variance": squared, "coverage": seen}
    transforms = {}
    for name, values in plane.summands():
        if name not in FILTERED:
            continue
        if name == "variance" and not plane.is_weighted:
            transforms[name] = transforms["npred"]
        else:
            transforms[name] = convolution.transform(values)
        yield name, transforms[name] * by_name.get(name, linear)
    for level, npred in plane.npred_parts():
        is_plain = plane.levels is None
        transform = transforms["npred"] if is_plain else convolution.transform(npred)
        kernels = [(weights > 0).astype(float), *nodes.kernels(level * weights)]
        products = convolution.transform(np.array(kernels)) * transform
        yield "footprint", products[0]
        for idx, product in enumerate(products[1:]):
            yield _node_name(idx), product


def _moments(plane, weights):
    """Sums of one plane, see `filter_dataset`."""
    total = np.sum(plane.npred * plane.weights)
    squares = np.sum(weights**2)
    errors = [
        ROUNDING**2 * squares * np.sum((values * plane.weights) ** 2)
        for values in (plane.counts, plane.npred)
    ]
    return np.array([total * np.sum(weights) ** 2, total * squares, *errors])


def _solve_group(images, idx, pixels, group, moments):
    """Set the significance of an energy group; return the pixels that are left."""
    counts, npred, footprint = (
        images[name][idx][pixels] for name in ("counts", "npred", "footprint")
    )
    rounding = np.sqrt(moments[2:])
    usable = (counts > SMALL * rounding[0]) & (npred > SMALL * rounding[1])
    n_nodes = group.nodes.weights.size
    place = tuple(index[usable] for index in pixels)
    nodes = np.array([images[_node_name(node)][idx][place] for node in range(n_nodes)])
    sqrt_ts, error = group.nodes.solve(
        counts[usable],
        npred[usable],
        nodes,
        footprint[usable],
        rounding=rounding.max(),
    )
    images["sqrt_ts"][idx][place] = sqrt_ts
    left = ~usable
    left[usable] = ~(error < ERROR_MAX)
    return tuple(index[left] for index in pixels)


def _sum_again(geom, tasks, idx_group, pixels, n_jobs, backend):
    """Sums of single pixels over all datasets, of shape (n_sums, n_pixels)."""
    there = []
    for dataset, *_ in tasks:
        x, y = pixel_offset(geom, dataset.counts.geom.to_image())
        there.append((pixels[0] - y, pixels[1] - x))
    tasks = [
        (*task, idx_group, place) for task, place in zip(tasks, there, strict=True)
    ]
    return sum(reduce_all(sum_pixels, tasks, n_jobs, backend))


def sum_pixels(dataset, selection, matched, idx_group, pixels):
    """Sums of one dataset around single pixels.

    Parameters
    ----------
    dataset, selection, matched
        As in `filter_dataset`.
    idx_group : int
        Energy group.
    pixels : tuple of `~numpy.ndarray`
        Rows and columns, which may lie outside of the dataset.

    Returns
    -------
    sums : `~numpy.ndarray`
        Sums of `PLAIN`, of the footprint and of the fine nodes, of shape
        (n_sums, n_pixels).
    """
    fine = FineNodes()
    shape = matched.weights.shape[1:]
    n_copies = 1 if period_of(dataset.counts.geom.to_image()) is None else 3
    n_plain = len(PLAIN)
    pixels = _with_copies(pixels, period_of(dataset.counts.geom.to_image()))
    result = np.zeros((n_plain + 1 + fine.weights.size, len(pixels[0])))
    for idx, plane in selection.planes(dataset):
        if idx != idx_group:
            continue
        weights = matched.weights[plane.idx]
        column = np.ravel(weights)[:, np.newaxis]
        for name, values in plane.summands():
            if name in PLAIN:
                used = column**2 if name == "variance" else column
                sums = sum_windows(values, pixels, used, shape)
                result[PLAIN.index(name)] += sums[:, 0]
        for level, npred in plane.npred_parts():
            columns = fine_columns(fine, level * weights)
            sums = sum_windows(npred, pixels, columns, shape).T
            result[n_plain] += sums[-1]
            result[n_plain + 1 :] += sums[:-1]
    return result.reshape(len(result), n_copies, -1).sum(axis=1)


def _with_copies(pixels, period):
    """Pixels, and those of the same longitude in an image around the sky."""
    y, x = pixels
    if period is None:
        return pixels
    return np.tile(y, 3), np.concatenate([x, x - period, x + period])
