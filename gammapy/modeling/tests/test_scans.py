# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from dataclasses import replace
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from gammapy.datasets import Datasets
from gammapy.modeling import Fit, scans
from gammapy.modeling.fit import registry
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.models import FoVBackgroundModel, Models, UniformPrior
from gammapy.modeling.newton import fit_norms
from gammapy.utils import parallel
from gammapy.utils.parallel import multiprocessing_manager
from .test_newton import draw, make_source, make_spectrum

BACKGROUND = "one-bkg.spectral.norm"
TIGHT = {"backend": "minuit", "tol": 1e-4}


@pytest.fixture()
def datasets():
    """Two spectra with a common source, fitted."""
    datasets = Datasets([make_spectrum("one"), make_spectrum("two", background=100)])
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([make_source(), *backgrounds])
    draw(datasets)
    Fit(backend="newton").run(datasets)
    return datasets


@pytest.fixture()
def amplitude(datasets):
    par = datasets.parameters["amplitude"]
    par.scan_values = par.value + par.error * np.array([-2, 0, 1.5])
    return par


@pytest.fixture()
def index(datasets):
    par = datasets.parameters["index"]
    par.scan_values = np.array([1.5, 2.0, 2.5])
    return par


def state(datasets):
    return [(par.value, par.error, par.frozen) for par in datasets.parameters]


def assert_same_scans(scan, expected, atol=2e-4):
    assert_allclose(scan["stat_scan"], expected["stat_scan"], rtol=0, atol=atol)
    results = [np.ravel(profile["fit_results"]) for profile in (scan, expected)]
    for ours, reference in zip(*results, strict=True):
        assert ours.success
        assert_allclose(ours.total_stat, reference.total_stat, rtol=0, atol=atol)
        parameters = [fit.models.parameters for fit in (ours, reference)]
        for par, other in zip(*parameters, strict=True):
            assert par.frozen == other.frozen
            assert_allclose(par.value, other.value, rtol=1e-3, atol=0.01 * other.error)
            # Migrad's covariance is not as good as that of Hesse.
            assert_allclose(par.error, other.error, rtol=0.05)


@pytest.mark.parametrize("reoptimize", [True, False])
def test_profile_is_that_of_minuit(datasets, amplitude, reoptimize, caplog):
    before = state(datasets)
    caplog.set_level(logging.DEBUG)
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=reoptimize)
    assert state(datasets) == before
    assert "stat_profile: backend 'newton', all that varies is norms" in caplog.text
    expected = Fit(optimize_opts=TIGHT).stat_profile(
        datasets, amplitude, reoptimize=reoptimize
    )
    assert list(scan) == list(expected)
    assert_array_equal(scan["src.spectral.amplitude_scan"], amplitude.scan_values)
    assert_same_scans(scan, expected)
    assert len(scan["fit_results"]) == (3 if reoptimize else 0)


def test_surface_is_that_of_minuit(datasets, amplitude):
    norm = datasets.models["two-bkg"].spectral_model.norm
    norm.scan_values = np.array([0.95, 1.1])
    before = state(datasets)
    scan = Fit().stat_surface(datasets, amplitude, norm, reoptimize=True, debug=True)
    assert state(datasets) == before
    expected = Fit(optimize_opts=TIGHT).stat_surface(
        datasets, amplitude, norm, reoptimize=True, debug=True
    )
    assert scan["fit_results"].shape == scan["stat_scan"].shape == (3, 2)
    assert {fit.backend for fit in scan["fit_results"].flat} == {"newton"}
    assert_same_scans(scan, expected)
    tables = [profile["nuisance"] for profile in (scan, expected)]
    assert tables[0].colnames == tables[1].colnames
    assert_allclose(tables[0][BACKGROUND], tables[1][BACKGROUND], rtol=1e-3)
    pulls = [table[f"{BACKGROUND}_pull"] for table in tables]
    assert_allclose(*pulls, atol=0.01)


