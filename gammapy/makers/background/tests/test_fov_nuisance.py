# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
from gammapy.data import GTI
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.fit import CovarianceResult
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
)

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
AXIS_TRUE = AXIS.copy(name="energy_true")
GEOM = WcsGeom.create(skydir=(0, 0), npix=20, binsz=0.1, axes=[AXIS])


def make_dataset(name="test", norm=1.3, obs_id=1, seed=0):
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name=name)
    dataset.psf = dataset.edisp = None
    dataset.background.data += 2.0
    dataset.counts.data = np.random.default_rng(seed).poisson(
        2.0 * norm, GEOM.data_shape
    )
    dataset.mask_safe.data[...] = True
    dataset.gti = GTI.create(0 * u.h, 1 * u.h)
    dataset.meta_table = Table({"TELESCOP": ["HESS"], "OBS_ID": [obs_id]})
    return dataset


def add_source(dataset):
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e13) * u.Unit(
        "cm2 s"
    )
    source = SkyModel(
        PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1"),
        GaussianSpatialModel(sigma="0.3 deg"),
        name="src",
    )
    dataset.models = Models([source, FoVBackgroundModel(dataset_name=dataset.name)])
    return dataset


def test_fit():
    dataset = FoVBackgroundMaker(method="fit", debug=True).run(make_dataset())
    row = FoVBackgroundMaker.nuisance(dataset)[0]
    norm = dataset.background_model.spectral_model.norm
    assert row["dataset"] == "test" and row["obs_id"] == "1" and row["method"] == "fit"
    assert row["success"]
    assert row["norm"] == norm.value and row["norm_err"] == norm.error
    counts = dataset.counts.data.sum()
    assert row["counts_off"] == counts
    assert_allclose(row["npred_off"], counts, rtol=1e-4)
    assert row["n_bins"] == 1600
    # The background is flat, so the fit is this ratio with Poisson errors.
    assert_allclose(row["norm"], counts / 3200, rtol=1e-4)
    assert_allclose(row["norm_err"], np.sqrt(counts) / 3200, rtol=1e-2)
    assert_allclose(row["stat"], dataset.stat_sum())
    table = FoVBackgroundMaker.nuisance(dataset)
    assert table["energy_min"].unit == "TeV"
    assert_allclose([row["energy_min"], row["energy_max"]], [1, 10])


def test_scale_can_be_repeated():
    maker = FoVBackgroundMaker(method="scale")
    dataset = maker.run(maker.run(make_dataset()))
    norm = dataset.background_model.spectral_model.norm
    assert_allclose(norm.value, dataset.counts.data.sum() / 3200)


def test_scale_is_idempotent():
    maker = FoVBackgroundMaker(method="scale", debug=True)
    dataset = maker.run(make_dataset())
    first = FoVBackgroundMaker.nuisance(dataset)["norm", "norm_err", "npred_off"][0]
    dataset = maker.run(dataset)
    second = FoVBackgroundMaker.nuisance(dataset)["norm", "norm_err", "npred_off"]
    assert len(second) == 1
    for name in first.colnames:
        assert_allclose(second[name][0], first[name])
    assert_allclose(first["norm"], dataset.counts.data.sum() / 3200)
    assert_allclose(maker.nuisance(dataset)["stat"][0], dataset.stat_sum())


def test_scale_with_a_source():
    dataset = add_source(make_dataset())
    signal = dataset.npred_signal().data.sum()
    counts = dataset.counts.data.sum()
    assert signal > 100
    FoVBackgroundMaker(method="scale").run(dataset)
    norm = dataset.background_model.spectral_model.norm
    assert_allclose(norm.value, (counts - signal) / 3200)
    assert_allclose(norm.error, np.sqrt(counts) / 3200)


def test_fit_keeps_templates():
    dataset = make_dataset()
    glow = Map.from_geom(GEOM, data=0.5)
    glow.data[0] = 1
    template = TemplateNPredModel(glow, name="glow", datasets_names=["test"])
    template.spectral_model.norm.value, template.spectral_model.norm.error = 0.8, 0.1
    dataset.models = [template, FoVBackgroundModel(dataset_name="test")]
    for fit in (None, Fit("minuit")):
        FoVBackgroundMaker(method="fit", fit=fit).run(dataset)
        norm = template.spectral_model.norm
        assert (norm.value, norm.error, norm.frozen) == (0.8, 0.1, False)
        # The derivative of the statistic by the norm of the background is 0 there.
        norm = dataset.background_model.spectral_model.norm.value
        npred = 2 * norm + 0.8 * glow.data
        slope = (2 * (1 - dataset.counts.data / npred)).sum()
        assert_allclose(slope, 0, atol=0.1)


