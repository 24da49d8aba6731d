# Licensed under a 3-clause BSD style license - see LICENSE.rst
import json
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff, SpatialResiduals
from gammapy.datasets.residuals.io import MAPS
from gammapy.datasets.residuals.kernels import label_of
from gammapy.datasets.residuals.kernels.matched_filter import source_stamps
from gammapy.irf import PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import models
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
from gammapy.utils.testing import requires_data

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
GEOM = WcsGeom.create(
    skydir=(30, 20), npix=(30, 24), binsz=0.05, axes=[AXIS], frame="galactic"
)
INDEX_2 = models.PowerLawSpectralModel(index=2)


def make_dataset(name="one", geom=GEOM, sigma=0.1, background=3.0, exposure=1e13):
    """Dataset with a Gaussian PSF; the counts are the background."""
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=sigma * u.deg)
    dataset.edisp = None
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, exposure) * u.cm**2
    dataset.exposure.quantity *= u.s
    dataset.background.data += background
    dataset.counts.data = dataset.background.data.copy()
    dataset.mask_safe.data[...] = True
    return dataset


@pytest.fixture()
def datasets():
    """Two datasets of different responses that overlap in part, one with a mask."""
    cutout = GEOM.cutout(SkyCoord(29.8, 20.1, unit="deg", frame="galactic"), 0.9)
    one = make_dataset()
    two = make_dataset("two", cutout, sigma=0.06, background=1.0, exposure=3e12)
    one.mask_fit = GEOM.energy_mask(energy_min=2 * u.TeV)
    one.mask_safe.data[:, :, :6] = False
    random = np.random.default_rng(0)
    for dataset in (one, two):
        dataset.counts.data = random.poisson(dataset.background.data)
    return Datasets([one, two])


def offset_in(geom, other):
    """Row and column of a geometry where the first pixel of another lies."""
    position = other.to_image().pix_to_coord((0, 0))
    x, y = geom.to_image().coord_to_pix(position)
    return int(np.rint(y.item())), int(np.rint(x.item()))


def filters_by_hand(datasets):
    """Filter of each dataset, s, and the amplitude of a source of 5 sigma."""
    source = models.SkyModel(INDEX_2, models.PointSpatialModel())
    stamps, means = [], []
    for dataset in datasets:
        mask = dataset.mask.data
        used = mask.any(axis=(1, 2))
        stamps.append(np.where(used[:, None, None], source_stamps(dataset, source), 0))
        mean = [
            np.mean(b[m]) if m.any() else 1
            for b, m in zip(dataset.background.data, mask, strict=True)
        ]
        means.append(np.array(mean)[:, None, None])

    def excess_ts(amplitude):
        total = 0
        for s, m in zip(stamps, means, strict=True):
            n = m + amplitude * s
            total += 2 * np.sum(n * np.log(n / m) - n + m)
        return total - 25

    amplitude = brentq(excess_ts, 1e-3, 1e3)
    filters = [
        np.log(1 + amplitude * s / m) for s, m in zip(stamps, means, strict=True)
    ]
    return filters, stamps, amplitude


def flux_by_hand(residuals):
    """Flux of 1e-12 (E / TeV)^-2 cm-2 s-1 TeV-1 in the energy group, in cm-2 s-1."""
    low, high = residuals.energy_axis.edges.to_value("TeV")
    return 1e-12 * (1 / low - 1 / high)


def footprints_by_hand(datasets):
    """Weights, counts and background of all bins that each pixel sees."""
    filters, stamps, _ = filters_by_hand(datasets)
    n_y, n_x = GEOM.data_shape[1:]
    seen = {(y, x): [] for y in range(n_y) for x in range(n_x)}
    for dataset, f, s in zip(datasets, filters, stamps, strict=True):
        r_y, r_x = f.shape[1] // 2, f.shape[2] // 2
        row, column = offset_in(GEOM, dataset.counts.geom)
        padding = ((0, 0), (n_y, n_y), (n_x, n_x))
        mask = np.pad(dataset.mask.data, padding)
        data = [
            np.pad(image.data, padding)
            for image in (dataset.counts, dataset.background)
        ]
        for y, x in seen:
            top, left = n_y + y - row - r_y, n_x + x - column - r_x
            part = np.s_[:, top : top + 2 * r_y + 1, left : left + 2 * r_x + 1]
            used = mask[part]
            seen[y, x].append(
                [f[used], s[used], *(values[part][used] for values in data)]
            )
    norm = sum(np.sum(f * s) for f, s in zip(filters, stamps, strict=True))
    return {k: np.concatenate(v, axis=1) for k, v in seen.items()}, norm


