# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.diagnostics.cells import Cells, make_cells
from gammapy.diagnostics.common_grids import common_grids
from gammapy.diagnostics.fitted_bins import FittedBins
from gammapy.diagnostics.questions import (
    Question,
    component_region,
    default_groups,
    make_questions,
    ring_around,
)
from gammapy.diagnostics.tree import split_cube
from gammapy.maps import MapAxis, WcsGeom


@pytest.fixture(scope="module")
def cube():
    """A field with a bright source, a falling spectrum and a hole."""
    energy, lat, lon = np.indices((6, 30, 40))
    npred = 0.02 + 2 * np.exp(-((lat - 8) ** 2 + (lon - 30) ** 2) / 18)
    npred = npred * 0.5**energy
    used = (lat - 20) ** 2 + (lon - 10) ** 2 > 25
    return np.where(used, npred, 0), used


def box_sizes(labels, n_boxes):
    """Number of bins of each label, and of the box around them that are used."""
    for number in range(n_boxes):
        where = np.nonzero(labels == number)
        box = tuple(slice(axis.min(), axis.max() + 1) for axis in where)
        yield where[0].size, np.sum(labels[box] >= 0)


OPTIONS = [{}, {"energy": False}, {"sky": False}, {"min_pixels": 6}]


@pytest.mark.parametrize("options", OPTIONS)
def test_split_cube(cube, options):
    npred, used = cube
    labels, n_boxes = split_cube(npred, used, 10, **options)
    assert n_boxes > 1
    assert_allclose(labels >= 0, used)
    sums = np.bincount(labels[used], npred[used])
    assert len(sums) == n_boxes
    assert sums.min() >= 10 - 1e-9
    # Where a box can be halved evenly it is.
    if not options:
        assert n_boxes > 0.4 * npred.sum() / 10
        assert sums.max() < 60
    # Boxes: nothing else is inside.
    assert all(own == inside for own, inside in box_sizes(labels, n_boxes))


def test_min_pixels(cube):
    labels, n_boxes = split_cube(*cube, 10, min_pixels=6)
    for number in range(n_boxes):
        _energy, lat, lon = np.nonzero(labels == number)
        # Less only at the border of what is used.
        assert np.ptp(lat) >= 5 or np.ptp(lon) >= 5
    assert n_boxes < split_cube(*cube, 10)[1]


def test_split_cube_limits(cube):
    npred, used = cube
    assert split_cube(npred, np.zeros_like(used), 10)[1] == 0
    labels, n_boxes = split_cube(npred, used, 1e9)
    assert n_boxes == 1
    assert_allclose(labels, np.where(used, 0, -1))
    # Quarters first, where they have enough.
    labels, n_boxes = split_cube(np.ones((1, 8, 8)), np.ones((1, 8, 8), bool), 16)
    assert n_boxes == 4
    assert len(np.unique(labels[0, :4, :4])) == 1


def make_bins(npred, used, name="a", stat_type="cash"):
    index = np.flatnonzero(used)
    values = npred.ravel()[index]
    return FittedBins(
        name=name,
        stat_type=stat_type,
        axis=MapAxis.from_energy_bounds("1 TeV", "64 TeV", nbin=len(npred)),
        shape=npred.shape,
        index=index,
        counts=np.full(index.size, np.nan),  # which must not be looked at
        npred=values,
        weights=np.ones(index.size),
    )


def everything(part, number):
    return np.zeros(part.index.size, dtype=int)


def test_cells(cube):
    npred, used = cube
    bins = [make_bins(npred, used), make_bins(0.001 * npred, used, "b")]
    halves = Question(
        lambda part, number: (part.index % 2).astype(int), {0: ["even"], 1: ["odd"]}
    )
    cells = make_cells(bins, [Question(everything, {0: ["all"]}), halves], 10)
    assert isinstance(cells, Cells)
    assert list(cells.tests) == ["all", "even", "odd"]
    ones = [np.ones(part.index.size) for part in bins]
    n_bins = cells.total(ones)
    all_bins = sum(part.index.size for part in bins)
    assert n_bins[cells.tests["all"]].sum() == all_bins
    assert n_bins[cells.tests["even"]].sum() == sum(
        np.sum(part.index % 2 == 0) for part in bins
    )
    expected = cells.total([part.npred for part in bins])
    # What the second dataset has is too little, and nobody to join with.
    small = expected < 10 - 1e-9
    assert small.sum() == 3
    assert_allclose(expected[small].sum(), 2 * bins[1].npred.sum())
    # Sums of some bins are sums of all, where the others are 0.
    values = np.where(np.arange(bins[0].index.size) % 7 == 0, 2.0, 0)
    rows = np.flatnonzero(values)
    some = cells.total_of_some(0, rows, values[rows])
    assert_allclose(some, cells.total([values, 0 * ones[1]]))
    matrix = cells.sums([np.outer(ones[0], [1, 2]), np.outer(ones[1], [1, 2])])
    assert_allclose(sum(matrix), np.outer(n_bins, [1, 2]))


