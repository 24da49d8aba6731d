# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of deviation probabilities, against simulations and sums pixel by pixel."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import norm, poisson
import astropy.units as u
from astropy.coordinates import SkyCoord
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
from gammapy.diagnostics import PSMap, PSMapEstimator
from gammapy.irf import PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.testing import requires_data

AXIS = MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=5)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "60 TeV", nbin=8, name="energy_true")
GEOM = WcsGeom.create(skydir=(0, 0), npix=(24, 20), binsz=0.05, axes=[AXIS])
RADII = [0.14, 0.12, 0.1, 0.08, 0.06]


def make_datasets(seed=0):
    """Two datasets, the second a cutout, with masks, a source and a PSF."""
    cutout = GEOM.cutout(SkyCoord(0.2, 0.1, unit="deg"), 0.65 * u.deg)
    random = np.random.default_rng(seed)
    datasets = Datasets()
    for name, geom in (("one", GEOM), ("two", cutout)):
        dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
        # Sizes fall from 0.1 to 0.02 deg, so that each bin has a radius of its own.
        sigma = 0.1 * (AXIS_TRUE.center.to_value("TeV") / 0.5) ** -0.35 * u.deg
        dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=sigma)
        dataset.edisp = None
        dataset.exposure.data += 1e9
        level = AXIS.center.to_value("TeV") ** -1.5
        dataset.background.data += level[:, np.newaxis, np.newaxis]
        dataset.mask_safe.data[...] = random.uniform(size=geom.data_shape) < 0.95
        datasets.append(dataset)
    datasets["one"].mask_fit = GEOM.energy_mask(energy_min=AXIS.edges[1])
    source = SkyModel(
        spatial_model=GaussianSpatialModel(lon_0="0.1 deg", sigma="0.1 deg"),
        spectral_model=PowerLawSpectralModel(amplitude="2e-11 cm-2 s-1 TeV-1"),
        name="src",
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, *backgrounds])
    for dataset in datasets:
        npred = dataset.npred()
        dataset.counts = npred.copy(data=random.poisson(npred.data).astype(float))
    return datasets


@pytest.fixture(scope="module")
def datasets():
    return make_datasets()


@pytest.fixture(scope="module")
def result(datasets):
    return PSMapEstimator().run(datasets)


def spectra_by_hand(datasets, radii, i, j):
    """Counts and model of each energy bin around a pixel of the first dataset."""
    spectra = np.zeros((2, len(radii)))
    for dataset in datasets:
        geom = dataset.counts.geom.to_image()
        x, y = (
            datasets[0].counts.geom.to_image().coord_to_pix(geom.pix_to_coord((0, 0)))
        )
        x, y = int(np.rint(x.item())), int(np.rint(y.item()))
        pixel = geom.pixel_scales[0].to_value("deg")
        rows, columns = np.indices(geom.data_shape)
        distance = pixel * np.hypot(rows + y - j, columns + x - i)
        for idx, radius in enumerate(radii):
            used = distance <= radius * (1 + 1e-9)
            if dataset.mask is not None:
                used &= dataset.mask.data[idx]
            spectra[0, idx] += dataset.counts.data[idx][used].sum()
            spectra[1, idx] += dataset.npred().data[idx][used].sum()
    return spectra


def summed_log_p(counts, mu, step=0.002, cut=60.0):
    """Logarithm of the probability from the distribution itself, on a fine grid.

    It is the arithmetic of Bruel (2021): the probabilities of all numbers of counts of
    a bin, shifted by their logarithms, bin by bin.
    """
    stat = -poisson.logpmf(counts, mu).sum()
    distribution = np.array([1.0])
    for expected in mu:
        numbers = np.arange(int(expected + 12 * np.sqrt(expected * cut) + cut))
        own = -poisson.logpmf(numbers, expected)
        numbers, own = numbers[own < cut], own[own < cut]
        places = np.rint(own / step).astype(int)
        added = np.bincount(places, np.exp(-own))
        size = distribution.size + added.size - 1
        total = np.zeros(size)
        for place in np.flatnonzero(added):
            total[place : place + distribution.size] += added[place] * distribution
        distribution = total
    # Half of what is as large to the rounding of the grid.
    place = int(np.rint(stat / step))
    tail, atom = distribution[place + 9 :].sum(), distribution[place - 8 : place + 9]
    return np.log(tail + atom.sum() / 2), np.log(atom.sum() / 2 + 1e-300)