def test_scale_finds_a_background_model_of_any_name():
    dataset = make_dataset()
    dataset.models = [FoVBackgroundModel(dataset_name="test", name="mine")]
    FoVBackgroundMaker(method="scale").run(dataset)
    norm = dataset.models["mine"].spectral_model.norm
    assert_allclose(norm.value, dataset.counts.data.sum() / 3200)


def test_energy_range():
    dataset = make_dataset()
    dataset.counts.data[:2] *= 3
    dataset.mask_fit = GEOM.energy_mask(energy_max=6 * u.TeV)
    masks = dataset.mask_safe.data.copy(), dataset.mask_fit.data.copy()
    maker = FoVBackgroundMaker(method="fit", energy_min="3 TeV", debug=True)
    row = maker.nuisance(maker.run(dataset))[0]
    assert (dataset.mask_safe.data == masks[0]).all()
    assert (dataset.mask_fit.data == masks[1]).all()
    assert row["counts_off"] == dataset.counts.data[2].sum()
    assert row["n_bins"] == 400
    assert_allclose(row["norm"], dataset.counts.data[2].sum() / 800, rtol=1e-4)
    assert_allclose(row["energy_min"], 10**0.5)

    with pytest.raises(ValueError, match="4.0 TeV is not below energy_max 2.0 TeV"):
        FoVBackgroundMaker(energy_min="4 TeV", energy_max="2 TeV")
    assert "min_counts" in str(maker) and "energy_min" in str(maker)


def test_run_outside_the_energy_range_is_rejected(caplog):
    dataset = FoVBackgroundMaker(energy_min="40 TeV", debug=True).run(make_dataset())
    assert "No bin is inside the masks and the energy range for test" in caplog.text
    row = FoVBackgroundMaker.nuisance(dataset)[0]
    assert not row["success"] and row["n_bins"] == 0
    assert np.isnan(row["energy_min"])
    assert not dataset.mask_safe.data.any() and dataset.mask_fit is None


def test_further_free_parameters():
    model = PowerLawNormSpectralModel()
    model.tilt.frozen = False
    maker = FoVBackgroundMaker(method="fit", spectral_model=model, debug=True)
    with_tilt = maker.run(make_dataset("tilted"))
    table = maker.nuisance(with_tilt)
    assert table["tilt_err"][0] > 0
    # It can be stacked with a run that has other parameters.
    other = FoVBackgroundMaker(method="fit", debug=True).run(make_dataset("other"))
    stacked = Datasets([with_tilt, other]).stack_reduce(name="stacked")
    both = maker.nuisance(stacked)
    np.testing.assert_equal(both["tilt"].tolist(), [table["tilt"][0], np.nan])


def test_a_failed_fit_keeps_what_it_used():
    maker = FoVBackgroundMaker(
        method="fit", fit=Fit(optimize_opts={"migrad_opts": {"ncall": 1}}), debug=True
    )
    dataset = maker.run(make_dataset())
    assert not dataset.mask_safe.data.any()
    row = maker.nuisance(dataset)[0]
    assert not row["success"] and "failed" in row["message"]
    assert row["n_bins"] == 1600 and row["counts_off"] > 0


def test_no_errors_without_a_covariance():
    dataset = make_dataset()
    dataset.models = [FoVBackgroundModel(dataset_name="test")]
    dataset.background_model.spectral_model.norm.error = 0.3  # of an earlier fit
    maker = FoVBackgroundMaker(method="fit", fit=Fit(backend="scipy"), debug=True)
    row = maker.nuisance(maker.run(dataset))[0]
    assert row["success"]
    assert_allclose(row["norm"], dataset.counts.data.sum() / 3200, rtol=1e-3)
    assert np.isnan(row["norm_err"])


class FitWithoutCovariance(Fit):
    def covariance(self, datasets, optimize_result=None):
        result = super().covariance(datasets, optimize_result)
        return CovarianceResult(
            matrix=result.matrix,
            success=False,
            message="Hesse failed",
            backend=result.backend,
            method=result.method,
        )


def test_a_failed_covariance_is_the_reason():
    maker = FoVBackgroundMaker(method="fit", fit=FitWithoutCovariance(), debug=True)
    dataset = maker.run(make_dataset())
    assert not dataset.mask_safe.data.any()
    row = maker.nuisance(dataset)[0]
    assert not row["success"] and row["message"] == "Hesse failed"
    assert np.isnan(row["norm_err"])


def test_overridden_steps_are_called():
    class Maker(FoVBackgroundMaker):
        def make_background_fit(self, dataset):
            dataset.background_model.spectral_model.norm.value = 7
            return dataset

    dataset = Maker(method="fit", debug=True).run(make_dataset())
    assert Maker.nuisance(dataset)["norm"][0] == 7


