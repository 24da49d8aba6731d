# Licensed under a 3-clause BSD style license - see LICENSE.rst
import copy
import re
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from regions import CircleSkyRegion, PolygonSkyRegion
from gammapy.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpatialResiduals,
    SpectralResiduals,
    SpectrumDataset,
)
from gammapy.maps import HpxGeom, LabelMapAxis, Map, MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
)
from gammapy.stats import WStatCountsStatistic
from gammapy.utils.testing import requires_dependency

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
GEOM = WcsGeom.create(skydir=(0, 0), npix=(40, 30), binsz=0.05, axes=[AXIS])
REGION = "icrs;circle(0.1, 0.1, 0.4)"


def make_model():
    return SkyModel(
        spatial_model=GaussianSpatialModel(lon_0="0.2 deg", sigma="0.2 deg"),
        spectral_model=PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1"),
        name="src",
    )


def make_dataset(name="test", geom=GEOM, seed=0, background=2.0):
    """Dataset with counts drawn from background alone."""
    dataset = MapDataset.create(geom, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = dataset.edisp = None
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e13) * u.Unit(
        "cm2 s"
    )
    dataset.background.data += background
    dataset.counts.data = np.random.default_rng(seed).poisson(
        background, dataset.counts.data.shape
    )
    dataset.mask_safe.data[...] = True
    return dataset


@pytest.fixture()
def datasets():
    """Two datasets that overlap in part, with masks, a source and background models."""
    second = GEOM.cutout(SkyCoord(-0.5, 0.2, unit="deg"), width=0.9 * u.deg)
    datasets = Datasets(
        [make_dataset("one", seed=1), make_dataset("two", second, seed=2)]
    )
    source = make_model()
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, *backgrounds])
    datasets["one"].mask_fit = GEOM.energy_mask(energy_min=1.5 * u.TeV)
    datasets["one"].mask_safe.data[:, :, :4] = False
    return datasets


def disc_sums(arrays, radius):
    """Sum over the pixels of a disc one by one, with no convolution."""
    n_y, n_x = arrays.shape[-2:]
    y, x = np.mgrid[:n_y, :n_x]
    result = np.zeros(arrays.shape)
    for i in range(n_y):
        for j in range(n_x):
            inside = np.hypot(x - j, y - i) <= radius * (1 + 1e-9)
            result[..., i, j] = arrays[..., inside].sum(axis=-1)
    return result


def data_of(values):
    """Array of a map or of an array."""
    return getattr(values, "data", values)


def add_by_hand(datasets, quantity, bins):
    """Masked sum over energies and datasets on the geometry of the first."""
    total = np.zeros(GEOM.data_shape[1:])
    for dataset in datasets:
        data = getattr(dataset, quantity)
        data = data().data if callable(data) else data.data
        mask = dataset.mask.data if dataset.mask is not None else True
        image = np.where(mask, data, 0)[bins].sum(axis=0)
        geom = dataset.counts.geom.to_image()
        # Place it by the sky position of its first pixel.
        x, y = GEOM.to_image().coord_to_pix(geom.pix_to_coord((0, 0)))
        x, y = int(np.rint(x.item())), int(np.rint(y.item()))
        total[y : y + image.shape[0], x : x + image.shape[1]] += image
    return total


def test_joint_map_against_sums_by_hand(datasets):
    result = SpatialResiduals.from_datasets(
        datasets, energy_min="1.7 TeV", correlation_radius="0.16 deg"
    )
    mask = result.mask.data[0]
    assert result.energy_axis.nbin == 1
    assert_allclose(result.energy_axis.edges.value, [10**0.25, 10], rtol=1e-6)
    assert result.counts.geom.data_shape == (1, 30, 40)
    assert not mask[:, :4].any() and mask.any()
    for name, quantity in [("counts", "counts"), ("npred", "npred")]:
        image = add_by_hand(datasets, quantity, slice(1, None))
        expected = disc_sums(image, radius=3.2)
        data = getattr(result, name).data[0]
        assert_allclose(data[mask], expected[mask], rtol=1e-8)
        assert np.isnan(data[~mask]).all()

    n, m = result.counts.data[0][mask], result.npred.data[0][mask]
    expected = np.sign(n - m) * np.sqrt(2 * (n * np.log(n / m) - n + m))
    assert_allclose(result.sqrt_ts.data[0][mask], expected, atol=1e-6)
    assert_allclose(result.excess.data[0][mask], n - m)


