# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A source in datasets of spectra, which have no image.

In energy bin e the source has the counts sum_t F_t X_t A_t R_te, where t runs over true
energies: flux F, exposure X, energy dispersion R, and the part A of the source that is
seen in the region, which does not change while its shape is frozen.
"""

import numpy as np
import astropy.units as u
from .shape_parts import SourcePart, redistribution

__all__ = []


class SpectrumGrid:
    """Datasets of spectra in which a source is.

    Parameters
    ----------
    members : list of tuple
        Bins of each dataset, its evaluator, and where its true energies are.
    """

    def __init__(self, members):
        self.parts = [_part(*member) for member in members]


def _part(bins, evaluator, energies):
    response = _response(evaluator)
    return SourcePart(
        number=bins.number,
        energies=energies,
        inside=np.arange(len(bins.counts)),
        sums=response @ bins.weights[:, 0, 0],
        response=np.ascontiguousarray(response.T[bins.idx[0]]),
    )


def _response(evaluator):
    """Counts per flux, shape (n_energy_true, n_energy)."""
    exposure = evaluator.exposure.quantity.to_value("cm2 s")[:, 0, 0]
    if evaluator.model.temporal_model is not None:
        exposure = exposure * float(evaluator.compute_temporal_norm())
    response = redistribution(evaluator)
    seen = (exposure * _seen_part(evaluator))[:, np.newaxis]
    # At an energy that no bin can see the exposure may be anything.
    return np.multiply(seen, response, out=np.zeros(response.shape), where=response > 0)


def _seen_part(evaluator):
    """Part of the source in the region, at each true energy or at all of them."""
    if evaluator.model.spatial_model is None:
        return 1.0
    part = evaluator.psf_containment
    if part is None:
        part = evaluator.compute_flux_spatial()
    return np.ravel(u.Quantity(part).to_value(""))
