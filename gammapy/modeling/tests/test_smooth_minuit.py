# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import (
    draw,
    make_dataset,
    make_gauss,
    make_source,
)
from gammapy.maps import Map
from gammapy.modeling import Fit
from gammapy.modeling.iminuit import optimize_iminuit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    UniformPrior,
)
from gammapy.modeling.tests.test_smooth_fits import errors_from_gradient, free_values

LOGGER = "gammapy.modeling.automatic"


def one_source(n_pixels=12, **kwargs):
    """A bright source on a background, half an error from the truth."""
    datasets = Datasets([make_dataset("one", n_pixels=n_pixels)])
    background = FoVBackgroundModel(dataset_name="one")
    datasets.models = Models([make_source("src", make_gauss(**kwargs)), background])
    draw(datasets)
    for name in ("lat_0", "sigma"):
        datasets.parameters[name].frozen = True
    datasets.parameters["lon_0"].value += 0.02
    datasets.parameters["amplitude"].value *= 1.1
    return datasets


def background_only(counts=1.2):
    """Counts and background whose norm has a best value and error in closed form."""
    datasets = Datasets([make_dataset("one", n_pixels=10)])
    datasets.models = Models([FoVBackgroundModel(dataset_name="one")])
    datasets[0].counts.data = np.round(counts * 10 * datasets[0].background.data)
    return datasets


def free_errors(datasets):
    return np.array([par.error for par in datasets.parameters.free_parameters])


class CountedCalls:
    """A method that counts its calls."""

    def __init__(self, monkeypatch, instance, name):
        self.n_calls = 0
        self.method = getattr(instance, name)
        monkeypatch.setattr(type(instance), name, lambda *args: self(*args[1:]))

    def __call__(self, *args):
        self.n_calls += 1
        return self.method(*args)


def test_same_convergence_as_minuit_on_stat_sum(caplog, monkeypatch):
    plain, datasets = one_source(), one_source()
    expected = Fit("minuit").run(plain)
    counted = CountedCalls(monkeypatch, datasets[0], "stat_sum")
    with caplog.at_level(logging.DEBUG, LOGGER):
        result = Fit().run(datasets)
    assert "optimize: backend 'minuit', on the statistic from factored" in caplog.text
    assert counted.n_calls < 5
    difference = free_values(datasets) - free_values(plain)
    assert np.max(abs(difference) / free_errors(datasets)) < 1e-3
    assert_allclose(result.total_stat, expected.total_stat, atol=1e-3, rtol=0)
    assert result.total_stat == datasets.stat_sum()
    for got, wanted in (
        (result.optimize_result, expected.optimize_result),
        (result.covariance_result, expected.covariance_result),
    ):
        names = ("backend", "method", "success", "message")
        for name in names:
            assert getattr(got, name) == getattr(wanted, name)
    assert abs(result.nfev - expected.nfev) < 0.2 * expected.nfev
    assert result.trace.colnames == expected.trace.colnames


def test_errors_are_those_of_the_exact_hessian():
    """Migrad alone reports what its search left."""
    datasets = one_source()
    result = Fit().run(datasets)
    expected = errors_from_gradient(datasets)
    assert_allclose(free_errors(datasets), expected, rtol=5e-3)
    own = result.parameters.free_parameters
    assert_allclose([par.error for par in own], free_errors(datasets))
    matrix = result.optimize_result.covariance
    assert_allclose(np.sqrt(np.diag(matrix)), free_errors(datasets))


def test_error_of_a_norm_in_closed_form():
    """N counts for B expected: N / B and its error, the root of N over B."""
    datasets = background_only()
    background, mask = datasets[0].background.data, datasets[0].mask.data
    n_counts, n_expected = (
        cube[mask].sum() for cube in (datasets[0].counts.data, background)
    )
    Fit().run(datasets)
    norm = datasets.parameters["norm"]
    assert_allclose(norm.error, np.sqrt(n_counts) / n_expected, rtol=1e-4)
    assert_allclose(norm.value, n_counts / n_expected, atol=0.01 * norm.error)


def test_covariance_alone():
    datasets = one_source()
    fit = Fit()
    fit.optimize(datasets)
    alone = fit.covariance(datasets)
    assert_allclose(free_errors(datasets), errors_from_gradient(datasets), rtol=5e-3)
    assert alone.success and alone.method == "hesse"


def test_result_has_a_working_minuit():
    datasets = one_source()
    fit = Fit()
    result = fit.optimize(datasets)
    assert fit._minuit is result.minuit
    assert_allclose(result.minuit.fval, result.total_stat, atol=1e-3, rtol=0)
    factors = np.array([par.factor for par in datasets.parameters.free_parameters])
    assert_allclose(np.array(result.minuit.values), factors)
    result.minuit.hesse()
    scales = np.array([par.scale for par in datasets.parameters.free_parameters])
    errors = np.sqrt(np.diag(result.covariance))
    assert_allclose(np.array(result.minuit.errors) * scales, errors, rtol=0.05)


