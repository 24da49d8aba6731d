# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Toys of noise: Poisson counts of the model, and the maps that they make."""

import logging
from dataclasses import dataclass
import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.stats import binom, poisson
from gammapy.datasets.residuals.grids import overlap_slices, pixel_offset
from gammapy.stats.maxima import (
    LEVELS,
    ExpectedIslands,
    euler_characteristics,
    expected_above,
    not_below_local,
)
from gammapy.utils.parallel import run_multiprocessing
from gammapy.utils.pbar import progress_bar

__all__ = []

log = logging.getLogger(__name__)

#: Probability of the toys' own maxima at which the extrapolation is checked, and how
#: improbable their number may be.
P_CHECK, P_BAD = 0.1, 1e-3
# Parts of parallel toys.
N_BATCHES = 4
# Counts per pixel below which events are drawn instead of pixels.
FEW = 0.3
# Means of pixels that are drawn with a table, and its largest size.
SMALL_MEAN, TABLE_SIZE = 8.0, 2_000_000


@dataclass
class Block:
    """Predicted counts that toys are drawn from, images of one size.

    ``npred`` has the shape (n, n_lat, n_lon) and is 0 where masked; ``levels`` are the
    weights that masks give to the counts of each image, ``atoms`` the energy bins of
    the groups they belong to, and ``offset`` is the pixel (x, y) of the joint geometry
    where they begin.
    """

    npred: np.ndarray
    levels: np.ndarray
    atoms: np.ndarray
    offset: tuple = (0, 0)
    planes: np.ndarray | None = None

    @classmethod
    def from_dataset(cls, dataset, selection, geom):
        """Predicted counts of the planes of a dataset, before anything is summed."""
        images, levels, atoms, planes = [], [], [], []
        for atom, plane in selection.planes(dataset):
            for level, image in plane.npred_parts():
                images.append(np.array(image, dtype=float))
                levels.append(level)
                atoms.append(atom)
                planes.append(plane.idx)
        shape = (0, *dataset.data_shape[1:])
        return cls(
            npred=np.array(images) if images else np.zeros(shape),
            levels=np.array(levels),
            atoms=np.array(atoms, dtype=int),
            offset=tuple(pixel_offset(geom, dataset.counts.geom.to_image())),
            planes=np.array(planes, dtype=int),
        )

    def prepare(self):
        """Keep what is needed to draw: pixels that are used, and their sums."""
        # Rounding may leave negative predicted counts next to 0.
        flat = np.clip(np.ravel(self.npred), 0, None)
        used = np.flatnonzero(flat)
        self._mean = PoissonPixels(flat[used])
        self._used = used

    def draw(self, random):
        """Poisson counts, times the weights of masks, of the shape of ``npred``."""
        counts = np.zeros(self.npred.size)
        counts[self._used] = self._mean.draw(random)
        counts = counts.reshape(self.npred.shape)
        if np.any(self.levels != 1):
            counts *= self.levels[:, np.newaxis, np.newaxis]
        return counts


class PoissonPixels:
    """Poisson counts of the same means, again and again.

    What is fastest depends on how many they are: where most pixels are empty the number
    of all events and the place of each; else the inverse of the distribution of each
    pixel, from a table for small means, as far as it is not too large.

    Parameters
    ----------
    mean : `~numpy.ndarray`
        Means of pixels, above 0, of shape (n,).
    """

    def __init__(self, mean):
        self._mean = mean
        self._sums = np.cumsum(mean)
        self.is_sparse = mean.size == 0 or self._sums[-1] < FEW * mean.size
        n_rows = int(poisson.isf(1e-16, SMALL_MEAN)) + 1
        self._small = np.flatnonzero(mean < SMALL_MEAN)
        if self.is_sparse or self._small.size * n_rows > TABLE_SIZE:
            self._small = np.zeros(0, dtype=int)
        self._large = np.setdiff1d(np.arange(mean.size), self._small)
        numbers = np.arange(n_rows)[:, np.newaxis]
        self._table = poisson.cdf(numbers, mean[self._small])

    def draw(self, random):
        """Counts of shape (n,)."""
        if not self._mean.size:
            return np.zeros(0)
        if self.is_sparse:
            total = self._sums[-1]
            places = random.random(random.poisson(total)) * total
            idx = np.searchsorted(self._sums, places, side="right")
            idx = np.minimum(idx, self._mean.size - 1)
            return np.bincount(idx, minlength=self._mean.size).astype(float)
        counts = np.empty(self._mean.size)
        counts[self._large] = random.poisson(self._mean[self._large])
        uniform = random.random(self._small.size)
        counts[self._small] = np.count_nonzero(self._table <= uniform, axis=0)
        return counts


