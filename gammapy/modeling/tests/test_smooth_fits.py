# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import (
    draw,
    make_dataset,
    make_gauss,
    make_source,
    rich_datasets,
)
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models
from gammapy.modeling.tests.smooth_problems import (
    free_values,
    minimise_with_minuit,
    set_free,
    shake,
)


def check_against_minuit(datasets):
    """Newton is at the minimum that Minuit finds, or says that it is not.

    Minuit goes on from there on the statistic with derivatives, which is compared with
    stat_sum.
    """
    result = Fit(backend="newton").run(datasets)
    best = free_values(datasets)
    assert_allclose(result.total_stat, datasets.stat_sum(), atol=1e-3, rtol=0)
    minimise_with_minuit(datasets)
    gain = result.total_stat - datasets.stat_sum()
    set_free(datasets, best)
    datasets.stat_sum()
    if result.success:
        assert gain < 2e-3
    return result


def errors_from_gradient(datasets):
    """Errors from differences of the gradient: half of these are the inverse."""
    free = datasets.parameters.free_parameters
    values = free_values(datasets)
    statistic = datasets._smooth_statistic(free)
    rows = []
    for idx, par in enumerate(free):
        ends = np.tile(values, (2, 1))
        ends[:, idx] += np.array([-0.02, 0.02]) * par.error
        low, high = (statistic.derivatives(end).gradient for end in ends)
        rows.append((high - low) / (0.04 * par.error))
    set_free(datasets, values)
    return np.sqrt(np.diag(np.linalg.inv(np.array(rows) / 2)))


def one_source(seed=0, **kwargs):
    datasets = Datasets([make_dataset("one", n_pixels=22)])
    background = FoVBackgroundModel(dataset_name="one")
    datasets.models = Models([make_source("src", make_gauss(**kwargs)), background])
    return draw(datasets, seed)


def test_minimum_and_errors():
    """Parameters and errors of a fit of 18 parameters."""
    datasets = rich_datasets()
    shake(datasets, np.random.default_rng(1))
    start = free_values(datasets)
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert result.message == "Optimization terminated successfully."
    assert result.backend == "newton"
    values = free_values(datasets)
    free = datasets.parameters.free_parameters
    errors = np.array([par.error for par in free])
    assert_allclose(errors, errors_from_gradient(datasets), rtol=5e-3)

    set_free(datasets, start)
    minimise_with_minuit(datasets)
    assert_allclose(datasets.stat_sum(), result.total_stat, atol=1e-3, rtol=0)
    assert np.max(abs(free_values(datasets) - values) / errors) < 0.02


def test_covariance_alone():
    datasets = one_source()
    result = Fit(backend="newton").run(datasets)
    expected = result.covariance_result.matrix
    alone = Fit(backend="newton").covariance(datasets)
    assert_allclose(alone.matrix, expected, rtol=1e-6, atol=0)


def test_state_is_that_after_a_minuit_fit():
    datasets = one_source()
    Fit(backend="newton").run(datasets)
    values = free_values(datasets)
    evaluator = datasets[0].evaluators["src"]
    npred = datasets[0].npred().data.copy()
    assert not evaluator.parameters_changed
    evaluator.reset_cache_properties()
    assert_allclose(datasets[0].npred().data, npred, rtol=1e-6)
    assert_allclose(free_values(datasets), values, rtol=0)


def test_trace():
    datasets = one_source()
    shake(datasets, np.random.default_rng(2))
    result = Fit(backend="newton", store_trace=True).run(datasets)
    trace = result.trace
    assert {"total_stat", "src.spatial.sigma"} <= set(trace.colnames)
    assert np.all(np.diff(trace["total_stat"]) < 0)
    assert_allclose(trace["total_stat"][-1], result.total_stat, atol=1e-3, rtol=0)


def test_source_that_moves_out_of_its_cutout():
    """The responses are looked up again where the source is."""
    datasets = Datasets([make_dataset("one", n_pixels=40)])
    shape = make_gauss(lon_0="0.8 deg", lat_0="0.3 deg", sigma="0.15 deg")
    datasets.models = Models([make_source("src", shape)])
    datasets.models[0].spectral_model.amplitude.value *= 5
    draw(datasets)
    shape.lon_0.value = -0.15
    shape.lat_0.value = 0.1
    result = check_against_minuit(datasets)
    assert result.success
    assert_allclose(shape.lon_0.value, 0.8, atol=0.05)


