# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The part of an image of the sky that is drawn."""

from dataclasses import dataclass
import numpy as np
from gammapy.maps import WcsGeom

__all__ = []

# Maps that are wider or taller than this are stretched to be legible.
MAX_RATIO = 6
# What is left around the pixels of a mask, of the width and height, and at least.
MARGIN, MARGIN_MIN = 0.02, 1


@dataclass(frozen=True)
class View:
    """Part of an image.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the whole image.
    columns, rows : tuple of int
        First pixel, and the one after the last.
    """

    geom: WcsGeom
    columns: tuple
    rows: tuple

    @classmethod
    def whole(cls, geom):
        """View of all of an image."""
        height, width = geom.data_shape
        return cls(geom, (0, width), (0, height))

    @classmethod
    def of_mask(cls, geom, mask):
        """View of the pixels of a mask, with a margin; of all when it has none.

        Parameters
        ----------
        geom : `~gammapy.maps.WcsGeom`
            Geometry of the image.
        mask : `~numpy.ndarray` of bool
            Pixels that are shown, of the shape (n_lat, n_lon).
        """
        if not mask.any():
            return cls.whole(geom)
        columns, rows = (_extent(mask.any(axis=axis)) for axis in (0, 1))
        return cls(geom, columns, rows)

    @property
    def ratio(self):
        """Width divided by height, in degrees."""
        lon, lat = self.geom.pixel_scales.to_value("deg")
        return np.ptp(self.columns) * lon / (np.ptp(self.rows) * lat)

    @property
    def aspect(self):
        """Aspect that shows the sky as it is, but what is too long stretched."""
        if not 1 / MAX_RATIO <= self.ratio <= MAX_RATIO:
            return "auto"
        lon, lat = self.geom.pixel_scales.to_value("deg")
        return lat / lon

    @property
    def limits(self):
        """Limits of the axes, those of x and those of y."""
        return tuple(np.array(self.columns) - 0.5), tuple(np.array(self.rows) - 0.5)


def _extent(used):
    """First and last pixel but one with a margin, as far as there are pixels."""
    places = np.nonzero(used)[0]
    first, last = int(places[0]), int(places[-1]) + 1
    margin = max(MARGIN_MIN, round(MARGIN * (last - first)))
    return max(first - margin, 0), min(last + margin, used.size)