@pytest.mark.parametrize("backend", [None, "newton"])
def test_scan_of_an_index_with_free_norms(datasets, index, backend, caplog):
    before = state(datasets)
    caplog.set_level(logging.DEBUG)
    scan = Fit(backend).stat_profile(datasets, index, reoptimize=True, debug=True)
    assert state(datasets) == before
    assert "'index' of 'src' is free and not a norm" in caplog.text
    assert "backend 'newton', at each value" in caplog.text
    expected = Fit(optimize_opts=TIGHT).stat_profile(datasets, index, reoptimize=True)
    assert_same_scans(scan, expected)
    assert {fit.backend for fit in scan["fit_results"]} == {"newton"}
    assert np.ptp(scan["nuisance"]["src.spectral.amplitude"]) > 0


def test_scan_with_nothing_else_free(datasets, amplitude):
    datasets.models.freeze()
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=True, debug=True)
    stats = []
    for value in amplitude.scan_values:
        amplitude.value = value
        stats.append(datasets.stat_sum())
    assert_allclose(scan["stat_scan"], stats, rtol=1e-12)
    assert all(scan["nuisance"]["success"])


# --- which backend ---------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"backend": "minuit"},
        {"optimize_opts": {"tol": 0.1}},
        {"covariance_opts": {"backend": "minuit"}},
        {"confidence_opts": {"backend": "scipy"}},
    ],
)
def test_what_is_asked_for_is_taken(datasets, amplitude, options, caplog):
    caplog.set_level(logging.DEBUG)
    fit = Fit(**options)
    assert not fit.is_automatic
    scan = fit.stat_profile(datasets, amplitude, reoptimize=True)
    assert {fit.backend for fit in scan["fit_results"]} == {"minuit"}
    assert "backend 'minuit', the backend or options were given" in caplog.text


def test_default_reads_minuit():
    fit = Fit()
    assert fit.backend == "minuit"
    assert fit.optimize_opts == {"backend": "minuit"}
    assert fit.is_automatic
    # Options count when they are set later, too.
    fit.optimize_opts["strategy"] = 2
    assert not fit.is_automatic
    fit = Fit()
    fit.backend = "scipy"
    assert not fit.is_automatic
    assert Fit.not_asked_for(confidence_opts={"backend": "scipy"}).is_automatic


def test_a_fit_with_its_own_optimiser_is_asked_for():
    class MyFit(Fit):
        def optimize(self, datasets):
            return super().optimize(datasets)

    assert not MyFit().is_automatic


def test_own_optimisers_are_asked_for(monkeypatch):
    class MyFit(Fit):
        def stat_profile(self, *args, **kwargs):
            return super().stat_profile(*args, **kwargs)

    assert not MyFit().is_automatic
    fit = Fit()
    fit.optimize = lambda datasets: None
    assert not fit.is_automatic
    monkeypatch.setitem(registry.register["optimize"], "minuit", lambda: None)
    assert not Fit().is_automatic