def test_against_sums_by_hand(datasets):
    result = SpatialResiduals.from_datasets(datasets, kernel="point-source")
    mask = result.mask.data[0]
    assert mask.sum() > 400
    seen, norm = footprints_by_hand(datasets)
    maps = {name: map_.data[0] for name, map_ in result._maps.items()}
    for method in ("diff", "diff/sqrt(model)"):
        maps[method] = result.residual(method).data[0]
    flux = flux_by_hand(result)
    assert {result.unit, result.residual("diff").unit} == {u.Unit("cm-2 s-1")}
    for y, x in np.argwhere(mask)[::5]:
        f, s, n, m = seen[y, x]
        expected = {
            "counts": flux * np.sum(f * n) / norm,
            "npred": flux * np.sum(f * m) / norm,
            "variance": flux**2 * np.sum(f**2 * m) / norm**2,
            "coverage": np.sum(f * s) / norm,
            # The flux also where the mask hides a part of the filter.
            "diff": flux * np.sum(f * (n - m)) / np.sum(f * s),
            "diff/sqrt(model)": np.sum(f * (n - m)) / np.sqrt(np.sum(f**2 * m)),
        }
        for name, value in expected.items():
            scale = flux if name in ("counts", "npred", "diff") else 1
            assert_allclose(maps[name][y, x], value, rtol=1e-7, atol=1e-9 * scale)
        sqrt_ts = compute_sqrt_ts_weighted(np.sum(f * n), f, m)
        assert_allclose(maps["sqrt_ts"][y, x], sqrt_ts, atol=1e-3)


def inject(datasets, amplitude, position):
    """Set the counts to the background and a point source, without noise."""
    source = models.SkyModel(
        INDEX_2.copy(), models.PointSpatialModel(frame="galactic"), name="injected"
    )
    source.spatial_model.lon_0.quantity, source.spatial_model.lat_0.quantity = position
    source.spectral_model.amplitude.value *= amplitude
    for dataset in datasets:
        dataset.models = [source]
        dataset.counts = dataset.npred()
        dataset.models = None


def sqrt_ts_of_all(datasets):
    """Significance of counts against the background by the likelihood ratio."""
    ts = 0
    for dataset in datasets:
        n, m = dataset.counts.data, dataset.background.data
        ts += 2 * np.sum(n * np.log(n / m) - n + m)
    return np.sqrt(ts)


@pytest.mark.parametrize(
    "backgrounds",
    [
        [(100, 1, 1)],
        [(1, 0.1, 0.01)],
        [(3, 300, 3)],
        [(50, 50, 50), (0.5, 0.5, 0.5)],
    ],
)
def test_no_significance_is_lost_where_backgrounds_differ(backgrounds):
    """A source that has 5 sigma by the likelihood ratio has 5 in the map."""
    datasets = [
        make_dataset(f"d{idx}", exposure=1e13 / 10**idx)
        for idx, _ in enumerate(backgrounds)
    ]
    for dataset, background in zip(datasets, backgrounds, strict=True):
        dataset.background.data[...] = np.array(background)[:, None, None]
    position = GEOM.to_image().pix_to_coord((12, 14))

    def difference(log_amplitude):
        inject(datasets, np.exp(log_amplitude), position)
        return sqrt_ts_of_all(datasets) - 5

    log_amplitude = brentq(difference, -3, 7, xtol=1e-3)
    inject(datasets, np.exp(log_amplitude), position)
    result = SpatialResiduals.from_datasets(datasets, kernel="point-source")
    image = result.sqrt_ts.data[0]
    assert np.unravel_index(np.argmax(image), image.shape) == (14, 12)
    assert_allclose(image.max(), 5, atol=0.1)
    amplitude = result.excess.data[0, 14, 12] / flux_by_hand(result)
    assert_allclose(amplitude, np.exp(log_amplitude), rtol=0.02)