def test_radii_follow_the_psf(result, datasets):
    energies = AXIS.center
    radii = datasets["one"].psf.containment_radius(0.68, energy_true=energies)
    expected = np.maximum(np.ravel(radii.to_value("deg")), 0.05)
    assert_allclose(result.meta["radii"], expected)
    # 68 percent of a Gaussian on the sky are within 1.51 sigma.
    sigma = 0.1 * (energies.to_value("TeV") / 0.5) ** -0.35
    assert_allclose(result.meta["radii"], np.maximum(1.51 * sigma, 0.05), rtol=0.1)
    assert np.ptp(result.meta["radii"]) > 0.04


def test_spectra_pixel_by_pixel(result, datasets):
    random = np.random.default_rng(1)
    for i, j in random.integers(0, 20, (12, 2)):
        counts, npred = spectra_by_hand(datasets, result.meta["radii"], i, j)
        assert_allclose(result.counts.data[0, j, i], counts.sum())
        assert_allclose(result.npred.data[0, j, i], npred.sum())
        log_p, atom = summed_log_p(counts, npred)
        ps = result.ps.data[0, j, i]
        sign = np.sign(np.sum((counts - npred) / np.sqrt(np.maximum(npred, 1))))
        assert np.sign(ps) in (sign, 0)
        margin = 0.1 + 0.5 * np.exp(atom - log_p)
        assert abs(abs(ps) + log_p / np.log(10)) < margin
        p = 10 ** -abs(ps)
        assert_allclose(abs(result.sigma.data[0, j, i]), norm.isf(p / 2), atol=1e-6)
        used = npred > 0
        ratio = np.maximum(counts, 1) / np.where(used, npred, 1)
        deviance = np.where(used, npred - counts + counts * np.log(ratio), 0)
        energy = result.worst_energy.data[0, j, i]
        assert_allclose(energy, AXIS.center.value[np.argmax(deviance)])


def check_simulations(n_toys, n_places, result, datasets):
    """Share of simulated spectra that are as improbable, at several positions."""
    random = np.random.default_rng(2)
    for i, j in random.integers(2, 18, (n_places, 2)):
        counts, npred = spectra_by_hand(datasets, result.meta["radii"], i, j)
        stat = -poisson.logpmf(counts, npred).sum()
        toys = random.poisson(npred, (n_toys, npred.size))
        simulated = -poisson.logpmf(toys, npred).sum(axis=1)
        larger = np.mean(simulated > stat + 1e-9)
        as_large = np.mean(simulated > stat - 1e-9)
        p = 10 ** -abs(result.ps.data[0, j, i])
        error = 4 * np.sqrt(as_large * (1 - as_large) / n_toys) + 3 / n_toys
        assert larger / 1.1 - error - 0.02 < p < as_large * 1.1 + error + 0.02


def test_few_simulations(result, datasets):
    check_simulations(3_000, 6, result, datasets)


@pytest.mark.long
def test_simulations(result, datasets):
    check_simulations(100_000, 20, result, datasets)


def test_noise_is_uniform_enough():
    """Of the model's own counts the probabilities are those of noise."""
    sigma = [
        PSMapEstimator().run(make_datasets(seed)).sigma.data.ravel() for seed in (1, 2)
    ]
    p = 2 * norm.sf(np.abs(np.concatenate(sigma)))
    # Neighbours share counts, so that there are some hundred independent values.
    assert abs(np.mean(p < 0.5) - 0.5) < 0.1
    assert abs(np.mean(p < 0.1) - 0.1) < 0.05


def test_missing_source_and_crossing_spectra(datasets):
    without = PSMapEstimator(exclude="src").run(datasets)
    row = without.table[0]
    assert without.is_bad and row["name"] == "highest"
    position = SkyCoord(row["lon"], row["lat"], unit="deg")
    assert position.separation(SkyCoord(0.1, 0, unit="deg")).deg < 0.15
    assert "The spectrum does not fit everywhere" in without.verdict
    assert "too many counts" in without.verdict
    # Too much at low energies, too little at high ones: the sum of counts agrees.
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name="crossing")
    dataset.mask_safe.data[...] = True
    dataset.background.data += 2.0
    dataset.counts.data += np.array([3, 3, 2, 1, 1.0])[:, np.newaxis, np.newaxis]
    crossing = PSMapEstimator(radius="0.2 deg").run(dataset)
    middle = np.s_[0, 10, 12]
    assert_allclose(crossing.counts.data[middle], crossing.npred.data[middle])
    assert abs(crossing.sigma.data[middle]) > 7


