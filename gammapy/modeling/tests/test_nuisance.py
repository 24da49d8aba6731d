# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import operator
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.fit_table import (
    add_pulls,
    fit_row,
    stack_rows,
    unique_parameter_names,
)
from gammapy.modeling.models import (
    CompoundSpectralModel,
    FoVBackgroundModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.testing import requires_dependency
from gammapy.visualization import plot_nuisance

NUISANCE = ["set 0-bkg.spectral.norm", "set.1-bkg.spectral.norm"]
AMPLITUDE = "src A.spectral.amplitude"


def make_dataset(name, seed):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6)
    axis_true = axis.copy(name="energy_true")
    region = "icrs;circle(0, 0, 0.1)"
    exposure = RegionNDMap.create(region, axes=[axis_true], unit="cm2 s", data=2e13)
    background = RegionNDMap.create(region, axes=[axis], data=30.0)
    dataset = SpectrumDataset(name=name, exposure=exposure, background=background)
    dataset.mask_safe = RegionNDMap.create(region, axes=[axis], dtype=bool, data=True)
    return dataset, np.random.default_rng(seed)


@pytest.fixture()
def datasets():
    """Two datasets, whose names have a space and a dot, with a common source."""
    pairs = [make_dataset("set 0", 0), make_dataset("set.1", 1)]
    datasets = Datasets([pair[0] for pair in pairs])
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    spectrum.index.frozen = True
    source = SkyModel(spectral_model=spectrum, name="src A")
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, *backgrounds])
    for dataset, rng in pairs:
        dataset.counts = RegionNDMap.from_geom(dataset.background.geom)
        dataset.counts.data = rng.poisson(dataset.npred().data)
    return datasets


@pytest.fixture()
def amplitude(datasets):
    parameter = datasets.models["src A"].spectral_model.amplitude
    parameter.scan_values = np.array([0.8, 1.0, 1.3]) * 1e-12
    return parameter


def state(datasets):
    return [
        (par.name, par.value, par.error, par.frozen, par.min, par.max)
        for par in datasets.parameters
    ]


def test_profile_equals_a_scan_by_hand(datasets, amplitude):
    fit = Fit()
    fit.run(datasets)
    before = state(datasets)
    profile = fit.stat_profile(datasets, amplitude, reoptimize=True, debug=True)
    table = profile["nuisance"]
    np.testing.assert_equal(state(datasets), before)

    assert table.colnames[:7] == [
        AMPLITUDE,
        "stat",
        "success",
        "message",
        "nfev",
        "at_limit",
        "undetermined",
    ]
    assert table.colnames[7::3] == NUISANCE
    assert table[AMPLITUDE].unit == "cm-2 s-1 TeV-1"
    for row, value, result in zip(
        table, amplitude.scan_values, profile["fit_results"], strict=True
    ):
        amplitude.value, amplitude.frozen = value, True
        by_hand = Fit().run(datasets)
        assert_allclose(row["stat"], by_hand.total_stat, rtol=1e-6)
        assert row["success"] and row["at_limit"] == ""
        for dataset, name in zip(datasets, NUISANCE, strict=True):
            norm = dataset.background_model.spectral_model.norm
            assert_allclose(row[name], norm.value, rtol=1e-3)
            assert_allclose(row[f"{name}_err"], norm.error, rtol=0.01)
            # The result of each value carries its own errors too.
            own = result.models[f"{dataset.name}-bkg"].spectral_model.norm
            assert_allclose(own.error, row[f"{name}_err"], rtol=1e-6)
    # A larger source leaves less to the background.
    assert np.all(np.diff(table[NUISANCE[0]]) < 0)
    for name in NUISANCE:
        best, error = table.meta["best_fit"][name]
        assert_allclose(table[f"{name}_pull"], (table[name] - best) / error)
    assert table.meta["scan"] == [AMPLITUDE]
    assert set(table.meta["best_fit"]) == {AMPLITUDE, *NUISANCE}