def test_tilt_follows_the_data():
    model = PowerLawNormSpectralModel()
    model.tilt.frozen = False
    maker = FoVBackgroundMaker(method="fit", spectral_model=model, debug=True)
    table = maker.nuisance(maker.run(make_dataset()))
    assert abs(table["tilt"][0]) < 5 * table["tilt_err"][0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"min_counts": 1e6}, "Only 4157 counts outside exclusion mask"),
        (
            {"min_npred_background": 1e6},
            "Only 3200 background counts outside exclusion mask",
        ),
        ({"exclusion_mask": Map.from_geom(GEOM.to_image(), dtype=bool)}, "No bin is"),
        ({"energy_max": "1.1 TeV"}, "No bin is inside the masks and the energy range"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "scale"])
def test_reasons_of_rejection(options, reason, method):
    maker = FoVBackgroundMaker(method=method, debug=True, **options)
    row = maker.nuisance(maker.run(make_dataset()))[0]
    assert not row["success"] and row["message"].startswith(f"Rejected: {reason}")
    assert row["norm"] == 1 and np.isnan(row["norm_err"]) and np.isnan(row["stat"])


def test_runs_without_counts_or_background_are_rejected():
    empty, dark = make_dataset("empty"), make_dataset("dark")
    empty.counts.data[...] = 0
    dark.background.data[...] = 0
    maker = FoVBackgroundMaker(debug=True)
    table = maker.nuisance([maker.run(empty), maker.run(dark)])
    assert table["message"].tolist() == [
        "Rejected: Only 0 counts outside exclusion mask.",
        "Rejected: Non-finite normalisation value.",
    ]
    assert table["counts_off"].tolist() == [0, dark.counts.data.sum()]


@pytest.mark.parametrize("broken", [None, np.nan, -3.0])
@pytest.mark.parametrize("with_source", [False, True])
def test_sums_are_those_of_the_masked_maps(with_source, broken):
    dataset = make_dataset()
    if with_source:
        add_source(dataset)
    if broken is not None:
        dataset.background.data[1, 3, 4] = broken
    dataset.mask_safe.data[:, :, :2] = False
    total = FoVBackgroundMaker()._make_masked_summed_counts(dataset)
    npred, background = dataset.npred().data, dataset.npred_background().data
    used = dataset.mask.data & ~np.isnan(npred)
    maps = {"counts": dataset.counts.data, "npred": npred, "bkg": background}
    for name, data in maps.items():
        assert_allclose(total[name], data[used].sum(dtype=float), rtol=1e-6)
    assert total["n_bins"] == dataset.mask.data.sum()


def test_rejection_without_safe_mask():
    dataset = make_dataset()
    dataset.mask_safe = None
    FoVBackgroundMaker(min_counts=10**6).run(dataset)
    assert not dataset.mask_safe.data.any()


@pytest.mark.parametrize("with_mask", [True, False])
def test_rejected_runs_keep_a_row(with_mask, caplog):
    dataset = make_dataset()
    if not with_mask:
        dataset.mask_safe = None
    maker = FoVBackgroundMaker(method="fit", min_counts=10**6, debug=True)
    maker.run(dataset)
    assert "Setting mask to False" in caplog.text
    assert not dataset.mask_safe.data.any()
    row = maker.nuisance(dataset)[0]
    assert not row["success"] and "counts outside exclusion mask" in row["message"]
    assert np.isnan(row["norm_err"]) and np.isnan(row["stat"])


def test_stacked_and_not():
    maker = FoVBackgroundMaker(method="fit", debug=True)
    runs = Datasets(
        [maker.run(make_dataset(f"run-{i}", 1 + 0.1 * i, i, i)) for i in range(3)]
    )
    table = maker.nuisance(runs)
    assert table["obs_id"].tolist() == ["0", "1", "2"]
    assert table["dataset"].tolist() == ["run-0", "run-1", "run-2"]

    stacked = runs.stack_reduce(name="stacked")
    other = make_dataset("plain")
    result = maker.nuisance(Datasets([stacked, other]))
    assert result["dataset"].tolist() == ["stacked"] * 3
    assert result["energy_min"].unit == "TeV"
    for name in table.colnames[1:]:
        np.testing.assert_equal(result[name].tolist(), table[name].tolist())
    assert maker.nuisance(other) is None


