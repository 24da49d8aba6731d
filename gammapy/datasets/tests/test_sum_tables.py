# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tables of the significance, against the weighted sums of each pixel."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets.residuals.kernels import make_kernel
from gammapy.datasets.residuals.kernels.plane import PlaneKernel
from gammapy.datasets.residuals.sum_tables import NEAR, kernel_table
from gammapy.maps import WcsGeom
from gammapy.stats.residuals import compute_sqrt_ts
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted

GEOM = WcsGeom.create(npix=24, binsz=0.05)


def model(level):
    y, x = np.indices((24, 24))
    bright = 30 * np.exp(-0.5 * ((x - 6) ** 2 + (y - 12) ** 2) / 4)
    return level * (1 + 0.05 * x + bright)


def footprint(image, weights, y, x):
    """Weights and predicted counts around a pixel."""
    half = weights.shape[0] // 2
    padded = np.pad(image, half)
    return padded[y : y + 2 * half + 1, x : x + 2 * half + 1]


@pytest.mark.parametrize("level", [0.02, 0.5, 20])
def test_graded(level):
    image = model(level)
    weights = make_kernel("gauss", "0.1 deg", GEOM)
    mask = np.zeros(image.shape, dtype=bool)
    pixels = [(0, 0), (5, 20), (12, 6), (12, 9), (23, 3)]
    mask[tuple(np.transpose(pixels))] = True
    around = [footprint(image, weights, y, x).ravel() for y, x in pixels]
    f = weights.ravel()
    sums = {name: np.zeros(image.shape) for name in ("npred", "variance")}
    sums["npred"][mask] = [f @ m for m in around]
    sums["variance"][mask] = [f**2 @ m for m in around]
    table = kernel_table(PlaneKernel(weights), sums, mask, [(1.0, image)])
    assert table.n_unknown == 0
    for ratio in (0.0, 0.3, 0.9, 1.3, 3.0, 20.0):
        totals = ratio * sums["npred"][mask]
        expected = [
            compute_sqrt_ts_weighted(total, f, m)
            for total, m in zip(totals, around, strict=True)
        ]
        result = table.sqrt_ts(totals)
        # The table ends at 10 sigma, and near the mean there is no correction.
        used = (np.abs(result) < 9) & (np.abs(result) > NEAR)
        assert_allclose(result[used], np.array(expected)[used], atol=0.06)


def test_plain():
    """Of a top-hat the sums are counts, but for rounding."""
    image = model(0.5)
    weights = make_kernel("tophat", "0.1 deg", GEOM)
    mask = np.ones(image.shape, dtype=bool)
    sums = {"npred": image, "variance": image}
    table = kernel_table(PlaneKernel(weights), sums, mask, [(1.0, image)])
    counts = np.arange(mask.sum()) % 40
    result = table.sqrt_ts(counts + 1e-9)
    assert_allclose(result, compute_sqrt_ts(counts, image[mask]), atol=1e-6)