def test_debug_changes_no_value(datasets, amplitude):
    plain = Fit().stat_profile(datasets, amplitude, reoptimize=True)
    debug = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    assert "nuisance" not in plain and "nuisance" in debug
    assert (plain["stat_scan"] == debug["stat_scan"]).all()
    assert list(plain) == list(debug)[:-1]
    off = Fit(debug=True).stat_profile(datasets, amplitude, True, debug=False)
    assert "nuisance" not in off
    no_fit = Fit(debug=True).stat_profile(datasets, amplitude)
    assert "nuisance" not in no_fit and no_fit["fit_results"] == []


def test_rows_are_logged(datasets, amplitude, caplog):
    with caplog.at_level(logging.INFO, logger="gammapy.modeling.scans"):
        Fit().stat_profile(datasets, amplitude, reoptimize=True)
        assert not caplog.records
        Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith(f"stat_profile {AMPLITUDE}=8e-13TeV-1.s-1.cm-2 stat=")
    assert " success=True set 0-bkg.spectral.norm=1.0" in lines[0]
    assert "+-0.0" in lines[0]
    row = caplog.records[0].nuisance
    assert row[AMPLITUDE] == 8e-13 * u.Unit("cm-2 s-1 TeV-1")
    assert row["success"] is True


def test_run_logs_one_line(datasets, caplog):
    with caplog.at_level(logging.INFO, logger="gammapy.modeling.fit"):
        Fit(debug=True).run(datasets)
    (record,) = caplog.records
    assert record.getMessage().startswith("optimize stat=")
    assert f"{AMPLITUDE}=" in record.getMessage()


def test_surface(datasets, amplitude):
    norm = datasets[0].background_model.spectral_model.norm
    norm.scan_values = np.array([0.9, 1.1])
    result = Fit(debug=True).stat_surface(datasets, amplitude, norm, reoptimize=True)
    assert result["stat_scan"].shape == result["fit_results"].shape == (3, 2)
    table = result["nuisance"]
    assert len(table) == 6
    assert table.colnames[:2] == [AMPLITUDE, NUISANCE[0]]
    assert table[NUISANCE[0]].tolist() == [0.9, 1.1] * 3
    assert_allclose(table["stat"], result["stat_scan"].ravel())
    (ax,) = plot_nuisance(table)
    colors = ax.collections[0].get_array()
    assert_allclose(colors, np.reshape(table[NUISANCE[1]], (3, 2)).T)
    plt.close(ax.figure)


def test_scan_of_the_only_free_parameter(datasets, amplitude):
    for dataset in datasets:
        dataset.background_model.spectral_model.norm.frozen = True
    plain = Fit().stat_profile(datasets, amplitude)
    result = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    assert_allclose(result["stat_scan"], plain["stat_scan"])
    assert len(result["fit_results"]) == 3 and result["fit_results"][0].success
    assert result["nuisance"].colnames[-1] == "undetermined"


def test_linked_parameters_appear_once(datasets, amplitude):
    norms = [dataset.background_model.spectral_model for dataset in datasets]
    norms[1].norm = norms[0].norm
    result = Fit(debug=True).stat_profile(datasets, norms[0].norm)
    assert f"{NUISANCE[0]}_scan" in result
    amplitude.scan_n_values = 3
    table = Fit().stat_profile(datasets, amplitude, True, debug=True)["nuisance"]
    assert NUISANCE[0] in table.colnames and NUISANCE[1] not in table.colnames
    assert f"{AMPLITUDE}_scan" in Fit().stat_profile(datasets, amplitude)


def test_parts_of_a_sum_that_share_a_parameter(datasets):
    first, second = PowerLawSpectralModel(), PowerLawSpectralModel()
    second.index = first.index
    spectrum = CompoundSpectralModel(first, second, operator.add)
    models = Models([SkyModel(spectral_model=spectrum, name="sum")])
    names = unique_parameter_names(models)
    assert names[id(second.index)] == "sum.spectral.model1.index"
    assert names[id(second.amplitude)] == "sum.spectral.model2.amplitude"
    assert set(names.values()) <= set(models.parameters_unique_names)


def test_an_overridden_optimize_is_used(datasets, amplitude, caplog):
    calls = []

    class MyFit(Fit):
        def optimize(self, datasets):
            calls.append(1)
            return super().optimize(datasets)

    with caplog.at_level(logging.INFO):
        fit = MyFit(debug=True)
        fit.stat_profile(datasets, amplitude, reoptimize=True)
    assert len(calls) == 3
    # one line per value, none of optimize itself, and the option is as before
    assert len([record for record in caplog.records if "stat=" in record.message]) == 3
    assert fit.debug


