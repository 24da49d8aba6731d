# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a source needs to know of one dataset."""

from dataclasses import dataclass
import numpy as np
from .residuals.grids import cutout_slices

__all__ = []

# Part of the counts of a source that is a rounding error of 32 bits.
ROUNDING = 1e-6

# Share of the pixels that have counts, above which all are looked at.
DENSE = 0.5


@dataclass
class SourcePart:
    """A source in a spectrum.

    Attributes
    ----------
    number : int
        Number of the dataset.
    energies : `~numpy.ndarray`
        Where its true energies are in those of the source, shape (n_energy,).
    inside : `~numpy.ndarray`
        Which of the bins that are kept the source is in, shape (n_bin,).
    sums : `~numpy.ndarray`
        Weighted sum of the counts per flux, shape (n_energy,).
    response : `~numpy.ndarray`
        Exposure times energy dispersion, shape (n_bin, n_energy).
    """

    number: int
    energies: np.ndarray
    inside: np.ndarray
    sums: np.ndarray
    response: np.ndarray

    def is_seen(self):
        """Whether any used bin sees the source."""
        return bool(self.sums.any() or self.response.any())

    def npred(self, flux):
        """Counts at the bins that are kept, of a flux at the energies of the source."""
        return self.response @ flux[self.energies]

    def seen(self, ratios):
        """What `pulls` needs of the slopes of the statistic at the bins."""
        return ratios[self.inside]

    def pulls(self, seen):
        """Derivative of half the statistic with respect to the flux, (n_energy,)."""
        return self.sums - seen @ self.response


