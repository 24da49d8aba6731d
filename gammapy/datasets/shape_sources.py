# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A source in all datasets, as a product of spectrum, response and shape.

In bin i the source has the counts sum_t F_t R_te X_t (S * K_t), where t runs over true
energies: flux F, energy dispersion R, exposure X, image S of its shape, kernel K of the
PSF. Only F depends on the spectrum and only S on the shape.
"""

import numpy as np
from gammapy.modeling.smooth.basis import KernelBasis
from .residuals.grids import cutout_slices
from .shape_fixed import FixedGrid
from .shape_images import shape_image
from .shape_parts import SourcePart, redistribution
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
            self._part(*member, amounts)
            for member, amounts in zip(members, self.basis.amounts, strict=True)
        ]
        self.pixels = np.unique(np.concatenate([part.pixel for part in self.parts]))
        for part in self.parts:
            part.at = np.searchsorted(self.pixels, part.pixel)

    def _part(self, bins, evaluator, energies, amounts):
        into, inside = cutout_slices(bins.geom, evaluator.geom.to_image())
        spread = redistribution(evaluator)
        exposure = evaluator.exposure.quantity.to_value("cm2 s")
        if evaluator.model.temporal_model is not None:
            exposure = exposure * float(evaluator.compute_temporal_norm())
        weights = bins.weights[(slice(None), *into)]
        # True energies that no bin in use can see need no work.
        is_seen = spread[:, weights.any(axis=(1, 2))].any(axis=1)
        use = np.flatnonzero(is_seen)
        spread, exposure = spread[use], exposure[use]
        idx, energy, lat, lon = bins.inside(into, inside)
        response = exposure[:, lat, lon] * spread[:, energy]
        weighted = np.tensordot(spread, weights, axes=1)
        # Outside the masks an exposure may be anything.
        visible = np.zeros((len(use), *self.shape))
        part = exposure[(slice(None), *inside)]
        np.multiply(part, weighted, out=weighted, where=weighted != 0)
        visible[(slice(None), *inside)] = weighted
        sums = [
            self.basis.correlate(image, amount).ravel()
            for image, amount in zip(visible, amounts[use], strict=True)
        ]
        return SourcePart(
            number=bins.number,
            energies=energies[use],
            amounts=amounts[use],
            inside=idx,
            pixel=lat * self.shape[1] + lon,
            response=np.ascontiguousarray(response.T),
            sums=np.array(sums).reshape(len(use), -1),
        )

    def counts_now(self):
        """Counts per flux of the present shape, see `counts`."""
        return self.counts(self.image.value())

    def counts(self, image):
        """Counts per flux: at the bins with counts, and their weighted sums.

        Parameters
        ----------
        image : `~numpy.ndarray`
            Image of the shape.

        Returns
        -------
        counts : list of tuple
            For each part its arrays of shape (n_bin, n_energy) and (n_energy,).
        """
        convolved = self.basis.convolve(image, self.pixels)
        counts = []
        for part in self.parts:
            blurred = (part.amounts @ convolved)[:, part.at]
            counts.append((part.response * blurred.T, part.sums @ image.ravel()))
        return counts

    def change(self, image, flux):
        """Change of the counts at bins with counts when the shape changes."""
        convolved = self.basis.convolve(image, self.pixels, coarse=True)
        n_images = len(convolved)
        for part in self.parts:
            mixed = (part.response * flux[part.energies]) @ part.amounts[:, :n_images]
            yield part, np.einsum("br,rb->b", mixed, convolved[:, part.at])

    def pull(self, flux, ratios, *, coarse=False):
        """Derivative of half the statistic with respect to each pixel of the image.

        Parameters
        ----------
        flux : `~numpy.ndarray`
            Flux, or a derivative of it.
        ratios : list of `~numpy.ndarray`
            Weighted counts over model at the bins with counts of each dataset.
        coarse : bool, optional
            Whether three digits are enough. Default is False.

        Returns
        -------
        pull : `~numpy.ndarray`
            Image.
        """
        n_images = self.basis.n_coarse if coarse else self.basis.n_images
        n_pixels = self.shape[0] * self.shape[1]
        images = np.zeros((n_images, n_pixels))
        total = np.zeros(n_pixels)
        for part in self.parts:
            own = flux[part.energies]
            total += own @ part.sums
            mixed = (part.response * own) @ part.amounts[:, :n_images]
            mixed *= ratios[part.number][part.inside, np.newaxis]
            for image, weights in zip(images, mixed.T, strict=True):
                image += np.bincount(part.pixel, weights, minlength=n_pixels)
        images = images.reshape(n_images, *self.shape)
        return total.reshape(self.shape) - self.basis.correlate_each(images)


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
        self._known = None
        self._known_flux = None

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
        key = tuple(par.value for par in self.model.spectral_model.parameters)
        if self._known_flux is None or self._known_flux[0] != key:
            parts = [
                self.model.spectral_model.integral(edges[:-1], edges[1:])
                for edges in self._axes
            ]
            flux = np.concatenate([part.to_value("cm-2 s-1") for part in parts])
            self._known_flux = key, flux
        return self._known_flux[1]

    def flux_derivatives(self, *, second=False):
        """Derivatives of the flux, see `SpectrumSlopes.derivatives`."""
        return self._slopes.derivatives(second=second)

    def counts(self):
        """Counts per flux of the present shape, see `SourceGrid.counts`.

        Returns
        -------
        counts : list of tuple
            Part, counts and sums.
        """
        key = tuple(par.value for par in self.shape)
        if self._known is None or self._known[0] != key:
            counts = []
            for grid in self.grids:
                for part, found in zip(grid.parts, grid.counts_now(), strict=True):
                    counts.append((part, *found))
            self._known = key, counts
        return self._known[1]


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
