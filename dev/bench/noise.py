# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of simulated noise, and the kernels with which their residuals are made.

Kernels are given by name; their weights are made here, without the code of the maps.
"""

from functools import cache
from tail_kernels import effective_counts, gauss, matched_case
import numpy as np
import astropy.units as u
from gammapy.datasets import MapDataset, MapDatasetOnOff, SpatialResiduals
from gammapy.irf import PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom

__all__ = ["GEOM", "kernel_case", "make_residuals", "make_dataset", "simulate"]

# Two pixels in the radius: the disc has 13 pixels. Smaller pixels would only need more
# images, for the counts in a disc are given.
RADIUS, N_PIXELS = "0.1 deg", 2
GEOM = WcsGeom.create(
    npix=(300, 300),
    binsz=0.05,
    axes=[MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")],
)
# A matched filter weights the energies, so it gets two bins.
EDGES = [1, 3, 10] * u.TeV
GEOM_FILTER = GEOM.to_image().to_cube([MapAxis.from_energy_edges(EDGES, name="energy")])
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
# The central pixel of the kernel "spike" is higher by this factor.
SPIKE = 5


@cache
def kernel_case(kernel, mu):
    """Weights of a kernel and expected counts in each pixel.

    Parameters
    ----------
    kernel : {"tophat", "gauss", "point-source", "spike"} or None
        Kernel.
    mu : float
        Effective counts, M^2 / M2.

    Returns
    -------
    weights : `~numpy.ndarray`
        Array of shape (n_energy, n_lat, n_lon).
    rate : float
        Expected counts in each pixel and energy bin.
    """
    if kernel == "point-source":
        # counts of a power law with index 2, and a Gaussian PSF
        spectrum = -np.diff(1 / EDGES.value)[:, np.newaxis, np.newaxis]
        weights, npred = matched_case(gauss(N_PIXELS)[0] * spectrum, 1.0, mu)
        return weights, npred[0, 0, 0]
    weights = image_weights(kernel)[np.newaxis]
    return weights, mu / effective_counts(weights, np.ones(weights.shape))


def image_weights(kernel):
    """Weights of the kernels that do not depend on the noise."""
    if kernel is None:
        return np.ones((1, 1))
    if kernel == "tophat":
        y, x = np.mgrid[-N_PIXELS : N_PIXELS + 1, -N_PIXELS : N_PIXELS + 1]
        return (np.hypot(x, y) <= N_PIXELS).astype(float)
    return gauss(N_PIXELS, SPIKE if kernel == "spike" else 1)[0][0]


def make_dataset(kernel, counts, rate, counts_off=None, alpha=None):
    """Dataset of counts with a flat background and no sources.

    Parameters
    ----------
    kernel : str or None
        Kernel; a matched filter gets responses.
    counts : `~numpy.ndarray`
        Counts, of shape (n_energy, n_lat, n_lon).
    rate : float
        Expected counts in each bin.
    counts_off : `~numpy.ndarray`, optional
        Off counts. Default is None, a modelled background.
    alpha : float, optional
        Acceptance ratio.
    """
    geom = GEOM_FILTER if kernel == "point-source" else GEOM
    counts = Map.from_geom(geom, data=counts)
    if counts_off is not None:
        return MapDatasetOnOff(
            counts=counts,
            counts_off=Map.from_geom(geom, data=counts_off),
            acceptance=Map.from_geom(geom, data=np.full(geom.data_shape, alpha)),
            acceptance_off=Map.from_geom(geom, data=np.ones(geom.data_shape)),
            name="noise",
        )
    background = Map.from_geom(geom, data=np.full(geom.data_shape, float(rate)))
    dataset = MapDataset(counts=counts, background=background, name="noise")
    if kernel == "point-source":
        exposure = Map.from_geom(geom.to_image().to_cube([AXIS_TRUE]), unit="cm2 s")
        dataset.exposure = exposure
        dataset.exposure.data += 1e12
        dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=RADIUS)
    return dataset


def simulate(kernel, rate, alpha, random):
    """Draw a dataset of noise.

    Parameters
    ----------
    kernel : str or None
        Kernel.
    rate : float
        Expected counts in each bin.
    alpha : float or None
        Acceptance ratio of on-off data, None for a modelled background.
    random : `~numpy.random.Generator`
        Random numbers.
    """
    geom = GEOM_FILTER if kernel == "point-source" else GEOM
    counts = random.poisson(rate, geom.data_shape)
    if alpha is None:
        return make_dataset(kernel, counts, rate)
    counts_off = random.poisson(rate / alpha, geom.data_shape)
    return make_dataset(kernel, counts, rate, counts_off, alpha)


def make_residuals(dataset, kernel):
    """Significance image of a dataset."""
    if kernel == "spike":
        image = image_weights(kernel)
        kernel = Map.create(npix=image.shape, binsz=GEOM.pixel_scales[0])
        kernel.data = image
    residuals = SpatialResiduals.from_datasets(
        dataset, kernel=kernel, correlation_radius=RADIUS
    )
    return residuals.sqrt_ts.data[0]
