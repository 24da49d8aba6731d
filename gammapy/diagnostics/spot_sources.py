# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The source that would explain a spot: amplitude, index, size, error of the position.

The counts around the spot, in each energy bin, are compared with the predicted counts
of the model and of a Gaussian source with a power law. Amplitude, index and size of the
source have the highest likelihood. All other parameters are fixed.
"""

from dataclasses import dataclass, field
import numpy as np
import scipy.ndimage as ndi
import astropy.units as u
from gammapy.datasets.evaluator import MapEvaluator
from gammapy.datasets.residuals.grids import overlap_slices, pixel_offset
from gammapy.maps import Map
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from .peaks import vertex

__all__ = []

#: Spectrum that turns counts into an amplitude, at 1 TeV.
INDEX = 2.0
AMPLITUDE = u.Quantity(1e-12, "cm-2 s-1 TeV-1")
# Twice the logarithm of the likelihood ratio above which a source is extended.
TS_EXTENDED = 4.0
# Sizes that are tried, up to the reach of the kernel, and changes of the index.
N_SIZES = 16
TILTS = np.linspace(-2.0, 2.0, 17)
# Radius of the pixels that count, in units of the reach and of the PSF's radius.
N_REACH, N_PSF = 1.5, 2.0
N_ITERATIONS = 40
# Turns of size, index and position, the step in pixels after which they end, and how
# far a position may move, in units of the reach.
N_TURNS, SMALL_STEP, MAX_SHIFT = 4, 0.02, 0.5
SMALLEST = 1e-12


@dataclass
class SpotSource:
    """Source at a spot: amplitude at 1 TeV, size and error of the position in deg.

    ``pos_err`` is the standard deviation of each coordinate, ``ts`` twice the logarithm
    of the ratio of the likelihoods with and without the source, and ``shift`` what the
    source is away from the position that was given, in pixels along x and y.
    """

    amplitude: float = np.nan
    index: float = np.nan
    size: float = np.nan
    ts: float = np.nan
    pos_err: float = np.nan
    shift: tuple = (0.0, 0.0)


@dataclass
class Window:
    """Counts, model and point source around a spot, summed over datasets.

    The cubes are lists of images by the edges of the energy bin, of the shape of the
    window, with ``corner`` (row, column) in the geometry of the scan.
    """

    spot: object
    corner: tuple
    shape: tuple
    cubes: dict = field(default_factory=dict)

    def add(self, edges, offset, images):
        """Add images of one plane, whose first pixel is at an offset (x, y)."""
        if edges not in self.cubes:
            self.cubes[edges] = np.zeros((len(images), *self.shape))
        offset = np.array(offset) - self.corner[::-1]
        into, part = overlap_slices(self.shape, offset, images[0].shape)
        for total, image in zip(self.cubes[edges], images, strict=True):
            total[into] += image[part]

    def stacked(self):
        """Energies of the bins in TeV, and their counts, model and point source."""
        edges = sorted(self.cubes)
        energies = np.sqrt(np.prod(edges, axis=1))
        return energies, *np.swapaxes([self.cubes[key] for key in edges], 0, 1)


@dataclass
class Spot:
    """Where a source is sought: energy group, position, pixel, reach in deg."""

    group: int
    position: object
    pixel: tuple
    reach: float


def fit_sources(scan, spots):
    """Source with the highest likelihood at each spot.

    Parameters
    ----------
    scan : `~gammapy.diagnostics.scan_maps.Scan`
        Scan.
    spots : list of `Spot`
        Spots.

    Returns
    -------
    sources : list of `SpotSource`
        Sources, with NaN where that is not known, as without exposure.
    """
    has_exposure = all(dataset.exposure is not None for dataset in scan.datasets)
    if not has_exposure or not spots:
        return [SpotSource() for _spot in spots]
    scale = scan.geom.pixel_scales.to_value("deg")
    windows = [_window(spot, scan.geom.data_shape, scale) for spot in spots]
    for dataset in scan.datasets:
        _add_dataset(scan, dataset, windows)
    return [_fit_window(window, scale) for window in windows]


def _window(spot, shape, scale):
    """Part of the images around a spot, large enough for all sizes."""
    half = np.ceil((N_REACH + 3) * spot.reach / scale[::-1]).astype(int) + 5
    low = np.maximum(np.array(spot.pixel) - half, 0)
    high = np.minimum(np.array(spot.pixel) + half + 1, shape)
    return Window(spot, tuple(low), tuple(high - low))


def _add_dataset(scan, dataset, windows):
    """Add the planes of a dataset to all windows."""
    geom = dataset.counts.geom
    edges = geom.axes["energy"].edges.to_value("TeV")
    offset = pixel_offset(scan.geom, geom.to_image())
    points = [point_counts(dataset, window.spot.position) for window in windows]
    for atom, plane in scan.selection.planes(dataset):
        key = tuple(np.round(edges[plane.idx : plane.idx + 2], 9))
        arrays = [plane.counts * plane.weights, plane.npred * plane.weights]
        for window, point in zip(windows, points, strict=True):
            if atom in scan.groups[window.spot.group].atoms:
                signal = 0 * plane.weights if point is None else point[plane.idx]
                window.add(key, offset, [*arrays, signal * plane.weights])


def point_counts(dataset, position):
    """Counts of a point source with the amplitude `AMPLITUDE`, None outside.

    It is an array of shape (n_energy, n_lat, n_lon), without masks.
    """
    geom = dataset.counts.geom
    image = geom.to_image()
    spatial = PointSpatialModel.from_position(position.transform_to(image.frame))
    spectral = PowerLawSpectralModel(index=INDEX, amplitude=AMPLITUDE)
    evaluator = MapEvaluator(SkyModel(spectral, spatial, name="spot"))
    everywhere = Map.from_geom(image, data=np.ones(image.data_shape, dtype=bool))
    evaluator.update(dataset.exposure, dataset.psf, dataset.edisp, geom, everywhere)
    if not evaluator.contributes:
        return None
    npred = Map.from_geom(geom, dtype=float)
    npred.stack(evaluator.compute_npred(), nan_to_num=True)
    return np.clip(npred.data, 0, None)


def _fit_window(window, scale):
    """Source of the highest likelihood in a window."""
    if not window.cubes:
        return SpotSource()
    energies, counts, npred, point = window.stacked()
    if not point.any():
        return SpotSource()
    rows, columns = np.indices(window.shape)
    y, x = np.array(window.spot.pixel) - window.corner
    distance = np.hypot((rows - y) * scale[1], (columns - x) * scale[0])
    reach = window.spot.reach
    near_psf = _radius_of(point.sum(axis=0), distance)
    used = distance <= max(N_REACH * reach, N_PSF * near_psf)
    fit = _Fit(counts, npred, used, energies / _pivot(energies, point))
    sizes = np.append(0, np.geomspace(0.5 * scale.min(), reach, N_SIZES))
    shift = np.zeros(2)
    # Size, index and position in turn, until the position stays.
    for _turn in range(N_TURNS):
        moved = _shifted(point, shift)
        shapes = np.array([_blur(moved, size / scale) * fit.seen for size in sizes])
        best, stat = fit.update(shapes)
        step = fit.step(shapes[best])
        if np.hypot(*(shift + step) * scale) > MAX_SHIFT * reach:
            break
        if np.hypot(*step) < SMALL_STEP:
            break
        shift = shift + step
    signal = fit.signal(shapes[best])
    return SpotSource(
        # That of (E / pivot)^tilt (E / TeV)^-2 at 1 TeV.
        amplitude=float(fit.amplitude * AMPLITUDE.value * fit.pivot_factor(energies)),
        index=INDEX - fit.tilt,
        size=float(_refine(sizes, stat, best)),
        ts=float(max(fit.stat_without - stat[best], 0)),
        pos_err=_position_error(signal, used, npred, scale),
        shift=tuple(shift),
    )


class _Fit:
    """Amplitude and index of a source of a given shape.

    Parameters
    ----------
    counts, npred : `~numpy.ndarray`
        Cubes of shape (n_energy, n_lat, n_lon).
    used : `~numpy.ndarray` of bool
        Pixels that count.
    ratio : `~numpy.ndarray`
        Energies in units of their mean.
    """

    def __init__(self, counts, npred, used, ratio):
        # What is masked has no model.
        self.seen = (npred > 0) | (counts > 0)
        self.used, self.ratio = used, ratio
        self.counts = counts[:, used]
        self.npred = np.maximum(npred[:, used], SMALLEST)
        self.tilt, self.amplitude = 0.0, 0.0
        logs = self.counts * np.log(self.npred)
        self.stat_without = 2 * np.sum(self.npred - logs)

    @property
    def factors(self):
        """What the tilt multiplies each energy with."""
        return self.ratio**self.tilt

    def pivot_factor(self, energies):
        """What an amplitude at 1 TeV is multiplied with because of the tilt."""
        return (energies[0] / self.ratio[0]) ** -self.tilt

    def update(self, shapes):
        """Best of several shapes with the best index, and the statistic of all."""
        signals = shapes[..., self.used]
        _amplitudes, stat = self._amplitudes(signals)
        if self.ratio.size > 1:
            data = self.counts, self.npred
            self.tilt = _best_tilt(data, signals[_best_size(stat)], self.ratio)
        amplitudes, stat = self._amplitudes(signals)
        best = _best_size(stat)
        self.amplitude = amplitudes[best]
        return best, stat

    def _amplitudes(self, signals):
        scaled = signals * self.factors[:, np.newaxis]
        return _fit_amplitudes(self.counts, self.npred, scaled)

    def signal(self, shape):
        """Counts of the source, a cube."""
        return self.amplitude * shape * self.factors[:, np.newaxis, np.newaxis]

    def step(self, shape):
        """Step of the position in pixels along x and y, by the method of scoring."""
        signal = self.signal(shape)
        slopes = [-slope[:, self.used] for slope in np.gradient(signal, axis=(2, 1))]
        total = self.npred + signal[:, self.used]
        step = []
        for slope in slopes:
            information = np.sum(slope**2 / total)
            score = np.sum(slope * (self.counts / total - 1))
            step.append(score / information if information > 0 else 0.0)
        return np.array(step)


def _best_size(stat):
    """Index of the size of the lowest statistic, 0 when that is not much lower."""
    best = int(np.argmin(stat))
    return best if stat[0] - stat[best] >= TS_EXTENDED else 0


def _best_tilt(data, signal, ratio):
    """Change of the index with the highest likelihood."""
    signals = signal * (ratio ** TILTS[:, np.newaxis])[..., np.newaxis]
    _amplitudes, stat = _fit_amplitudes(*data, signals)
    best = int(np.argmin(stat))
    step = TILTS[1] - TILTS[0]
    return float(TILTS[best] + step * _below(stat, best))


def _shifted(point, shift):
    """Images of a point source that is moved along x and y, in pixels.

    By cubic splines: linear interpolation makes it wider, and sizes too small.
    """
    return np.clip(ndi.shift(point, (0, *shift[::-1]), order=3), 0, None)


def _pivot(energies, point):
    """Mean energy of the counts of the source in TeV."""
    return float(np.exp(np.average(np.log(energies), weights=point.sum(axis=(1, 2)))))


def _radius_of(point, distance):
    """Radius in deg with 68 percent of a point source."""
    order = np.argsort(distance, axis=None)
    sums = np.cumsum(np.ravel(point)[order])
    return np.ravel(distance)[order][np.searchsorted(sums, 0.68 * sums[-1])]


def _blur(point, width):
    """Images of a Gaussian source, ``width`` in pixels along x and y."""
    if not np.any(width):
        return point
    return ndi.gaussian_filter(point, (0, *width[::-1]), mode="constant")


def _fit_amplitudes(counts, npred, signals):
    """Amplitudes of the highest likelihood, and twice its negative logarithm.

    For each signal, along the first axis, the likelihood is concave in the amplitude,
    which is 0 or positive.
    """
    shape = (-1, 1, 1)
    axes = (1, 2)
    amplitudes = np.zeros(len(signals))
    # The slope is convex: from 0 Newton's method comes from below.
    for _iteration in range(N_ITERATIONS):
        total = npred + amplitudes.reshape(shape) * signals
        slope = np.sum(signals * (counts / total - 1), axis=axes)
        curvature = np.sum(counts * (signals / total) ** 2, axis=axes)
        step = slope / np.maximum(curvature, SMALLEST)
        step = np.where(curvature > 0, np.maximum(step, -amplitudes), 0.0)
        amplitudes = amplitudes + step
        if np.all(np.abs(step) <= 1e-8 * np.maximum(amplitudes, SMALLEST)):
            break
    total = npred + amplitudes.reshape(shape) * signals
    return amplitudes, 2 * np.sum(total - counts * np.log(total), axis=axes)


def _below(values, best):
    """Where a parabola is lowest, in steps from the lowest of values."""
    return vertex(-np.asarray(values[max(best - 1, 0) : best + 2]))


def _refine(sizes, stat, best):
    """Size of the lowest statistic between those that were tried."""
    if not 1 < best < len(sizes) - 1:
        return sizes[best]
    return sizes[best] * (sizes[best + 1] / sizes[best]) ** _below(stat, best)


def _position_error(signal, used, npred, scale):
    """Standard deviation of each coordinate in deg, by the Fisher information."""
    rows, columns = np.gradient(signal, axis=(1, 2))
    total = np.maximum(npred + signal, SMALLEST)[:, used]
    information = np.mean(
        [
            np.sum((slope[:, used] / step) ** 2 / total)
            for slope, step in ((columns, scale[0]), (rows, scale[1]))
        ]
    )
    return float(1 / np.sqrt(information)) if information > 0 else np.nan