def test_trace_is_that_of_minuit(datasets, amplitude):
    fit = Fit(store_trace=True)
    assert not fit.is_automatic
    scan = fit.stat_profile(datasets, amplitude, reoptimize=True)
    assert all(len(fit.trace) > 5 for fit in scan["fit_results"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("reoptimize", [True, False])
def test_scan_values_are_finite(datasets, amplitude, value, reoptimize):
    amplitude.scan_values = np.array([0, value])
    with pytest.raises(ValueError, match="src.spectral.amplitude: expected"):
        Fit().stat_profile(datasets, amplitude, reoptimize=reoptimize)


def test_surface_needs_two_parameters(datasets, amplitude):
    with pytest.raises(ValueError, match="src.spectral.amplitude cannot be scanned ag"):
        Fit().stat_surface(datasets, amplitude, "amplitude")


def test_run_takes_minuit(datasets):
    assert Fit().run(datasets).backend == "minuit"


def test_free_index_without_derivatives_goes_to_minuit(datasets, amplitude, caplog):
    index = datasets.parameters["index"]
    index.frozen, index.prior = False, UniformPrior(min=0, max=5)
    caplog.set_level(logging.DEBUG)
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=True)
    assert {fit.backend for fit in scan["fit_results"]} == {"minuit"}
    assert "'minuit', 'index' of 'src' is free and not a norm" in caplog.text
    with pytest.raises(NotLinearError, match="'index' of 'src' is free"):
        Fit(backend="newton").stat_profile(datasets, amplitude, reoptimize=True)


def test_minuit_goes_on_where_newton_fails(datasets, amplitude, caplog, monkeypatch):
    def fail(templates, **kwargs):
        fit = fit_norms(templates, **kwargs)
        return replace(fit, success=False, message="No convergence.")

    monkeypatch.setattr(scans, "fit_norms", fail)
    caplog.set_level(logging.DEBUG)
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=True)
    assert {fit.backend for fit in scan["fit_results"]} == {"minuit"}
    assert "No convergence." in caplog.text
    assert np.all(np.isfinite(scan["stat_scan"]))
    scan = Fit(backend="newton").stat_profile(datasets, amplitude, reoptimize=True)
    assert not any(fit.success for fit in scan["fit_results"])


def test_equal_components_are_named_once(datasets, amplitude, caplog):
    # The sum of two equal components takes what one of them did.
    twins = [make_source("other", index=3), make_source("twin", index=3)]
    datasets.models = Models([*datasets.models, twins[0]])
    expected = Fit().stat_profile(datasets, amplitude, reoptimize=True)
    datasets.models = Models([*datasets.models, twins[1]])
    for fit in (Fit(), Fit("newton")):
        caplog.clear()
        scan = fit.stat_profile(datasets, amplitude, reoptimize=True, debug=True)
        assert all(fit.success for fit in scan["fit_results"])
        assert_allclose(scan["stat_scan"], expected["stat_scan"], atol=1e-6)
        (record,) = [
            record for record in caplog.records if record.levelname == "WARNING"
        ]
        assert record.getMessage() == (
            "The data do not determine other.spectral.amplitude, "
            "twin.spectral.amplitude: they keep their values, without errors."
        )
        names = "other.spectral.amplitude, twin.spectral.amplitude"
        assert set(scan["nuisance"]["undetermined"]) == {names}
        assert scan["fit_results"][0].undetermined == names.split(", ")


# --- results ---------------------------------------------------------------


def test_models_of_results_are_copies(datasets, amplitude):
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=True, debug=True)
    # They are made when asked for, but show what was fitted then.
    datasets.models["one-bkg"].spectral_model.norm.value = 77
    datasets.parameters["index"].value = 5
    for row, value, result in zip(
        scan["nuisance"], amplitude.scan_values, scan["fit_results"], strict=True
    ):
        models = result.models
        assert models is result.models
        assert models["src"].spectral_model.amplitude.value == value
        assert models["src"].spectral_model.index.value == 2
        assert models["one-bkg"].spectral_model.norm.value == row[BACKGROUND]
        assert models["one-bkg"].spectral_model.norm.error == row[f"{BACKGROUND}_err"]
        assert_allclose(result.parameters["norm"].value, row[BACKGROUND])


def test_linked_norms(datasets, amplitude):
    norms = [datasets.models[f"{name}-bkg"].spectral_model for name in ("one", "two")]
    norms[1].norm = norms[0].norm
    scan = Fit().stat_profile(datasets, amplitude, reoptimize=True)
    expected = Fit(optimize_opts=TIGHT).stat_profile(
        datasets, amplitude, reoptimize=True
    )
    assert_allclose(scan["stat_scan"], expected["stat_scan"], rtol=0, atol=2e-4)
    for result in scan["fit_results"]:
        norms = [
            result.models[f"{name}-bkg"].spectral_model.norm for name in ("one", "two")
        ]
        assert norms[0].value == norms[1].value != 1
        assert norms[0].error == norms[1].error > 0


