# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Norm fits of on-off data, whose background is profiled."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from gammapy.datasets import Datasets, MapDatasetOnOff, SpectrumDatasetOnOff
from gammapy.datasets.tests.test_shape_terms import (
    draw,
    make_dataset,
    make_gauss,
    make_source,
)
from gammapy.maps import Map
from gammapy.modeling import Fit
from gammapy.modeling.linearity import why_not_linear
from gammapy.modeling.measured_background import measured_background
from gammapy.modeling.models import FoVBackgroundModel
from gammapy.modeling.newton import confidence_norm, fit_norms
from gammapy.modeling.newton.asimov import asimov_ts, keeps_all_bins
from .on_off_problems import make_datasets, minimum, random_problem


def check_fit(problem):
    """Fit and profile against the likelihood written out."""
    datasets, norms = make_datasets(problem)
    assert why_not_linear(datasets) == ""
    templates = datasets.norm_templates()
    fit = fit_norms(templates)
    expected, _norms = minimum(problem)
    # The barrier of the reference leaves some 1e-8 per bin.
    assert fit.success
    assert_allclose(fit.stat, expected, atol=1e-5, rtol=0)
    for par, value in zip(norms, fit.values, strict=True):
        par.value = value
    assert_allclose(fit.stat, datasets.stat_sum(), rtol=1e-12, atol=1e-10)
    held = {0: fit.values[0] + 0.5}
    expected = minimum(problem, held)[0]
    found = fit_norms(templates, fixed={norms[0]: held[0]})
    assert found.success
    assert_allclose(found.stat, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(12))
def test_random_problems(seed):
    check_fit(random_problem(np.random.default_rng(seed)))


@pytest.mark.long
def test_many_random_problems():
    for seed in range(300):
        check_fit(random_problem(np.random.default_rng([1, seed])))


@pytest.mark.parametrize("seed", range(6))
def test_statistic_and_predicted_counts(seed):
    """At any norms, negative ones too, those of the datasets."""
    rng = np.random.default_rng([2, seed])
    datasets, norms = make_datasets(random_problem(rng))
    templates = datasets.norm_templates()
    for values in rng.uniform(-3, 3, (5, len(norms))):
        for par, value in zip(norms, values, strict=True):
            par.value = value
        stat = templates.stat_sum(values)
        assert_allclose(stat, datasets.stat_sum(), rtol=1e-9, atol=1e-9)
        npred = [each.npred().data[each.mask.data].sum() for each in datasets]
        assert_allclose(templates.npred_sums(values), npred, rtol=1e-9, atol=1e-9)
        measured = templates.measured_background(values)
        assert list(measured) == list(measured_background(datasets))
        assert_allclose(
            list(measured.values()), list(measured_background(datasets).values())
        )


@pytest.mark.parametrize("start", (-50.0, 0.0, 1e-6, 1e4))
def test_hard_starts(start):
    rng = np.random.default_rng(5)
    for _number in range(4):
        problem = random_problem(rng)
        templates = make_datasets(problem)[0].norm_templates()
        norms = np.full(templates.n_norms, start)
        fit = fit_norms(templates, start=norms)
        assert fit.success
        assert_allclose(fit.stat, minimum(problem)[0], atol=1e-5, rtol=0)


def one_norm(n_on, n_off, alpha, template):
    ones = np.ones(len(n_on))
    data = {"n_on": n_on * ones, "n_off": n_off * ones, "alpha": alpha * ones}
    data["mask"] = ones > 0
    return {"templates": np.array([template], dtype=float), "sets": [data]}


def test_confidence():
    """Ends where the likelihood written out has risen by 1 and 4."""
    problem = one_norm([12.0, 0, 3], [20.0, 4, 0], 0.25, [5.0, 2, 1])
    datasets, norms = make_datasets(problem)
    templates = datasets.norm_templates()
    fit = fit_norms(templates)
    best = minimum(problem)[0]

    def rise(value, wanted):
        return minimum(problem, {0: value})[0] - best - wanted

    for sigma in (1, 2):
        result = confidence_norm(templates, fit, norms[0], sigma=sigma)
        for end, sign in (("errp", 1), ("errn", -1)):
            far = fit.values[0] + sign * 5 * sigma * fit.errors[0]
            root = brentq(rise, fit.values[0], far, (sigma**2,), rtol=1e-7)
            assert_allclose(result[end], sign * (root - fit.values[0]), rtol=1e-4)