def test_filter_of_masks_with_weights():
    dataset = make_dataset()
    random = np.random.default_rng(2)
    dataset.counts.data = random.poisson(dataset.background.data)
    dataset.stat_type = "cash_weighted"
    dataset.mask_fit = Map.from_geom(
        GEOM, data=random.choice([0, 0.3, 1], GEOM.data_shape)
    )
    result = SpatialResiduals.from_datasets(dataset, kernel="point-source")
    stamps = source_stamps(
        dataset, models.SkyModel(INDEX_2, models.PointSpatialModel())
    )
    ratio = threshold_amplitude_of(stamps, 3.0) * stamps / 3.0
    r_y, r_x = stamps.shape[1] // 2, stamps.shape[2] // 2
    part = np.s_[:, 12 - r_y : 13 + r_y, 15 - r_x : 16 + r_x]
    f = np.log1p(ratio) * dataset.mask_fit.data[part]
    counts = np.sum(f * dataset.counts.data[part])
    used = f > 0
    expected = compute_sqrt_ts_weighted(counts, f[used], np.full(used.sum(), 3.0))
    assert_allclose(result.sqrt_ts.data[0, 12, 15], expected, atol=1e-3)


def threshold_amplitude_of(stamps, mean):
    def excess_ts(amplitude):
        n = mean + amplitude * stamps
        return 2 * np.sum(n * np.log(n / mean) - n + mean) - 25

    return brentq(excess_ts, 1e-3, 1e3)


def test_next_to_no_background():
    """One count over nothing is 7 sigma, bright neighbours make none."""
    dataset = make_dataset(background=1e-12)
    dataset.counts.data[...] = 0
    dataset.counts.data[1, 12, 15] = 1
    image = SpatialResiduals.from_datasets(dataset, kernel="point-source").sqrt_ts.data
    assert 6.5 < image[0, 12, 15] < 7.4
    assert np.argmax(image) == np.ravel_multi_index((12, 15), GEOM.data_shape[1:])
    assert (image > -1e-3).all() and np.isfinite(image).all()

    dataset.background.data[:, :, :12] = 1e5
    dataset.counts.data = np.random.default_rng(0).poisson(dataset.background.data)
    image = SpatialResiduals.from_datasets(dataset, kernel="point-source").sqrt_ts.data
    assert np.abs(image).max() < 5


@pytest.mark.parametrize("backend", ["multiprocessing"])
def test_processes_give_the_same(datasets, backend):
    one, two = (
        SpatialResiduals.from_datasets(
            datasets, kernel="point-source", n_jobs=n_jobs, parallel_backend=backend
        )
        for n_jobs in (1, 2)
    )
    assert_allclose(one.sqrt_ts.data, two.sqrt_ts.data, rtol=1e-12)


@pytest.mark.parametrize(
    "spatial",
    [
        models.PointSpatialModel(),
        models.GaussianSpatialModel(sigma="0.08 deg"),
        models.DiskSpatialModel(r_0="0.12 deg", frame="galactic"),
    ],
)
def test_excess_is_the_flux(spatial):
    kernel = models.SkyModel(INDEX_2, spatial, name="kernel")
    one, two = make_dataset(), make_dataset("two", sigma=0.05, exposure=4e12)
    position = GEOM.to_image().pix_to_coord((12, 14))
    amplitude = 3.5
    injected = kernel.copy(name="injected")
    injected.spatial_model.frame = "galactic"
    injected.spatial_model.lon_0.quantity = position[0]
    injected.spatial_model.lat_0.quantity = position[1]
    injected.spectral_model.amplitude.value *= amplitude
    for dataset in (one, two):
        dataset.models = [injected]
        dataset.counts = dataset.npred()
        dataset.models = None
    result = SpatialResiduals.from_datasets([one, two], kernel=kernel)
    assert result.kernel == "model" and result.correlation_radius is None
    peak = np.unravel_index(np.argmax(result.excess.data), result.excess.data.shape)
    assert peak == (0, 14, 12)
    flux = amplitude * flux_by_hand(result)
    assert_allclose(result.excess.quantity[peak].to_value("cm-2 s-1"), flux, rtol=0.02)
    # What was passed in has not moved.
    assert kernel.spatial_model.lon_0.value == spatial.lon_0.value == 0