def test_wide_bins_and_range(datasets):
    edges = AXIS.edges[[0, 2, 5]]
    result = PSMapEstimator(energy_edges=edges, radius="0.1 deg").run(datasets)
    assert_allclose(result.meta["energy_edges"], edges.to_value("TeV"))
    assert_allclose(result.energy_axis.edges, edges[[0, -1]])
    above = PSMapEstimator(energy_min=AXIS.edges[2], radius="0.1 deg").run(datasets)
    counts, _npred = spectra_by_hand(datasets, [0.1] * 5, 12, 10)
    assert_allclose(above.counts.data[0, 10, 12], counts[2:].sum())
    assert_allclose(result.counts.data[0, 10, 12], counts.sum())
    assert result.meta["containment"] is None


def test_nothing_changes_and_order(datasets, result):
    before = [dataset.npred().data.copy() for dataset in datasets]
    other = PSMapEstimator().run(datasets[::-1])
    assert_allclose(other.ps.data, result.ps.data, atol=1e-8)
    for dataset, data in zip(datasets, before, strict=True):
        assert np.array_equal(dataset.npred().data, data)


def test_masked_pixels():
    dataset = make_datasets()["one"]
    dataset.mask_safe.data[:, :, :4] = False
    result = PSMapEstimator().run(dataset)
    for name in ("ps", "sigma", "worst_energy", "counts", "npred"):
        data = getattr(result, name).data[0]
        assert np.isnan(data[:, :4]).all() and np.isfinite(data[:, 6:]).all()


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@requires_data()
def test_galactic_centre(n_places=6):
    """The 3FHL cube of the Galactic centre with its background, without sources."""
    folder = "$GAMMAPY_DATA/fermi-3fhl-gc/fermi-3fhl-gc"
    counts, background = (
        Map.read(f"{folder}-{name}-cube.fits.gz") for name in ("counts", "background")
    )
    axis = counts.geom.axes["energy"]
    counts = Map.from_geom(counts.geom, data=counts.data.astype(float))
    background = Map.from_geom(counts.geom, data=background.data.astype(float))
    dataset = MapDataset(counts=counts, background=background, name="gc")
    dataset.psf = PSFMap.read(f"{folder}-psf-cube.fits.gz", format="gtpsf")
    result = PSMapEstimator(energy_min=axis.edges[0]).run(dataset)
    assert result.is_bad
    radii = result.meta["radii"]
    assert radii[0] > 1.4 * radii[-1]
    # The brightest spot is Sgr A*.
    row = result.table[0]
    position = SkyCoord(row["lon"], row["lat"], unit="deg", frame=counts.geom.frame)
    sgr_a = SkyCoord(359.944, -0.046, unit="deg", frame="galactic")
    assert position.separation(sgr_a).deg < 0.3
    shown = np.argwhere((np.abs(result.ps.data[0]) > 0.5) & (result.ps.data[0] < 12))
    random = np.random.default_rng(3)
    for j, i in shown[random.integers(0, len(shown), n_places)]:
        spectra = spectra_by_hand(Datasets([dataset]), radii, i, j)
        log_p, atom = summed_log_p(*spectra)
        margin = 0.1 + 0.5 * np.exp(atom - log_p)
        ps = result.ps.data[0, j, i]
        assert abs(abs(ps) + log_p / np.log(10)) < margin


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@requires_data()
def test_galactic_centre_at_many_places():
    test_galactic_centre(n_places=60)


def test_write_and_read(result, tmp_path):
    path = tmp_path / "ps.fits"
    result.write(path)
    other = PSMap.read(path)
    for name in ("ps", "sigma", "worst_energy", "counts", "npred"):
        one, two = getattr(result, name), getattr(other, name)
        assert np.array_equal(one.data, two.data, equal_nan=True)
        assert one.unit == two.unit and one.geom == two.geom
    assert other.to_dict() == result.to_dict()
    assert other.models.names == result.models.names
    assert str(other) == str(result)
    with pytest.raises(OSError, match="exists"):
        result.write(path)
    Map.from_geom(GEOM).write(tmp_path / "map.fits")
    with pytest.raises(ValueError, match="has no PSMap"):
        PSMap.read(tmp_path / "map.fits")


