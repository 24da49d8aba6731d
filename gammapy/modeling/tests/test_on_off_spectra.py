# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of shapes and spectra of on-off data."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_spectra import make_spectrum
from gammapy.datasets.tests.test_shape_terms import AXIS_TRUE, check_derivatives
from gammapy.irf import EDispKernelMap
from gammapy.maps import RegionNDMap
from gammapy.modeling import Fit, why_not_smooth
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianPrior,
    LogParabolaSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.stats import wstat
from .on_off_problems import make_on_off
from .test_on_off_norms import make_on_off_map

N_BINS = 8

SPECTRA = [
    PowerLawSpectralModel(index=2.4, reference="2 TeV"),
    LogParabolaSpectralModel(alpha=2.2, beta=0.2, reference="2 TeV"),
    ExpCutoffPowerLawSpectralModel(index=1.8, lambda_="0.2 TeV-1", reference="2 TeV"),
]


def make_run(rng, name, level):
    """Run with alphas and counts, some of which are 0, but without a signal yet."""
    alpha = rng.choice([0.05, 0.3, 1.5]) * rng.uniform(0.8, 1.2, N_BINS)
    background = rng.choice([0.3, 3.0]) * np.exp(-0.4 * np.arange(N_BINS))
    data = {
        "n_on": rng.poisson(background).astype(float),
        "n_off": rng.poisson(background / alpha).astype(float),
        "alpha": alpha,
        "mask": np.arange(N_BINS) > rng.integers(-1, 2),
    }
    dataset = make_on_off(data, name)
    geom = dataset.counts.geom.to_image().to_cube([AXIS_TRUE])
    exposure = level * AXIS_TRUE.center.value[:, np.newaxis, np.newaxis] ** 0.5
    dataset.exposure = RegionNDMap.from_geom(geom, data=exposure, unit="cm2 s")
    axis = dataset.counts.geom.axes["energy"]
    dataset.edisp = EDispKernelMap.from_gauss(axis, AXIS_TRUE, sigma=0.2, bias=0.0)
    return dataset


def random_problem(rng):
    """One to four runs of a source; bounds, priors and frozen parameters."""
    level = rng.choice([1e12, 1e13, 1e14])
    runs = [make_run(rng, f"run-{idx}", level) for idx in range(rng.integers(1, 5))]
    datasets = Datasets(runs)
    spectrum = SPECTRA[rng.integers(len(SPECTRA))].copy()
    spectrum.amplitude.value = 4e-12
    if rng.random() < 0.3:
        spectrum.parameters[0].prior = GaussianPrior(mu=2.2, sigma=0.3)
    if rng.random() < 0.3:
        spectrum.amplitude.min = 0
    datasets.models = [SkyModel(spectrum, name="src")]
    for dataset in datasets:
        dataset.counts.data += rng.poisson(dataset.npred_signal().data)
    for par in datasets.parameters.free_parameters:
        par.value *= rng.uniform(0.7, 1.4)
    return datasets


def written_out(datasets):
    """Statistic as a function of the free parameters, in units of 0.1 of each."""
    free = datasets.parameters.free_parameters
    centre = np.array([par.value for par in free])

    def stat(x):
        for par, value in zip(free, centre * (1 + 0.1 * x), strict=True):
            par.value = np.clip(
                value,
                np.nan_to_num(par.min, nan=-np.inf),
                np.nan_to_num(par.max, nan=np.inf),
            )
        total = sum(par.prior_stat_sum() for par in free if par.prior is not None)
        for dataset in datasets:
            arrays = (dataset.counts, dataset.counts_off, dataset.alpha)
            arrays = [map_.data for map_ in (*arrays, dataset.npred_signal())]
            total += wstat(*arrays)[dataset.mask_safe.data].sum()
        return total

    return stat, len(free)


def check_fit(datasets):
    """Newton ends where a simplex from there finds nothing lower."""
    assert why_not_smooth(datasets) == ""
    result = Fit(backend="newton").run(datasets)
    free = datasets.parameters.free_parameters
    assert_allclose(result.total_stat, datasets.stat_sum(), rtol=1e-9)
    values = [par.value for par in free]
    if result.success:
        stat, n_free = written_out(datasets)
        found = minimize(
            stat,
            np.zeros(n_free),
            method="Nelder-Mead",
            options={"maxfev": 150, "fatol": 1e-5},
        )
        assert found.fun > result.total_stat - 1e-3
    for par, value in zip(free, values, strict=True):
        par.value = value
    return result


