# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.ndimage import correlate
from gammapy.datasets.residuals.convolution import convolve_images
from gammapy.datasets.residuals.kernels import make_kernel
from gammapy.maps import Map, WcsGeom

GEOM = WcsGeom.create(skydir=(0, 0), npix=(31, 25), binsz=0.02)


@pytest.fixture()
def images():
    return np.random.default_rng(1).poisson(2, (2, 25, 31)).astype(float)


def test_tophat_holds_the_centres_within_the_radius():
    weights = make_kernel("tophat", "0.04 deg", GEOM)
    expected = [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert weights[:3].tolist() == expected
    assert weights.sum() == 13


def test_tophat_in_rectangular_pixels():
    geom = WcsGeom.create(skydir=(0, 0), npix=(31, 25), binsz=(0.01, 0.02))
    assert make_kernel("tophat", "0.04 deg", geom).shape == (5, 9)


@pytest.mark.parametrize("radius", ["0.02 deg", "0.05 deg", "0.13 deg"])
def test_tophat_is_the_sum_over_the_disc(images, radius):
    weights = make_kernel("tophat", radius, GEOM)
    result = convolve_images(images, weights)
    for image, expected in zip(result, images, strict=True):
        # Counts stay exact integers, so no tolerance.
        assert (image == correlate(expected, weights, mode="constant")).all()


def test_empty_stays_exactly_empty():
    image = np.zeros((1, 25, 31))
    image[0, :, :10] = 1e12 / 3
    result = convolve_images(image, make_kernel("tophat", "0.06 deg", GEOM))
    assert (result[0, :, 13:] == 0).all()
    assert result.min() >= 0


def test_gauss_and_map(images):
    weights = make_kernel("gauss", "0.04 deg", GEOM)
    assert_allclose(weights.sum(), 1)
    expected = [correlate(image, weights, mode="constant") for image in images]
    assert_allclose(convolve_images(images, weights), expected, atol=1e-12)

    kernel = Map.from_geom(
        WcsGeom.create(npix=weights.shape[0], binsz=0.02), data=weights
    )
    assert_allclose(make_kernel(kernel, None, GEOM), weights)


def test_none_is_the_image_itself(images):
    assert make_kernel(None, "0.1 deg", GEOM) is None
    assert convolve_images(images, None) is images


@pytest.mark.parametrize(
    "kernel, radius, match",
    [
        ("disk", "0.1 deg", "'disk'.*'tophat', 'gauss'"),
        ("tophat", "0.001 deg", "0.001 deg is not between"),
        ("tophat", "5 deg", "5.0 deg is not between"),
        ("gauss", "1 TeV", "correlation_radius: expected an angle .*, got '1 TeV'"),
        (Map.create(npix=4, binsz=0.02), None, "odd numbers"),
        (Map.create(npix=5, binsz=0.02), None, "not all 0"),
    ],
)
def test_bad_kernels(kernel, radius, match):
    with pytest.raises(ValueError, match=match):
        make_kernel(kernel, radius, GEOM)
