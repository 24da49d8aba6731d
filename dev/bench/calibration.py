# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Is the significance of pure noise what the Poisson distribution says?

Images of noise are simulated as datasets and go through `SpatialResiduals`. Mean and
width of the significance are compared with the exact expectation, which is computed
here from the Poisson distribution, without the code under test, and for 100 or more
expected counts also with the normal distribution N(0, 1).
"""

import argparse
import sys
from functools import cache
import numpy as np
from scipy.special import xlogy
from scipy.stats import poisson
import astropy.units as u
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpatialResiduals
from gammapy.datasets.convolution import make_kernel
from gammapy.datasets.matched_filter import source_of_kernel, source_stamps
from gammapy.irf import PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom

__all__ = ["calibrate"]

#: Allowed difference of the mean, and of the width, relative.
TOLERANCE_MEAN, TOLERANCE_WIDTH = 0.02, 0.02
# The statistical error must be this much smaller than what is allowed, or the
# comparison shows nothing.
MARGIN = 4
#: Expected counts above which the noise is to follow N(0, 1).
MU_NORMAL = 100

MUS = (0.5, 1, 2, 5, 10, 30, 100, 300, 500)
MUS_FAST = (0.5, 5, 100)
KERNELS = ("tophat", "gauss", "point-source", None)
# Kernels whose weights are not 0 and 1: there is no closed form.
WEIGHTED = ("gauss", "point-source")
KERNELS_ON_OFF = ("tophat", None)
ALPHAS = (1.0, 0.2)

RADIUS = "0.1 deg"
# Two pixels in the radius: the disc has 13 pixels. Smaller pixels would only need more
# images, for the counts in a disc are given.
GEOM = WcsGeom.create(
    npix=(300, 300),
    binsz=0.05,
    axes=[MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")],
)

# A matched filter weights the energies, so it gets two bins.
GEOM_FILTER = GEOM.to_image().to_cube(
    [MapAxis.from_energy_edges([1, 3, 10] * u.TeV, name="energy")]
)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")

# Independent values for errors well within the tolerance, and for just enough.
N_TRIALS, N_TRIALS_FAST = 200_000, 100_000
# The error comes from the scatter of the images, which needs some of them.
N_IMAGES_MIN, N_IMAGES_MIN_FAST = 50, 12
N_REFERENCE, N_REFERENCE_FAST = 600_000, 200_000


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


def weighted_moments(values, weights):
    """Mean and standard deviation."""
    mean = np.sum(weights * values)
    return mean, np.sqrt(np.sum(weights * (values - mean) ** 2))


def expect_cash(mu):
    """Mean and width for counts with the expectation ``mu``."""
    n = poisson_range(mu)
    return weighted_moments(significance(n, mu), poisson.pmf(n, mu))


def expect_wstat(mu, alpha):
    """Mean and width for ``mu`` expected on counts and ``mu / alpha`` off counts."""
    n_on, n_off = poisson_range(mu)[:, np.newaxis], poisson_range(mu / alpha)
    weights = poisson.pmf(n_on, mu) * poisson.pmf(n_off, mu / alpha)
    return weighted_moments(significance_on_off(n_on, n_off, alpha), weights)


@cache
def expect_weighted(kernel, mu, n_values, seed):
    """Mean and width for counts summed with the weights of a kernel, by simulation.

    Pixels with the same weight are drawn together: their sum is Poisson, too.
    """
    random = np.random.default_rng([seed, 1])
    weights = kernel_weights(kernel)
    weights = np.round(weights / weights.max(), 9)
    weights, n_pixels = np.unique(weights, return_counts=True)
    rates = mu / effective_pixels(kernel) * n_pixels
    model, variance = np.sum(weights * rates), np.sum(weights**2 * rates)
    values = [
        significance(random.poisson(rates, (10_000, rates.size)) @ weights, model)
        for _ in range(-(-n_values // 10_000))
    ]
    values = np.concatenate(values) * np.sqrt(model / variance)
    return values.mean(), values.std()


# --- simulation ------------------------------------------------------------


@cache
def kernel_weights(kernel):
    """Weights of the pixels, shape (n_energy, n_lat, n_lon); 1 for None."""
    if kernel == "point-source":
        dataset = simulate(kernel, 1, None, np.random.default_rng(0))
        return source_stamps(dataset, source_of_kernel(kernel))
    weights = make_kernel(kernel, RADIUS, GEOM.to_image())
    return np.ones((1, 1, 1)) if weights is None else weights[np.newaxis]


def effective_pixels(kernel):
    """Pixels in the disc, or in the disc that would have the same noise."""
    weights = kernel_weights(kernel)
    return np.sum(weights) ** 2 / np.sum(weights**2)


def simulate(kernel, rate, alpha, random):
    """Draw a dataset of noise.

    Parameters
    ----------
    kernel : {"tophat", "gauss", "point-source"} or None
        Kernel; a matched filter needs responses.
    rate : float
        Expected counts per pixel.
    alpha : float or None
        Acceptance ratio of on-off data, None for a modelled background.
    random : `~numpy.random.Generator`
        Random numbers.
    """
    geom = GEOM_FILTER if kernel == "point-source" else GEOM
    counts = Map.from_geom(geom, data=random.poisson(rate, geom.data_shape))
    if alpha is None:
        background = Map.from_geom(geom, data=np.full(geom.data_shape, rate))
        dataset = MapDataset(counts=counts, background=background, name="noise")
        if kernel == "point-source":
            geom_true = geom.to_image().to_cube([AXIS_TRUE])
            dataset.exposure = Map.from_geom(geom_true, unit="cm2 s")
            dataset.exposure.data += 1e12
            dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=RADIUS)
        return dataset
    counts_off = random.poisson(rate / alpha, GEOM.data_shape)
    return MapDatasetOnOff(
        counts=counts,
        counts_off=Map.from_geom(GEOM, data=counts_off),
        acceptance=Map.from_geom(GEOM, data=np.full(GEOM.data_shape, alpha)),
        acceptance_off=Map.from_geom(GEOM, data=np.ones(GEOM.data_shape)),
        name="noise",
    )


def inner_values(dataset, kernel):
    """Significance of the pixels whose kernel lies inside the image."""
    residuals = SpatialResiduals.from_datasets(
        dataset, kernel=kernel, correlation_radius=RADIUS
    )
    image = residuals.sqrt_ts.data[0]
    y, x = (_ // 2 for _ in kernel_weights(kernel).shape[1:])
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


def number_of_images(kernel, n_trials, n_min):
    """Images that hold a number of independent kernels."""
    n_pixels = np.prod(GEOM.to_image().data_shape)
    return max(int(np.ceil(n_trials * effective_pixels(kernel) / n_pixels)), n_min)


def calibrate(
    kernel, mu, statistic, n_images, seed, *, alpha=1.0, n_reference=N_REFERENCE
):
    """Compare the significance of simulated noise with its expectation.

    Parameters
    ----------
    kernel : {"tophat", "gauss", "point-source"} or None
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
    n_reference : int, optional
        Number of values for the expectation of weighted counts, which has no closed
        form.

    Returns
    -------
    result : dict
        The arguments; "mean", "mean_err", "width", "width_err"; the expectation
        "mean_exact" and "width_exact"; "problems", a list of str, empty when all is
        well.
    """
    alpha = alpha if statistic == "wstat" else None
    # wstat and cash, and each mean, draw numbers of their own
    random = np.random.default_rng([seed, int(10 * mu), int(100 * (alpha or 0))])
    rate = mu / effective_pixels(kernel)
    moments = []
    for _ in range(n_images):
        values = inner_values(simulate(kernel, rate, alpha, random), kernel)
        moments.append((values.mean(), np.mean(values**2)))

    if statistic == "wstat":
        exact = expect_wstat(mu, alpha)
    elif kernel in WEIGHTED:
        exact = expect_weighted(kernel, mu, n_reference, seed)
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
        "mean_exact": exact[0],
        "width_exact": exact[1],
    }
    if kernel in WEIGHTED:
        # the expectation has an error as well
        width = result["width_exact"]
        for name, error in (("mean_err", width), ("width_err", width / np.sqrt(2))):
            result[name] = np.hypot(result[name], error / np.sqrt(n_reference))
    result["problems"] = find_problems(result)
    return result


def find_problems(result):
    """What is wrong with a result, a list of str."""
    references = {"exact": (result["mean_exact"], result["width_exact"])}
    if result["mu"] >= MU_NORMAL:
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
    return problems


# --- command ---------------------------------------------------------------


def cases(fast):
    """Yield the arguments kernel, mu, statistic and alpha."""
    for mu in MUS_FAST if fast else MUS:
        for kernel in KERNELS:
            yield kernel, mu, "cash", None
        for alpha in ALPHAS:
            for kernel in KERNELS_ON_OFF:
                yield kernel, mu, "wstat", alpha


def run(fast=False, seed=0):
    """Yield the result of each case."""
    n_trials = N_TRIALS_FAST if fast else N_TRIALS
    n_min = N_IMAGES_MIN_FAST if fast else N_IMAGES_MIN
    n_reference = N_REFERENCE_FAST if fast else N_REFERENCE
    for kernel, mu, statistic, alpha in cases(fast):
        n_images = number_of_images(kernel, n_trials, n_min)
        yield calibrate(
            kernel, mu, statistic, n_images, seed, alpha=alpha, n_reference=n_reference
        )


def format_row(result):
    """One line of the table."""
    name = result["statistic"]
    if result["alpha"] is not None:
        name += f" {result['alpha']:g}"
    return (
        f"{name:10}{result['kernel'] or 'pixel':13}{result['mu']:>6g}"
        f"{result['n_images']:>7}"
        f"{result['mean']:>+10.4f} ±{result['mean_err']:.4f}"
        f"{result['mean'] - result['mean_exact']:>+9.4f}"
        f"{result['width']:>9.4f} ±{result['width_err']:.4f}"
        f"{100 * (result['width'] / result['width_exact'] - 1):>+8.2f} %  "
        f"{', '.join(result['problems']) or 'pass'}"
    )


HEADER = (
    f"{'statistic':10}{'kernel':13}{'mu':>6}{'images':>7}{'mean':>10} {'':7}"
    f"{'- exact':>9}{'width':>9} {'':7}{'/ exact':>10}"
)


def main(args=None):
    """Print the table; the exit status is 1 when a case fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--fast", action="store_true", help="fewer cases and images, below 20 seconds"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed (default: 0)")
    options = parser.parse_args(args)

    print(HEADER)
    failed = n_cases = 0
    for result in run(options.fast, options.seed):
        print(format_row(result), flush=True)
        failed += bool(result["problems"])
        n_cases += 1
    print(f"{n_cases - failed} of {n_cases} pass")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
