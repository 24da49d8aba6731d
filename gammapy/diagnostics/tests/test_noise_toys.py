# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Probabilities after trials, of noise."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.diagnostics.noise_toys import Block, NoiseToys, SharedConvolution, Trials
from gammapy.diagnostics.scan_maps import find_kernels, make_scan
from gammapy.maps import Map, MapAxis, WcsGeom

N = 60
RADII = u.Quantity([0.1, 0.2, 0.4], "deg")


def make_toys(level, kernels, n_groups=1):
    """Toys of a map of 3 deg, with a bright source and a round mask.

    Groups of energies are searched besides all energies.
    """
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_groups)
    geom = WcsGeom.create(npix=N, binsz=0.05, axes=[axis])
    y, x = np.indices((N, N)) - N / 2
    npred = np.exp(-0.5 * (x**2 + y**2) / 36**2)
    npred += 20 * np.exp(-0.5 * ((x - 10) ** 2 + y**2) / 3**2)
    mask = x**2 + y**2 < 29**2

    def cube(image):
        return np.broadcast_to(image, geom.data_shape)

    counts = np.random.default_rng(0).poisson(level * npred)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=cube(counts)),
        background=Map.from_geom(geom, data=cube(level * npred / n_groups)),
        mask_safe=Map.from_geom(geom, data=cube(mask)),
    )
    energies = dict.fromkeys(["energy_min", "energy_max", "energy_edges"])
    if n_groups > 1:
        energies["energy_edges"] = axis.edges
    scan = make_scan(
        Datasets([dataset]),
        find_kernels(kernels, RADII),
        energies=energies,
        exclude=None,
        apply_mask=True,
        n_jobs=1,
        backend=None,
    )
    return NoiseToys(
        scan.blocks,
        [item.field for item in scan.maps],
        [item.is_uniform for item in scan.maps],
        [group.atoms for group in scan.groups],
        (N, N),
    )


def noise_p_values(toys, n_maps, n_fits):
    """Global p of the highest spot of noise maps, for each fit to 100 toys."""
    found = toys.run(100 * n_fits, 77)
    highest = [item.highest for item in toys.run(n_maps, 99)]
    p_values = []
    for idx in range(n_fits):
        part = found[100 * idx : 100 * (idx + 1)]
        trials = Trials(part, toys.fields, toys.is_uniform)
        p_values.append(trials.p_global(highest))
    return np.concatenate(p_values)


def test_few_noise_maps():
    """A small version of the next test: 5 standard deviations of 200 maps."""
    p_values = noise_p_values(make_toys(0.5, ["gauss"]), 200, 2)
    for alpha in (0.05, 0.2):
        rate = np.mean(p_values < alpha)
        assert abs(rate - alpha) < 5 * np.sqrt(alpha / 200)


@pytest.mark.long
@pytest.mark.parametrize("level", [0.05, 0.5, 5])
def test_noise_maps_of_graded_kernels(level):
    p_values = noise_p_values(make_toys(level, ["gauss"]), 2000, 20)
    for alpha in (0.01, 0.05):
        ratio = np.mean(p_values < alpha) / alpha
        assert 0.5 <= ratio <= 1.3


@pytest.mark.long
@pytest.mark.parametrize("level", [0.05, 0.5, 5])
def test_noise_maps_of_energy_groups(level):
    """Two of them and all energies, which have events in common."""
    p_values = noise_p_values(make_toys(level, ["gauss"], n_groups=2), 2000, 20)
    for alpha in (0.01, 0.05):
        ratio = np.mean(p_values < alpha) / alpha
        assert 0.5 <= ratio <= 1.3


@pytest.mark.long
@pytest.mark.parametrize("level", [0.05, 0.5, 5])
def test_noise_maps_of_top_hats(level):
    """Never above, but for two standard deviations of 2000 maps."""
    p_values = noise_p_values(make_toys(level, ["tophat"]), 2000, 20)
    for alpha in (0.01, 0.05):
        assert np.mean(p_values < alpha) <= alpha + 2 * np.sqrt(alpha / 2000)


def test_discrete():
    """Of top-hats: the toys as long as they can tell, and then the exact bound."""
    toys = make_toys(0.5, ["tophat"])
    found = toys.run(19, 0)
    trials = Trials(found, toys.fields, toys.is_uniform)
    highest = np.sort([item.highest for item in found])
    # One of the toys has it, or all of them.
    assert_allclose(trials.p_global(highest[[-1, 0]]), [2 / 20, 1])
    assert trials.p_global(highest[-1] + 0.01) <= 1 / 20
    assert trials.p_global(8.0) < 1e-8
    assert trials.p_global(np.inf) == 0
    assert trials.p_global(9.0) < trials.p_global(8.0)


def test_check():
    """What the toys themselves show is said: too many of them are low."""
    toys = make_toys(0.5, ["gauss"])
    found = toys.run(60, 0)
    trials = Trials(found, toys.fields, toys.is_uniform)
    assert trials.check()[1]
    for item in found:
        item.graded += 1
    assert trials.check() == (60, False) or not trials.check()[1]


@pytest.mark.parametrize("level", [0.01, 1.0, 3.0])
def test_draw(level):
    """Counts of each pixel have the Poisson mean and variance, none where masked."""
    npred = level * np.arange(12.0).reshape(1, 3, 4)
    block = Block(npred, levels=np.array([1.0]), atoms=np.array([0]))
    block.prepare()
    random = np.random.default_rng(0)
    counts = np.array([block.draw(random) for _idx in range(20000)])
    assert_allclose(counts.mean(axis=0), npred, atol=5 * np.sqrt(npred.max() / 20000))
    assert_allclose(counts.var(axis=0), npred, rtol=0.2)
    assert not counts[:, 0, 0, 0].any()
    assert_allclose(counts, np.rint(counts))


@pytest.mark.parametrize("size", [3, 9, 31])
def test_shared_convolution(size):
    """Sums of all pixels one by one, also of kernels larger than the image."""
    random = np.random.default_rng(0)
    image, weights = random.random((8, 10)), random.random((size, size))
    convolution = SharedConvolution(image.shape, (31, 31))
    product = convolution.transform(image) * convolution.transform_kernel(weights)
    expected = np.zeros(image.shape)
    half = size // 2
    for (y, x), value in np.ndenumerate(image):
        for row, column in np.ndindex(image.shape):
            dy, dx = row - y, column - x
            if max(abs(dy), abs(dx)) <= half:
                expected[row, column] += value * weights[half + dy, half + dx]
    assert_allclose(convolution.same(product), expected)


def test_processes():
    """Toys do not depend on the number of processes."""
    toys = make_toys(0.5, ["gauss"])
    one, two = toys.run(6, 3), toys.run(6, 3, n_jobs=2)
    assert_allclose([item.highest for item in one], [item.highest for item in two])