def test_angle_goes_on_beyond_its_bounds():
    datasets = one_source(e=0.9, phi="175 deg")
    shape = datasets.models["src"].spatial_model
    shape.phi.min, shape.phi.max = 0, 180
    shape.phi.value = 5
    result = check_against_minuit(datasets)
    assert result.success
    assert 0 <= shape.phi.value <= 180
    assert abs(shape.phi.value - 175) < 10


# --- hard starts -------------------------------------------------------------


def test_circle_with_free_angle():
    """The statistic has no slope there."""
    datasets = one_source(e=0.8, phi="60 deg")
    start = free_values(datasets)
    good = Fit(backend="newton").run(datasets)
    set_free(datasets, start)
    datasets.models["src"].spatial_model.e.value = 0
    result = check_against_minuit(datasets)
    assert result.success
    assert_allclose(result.total_stat, good.total_stat, atol=1e-3, rtol=0)


@pytest.mark.parametrize("sigma", [0, 1e-6, 1e-3])
def test_tiny_source(sigma):
    datasets = one_source()
    good = Fit(backend="newton").run(datasets)
    datasets.models["src"].spatial_model.sigma.value = sigma
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert_allclose(result.total_stat, good.total_stat, atol=1e-3, rtol=0)


def test_point_that_is_fitted_with_a_size():
    """Its best size is 0 for about every other seed: no minimum in the size."""
    n_success = 0
    for seed in range(4):
        datasets = one_source(seed, sigma="0.02 deg")
        datasets.models["src"].spatial_model.sigma.value = 0.1
        result = Fit(backend="newton").run(datasets)
        n_success += result.success
        assert result.success or "sigma" in result.message
    assert n_success > 0


def test_source_that_is_not_there():
    datasets = one_source()
    datasets.models["src"].spectral_model.amplitude.value = 0
    draw(datasets, 3)
    datasets.models["src"].spectral_model.amplitude.value = 1e-12
    datasets.models["src"].spectral_model.amplitude.min = 0
    result = check_against_minuit(datasets)
    assert result.success or "src" in result.message or "stopped" in result.message


def test_amplitude_of_zero():
    datasets = one_source()
    start = free_values(datasets)
    good = Fit(backend="newton").run(datasets)
    set_free(datasets, start)
    datasets.models["src"].spectral_model.amplitude.value = 0
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert_allclose(result.total_stat, good.total_stat, atol=1e-3, rtol=0)


def test_position_at_the_edge_of_the_map():
    datasets = one_source()
    start = free_values(datasets)
    Fit(backend="newton").run(datasets)
    set_free(datasets, start)
    shape = datasets.models["src"].spatial_model
    shape.lon_0.value, shape.lat_0.value = 1.05, 1.05
    check_against_minuit(datasets)


def test_two_sources_at_one_place():
    """The minimum of both, or the names of what has none."""
    datasets = Datasets([make_dataset("one")])
    one, two = (make_source(name, make_gauss()) for name in ("a", "b"))
    datasets.models = Models([one, two])
    draw(datasets)
    result = check_against_minuit(datasets)
    assert result.success or "of 'a'" in result.message or "of 'b'" in result.message


@pytest.mark.parametrize("seed", range(3))
def test_far_start(seed):
    """Twelve errors off in all parameters, where the cutout is too small at first."""
    datasets = one_source()
    Fit(backend="newton").run(datasets)
    best = free_values(datasets)
    free = datasets.parameters.free_parameters
    errors = np.array([par.error for par in free])
    stat = datasets.stat_sum()
    signs = np.random.default_rng(seed).choice([-1, 1], size=len(free))
    set_free(datasets, best + 12 * signs * errors)
    sigma = datasets.models["src"].spatial_model.sigma
    sigma.value = max(sigma.value, 0.02)
    amplitude = datasets.models["src"].spectral_model.amplitude
    amplitude.value = max(amplitude.value, 1e-13)
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert_allclose(result.total_stat, stat, atol=1e-3, rtol=0)


def test_interrupted_fit_restores_the_parameters(monkeypatch):
    datasets = one_source()
    before = free_values(datasets)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "stat_sum", interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt):
        Fit(backend="newton").optimize(datasets)
    assert_allclose(free_values(datasets), before, rtol=1e-12)


def test_start_that_is_no_number():
    datasets = one_source()
    datasets.models["src"].spatial_model.sigma.value = np.nan
    with pytest.raises(ValueError, match="'sigma' cannot be nan"):
        Fit(backend="newton").run(datasets)
