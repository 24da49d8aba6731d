# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The significance of noise is what the Poisson distribution says."""

import sys
from pathlib import Path
import pytest
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from calibration import (  # noqa: E402
    TAILS,
    calibrate,
    expect_weighted,
    find_problems,
    run,
    summarise,
)
from tail_maps import exact_rates, map_rates  # noqa: E402


@pytest.mark.parametrize(
    "kernel, mu, statistic, alpha, n_images",
    [
        ("tophat", 0.5, "cash", None, 15),
        ("tophat", 100, "cash", None, 15),
        (None, 5, "cash", None, 12),
        ("tophat", 5, "wstat", 0.2, 15),
        (None, 100, "wstat", 1.0, 12),
    ],
)
def test_noise_follows_poisson(kernel, mu, statistic, alpha, n_images):
    result = calibrate(kernel, mu, statistic, n_images, seed=0, alpha=alpha)
    assert result["problems"] == []


@pytest.mark.parametrize("kernel, n_images", [("gauss", 8), ("point-source", 6)])
def test_weighted_noise_follows_poisson(kernel, n_images):
    # Mean and width are precise with more images, see the long test.
    result = calibrate(kernel, 5, "cash", n_images, seed=0)
    assert [problem for problem in result["problems"] if "precise" not in problem] == []
    assert result["mean_err"] < 0.02 and result["width_err"] < 0.01


@pytest.mark.parametrize("kernel", ["gauss", "point-source"])
def test_mean_and_width_of_few_weighted_counts(kernel):
    # what the guide says of 5 effective counts
    exact = summarise(*expect_weighted(kernel, 5))
    assert abs(exact["mean_exact"]) < 0.002
    assert abs(exact["width_exact"] - 1) < 0.002


def test_problems_of_tails():
    result = calibrate(None, 5, "cash", 12, seed=0)
    result["rates"] = result["rates"] + [0, 0, 0.2, 0]
    assert find_problems(result) == ["rate beyond 3 is not exact"]
    result["rates"] = np.full(len(TAILS), np.nan)
    assert len(find_problems(result)) == len(TAILS)


@pytest.mark.parametrize(
    "kernel, mu, n_images",
    [("tophat", 10, 4), ("gauss", 5, 6), ("point-source", 5, 5), ("spike", 10, 5)],
)
def test_tails_of_maps(kernel, mu, n_images):
    sigmas = (-3, 3, 4)
    rates, errors = map_rates(kernel, mu, n_images, seed=0, sigmas=sigmas)
    exact = exact_rates(kernel, mu, sigmas)
    assert (abs(rates - exact) < 4 * errors).all(), (rates, errors, exact)
    assert max(errors / exact) < 0.15


@pytest.mark.long
@pytest.mark.parametrize("mu", [0.5, 5, 30])
@pytest.mark.parametrize("kernel", ["tophat", "gauss", "point-source", "spike"])
def test_tails_of_maps_to_5_sigma(kernel, mu):
    sigmas = (3, 4, 5) if mu < 10 else (-5, -4, -3, 3, 4, 5)
    rates, errors = map_rates(kernel, mu, 60, seed=0, sigmas=sigmas)
    exact = exact_rates(kernel, mu, sigmas)
    assert (abs(rates - exact) < 4 * errors).all(), (rates, errors, exact)
    assert max(errors / exact) < 0.1


@pytest.mark.long
def test_noise_follows_poisson_everywhere():
    assert [result for result in run() if result["problems"]] == []
