# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Filters matched to a source: weights of their own for each energy bin."""

from itertools import pairwise
import numpy as np
import astropy.units as u
from ..grids import image_slices
from ..sky_geometry import worst_disc
from .base import Kernel
from .matched_filter import period_of
from .matched_sums import matched_sums
from .plane import warn_of_disc

__all__ = []

FLUX_UNIT = "cm-2 s-1"


class MatchedKernel(Kernel):
    """Filter that is matched to a source."""

    has_bin_weights = True

    def source(self):
        """Source, a `~gammapy.modeling.models.SkyModel`."""
        raise NotImplementedError

    def on(self, geom, *, is_on_off=False):
        return BinWeights(self.source(), geom)


class BinWeights:
    """Sums with the filter that is matched to a source.

    Parameters
    ----------
    source : `~gammapy.modeling.models.SkyModel`
        Source.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the images.
    """

    is_uniform = False

    def __init__(self, source, geom):
        self._source = source
        self._geom = geom
        self.n_correlated = None
        # Of the circle that stands for the kernel, one per energy group.
        self.radius = None

    def reduce(self, datasets, selection, n_jobs=None, backend=None):
        """Images of all datasets, with their significance."""
        joint, self.n_correlated, self.radius = matched_sums(
            datasets, selection, self._source, self._geom, n_jobs, backend
        )
        return joint

    def warn(self, datasets, mask):
        """Say where sources look unlike the one that the filter is made of."""
        warn_of_filters(datasets, self._geom, mask)

    def finish(self, joint, mask, levels):
        """Images as they are: the filter was applied bin by bin."""
        return joint.images

    def fluxes(self, edges):
        """Integral flux of the source in each energy group, by which sums are scaled.

        Parameters
        ----------
        edges : `~astropy.units.Quantity`
            Edges of the groups.

        Returns
        -------
        fluxes : `~astropy.units.Quantity`
            Fluxes of the source as it is, of shape (n_groups,).
        """
        spectrum = self._source.spectral_model
        fluxes = [
            spectrum.integral(*bounds).to(FLUX_UNIT) for bounds in pairwise(edges)
        ]
        return u.Quantity(fluxes)


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
            options = {"period": period_of(image), "like_center": True}
            found.append((worst_disc(image, radius, used, **options), image))
    if found:
        worst, image = max(found, key=lambda item: item[0].error)
        what = "Filters matched to a source at the centre of the map"
        advice = "use 'tophat' or 'gauss' in a CAR map"
        warn_of_disc(worst, what, image, advice)
