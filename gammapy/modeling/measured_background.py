# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance values of measured backgrounds, which are profiled and not fitted."""

import numpy as np

__all__ = []


def measured_background(datasets):
    """Entries of a nuisance row on the on-off datasets among some.

    Their background has no parameters. In each bin it has the value that maximises the
    likelihood for the predicted signal [1]_.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, with the parameters at their best fit.

    Returns
    -------
    entries : dict
        "counts.NAME", "counts_off.NAME" (sums inside the masks), "alpha.NAME" (ratio of
        the sums of the acceptances) and "background.NAME" (sum of the profiled
        background) for each on-off dataset; empty when there is none.

    References
    ----------
    .. [1] Arnaud, Smith & Siemiginowska (2011), "Handbook of X-ray Astronomy",
       appendix B

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    >>> from gammapy.modeling.measured_background import measured_background
    >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
    >>> dataset = SpectrumDatasetOnOff.read(path, name="crab")
    >>> entries = measured_background(Datasets([dataset]))
    >>> list(entries)
    ['counts.crab', 'counts_off.crab', 'alpha.crab', 'background.crab']
    """
    entries = {}
    for dataset in datasets:
        if getattr(dataset, "counts_off", None) is None:
            continue
        used = np.ones(dataset.counts.data.shape, dtype=bool)
        if dataset.mask is not None:
            used = np.broadcast_to(dataset.mask.data != 0, used.shape)
        acceptances = dataset.acceptance.data[used], dataset.acceptance_off.data[used]
        total, total_off = (float(np.nansum(values)) for values in acceptances)
        background = dataset.npred_background().data[used]
        values = {
            "counts": float(np.sum(dataset.counts.data[used])),
            "counts_off": float(np.sum(dataset.counts_off.data[used])),
            "alpha": total / total_off if total_off > 0 else np.nan,
            "background": float(np.nansum(background)),
        }
        entries |= {f"{key}.{dataset.name}": value for key, value in values.items()}
    return entries