def test_failed_fits_keep_their_row(datasets, amplitude):
    options = {"migrad_opts": {"ncall": 1}}
    result = Fit(optimize_opts=options).stat_profile(
        datasets, amplitude, reoptimize=True, debug=True
    )
    table = result["nuisance"]
    assert len(table) == 3
    assert not table["success"].any()
    assert "failed" in table["message"][0]


def test_parameters_at_a_limit_are_named(datasets, amplitude):
    norm = datasets[0].background_model.spectral_model.norm
    norm.min = 1.5
    norm.value = 1.6
    table = Fit().stat_profile(datasets, amplitude, True, debug=True)["nuisance"]
    assert set(table["at_limit"]) == {NUISANCE[0]}


def test_no_error_without_a_covariance(datasets, amplitude):
    fit = Fit(backend="scipy")
    result = fit.stat_profile(datasets, amplitude, reoptimize=True, debug=True)
    assert np.isnan(result["nuisance"][f"{NUISANCE[0]}_err"]).all()
    own = result["fit_results"][0].models["set 0-bkg"].spectral_model.norm
    assert np.isnan(own.error)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_scan_restores_everything(
    datasets, amplitude, error, monkeypatch
):
    before = state(datasets)
    calls = []

    def interrupted(self, parameters=None):
        calls.append(1)
        if len(calls) > 20:
            raise error("stop")
        return 0.1 * len(calls)

    monkeypatch.setattr(SpectrumDataset, "stat_sum", interrupted)
    with pytest.raises(error):
        Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    np.testing.assert_equal(state(datasets), before)


def test_rows_with_different_entries():
    rows = [
        {"stat": 1.0, "message": "a", "x": 1 * u.TeV},
        {"stat": 2.0, "y": 3 * u.m, "n": 1.0},
        {"stat": 3.0, "x": 2 * u.TeV},
    ]
    table = stack_rows(rows)
    assert table["message"].tolist() == ["a", "", ""]
    assert table["x"].unit == "TeV" and table["y"].unit == "m"
    np.testing.assert_equal(table["x"].tolist(), [1, np.nan, 2])
    np.testing.assert_equal(table["n"].tolist(), [np.nan, 1, np.nan])


def test_row_of_no_fit(datasets):
    row = fit_row(datasets.models, message="why")
    assert np.isnan(row["stat"]) and row["success"] is False
    assert row["message"] == "why"
    assert np.isnan(row[f"{NUISANCE[0]}_err"])
    names = unique_parameter_names(datasets.models)
    assert len(names) == len(datasets.parameters)


@pytest.fixture()
def flux_points(datasets):
    estimator = FluxPointsEstimator(
        energy_edges=[1, 3, 10] * u.TeV, source="src A", reoptimize=True, debug=True
    )
    return estimator.run(datasets)


def test_flux_points(datasets, flux_points):
    table = flux_points.nuisance
    assert table.colnames[:5] == ["e_min", "e_max", "e_ref", "stat", "success"]
    assert len(table) == 2
    assert table["success"].all()
    assert_allclose(table["e_min"], flux_points.energy_axis.edges_min.value)
    for name in NUISANCE:
        assert (table[f"{name}_err"] > 0).all()
        # Without the source the background takes its counts.
        assert (table[f"{name}_null"] > table[name]).all()
    for dataset in datasets:
        assert_allclose(
            np.sum(table[f"counts.{dataset.name}"]), dataset.counts.data.sum()
        )
        assert f"npred.{dataset.name}" in table.colnames
    assert_allclose(table["stat"], flux_points.stat.data.ravel())

    plain = FluxPointsEstimator(
        energy_edges=[1, 3, 10] * u.TeV, source="src A", reoptimize=True
    ).run(datasets)
    assert plain.nuisance is None
    assert (plain.norm.data == flux_points.norm.data).all()
    assert (plain.ts.data == flux_points.ts.data).all()
    assert not any("nuisance" in column for column in plain.to_table().colnames)