def test_covariance():
    """Inverse of half the second derivatives of the likelihood written out."""
    problem = random_problem(np.random.default_rng(3))
    problem["templates"] = problem["templates"][:1]
    fit = fit_norms(make_datasets(problem)[0].norm_templates())
    step = 0.05 * fit.errors[0]
    values = fit.values[0] + step * np.array([-1, 0, 1])
    stats = [minimum(problem, {0: value})[0] for value in values]
    curvature = (stats[0] - 2 * stats[1] + stats[2]) / step**2
    assert_allclose(fit.errors[0], np.sqrt(2 / curvature), rtol=1e-3)


def test_without_counts():
    """The statistic has a kink at 0: its rise there gives the error."""
    problem = one_norm([0.0, 0], [0.0, 0], 0.1, [2.0, 1])
    datasets, _norms = make_datasets(problem)
    result = Fit(backend="newton").run(datasets)
    norm = datasets.parameters["norm"]
    assert result.success
    assert_allclose(norm.value, 0, atol=1e-8)
    # Half the statistic is 3 times the norm, or -30 times where it is negative.
    assert_allclose(norm.error, 1 / 6)
    interval = Fit(backend="newton").confidence(datasets, norm)
    assert_allclose([interval["errp"], interval["errn"]], [1 / 6, 1 / 60], rtol=1e-6)


def test_bins_without_acceptance_do_not_count():
    problem = one_norm([5.0, 7, 3], [8.0, 0, 2], 0.5, [3.0, 2, 1])
    problem["sets"][0]["alpha"][1] = 0
    datasets, _norms = make_datasets(problem)
    templates = datasets.norm_templates()
    fit = fit_norms(templates)
    problem["sets"][0]["mask"][1] = False
    assert_allclose(fit.stat, minimum(problem)[0], atol=1e-6)
    datasets.parameters["norm"].value = fit.values[0]
    with np.errstate(all="ignore"):
        assert_allclose(fit.stat, datasets.stat_sum(), rtol=1e-9)
    assert_allclose(templates.counts_sums(), 15)
    npred = datasets[0].npred().data.sum()
    assert_allclose(templates.npred_sums(fit.values), npred, rtol=1e-9)


def test_asimov():
    """Against the on counts that are predicted, in datasets."""
    problem = random_problem(np.random.default_rng(8))
    datasets, norms = make_datasets(problem)
    templates = datasets.norm_templates()
    assert keeps_all_bins(templates)
    values = np.full(len(norms), 1.3)
    for par in norms:
        par.value = 1.3
    for dataset in datasets:
        dataset.counts = dataset.npred()
    stats = []
    for value in (0.2, 1.3):
        norms[0].value = value
        stats.append(datasets.stat_sum())
    null = np.append(0.2, values[1:])
    assert_allclose(asimov_ts(templates, values, null), stats[0] - stats[1], rtol=1e-9)


def make_on_off_map(*, alpha=0.1):
    """Map with a Gaussian source, and off counts of ten times the background."""
    dataset = make_dataset("one")
    source = make_source("src", make_gauss())
    dataset.models = [source, FoVBackgroundModel(dataset_name="one")]
    draw(Datasets([dataset]))
    geom = dataset.counts.geom
    rng = np.random.default_rng(1)
    off = rng.poisson(dataset.background.data / alpha).astype(float)
    dataset = MapDatasetOnOff.from_map_dataset(
        dataset,
        acceptance=Map.from_geom(geom, data=alpha),
        acceptance_off=Map.from_geom(geom, data=1.0),
        counts_off=Map.from_geom(geom, data=off),
        name="one",
    )
    dataset.acceptance_off.data[0, 10, 11] = 0
    dataset.models = [source]
    return Datasets([dataset])