class ImagePart:
    """A source in a map.

    Of its own it has one array in true energy, at most as large as the cutout of the
    evaluator: the counts per flux of the present shape. Where more than half of the
    pixels have counts it is for all of them. Where fewer have, it is for these alone,
    and the sum over all comes from an array of 32 bits: what each pixel of the image
    gives, less what the one in the middle gives. Exposure and weights are views.

    Parameters
    ----------
    bins : `~gammapy.datasets.shape_bins.CountedBins`
        Bins of the dataset.
    evaluator : `~gammapy.datasets.evaluator.MapEvaluator`
        Evaluator of the source.
    energies : `~numpy.ndarray`
        Where its true energies are in those of the source.
    amounts : `~numpy.ndarray`
        How much of each image of the basis is in its kernels, (n_energy, n_images).
    basis : `~gammapy.modeling.smooth.basis.KernelBasis`
        Basis of the kernels.

    Attributes
    ----------
    number, energies, inside, sums
        As those of `SourcePart`; ``sums`` is set by `set_shape`.
    pixels : `~numpy.ndarray`
        Flat indices of the pixels that are looked at, shape (n_pixel,).
    counts : `~numpy.ndarray`
        Counts per flux in these, before energy dispersion, shape (n_energy, n_pixel);
        set by `set_shape`.
    """

    def __init__(self, bins, evaluator, energies, amounts, basis):
        self.number = bins.number
        self._bins = bins
        self._into, self._part = cutout_slices(bins.geom, evaluator.geom.to_image())
        self._shape = basis.shape
        spread = redistribution(evaluator)
        # True energies that no bin in use can see need no work.
        used = self._weights().any(axis=(1, 2))
        use = _range(spread[:, used].any(axis=1))
        self._spread = spread[use]
        self.energies, self._amounts = energies[use], amounts[use]
        self._coarse = self._amounts[:, : basis.n_coarse].astype(np.float32)
        self._exposure = evaluator.exposure.data[use]
        # All that multiplies exposures in their unit.
        self._unit = evaluator.exposure.unit.to("cm2 s")
        if evaluator.model.temporal_model is not None:
            self._unit *= float(evaluator.compute_temporal_norm())
        self.sums = self.counts = None
        self._set_pixels(basis)

    def _set_pixels(self, basis):
        n_pixels = self._shape[0] * self._shape[1]
        self.inside, energy, lat, lon = self._bins.inside(self._into, self._part)
        pixel = lat * self._shape[1] + lon
        self.pixels, place = np.unique(pixel, return_inverse=True)
        # Outside the masks an exposure may be anything.
        is_clean = np.isfinite(self._exposure).all()
        self._is_dense = bool(is_clean and len(self.pixels) > DENSE * n_pixels)
        if self._is_dense:
            self.pixels, place = np.arange(n_pixels), pixel
        else:
            self._sum_over_pixels(basis)
        self._place = energy * len(self.pixels) + place
        if len(self.inside) == len(self._bins.counts):
            self.inside = slice(None)

    def _weights(self):
        """Weights of the bins in the cutout, a view."""
        return self._bins.weights[(slice(None), *self._into)]

    def _all_weights(self):
        """Weights of the bins, also of pixels outside the map, (n_bin, n_pixel)."""
        weights = self._weights()
        if weights.shape[1:] != self._shape:
            inner, weights = weights, np.zeros((len(weights), *self._shape))
            weights[(slice(None), *self._part)] = inner
        return weights.reshape(len(weights), -1).astype(float)

    def _sum_over_pixels(self, basis):
        weighted = np.tensordot(self._spread, self._weights().astype(float), axes=1)
        exposure = self._exposure[(slice(None), *self._part)]
        np.multiply(exposure, weighted, out=weighted, where=weighted != 0)
        n_pixels = self._shape[0] * self._shape[1]
        self._sums = np.empty((len(weighted), n_pixels), dtype=np.float32)
        self._middle = np.empty(len(weighted))
        visible = np.zeros((len(weighted), *self._shape))
        visible[(slice(None), *self._part)] = self._unit * weighted
        for energies, sums in basis.correlate(visible, self._amounts):
            sums = sums.reshape(-1, n_pixels)
            self._middle[energies] = middle = sums[:, n_pixels // 2]
            self._sums[energies] = sums - middle[:, np.newaxis]

    def _exposures(self):
        """Exposure in the pixels that are looked at, shape (n_energy, n_pixel)."""
        if self._is_dense:
            return self._exposure.reshape(len(self._exposure), -1)
        lat, lon = np.divmod(self.pixels, self._shape[1])
        return self._exposure[:, lat, lon]

    def set_shape(self, image, convolved):
        """Set the counts per flux.

        Parameters
        ----------
        image : `~numpy.ndarray`
            Image of the shape.
        convolved : `~numpy.ndarray`
            Its convolutions with the basis in the pixels, shape (n_images, n_pixel).
        """
        self._total = np.sum(image)
        self.counts = self._amounts @ convolved
        self.counts *= self._exposures()
        self.counts *= self._unit
        if self._is_dense:
            weighted = self._spread @ self._all_weights()
            self.sums = np.einsum("tp,tp->t", self.counts, weighted)
        else:
            pixels = np.einsum("tp,p->t", self._sums, image.ravel())
            self.sums = pixels + self._middle * self._total

    def is_seen(self):
        """Whether any used bin sees the source, or might when it had an image."""
        if self._is_dense or not (np.isfinite(self.sums).all() and self._total > 0):
            return len(self.energies) > 0
        # What the whole source would give in the best place.
        most = np.max(abs(self._sums + self._middle[:, np.newaxis]), axis=1)
        return bool(np.any(abs(self.sums) > ROUNDING * self._total * most))

    def _redistributed(self, flux):
        return (self._spread * flux[self.energies, np.newaxis]).T

    def npred(self, flux):
        """Counts at the bins with counts, of a flux at the energies of the source."""
        return (self._redistributed(flux) @ self.counts).ravel()[self._place]

    def changes(self, convolved, flux):
        """The same for changes of the image, to three digits.

        Parameters
        ----------
        convolved : list of `~numpy.ndarray`
            Convolutions of the changes with the first images of the basis.
        flux : `~numpy.ndarray`
            Flux.

        Yields
        ------
        change : `~numpy.ndarray`
            Shape (n_bin,).
        """
        exposure = (self._unit * self._exposures()).astype(np.float32)
        redistributed = self._redistributed(flux).astype(np.float32)
        for images in convolved:
            counts = self._coarse @ images
            counts *= exposure
            yield (redistributed @ counts).ravel()[self._place].astype(float)

    def seen(self, ratios):
        """Slope of half the statistic against counts before energy dispersion.

        Parameters
        ----------
        ratios : `~numpy.ndarray`
            Weighted counts over model at the bins with counts of the dataset.

        Returns
        -------
        seen : `~numpy.ndarray`
            Shape (n_energy, n_pixel); without that of the sum over all pixels where
            only some are looked at.
        """
        n_bins = self._spread.shape[1] * len(self.pixels)
        slopes = -np.bincount(self._place, ratios[self.inside], minlength=n_bins)
        slopes = slopes.reshape(self._spread.shape[1], -1)
        if self._is_dense:
            slopes += self._all_weights()
        return self._spread @ slopes

    def pulls(self, seen):
        """Derivative of half the statistic with respect to the flux, (n_energy,)."""
        pulls = np.einsum("tp,tp->t", self.counts, seen)
        return pulls if self._is_dense else pulls + self.sums

    def pull(self, seen, flux, n_images):
        """Derivative of half the statistic with respect to the image.

        Parameters
        ----------
        seen : `~numpy.ndarray`
            Result of `seen`.
        flux : `~numpy.ndarray`
            Flux.
        n_images : int
            Number of images of the basis.

        Returns
        -------
        values : `~numpy.ndarray`
            What is to be correlated with the images of the basis, (n_images, n_pixel).
        total : `~numpy.ndarray` or float
            The rest, shape of the flat image, or 0.
        """
        own = flux[self.energies]
        pull = seen * (self._unit * own[:, np.newaxis])
        pull *= self._exposures()
        values = self._amounts[:, :n_images].T @ pull
        if self._is_dense:
            return values, 0.0
        return values, np.einsum("t,tp->p", own, self._sums) + own @ self._middle


def _range(is_used):
    """Slice from the first element that is used to the last."""
    used = np.flatnonzero(is_used)
    return slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)


def redistribution(evaluator):
    """Energy dispersion of an evaluator, shape (n_energy_true, n_energy)."""
    if evaluator.edisp is None or not evaluator.model.apply_irf["edisp"]:
        return evaluator._edisp_diagonal.pdf_matrix
    return evaluator.edisp.pdf_matrix
