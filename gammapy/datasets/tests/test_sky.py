# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of large parts of the sky, against separations that astropy computes."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_equal
from scipy.stats import poisson
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleAnnulusSkyRegion, CircleSkyRegion, PolygonSkyRegion
from gammapy.datasets import (
    MapDataset,
    MapDatasetOnOff,
    SpatialResiduals,
    SpectralResiduals,
)
from gammapy.datasets.residuals.dataset_maps import residual_image, residual_map
from gammapy.datasets.residuals.kernels import make_sky_kernel
from gammapy.datasets.residuals.kernels.plane import PlaneKernel
from gammapy.datasets.residuals.kernels.rows import RowKernel
from gammapy.datasets.residuals.sky_geometry import cylinder_of, sky_mask, worst_disc
from gammapy.datasets.residuals.sky_regions import region_mask
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

AXIS = MapAxis.from_energy_edges([1, 10] * u.TeV)
AXIS_TRUE = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy_true")
MU = 5.0


def make_geom(proj="CAR", *, binsz=5, frame="galactic", axes=(AXIS,), **kwargs):
    return WcsGeom.create(proj=proj, binsz=binsz, frame=frame, axes=axes, **kwargs)


def on_sky(geom):
    """Pixels of an image with a coordinate, from those of all pixels."""
    coords = geom.to_image().get_coord()
    return np.isfinite(coords.lon.value) & np.isfinite(coords.lat.value)


def make_noise(geom, seed=0, mu=MU):
    """Counts where there is sky, and the background that makes them."""
    random = np.random.default_rng(seed)
    counts = random.poisson(mu, geom.data_shape) * on_sky(geom)
    background = np.full(geom.data_shape, float(mu))
    return MapDataset(
        counts=Map.from_geom(geom, data=counts.astype(float)),
        background=Map.from_geom(geom, data=background),
    )


def moments_of_noise(mu):
    """Mean and width of the significance of Poisson counts."""
    n = np.arange(1, 200)
    values = np.sign(n - mu) * np.sqrt(2 * (n * np.log(n / mu) - n + mu))
    values = np.append(-np.sqrt(2 * mu), values)
    weights = poisson.pmf(np.arange(200), mu)
    mean = np.sum(weights * values)
    return mean, np.sqrt(np.sum(weights * (values - mean) ** 2))


PROJECTIONS = [
    make_geom("AIT", binsz=2),
    make_geom("MOL", binsz=2, frame="icrs"),
    make_geom("SIN", binsz=1, width=130),
    make_geom("TAN", binsz=1, width=(160, 90), skydir=(30.0, 60.0)),
    make_geom("CAR", binsz=2, width=(400, 220)),
    make_geom("ZEA", binsz=2, width=260),
]


@pytest.mark.parametrize("geom", PROJECTIONS, ids=lambda geom: geom.projection)
def test_pixels_without_sky_are_masked(geom):
    dataset = make_noise(geom)
    residuals = SpatialResiduals.from_datasets(dataset, kernel=None)
    sky = on_sky(geom)
    assert_equal(residuals.mask.data[0], sky)
    for method in ("diff", "significance"):
        assert_equal(np.isnan(residuals.residual(method).data[0]), ~sky)
    row = residuals.distribution()[0]
    assert row["n_trials"] == sky.sum()
    mean, width = moments_of_noise(MU)
    assert_allclose([row["mean"], row["std"]], [mean, width], atol=0.03)


def test_the_width_that_noise_should_have():
    assert_allclose(moments_of_noise(MU), [-0.0805, 1.0199], atol=1e-4)
    geom = PROJECTIONS[0]
    sky = on_sky(geom)
    # Equal areas: the ellipse has all of the sky.
    assert_allclose(sky.mean(), 4 * np.pi * np.rad2deg(1) ** 2 / (360 * 180), atol=0.01)
    for corners in (0, 1):
        dataset = make_noise(geom)
        dataset.background.data[0][~sky] *= corners
        residuals = SpatialResiduals.from_datasets(dataset, kernel=None)
        values = residuals.sqrt_ts.data[0]
        assert_equal(np.isfinite(values), sky)
        assert_allclose(values[sky].std(), 1.02, atol=0.02)
    # What it would be with agreement in the corners.
    assert_allclose(np.nan_to_num(values).std(), 0.818, atol=0.01)