def test_flux_points_equal_a_fit_by_hand(datasets, flux_points):
    sliced = datasets.slice_by_energy(1 * u.TeV, 3.2 * u.TeV)
    sliced.models = datasets.models.copy()
    Fit(optimize_opts={"backend": "minuit", "tol": 1e-6}).run(sliced)
    row = flux_points.nuisance[0]
    for name, dataset in zip(NUISANCE, sliced, strict=True):
        norm = dataset.background_model.spectral_model.norm
        assert_allclose(row[name], norm.value, rtol=1e-4)
        # The covariance that Migrad leaves is not as good as the Hessian.
        assert_allclose(row[f"{name}_err"], norm.error, rtol=0.05)


def test_pulls_of_flux_points(datasets):
    Fit().run(datasets)
    best = {
        name: dataset.background_model.spectral_model.norm.copy()
        for name, dataset in zip(NUISANCE, datasets, strict=True)
    }
    estimator = FluxPointsEstimator(
        energy_edges=[1, 3, 10] * u.TeV, source="src A", reoptimize=True, debug=True
    )
    table = estimator.run(datasets).nuisance
    for name, norm in best.items():
        error = np.sqrt(table[f"{name}_err"] ** 2 - norm.error**2)
        expected = (table[name] - norm.value) / error
        assert np.isfinite(expected).all()
        assert_allclose(table[f"{name}_pull"], expected, rtol=1e-6)
        # The bins share no events, and their mean is the best fit.
        assert np.prod(np.sign(expected)) == -1


def test_pulls_of_a_part_of_the_data_are_normal():
    """Means of a half and of all of a sample: the pull has the width 1."""
    values = np.random.default_rng(0).normal(size=(4000, 10))
    pulls = []
    for sample in values:
        row = {"norm": sample[:5].mean(), "norm_err": 1 / np.sqrt(5)}
        best_fit = {"norm": (sample.mean(), 1 / np.sqrt(10))}
        pulls.append(add_pulls(row, best_fit, is_part=True)["norm_pull"])
    assert_allclose(np.std(pulls), 1, atol=0.03)
    assert_allclose(np.mean(pulls), 0, atol=0.05)


def test_pulls_need_errors():
    row = {"norm": 1.0, "norm_err": 0.1, "index": 2.0, "index_err": np.nan}
    best_fit = {"norm": (0.9, 0.0), "index": (1.9, 0.1)}
    result = add_pulls(row, best_fit)
    assert list(result)[:3] == ["norm", "norm_err", "norm_pull"]
    assert np.isnan(result["norm_pull"])
    assert_allclose(result["index_pull"], 1)
    assert np.isnan(add_pulls(row, best_fit, is_part=True)["index_pull"])
    assert "norm_pull" not in row


@pytest.mark.parametrize("filename", ["points.fits", "points.ecsv"])
def test_flux_points_survive_files(flux_points, filename, tmp_path):
    flux_points.write(tmp_path / filename)
    read = FluxPoints.read(tmp_path / filename, reference_model=None)
    assert read.nuisance.colnames == flux_points.nuisance.colnames
    for name in read.nuisance.colnames:
        np.testing.assert_equal(
            read.nuisance[name].tolist(), flux_points.nuisance[name].tolist()
        )
        assert read.nuisance[name].unit == flux_points.nuisance[name].unit
    assert_allclose(read.norm.data, flux_points.norm.data)
    # What the pulls compare with, and nothing of it elsewhere.
    best_fit = flux_points.nuisance.meta["best_fit"]
    assert read.nuisance.meta == {"best_fit": best_fit}
    assert set(NUISANCE) < set(best_fit)
    assert all(len(pair) == 2 for pair in best_fit.values())


def test_flux_points_survive_copy_and_slices(flux_points):
    assert flux_points.copy().nuisance is not flux_points.nuisance
    assert len(flux_points.copy().nuisance) == 2
    for key in (slice(1, 2), 1, -1, np.int64(1)):
        sliced = flux_points.slice_by_idx({"energy": key})
        assert len(sliced.nuisance) == 1
        assert sliced.nuisance["e_min"][0] == flux_points.nuisance["e_min"][1]


