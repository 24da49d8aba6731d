# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Filter that is matched to the image of a source in each dataset and energy bin.

With s the counts that a source predicts around its position, the filter is
f = s / sum(s^2), summed over all pixels, energy bins and datasets: the least-squares
estimate of the amplitude of that source (Turin 1960, IRE Trans. Inf. Theory 6, 311,
for noise that is the same everywhere).
"""

import numpy as np
from scipy.signal import fftconvolve
from gammapy.maps import Map
from gammapy.modeling.models import (
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpatialModel,
)
from .evaluator import MapEvaluator
from .grids import image_slices
from .sky_geometry import cylinder_of, worst_disc
from .sky_kernels import warn_of_disc

__all__ = []

POINT_SOURCE = "point-source"
ROUNDING = 1e-6


def source_of_kernel(kernel):
    """Source that a kernel is matched to, None for any other kernel.

    Raises a ValueError for a model that has no place on the sky.
    """
    if isinstance(kernel, str) and kernel == POINT_SOURCE:
        return SkyModel(PowerLawSpectralModel(index=2), PointSpatialModel())
    if not isinstance(kernel, SkyModel):
        return None
    spatial = kernel.spatial_model
    if isinstance(spatial, TemplateSpatialModel) or (
        spatial is not None and not hasattr(spatial, "lon_0")
    ):
        raise ValueError(
            f"The kernel {kernel.name!r} has a {spatial.__class__.__name__}, which has "
            "no position to be moved: use one with lon_0 and lat_0."
        )
    return kernel


class MatchedFilter:
    """Filter of one dataset.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset with exposure.
    source : `~gammapy.modeling.models.SkyModel`
        Source; it is moved to the centre of the map.
    """

    def __init__(self, dataset, source):
        self.stamps = source_stamps(dataset, source)
        self._period = _period(dataset.counts.geom.to_image())

    @property
    def margin(self):
        """Pixels (x, y) by which filtered images are larger on each side."""
        n_y, n_x = self.stamps.shape[1:]
        return np.array([n_x // 2, n_y // 2])

    def apply(self, plane):
        """Filtered sums of a plane: names and images, larger by the margin.

        They lack the division by sum(s^2), which is known at the end.
        """
        stamp = self.stamps[plane.idx]
        for name, values in plane.summands():
            is_squared = name in ("variance", "coverage")
            image = _correlate(values, stamp**2 if is_squared else stamp)
            yield name, _wrap(image, self._period)

    def moments(self, plane):
        """Return sum(s^2), and two sums whose ratio is the number of pixels in f."""
        stamp = self.stamps[plane.idx]
        weight = np.sum(plane.npred * plane.weights)
        squares = np.sum(stamp**2)
        return np.array([squares, weight * np.sum(stamp) ** 2, weight * squares])


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
            f"{POINT_SOURCE!r} needs: use 'tophat' or 'gauss'."
        )
    geom = dataset.counts.geom
    image = geom.to_image()
    x, y = (int(_) // 2 for _ in image.data_shape[::-1])
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
            f"dataset {dataset.name!r}: look at its amplitude and at the exposure."
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
    lon, lat = (_.squeeze() for _ in lonlat)
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


def _correlate(image, stamp):
    """Sum of the image around each pixel weighted with the stamp, margins included."""
    result = fftconvolve(image, stamp[::-1, ::-1], mode="full")
    # Rounding must not leave negative counts.
    return np.clip(result, 0, None)


def _period(image):
    """Number of columns after which an image around the sky repeats, else None."""
    cylinder = cylinder_of(image)
    return cylinder.period if cylinder is not None and cylinder.is_around else None


def _wrap(image, period):
    """Filtered image in which columns of the same longitude hold the same sum."""
    if period is None:
        return image
    wrapped = image.copy()
    wrapped[:, :-period] += image[:, period:]
    wrapped[:, period:] += image[:, :-period]
    return wrapped


def warn_of_filters(datasets, geom, mask):
    """Say in one line where sources look unlike the one that the filter is made of.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image that holds them.
    mask : `~numpy.ndarray` of bool
        Pixels that count, of the shape (n_lat, n_lon).
    """
    found = []
    for dataset in datasets:
        image = dataset.counts.geom.to_image()
        into, part = image_slices(image, geom)
        used = np.zeros(image.data_shape, dtype=bool)
        used[into] = mask[part]
        if used.any():
            radius = 2 * image.pixel_scales.to_value("deg").max()
            options = {"period": _period(image), "like_center": True}
            found.append((worst_disc(image, radius, used, **options), image))
    if found:
        worst, image = max(found, key=lambda item: item[0].error)
        what = "Filters matched to a source at the centre of the map"
        advice = "take 'tophat' or 'gauss' in a CAR map"
        warn_of_disc(worst, what, image, advice)