def test_order_and_splitting_do_not_matter(datasets):
    options = {"energy_edges": [1, 10**0.5, 10] * u.TeV}
    one = SpatialResiduals.from_datasets(datasets, **options)
    other = SpatialResiduals.from_datasets(datasets[::-1], **options)
    assert one.sqrt_ts.data.shape == (2, 30, 40)
    assert_allclose(one.sqrt_ts.data, other.sqrt_ts.data, atol=1e-10)
    assert one.datasets_names == ["one", "two"]

    # One observation is the sum of its halves.
    halves = []
    for name in ("a", "b"):
        half = make_dataset(name, seed=1)
        half.counts.data = half.counts.data // 2
        half.background.data /= 2
        halves.append(half)
    whole = make_dataset("whole", seed=1)
    whole.counts.data = halves[0].counts.data + halves[1].counts.data
    expected = SpatialResiduals.from_datasets(whole).sqrt_ts.data
    result = SpatialResiduals.from_datasets(halves).sqrt_ts.data
    assert_allclose(result, expected, atol=1e-10)


def test_cutouts_make_the_smallest_common_geometry():
    left = GEOM.cutout(SkyCoord(0.7, 0, unit="deg"), width=0.5 * u.deg)
    right = GEOM.cutout(SkyCoord(-0.5, 0.3, unit="deg"), width=0.4 * u.deg)
    result = SpatialResiduals.from_datasets(
        [make_dataset("left", left), make_dataset("right", right)], kernel=None
    )
    geom = result.counts.geom.to_image()
    for corner in (left, right):
        position = corner.to_image().pix_to_coord((0, 0))
        assert np.isfinite(geom.coord_to_pix(position)).all()
    n_expected = left.to_image().data_shape[0] * left.to_image().data_shape[1]
    n_expected += right.to_image().data_shape[0] * right.to_image().data_shape[1]
    assert result.mask.data.sum() == n_expected
    assert geom.data_shape[0] * geom.data_shape[1] < 30 * 40

    whole = SpatialResiduals.from_datasets(
        [make_dataset("left", left)], kernel=None, geom=GEOM
    )
    assert whole.counts.geom.to_image() == GEOM.to_image()


@pytest.mark.parametrize(
    "backend",
    ["multiprocessing", pytest.param("ray", marks=requires_dependency("ray"))],
)
def test_processes_give_the_same(datasets, backend):
    serial = SpatialResiduals.from_datasets(datasets)
    result = SpatialResiduals.from_datasets(
        datasets, n_jobs=2, parallel_backend=backend
    )
    for name in ("counts", "npred", "sqrt_ts"):
        assert (
            getattr(result, name).data.tobytes() == getattr(serial, name).data.tobytes()
        )


def test_nan_in_the_model_is_masked(datasets):
    datasets[0].background.data[1] = np.nan
    expected = SpatialResiduals.from_datasets(datasets[0], energy_min="3 TeV")
    result = SpatialResiduals.from_datasets(datasets[0], energy_min="1.5 TeV")
    assert_allclose(result.sqrt_ts.data, expected.sqrt_ts.data)


def test_uniform_field_stays_uniform_at_borders():
    dataset = make_dataset(background=3.0)
    dataset.counts.data = np.full(dataset.counts.data.shape, 4)
    dataset.mask_safe.data[:, :, :7] = False
    for kernel in ("tophat", "gauss"):
        result = SpatialResiduals.from_datasets(dataset, kernel=kernel)
        diff = result.residual("diff").data
        assert_allclose(diff[result.mask.data], 4)
        ratio = result.residual("diff/model").data
        assert_allclose(ratio[result.mask.data], 1 / 3)


def test_apply_mask_and_exclude(datasets):
    masked = SpatialResiduals.from_datasets(datasets[0], kernel=None)
    free = SpatialResiduals.from_datasets(datasets[0], kernel=None, apply_mask=False)
    assert np.nansum(free.counts.data) > np.nansum(masked.counts.data)
    assert (free.mask.data == masked.mask.data).all()

    # A source outside mask_fit is in the model of what is looked at there.
    dataset = datasets[0].copy(name="one")
    dataset.models = datasets[0].models
    dataset.mask_fit = Map.from_geom(GEOM, dtype=bool)
    dataset.mask_fit.data[:, :, 33:] = True
    for cls in (SpatialResiduals, SpectralResiduals):
        free = cls.from_datasets(dataset, apply_mask=False)
        dataset.mask_fit, mask_fit = None, dataset.mask_fit
        expected = cls.from_datasets(dataset)
        dataset.mask_fit = mask_fit
        assert_allclose(data_of(free.sqrt_ts), data_of(expected.sqrt_ts), atol=1e-10)

    without = SpatialResiduals.from_datasets(datasets[0], kernel=None, exclude=["src"])
    signal = datasets[0].npred_signal(["src"]).data
    lost = np.nansum(masked.npred.data) - np.nansum(without.npred.data)
    assert_allclose(lost, signal[datasets[0].mask.data].sum())


