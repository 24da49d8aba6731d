# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from gammapy.datasets import MapDataset, MapDatasetOnOff
from gammapy.datasets.residuals.planes import independent_copy
from gammapy.modeling.models import TemplateNPredModel

#: Maps of a dataset that the estimator sums over energy.
SUMMED_MAPS = ("counts", "counts_off", "acceptance")


class ExcessMapEstimator:
    def run(self, dataset):
        """Notes
        -----
        Bins outside ``mask_safe`` or ``mask_fit`` are not summed, for any energy
        bins of the result.

        Examples
        --------
        >>> import astropy.units as u
        >>> from gammapy.datasets import MapDataset
        >>> from gammapy.estimators import ExcessMapEstimator
        >>> from gammapy.maps import Map, MapAxis
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
        >>> background = Map.create(width=1, binsz=0.1, axes=[axis])
        >>> background.data += 4
        >>> dataset = MapDataset(counts=background * 2, background=background)
        >>> dataset.mask_fit = background.geom.energy_mask(3 * u.TeV)
        >>> maps = ExcessMapEstimator("0.15 deg").run(dataset)
        >>> maps["npred_excess"].data[0, 5, 5].item()
        36.0
        """
        if isinstance(dataset, MapDataset) and dataset.mask_fit is not None:
            dataset = _with_mask_fit_in_each_bin(
                dataset, self._get_energy_axis(dataset)
            )
        return self._upstream_ExcessMapEstimator_run(dataset)


def _with_mask_fit_in_each_bin(dataset, axis):
    """Copy of a dataset whose ``mask_safe`` has the energy part of its ``mask_fit``.

    Sums over energy take ``mask_safe`` bin by bin, but ``mask_fit`` only pixel by
    pixel. A pixel that ``mask_fit`` excludes at all energies is left to ``mask_fit``:
    the exposure of such pixels is averaged into that of their neighbours.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset, not changed.
    axis : `~gammapy.maps.MapAxis`
        Energy axis that the copy will be resampled to.

    Returns
    -------
    dataset : `~gammapy.datasets.MapDataset`
        The copy. Its bins outside the masks hold no counts.
    """
    mask_fit = dataset.mask_fit.data != 0
    pixels = mask_fit.any(axis=0)
    energies = mask_fit.any(axis=(1, 2), keepdims=True)
    weights = dataset.mask_fit.copy(data=mask_fit | (~pixels & energies))
    if dataset.mask_safe is not None:
        weights.data &= dataset.mask_safe.data != 0

    inside = dataset.mask
    masked = independent_copy(dataset)
    masked.mask_safe = weights
    is_on_off = isinstance(dataset, MapDatasetOnOff)
    # The background of on-off datasets follows from the other maps.
    for name in SUMMED_MAPS if is_on_off else ("counts", "background"):
        if getattr(masked, name) is not None:
            setattr(masked, name, _zero_outside(getattr(masked, name), inside))
    if is_on_off and dataset.models:
        signal = _zero_outside(dataset.npred_signal(), inside)
        # The resampled dataset would fold the models into masked energies too.
        masked.models = [
            TemplateNPredModel(
                signal.resample_axis(axis), datasets_names=[dataset.name]
            )
        ]
    return masked


def _zero_outside(values, mask):
    """Map that is 0 outside a mask, where it may be anything, such as NaN."""
    return values.copy(data=np.where(mask.data, values.data, 0))