@pytest.mark.parametrize(
    "meta_table", [None, Table({"OBS_ID": [1, 2, 3]}), Table(names=["OBS_ID"])]
)
def test_meta_tables_of_any_length(meta_table, tmp_path):
    dataset = make_dataset()
    dataset.meta_table = meta_table
    maker = FoVBackgroundMaker(debug=True)
    for _ in range(2):
        maker.run(dataset)
        assert maker.nuisance(dataset)["obs_id"].tolist() == ["test"]
    assert meta_table is None or meta_table.colnames == ["OBS_ID"]
    dataset.write(tmp_path / "test.fits")
    table = maker.nuisance(MapDataset.read(tmp_path / "test.fits"))
    assert table["norm"] == maker.nuisance(dataset)["norm"]


def test_rows_of_runs_stay_when_their_stack_is_normalised():
    maker = FoVBackgroundMaker(debug=True)
    runs = Datasets([maker.run(make_dataset(f"run-{i}", obs_id=i)) for i in range(2)])
    stacked = runs.stack_reduce(name="stacked")
    for _ in range(2):
        maker.run(stacked)
        assert maker.nuisance(stacked)["obs_id"].tolist() == ["0", "1", "stacked"]
    more = maker.run(make_dataset("run-2", obs_id=2))
    stacked.stack(more)
    expected = ["0", "1", "stacked", "2"]
    assert maker.nuisance(stacked)["obs_id"].tolist() == expected


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("stack", [True, False])
def test_written_and_read(stack, lazy, tmp_path):
    model = PowerLawNormSpectralModel()
    model.tilt.frozen = False
    makers = [
        FoVBackgroundMaker(method="fit", spectral_model=model, debug=True),
        FoVBackgroundMaker(method="fit", min_counts=1e6, debug=True),
    ]
    datasets = Datasets(
        [maker.run(make_dataset(f"{i}", obs_id=i)) for i, maker in enumerate(makers)]
    )
    if stack:
        datasets = Datasets([datasets.stack_reduce(name="stacked")])
    datasets.write(tmp_path / "datasets.yaml")
    copied = Datasets.read(tmp_path / "datasets.yaml", lazy=lazy)
    table, expected = (
        FoVBackgroundMaker.nuisance(given) for given in (copied, datasets)
    )
    assert len(table) == 2 and table.colnames == expected.colnames
    for name in table.colnames:
        np.testing.assert_equal(table[name].tolist(), expected[name].tolist())
        assert table[name].unit == expected[name].unit


@pytest.mark.parametrize("method", ["fit", "scale"])
@pytest.mark.parametrize("min_counts", [0, 10**6])
def test_debug_changes_nothing(method, min_counts):
    exclusion_mask = GEOM.to_image().region_mask("icrs;circle(0, 0, 0.3)", inside=False)
    results = []
    for debug in (False, True):
        dataset = add_source(make_dataset())
        dataset.mask_fit = GEOM.energy_mask(energy_max=6 * u.TeV)
        given = {"exclusion_mask": exclusion_mask, "mask_fit": dataset.mask_fit}
        before = {name: image.data.copy() for name, image in given.items()}
        maker = FoVBackgroundMaker(
            method=method,
            exclusion_mask=exclusion_mask,
            min_counts=min_counts,
            energy_min="1.5 TeV",
            debug=debug,
        )
        maker.run(dataset)
        assert dataset.mask_fit is given["mask_fit"]
        assert maker.exclusion_mask is exclusion_mask
        for name, mask in given.items():
            assert mask.data.dtype == bool
            np.testing.assert_array_equal(mask.data, before[name])
        results.append(dataset)

    plain, kept = results
    assert plain.stat_sum() == kept.stat_sum()
    for name in ("value", "error", "frozen", "min", "max"):
        values = [
            [getattr(par, name) for par in result.models.parameters]
            for result in results
        ]
        np.testing.assert_equal(*values)
    for name in ("counts", "background", "exposure", "mask_safe", "mask_fit"):
        maps = [getattr(result, name).data for result in results]
        np.testing.assert_array_equal(*maps)
    assert kept.meta_table.colnames == [
        *plain.meta_table.colnames,
        "nuisance.fov_background",
    ]


def test_without_debug_nothing_is_kept_or_logged(caplog):
    with caplog.at_level(logging.INFO):
        plain = FoVBackgroundMaker(method="fit").run(make_dataset())
        assert plain.meta_table.colnames == ["TELESCOP", "OBS_ID"]
        assert not caplog.records
        debug = FoVBackgroundMaker(method="fit", debug=True).run(make_dataset())
    norms = [
        dataset.background_model.spectral_model.norm.value for dataset in (plain, debug)
    ]
    assert norms[0] == norms[1]
    (record,) = caplog.records
    assert record.getMessage().startswith("fov_background dataset=test obs_id=1 stat=")
    assert " norm=1.299+-0.02" in record.getMessage()