@pytest.mark.parametrize("kernel", ["tophat", "gauss", None])
def test_noise_is_calibrated(kernel):
    """Width 1 and the mean of the Poisson distribution, for every kernel."""
    geom = WcsGeom.create(skydir=(0, 0), npix=150, binsz=0.05, axes=[AXIS])
    dataset = make_dataset("noise", geom, seed=7, background=30.0)
    row = SpatialResiduals.from_datasets(dataset, kernel=kernel).distribution()[0]
    assert abs(row["mean"]) < 4 * row["mean_err"] + 0.02
    assert abs(row["std"] - 1) < 4 * row["std_err"]
    assert row["n_trials"] <= 150**2


def test_on_off_significance():
    rng = np.random.default_rng(3)
    dataset = MapDatasetOnOff.create(GEOM, energy_axis_true=AXIS_TRUE, name="onoff")
    dataset.counts.data = rng.poisson(3, GEOM.data_shape)
    dataset.counts_off.data = rng.poisson(6, GEOM.data_shape)
    dataset.acceptance.data += 1
    dataset.acceptance_off.data += 2
    dataset.mask_safe.data[...] = True
    result = SpatialResiduals.from_datasets(dataset, correlation_radius="0.1 deg")
    n_on = disc_sums(dataset.counts.data.sum(axis=0), radius=2)
    n_off = disc_sums(dataset.counts_off.data.sum(axis=0), radius=2)
    expected = WStatCountsStatistic(n_on, n_off, 0.5).sqrt_ts
    assert_allclose(result.sqrt_ts.data[0], expected, atol=1e-6)
    assert abs(result.distribution()["std"][0] - 1) < 0.1

    with pytest.raises(ValueError, match="'tophat' or None"):
        SpatialResiduals.from_datasets(dataset, kernel="gauss")
    with pytest.raises(ValueError, match="cannot be joined.*'test'.*'onoff'"):
        SpatialResiduals.from_datasets([make_dataset(), dataset])


def test_on_off_without_off_acceptance_is_masked():
    dataset = MapDatasetOnOff.create(GEOM, energy_axis_true=AXIS_TRUE, name="onoff")
    rng = np.random.default_rng(3)
    dataset.counts.data = rng.poisson(3, GEOM.data_shape)
    dataset.counts_off.data = rng.poisson(6, GEOM.data_shape)
    dataset.acceptance.data += 1
    dataset.acceptance_off.data += 2
    dataset.mask_safe.data[...] = True
    dataset.acceptance_off.data[:, :, ::4] = 0
    result = SpatialResiduals.from_datasets(dataset, kernel=None)
    assert not result.mask.data[0, :, ::4].any()
    assert abs(result.distribution()["mean"][0]) < 0.15

    # A normalised kernel of equal weights is a top-hat.
    kernel = Map.create(npix=5, binsz=0.05)
    sums = []
    for weight in (1, 0.04):
        kernel.data = np.full((5, 5), weight)
        sums.append(SpatialResiduals.from_datasets(dataset, kernel=kernel).sqrt_ts.data)
    assert_allclose(*sums)

    dataset.counts_off = None
    with pytest.raises(ValueError, match="'onoff' has no counts_off"):
        SpatialResiduals.from_datasets(dataset)


def test_gauss_leaves_empty_pixels_empty(caplog):
    dataset = make_dataset()
    dataset.background.data[:, :, 20:] = 0
    dataset.counts.data[:, :, 20:] = 0
    result = SpatialResiduals.from_datasets(
        dataset, kernel="gauss", correlation_radius="0.06 deg"
    )
    assert (result.sqrt_ts.data[:, :, 30:] == 0).all()
    assert np.isfinite(result.sqrt_ts.data).all()
    assert "no model" not in caplog.text


def test_geom_sees_beyond_its_borders(datasets):
    whole = SpatialResiduals.from_datasets(datasets)
    cutout = GEOM.cutout(SkyCoord(0.3, 0.1, unit="deg"), width=0.6 * u.deg)
    part = SpatialResiduals.from_datasets(datasets, geom=cutout)
    assert part.counts.geom.to_image() == cutout.to_image()
    expected = whole.counts.cutout(SkyCoord(0.3, 0.1, unit="deg"), width=0.6 * u.deg)
    assert_allclose(part.counts.data, expected.data)