def test_map():
    datasets = make_on_off_map()
    source = datasets.models["src"]
    source.parameters.freeze_all()
    source.spectral_model.amplitude.frozen = False
    templates = datasets.norm_templates()
    # Bins without on counts are summed.
    assert templates.counts.size < 0.7 * templates.planes.n_bins.sum()
    assert not keeps_all_bins(templates)
    for value in (8e-12, 0, -4e-12):
        source.spectral_model.amplitude.value = value
        with np.errstate(all="ignore"):
            stat, npred = datasets.stat_sum(), datasets[0].npred().data
        assert_allclose(templates.stat_sum([value]), stat, rtol=1e-9)
        npred = npred[datasets[0].mask.data].sum()
        assert_allclose(templates.npred_sums([value]), npred, rtol=1e-9)
    source.spectral_model.amplitude.value = 1e-12
    result = Fit(backend="newton").run(datasets)
    stat, error = result.total_stat, source.spectral_model.amplitude.error
    value = source.spectral_model.amplitude.value
    with np.errstate(all="ignore"):
        minuit = Fit(backend="minuit").run(datasets)
    assert -1e-4 < minuit.total_stat - stat < 1e-2
    amplitude = source.spectral_model.amplitude
    assert_allclose(amplitude.value, value, atol=0.02 * error)
    assert_allclose(amplitude.error, error, rtol=1e-2)


def test_scan_takes_newton_and_keeps_the_background(caplog):
    """With the nuisance values that Minuit gives."""
    datasets, norms = make_datasets(random_problem(np.random.default_rng(7)))
    assert len(norms) > 1
    norms[0].scan_values = [0.5, 1.0, 1.5]
    caplog.set_level(logging.DEBUG, logger="gammapy.modeling.automatic")
    profile = Fit().stat_profile(datasets, norms[0], reoptimize=True, debug=True)
    assert "backend 'newton', all that varies is norms" in caplog.text
    fit = Fit(backend="minuit", optimize_opts={"tol": 1e-4})
    expected = fit.stat_profile(datasets, norms[0], reoptimize=True, debug=True)
    assert_allclose(profile["stat_scan"], expected["stat_scan"], atol=1e-4)
    assert profile["nuisance"].colnames == expected["nuisance"].colnames
    for name in profile["nuisance"].colnames:
        if name.split(".")[0] in ("counts", "counts_off", "alpha"):
            assert_allclose(profile["nuisance"][name], expected["nuisance"][name])
        if name.startswith("background."):
            assert_allclose(
                profile["nuisance"][name], expected["nuisance"][name], rtol=1e-2
            )


# --- what it is not for --------------------------------------------------------


@pytest.mark.parametrize("name", ("counts_off", "acceptance", "acceptance_off"))
def test_missing_maps(name):
    datasets, _norms = make_datasets(random_problem(np.random.default_rng(1)))
    setattr(datasets[0], name, None)
    assert why_not_linear(datasets) == f"dataset 'set-0' has no {name}"


def test_negative_acceptance():
    datasets, _norms = make_datasets(random_problem(np.random.default_rng(1)))
    datasets[0].acceptance.data[0] = -1
    assert why_not_linear(datasets) == "dataset 'set-0' has acceptances below 0"


def test_on_off_data_with_another_statistic():
    datasets, _norms = make_datasets(random_problem(np.random.default_rng(1)))
    datasets[0].stat_type = "cash"
    reason = "dataset 'set-0' has the statistic 'cash' and is a SpectrumDatasetOnOff"
    assert why_not_linear(datasets) == reason


def test_own_background():
    class Own(SpectrumDatasetOnOff):
        def npred_background(self):
            return super().npred_background() * 2

    datasets, _norms = make_datasets(random_problem(np.random.default_rng(1)))
    datasets = Datasets([Own(name="own", counts=datasets[0].counts)])
    assert why_not_linear(datasets) == "dataset 'own' has its own npred_background()"


def test_off_counts_that_are_negative():
    datasets, _norms = make_datasets(random_problem(np.random.default_rng(1)))
    datasets[0].counts_off.data[0] = -1
    with pytest.raises(ValueError, match="counts_off that are negative"):
        Fit(backend="newton").run(datasets)


def test_jointly_with_cash():
    """The sum of both statistics, and a minimum of it."""
    datasets, norms = make_datasets(random_problem(np.random.default_rng(9)))
    cash = datasets[0].to_spectrum_dataset(name="cash")
    models = datasets.models
    datasets = Datasets([*datasets, cash])
    datasets.models = models
    templates = datasets.norm_templates()
    for value in (0.3, 1.5):
        for par in norms:
            par.value = value
        stat = templates.stat_sum(np.full(len(norms), value))
        assert_allclose(stat, datasets.stat_sum(), rtol=1e-9)
    fit = fit_norms(templates)
    assert fit.success
    for sign in (-1, 1):
        moved = fit.values + sign * 0.1 * fit.errors
        assert templates.stat_sum(moved) > fit.stat
