# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A source in all datasets, as a product of spectrum, response and shape.

In bin i the source has the counts sum_t F_t R_te X_t (S * K_t), where t runs over true
energies: flux F, energy dispersion R, exposure X, image S of its shape, kernel K of the
PSF. Only F depends on the spectrum and only S on the shape.
"""

import numpy as np
from gammapy.modeling.smooth.basis import KernelBasis
from .residuals.grids import cutout_slices, joint_image_geom
from .shape_fixed import FixedGrid
from .shape_flux import SpectrumIntegral
from .shape_images import shape_image
from .shape_parts import ImagePart
from .shape_slopes import SpectrumSlopes
from .shape_spectra import SpectrumGrid

__all__ = []


class SourceGrid:
    """Datasets in which a source has the same cutout.

    Parameters
    ----------
    image : `~gammapy.datasets.shape_images.ShapeImage`
        Image of the shape, on a geometry that holds the cutout.
    members : list of tuple
        Bins of each dataset, its evaluator, and where its true energies are.

    Attributes
    ----------
    window : tuple of slice
        Where the cutout is in the image.
    """

    def __init__(self, image, members):
        geom = members[0][1].geom.to_image()
        self.image = image
        self.window = cutout_slices(image.geom, geom)[0]
        self.shape = geom.data_shape
        kernels = [_kernels(evaluator) for _bins, evaluator, _energies in members]
        self.basis = KernelBasis(kernels, self.shape)
        self.parts = [
            ImagePart(*member, amounts, self.basis)
            for member, amounts in zip(members, self.basis.amounts, strict=True)
        ]
        pixels = [part.pixels for part in self.parts]
        self.pixels = np.unique(np.concatenate(pixels))
        self._at = [
            slice(None)
            if len(own) == len(self.pixels)
            else np.searchsorted(self.pixels, own)
            for own in pixels
        ]

    def set_shape(self, image):
        """Set the counts per flux of the present shape in all parts."""
        image = image[self.window]
        convolved = self.basis.convolve(image, self.pixels)
        for part, at in zip(self.parts, self._at, strict=True):
            part.set_shape(image, convolved[:, at])

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
        images = [image[self.window] for image in images]
        # Changes may be larger or smaller than a float of 32 bits can be.
        scales = [np.max(abs(image)) or 1.0 for image in images]
        convolved = [
            self.basis.convolve(image / scale, self.pixels, coarse=True)
            for image, scale in zip(images, scales, strict=True)
        ]
        for part, at in zip(self.parts, self._at, strict=True):
            own = [values[:, at] for values in convolved]
            for number, change in enumerate(part.changes(own, flux)):
                yield part, number, scales[number] * change

    def pull(self, flux, seen, *, coarse=False):
        """Derivative of half the statistic with respect to each pixel of the cutout.

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
        values = np.zeros((n_images, len(self.pixels)))
        total = np.zeros(self.shape[0] * self.shape[1])
        for part, at, slopes in zip(self.parts, self._at, seen, strict=True):
            own, rest = part.pull(slopes, flux, n_images)
            values[:, at] += own
            total += rest
        total = total.reshape(self.shape)
        return total + self.basis.correlate_each(values, self.pixels)


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
    drawings : list of tuple
        Images, and for each a list of `SourceGrid`: datasets by their cutouts.
    fixed : list of `FixedGrid` and `SpectrumGrid`
        Datasets in which no image changes.
    """

    def __init__(self, model, indices, members):
        self.model = model
        self.spectrum = _free(model.spectral_model, indices)
        self.shape = _free(model.spatial_model, indices)
        self.idx_spectrum = np.array(
            [indices[id(par)] for par in self.spectrum], dtype=int
        )
        self.idx_shape = np.array([indices[id(par)] for par in self.shape], dtype=int)
        self._slopes = SpectrumSlopes(
            model.spectral_model,
            self.spectrum,
            self.flux,
            weights=self._sensitivities,
            many=self._fluxes,
        )
        self._axes = []
        members = [(*member, self._energies(member[1])) for member in members]
        spectra = [member for member in members if member[1].geom.is_region]
        maps = [member for member in members if not member[1].geom.is_region]
        self.drawings = self._drawings(_by_cutout(maps)) if self.shape else []
        self.fixed = [SpectrumGrid(spectra)] if spectra else []
        if maps and not self.shape:
            self.fixed.append(FixedGrid(maps))
        self._known = self._known_flux = None
        self._integrals = [
            SpectrumIntegral(model.spectral_model, edges) for edges in self._axes
        ]

    def _drawings(self, groups):
        """Images with the grids that show parts of them, a list of tuple."""
        geoms = [members[0][1].geom.to_image() for members in groups]
        shape = self.model.spatial_model
        if geoms and all(geom.is_aligned(geoms[0]) for geom in geoms):
            # What all show is drawn once.
            image = shape_image(shape, self.shape, joint_image_geom(geoms))
            return [(image, [SourceGrid(image, members) for members in groups])]
        images = [shape_image(shape, self.shape, geom) for geom in geoms]
        return [
            (image, [SourceGrid(image, members)])
            for image, members in zip(images, groups, strict=True)
        ]

    @property
    def grids(self):
        """All grids of images, a list of `SourceGrid`."""
        return [grid for _image, grids in self.drawings for grid in grids]

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

    def seen(self):
        """The free parameters, where any used bin sees the source; else none."""
        parameters = [*self.spectrum, *self.shape]
        self.set_shape()
        return parameters if any(part.is_seen() for part in self.parts) else []

    def flux(self):
        """Integral flux in all true energy bins, in cm-2 s-1."""
        key = tuple(par.value for par in self.spectrum)
        if self._known_flux is None or self._known_flux[0] != key:
            parts = [integral() for integral in self._integrals]
            self._known_flux = key, np.concatenate(parts)
        return self._known_flux[1]

    def _fluxes(self, parameters, points):
        """Fluxes at many values of some parameters, None where that is not known."""
        fluxes = [integral.many(parameters, points) for integral in self._integrals]
        if any(flux is None for flux in fluxes):
            return None
        return np.concatenate(fluxes, axis=1)

    def _sensitivities(self):
        """Counts per flux in all datasets, in all true energy bins."""
        self.set_shape()
        total = np.zeros(len(self.flux()))
        for part in self.parts:
            np.add.at(total, part.energies, abs(part.sums))
        return total

    def flux_derivatives(self, *, second=False):
        """Derivatives of the flux, see `SpectrumSlopes.derivatives`."""
        return self._slopes.derivatives(second=second)

    def set_shape(self):
        """Set the counts per flux of the present shape, unless they are set."""
        key = tuple(par.value for par in self.shape)
        if self._known != key:
            for image, grids in self.drawings:
                values = image.value()
                for grid in grids:
                    grid.set_shape(values)
            self._known = key

    @property
    def parts(self):
        """The source in each dataset, a list of `SourcePart` and `ImagePart`."""
        return [part for grid in [*self.grids, *self.fixed] for part in grid.parts]


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
    return list(groups.values())


def _kernels(evaluator):
    """Kernels of the PSF, with the precision of the convolution."""
    if evaluator.psf is None or not evaluator.model.apply_irf["psf"]:
        n_energy = len(evaluator.geom.axes["energy_true"].center)
        return np.ones((n_energy, 1, 1))
    return evaluator.psf.psf_kernel_map.data.astype(np.float32)
