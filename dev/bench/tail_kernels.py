# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Weights and expected counts of kernels whose tails are looked at.

They are made from formulas and from the point spread functions in ``$GAMMAPY_DATA``,
without the code that makes the kernels of residual maps.
"""

import os
from functools import cache, partial
from pathlib import Path
from tails import make_levels
import numpy as np
from scipy.optimize import brentq
import astropy.units as u
from gammapy.data import DataStore
from gammapy.irf import PSFMap

__all__ = [
    "KERNELS",
    "KERNELS_PSF",
    "effective_counts",
    "gauss",
    "make_case",
    "make_lattice",
    "matched_case",
]

#: Threshold in sigma of the source that a filter is matched to.
THRESHOLD = 5


def pixel_radius(half):
    """Distance of pixels from the central one, in pixels."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.hypot(x, y)


def disc(spike=1):
    """Disc of 49 pixels, the central one higher by a factor."""
    weights = (pixel_radius(4) < 4).astype(float)[np.newaxis]
    weights[0, 4, 4] = spike
    return weights, np.ones(weights.shape)


def gauss(sigma, spike=1):
    """Gaussian with a width in pixels, up to five of them, with a spike as well."""
    radius = pixel_radius(5 * sigma)
    weights = np.exp(-0.5 * (radius / sigma) ** 2) * (radius <= 5 * sigma)
    weights[5 * sigma, 5 * sigma] *= spike
    return weights[np.newaxis], np.ones((1, *radius.shape))


def matched(stamps, background):
    """Filter that is matched to a source at the threshold.

    Parameters
    ----------
    stamps : `~numpy.ndarray`
        Counts of the source, in any unit.
    background : `~numpy.ndarray`
        Expected counts, of a shape that broadcasts.

    Returns
    -------
    weights : `~numpy.ndarray`
        f = ln(1 + A s / m), the likelihood ratio of one count (Neyman & Pearson 1933),
        for the amplitude A whose expected counts have the significance.
    """

    def excess_ts(log_amplitude):
        ratio = np.exp(log_amplitude) * stamps / background
        terms = (1 + ratio) * np.log1p(ratio) - ratio
        return np.log(2 * np.sum(background * terms) / THRESHOLD**2)

    start = -np.log(np.sum(stamps**2 / background)) / 2
    amplitude = np.exp(brentq(excess_ts, start - 10, start + 20))
    return np.log1p(amplitude * stamps / background)


@cache
def psf_stamps(name):
    """Counts of a source and of background with real point spread functions.

    The source has a power law of index 2 and the background one of 2.7, in four
    energy bins of the same logarithmic width.

    Parameters
    ----------
    name : {"hess", "fermi"}
        Instrument.

    Returns
    -------
    stamps, background : tuple of `~numpy.ndarray`
        Arrays of shape (4, 31, 31) and (4, 1, 1).
    """
    folder = Path(os.path.expandvars("$GAMMAPY_DATA"))
    if name == "hess":
        energy = [0.7, 2, 6, 18] * u.TeV
        rad = 0.02 * u.deg * pixel_radius(15)
        store = DataStore.from_dir(folder / "hess-dl3-dr1")
        psf = store.obs(23523, required_irf=["psf"]).psf.evaluate(
            energy_true=energy[:, np.newaxis, np.newaxis], offset=0.5 * u.deg, rad=rad
        )
    else:
        energy = [15, 50, 150, 450] * u.GeV
        rad = 0.05 * u.deg * pixel_radius(15)
        path = folder / "fermi-3fhl-gc" / "fermi-3fhl-gc-psf-cube.fits.gz"
        psf = PSFMap.read(path, format="gtpsf").psf_map
        coords = {
            "skycoord": psf.geom.center_skydir,
            "energy_true": energy[:, np.newaxis, np.newaxis],
            "rad": rad,
        }
        psf = psf.interp_by_coord(coords) * u.Unit("sr-1")
    ratio = (energy / energy[0]).to_value("")[:, np.newaxis, np.newaxis]
    return psf.to_value("sr-1") / psf.max().to_value("sr-1") / ratio, ratio**-1.7


#: Functions that return weights and expected counts of any scale, by name.
KERNELS = {
    "tophat": disc,
    "gauss": partial(gauss, 2),
    "disc with spike": partial(disc, 5),
    "gauss with spike": partial(gauss, 3, 10),
}
# Highest weight of those that have whole ones.
WHOLE = {"tophat": 1, "disc with spike": 5}
#: Instruments whose point spread functions are in ``$GAMMAPY_DATA``.
KERNELS_PSF = {"point-source, H.E.S.S.": "hess", "point-source, Fermi": "fermi"}


def effective_counts(weights, npred):
    """Counts M^2 / M2 of a top-hat with the same relative noise."""
    total, squares = (np.sum(weights**power * npred) for power in (1, 2))
    return total**2 / squares


def make_case(name, mu):
    """Weights and expected counts of a kernel.

    Parameters
    ----------
    name : str
        One of `KERNELS` or `KERNELS_PSF`.
    mu : float
        Effective counts.

    Returns
    -------
    weights, npred : tuple of `~numpy.ndarray`
        Arrays of one shape (n_energy, n_lat, n_lon).
    """
    if name in KERNELS:
        weights, background = KERNELS[name]()
        return weights, background * mu / effective_counts(weights, background)
    return matched_case(*psf_stamps(KERNELS_PSF[name]), mu)


def matched_case(stamps, background, mu):
    """Weights of a matched filter and expected counts, by its effective counts.

    Parameters
    ----------
    stamps, background : `~numpy.ndarray`
        Counts of the source and expected counts, each in any unit.
    mu : float
        Effective counts.

    Returns
    -------
    weights, npred : tuple of `~numpy.ndarray`
        Arrays of the shape of the stamps.
    """

    def scaled(log_scale):
        npred = np.exp(log_scale) * background
        return matched(stamps, npred), npred + 0 * stamps

    def missing(log_scale):
        return np.log(effective_counts(*scaled(log_scale)) / mu)

    return scaled(brentq(missing, -25, 15, xtol=1e-3))


def make_lattice(name, mu, n_levels=2000):
    """Weights as whole numbers and expected counts of each, see `make_levels`.

    Parameters
    ----------
    name, mu : str and float
        As in `make_case`.
    n_levels : int, optional
        Levels of weights that are not small whole numbers by themselves. Default is
        2000, which keeps upper tails within 0.5 percent. Lower ones of few counts
        end with a few steps of the lattice, and need more.

    Returns
    -------
    levels, npred : tuple of `~numpy.ndarray`
        Arrays of one dimension.
    """
    levels, npred = make_levels(*make_case(name, mu), WHOLE.get(name, n_levels))
    # Rounding changes the effective counts.
    return levels, npred * mu / effective_counts(levels, npred)
