# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.maps import Map


class FoVBackgroundMaker:
    @staticmethod
    def _mask_all(dataset):
        """Set a safe mask that is False everywhere."""
        geom = dataset.counts.geom
        dataset.mask_safe = Map.from_geom(geom, data=False, dtype=bool)
