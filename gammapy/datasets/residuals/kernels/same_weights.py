# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sums of joint datasets with the same weights for all of them."""

from ..off_counts import MAXIMA
from ..planes import npred_parts
from ..significance import summed_significance
from ..sums import JointSums, reduce_all, reduce_dataset
from ..weighted import convolve_sums

__all__ = []


class SameWeights:
    """Sums of all datasets, and then of the pixels around each one.

    Parameters
    ----------
    kernel : `PlaneKernel`, `RowKernel` or `GaussRowKernel`
        Weights of neighbours.
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the images.
    is_on_off : bool, optional
        Whether the datasets have off counts. Default is False.
    radius : `~astropy.units.Quantity`, optional
        Radius of the circle that stands for the kernel where it is drawn. Default is
        None, for a pixel.
    """

    def __init__(self, kernel, geom, *, is_on_off=False, radius=None):
        self._geom = geom
        self.radius = radius
        self.is_uniform = kernel.is_uniform
        self._is_on_off = is_on_off
        # Weights of on-off data are those of a sum.
        is_sum = is_on_off and kernel.is_uniform
        self._kernel = kernel.as_sum() if is_sum else kernel

    @property
    def n_correlated(self):
        """Effective number of pixels in the kernel, one or those of each row."""
        return self._kernel.n_pixels

    def reduce(self, datasets, selection, n_jobs=None, backend=None):
        """Images of all datasets, before the kernel is applied."""
        joint = JointSums(self._geom, n_groups=len(selection.edges) - 1)
        tasks = [(dataset, selection) for dataset in datasets]
        for item in reduce_all(reduce_dataset, tasks, n_jobs, backend):
            joint.add(item)
        return joint

    def warn(self, datasets, mask):
        """Say where the kernel is no disc on the sky."""
        self._kernel.warn(self._geom, mask)

    def finish(self, joint, mask, levels):
        """Sums with the kernel, with their significance within a mask."""
        sums = joint.images
        sums["coverage"] = joint.mask.astype(float)
        if not self._is_on_off:
            parts = npred_parts(sums, levels)
            return convolve_sums(sums, self._kernel, mask, parts)
        sums = {name: self._sum(name, image) for name, image in sums.items()}
        sums["sqrt_ts"] = summed_significance(sums, mask)
        return sums

    def fluxes(self, edges):
        """None: the sums are counts."""
        return None

    def _sum(self, name, images):
        """Sums of neighbours, of what is not summed the largest."""
        is_maximum = name in MAXIMA
        return (
            self._kernel.maximum(images) if is_maximum else self._kernel.apply(images)
        )