def test_sums_of_pixels_without_sky():
    geom = PROJECTIONS[0]
    dataset = make_noise(geom)
    sky = on_sky(geom)
    table = SpectralResiduals.from_datasets(dataset).to_table()
    assert_allclose(table["npred"], MU * sky.sum())
    for function in (residual_map, residual_image):
        data = function(dataset, "significance").data
        assert_equal(np.isnan(data).squeeze(), ~sky)
    smooth = residual_map(dataset, "diff/model", smooth={"width": "5 deg"}).data[0]
    assert_equal(np.isnan(smooth), ~sky)
    dataset.mask_fit = Map.from_geom(geom, data=np.broadcast_to(~sky, geom.data_shape))
    with pytest.raises(ValueError, match="All bins of the datasets are masked"):
        SpatialResiduals.from_datasets(dataset, kernel=None)


def test_sky_mask_is_none_for_ordinary_maps():
    assert sky_mask(make_geom(binsz=0.1, width=5, skydir=(83.0, 22.0))) is None
    assert sky_mask(make_geom("TAN", binsz=0.1, width=5)) is None
    assert sky_mask(make_geom("CAR")) is None


def brute_force(geom, weight, images, y, x):
    """Weighted sums around pixels, from the separations of all pixels."""
    geom = geom.to_image()
    coords = geom.get_coord().skycoord
    sky = on_sky(geom)
    sums, n_pixels = [], []
    for idx in zip(y, x, strict=True):
        weights = weight(coords.separation(coords[idx]).deg)
        weights = np.where(sky, weights, 0)
        sums.append(np.sum(images * weights, axis=(1, 2)))
        n_pixels.append(weights.sum() ** 2 / np.sum(weights**2))
    return np.transpose(sums), np.array(n_pixels)


CYLINDERS = [
    make_geom(),
    make_geom(skydir=(40.0, 35.0)),
    make_geom("CEA", npix=(72, 22)),
    make_geom("MER", npix=(72, 40)),
    make_geom(npix=(360, 20), binsz=1),
    make_geom(npix=(60, 30), binsz=1, refpix=(30, -60)),
    make_geom(npix=(50, 27), binsz=7.1),
    make_geom(npix=(80, 40)),
]


@pytest.mark.parametrize("geom", CYLINDERS)
@pytest.mark.parametrize("radius", [7.3, 24.3])
def test_discs_of_each_row(geom, radius):
    random = np.random.default_rng(1)
    images = random.poisson(2, (2, *geom.data_shape[1:])) * on_sky(geom).astype(float)
    y, x = np.nonzero(on_sky(geom))
    chosen = random.choice(y.size, 25, replace=False)
    y, x = y[chosen], x[chosen]
    expected, _ = brute_force(geom, lambda sep: sep <= radius, images, y, x)

    kernel = make_sky_kernel("tophat", radius * u.deg, geom.to_image())
    assert isinstance(kernel, RowKernel)
    # Counts stay exact integers, so no tolerance.
    assert_equal(kernel.apply(images)[:, y, x], expected)
    doubled = kernel.apply(images, transform=lambda f: np.expm1(0.3 * f))
    assert_allclose(doubled[:, y, x], np.expm1(0.3) * expected)
    ring, _ = brute_force(geom, lambda sep: (sep <= 31) & (sep > 7.3), images, y, x)
    kernel = RowKernel(cylinder_of(geom), 31, 7.3)
    assert_equal(kernel.apply(images)[:, y, x], ring)