def test_small_parts_are_joined(cube):
    npred, used = cube
    share = 4 / npred.sum()
    names = "abcdefgh"
    bins = [make_bins(share * npred, used, name) for name in names]
    bins.append(make_bins(share * npred, used, "w", "wstat"))
    bins[-1].counts_off = np.zeros(bins[-1].index.size)
    bins[-1].alpha = bins[-1].counts_off
    bins[-1].mu_sig = bins[-1].npred
    cells = make_cells(bins, [Question(everything, {0: ["all"]})], 10)
    # Three by three, what is left over to the last; another statistic stays alone.
    expected = cells.total([part.npred for part in bins])
    assert_allclose(sorted(expected), [4, 12, 20], rtol=1e-9)


def on_grid(cube, offset, **options):
    """Bins of a dataset, on a cutout of one grid that begins at a pixel."""
    wcs = WcsGeom.create(npix=(60, 60), binsz=0.1, skydir=(0, 0)).wcs.deepcopy()
    wcs.wcs.crpix -= offset
    part = make_bins(*cube, **options)
    part.image = WcsGeom(wcs, npix=part.shape[:0:-1])
    return part


def test_datasets_on_one_grid(cube):
    """They are added; others stay alone."""
    npred, used = cube
    parts = [
        on_grid(cube, (0, 0)),
        on_grid((npred[:, :20, 5:], used[:, :20, 5:]), (5, 0), name="b"),
        on_grid(cube, (0.3, 0), name="c"),
    ]
    grids = common_grids(parts)
    assert [grid.numbers for grid in grids] == [[0, 1], [2]]
    assert grids[0].shape == npred.shape
    inside = (slice(None), slice(0, 20), slice(5, 40))
    assert [npred[where].shape for where in grids[0].slices] == [
        parts[0].shape,
        parts[1].shape,
    ]
    assert_allclose(npred[grids[0].slices[1]], npred[inside])
    cells = make_cells(parts, [Question(everything, {0: ["all"]})], 10)
    first, second = (parts[number].cube(cells.labels[number][0]) for number in (0, 1))
    both = parts[1].cube(np.ones(parts[1].index.size)) > 0
    assert_allclose(first[:, :20, 5:][both], second[both])
    expected = cells.total([part.npred for part in parts])
    assert expected.min() >= 10 - 1e-9
    assert cells.n_cells < npred.sum() / 10 * 3
    # Wide cells.
    wide = make_cells(parts, [Question(everything, {0: ["all"]})], 10, min_width=0.8)
    assert wide.n_cells < cells.n_cells


def test_joint_grid_reaches_beyond_the_first(cube):
    """Datasets that stand out to all sides, one of which lies apart."""
    parts = [
        on_grid(cube, (0, 0)),
        on_grid(cube, (-7, 12), name="b"),
        on_grid(cube, (50, -3), name="c"),
    ]
    (grid,) = common_grids(parts)
    n_energy, n_lat, n_lon = parts[0].shape
    assert grid.shape == (n_energy, n_lat + 15, n_lon + 57)
    starts = [(where[1].start, where[2].start) for where in grid.slices]
    assert starts == [(3, 7), (15, 0), (0, 57)]
    stops = [(where[1].stop, where[2].stop) for where in grid.slices]
    assert stops == [(lat + n_lat, lon + n_lon) for lat, lon in starts]


def test_default_groups(cube):
    npred, used = cube
    edges = default_groups([make_bins(npred, used)])
    assert_allclose(edges.to_value("TeV"), [1, 4, 8, 16, 64])
    used = used & (np.arange(6) > 3)[:, np.newaxis, np.newaxis]
    edges = default_groups([make_bins(npred, used)])
    assert_allclose(edges.to_value("TeV"), [16, 32, 64])
    assert edges.unit == u.TeV


def test_component_region():
    lat, lon = np.indices((41, 41)) - 20
    image = np.exp(-(lat**2 + lon**2) / (2 * 5**2))
    region = component_region(image)
    # 68 percent of a Gaussian are within 1.51 sigma.
    assert_allclose(region.sum(), np.pi * (1.51 * 5) ** 2, rtol=0.03)
    assert_allclose(image[region].sum() / image.sum(), 0.68, atol=0.01)
    ring = ring_around(region)
    assert not (ring & region).any()
    assert_allclose(ring.sum(), 3 * region.sum(), rtol=0.1)
    assert not component_region(0 * image).any()
    assert not ring_around(component_region(0 * image)).any()


@pytest.mark.parametrize("unit", ["TeV", "GeV", "keV"])
def test_names_of_energy_groups(unit):
    spectrum = np.full((6, 1, 1), 20.0)
    part = make_bins(spectrum, spectrum > 0)
    part.axis = MapAxis.from_energy_edges(part.axis.edges.to(unit) / 100)
    names = list(make_questions([], [part])[1].tests.values())
    # keV only where the axis ends below a GeV.
    first = "energy 0.01-0.04 TeV" if unit == "TeV" else "energy 10-40 GeV"
    assert names[0] == [first]