def test_energy_groups_at_bin_edges(datasets):
    with pytest.raises(ValueError, match="2.5 TeV .* nearest ones are 3.1622777 TeV"):
        SpatialResiduals.from_datasets(datasets, energy_edges=[1, 2.5, 10] * u.TeV)
    residuals = SpatialResiduals.from_datasets(
        datasets, energy_edges=["1 TeV", "3162.27766 GeV", "10 TeV"]
    )
    assert residuals.energy_axis.nbin == 2


def test_weighted_counts():
    """Weights scale counts and their errors, and leave the significance."""
    plain, weighted = make_dataset("plain"), make_dataset("weighted")
    weighted.stat_type = "cash_weighted"
    weighted.mask_fit = Map.from_geom(GEOM, data=np.full(GEOM.data_shape, 0.25))
    tables = [
        SpectralResiduals.from_datasets(dataset).to_table("diff")
        for dataset in (plain, weighted)
    ]
    for name in ("counts", "npred", "residual", "residual_errn", "residual_errp"):
        assert_allclose(tables[1][name], 0.25 * tables[0][name])
    assert_allclose(tables[1]["sqrt_ts"], tables[0]["sqrt_ts"])


def test_spectral_table(datasets):
    result = SpectralResiduals.from_datasets(datasets, REGION)
    table = result.to_table("diff")
    assert table.colnames == [
        "e_min",
        "e_max",
        "e_ref",
        "counts",
        "npred",
        "npred_background",
        "npred_src",
        "residual",
        "residual_errn",
        "residual_errp",
        "sqrt_ts",
    ]
    assert table["e_min"].unit == "TeV"
    counts, npred = np.zeros(4), np.zeros(4)
    for dataset in datasets:
        mask = dataset.counts.geom.to_image().region_mask(REGION).data
        mask = mask & dataset.mask.data
        counts += np.where(mask, dataset.counts.data, 0).sum(axis=(1, 2))
        npred += np.where(mask, dataset.npred().data, 0).sum(axis=(1, 2))
    assert_allclose(table["counts"], counts)
    assert_allclose(table["npred"], npred)
    assert_allclose(table["npred_background"] + table["npred_src"], npred)
    assert_allclose(table["residual"], counts - npred)
    assert (table["residual_errp"] > 0).all()
    assert result.to_table("significance")["residual_errn"].tolist() == [1] * 4


def test_masked_energies_are_gaps(datasets):
    result = SpectralResiduals.from_datasets(datasets[0], REGION)
    assert result.mask.tolist() == [False, True, True, True]
    table = result.to_table("diff/model")
    for name in ("counts", "npred", "residual", "residual_errp", "sqrt_ts"):
        assert np.isnan(table[name][0]) and np.isfinite(table[name][1:]).all()
    assert "energy bins    : 3 of 4" in str(result)


def test_spectrum_dataset_and_map_dataset_agree(datasets):
    dataset = datasets[0]
    dataset.models = None
    spectrum = dataset.to_spectrum_dataset(RegionGeom.create(REGION).region)
    one = SpectralResiduals.from_datasets(dataset, REGION).to_table("significance")
    # to_spectrum_dataset leaves mask_fit behind
    other = SpectralResiduals.from_datasets(spectrum, energy_min="1.5 TeV")
    assert isinstance(spectrum, SpectrumDataset)
    assert_allclose(other.to_table("significance")["residual"], one["residual"])


def test_energy_bins_survive_rounding(datasets):
    edge = AXIS.edges[1] * (1 + 3e-7)
    result = SpectralResiduals.from_datasets(datasets[1], energy_min=edge)
    assert result.mask.tolist() == [False, True, True, True]


BAD_INPUT = [
    ({"energy_min": "5 TeV", "energy_max": "2 TeV"}, "5.0 TeV is not below"),
    ({"energy_min": "50 TeV"}, "No energy bin of dataset 'one'"),
    ({"energy_min": "5 deg"}, "energy_min: expected an energy .*'5 deg'"),
    ({"exclude": ["crab"]}, "no model named 'crab'"),
]


@pytest.mark.parametrize("options, match", BAD_INPUT)
@pytest.mark.parametrize("cls", [SpatialResiduals, SpectralResiduals])
def test_bad_input(cls, options, match, datasets):
    with pytest.raises(ValueError, match=match):
        cls.from_datasets(datasets, **options)