def test_drawn(result):
    axes = result.plot(panels=["ps", "sigma", "worst_energy"], vsig=3)
    assert list(axes) == ["ps", "sigma", "worst_energy"]
    data = [ax.images[0].get_array() for ax in axes.values()]
    assert_allclose(data[0].filled(np.nan), result.ps.data[0])
    assert_allclose(data[1].filled(np.nan), result.sigma.data[0])
    assert_allclose(data[2].filled(np.nan), np.log10(result.worst_energy.data[0]))
    assert axes["ps"].images[0].get_clim() == (-6.24, 6.24)
    assert axes["sigma"].images[0].get_clim() == (-3, 3)
    assert "PS" in axes["ps"].get_title()
    plt.close(axes["ps"].figure)
    before = plt.get_fignums()
    with pytest.raises(ValueError, match="panels: got 'pS', did you mean 'ps'"):
        result.plot(panels=["pS"])
    assert plt.get_fignums() == before


BAD_OPTIONS = [
    ({"containment": 1.2}, ValueError, "containment: expected a share below 1"),
    ({"containment": "a"}, TypeError, "containment: expected a number above 0"),
    ({"radius": "1 TeV"}, ValueError, "radius: expected an angle"),
    ({"radius": "0 deg"}, ValueError, "radius: expected a number above 0"),
    ({"sigma_threshold": -1}, ValueError, "sigma_threshold: expected a number above"),
    ({"radii": 1}, TypeError, "no option 'radii', did you mean 'radius'"),
    ({"apply_mask": "no"}, TypeError, "apply_mask: expected True or False"),
]


@pytest.mark.parametrize(("options", "error", "match"), BAD_OPTIONS)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        PSMapEstimator(**options)


def test_bad_datasets():
    dataset = make_datasets()["one"]
    with pytest.raises(ValueError, match="no model named 'x'"):
        PSMapEstimator(exclude=["x"]).run(dataset)
    with pytest.raises(ValueError, match="No energy bin of dataset 'one'"):
        PSMapEstimator(energy_min="90 TeV").run(dataset)
    dataset.psf = None
    with pytest.raises(ValueError, match="Dataset 'one' has no PSF map: set rad"):
        PSMapEstimator().run(dataset)
    dataset.mask_fit = Map.from_geom(GEOM, data=False)
    with pytest.raises(ValueError, match="All bins of the datasets are masked"):
        PSMapEstimator().run(dataset)
    ones = Map.from_geom(GEOM, data=1.0)
    on_off = MapDatasetOnOff.from_map_dataset(
        dataset, acceptance=ones, acceptance_off=ones
    )
    with pytest.raises(ValueError, match="have a measured background"):
        PSMapEstimator().run(on_off)


@pytest.mark.parametrize(("given", "unit"), [(None, "GeV"), ("TeV", "TeV")])
def test_energies_are_in_the_unit_of_the_datasets(given, unit):
    """A map in GeV has no energies in TeV; edges that were asked for do not matter."""
    axis = MapAxis.from_energy_bounds("20 GeV", "2000 GeV", nbin=4)
    geom = WcsGeom.create(npix=6, binsz=0.1, axes=[axis])
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name="one")
    dataset.mask_safe.data[...] = True
    dataset.background.data += 1
    dataset.counts.data[3, 2, 2] = 50
    options = {"radius": "0.1 deg", "energy_unit": given}
    result = PSMapEstimator(**options, energy_min="0.06 TeV").run(dataset)
    assert result.worst_energy.unit == result.table["worst_energy"].unit == unit
    center = axis.center[3].to(unit)
    row = result.table[0]
    assert_allclose(row["worst_energy"], center.value)
    shown = {"GeV": "1120 GeV", "TeV": "1.12 TeV"}[unit]
    assert f"most at {shown}, too many" in result.verdict
    assert result.meta["energy_unit"] == unit
    edges = axis.edges[1:].to_value(unit)
    assert_allclose(result.meta["energy_edges"], edges)
    ax = result.plot()["worst_energy"]
    low, high = ax.images[0].get_clim()
    assert_allclose([low, high], np.log10(edges[[0, -1]]))
    plt.close("all")