@pytest.mark.parametrize("seed", range(6))
def test_random_problems(seed):
    datasets = random_problem(np.random.default_rng(seed))
    check_fit(datasets)


@pytest.mark.long
def test_many_random_problems():
    results = [
        check_fit(random_problem(np.random.default_rng([3, seed])))
        for seed in range(200)
    ]
    assert sum(result.success for result in results) > 150


@pytest.mark.parametrize("factor", (1.0, -0.5))
def test_derivatives(factor):
    """Where the signal is negative, too."""
    datasets = random_problem(np.random.default_rng(11))
    datasets.models["src"].spectral_model.amplitude.min = np.nan
    datasets.models["src"].spectral_model.amplitude.value *= factor
    for dataset in datasets:
        # Where one of them is 0 the second derivative has a step.
        dataset.counts.data += 3
        dataset.counts_off.data += 3
    check_derivatives(datasets)


def test_derivatives_of_a_map():
    with np.errstate(all="ignore"):
        check_derivatives(make_on_off_map())


def test_errors_are_those_of_the_second_derivatives():
    datasets = random_problem(np.random.default_rng(2))
    result = Fit(backend="newton").run(datasets)
    assert result.success
    free = datasets.parameters.free_parameters
    errors = np.array([par.error for par in free])
    values = np.array([par.value for par in free])
    number = len(free)
    steps = 0.1 * errors * np.eye(number)

    def stat(*moves):
        for par, value in zip(free, values + sum(moves), strict=True):
            par.value = value
        return datasets.stat_sum()

    hessian = np.array(
        [
            [(stat(a, b) - stat(a, -b) - stat(-a, b) + stat(-a, -b)) / 4 for a in steps]
            for b in steps
        ]
    )
    covariance = 2 * np.linalg.inv(hessian / np.outer(errors, errors) / 0.01)
    assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-2)


@pytest.mark.parametrize("seed", range(4))
def test_hard_starts(seed):
    """Far from the minimum: that of a good start, or no success."""
    rng = np.random.default_rng([4, seed])
    datasets = random_problem(rng)
    good = Fit(backend="newton").run(datasets)
    assert good.success
    free = list(datasets.parameters.free_parameters)
    free[0].value = rng.choice([0.2, 6.0])
    for par in free[1:]:
        par.value *= rng.choice([0.1, 10])
    result = Fit(backend="newton").run(datasets)
    if result.success:
        assert_allclose(result.total_stat, good.total_stat, atol=1e-3)


def test_amplitude_of_zero():
    datasets = random_problem(np.random.default_rng(2))
    good = Fit(backend="newton").run(datasets)
    datasets.models["src"].spectral_model.amplitude.value = 0
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert_allclose(result.total_stat, good.total_stat, atol=1e-3)


def test_jointly_with_cash():
    """A spectrum with off counts, and one with a modelled background."""
    datasets = random_problem(np.random.default_rng(6))
    other = make_spectrum("cash")
    other.exposure.data[...] = datasets[0].exposure.data.mean()
    models = [*datasets.models, FoVBackgroundModel(dataset_name="cash")]
    datasets = Datasets([*datasets, other])
    datasets.models = models
    other.counts.data = np.round(other.npred().data)
    check_derivatives(datasets)
    result = Fit(backend="newton").run(datasets)
    assert result.success
    minuit = Fit(backend="minuit").run(datasets)
    assert minuit.total_stat > result.total_stat - 1e-3


def test_map():
    datasets = make_on_off_map()
    with np.errstate(all="ignore"):
        result = Fit(backend="newton").run(datasets)
        assert result.success
        minuit = Fit(backend="minuit").run(datasets)
    assert -1e-3 < minuit.total_stat - result.total_stat < 1e-2


def test_model_of_a_measured_background():
    datasets = random_problem(np.random.default_rng(6))
    background = FoVBackgroundModel(dataset_name="run-0")
    datasets.models = [*datasets.models, background]
    reason = "'run-0-bkg' is free, and the background of 'run-0' is measured"
    assert why_not_smooth(datasets) == reason
    with pytest.raises(NotLinearError, match=reason):
        Fit(backend="newton").run(datasets)
