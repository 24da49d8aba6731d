# Licensed under a 3-clause BSD style license - see LICENSE.rst
import itertools
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from gammapy.stats import wstat
from gammapy.stats.wstat_profile import WStatProfile, is_measured

COUNTS = (0.0, 1.0, 2.5, 40.0)
ALPHAS = (0.02, 0.5, 1.0, 3.0)
GRID = np.array(list(itertools.product(COUNTS, COUNTS, ALPHAS))).T
SIGNALS = (-80.0, -3.0, -0.7, 0.0, 0.4, 1.3, 9.0, 300.0)


def half(profile, signal):
    """Half the statistic, with the bends of bins without counts."""
    bends = profile.bend_slopes * np.maximum(-signal, 0)
    return signal + profile.values(signal) + bends


@pytest.mark.parametrize("signal", SIGNALS)
def test_it_is_the_statistic_of_gammapy(signal):
    signals = np.full(GRID.shape[1], signal)
    profile = WStatProfile(*GRID)
    assert_allclose(
        2 * half(profile, signals), wstat(*GRID, signals), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("signal", SIGNALS)
def test_it_is_the_lowest_over_the_background(signal):
    """The statistic written out, minimised over the background numerically."""
    for n_on, n_off, alpha in GRID.T:
        lowest = max(0.0, -signal / alpha)

        def statistic(background, n_on=n_on, n_off=n_off, alpha=alpha):
            total = signal + (1 + alpha) * background
            for counts, mean in (
                (n_on, signal + alpha * background),
                (n_off, background),
            ):
                if counts > 0:
                    total += counts * (np.log(counts / mean) - 1)
            return 2 * total

        bounds = (lowest + 1e-12, lowest + 4 * (n_on / alpha + n_off) + 1)
        found = minimize_scalar(
            statistic, bounds=bounds, method="bounded", options={"xatol": 1e-9}
        )
        best = min(found.fun, statistic(bounds[0]))
        profile = WStatProfile(*np.array([[n_on], [n_off], [alpha]]))
        value = 2 * half(profile, np.array([signal]))[0]
        assert_allclose(value, best, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("signal", (-80.0, -3.0, -0.7, 0.41, 1.3, 9.0, 300.0))
def test_derivatives(signal):
    """Against differences of the statistic of Gammapy."""
    signals = np.full(GRID.shape[1], signal)
    profile = WStatProfile(*GRID)
    step = 1e-4 * max(1, abs(signal))
    stats = [wstat(*GRID, signals + idx * step) / 2 for idx in (-1, 0, 1)]
    slopes, curvatures = profile.derivatives(profile.state(signals))
    slopes = slopes + 1 - profile.bend_slopes * (signal < 0)
    assert_allclose(slopes, (stats[2] - stats[0]) / (2 * step), rtol=1e-5, atol=1e-5)
    expected = (stats[2] - 2 * stats[1] + stats[0]) / step**2
    assert_allclose(curvatures, expected, rtol=1e-3, atol=1e-4)


def test_it_is_convex():
    profile = WStatProfile(*GRID)
    signals = np.linspace(-100, 100, 4001)
    ones = np.ones(GRID.shape[1])
    values = np.array([half(profile, signal * ones) for signal in signals])
    assert np.min(np.diff(values, n=2, axis=0)) > -1e-9


def test_differences_keep_their_digits():
    n_on, n_off, alpha = np.array([[1e12], [3e12], [0.25]])
    profile = WStatProfile(n_on, n_off, alpha)
    old = np.array([1e11])
    change = np.array([1e-3])
    states = profile.state(old + change), profile.state(old)
    difference = profile.difference(*states, change)
    slopes, _curvatures = profile.derivatives(states[1])
    # Its second derivative changes this by 1e-19.
    assert_allclose(difference, slopes * change, rtol=1e-9)


@pytest.mark.parametrize("change", (-70.0, -1.0, 1e-3, 5.0, 200.0))
def test_differences(change):
    profile = WStatProfile(*GRID)
    old = np.full(GRID.shape[1], 2.2)
    new = old + change
    difference = profile.difference(profile.state(new), profile.state(old), new - old)
    assert_allclose(
        difference, profile.values(new) - profile.values(old), rtol=1e-9, atol=1e-9
    )


def test_bins_without_acceptance():
    """They add 0, but for a signal below 0 without counts."""
    alpha = np.array([0.0, 0.0, 0.0, np.finfo(float).max])
    n_on, n_off = np.array([[3.0, 0, 0, 2], [0.0, 2, 0, 1]])
    assert not is_measured(alpha).any()
    profile = WStatProfile(n_on, n_off, alpha)
    for signal in (0.0, 2.0):
        signals = np.full(4, signal)
        with np.errstate(all="ignore"):
            expected = np.nan_to_num(wstat(n_on, n_off, alpha, signals))
        assert_allclose(expected, 0)
        assert_allclose(profile.values(signals), 0)
    signals = np.full(4, -1.0)
    with np.errstate(all="ignore"):
        expected = np.nan_to_num(wstat(n_on, n_off, alpha, signals))
    is_wall = expected > 1e300
    assert is_wall.tolist() == [False, False, True, False]
    assert np.isinf(profile.values(signals)).tolist() == is_wall.tolist()


@pytest.mark.filterwarnings("error")
def test_ratios_of_32_bits():
    alpha = np.array([0, 0.5, np.inf, np.nan], dtype=np.float32)
    assert is_measured(alpha).tolist() == [False, True, False, False]