def test_bad_datasets(datasets):
    for cls in (SpatialResiduals, SpectralResiduals):
        with pytest.raises(ValueError, match="at least one dataset"):
            cls.from_datasets([])
        masked = make_dataset("masked")
        masked.mask_safe.data[...] = False
        with pytest.raises(ValueError, match="All bins of the datasets are masked"):
            cls.from_datasets(masked)
        bad = make_dataset("bad")
        bad.counts.data = np.where(bad.counts.data > 4, np.nan, bad.counts.data)
        with pytest.raises(ValueError, match="'bad' has .* not finite"):
            cls.from_datasets(bad)

    shifted = WcsGeom.create(skydir=(0.02, 0), npix=30, binsz=0.05, axes=[AXIS])
    with pytest.raises(ValueError, match=r"\['shifted'\] are not on the pixel grid"):
        SpatialResiduals.from_datasets([datasets[0], make_dataset("shifted", shifted)])
    with pytest.raises(TypeError, match="'spec' is on a RegionGeom"):
        region = RegionGeom.create(REGION).region
        SpatialResiduals.from_datasets(
            datasets[0].to_spectrum_dataset(region, name="spec")
        )
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=5)
    other = WcsGeom.create(skydir=(0, 0), npix=30, binsz=0.05, axes=[axis])
    with pytest.raises(ValueError, match="'other' has the energy edges"):
        SpectralResiduals.from_datasets([datasets[0], make_dataset("other", other)])
    # The second dataset does not reach there, the first does.
    left = SpectralResiduals.from_datasets(datasets, "icrs;circle(0.7, 0, 0.2)")
    assert left.mask.any()
    with pytest.raises(ValueError, match="No pixel of the datasets"):
        SpectralResiduals.from_datasets(datasets, "icrs;circle(40, 0, 0.1)")


def test_a_component_named_background():
    dataset = make_dataset()
    dataset.models = [make_model().copy(name="background")]
    with pytest.raises(ValueError, match="named 'background': rename"):
        SpectralResiduals.from_datasets(dataset)


def snapshot(datasets):
    """Everything in datasets that a user could notice to have changed."""
    state = []
    for dataset in datasets:
        for name in ("counts", "background", "exposure", "mask_safe", "mask_fit"):
            map_ = getattr(dataset, name)
            state.append(None if map_ is None else map_.data.copy())
        state.append(dataset.npred().data.copy())
        state.append(
            [(p.name, p.value, p.error, p.frozen) for p in datasets.parameters]
        )
        state.append(copy.deepcopy(dataset.meta_table))
    return state


def test_nothing_is_changed(datasets):
    before = snapshot(datasets)
    residuals = SpatialResiduals.from_datasets(datasets, exclude=["src"])
    for method in ("diff", "diff/model", "diff/sqrt(model)", "significance"):
        residuals.residual(method)
        SpectralResiduals.from_datasets(datasets, REGION).to_table(method)
    str(residuals), residuals.distribution(), residuals.to_dict()
    np.testing.assert_equal(snapshot(datasets), before)


