# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is inside the masks of the datasets that templates were made of."""

import numpy as np
from gammapy.maps.energy_bins import energy_unit

__all__ = []


def used_bins(templates, norms):
    """Sums, number of bins and energies of each dataset.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates.
    norms : `~numpy.ndarray`
        Values of the norms, shape (n_norms,).

    Returns
    -------
    used : list of dict
        See `NormTemplates.used_bins`.
    """
    counts, npred = templates.counts_sums(), templates.npred_sums(norms)
    planes = templates.planes
    used = []
    for idx, dataset in enumerate(templates.datasets):
        n_bins = planes.n_bins[planes.dataset == idx]
        energies = planes.energy[planes.dataset == idx][n_bins > 0]
        edges = dataset.axis.edges.to(energy_unit(dataset.axis))
        # Nothing is left of a dataset whose bins are all masked.
        ends = np.full(2, np.nan) * edges.unit
        if energies.size:
            ends = edges[[energies[0], energies[-1] + 1]]
        used.append(
            {
                "energy_min": ends[0],
                "energy_max": ends[1],
                "counts": float(counts[idx]),
                "npred": float(npred[idx]),
                "n_bins": int(n_bins.sum()),
            }
        )
    return used