def test_flux_points_in_processes(datasets, flux_points):
    parallel = FluxPointsEstimator(
        energy_edges=[1, 3, 10] * u.TeV,
        source="src A",
        reoptimize=True,
        debug=True,
        n_jobs=2,
    ).run(datasets)
    for name in NUISANCE:
        assert_allclose(parallel.nuisance[name], flux_points.nuisance[name])


@requires_dependency("ray")
def test_flux_points_in_ray_processes(datasets, flux_points):
    parallel = FluxPointsEstimator(
        energy_edges=[1, 3, 10] * u.TeV,
        source="src A",
        reoptimize=True,
        debug=True,
        n_jobs=2,
        parallel_backend="ray",
    ).run(datasets)
    table = parallel.nuisance
    assert table.colnames == flux_points.nuisance.colnames
    for name in NUISANCE:
        assert_allclose(table[name], flux_points.nuisance[name], rtol=1e-6)


def test_backgrounds_of_the_same_name(datasets):
    backgrounds = [
        FoVBackgroundModel(dataset_name=name, name="bkg") for name in datasets.names
    ]
    with pytest.raises(ValueError, match="unique"):
        datasets.models = Models([datasets.models["src A"], *backgrounds])


@pytest.mark.parametrize("what", ["no counts", "masked"])
def test_profile_with_a_dataset_that_tells_nothing(datasets, amplitude, what):
    if what == "masked":
        mask = datasets[1].counts.copy(data=np.zeros(datasets[1].data_shape, bool))
        datasets[1].mask_fit = mask
    else:
        datasets[1].counts.data[...] = 0
    profile = Fit(debug=True).stat_profile(datasets, amplitude, reoptimize=True)
    table = profile["nuisance"]
    assert len(table) == 3 and np.isfinite(table["stat"]).all()
    alone = Fit(debug=True).stat_profile(datasets[:1], amplitude, reoptimize=True)
    assert_allclose(table[NUISANCE[0]], alone["nuisance"][NUISANCE[0]], rtol=2e-3)
    if what == "masked":
        # Nothing holds its norm: the error says so, or that there is none.
        errors = np.asarray(table[f"{NUISANCE[1]}_err"])
        assert not np.any(errors < 1)


def test_flux_points_outside_the_data_keep_their_row(datasets):
    edges = [0.01, 0.1, 3, 10] * u.TeV
    flux_points = FluxPointsEstimator(
        energy_edges=edges, source="src A", reoptimize=True, debug=True
    ).run(datasets)
    table = flux_points.nuisance
    assert len(table) == 3
    assert not table["success"][0] and table["success"][2]
    assert np.isnan(table[NUISANCE[0]][0])
    assert "contribute" in table["message"][0]


def test_flux_points_with_nothing_refitted(datasets):
    flux_points = FluxPointsEstimator(
        energy_edges=[1, 10] * u.TeV, source="src A", debug=True
    ).run(datasets)
    table = flux_points.nuisance
    assert table["success"].all()
    assert not any(
        column.endswith("_err") or column.endswith("_null") for column in table.colnames
    )


@pytest.mark.parametrize("selection", [None, "all"])
def test_reoptimize_with_nothing_else_free(datasets, selection):
    """It is the same as without, and no error."""
    for dataset in datasets:
        dataset.background_model.spectral_model.norm.frozen = True
    before = state(datasets)
    kwargs = {"energy_edges": [1, 3, 10] * u.TeV, "source": "src A"}
    kwargs["selection_optional"] = selection
    fixed = FluxPointsEstimator(reoptimize=False, **kwargs).run(datasets)
    refitted = FluxPointsEstimator(reoptimize=True, debug=True, **kwargs).run(datasets)
    assert refitted.available_quantities == fixed.available_quantities
    for name in fixed.available_quantities:
        np.testing.assert_equal(refitted[name].data, fixed[name].data, err_msg=name)
    assert refitted.success.data.all()
    assert (refitted.ts.data > 0).all()
    table = refitted.nuisance
    assert len(table) == 2 and table["success"].all() and table["success_null"].all()
    assert_allclose(table["stat_null"], refitted.stat_null.data.ravel())
    assert not any(column.endswith("_err") for column in table.colnames)
    np.testing.assert_equal(state(datasets), before)


CONFIDENCE_BACKENDS = [{"backend": "minuit"}, {"backend": "scipy"}]


