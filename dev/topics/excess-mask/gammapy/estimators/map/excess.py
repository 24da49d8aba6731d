# Licensed under a 3-clause BSD style license - see LICENSE.rst
import copy
from gammapy.maps import Map


class ExcessMapEstimator:
    @staticmethod
    def _apply_mask_fit_energies(dataset):
        """Apply the fit mask bin by bin, where a pixel has any bin inside it.

        Pixels that are excluded at all energies are left out after the resampling.
        """
        mask_fit = dataset.mask_fit.data.astype(bool)
        excluded = ~mask_fit.any(axis=0)
        energies = mask_fit.any(axis=(1, 2), keepdims=True)

        mask = Map.from_geom(dataset.mask_fit.geom, data=mask_fit | excluded & energies)
        if dataset.mask_safe:
            mask *= dataset.mask_safe

        # Only the mask differs, the maps are not copied
        dataset = copy.copy(dataset)
        dataset.mask_safe = mask
        return dataset
