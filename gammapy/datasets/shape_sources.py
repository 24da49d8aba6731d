# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A source in all datasets, as a product of spectrum, response and shape.

In bin i the source has the counts sum_t F_t R_te X_t (S * K_t), where t runs over true
energies: flux F, energy dispersion R, exposure X, image S of its shape, kernel K of the
PSF. Only F depends on the spectrum and only S on the shape.
"""

import numpy as np
from gammapy.modeling.smooth.basis import KernelBasis
from .shape_fixed import FixedGrid
from .shape_images import shape_image
from .shape_parts import ImagePart
from .shape_slopes import SpectrumSlopes
from .shape_spectra import SpectrumGrid

__all__ = []


class SourceGrid:
    """Datasets in which a source has the same cutout.

    Parameters
    ----------
    source : `SourceTerms`
        Source.
    members : list of tuple
        Bins of each dataset, its evaluator, and where its true energies are.
    """

    def __init__(self, source, members):
        geom = members[0][1].geom.to_image()
        self.image = shape_image(source.model.spatial_model, source.shape, geom)
        self.shape = geom.data_shape
        kernels = [_kernels(evaluator) for _bins, evaluator, _energies in members]
        self.basis = KernelBasis(kernels, self.shape)
        self.parts = [
            ImagePart(*member, amounts, self.basis)
            for member, amounts in zip(members, self.basis.amounts, strict=True)
        ]

    def set_shape(self):
        """Set the counts per flux of the present shape in all parts."""
        image = self.image.value()
        for part, convolved in zip(self.parts, self._convolved([image]), strict=True):
            part.set_shape(image, *convolved)

    def _convolved(self, images, **kwargs):
        """Convolutions of images at the pixels of each part, a list for each."""
        n_pixels = self.shape[0] * self.shape[1]
        pixels = np.arange(n_pixels)
        if all(len(part.pixels) < n_pixels for part in self.parts):
            pixels = np.unique(np.concatenate([part.pixels for part in self.parts]))
        at = [np.searchsorted(pixels, part.pixels) for part in self.parts]
        found = [self.basis.convolve(image, pixels, **kwargs) for image in images]
        return [
            [values if len(own) == len(pixels) else values[:, own] for values in found]
            for own in at
        ]

    def changes(self, images, flux):
        """Changes of the counts at bins with counts when the shape changes.

        Parameters
        ----------
        images : list of `~numpy.ndarray`
            Changes of the image.
        flux : `~numpy.ndarray`
            Flux.

        Yields
        ------
        part, number, change : tuple
            Part, number of the image, and the change of the counts, to three digits.
        """
        # Changes may be larger or smaller than a float of 32 bits can be.
        scales = [np.max(abs(image)) or 1.0 for image in images]
        scaled = [image / scale for image, scale in zip(images, scales, strict=True)]
        convolved = self._convolved(scaled, coarse=True)
        for part, own in zip(self.parts, convolved, strict=True):
            for number, change in enumerate(part.changes(own, flux)):
                yield part, number, scales[number] * change

    def pull(self, flux, seen, *, coarse=False):
        """Derivative of half the statistic with respect to each pixel of the image.

        Parameters
        ----------
        flux : `~numpy.ndarray`
            Flux, or a derivative of it.
        seen : list of `~numpy.ndarray`
            Result of `ImagePart.seen` of each part.
        coarse : bool, optional
            Whether three digits are enough. Default is False.

        Returns
        -------
        pull : `~numpy.ndarray`
            Image.
        """
        n_images = self.basis.n_coarse if coarse else self.basis.n_images
        n_pixels = self.shape[0] * self.shape[1]
        images, total = np.zeros((n_images, n_pixels)), np.zeros(n_pixels)
        for part, slopes in zip(self.parts, seen, strict=True):
            part.add_pull(slopes, flux, images, total)
        images = images.reshape(n_images, *self.shape)
        return total.reshape(self.shape) + self.basis.correlate_each(images)


class SourceTerms:
    """A source with free parameters in all datasets.

    Parameters
    ----------
    model : `~gammapy.modeling.models.SkyModel`
        Source.
    indices : dict
        Index of each free parameter by its id.
    members : list of tuple
        Bins of each dataset that the source contributes to, and its evaluator there.

    Attributes
    ----------
    spectrum, shape : list of `~gammapy.modeling.Parameter`
        Free parameters, each one once.
    grids : list of `SourceGrid`
        Datasets by their cutouts; all together when no parameter of the shape is free.
    """

    def __init__(self, model, indices, members):
        self.model = model
        self.spectrum = _free(model.spectral_model, indices)
        self.shape = _free(model.spatial_model, indices)
        self.idx_spectrum = np.array(
            [indices[id(par)] for par in self.spectrum], dtype=int
        )
        self.idx_shape = np.array([indices[id(par)] for par in self.shape], dtype=int)
        self._slopes = SpectrumSlopes(model.spectral_model, self.spectrum, self.flux)
        self._axes = []
        members = [(*member, self._energies(member[1])) for member in members]
        spectra = [member for member in members if member[1].geom.is_region]
        maps = [member for member in members if not member[1].geom.is_region]
        if self.shape:
            self.grids = [SourceGrid(self, group) for group in _by_cutout(maps)]
        else:
            self.grids = [FixedGrid(maps)] if maps else []
        if spectra:
            self.grids.append(SpectrumGrid(spectra))
        self._known = self._known_flux = None

    def _energies(self, evaluator):
        """Where the true energies of a dataset are in the flux of the source."""
        edges = evaluator.geom.axes["energy_true"].edges
        start = 0
        for known in self._axes:
            if np.array_equal(known, edges):
                break
            start += len(known) - 1
        else:
            self._axes.append(edges)
        return start + np.arange(len(edges) - 1)

    def flux(self):
        """Integral flux in all true energy bins, in cm-2 s-1."""
        key = tuple(par.value for par in self.spectrum)
        if self._known_flux is None or self._known_flux[0] != key:
            self._known_flux = key, self._integrals()
        return self._known_flux[1]

    def _integrals(self):
        parts = [
            self.model.spectral_model.integral(edges[:-1], edges[1:])
            for edges in self._axes
        ]
        return np.concatenate([part.to_value("cm-2 s-1") for part in parts])

    def flux_derivatives(self, *, second=False):
        """Derivatives of the flux, see `SpectrumSlopes.derivatives`."""
        return self._slopes.derivatives(second=second)

    def set_shape(self):
        """Set the counts per flux of the present shape, unless they are set."""
        key = tuple(par.value for par in self.shape)
        if self._known != key:
            for grid in self.grids:
                grid.set_shape()
            self._known = key

    @property
    def parts(self):
        """The source in each dataset, a list of `SourcePart` and `ImagePart`."""
        return [part for grid in self.grids for part in grid.parts]


def _free(model, indices):
    """Free parameters of a model, each one once; none where there is no model."""
    if model is None:
        return []
    return list(
        {id(par): par for par in model.parameters if id(par) in indices}.values()
    )


def _by_cutout(members):
    """Groups of datasets in which a source has the same cutout."""
    groups = {}
    for bins, evaluator, energies in members:
        image = evaluator.geom.to_image()
        key = (image.data_shape, *np.round(image.wcs.wcs.crpix, 3))
        groups.setdefault(key, []).append((bins, evaluator, energies))
    return groups.values()


def _kernels(evaluator):
    """Kernels of the PSF, as 2.1 convolves with them."""
    if evaluator.psf is None or not evaluator.model.apply_irf["psf"]:
        n_energy = len(evaluator.geom.axes["energy_true"].center)
        return np.ones((n_energy, 1, 1))
    return evaluator.psf.psf_kernel_map.data.astype(np.float32)
