# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import poisson
from gammapy.stats import CashCountsStatistic, WStatCountsStatistic
from gammapy.stats.residuals import (
    RESIDUAL_METHODS,
    compute_residual_errors,
    compute_residuals,
    compute_sqrt_ts,
    compute_sqrt_ts_on_off,
)


def test_methods_by_hand():
    counts, npred = np.array([9.0, 1.0]), np.array([4.0, 2.0])
    expected = {
        "diff": [5, -1],
        "diff/model": [1.25, -0.5],
        "diff/sqrt(model)": [2.5, -1 / np.sqrt(2)],
        "significance": [
            np.sqrt(2 * (9 * np.log(9 / 4) - 5)),
            -np.sqrt(2 * (np.log(1 / 2) + 1)),
        ],
    }
    assert set(expected) == set(RESIDUAL_METHODS)
    for method, values in expected.items():
        assert_allclose(compute_residuals(counts, npred, method), values, rtol=1e-12)


def test_significance_is_the_one_of_gammapy():
    counts = np.arange(30).reshape(5, 6)
    npred = np.linspace(0.3, 20, 30).reshape(5, 6)
    expected = CashCountsStatistic(counts, npred).sqrt_ts
    assert_allclose(compute_sqrt_ts(counts, npred), expected, atol=1e-9)


@pytest.mark.parametrize("scale", [1e2, 1e6, 1e10, 1e14])
def test_significance_does_not_cancel(scale):
    # For a small excess e over a large m it is e / sqrt(m) (1 - e / (6 m) + ...).
    excess = np.sqrt(scale) * np.array([1e-3, 0.1])
    expected = excess / np.sqrt(scale) * (1 - excess / (6 * scale))
    # The counts themselves are rounded to 1e-16 of their value.
    rounding = 2e-16 * np.sqrt(scale)
    assert_allclose(
        compute_sqrt_ts(scale + excess, scale), expected, rtol=2e-4, atol=rounding
    )


@pytest.mark.parametrize("method", RESIDUAL_METHODS)
def test_edge_cases(method, caplog):
    counts = np.array([0, 3, 0, np.nan, 2, 2])
    npred = np.array([0, 0, 2, 1, np.nan, -1.0])
    with caplog.at_level(logging.WARNING):
        residuals = compute_residuals(counts, npred, method)
    assert residuals[0] == 0
    assert residuals[1] == (3 if method == "diff" else np.inf)
    expected = {"diff": -2, "diff/model": -1, "diff/sqrt(model)": -np.sqrt(2)}
    assert_allclose(residuals[2], expected.get(method, -2))
    assert np.isnan(residuals[3:]).all()
    assert "1 bins have a negative model" in caplog.text
    assert ("1 bins have counts but no model" in caplog.text) == (method != "diff")


def test_scalars_and_broadcasting():
    assert compute_residuals(3, 1.0, "diff") == 2
    assert compute_residuals(np.ones((2, 3)), 1.0, "significance").shape == (2, 3)


def test_unknown_method_lists_the_known():
    for function in (compute_residuals, compute_residual_errors):
        with pytest.raises(ValueError, match="'sigma'.*'diff/sqrt\\(model\\)'"):
            function([1], [1], "sigma")


@pytest.mark.parametrize("method", RESIDUAL_METHODS)
def test_sign_and_zero(method):
    random = np.random.default_rng(0)
    npred = np.exp(random.uniform(np.log(1e-3), np.log(1e6), 1000))
    counts = np.append(random.poisson(npred[:-1]), 10**6)
    residuals = compute_residuals(counts, npred, method)
    assert_allclose(np.sign(residuals), np.sign(counts - npred))
    assert_allclose(compute_residuals(npred, npred, method), 0, atol=0)


def test_variance_of_weighted_counts():
    # Counts of weight 2 with the variance 4 m are as significant as plain ones.
    counts, npred = np.arange(10.0), np.full(10, 4.0)
    for method in ("significance", "diff/sqrt(model)"):
        plain = compute_residuals(counts, npred, method)
        weighted = compute_residuals(2 * counts, 2 * npred, method, variance=4 * npred)
        assert_allclose(weighted, plain)


@pytest.mark.parametrize("mu", [0.5, 3, 30, 300])
def test_noise_follows_the_poisson_distribution(mu):
    """Mean and width of simulated noise are those of the Poisson distribution."""
    n = np.arange(int(mu + 12 * np.sqrt(mu) + 20))
    probability = poisson.pmf(n, mu)
    expected = compute_sqrt_ts(n, mu)
    mean = np.sum(probability * expected)
    width = np.sqrt(np.sum(probability * (expected - mean) ** 2))
    sample = compute_sqrt_ts(np.random.default_rng(42).poisson(mu, 200_000), mu)
    assert_allclose(sample.mean(), mean, atol=0.01)
    assert_allclose(sample.std(), width, rtol=0.01)
    if mu >= 100:
        assert_allclose(mean, -1 / (6 * np.sqrt(mu)), atol=1e-3)
        assert_allclose(width, 1, rtol=5e-3)


def test_on_off():
    counts, counts_off = np.array([10, 3, 0, np.nan]), np.array([20, 0, 5, 1])
    alpha, signal = np.array([0.2, 0.1, 0.5, 0.1]), np.array([2.0, 1.0, 0.0, 0.0])
    sqrt_ts = compute_sqrt_ts_on_off(counts, counts_off, alpha, signal)
    expected = WStatCountsStatistic(
        counts[:3], counts_off[:3], alpha[:3], signal[:3]
    ).sqrt_ts
    assert_allclose(sqrt_ts[:3], expected)
    assert np.isnan(sqrt_ts[3])


def test_errors():
    counts, npred = np.array([0, 100, 4, np.nan]), np.array([1.0, 81.0, 0.0, 1.0])
    errn, errp = compute_residual_errors(counts, npred, "diff")
    assert_allclose(errn[:2], [0, 9.669], atol=1e-3)
    assert_allclose(errp[:2], [0.5, 10.336], atol=1e-3)
    assert np.isnan([errn[3], errp[3]]).all()

    # They are divided as the residual is, and NaN where that is infinite.
    scaled = compute_residual_errors(counts, npred, "diff/sqrt(model)")
    assert_allclose(scaled[1][1], errp[1] / 9)
    assert np.isnan(scaled[1][2])
    ones = compute_residual_errors(counts, npred, "significance")
    assert_allclose(ones[0][:3], 1)


def test_input_is_not_changed():
    counts, npred = np.array([1.0, 2.0]), np.array([-1.0, 0.0])
    for method in RESIDUAL_METHODS:
        compute_residuals(counts, npred, method)
        compute_residual_errors(counts, npred, method)
    assert counts.tolist() == [1, 2] and npred.tolist() == [-1, 0]


def test_errors_without_a_model():
    errn, errp = compute_residual_errors([4, 0], [0.0, 0.0], variance=[0.0, 0.0])
    expected = CashCountsStatistic([4, 0], [0.0, 0.0])
    assert_allclose(errn, expected.compute_errn())
    assert_allclose(errp, expected.compute_errp())
    errors = compute_residual_errors([4], [0.0], "diff/model", variance=[0.0])
    assert np.isnan(errors).all()


def test_negative_counts_have_no_significance(caplog):
    result = compute_sqrt_ts([-5.0, 5.0], [2.0, 5.0])
    assert np.isnan(result[0]) and result[1] == 0
    assert "1 bins have negative counts" in caplog.text
    assert compute_residuals([-5.0], [2.0], "diff").tolist() == [-7.0]