def test_minuit_that_was_asked_for_gets_stat_sum(caplog):
    plain, datasets = one_source(), one_source()
    parameters = plain.parameters
    parameters.autoscale()
    factors = optimize_iminuit(parameters, plain.stat_sum)[0]
    with caplog.at_level(logging.DEBUG, LOGGER):
        Fit("minuit").run(datasets)
    assert "on the statistic from factored" not in caplog.text
    found = [par.factor for par in datasets.parameters.free_parameters]
    assert_array_equal(found, list(factors))


def test_trace_is_that_of_minuit_on_stat_sum():
    datasets = one_source()
    result = Fit(store_trace=True).run(datasets)
    assert len(result.trace) == result.nfev
    assert "src.spatial.lon_0" in result.trace.colnames


@pytest.mark.parametrize("offset", [0.01, np.nan])
def test_statistic_that_is_another_one(caplog, monkeypatch, offset):
    """Plain Minuit from the same start, and the reason in the log."""
    plain, datasets = one_source(), one_source()
    Fit("minuit").run(plain)
    statistic = datasets._smooth_statistic(datasets.parameters.free_parameters)
    stat = type(statistic).stat
    monkeypatch.setattr(type(statistic), "stat", lambda *args: stat(*args) + offset)
    with caplog.at_level(logging.DEBUG, LOGGER):
        Fit().optimize(datasets)
    assert "on stat_sum: the statistic of the datasets is" in caplog.text
    assert_array_equal(free_values(datasets), free_values(plain))


def test_model_that_has_no_derivatives(caplog):
    """Identical to plain Minuit on stat_sum."""
    plain, datasets = one_source(), one_source()
    for each in (plain, datasets):
        each.parameters["index"].prior = UniformPrior(min=1, max=5)
    Fit("minuit").run(plain)
    with caplog.at_level(logging.DEBUG, LOGGER):
        Fit().run(datasets)
    assert "'index' of 'src' has a UniformPrior" in caplog.text
    assert_array_equal(free_values(datasets), free_values(plain))
    assert_array_equal(free_errors(datasets), free_errors(plain))


def test_source_that_moves_out_of_its_cutout():
    datasets = Datasets([make_dataset("one", n_pixels=40)])
    shape = make_gauss(lon_0="0.8 deg", lat_0="0.3 deg", sigma="0.15 deg")
    datasets.models = Models([make_source("src", shape)])
    datasets.models[0].spectral_model.amplitude.value *= 5
    draw(datasets)
    shape.lon_0.value, shape.lat_0.value = -0.15, 0.1
    result = Fit().run(datasets)
    assert result.success
    assert_allclose(result.total_stat, datasets.stat_sum(), rtol=1e-12)
    values, errors = free_values(datasets), free_errors(datasets)
    Fit("newton").run(datasets)
    assert np.max(abs(free_values(datasets) - values) / errors) < 0.03


def test_amplitude_at_its_bound():
    """No source is there; its error is where the statistic has risen by 1."""
    datasets = one_source()
    spectrum, shape = (
        datasets.models["src"].spectral_model,
        datasets.models["src"].spatial_model,
    )
    for par in (spectrum.index, *shape.parameters):
        par.frozen = True
    datasets[0].counts.data = np.floor(0.9 * datasets[0].npred_background().data)
    spectrum.amplitude.min = 0
    result = Fit().run(datasets)
    best, error = spectrum.amplitude.value, spectrum.amplitude.error
    assert_allclose(best, 0, atol=0.01 * error)
    spectrum.amplitude.value = best + error
    assert_allclose(datasets.stat_sum() - result.total_stat, 1, rtol=0.1)


def test_interrupted_fit_restores_the_parameters(monkeypatch):
    datasets = one_source()
    before = [vars(par).copy() for par in datasets.parameters]
    statistic = datasets._smooth_statistic(datasets.parameters.free_parameters)
    n_calls = 0

    def interrupted(self, values=None):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 20:
            raise KeyboardInterrupt
        return stat(self, values)

    stat = type(statistic).stat
    monkeypatch.setattr(type(statistic), "stat", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Fit().optimize(datasets)
    assert [vars(par) for par in datasets.parameters] == before


# --- parameters that nothing determines ----------------------------------------


def with_masked_source(backend):
    """A second source that is far inside the mask, and a norm that is all masked."""
    datasets = Datasets([make_dataset(name, n_pixels=30) for name in ("one", "two")])
    hidden = make_source("hidden", PointSpatialModel(lon_0="1.2 deg", lat_0="1.2 deg"))
    source = make_source("src", make_gauss(lon_0="-0.4 deg"))
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, hidden, *backgrounds])
    geom = datasets[0].counts.geom
    lon = (geom.get_coord().lon.to_value("deg") + 180) % 360 - 180
    datasets[0].mask_fit = Map.from_geom(geom, data=lon < 0.1)
    datasets[1].mask_fit = Map.from_geom(geom, data=np.zeros(lon.shape, dtype=bool))
    draw(datasets)
    return datasets