def test_stat_does_not_depend_on_the_order(datasets, index):
    scans = []
    for values in ([1.5, 2.0, 2.5], [2.5, 2.0, 1.5]):
        index.scan_values = np.array(values)
        scans.append(Fit("minuit").stat_profile(datasets, index, reoptimize=True))
    assert_array_equal(scans[0]["stat_scan"], scans[1]["stat_scan"][::-1])


# --- processes -------------------------------------------------------------


def check_processes(datasets, index, caplog, **options):
    before = state(datasets)
    fit = Fit("minuit", debug=True)
    serial = fit.stat_profile(datasets, index, reoptimize=True)
    lines = [
        record.getMessage()
        for record in caplog.records
        if "stat=" in record.getMessage()
    ]
    caplog.clear()
    scan = fit.stat_profile(datasets, index, reoptimize=True, **options)
    assert state(datasets) == before
    assert list(scan) == list(serial)
    assert_array_equal(scan["stat_scan"], serial["stat_scan"])
    for name in serial["nuisance"].colnames:
        assert_array_equal(scan["nuisance"][name], serial["nuisance"][name])
    assert scan["nuisance"].meta == serial["nuisance"].meta
    for ours, reference in zip(scan["fit_results"], serial["fit_results"], strict=True):
        assert ours.minuit is None
        assert ours.total_stat == reference.total_stat
        for name in ("value", "error"):
            values = [
                [getattr(par, name) for par in fit.models.parameters]
                for fit in (ours, reference)
            ]
            assert_array_equal(*values)
    # The lines come in order, from this process.
    assert len(lines) == 3
    assert lines == [
        record.getMessage()
        for record in caplog.records
        if "stat=" in record.getMessage()
    ]


def test_processes_give_the_same_numbers(datasets, index, caplog):
    caplog.set_level(logging.INFO)
    check_processes(datasets, index, caplog, n_jobs=2)


@pytest.mark.long
def test_processes_of_ray(datasets, index, caplog):
    pytest.importorskip("ray")
    caplog.set_level(logging.INFO)
    check_processes(datasets, index, caplog, n_jobs=2, parallel_backend="ray")


def test_surface_in_processes(datasets, amplitude, index):
    fit = Fit("minuit")
    scans = [
        fit.stat_surface(datasets, amplitude, index, reoptimize=True, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    assert scans[0]["fit_results"].shape == scans[1]["fit_results"].shape == (3, 3)
    assert_array_equal(*[scan["stat_scan"] for scan in scans])


def test_number_of_processes_from_the_manager(datasets, index, monkeypatch):
    asked = []
    run = parallel.run_multiprocessing

    def spy(*args, **kwargs):
        asked.append(kwargs["pool_kwargs"])
        return run(*args, **kwargs)

    monkeypatch.setattr(parallel, "run_multiprocessing", spy)
    with multiprocessing_manager(pool_kwargs={"processes": 2}):
        Fit("minuit").stat_profile(datasets, index, reoptimize=True)
    assert asked == [{"processes": 2}]


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, True])
def test_bad_number_of_processes(datasets, amplitude, n_jobs):
    with pytest.raises((TypeError, ValueError), match="n_jobs: expected a number of"):
        Fit().stat_profile(datasets, amplitude, n_jobs=n_jobs)


def test_bad_parallel_backend(datasets, amplitude):
    with pytest.raises((ValueError, AttributeError), match="threads"):
        Fit().stat_profile(datasets, amplitude, parallel_backend="threads")


def test_progress_bar(datasets, amplitude, index, monkeypatch, capsys):
    monkeypatch.setattr("gammapy.utils.pbar.SHOW_PROGRESS_BAR", True)
    Fit().stat_profile(datasets, amplitude, reoptimize=True)
    Fit("minuit").stat_profile(datasets, index, reoptimize=True)
    shown = capsys.readouterr().err
    assert shown.count("3/3") >= 2
    assert "Scan values" in shown
