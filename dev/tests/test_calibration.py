# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The significance of noise is what the Poisson distribution says."""

import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from calibration import calibrate, run  # noqa: E402


@pytest.mark.parametrize(
    "kernel, mu, statistic, alpha, n_images",
    [
        ("tophat", 0.5, "cash", None, 15),
        ("tophat", 100, "cash", None, 15),
        (None, 5, "cash", None, 12),
        ("gauss", 5, "cash", None, 56),
        ("point-source", 5, "cash", None, 40),
        ("tophat", 5, "wstat", 0.2, 15),
        (None, 100, "wstat", 1.0, 12),
    ],
)
def test_noise_follows_poisson(kernel, mu, statistic, alpha, n_images):
    result = calibrate(
        kernel, mu, statistic, n_images, seed=0, alpha=alpha, n_reference=200_000
    )
    assert result["problems"] == []


@pytest.mark.long
def test_noise_follows_poisson_everywhere():
    assert [_ for _ in run() if _["problems"]] == []