@pytest.mark.parametrize("backend", [None, "newton"])
def test_parameters_that_no_used_bin_sees(backend, caplog):
    """They keep their values, have no errors and do not affect the others."""
    datasets, without = (with_masked_source(backend) for _number in range(2))
    for name in ("hidden", "two-bkg"):
        without.models[name].parameters.freeze_all()
    expected = Fit(backend).run(without)
    names = ["amplitude", "index", "lon_0", "lat_0"]
    hidden = datasets.models["hidden"].parameters
    before = [hidden[name].value for name in names]
    result = Fit(backend).run(datasets)
    assert result.success and expected.success
    assert set(result.undetermined) == {
        "hidden.spectral.amplitude",
        "hidden.spectral.index",
        "hidden.spatial.lon_0",
        "hidden.spatial.lat_0",
        "two-bkg.spectral.norm",
    }
    assert [hidden[name].value for name in names] == before
    assert np.isnan([hidden[name].error for name in names]).all()
    assert caplog.text.count("The data do not determine") == 1
    for par, wanted in zip(
        datasets.models["src"].parameters,
        without.models["src"].parameters,
        strict=True,
    ):
        assert_allclose(par.value, wanted.value, atol=1e-3 * wanted.error)
        assert_allclose(par.error, wanted.error, rtol=1e-3)
    assert_allclose(result.total_stat, expected.total_stat, atol=1e-3, rtol=0)


def test_norm_and_tilt_of_a_single_energy_bin(caplog):
    """Only their product matters there: both are named and have no error."""
    datasets = background_only()
    data = np.zeros(datasets[0].counts.data.shape, dtype=bool)
    data[1] = True
    datasets[0].mask_fit = Map.from_geom(datasets[0].counts.geom, data=data)
    datasets.parameters["tilt"].frozen = False
    result = Fit().run(datasets)
    assert np.isnan(free_errors(datasets)).all()
    assert "no minimum along 'tilt' of 'one-bkg', 'norm' of 'one-bkg'" in caplog.text
    assert result.undetermined == ["one-bkg.spectral.tilt", "one-bkg.spectral.norm"]


# --- what is left ---------------------------------------------------------------


@pytest.mark.parametrize("backend", [None, "newton"])
def test_state_is_as_after_a_minuit_fit(backend):
    """Other parameters, units, scans, covariance, evaluators and caches."""
    datasets, plain = one_source(), one_source()
    for each in (datasets, plain):
        each.parameters["sigma"].scan_values = [0.3, 0.4]
        each.parameters["lat_0"].error = 0.5
        Fit(backend if each is datasets else "minuit").run(each)
    for par, other in zip(datasets.parameters, plain.parameters, strict=True):
        own, wanted = vars(par).copy(), vars(other).copy()
        tolerance = 0 if par.frozen else 0.03 * other.error
        assert_allclose(par.value, other.value, atol=tolerance, rtol=0)
        if par.frozen:
            assert (par.error, par.scale) == (other.error, other.scale)
        for name in ("_value", "_factor", "_error", "_scale"):
            own.pop(name, None), wanted.pop(name, None)
        # As texts, for NaN is not NaN.
        assert str(own) == str(wanted)
    frozen = [par.frozen for par in datasets.models.parameters]
    matrix = datasets.models.covariance.data
    assert matrix.shape == plain.models.covariance.data.shape
    assert np.all(matrix[frozen] == 0) and np.all(matrix[:, frozen] == 0)
    for own, other in zip(
        datasets[0].evaluators.values(), plain[0].evaluators.values(), strict=True
    ):
        assert own.needs_update == other.needs_update
        assert own.parameters_changed == other.parameters_changed
    npred, stat = datasets[0].npred().data.copy(), datasets.stat_sum()
    datasets[0].evaluators["src"].reset_cache_properties()
    assert_allclose(datasets[0].npred().data, npred, rtol=1e-6)
    assert_allclose(datasets.stat_sum(), stat, atol=1e-3, rtol=0)


def test_model_that_is_no_number(caplog):
    """It is named, with what to do."""
    datasets = one_source()
    datasets.parameters["index"].value = 1e4
    expected = "'src' is not a number at the start; set its parameters to other values"
    with pytest.raises(ValueError, match=expected):
        Fit("newton").run(datasets)
    Fit().optimize(datasets)
    assert expected in caplog.text
