# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rates of noise beyond 3, 4 and 5 sigma in maps, by drawing what is rare more often.

Around positions whose kernels do not overlap the counts are drawn with expectations
that make the threshold the most probable value. What is beyond counts with the ratio of
the probabilities of its counts without and with that, which makes the rate unbiased
(importance sampling: Siegmund 1976, Ann. Stat. 4, 673). Some thousand positions give
the rate above 5 sigma within a few percent, which would need 1e10 otherwise.
"""

from noise import GEOM, kernel_case, make_dataset, make_residuals
from tails import (
    SIGMAS,
    cross_thresholds,
    make_levels,
    reference_significance,
    saddle_point,
    tail_rates,
)
import numpy as np
from scipy.stats import norm
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted

__all__ = ["exact_rates", "map_rates"]


def kernel_lattice(kernel, mu):
    """Weights of a kernel as whole numbers, expected counts, and the highest weight."""
    weights, rate = kernel_case(kernel, mu)
    is_whole = np.array_equal(weights, weights.astype(int))
    # Few counts need a fine lattice, see `make_lattice`.
    n_levels = int(weights.max()) if is_whole else 20_000 if mu <= 10 else 2000
    return *make_levels(weights, rate, n_levels), n_levels


def exact_rates(kernel, mu, sigmas=SIGMAS):
    """Rates beyond thresholds from the exact distribution, see `tail_rates`."""
    levels, npred, _n_levels = kernel_lattice(kernel, mu)

    def significance(values):
        return compute_sqrt_ts_weighted(values, levels, npred)

    return tail_rates(significance, levels, npred, sigmas)


def map_rates(kernel, mu, n_images, seed, sigmas=SIGMAS):
    """Rates beyond thresholds in simulated maps, in units of those of N(0, 1).

    Parameters
    ----------
    kernel : {"tophat", "gauss", "point-source", "spike"}
        Kernel.
    mu : float
        Effective counts.
    n_images : int
        Number of images, with some hundred positions each.
    seed : int
        Seed.
    sigmas : tuple of float, optional
        Thresholds with their sign, which must be possible.

    Returns
    -------
    rates, errors : tuple of `~numpy.ndarray`
        Rate beyond each threshold and its statistical error.
    """
    random = np.random.default_rng([seed, int(10 * mu)])
    weights, rate = kernel_case(kernel, mu)
    factors = np.array([tilt(kernel, mu, sigma) for sigma in sigmas])
    n_y, n_x = weights.shape[1:]
    n_rows, n_columns = (GEOM.data_shape[1] // n_y, GEOM.data_shape[2] // n_x)
    # Each position has its threshold, in turn.
    which = np.arange(n_rows * n_columns) % len(sigmas)
    expected = np.full((len(weights), *GEOM.data_shape[1:]), rate)
    expected *= spread(factors[which], (n_rows, n_columns), expected.shape)
    # Logarithm of the probabilities without and with the factors, for counts of 0.
    offsets = rate * np.sum(factors - 1, axis=(1, 2, 3))
    found = []
    for _image in range(n_images):
        counts = random.poisson(expected)
        sqrt_ts = make_residuals(make_dataset(kernel, counts, rate), kernel)
        cells = cut(counts, (n_rows, n_columns), weights.shape)
        log_ratios = offsets[which] - np.sum(
            cells * np.log(factors)[which], axis=(1, 2, 3)
        )
        centers = cut(sqrt_ts[np.newaxis], (n_rows, n_columns), weights.shape)
        centers = centers[:, 0, n_y // 2, n_x // 2]
        thresholds = np.array(sigmas)[which]
        is_beyond = np.sign(thresholds) * centers >= np.abs(thresholds)
        found.append(is_beyond * np.exp(log_ratios) / norm.sf(np.abs(thresholds)))
    samples = [np.array(found)[:, which == idx] for idx in range(len(sigmas))]
    errors = [sample.std() / np.sqrt(sample.size) for sample in samples]
    return np.array([sample.mean() for sample in samples]), np.array(errors)


def tilt(kernel, mu, sigma):
    """Factors on the expected counts that make a threshold the expected sum."""
    levels, npred, n_levels = kernel_lattice(kernel, mu)

    def significance(values):
        return reference_significance(values, levels, npred)

    value = cross_thresholds(significance, [sigma], levels, npred)[0]
    if value < 0:
        raise ValueError(f"No sum of {kernel!r} is below {sigma} with {mu} counts.")
    weights, _rate = kernel_case(kernel, mu)
    # No factor makes 0 the expected sum, but a third of a count will do.
    theta = saddle_point(max(value, n_levels / 3), levels, npred)
    return np.exp(theta * n_levels * weights / weights.max())


def spread(cells, shape, shape_cube):
    """Cube with cells side by side in rows and columns, and 1 where none fits."""
    n_energy, n_y, n_x = cells.shape[1:]
    cells = cells.reshape(*shape, n_energy, n_y, n_x).transpose(2, 0, 3, 1, 4)
    cube = np.ones(shape_cube)
    filled = cube[:, : shape[0] * n_y, : shape[1] * n_x]
    filled[:] = cells.reshape(filled.shape)
    return cube


def cut(cube, shape, shape_cell):
    """Cells of a cube, the reverse of `spread`."""
    n_y, n_x = shape_cell[1:]
    filled = cube[:, : shape[0] * n_y, : shape[1] * n_x]
    cells = filled.reshape(len(cube), shape[0], n_y, shape[1], n_x)
    return cells.transpose(1, 3, 0, 2, 4).reshape(-1, len(cube), n_y, n_x)
