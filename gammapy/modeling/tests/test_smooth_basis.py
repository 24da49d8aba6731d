# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Common basis of kernels: how many images it needs, and how exact it is."""

import pytest
import numpy as np
from scipy.signal import fftconvolve
from gammapy.modeling.smooth.basis import KernelBasis


def make_kernels(widths, half=20):
    """Gaussians with tails, as point spread functions of several energies."""
    y, x = np.indices((2 * half + 1, 2 * half + 1)) - half
    separation = np.hypot(x, y)
    kernels = [
        np.exp(-0.5 * (separation / width) ** 2)
        + 0.1 * np.exp(-0.5 * (separation / (3 * width)) ** 2)
        for width in widths
    ]
    return np.array([kernel / kernel.sum() for kernel in kernels])


@pytest.mark.parametrize("source", ["point", "noise"])
def test_convolutions_are_right_to_1e_6(source):
    """Against a convolution with each kernel; errors are in |image| |kernel|."""
    kernels = make_kernels(np.geomspace(1.2, 4, 60))
    image = np.zeros((50, 50))
    image[24, 25] = 1
    if source == "noise":
        image = np.random.default_rng(0).uniform(size=image.shape)
    basis = KernelBasis([kernels[:25], kernels[25:]], image.shape)
    found = basis.convolve(image, np.arange(image.size))
    amounts = np.concatenate(basis.amounts)
    # Ten images rather than sixty kernels.
    assert basis.n_images < 15
    for kernel, amount in zip(kernels, amounts, strict=True):
        expected = fftconvolve(image, kernel, mode="same").ravel()
        scale = np.linalg.norm(image) * np.linalg.norm(kernel)
        assert np.max(abs(amount @ found - expected)) < 1.5e-6 * scale