def test_energy_groups_are_filtered_alone(datasets):
    edges = AXIS.edges[[0, 1, 3]]
    both = SpatialResiduals.from_datasets(
        datasets, kernel="point-source", energy_edges=edges
    )
    assert both.counts.data.shape == (2, *GEOM.data_shape[1:])
    high = SpatialResiduals.from_datasets(
        datasets, kernel="point-source", energy_min=edges[1]
    )
    assert_allclose(both.sqrt_ts.data[1], high.sqrt_ts.data[0], atol=1e-9)
    # Each group has the flux between its own edges.
    assert_allclose(both.counts.data[1], high.counts.data[0], rtol=1e-9)
    # Below 2 TeV there is the second dataset alone.
    second = datasets["two"].counts.geom.data_shape
    assert both.mask.data[0].sum() == second[1] * second[2]


def test_uniform_field_stays_uniform_at_borders():
    dataset = make_dataset()
    dataset.mask_safe.data[:, 5:9, :11] = False
    dataset.counts.data = dataset.counts.data + 0.5
    result = SpatialResiduals.from_datasets(dataset, kernel="point-source")
    diff = result.residual("diff/model").data[result.mask.data]
    assert_allclose(diff, 0.5 / 3, rtol=1e-9)


def test_reads_back(tmp_path, datasets):
    residuals = SpatialResiduals.from_datasets(datasets, kernel="point-source")
    residuals.write(tmp_path / "residuals.fits")
    other = SpatialResiduals.read(tmp_path / "residuals.fits")
    assert other.kernel == "point-source"
    assert other.to_dict() == residuals.to_dict()
    assert other.to_dict()["unit"] == "cm-2 s-1"
    assert_array_equal(other.counts.data, residuals.counts.data)
    with fits.open(tmp_path / "residuals.fits") as hdulist:
        units = {name: hdulist[name].header.get("BUNIT") for name in MAPS}
    assert u.Unit(units["counts"]) == u.Unit(units["npred"]) == u.Unit("cm-2 s-1")
    assert u.Unit(units["variance"]) == u.Unit("cm-4 s-2")
    assert units["sqrt_ts"] is units["coverage"] is None


@pytest.mark.parametrize("kernel", ["point-source", "gauss"])
def test_files_in_amplitudes_stay_what_they_are(tmp_path, datasets, kernel, caplog):
    """Files of format 2: arrays without a unit, and a line that says what they are."""
    filename = tmp_path / "residuals.fits"
    SpatialResiduals.from_datasets(datasets, kernel=kernel).write(filename)
    with fits.open(filename, mode="update") as hdulist:
        table = hdulist["RESIDUALS"].data
        meta = json.loads(table["meta"][0]) | {"format": 2}
        for name in MAPS:
            hdulist[name].header["BUNIT"] = ""
        before = hdulist["counts"].data.copy()
        column = Table({"meta": [json.dumps(meta).encode()]})
        hdulist["RESIDUALS"] = fits.BinTableHDU(column, name="RESIDUALS")
    with caplog.at_level("WARNING"):
        old = SpatialResiduals.read(filename)
    unit = {"point-source": "amplitude of the source"}.get(kernel, "counts")
    assert old.unit == "" and old.to_dict()["unit"] == unit
    assert_array_equal(old.counts.data, before)
    in_amplitudes = "units of the amplitude of the source" in caplog.text
    assert in_amplitudes == (kernel == "point-source")
    behind = {"point-source": " [amplitude of a point source]"}
    assert label_of(old) == behind.get(kernel, label_of(old))

    # They are the same when they are written again.
    old.write(filename, overwrite=True)
    with fits.open(filename) as hdulist:
        written = hdulist["counts"].header.get("BUNIT")
    assert written == {"point-source": None}.get(kernel, "count")
    caplog.clear()
    with caplog.at_level("WARNING"):
        again = SpatialResiduals.read(filename)
    assert again.to_dict() == old.to_dict()
    assert ("units of the amplitude of the source" in caplog.text) == in_amplitudes


