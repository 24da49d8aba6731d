# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minima of norm fits where each bin with counts has a model, and profiles of them."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from gammapy.modeling import Fit
from gammapy.modeling.newton import confidence_norm, fit_norms
from gammapy.modeling.templates import NormTemplates
from .norm_problems import make_datasets, minimum_on_c, random_problem

#: How far above the true minimum a fit may be, and how wrong a rise.
PRECISION = 1e-4


def two_counts():
    """A source and a background; the scanned background goes far below 0."""
    weights = np.ones(16)
    weights[[4, 6, 7, 9, 11]] = 0
    counts = np.zeros(16)
    counts[[1, 8]] = 1
    source = [
        np.geomspace(0.05847393657, 2.893014611e-6, 8),
        np.geomspace(0.02395377302, 1.185119720e-6, 8),
    ]
    background = [np.geomspace(0.16185282872, 0.0016185282872, 8), np.zeros(8)]
    fixed = [np.zeros(8), np.geomspace(0.27551436080, 0.0027551436080, 8)]
    return {
        "stat": "cash",
        "templates": np.array([np.concatenate(source), np.concatenate(background)]),
        "fixed": np.concatenate(fixed),
        "counts": counts,
        "weights": weights,
        "minima": np.full(2, np.nan),
        "maxima": np.full(2, np.nan),
    }


#: Values of the background, and rises of the statistic found by hand.
VALUES = [-0.75243630845, -2.17619562195, -3.12536849762, -5.4983006868, -7.87123287597]
RISES = [0.2445984623, 0.6411189974, 1.0, 2.0198611197, 3.1602767786]


def test_profile_far_below_zero():
    datasets, norms = make_datasets(two_counts())
    templates = NormTemplates.from_datasets(datasets)
    best = fit_norms(templates)
    fits = [fit_norms(templates, fixed={norms[1]: value}) for value in VALUES]
    assert all(fit.success for fit in fits)
    rises = [fit.stat - best.stat for fit in fits]
    assert_allclose(rises, RISES, atol=PRECISION)

    norms[1].scan_values = VALUES
    for fit in (Fit(), Fit("newton")):
        profile = fit.stat_profile(datasets, norms[1], reoptimize=True)
        assert_allclose(profile["stat_scan"] - best.stat, RISES, atol=PRECISION)
        assert all(result.success for result in profile["fit_results"])
    interval = confidence_norm(templates, best, norms[1])
    assert_allclose(best.values[1] - interval["errn"], VALUES[2], rtol=1e-6)


def test_reference_is_that_of_another_minimiser():
    problem = two_counts()
    used = problem["weights"] > 0
    templates, counts = problem["templates"][:, used], problem["counts"][used]

    def stat(source):
        npred = problem["fixed"][used] + np.array([source[0], VALUES[3]]) @ templates
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.where(counts > 0, counts * np.log(npred), 0)
        value = 2 * np.sum(np.maximum(npred, 0) - logs)
        return value if np.isfinite(value) else 1e9

    other = minimize(stat, [40.0], method="Nelder-Mead", options={"fatol": 1e-9})
    assert_allclose(minimum_on_c(problem, {1: VALUES[3]})[0], other.fun, atol=1e-6)


def check_profile(seed, offsets, sigma):
    """Compare a random fit, points of a profile and ends with the reference."""
    problem = random_problem(seed)
    datasets, norms = make_datasets(problem)
    templates = NormTemplates.from_datasets(datasets)
    best = fit_norms(templates)
    minimum, _ = minimum_on_c(problem, {})
    assert best.success
    assert best.stat < minimum + PRECISION
    error = best.errors[0] if best.errors[0] > 0 else 1.0
    values = best.values[0] + error * np.array(offsets)
    for value in values:
        fit = fit_norms(templates, fixed={norms[0]: value})
        expected, _ = minimum_on_c(problem, {0: value})
        if np.isinf(expected):
            assert np.isposinf(fit.stat)
            assert not fit.success
            assert "no model, whatever the free norms are" in fit.message
        else:
            assert fit.success
            assert abs(fit.stat - expected) < PRECISION
    result = confidence_norm(templates, best, norms[0], sigma=sigma)
    for key, sign in (("errp", 1), ("errn", -1)):
        if np.isnan(result[key]):
            assert not result["success"]
            assert result["message"]
            continue
        end = best.values[0] + sign * result[key]
        rise = minimum_on_c(problem, {0: end})[0] - minimum
        assert_allclose(rise, sigma**2, atol=PRECISION)
    return datasets, norms, templates, values


def check_scans(datasets, norms, templates, values):
    """Profile and surface of `Fit` are those of single fits."""
    norms[0].scan_values = values
    expected = [fit_norms(templates, fixed={norms[0]: value}).stat for value in values]
    profile = Fit().stat_profile(datasets, norms[0], reoptimize=True)
    assert_allclose(profile["stat_scan"], expected, atol=PRECISION)
    assert [fit.success for fit in profile["fit_results"]] == list(
        np.isfinite(expected)
    )
    norms[1].scan_values = [0.5, -2.0]
    surface = Fit().stat_surface(datasets, norms[0], norms[1], reoptimize=True)
    expected = [
        fit_norms(templates, fixed={norms[0]: x, norms[1]: y}).stat
        for x in values
        for y in norms[1].scan_values
    ]
    assert_allclose(surface["stat_scan"].ravel(), expected, atol=PRECISION)


def test_random_profiles():
    for seed in range(60):
        result = check_profile(seed, (-4, 2), sigma=1.5)
        if seed % 10 == 0:
            check_scans(*result)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_many_random_profiles(first):
    for seed in range(first, first + 50):
        for sigma, offsets in ((1, (-1.5, 3)), (2.5, (-8, -0.5))):
            result = check_profile(seed, offsets, sigma)
        check_scans(*result)


def test_counts_that_no_norm_can_explain():
    problem = two_counts()
    datasets, norms = make_datasets(problem)
    norms[0].max = 10
    templates = NormTemplates.from_datasets(datasets)
    fit = fit_norms(templates, fixed={norms[1]: -20})
    assert np.isposinf(fit.stat)
    assert not fit.success
    assert fit.message == (
        "1 bin with counts has no model, whatever the free norms are with 'norm' of "
        "'norm-1' = -20."
    )
    norms[1].scan_values = [-20, 1]
    profile = Fit().stat_profile(datasets, norms[1], reoptimize=True)
    assert np.isposinf(profile["stat_scan"][0])
    assert np.isfinite(profile["stat_scan"][1])
    assert [fit.success for fit in profile["fit_results"]] == [False, True]


def test_counts_without_any_model_are_a_constant():
    """As in Gammapy: they are the same for all norms."""
    problem = two_counts()
    problem["counts"][14] = 2
    problem["fixed"][14] = 0
    problem["templates"][:, 14] = [0, -1e-18]
    datasets, norms = make_datasets(problem)
    templates = NormTemplates.from_datasets(datasets)
    fit = fit_norms(templates)
    assert fit.success
    for norm, value in zip(norms, fit.values, strict=True):
        norm.value = value
    assert_allclose(fit.stat, datasets.stat_sum(), rtol=1e-9)
    problem["counts"][14] = 0
    without, _ = make_datasets(problem)
    expected = fit_norms(NormTemplates.from_datasets(without))
    assert_allclose(fit.values, expected.values, rtol=1e-6)