class Drawn:
    """Counts of one toy, and what several maps need of them."""

    def __init__(self, blocks, counts, group_atoms, shape):
        self.blocks, self.counts = blocks, counts
        self._group_atoms, self._shape = group_atoms, shape
        self._spectra, self._images = {}, None

    @property
    def images(self):
        """Counts of each energy group, of shape (n_groups, n_lat, n_lon)."""
        if self._images is None:
            self._images = np.zeros((len(self._group_atoms), *self._shape))
            for block, counts in zip(self.blocks, self.counts, strict=True):
                into, part = overlap_slices(self._shape, block.offset, counts.shape[1:])
                for image, atoms in zip(self._images, self._group_atoms, strict=True):
                    used = np.isin(block.atoms, atoms)
                    if used.all():
                        image[into] += counts[:, *part].sum(axis=0)
                    elif used.any():
                        image[into] += counts[used][:, *part].sum(axis=0)
        return self._images

    def spectrum(self, convolution, group):
        """Fourier transform of an image, made once for all kernels."""
        key = id(convolution), group
        if key not in self._spectra:
            self._spectra[key] = convolution.transform(self.images[group])
        return self._spectra[key]


class PlainField:
    """Map of one kernel and energy group, with the same weights for all datasets.

    Parameters
    ----------
    group : int
        Energy group.
    mask : `~numpy.ndarray` of bool
        Pixels that count, of shape (n_lat, n_lon).
    kernel : `~gammapy.datasets.residuals.kernels.plane.PlaneKernel` or another one
        Kernel.
    table : `~gammapy.datasets.residuals.sum_tables.SumsTable` or another one
        Significance of the pixels of the mask.
    """

    def __init__(self, group, mask, kernel, table):
        self.group, self.mask, self.table = group, mask, table
        self._kernel = kernel
        self._convolution = self._transform = None

    @property
    def weights(self):
        """Weights of the kernel, None when they are not the same everywhere."""
        return getattr(self._kernel, "weights", None)

    def share(self, convolution):
        """Take part in Fourier transforms that are shared with other kernels."""
        self._convolution = convolution
        self._transform = convolution.transform_kernel(self.weights)

    def sqrt_ts(self, drawn):
        """Significance of a toy, of the pixels of the mask."""
        if self._convolution is None:
            sums = self._kernel.apply(drawn.images[self.group][np.newaxis])[0]
        else:
            spectrum = drawn.spectrum(self._convolution, self.group)
            sums = self._convolution.same(spectrum * self._transform)
        return self.table.sqrt_ts(sums[self.mask])


