# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Noise is as often beyond 3, 4 and 5 sigma as N(0, 1), or as its exact distribution.

The exact rates are those of ``tails.py``, which shares nothing with the significance
of the package.
"""

import csv
import sys
from functools import partial
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import norm, poisson
from gammapy.stats.weighted_poisson import compute_sqrt_ts_weighted
from gammapy.utils.testing import requires_data

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from calibration import expect_wstat  # noqa: E402
from tail_kernels import (  # noqa: E402
    KERNELS_PSF,
    effective_counts,
    make_case,
    make_lattice,
)
from tail_table import ALPHAS, CASES, PAGE, kernel_rates  # noqa: E402
from tails import (  # noqa: E402
    SIGMAS,
    cross_thresholds,
    reference_significance,
    saddle_point,
    tail_rates,
)

#: What is promised from 5 effective counts on.
LOWEST, HIGHEST = 0.8, 1.3
COUNTS = (0.5, 1, 2, 5, 7, 20, 100, 500)
GRADED = [
    "gauss",
    *(pytest.param(name, marks=requires_data()) for name in KERNELS_PSF),
]


def lattice(name, mu):
    """Weights and expected counts; many counts need fewer levels."""
    coarse = name not in KERNELS_PSF and mu >= 20
    return make_lattice(name, mu, 500 if coarse else 2000)


def functions(levels, npred):
    """Significance of the package and by its definition."""
    return (
        partial(compute_sqrt_ts_weighted, weights=levels, npred=npred),
        partial(reference_significance, levels=levels, npred=npred),
    )


def is_within_reach(npred):
    """Whether an empty kernel is far enough beyond each threshold.

    Nothing is lower than a sum of 0, and a tail that ends near a threshold is that of
    one number of counts.
    """
    return (np.array(SIGMAS) > 0) | (npred.sum() > 0.8 * np.square(SIGMAS))


@pytest.mark.parametrize("mu", COUNTS)
@pytest.mark.parametrize("name", GRADED)
def test_graded_kernels(name, mu):
    levels, npred = lattice(name, mu)
    assert_allclose(effective_counts(levels, npred), mu)
    significance, reference = functions(levels, npred)
    rates = tail_rates(significance, levels, npred)
    exact = tail_rates(reference, levels, npred)
    promised = is_within_reach(npred) & ((mu >= 5) | (np.array(SIGMAS) > 0))
    assert promised[3:].all()
    assert ((rates > LOWEST) & (rates < HIGHEST))[promised].all(), rates
    # The definition is met where there are a few counts.
    values = cross_thresholds(reference, SIGMAS, levels, npred)
    has_counts = [count_number(value, levels, npred) > 2.4 for value in values]
    expected = reference(values[has_counts])
    assert_allclose(significance(values[has_counts]), expected, atol=1e-3)
    followed = np.array(has_counts) | (np.array(SIGMAS) > 0)
    assert_allclose(rates[followed], exact[followed], rtol=0.05)


def count_number(value, levels, npred):
    """Counts of about the same weight that a sum is made of."""
    if value <= 0:
        return 0
    tilted = npred * np.exp(saddle_point(value, levels, npred) * levels)
    return value**2 / np.sum(tilted * levels**2)


@pytest.mark.parametrize("mu", COUNTS)
@pytest.mark.parametrize("name", GRADED)
def test_significance_grows(name, mu):
    # `cross_thresholds` needs that, and a map that is searched for the highest value
    levels, npred = lattice(name, mu)
    mean = int(levels @ npred)
    values = np.unique(np.geomspace(1, 3 * mean + 10 * levels.max(), 300).astype(int))
    significance, _ = functions(levels, npred)
    assert (np.diff(significance([0, *values])) > 0).all()


@pytest.mark.parametrize("mu", [0.5, 1, 2, 5, 10, 30, 100, 200, 300, 500])
def test_tophat(mu):
    weights, npred = make_case("tophat", mu)
    significance = partial(
        compute_sqrt_ts_weighted, weights=weights.ravel(), npred=npred.ravel()
    )
    rates = tail_rates(significance, np.array([1]), np.array([mu]))
    # all numbers of counts, and their probabilities
    n = np.arange(int(mu + 12 * np.sqrt(mu) + 30))
    cash = np.sqrt(2 * (n * np.log(np.maximum(n, 1) / mu) - n + mu)) * np.sign(n - mu)
    p = poisson.pmf(n, mu)
    exact = [p[(cash / sigma) >= 1].sum() / norm.sf(abs(sigma)) for sigma in SIGMAS]
    assert_allclose(rates, exact, rtol=1e-6)
    assert max(exact[3:]) < 1.95 and max(exact[:3]) < 13
    if mu >= 200:
        assert min(exact) > LOWEST and max(exact) < HIGHEST


def poisson_rates(mu):
    """Rates of the significance of counts beyond each of ``SIGMAS``."""
    n = np.arange(int(mu + 12 * np.sqrt(mu) + 40))
    half = n * np.log(np.maximum(n, 1) / mu) - n + mu
    cash = np.sign(n - mu) * np.sqrt(2 * np.maximum(half, 0))
    p = poisson.pmf(n, mu)
    return [p[(cash / sigma) >= 1].sum() / norm.sf(abs(sigma)) for sigma in SIGMAS]


def test_limits_of_tophats():
    # What the guide says of any number of counts, and not only of those in its table.
    assert list(SIGMAS) == [-5, -4, -3, 3, 4, 5]
    # Just before an empty disc is far enough, and many numbers besides.
    empty = np.square([3, 4, 5]) / 2 + 1e-9
    counts = np.hstack([empty, np.geomspace(0.5, 214, 1500), np.arange(215, 900, 2)])
    rates = np.array([poisson_rates(mu) for mu in counts])
    assert_allclose(rates.max(axis=0)[:3], [13, 10.6, 8.2], rtol=0.01)
    assert 1.9 < rates.max(axis=0)[3:].max() < 2
    many = rates[counts >= 215]
    assert many.min() > LOWEST and many.max() < HIGHEST


@pytest.mark.parametrize("name", ["gauss with spike", "disc with spike"])
@pytest.mark.parametrize("mu", [0.5, 2, 5, 10, 100])
def test_spikes(name, mu):
    # Counts of the highest pixel are whole numbers, so nothing is promised for few.
    levels, npred = lattice(name, mu)
    significance, reference = functions(levels, npred)
    rates = tail_rates(significance, levels, npred)
    exact = tail_rates(reference, levels, npred)
    counted = is_within_reach(npred) & (mu >= 2)
    assert_allclose(rates[counted], exact[counted], rtol=0.05)
    if mu >= (10 if name == "gauss with spike" else 100):
        assert ((rates > LOWEST) & (rates < HIGHEST)).all(), rates


def test_what_is_scaled_fails():
    # The tails of the Poisson significance of M^2 / M2 counts, which has width 1.
    levels, npred = make_lattice("gauss with spike", 30)
    total, squares = (np.sum(levels**power * npred) for power in (1, 2))

    def scaled(values):
        n, mu = values * total / squares, total**2 / squares
        half_ts = n * np.log(np.maximum(n, 1e-300) / mu) - n + mu
        return np.sign(n - mu) * np.sqrt(2 * half_ts)

    assert tail_rates(scaled, levels, npred, [5]) > 100


# --- guide -----------------------------------------------------------------


def quoted_rates():
    """Rates that the guide quotes, by kernel and counts."""
    table = PAGE.read_text().split(".. begin tails")[1].split(".. end tails")[0]
    lines = [line.strip() for line in table.splitlines() if line.startswith('   "')]
    rows = csv.reader(lines, skipinitialspace=True)
    return {(name, float(mu)): np.array(rates, float) for name, mu, *rates in rows}


@pytest.mark.parametrize("mu", CASES["tophat"])
def test_guide_quotes_tails_of_tophat(mu):
    levels, npred = np.array([1]), np.array([mu])
    expected = tail_rates(functions(levels, npred)[1], levels, npred)
    assert_allclose(quoted_rates()["tophat", mu], expected, atol=0.0051)


@pytest.mark.parametrize(
    "name, mu", [("gauss", 5), ("gauss", 100), ("disc with spike", 10)]
)
def test_guide_quotes_tails(name, mu):
    levels, npred = lattice(name, mu)
    expected = tail_rates(functions(levels, npred)[1], levels, npred)
    quoted, reach = quoted_rates()[name, mu], is_within_reach(npred)
    assert_allclose(quoted[reach], expected[reach], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("name", ALPHAS)
def test_guide_quotes_tails_of_on_off_data(name):
    for mu in CASES[name]:
        values, weights = expect_wstat(mu, ALPHAS[name])
        rates = [
            weights[np.sign(sigma) * values >= abs(sigma)].sum() for sigma in SIGMAS
        ]
        expected = rates / norm.sf(np.abs(SIGMAS))
        assert_allclose(quoted_rates()[name, mu], expected, atol=0.0051)


@requires_data()
def test_guide_quotes_all_tails():
    quoted = quoted_rates()
    assert list(quoted) == [(name, mu) for name in CASES for mu in CASES[name]]
    for name, mu in [*((name, 5) for name in KERNELS_PSF), ("gauss with spike", 10)]:
        levels, npred = lattice(name, mu)
        expected = tail_rates(functions(levels, npred)[0], levels, npred)
        assert_allclose(quoted[name, mu], expected, rtol=0.05, atol=0.01)


@pytest.mark.long
@requires_data()
def test_guide_quotes_what_is_measured():
    for (name, mu), rates in quoted_rates().items():
        assert_allclose(
            rates, kernel_rates(name, mu), atol=0.011, err_msg=f"{name} {mu}"
        )
