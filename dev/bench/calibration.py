# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Is the significance of pure noise what the Poisson distribution says?

Images of noise are simulated as datasets and go through `SpatialResiduals`. Mean, width
and tails of the significance are compared with the exact expectation, which comes from
the probabilities of all counts, or weighted sums, without the code that makes maps.
For many counts, and for weighted sums of a few, mean and width are also compared with
the normal distribution N(0, 1). The significance of a weighted sum is that of the
package, whose tails ``test_tail_rates.py`` compares with its definition.

Rates beyond 3 and 4 sigma are in units of those of N(0, 1). The images have few pixels
beyond 4 sigma; ``tail_maps.py`` draws them more often. ``test_calibration.py`` asks for
some cases, and its long test for all.
"""

from noise import GEOM, kernel_case, make_residuals, simulate
from tail_maps import kernel_lattice
from tails import lattice_density, lattice_size
import numpy as np
from scipy.special import xlogy
from scipy.stats import norm, poisson
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted

__all__ = ["calibrate", "run"]

#: Allowed difference of the mean, and of the width, relative.
TOLERANCE_MEAN, TOLERANCE_WIDTH = 0.02, 0.02
# The statistical error must be this much smaller than what is allowed, or the
# comparison shows nothing. A rate in a tail may differ by as many errors.
MARGIN = 4
#: Thresholds of the tails, with their sign, in sigma.
TAILS = (-4, -3, 3, 4)
#: Expected counts above which the noise is to follow N(0, 1).
MU_NORMAL, MU_NORMAL_WEIGHTED = 100, 5

MUS = (0.5, 1, 2, 5, 10, 30, 100, 300, 500)
KERNELS = ("tophat", "gauss", "point-source", None)
# Kernels whose weights are not 0 and 1.
WEIGHTED = ("gauss", "point-source", "spike")
KERNELS_ON_OFF = ("tophat", None)
ALPHAS = (1.0, 0.2)

# Independent values for errors well within the tolerance.
N_TRIALS = 200_000
# The error comes from the scatter of the images, which needs some of them.
N_IMAGES_MIN = 50
# Values of a weighted sum between which its significance is interpolated.
N_NODES = 1000


# --- expectation -----------------------------------------------------------


def significance(n, mu):
    """Signed root of the likelihood ratio of Poisson counts."""
    ts = 2 * (xlogy(n, n / mu) - n + mu)
    return np.sign(n - mu) * np.sqrt(np.clip(ts, 0, None))


def significance_on_off(n_on, n_off, alpha):
    """Li & Ma (1983), ApJ 272, 317, eq. 17, without a signal."""
    total = np.where(n_on + n_off > 0, n_on + n_off, 1)
    ts = 2 * xlogy(n_on, (1 + alpha) / alpha * n_on / total)
    ts += 2 * xlogy(n_off, (1 + alpha) * n_off / total)
    return np.sign(n_on - alpha * n_off) * np.sqrt(np.clip(ts, 0, None))


def poisson_range(mu):
    """Counts within about 9 sigma, as floats; the rest is less than 1e-14."""
    width = 9 * np.sqrt(mu) + 20
    return np.arange(max(np.floor(mu - width), 0), mu + width)


def expect_cash(mu):
    """Significances and probabilities for counts with the expectation ``mu``."""
    n = poisson_range(mu)
    return significance(n, mu), poisson.pmf(n, mu)


def expect_wstat(mu, alpha):
    """The same for ``mu`` expected on counts and ``mu / alpha`` off counts."""
    n_on, n_off = poisson_range(mu)[:, np.newaxis], poisson_range(mu / alpha)
    weights = poisson.pmf(n_on, mu) * poisson.pmf(n_off, mu / alpha)
    return significance_on_off(n_on, n_off, alpha), weights


def expect_weighted(kernel, mu):
    """The same for counts summed with the weights of a kernel, on a lattice."""
    levels, npred, _n_levels = kernel_lattice(kernel, mu)
    size = lattice_size(0, levels, npred)
    # The significance is smooth, but steep where the sum goes to 0.
    nodes = np.concatenate(
        [[0], np.geomspace(1, size, N_NODES), np.linspace(1, size, N_NODES)]
    )
    nodes = np.unique(nodes)
    values = compute_sqrt_ts_weighted(nodes, levels, npred)
    density = lattice_density(size, levels, npred)
    return np.interp(np.arange(size), nodes, values), density


def summarise(values, weights):
    """Mean, width, and rates beyond `TAILS` in units of N(0, 1), as a dict."""
    mean = np.sum(weights * values)
    rates = [
        np.sum(weights[is_beyond(values, tail)]) / norm.sf(abs(tail)) for tail in TAILS
    ]
    return {
        "mean_exact": mean,
        "width_exact": np.sqrt(np.sum(weights * (values - mean) ** 2)),
        "rates_exact": np.array(rates),
    }


def is_beyond(values, threshold):
    """Whether values are at a threshold or further from 0."""
    # Rounding must not decide where a number of counts is just at it.
    return np.sign(threshold) * values >= abs(threshold) - 1e-9


# --- simulation ------------------------------------------------------------


def inner_values(dataset, kernel, margin):
    """Significance of the pixels whose kernel lies inside the image."""
    image = make_residuals(dataset, kernel)
    y, x = margin
    return image[y : image.shape[0] - y, x : image.shape[1] - x]


def moments_with_errors(means, squares):
    """Mean, width and their errors from the first two moments of each image.

    The pixels of an image share events, the images do not: their scatter gives the
    errors.
    """
    mean = np.mean(means)
    variance = np.mean(squares) - mean**2
    influence = squares - 2 * mean * means
    root = np.sqrt(len(means))
    width = np.sqrt(variance)
    return (
        mean,
        np.std(means, ddof=1) / root,
        width,
        np.std(influence, ddof=1) / root / (2 * width),
    )


def effective_pixels(kernel, mu):
    """Pixels of the disc that would have the same noise."""
    return mu / kernel_case(kernel, mu)[1]


def number_of_images(kernel, mu, n_trials, n_min):
    """Images that hold a number of independent kernels."""
    n_pixels = np.prod(GEOM.to_image().data_shape)
    n_images = np.ceil(n_trials * effective_pixels(kernel, mu) / n_pixels)
    return max(int(n_images), n_min)


def calibrate(kernel, mu, statistic, n_images, seed, *, alpha=1.0):
    """Compare the significance of simulated noise with its expectation.

    Parameters
    ----------
    kernel : {"tophat", "gauss", "point-source", "spike"} or None
        Kernel.
    mu : float
        Expected (on) counts per effective kernel.
    statistic : {"cash", "wstat"}
        Statistic.
    n_images : int
        Number of images.
    seed : int
        Seed.
    alpha : float, optional
        Acceptance ratio, for wstat. Default is 1.

    Returns
    -------
    result : dict
        The arguments; "mean", "mean_err", "width", "width_err"; "rates" and
        "rates_err" beyond `TAILS` in units of those of N(0, 1); the expectation
        "mean_exact", "width_exact" and "rates_exact"; "problems", a list of str,
        empty when all is well.
    """
    alpha = alpha if statistic == "wstat" else None
    # wstat and cash, and each mean, draw numbers of their own
    random = np.random.default_rng([seed, int(10 * mu), int(100 * (alpha or 0))])
    weights, rate = kernel_case(kernel, mu)
    margin = [n_pixels // 2 for n_pixels in weights.shape[1:]]
    moments, tails = [], []
    for _image in range(n_images):
        dataset = simulate(kernel, rate, alpha, random)
        values = inner_values(dataset, kernel, margin)
        moments.append((values.mean(), np.mean(values**2)))
        tails.append(
            [is_beyond(values, tail).mean() / norm.sf(abs(tail)) for tail in TAILS]
        )

    if statistic == "wstat":
        exact = expect_wstat(mu, alpha)
    elif kernel in WEIGHTED:
        exact = expect_weighted(kernel, mu)
    else:
        exact = expect_cash(mu)
    names = ["mean", "mean_err", "width", "width_err"]
    result = {
        "statistic": statistic,
        "alpha": alpha,
        "kernel": kernel,
        "mu": mu,
        "n_images": n_images,
        **dict(zip(names, moments_with_errors(*np.array(moments).T), strict=True)),
        "rates": np.mean(tails, axis=0),
        "rates_err": np.std(tails, axis=0, ddof=1) / np.sqrt(n_images),
        **summarise(*exact),
    }
    result["problems"] = find_problems(result)
    return result


def find_problems(result):
    """What is wrong with a result, a list of str."""
    references = {"exact": (result["mean_exact"], result["width_exact"])}
    is_weighted = result["kernel"] in WEIGHTED
    if result["mu"] >= (MU_NORMAL_WEIGHTED if is_weighted else MU_NORMAL):
        references["N(0, 1)"] = (0, 1)
    problems = []
    # written so that a NaN is a problem
    for name, (mean, width) in references.items():
        if not abs(result["mean"] - mean) <= TOLERANCE_MEAN:
            problems.append(f"mean is not {name}")
        if not abs(result["width"] / width - 1) <= TOLERANCE_WIDTH:
            problems.append(f"width is not {name}")
    if not MARGIN * result["mean_err"] <= TOLERANCE_MEAN:
        problems.append("mean is not precise")
    if not MARGIN * result["width_err"] <= TOLERANCE_WIDTH * result["width_exact"]:
        problems.append("width is not precise")
    return problems + find_problems_of_tails(result)


def find_problems_of_tails(result):
    """Tails that differ from the exact ones, a list of str."""
    n_pixels = result["n_images"] * np.prod(GEOM.to_image().data_shape)
    n_trials = n_pixels / effective_pixels(result["kernel"], result["mu"])
    problems = []
    arrays = [result[name] for name in ("rates", "rates_err", "rates_exact")]
    for threshold, rate, error, exact in zip(TAILS, *arrays, strict=True):
        # What is rare shows no scatter between images: one event more is no fault.
        rare = np.sqrt((exact + 1 / n_trials) / norm.sf(abs(threshold)) / n_trials)
        if not abs(rate - exact) <= MARGIN * max(error, rare):
            problems.append(f"rate beyond {threshold} is not exact")
    return problems


# --- cases -----------------------------------------------------------------


def cases():
    """Yield the arguments kernel, mu, statistic and alpha."""
    for mu in MUS:
        for kernel in KERNELS:
            yield kernel, mu, "cash", None
        for alpha in ALPHAS:
            for kernel in KERNELS_ON_OFF:
                yield kernel, mu, "wstat", alpha


def run(seed=0):
    """Yield the result of each case."""
    for kernel, mu, statistic, alpha in cases():
        n_images = number_of_images(kernel, mu, N_TRIALS, N_IMAGES_MIN)
        yield calibrate(kernel, mu, statistic, n_images, seed, alpha=alpha)