class SharedConvolution:
    """Sums of images with kernels around each pixel, by transforms of one size.

    What wraps around falls on pixels that no one looks at, so that images need only
    half a kernel more.

    Parameters
    ----------
    shape : tuple of int
        Shape of the images.
    kernel_shape : tuple of int
        Shape of the largest kernel.
    """

    def __init__(self, shape, kernel_shape):
        self._part = tuple(slice(0, n) for n in shape)
        # Beyond an image nothing of a kernel is seen.
        margins = [min(k // 2, n - 1) for k, n in zip(kernel_shape, shape, strict=True)]
        sizes = [n + margin for n, margin in zip(shape, margins, strict=True)]
        self._size = tuple(next_fast_len(size, real=True) for size in sizes)

    def transform(self, image):
        """Fourier transform of an image."""
        return rfft2(image, s=self._size)

    def transform_kernel(self, weights):
        """Fourier transform of a kernel, whose centre is put into the first pixel."""
        centred = np.zeros(self._size)
        margins = [n // 2 for n in weights.shape]
        # A kernel larger than the image is cut.
        cuts = [
            min(margin, size - n.stop, n.stop - 1)
            for margin, size, n in zip(margins, self._size, self._part, strict=True)
        ]
        part = tuple(
            slice(margin - cut, margin + cut + 1)
            for margin, cut in zip(margins, cuts, strict=True)
        )
        used = weights[part]
        centred[: used.shape[0], : used.shape[1]] = used
        return rfft2(np.roll(centred, [-cut for cut in cuts], axis=(0, 1)))

    def same(self, product):
        """Sums from a product of transforms, with the shape of the images."""
        return irfft2(product, s=self._size)[self._part]


def share_transforms(fields, shape):
    """Let fields of kernels that are the same everywhere share Fourier transforms."""
    plain = [
        item
        for item in fields
        if isinstance(item, PlainField) and item.weights is not None
    ]
    if plain:
        size = np.max([item.weights.shape for item in plain], axis=0)
        convolution = SharedConvolution(shape, size)
        for item in plain:
            item.share(convolution)


@dataclass
class ToyMaxima:
    """What is kept of a toy.

    ``characteristics`` are the Euler characteristics above `LEVELS` and below minus
    these, together, of the maximum over all graded kernels; ``graded`` and ``highest``
    are the highest significances up or down of the graded and of all kernels.
    """

    characteristics: np.ndarray
    graded: float
    highest: float


class NoiseToys:
    """Toys of all maps of a scan.

    Parameters
    ----------
    blocks : list of `Block`
        What is drawn.
    fields : list of `PlainField` or `~gammapy.diagnostics.matched_fields.MatchedField`
        Maps.
    is_uniform : list of bool
        Whether all weights of a map are the same, so that its values are discrete.
    group_atoms : list of list of int
        Energy bins of each group.
    shape : tuple of int
        Shape of the images (n_lat, n_lon).
    """

    def __init__(self, blocks, fields, is_uniform, group_atoms, shape):
        self.blocks, self.fields, self.is_uniform = blocks, fields, list(is_uniform)
        self.group_atoms, self.shape = group_atoms, tuple(shape)
        for block in blocks:
            block.prepare()
        share_transforms(fields, self.shape)

    def maps(self, random):
        """Significance of a toy in all maps, of shape (n_maps, n_lat, n_lon)."""
        counts = [block.draw(random) for block in self.blocks]
        drawn = Drawn(self.blocks, counts, self.group_atoms, self.shape)
        result = np.full((len(self.fields), *self.shape), np.nan)
        for image, item in zip(result, self.fields, strict=True):
            image[item.mask] = item.sqrt_ts(drawn)
        return result

    def run_one(self, seed, idx):
        """Maxima of the toy with a number; each has random numbers of its own."""
        maps = self.maps(np.random.default_rng([seed, idx]))
        graded = maps[~np.array(self.is_uniform)]
        characteristics = np.zeros(LEVELS.size, dtype=int)
        if len(graded):
            # The maximum over all scales is a field on the same sky.
            highest, lowest = np.fmax.reduce(graded), np.fmin.reduce(graded)
            characteristics += euler_characteristics(highest, LEVELS)
            characteristics += euler_characteristics(-lowest, LEVELS)
        return ToyMaxima(characteristics, _largest(graded), _largest(maps))

    def run(self, n_toys, seed, n_jobs=1, backend=None):
        """Maxima of toys; fewer of them when they are interrupted."""
        found = []
        try:
            if n_jobs > 1:
                # An interrupt loses one batch.
                for batch in np.array_split(np.arange(n_toys), N_BATCHES):
                    found += run_multiprocessing(
                        self.run_one,
                        [(seed, int(idx)) for idx in batch],
                        backend=backend,
                        pool_kwargs={"processes": n_jobs},
                        task_name="Toys",
                    )
            else:
                for idx in progress_bar(range(n_toys), desc="Toys"):
                    found.append(self.run_one(seed, idx))
        except KeyboardInterrupt:
            log.warning(f"Interrupted after {len(found)} of {n_toys} toys.")
        return found


def _largest(maps):
    if not maps.size or np.isnan(maps).all():
        return 0.0
    return float(max(np.nanmax(maps), -np.nanmin(maps)))


class Trials:
    """Probability that noise has a spot as high anywhere in the maps.

    With graded kernels it is 1 - exp(-E), E the expected Euler characteristic. With
    one that is uniform, whose maxima are discrete, it is the part of the toys that
    reach as high, (k + 1) / (n + 1); and beyond all of them the sum of the
    probabilities of all pixels, which is never too low.

    Parameters
    ----------
    toys : list of `ToyMaxima`
        Toys.
    fields, is_uniform
        Those of `NoiseToys`.
    """

    def __init__(self, toys, fields, is_uniform):
        self._toys = toys
        self._highest = np.sort([toy.highest for toy in toys])
        self._npred = [
            item.table.npred
            for item, uniform in zip(fields, is_uniform, strict=True)
            if uniform and hasattr(item.table, "npred")
        ]
        # Weights of masks make sums of top-hats weighted ones.
        self._n_other = sum(
            int(np.sum(item.mask))
            for item, uniform in zip(fields, is_uniform, strict=True)
            if uniform and not hasattr(item.table, "npred")
        )
        self.is_discrete = any(is_uniform)
        self._islands = None
        if not all(is_uniform) and toys:
            self._islands = ExpectedIslands([toy.characteristics for toy in toys])

    @property
    def coefficients(self):
        """Coefficients of the expected Euler characteristic, a list."""
        return [] if self._islands is None else self._islands.coefficients.tolist()

    def p_global(self, sqrt_ts):
        """Probability after trials of significances of either sign."""
        sizes = np.atleast_1d(np.abs(np.asarray(sqrt_ts, dtype=float)))
        if not self._toys:
            return np.full(sizes.shape, np.nan)
        if not self.is_discrete:
            p_global = -np.expm1(-self._islands(sizes))
            return not_below_local(p_global, sizes)
        n_toys = len(self._toys)
        n_above = n_toys - np.searchsorted(self._highest, sizes * (1 - 1e-9))
        of_toys = (n_above + 1) / (n_toys + 1)
        # The bound counts where the toys cannot tell.
        for idx in np.nonzero(n_above == 0)[0]:
            of_toys[idx] = min(of_toys[idx], self._bound(sizes[idx]))
        p_global = of_toys
        return not_below_local(p_global, sizes)

    def _bound(self, size):
        """Sum of the probabilities of all pixels."""
        if not np.isfinite(size):
            return 0.0
        total = sum(sum(expected_above(npred, size)) for npred in self._npred)
        total += 2 * self._n_other * not_below_local(0.0, size)
        return total + (0.0 if self._islands is None else float(self._islands(size)))

    def check(self):
        """Compare with the highest significances of the toys themselves.

        Returns
        -------
        n_low, is_good : int, bool
            Number of toys whose own probability is below `P_CHECK`, and whether there
            may be as many.
        """
        if self.is_discrete or not self._toys:
            return 0, True
        p_values = self.p_global([toy.graded for toy in self._toys])
        n_low = int(np.sum(p_values < P_CHECK))
        n_toys = len(self._toys)
        p_above = binom.sf(n_low - 1, n_toys, P_CHECK)
        return n_low, bool(p_above > P_BAD)