def test_discs_of_each_row_without_rounding():
    """A pixel keeps its value beside others that are 1e17 times brighter."""
    geom = make_geom().to_image()
    kernel = make_sky_kernel("tophat", "15 deg", geom)
    assert isinstance(kernel, RowKernel)
    images = np.full((2, *geom.data_shape), 1e-12)
    images[0, 18, 30] = images[1, 3, 10] = 1e5
    sums = kernel.apply(images)
    center = SkyCoord(*geom.pix_to_coord((30, 18)), frame=geom.frame)
    separations = geom.separation(center)
    far = separations > 15.5 * u.deg
    numbers = kernel.apply(np.ones_like(images))[0]
    assert_allclose(sums[0][far], 1e-12 * numbers[far], rtol=1e-12)
    assert np.all(sums[0][separations < 14.5 * u.deg] >= 1e5)


@pytest.mark.parametrize("geom", CYLINDERS)
def test_gaussians_of_each_row(geom):
    random = np.random.default_rng(2)
    images = random.poisson(2, (2, *geom.data_shape[1:])) * on_sky(geom).astype(float)
    y, x = np.nonzero(on_sky(geom))
    chosen = random.choice(y.size, 25, replace=False)
    y, x = y[chosen], x[chosen]
    kernel = make_sky_kernel("gauss", "7.3 deg", geom.to_image())

    def gauss(separation):
        return np.exp(-0.5 * (separation / 7.3) ** 2) * (separation <= 36.5)

    for transform in (None, np.square, lambda f: np.expm1(-20 * f)):
        result = kernel.apply(images, transform=transform)[:, y, x]
        for idx in range(y.size):
            total = kernel._sums[y[idx]]

            def weight(separation, total=total, transform=transform):
                weights = gauss(separation) / total
                return weights if transform is None else transform(weights)

            expected, _ = brute_force(geom, weight, images, [y[idx]], [x[idx]])
            assert_allclose(result[:, idx], expected[:, 0], rtol=1e-9, atol=1e-12)
    # Where there is nothing within the kernel, there is exactly nothing.
    images[:, :, :] = 0
    images[0, y[0], x[0]] = 1e12 / 3
    coords = geom.to_image().get_coord().skycoord
    far = ~(coords.separation(coords[y[0], x[0]]).deg <= 36.5 + 1e-6)
    assert np.all(kernel.apply(images)[0][far & on_sky(geom)] == 0)


def test_number_of_pixels_in_the_kernel():
    geom = make_geom()
    y = np.arange(geom.data_shape[1])
    one = np.ones((1, *geom.data_shape[1:]))

    def gauss(separation):
        return np.exp(-0.5 * (separation / 8.1) ** 2) * (separation <= 40.5)

    weights = {"tophat": lambda separation: separation <= 8.1, "gauss": gauss}
    for name, weight in weights.items():
        kernel = make_sky_kernel(name, "8.1 deg", geom.to_image())
        _, expected = brute_force(geom, weight, one, y, 0 * y)
        assert_allclose(kernel.n_pixels[:, 0], expected)
    # The sum of a Gaussian is 1 in each row.
    assert_allclose(kernel.apply(one), 1)

    residuals = SpatialResiduals.from_datasets(
        make_noise(geom), kernel="gauss", correlation_radius="8.1 deg"
    )
    n_trials = np.sum(72 / expected)
    table = residuals.distribution()
    assert_allclose(table["n_trials"], n_trials)
    n_correlated = residuals.to_dict()["n_pixels_correlated"]
    assert_allclose(n_correlated, residuals.mask.data.sum() / n_trials)
    north = Map.from_geom(geom.to_image(), data=np.zeros(geom.data_shape[1:], bool))
    north.data[-4:] = True
    some = residuals.distribution(north)["n_trials"]
    assert_allclose(some, np.sum(72 / expected[-4:]))


def test_part_of_a_map():
    """A smaller geometry shows the same, on-off datasets too."""
    geom = make_geom()
    dataset = make_noise(geom)
    part = geom.cutout(SkyCoord(0, 75, unit="deg", frame="galactic"), (100, 28) * u.deg)
    on_off = MapDatasetOnOff.from_map_dataset(
        dataset, acceptance=1, acceptance_off=2, counts_off=dataset.background * 2
    )
    for data in (dataset, on_off):
        whole = SpatialResiduals.from_datasets(data, correlation_radius="8.1 deg")
        some = SpatialResiduals.from_datasets(
            data, correlation_radius="8.1 deg", geom=part
        )
        rows = slice(-part.data_shape[1], None)
        columns = slice(26, 26 + part.data_shape[2])
        assert_equal(some.sqrt_ts.data, whole.sqrt_ts.data[:, rows, columns])
        mask = Map.from_geom(geom.to_image(), data=np.zeros(geom.data_shape[1:], bool))
        mask.data[rows, columns] = True
        n_trials = whole.distribution(mask)["n_trials"]
        assert_allclose(some.distribution()["n_trials"], n_trials)
        assert_allclose(whole.npred.data[0, :, 0], whole.npred.data[0, :, 40])