def read_crab():
    """3FHL around the Crab nebula, and the model of that."""
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    datasets = Datasets.read(
        f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    )
    return datasets, datasets.models["Crab Nebula"]


@requires_data()
def test_flux_with_real_responses():
    """3FHL, the Crab nebula left out of the model: the excess is its flux."""
    datasets, crab = read_crab()
    # In the middle of a pixel, for which the filter is made.
    lon, lat = datasets[0].counts.geom.to_image().pix_to_coord((24, 19))
    spatial = models.PointSpatialModel(lon_0=lon, lat_0=lat, frame="galactic")
    crab.spatial_model = spatial
    datasets[0].counts = datasets[0].npred()
    kernel = models.SkyModel(crab.spectral_model, models.PointSpatialModel())
    edges = datasets[0].counts.geom.axes["energy"].edges[[0, 2, 5]]
    residuals = SpatialResiduals.from_datasets(
        datasets, kernel=kernel, exclude=[crab.name], energy_edges=edges
    )
    for idx, bounds in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        expected = crab.spectral_model.integral(*bounds).to_value("cm-2 s-1")
        excess = residuals.excess.quantity[idx, 19, 24].to_value("cm-2 s-1")
        assert_allclose(excess, expected, rtol=0.03)


@requires_data()
def test_flux_of_a_source_between_wide_pixels():
    """3FHL has the Crab nebula at the corner of four of them: a third is missing."""
    datasets, crab = read_crab()
    datasets[0].counts = datasets[0].npred()
    kernel = models.SkyModel(crab.spectral_model, models.PointSpatialModel())
    residuals = SpatialResiduals.from_datasets(
        datasets, kernel=kernel, exclude=[crab.name]
    )
    bounds = residuals.energy_axis.edges
    expected = crab.spectral_model.integral(*bounds).to_value("cm-2 s-1")
    excess = np.nanmax(residuals.excess.quantity.to_value("cm-2 s-1"))
    assert_allclose(excess / expected, 0.65, atol=0.03)


def test_bad_input():
    dataset = make_dataset()
    dataset.exposure = None
    with pytest.raises(ValueError, match="'one' has no exposure"):
        SpatialResiduals.from_datasets(dataset, kernel="point-source")
    dataset = make_dataset(exposure=0)
    with pytest.raises(ValueError, match="predicts no counts.*'one'"):
        SpatialResiduals.from_datasets(dataset, kernel="point-source")
    for amplitude in (-1e-12, 0, np.nan):
        spectrum = models.PowerLawSpectralModel()
        spectrum.amplitude.value = amplitude
        kernel = models.SkyModel(spectrum, models.PointSpatialModel())
        with pytest.raises(ValueError, match=f"with amplitude {amplitude:.3g}"):
            SpatialResiduals.from_datasets(make_dataset(), kernel=kernel)
    with pytest.raises(ValueError, match="Invalid kernel: 'point'.*'point-source'"):
        SpatialResiduals.from_datasets(make_dataset(), kernel="point")

    template = models.SkyModel(
        INDEX_2, models.TemplateSpatialModel(make_dataset().exposure), name="t"
    )
    with pytest.raises(ValueError, match="'t' has a TemplateSpatialModel"):
        SpatialResiduals.from_datasets(make_dataset(), kernel=template)

    on_off = MapDatasetOnOff.from_map_dataset(
        make_dataset(), acceptance=1, acceptance_off=2
    )
    on_off.counts_off = on_off.counts.copy()
    with pytest.raises(ValueError, match="On-off datasets need the kernel 'tophat'"):
        SpatialResiduals.from_datasets(on_off, kernel="point-source")