@pytest.mark.parametrize("kernel", ["tophat", None])
def test_file_round_trip(datasets, kernel, tmp_path):
    datasets.models["src"].spatial_model.lon_0.error = 0.02
    edges = AXIS.edges[[1, 2, 4]]
    residuals = SpatialResiduals.from_datasets(
        datasets, energy_edges=edges, kernel=kernel, exclude=["two-bkg"]
    )
    filename = tmp_path / "residuals.fits"
    residuals.write(filename)
    read = SpatialResiduals.read(filename)
    for name in ("counts", "npred", "npred_background", "excess", "sqrt_ts", "mask"):
        written, map_ = getattr(residuals, name), getattr(read, name)
        assert map_.data.tobytes() == written.data.tobytes()
        assert map_.data.dtype == written.data.dtype
        assert map_.geom == written.geom
    for method in ("diff", "diff/sqrt(model)"):
        assert_allclose(read.residual(method).data, residuals.residual(method).data)
    assert read.to_dict() == residuals.to_dict()
    assert str(read) == str(residuals)
    assert read.models.names == residuals.models.names
    assert read.models["src"].spatial_model.lon_0.error == 0.02

    before = filename.read_bytes()
    with pytest.raises(OSError, match="residuals.fits' exists; overwrite=True"):
        residuals.write(filename)
    assert filename.read_bytes() == before
    read.write(filename, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["residuals.fits"]


def test_read_something_else(datasets, tmp_path):
    filename = tmp_path / "map.fits"
    datasets[0].counts.write(filename)
    with pytest.raises(ValueError, match="map.fits' has no spatial residuals"):
        SpatialResiduals.read(filename)


@pytest.mark.parametrize("filename", ["table.fits", "table.ecsv"])
def test_table_round_trip(datasets, filename, tmp_path):
    table = SpectralResiduals.from_datasets(datasets, REGION).to_table("diff")
    table.write(tmp_path / filename)
    read = Table.read(tmp_path / filename)
    assert read.colnames == table.colnames
    for name in table.colnames:
        np.testing.assert_equal(np.asarray(read[name]), np.asarray(table[name]))
        assert read[name].unit == table[name].unit


def test_distribution_in_a_mask(datasets):
    residuals = SpatialResiduals.from_datasets(datasets[1], kernel=None)
    geom = residuals.mask.geom.to_image()
    mask = Map.from_geom(geom, dtype=bool)
    mask.data[:5] = True
    row = residuals.distribution(mask)[0]
    expected = residuals.sqrt_ts.data[0][:5]
    assert row["n_trials"] == expected.size
    assert_allclose(row["mean"], expected.mean())
    with pytest.raises(ValueError, match="shape"):
        residuals.distribution(Map.create(npix=3, dtype=bool))


def test_bad_regions(datasets):
    for region in ("crab", "circl(0, 0, 1)", 3):
        with pytest.raises(
            ValueError, match=f"Invalid region: {re.escape(repr(region))}"
        ):
            SpectralResiduals.from_datasets(datasets, region)
    for region in ("icrs;circle(0.9, 0, 0.3)", "icrs;circle(0, 0, 3)"):
        with pytest.raises(ValueError, match="reaches beyond the maps of one, two"):
            SpectralResiduals.from_datasets(datasets, region)
    with pytest.raises(ValueError, match="'spec' is a spectrum; a region"):
        spectrum = datasets[0].to_spectrum_dataset(
            RegionGeom.create(REGION).region, name="spec"
        )
        SpectralResiduals.from_datasets(spectrum, REGION)


def test_other_geometries_and_units(datasets):
    geom = HpxGeom.create(nside=8, axes=[AXIS])
    healpix = MapDataset(counts=Map.from_geom(geom), name="hpx")
    with pytest.raises(TypeError, match="'hpx' is on a HpxGeom: make .* on a WcsGeom"):
        SpatialResiduals.from_datasets(healpix)
    with pytest.raises(TypeError, match="'hpx' is on a HpxGeom"):
        SpectralResiduals.from_datasets(healpix)

    rates = make_dataset("rates")
    rates.counts = Map.from_geom(GEOM, unit="s-1")
    for cls in (SpatialResiduals, SpectralResiduals):
        with pytest.raises(ValueError, match="'rates' have the unit '1 / s'"):
            cls.from_datasets(rates)

    # Energies in another unit are the same energies.
    axis = MapAxis.from_energy_edges(AXIS.edges.to("GeV"), name="energy")
    in_gev = make_dataset("gev", GEOM.to_image().to_cube([axis]), seed=3)
    both = [make_dataset("tev"), in_gev]
    counts = both[0].counts.data + in_gev.counts.data
    table = SpectralResiduals.from_datasets(both).to_table()
    assert_allclose(table["counts"], counts.sum(axis=(1, 2)))
    result = SpatialResiduals.from_datasets(both, kernel=None)
    assert_allclose(result.counts.data[0], counts.sum(axis=0))


def test_mixed_statistics():
    on_off = MapDatasetOnOff.from_map_dataset(
        make_dataset(), acceptance=1, acceptance_off=2, name="on-off"
    )
    on_off.counts_off = on_off.counts.copy()
    for cls in (SpatialResiduals, SpectralResiduals):
        with pytest.raises(ValueError, match=r"\['test'\] use cash, \['on-off'\] use"):
            cls.from_datasets([make_dataset(), on_off])


def test_no_models_is_the_background_alone(caplog):
    dataset = make_dataset()
    with caplog.at_level("INFO", logger="gammapy.datasets.residuals.checks"):
        result = SpatialResiduals.from_datasets([dataset], kernel=None)
    assert_allclose(result.npred.data[0], dataset.background.data.sum(axis=0))
    assert [record.message for record in caplog.records] == [
        "No models are set on test: only background."
    ]


def test_nan_of_a_source_is_masked_too(datasets):
    dataset = datasets["two"]
    dataset.exposure.data[:, 5, 6] = np.nan
    result = SpatialResiduals.from_datasets(dataset, kernel=None)
    # Gammapy's own npred() counts it as 0, and the bin stays in.
    assert np.isfinite(dataset.npred().data[:, 5, 6]).all()
    assert not result.mask.data[0, 5, 6] and result.mask.data[0, 5, 7]
    assert result.mask.data.sum() == result.mask.data.size - 1


def test_weighted_and_plain_datasets_together():
    plain, weighted = make_dataset("plain"), make_dataset("weighted", seed=4)
    weighted.stat_type = "cash_weighted"
    weighted.mask_fit = Map.from_geom(GEOM, data=np.full(GEOM.data_shape, 0.5))
    for datasets in ([plain, weighted], [weighted, plain]):
        table = SpectralResiduals.from_datasets(datasets).to_table("diff/sqrt(model)")
        n = plain.counts.data + 0.5 * weighted.counts.data
        m = plain.background.data + 0.5 * weighted.background.data
        variance = plain.background.data + 0.25 * weighted.background.data
        n, m, variance = (array.sum(axis=(1, 2)) for array in (n, m, variance))
        assert_allclose(table["residual"], (n - m) / np.sqrt(variance), rtol=1e-6)
        image = SpatialResiduals.from_datasets(datasets, kernel=None)
        expected = plain.background.data + 0.25 * weighted.background.data
        assert_allclose(image._maps["variance"].data[0], expected.sum(axis=0))


@requires_dependency("ray")
def test_datasets_in_other_processes(datasets):
    from gammapy.datasets.actors import DatasetsActor

    table = SpectralResiduals.from_datasets(datasets, REGION).to_table()
    expected = SpatialResiduals.from_datasets(datasets)
    # The actors take the datasets away.
    actors = DatasetsActor(Datasets(list(datasets)))
    result = SpatialResiduals.from_datasets(actors)
    for name in ("counts", "npred", "sqrt_ts"):
        assert_allclose(getattr(result, name).data, getattr(expected, name).data)
    other = SpectralResiduals.from_datasets(actors, REGION).to_table()
    assert_allclose(other["npred_src"], table["npred_src"])
    one = SpatialResiduals.from_datasets(actors[0])
    assert one.datasets_names == ["one"]


def test_templates_on_another_geometry(datasets):
    dataset = make_dataset("one")
    axis = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    shifted = WcsGeom.create(skydir=(0.02, 0), npix=30, binsz=0.05, axes=[AXIS])
    for geom, match in [
        (GEOM.to_image().to_cube([axis]), "Model 'template' has the energy edges"),
        (shifted, "map of a model is neither on .* 0.02, 0 deg instead"),
    ]:
        template = Map.from_geom(geom, data=np.ones(geom.data_shape))
        dataset.models = [TemplateNPredModel(template, name="template")]
        for cls in (SpatialResiduals, SpectralResiduals):
            with pytest.raises(ValueError, match=match):
                cls.from_datasets(dataset)
    # A part of the grid is fine.
    part = GEOM.cutout(SkyCoord(0.2, 0, unit="deg"), width=0.5 * u.deg)
    template = Map.from_geom(part, data=np.ones(part.data_shape))
    dataset.models = [TemplateNPredModel(template, name="template")]
    npred = SpatialResiduals.from_datasets(dataset, kernel=None).npred
    assert_allclose(npred.data.sum(), 4 * 2 * 40 * 30 + template.data.sum())


def test_a_model_that_is_not_finite_is_named(datasets, caplog):
    amplitude = datasets.models["src"].spectral_model.amplitude
    amplitude.value = np.nan
    with caplog.at_level("WARNING", logger="gammapy.datasets.residuals.planes"):
        SpatialResiduals.from_datasets(datasets["one"], kernel=None)
    assert "not finite in" in caplog.text and "check src" in caplog.text
    background = datasets.models["two-bkg"].spectral_model.norm
    background.value = np.nan
    with pytest.raises(ValueError, match="masked .* or have no finite model"):
        SpatialResiduals.from_datasets(datasets["two"])


def test_no_exposure(datasets):
    dataset = make_dataset("bare")
    dataset.exposure = None
    dataset.models = [make_model()]
    for cls in (SpatialResiduals, SpectralResiduals):
        with pytest.raises(ValueError, match="'bare' has no exposure, which .* 'src'"):
            cls.from_datasets(dataset)
        assert cls.from_datasets(dataset, exclude=[make_model()])


BAD_TYPES = [
    ({"energy_min": "abc"}, "energy_min: expected an energy .* got 'abc'"),
    ({"energy_max": [1, 2] * u.TeV}, "energy_max: expected an energy"),
    ({"energy_edges": "1 TeV"}, "energy_edges: expected two or more"),
    ({"correlation_radius": "abc"}, "correlation_radius: expected an angle .*'abc'"),
    ({"correlation_radius": None}, "correlation_radius: expected an angle .* None"),
    ({"kernel": np.ones((3, 3))}, "Invalid kernel: array"),
    ({"geom": WcsGeom.create(skydir=(40, 0), npix=9, binsz=0.05)}, "pixel grid"),
]


@pytest.mark.parametrize("options, match", BAD_TYPES)
def test_bad_options(options, match, datasets):
    with pytest.raises(ValueError, match=match):
        SpatialResiduals.from_datasets(datasets, **options)


def test_bad_geom(datasets):
    outside = GEOM.to_image().cutout(SkyCoord(0.7, 0.4, unit="deg"), 0.2 * u.deg)
    with pytest.raises(ValueError, match="lies inside geom: two"):
        SpatialResiduals.from_datasets(datasets["two"], geom=outside)
    for geom in (3, HpxGeom.create(nside=8)):
        with pytest.raises(TypeError, match="geom: expected a WcsGeom"):
            SpatialResiduals.from_datasets(datasets, geom=geom)


def test_kernel_maps(datasets):
    def kernel(npix, binsz=0.05, data=1.0):
        geom = WcsGeom.create(npix=npix, binsz=binsz)
        return Map.from_geom(geom, data=np.full(geom.data_shape, data))

    for npix in ((1, 1), (3, 1)):
        result = SpatialResiduals.from_datasets(datasets, kernel=kernel(npix))
        assert result.kernel == "map"
    with pytest.raises(ValueError, match="pixels of the kernel map have the sizes"):
        SpatialResiduals.from_datasets(datasets, kernel=kernel(3, binsz=0.5))
    with pytest.raises(ValueError, match="odd numbers of pixels"):
        SpatialResiduals.from_datasets(datasets, kernel=kernel(4))
    with pytest.raises(ValueError, match="expected finite values, positive or 0"):
        SpatialResiduals.from_datasets(datasets, kernel=kernel(3, data=np.nan))


def test_other_axes(datasets):
    label = LabelMapAxis(labels=["a", "b"], name="event_type")
    geom = GEOM.to_image().to_cube([label, AXIS])
    dataset = MapDataset(counts=Map.from_geom(geom), name="types")
    with pytest.raises(TypeError, match="'types' has the axes .*event_type"):
        SpatialResiduals.from_datasets(dataset)


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_bad_weights(value):
    dataset = make_dataset("weighted")
    dataset.stat_type = "cash_weighted"
    dataset.mask_fit = Map.from_geom(GEOM, data=np.full(GEOM.data_shape, value))
    with pytest.raises(ValueError, match="masks of dataset 'weighted'.* are weights"):
        SpatialResiduals.from_datasets(dataset)


def test_polygons_and_lists_of_regions(datasets):
    vertices = SkyCoord([0, 0.5, 0.5, 0], [-0.2, -0.2, 0.3, 0.3], unit="deg")
    polygon = PolygonSkyRegion(vertices)
    circle = CircleSkyRegion(SkyCoord(-0.4, 0, unit="deg"), 0.2 * u.deg)
    counts = [
        np.nan_to_num(
            SpectralResiduals.from_datasets(datasets, region).to_table()["counts"]
        )
        for region in (polygon, circle, [polygon, circle])
    ]
    assert_allclose(counts[0] + counts[1], counts[2])
    text = "icrs;polygon(0, -0.2, 0.5, -0.2, 0.5, 0.3, 0, 0.3)"
    table = SpectralResiduals.from_datasets(datasets, text).to_table()
    assert_allclose(np.nan_to_num(table["counts"]), counts[0])
    pixels = circle.to_pixel(GEOM.wcs)
    with pytest.raises(TypeError, match="is in pixels"):
        SpectralResiduals.from_datasets(datasets, pixels)


def test_files_are_like_others(datasets, tmp_path):
    residuals = SpatialResiduals.from_datasets(datasets)
    target, link = tmp_path / "target.fits.gz", tmp_path / "link.fits.gz"
    residuals.write(target)
    assert target.read_bytes()[:2] == b"\x1f\x8b"  # compressed
    datasets[0].counts.write(tmp_path / "map.fits")
    assert target.stat().st_mode == (tmp_path / "map.fits").stat().st_mode
    link.symlink_to(target)
    residuals.write(link, overwrite=True)
    assert link.is_symlink()
    assert SpatialResiduals.read(link).to_dict() == residuals.to_dict()
    for bad in (tmp_path, tmp_path / "nowhere" / "x.fits"):
        with pytest.raises(OSError, match="is a folder|a folder that does not exist"):
            residuals.write(bad, overwrite=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"target.fits.gz", "link.fits.gz", "map.fits"}