def test_files_have_the_number_of_pixels(tmp_path):
    residuals = SpatialResiduals.from_datasets(
        make_noise(make_geom()), correlation_radius="8 deg"
    )
    residuals.write(tmp_path / "residuals.fits")
    again = SpatialResiduals.read(tmp_path / "residuals.fits")
    assert_equal(again.distribution()["n_trials"], residuals.distribution()["n_trials"])


def test_ordinary_maps_have_one_kernel():
    """Identical arrays to those in pixels."""
    geoms = [
        make_geom(binsz=0.02, width=5, skydir=(83.6, 22.0)),
        make_geom("TAN", binsz=0.02, width=8, skydir=(83.6, 80.0)),
        make_geom(binsz=0.5, width=(180, 10)),
    ]
    for geom in geoms:
        for name in ("tophat", "gauss"):
            kernel = make_sky_kernel(name, "0.5 deg", geom.to_image())
            assert isinstance(kernel, PlaneKernel)
            assert np.ndim(kernel.n_pixels) == 0


def test_transforms_of_one_kernel():
    geom = make_geom(binsz=0.1, npix=(31, 25)).to_image()
    images = np.random.default_rng(3).poisson(2, (1, 25, 31)).astype(float)

    def transform(weights):
        return np.expm1(0.5 * weights)

    for name in ("tophat", "gauss"):
        kernel = make_sky_kernel(name, "0.2 deg", geom)
        n_y, n_x = kernel.weights.shape
        padded = np.pad(images[0], ((n_y // 2,) * 2, (n_x // 2,) * 2))
        around = padded[8 : 8 + n_y, 9 : 9 + n_x]
        expected = np.sum(around * transform(kernel.weights))
        result = kernel.apply(images, transform)[0, 8, 9]
        assert_allclose(result, expected)
    kernel = make_sky_kernel(None, None, geom)
    assert_allclose(kernel.apply(images, transform), np.expm1(0.5) * images)


def source_counts(geom, lon, lat, sigma=1.5, counts=60):
    coords = geom.to_image().get_coord().skycoord
    position = SkyCoord(lon, lat, unit="deg", frame="galactic")
    image = np.exp(-0.5 * (coords.separation(position).deg / sigma) ** 2)
    image *= geom.to_image().solid_angle().value
    return counts * image / np.nansum(image)


def test_sources_at_the_seam_and_the_poles():
    """The same source has the same counts and significance wherever it is."""
    geom = make_geom(binsz=1)
    solid_angle = geom.to_image().solid_angle().value
    background = 2 * solid_angle / solid_angle.max()
    values = []
    for lon, lat in [(0.5, 0.5), (179.5, 0.5), (180.5, 0.5), (30.5, 80.5), (0.5, 89.5)]:
        counts = background + source_counts(geom, lon, lat)
        dataset = MapDataset(
            counts=Map.from_geom(geom, data=counts[np.newaxis]),
            background=Map.from_geom(geom, data=background[np.newaxis]),
        )
        residuals = SpatialResiduals.from_datasets(dataset, correlation_radius="3 deg")
        y, x = (
            int(indices[0])
            for indices in geom.to_image().coord_to_idx(([lon], [lat]))[::-1]
        )
        values.append([residuals.excess.data[0, y, x], residuals.sqrt_ts.data[0, y, x]])
    # 60 (1 - exp(-2)) counts are within 2 sigma; discs of pixels are a bit ragged.
    excess, sqrt_ts = np.transpose(values)
    assert_allclose(excess, 60 * (1 - np.exp(-2)), rtol=0.03)
    assert_allclose(sqrt_ts, sqrt_ts[0], rtol=0.03)
    assert_allclose(values[1], values[0])
    assert_allclose(values[2], values[0])


def test_noise_on_the_whole_sky():
    """Discs of 5 deg have the same number of counts on all of the sky."""
    geom = make_geom(binsz=2)
    solid_angle = geom.to_image().solid_angle().value
    background = (2 * solid_angle / solid_angle.max())[np.newaxis]
    counts = np.random.default_rng(4).poisson(background).astype(float)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=counts),
        background=Map.from_geom(geom, data=background),
    )
    for kernel in ("tophat", "gauss"):
        residuals = SpatialResiduals.from_datasets(
            dataset, kernel=kernel, correlation_radius="5 deg"
        )
        row = residuals.distribution()[0]
        assert abs(row["mean"]) < 4 * row["mean_err"]
        assert abs(row["std"] - 1) < 4 * row["std_err"]
    sums = SpatialResiduals.from_datasets(dataset, correlation_radius="15 deg")
    # A disc of 15 deg has a solid angle of 2 pi (1 - cos 15 deg).
    expected = 2 * np.pi * (1 - np.cos(np.deg2rad(15))) / np.deg2rad(2) ** 2 * 2
    assert_allclose(sums.npred.data, expected, rtol=0.03)


def warnings_of(caplog):
    lines = [
        record.message for record in caplog.records if record.levelno == logging.WARNING
    ]
    caplog.clear()
    return lines


def test_one_line_where_discs_are_wrong(caplog):
    geom = make_geom("AIT", binsz=2)
    dataset = make_noise(geom)
    SpatialResiduals.from_datasets(dataset, correlation_radius="5 deg")
    (line,) = warnings_of(caplog)
    for words in (
        "Discs of 5 deg in pixels are wrong on the sky",
        "this AIT map",
        "proj='CAR'",
    ):
        assert words in line
    # Without a kernel there is no disc, and where it is right it is right.
    SpatialResiduals.from_datasets(dataset, kernel=None)
    coords = geom.to_image().get_coord().skycoord
    center = SkyCoord(0, 0, unit="deg", frame="galactic")
    near = coords.separation(center).deg < 10
    dataset.mask_fit = Map.from_geom(geom, data=near[np.newaxis])
    SpatialResiduals.from_datasets(dataset, correlation_radius="5 deg")
    assert warnings_of(caplog) == []

    # Nor do CAR maps need one, but for kernels that are given in pixels.
    dataset = make_noise(make_geom())
    SpatialResiduals.from_datasets(dataset, correlation_radius="7 deg")
    assert warnings_of(caplog) == []
    box = Map.create(npix=3, binsz=5)
    box.data += 1
    SpatialResiduals.from_datasets(dataset, kernel=box)
    (line,) = warnings_of(caplog)
    assert "this CAR map" in line
    assert "use 'tophat' or 'gauss'" in line


@pytest.mark.parametrize("lat, error", [(0, 0.0), (18, 0.05), (60, 0.5), (80, 0.83)])
def test_error_of_a_disc_in_a_row(lat, error):
    # In a plate carree map a disc of pixels is narrower by cos(b).
    geom = make_geom(binsz=0.1, npix=(21, 21), refpix=(11, 11 - 10 * lat)).to_image()
    center = np.zeros(geom.data_shape, dtype=bool)
    center[10, 10] = True
    assert_allclose(1 - np.cos(np.deg2rad(lat)), error, atol=0.005)
    assert_allclose(worst_disc(geom, 0.1, center).error, error, atol=0.01)


def make_source(sigma="8 deg"):
    return SkyModel(
        spatial_model=GaussianSpatialModel(sigma=sigma, frame="galactic"),
        spectral_model=PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"),
        name="source",
    )


def with_exposure(dataset):
    geom = dataset.counts.geom.to_image().to_cube([AXIS_TRUE])
    dataset.exposure = Map.from_geom(geom, unit="cm2 s")
    dataset.exposure.data += 1e14
    return dataset


def test_matched_filter_wraps(caplog):
    """What is turned around the sky gives what is turned."""
    geom = make_geom(npix=(72, 6))
    dataset = with_exposure(make_noise(geom))
    source = make_source()
    residuals = SpatialResiduals.from_datasets(dataset, kernel=source)
    assert warnings_of(caplog) == []
    turned = with_exposure(make_noise(geom))
    turned.counts.data = np.roll(dataset.counts.data, 30, axis=2)
    others = SpatialResiduals.from_datasets(turned, kernel=source)
    for name in ("counts", "npred", "sqrt_ts"):
        expected = np.roll(getattr(residuals, name).data, 30, axis=2)
        assert_allclose(getattr(others, name).data, expected, atol=1e-9)
    # All around there is as much of it.
    npred = residuals.npred.data
    assert_allclose(npred, npred[..., :1] * np.ones(72))


def test_matched_filter_far_from_the_equator(caplog):
    dataset = with_exposure(make_noise(make_geom()))
    SpatialResiduals.from_datasets(dataset, kernel=make_source())
    (line,) = warnings_of(caplog)
    assert "matched to a source at the centre of the map" in line
    assert "use 'tophat' or 'gauss'" in line
    # It has the shape that sources have around the centre of the map.
    geom = make_geom(npix=(31, 20), binsz=0.05, refpix=(16, -1200))
    dataset = with_exposure(make_noise(geom))
    SpatialResiduals.from_datasets(dataset, kernel=make_source("0.2 deg"))
    assert warnings_of(caplog) == []


REGIONS = [
    CircleSkyRegion(SkyCoord(179, 3, unit="deg", frame="galactic"), 12 * u.deg),
    CircleSkyRegion(SkyCoord(50, 82, unit="deg", frame="galactic"), 12 * u.deg),
    CircleAnnulusSkyRegion(
        SkyCoord(-178, 50, unit="deg", frame="galactic"), 8 * u.deg, 20 * u.deg
    ),
]


@pytest.mark.parametrize("proj", ["CAR", "AIT"])
@pytest.mark.parametrize("region", REGIONS)
def test_regions_are_those_of_the_sky(proj, region):
    dataset = make_noise(make_geom(proj, binsz=2))
    coords = dataset.counts.geom.to_image().get_coord().skycoord
    separation = coords.separation(region.center)
    inside = separation < getattr(region, "radius", 20 * u.deg)
    if hasattr(region, "inner_radius"):
        inside &= separation >= region.inner_radius
    residuals = SpectralResiduals.from_datasets(dataset, region)
    expected = np.sum(dataset.counts.data[0][inside])
    assert_equal(residuals.to_table()["counts"][0], expected)
    both = SpectralResiduals.from_datasets(dataset, [region, REGIONS[0]])
    near = coords.separation(REGIONS[0].center) < 12 * u.deg
    expected = np.sum(dataset.counts.data[0][inside | near])
    assert_equal(both.to_table()["counts"][0], expected)


def test_other_regions_wrap():
    lon, lat = [170, 190, 190, 170], [-10, -10, 20, 20]
    region = PolygonSkyRegion(SkyCoord(lon, lat, unit="deg", frame="galactic"))
    shifted = PolygonSkyRegion(
        SkyCoord(np.add(lon, 100), lat, unit="deg", frame="galactic")
    )
    geom = make_geom(binsz=2).to_image()
    expected = np.roll(geom.region_mask(shifted).data, 50, axis=1)
    assert expected.sum() == 150
    assert_equal(region_mask(geom, region), expected)


def test_regions_beyond_a_map_that_does_not_close():
    region = REGIONS[0]
    dataset = make_noise(make_geom(npix=(100, 60), binsz=2))
    with pytest.raises(ValueError, match="reaches beyond the maps"):
        SpectralResiduals.from_datasets(dataset, region.copy(radius=80 * u.deg))
    strip = make_noise(make_geom(npix=(180, 10), binsz=2))
    with pytest.raises(ValueError, match="reaches beyond the maps"):
        SpectralResiduals.from_datasets(strip, region)
    SpectralResiduals.from_datasets(strip, region.copy(radius=5 * u.deg))
