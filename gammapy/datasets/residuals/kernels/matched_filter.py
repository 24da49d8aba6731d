# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Filter that is matched to the image of a source in each dataset and energy bin.

With s the counts that a source predicts around its position, m the mean of the model
in the same dataset and energy bin, and A the amplitude of a source at the threshold,
the filter is f = ln(1 + A s / m). The sum of f n is then, up to a constant, the
logarithm of the likelihood ratio of the model with and without that source (Neyman &
Pearson 1933, Phil. Trans. R. Soc. A 231, 289; for images Ofek & Zackay 2018, AJ 155,
169). The source at the threshold is the one with 5 sigma where all datasets together
have their mean model:

    2 sum [(m + A s) ln(1 + A s / m) - A s] = 5^2,

summed over all pixels of s, energy bins of the group and datasets.
"""

from dataclasses import dataclass
import numpy as np
from scipy.optimize import brentq
from gammapy.maps import Map
from gammapy.modeling.models import (
    PointSpatialModel,
    SkyModel,
)
from gammapy.stats.nodes import Nodes, SaddlepointRange
from ...evaluator import MapEvaluator
from ..sky_geometry import cylinder_of

__all__ = []

ROUNDING = 1e-6
#: Significance of the source that a filter is made for.
THRESHOLD = 5.0
# A mean model of less than this many counts in all pixels is taken for as many.
COUNTS_MIN = 0.01
# Significances between which nodes are made, and their tolerance.
SQRT_TS_RANGE = (-8.0, 20.0)
TOLERANCE = 3e-5


@dataclass
class FilterInput:
    """What the filter of one dataset is made of.

    ``stamps`` are those of `source_stamps`; ``npred`` is the mean of the model per
    pixel, 0 in bins that do not contribute, and ``n_pixels`` the number of pixels that
    do, both of shape (n_energy,).
    """

    stamps: np.ndarray
    npred: np.ndarray
    n_pixels: np.ndarray

    @property
    def background(self):
        """Mean of the model, of shape (n_energy, 1, 1), above 0."""
        lowest = COUNTS_MIN / np.maximum(self.n_pixels, 1)
        return np.maximum(self.npred, lowest)[:, np.newaxis, np.newaxis]


def look_at(dataset, selection, source):
    """Source and mean model of a dataset, a `FilterInput`."""
    n_energy = dataset.data_shape[0]
    npred, n_pixels = np.zeros(n_energy), np.zeros(n_energy)
    for _idx, plane in selection.planes(dataset):
        used = plane.weights > 0
        n_pixels[plane.idx] = np.sum(used)
        npred[plane.idx] = np.mean(plane.npred[used])
    return FilterInput(source_stamps(dataset, source), npred, n_pixels)


def threshold_amplitude(inputs, bins):
    """Amplitude of a source of 5 sigma above the mean model.

    Parameters
    ----------
    inputs : list of `FilterInput`
        One per dataset.
    bins : list of `~numpy.ndarray` of bool
        Energy bins that count, one array per dataset.

    Returns
    -------
    amplitude : float
        Amplitude, in units of the one of the source; 0 without any bin.
    """
    signal, background = [], []
    for item, select in zip(inputs, bins, strict=True):
        stamps = item.stamps[select]
        signal.append(np.ravel(stamps))
        around = np.broadcast_to(item.background[select], stamps.shape)
        background.append(np.ravel(around))
    signal, background = np.concatenate(signal), np.concatenate(background)
    used = signal > 0
    if not used.any():
        return 0.0
    signal, background = signal[used], background[used]

    def excess_ts(log_amplitude):
        excess = np.exp(log_amplitude) * signal
        ratio = np.log1p(excess / background)
        return 2 * np.sum((background + excess) * ratio - excess) - THRESHOLD**2

    # That of Gaussian noise is too low, and what so many counts need too high.
    low = np.log(THRESHOLD / np.sqrt(np.sum(signal**2 / background)))
    high = np.log(2 * THRESHOLD**2 / np.sum(signal))
    low, high = min(low, high) - 1, max(low, high) + 1
    while excess_ts(high) < 0:
        high += 1
    while excess_ts(low) > 0:
        low -= 1
    return np.exp(brentq(excess_ts, low, high, xtol=1e-10))


@dataclass
class GroupFilter:
    """Filter of one energy group.

    ``amplitude`` is that of the source at the threshold, ``scale`` the largest weight
    (times that of a mask),
    ``norm`` the sum of f s, which turns an excess into an amplitude, and ``nodes`` are
    the weights that stand for all.
    """

    amplitude: float
    scale: float
    norm: float
    nodes: Nodes | None


@dataclass
class MatchedFilter:
    """Filter of one dataset.

    ``weights`` are f divided by the scale of the group, of shape (n_energy, n_lat,
    n_lon), and 0 in bins that do not contribute.
    """

    stamps: np.ndarray
    weights: np.ndarray
    groups: list

    @property
    def margin(self):
        """Pixels (x, y) by which filtered images are larger on each side."""
        n_y, n_x = self.stamps.shape[1:]
        return np.array([n_x // 2, n_y // 2])


def make_filters(inputs, bins, highest_level=1.0):
    """Filters of datasets.

    Parameters
    ----------
    inputs : list of `FilterInput`
        One per dataset.
    bins : list of list of `~numpy.ndarray` of bool
        For each dataset and energy group the bins that belong to it.
    highest_level : float, optional
        Highest weight of a mask. Default is 1.

    Returns
    -------
    filters : list of `MatchedFilter`
        One per dataset. They share the groups.
    """
    groups = []
    weights = [np.zeros(item.stamps.shape) for item in inputs]
    for group_bins in zip(*bins, strict=True):
        used = [
            select & (item.n_pixels > 0)
            for select, item in zip(group_bins, inputs, strict=True)
        ]
        amplitude = threshold_amplitude(inputs, used)
        for f, item, select in zip(weights, inputs, used, strict=True):
            ratio = amplitude * item.stamps[select] / item.background[select]
            f[select] = np.log1p(ratio)
        groups.append(_make_group(inputs, weights, used, amplitude, highest_level))
        for f, select in zip(weights, used, strict=True):
            f[select] /= groups[-1].scale
    return [
        MatchedFilter(item.stamps, f, groups)
        for item, f in zip(inputs, weights, strict=True)
    ]


def _make_group(inputs, weights, used, amplitude, highest_level):
    """Filter of one group from the weights of all datasets."""
    if amplitude == 0:
        return GroupFilter(0.0, 1.0, 1.0, None)
    items = list(zip(inputs, weights, used, strict=True))
    f = np.concatenate([np.ravel(f[select]) for _, f, select in items])
    background = np.concatenate(
        [
            np.ravel(np.broadcast_to(item.background[select], f[select].shape))
            for item, f, select in items
        ]
    )
    norm = sum(np.sum(f[select] * item.stamps[select]) for item, f, select in items)
    scale = f.max()
    footprint = SaddlepointRange(f / scale, background)
    n_effective = footprint.mean**2 / np.sum(footprint.weights**2 * footprint.npred)
    # The model is lower and higher than its mean, and weights of masks are other ones.
    tolerance = TOLERANCE / np.sqrt(max(2 * n_effective, 1))
    t_range = footprint.t_range_of(*SQRT_TS_RANGE, low=0.2)
    nodes = Nodes(footprint, t_range, tolerance)
    return GroupFilter(amplitude, scale * highest_level, norm, nodes)


def source_stamps(dataset, source):
    """Counts of a source around the pixel that is nearest to the centre of a map.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset with exposure.
    source : `~gammapy.modeling.models.SkyModel`
        Source.

    Returns
    -------
    stamps : `~numpy.ndarray`
        Array of shape (n_energy, n_lat, n_lon), with odd numbers of pixels and the
        source in the middle one.

    Raises
    ------
    ValueError
        If the dataset has no exposure there.
    """
    if dataset.exposure is None:
        raise ValueError(
            f"Dataset {dataset.name!r} has no exposure, which the kernel "
            "'point-source' needs: use 'tophat' or 'gauss'."
        )
    geom = dataset.counts.geom
    image = geom.to_image()
    x, y = (int(n_pixels) // 2 for n_pixels in image.data_shape[::-1])
    model = _moved(source, image.pix_to_coord((x, y)), image.frame)
    evaluator = MapEvaluator(model)
    everywhere = Map.from_geom(image, data=np.ones(image.data_shape, dtype=bool))
    evaluator.update(dataset.exposure, dataset.psf, dataset.edisp, geom, everywhere)
    npred = Map.from_geom(geom, dtype=float)
    npred.stack(evaluator.compute_npred(), nan_to_num=False)
    stamps = _crop(npred.data, x, y)
    highest = stamps.max()
    # A convolution with the PSF leaves rounding errors where there is nothing.
    is_positive = stamps.min() > -ROUNDING * highest
    if not (np.isfinite(stamps).all() and highest > 0 and is_positive):
        raise ValueError(
            f"The source of the kernel, with amplitude {_norm(source)}, predicts no "
            f"counts, negative ones, or ones that are not finite at the centre of "
            f"dataset {dataset.name!r}: check its amplitude and the exposure."
        )
    return np.clip(stamps, 0, None)


def _norm(source):
    """Amplitude of a source as text."""
    for name in ("amplitude", "norm"):
        if name in source.spectral_model.parameters.names:
            return f"{source.spectral_model.parameters[name].quantity:.3g}"
    return "of its spectrum"


def _moved(source, lonlat, frame):
    """Copy of a source at another position, a point when it has none."""
    lon, lat = (coords.squeeze() for coords in lonlat)
    spatial = source.spatial_model
    spatial = PointSpatialModel() if spatial is None else spatial.copy()
    # Only the shape around the position matters, so the frame of the map will do.
    spatial.frame = frame
    for parameter, value in ((spatial.lon_0, lon), (spatial.lat_0, lat)):
        parameter.min = parameter.max = np.nan
        parameter.quantity = value
    return SkyModel(source.spectral_model.copy(), spatial, name="matched-filter")


def _crop(cube, x, y):
    """Smallest part around a pixel, as wide on each side, that holds all but zeros."""
    used_y, used_x = np.nonzero(cube.any(axis=0))
    n_y, n_x = cube.shape[1:]
    if used_y.size == 0:
        return cube[:, :1, :1]
    r_y = min(np.max(np.abs(used_y - y)), y, n_y - 1 - y)
    r_x = min(np.max(np.abs(used_x - x)), x, n_x - 1 - x)
    return cube[:, y - r_y : y + r_y + 1, x - r_x : x + r_x + 1]


def period_of(image):
    """Number of columns after which an image around the sky repeats, else None."""
    cylinder = cylinder_of(image)
    return cylinder.period if cylinder is not None and cylinder.is_around else None


def wrap(images, period):
    """Filtered images in which columns of the same longitude hold the same sum."""
    if period is None:
        return images
    wrapped = images.copy()
    wrapped[..., :-period] += images[..., period:]
    wrapped[..., period:] += images[..., :-period]
    return wrapped
