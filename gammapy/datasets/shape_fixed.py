# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sources whose image does not change, whatever it is: only their spectra are free.

In bin i such a source has the counts sum_t F_t G_ti, with the flux F of each true
energy t and G from the evaluator of the source, so that templates, shapes that depend
on energy, a PSF in reconstructed energy and times go the way that they always go.
"""

import numpy as np
from gammapy.maps import Map
from .residuals.grids import cutout_slices
from .shape_parts import SourcePart, redistribution

__all__ = []


class FixedGrid:
    """Maps in which a source does not change its image.

    Parameters
    ----------
    members : list of tuple
        Bins of each dataset, the evaluator of the source there, and where its true
        energies are.
    """

    def __init__(self, members):
        self.parts = [_part(*member) for member in members]


def _part(bins, evaluator, energies):
    into, inside = cutout_slices(bins.geom, evaluator.geom.to_image())
    weights = bins.weights[(slice(None), *into)]
    idx, energy, lat, lon = bins.inside(into, inside)
    counts = np.zeros((len(idx), len(energies)))
    sums = np.zeros(len(energies))
    for number, npred in enumerate(_unit_npred(evaluator)):
        counts[:, number] = npred[energy, lat, lon]
        own = npred[(slice(None), *inside)]
        sums[number] = np.sum(own * weights, where=weights > 0)
    return SourcePart(
        number=bins.number, energies=energies, inside=idx, sums=sums, response=counts
    )


def _unit_npred(evaluator):
    """Predicted counts of a flux of 1 cm-2 s-1 in each true energy bin alone."""
    images = _images(evaluator)
    if not evaluator.apply_psf_after_edisp:
        exposure = evaluator.exposure.quantity.to_value("cm2 s")
        for image, area, row in zip(
            images, exposure, redistribution(evaluator), strict=True
        ):
            yield row[:, np.newaxis, np.newaxis] * (image * area)
        return
    methods = [evaluator.apply_exposure, evaluator.apply_edisp]
    if evaluator.model.apply_irf["psf"]:
        methods.append(evaluator.apply_psf)
    for number, image in enumerate(images):
        flux = Map.from_geom(evaluator.geom, unit="cm-2 s-1")
        flux.data[number] = image
        for method in methods:
            flux = method(flux)
        yield flux.quantity.to_value("")


def _images(evaluator):
    """Part of the flux in each pixel, and after the PSF, shape of the exposure."""
    model, geom = evaluator.model, evaluator.geom
    shape = model.spatial_model
    if shape is None:
        values = 1.0
    elif evaluator.apply_psf_after_edisp:
        own = geom if shape.is_energy_dependent else geom.to_image()
        values = shape.integrate_geom(own).quantity.to_value("")
    else:
        values = evaluator.compute_flux_spatial().quantity.to_value("")
    if model.temporal_model is not None:
        values = values * float(evaluator.compute_temporal_norm())
    return np.broadcast_to(values, geom.data_shape)