def full_state(datasets):
    return [
        (par.name, par.value, par.factor, par.scale, par.error, par.frozen)
        for par in datasets.parameters
    ]


def confidence_records(caplog):
    return [
        record
        for record in caplog.records
        if record.getMessage().startswith("confidence")
    ]


@pytest.mark.parametrize("options", CONFIDENCE_BACKENDS)
def test_ends_of_a_confidence_interval(datasets, amplitude, options, caplog):
    fit = Fit(confidence_opts=options)
    fit.run(datasets)
    # Without bounds scipy looks for the ends within 1e5 errors, and misses one.
    amplitude.min, amplitude.max = -5e-12, 5e-12
    minuit, best_fit = fit._minuit, amplitude.value
    with caplog.at_level(logging.INFO, logger="gammapy.modeling.fit"):
        plain = fit.confidence(datasets, "amplitude", sigma=2)
        assert not confidence_records(caplog)
        before = full_state(datasets)
        fit.debug = True
        debug = fit.confidence(datasets, "amplitude", sigma=2)
    np.testing.assert_equal(debug, plain)
    np.testing.assert_equal(full_state(datasets), before)
    assert fit.debug and fit._minuit is minuit
    records = confidence_records(caplog)
    assert [record.nuisance["end"] for record in records] == ["lower", "upper"]
    assert f"confidence end=lower {AMPLITUDE}=" in records[0].getMessage()
    for record, key, sign in zip(records, ["errn", "errp"], [-1, 1], strict=True):
        row = record.nuisance
        end = best_fit + sign * plain[key]
        assert_allclose(row[AMPLITUDE].value, end, rtol=1e-6)
        # The statistic at the end is 2 sigma above the best fit.
        assert_allclose(row["stat"] - datasets.stat_sum(), 4, rtol=0.02)
        # and the backgrounds are those of a fit with the amplitude fixed there
        amplitude.scan_values = [end]
        profile = Fit().stat_profile(datasets, amplitude, True, debug=True)
        for name in NUISANCE:
            assert_allclose(row[name], profile["nuisance"][name][0], rtol=1e-3)
            assert row[f"{name}_err"] > 0
    lower, upper = (record.nuisance[NUISANCE[0]] for record in records)
    assert lower > datasets[0].background_model.spectral_model.norm.value > upper


def test_confidence_with_the_others_kept(datasets, amplitude, caplog):
    fit = Fit(confidence_opts={"backend": "scipy"}, debug=True)
    fit.run(datasets)
    norm = datasets[0].background_model.spectral_model.norm.value
    with caplog.at_level(logging.INFO, logger="gammapy.modeling.fit"):
        fit.confidence(datasets, amplitude, reoptimize=False)
    rows = [record.nuisance for record in confidence_records(caplog)]
    assert [row[NUISANCE[0]] for row in rows] == [norm, norm]
    assert rows[0]["nfev"] == 1 and "kept" in rows[0]["message"]


def test_an_end_that_was_not_found(datasets, amplitude, caplog):
    fit = Fit(confidence_opts={"backend": "scipy"})
    fit.run(datasets)
    amplitude.max = amplitude.value * 1.0001
    fit.debug = True
    with caplog.at_level(logging.INFO, logger="gammapy.modeling.fit"):
        result = fit.confidence(datasets, amplitude)
    assert np.isnan(result["errp"])
    row = confidence_records(caplog)[-1].nuisance
    assert row["end"] == "upper" and np.isnan(row["stat"]) and not row["success"]
    assert "failed" in row["message"] and NUISANCE[0] not in row


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_confidence_restores_everything(datasets, amplitude, error):
    class Interrupted(Fit):
        ends = 0

        def optimize(self, datasets):
            result = super().optimize(datasets)
            if not self.debug and amplitude.frozen:
                self.ends += 1
                if self.ends == 2:
                    raise error("stop")
            return result

    fit = Interrupted()
    fit.run(datasets)
    before, minuit = full_state(datasets), fit._minuit
    fit.debug = True
    with pytest.raises(error):
        fit.confidence(datasets, amplitude)
    assert fit.ends == 2
    np.testing.assert_equal(full_state(datasets), before)
    assert fit.debug and fit._minuit is minuit
