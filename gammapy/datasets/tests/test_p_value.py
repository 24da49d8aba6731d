# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The p-value of the sum of squared significances over bins."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.special import xlogy
from scipy.stats import chi2, kstest
from gammapy.datasets import Datasets, SpectralResiduals, SpectrumDataset
from gammapy.datasets.residuals.p_value import p_value_of_sum
from gammapy.maps import Map, MapAxis, RegionGeom
from gammapy.stats import CashCountsStatistic, WStatCountsStatistic

AXIS = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=20)


def spectrum(counts, background, region="icrs;circle(83.63, 22.01, 0.11)", **kwargs):
    geom = RegionGeom.create(region, axes=[AXIS])
    maps = {
        name: Map.from_geom(
            geom, data=np.reshape(values, geom.data_shape).astype(float)
        )
        for name, values in (("counts", counts), ("background", background))
    }
    return SpectrumDataset(**maps, **kwargs)


def test_many_counts_make_a_chi2():
    background = np.full(20, 1e6)
    deviates = np.linspace(-2.0, 2.5, 20)
    dataset = spectrum(background + 1e3 * deviates, background, name="many")
    residuals = SpectralResiduals.from_datasets([dataset])
    assert_allclose(residuals.sum_ts, np.sum(deviates**2), rtol=5e-3)
    assert_allclose(residuals.p_value, chi2.sf(residuals.sum_ts, 20), rtol=1e-3)


def test_few_counts():
    """Twenty bins of 0.7 expected counts, whose sum is no chi2."""
    random = np.random.default_rng(0)
    counts = random.poisson(0.7, (200_000, 20))
    stat = 2 * (0.7 - counts + xlogy(counts, counts / 0.7))
    sums = np.sort(stat.sum(axis=1))
    for fraction in (0.5, 0.1, 0.01):
        total = sums[int((1 - fraction) * len(sums))]
        sqrt_ts = np.full(20, np.sqrt(total / 20))
        p_value = p_value_of_sum({"npred": np.full(20, 0.7)}, sqrt_ts)
        assert_allclose(p_value, fraction, rtol=0.15)
    assert chi2.sf(total, 20) > 0.02


def test_masked_bins_do_not_count():
    counts, background = np.full(20, 1e6), np.full(20, 1e6)
    counts[:10] = 2e6
    dataset = spectrum(counts, background, name="masked")
    geom = dataset.counts.geom
    dataset.mask_fit = Map.from_geom(geom, data=(np.arange(20) > 9)[:, None, None])
    residuals = SpectralResiduals.from_datasets([dataset])
    assert residuals.sum_ts == 0 and residuals.p_value == 1
    assert SpectralResiduals.from_datasets([dataset], apply_mask=False).p_value == 0
    assert np.isnan(p_value_of_sum({"npred": np.ones(2)}, np.full(2, np.nan)))


def p_values_of_noise(expected, n_toys, *, alpha=None, off=None):
    """p-values of simulated spectra without any fit."""
    random = np.random.default_rng(0)
    for _toy in range(n_toys):
        if alpha is None:
            counts = random.poisson(expected)
            sums = {"npred": expected, "counts": counts}
            yield p_value_of_sum(sums, CashCountsStatistic(counts, expected).sqrt_ts)
            continue
        counts = random.poisson(expected + alpha * off)
        counts_off = random.poisson(off).astype(float)
        sqrt_ts = WStatCountsStatistic(counts, counts_off, alpha, expected).sqrt_ts
        sums = {
            "npred": expected + alpha * counts_off,
            "npred_background": alpha * counts_off,
            "counts": counts,
            "counts_off": counts_off,
            "acceptance": np.ones(len(expected)),
            "acceptance_off": np.full(len(expected), 1 / alpha),
        }
        yield p_value_of_sum(sums, sqrt_ts)


OFF = np.geomspace(50, 0.5, 20)


@pytest.mark.parametrize(
    "expected, options",
    [
        (np.geomspace(300, 2, 20), {}),
        (np.geomspace(5, 0.01, 30), {}),
        (np.geomspace(100, 1, 20), {"alpha": 0.2, "off": OFF}),
    ],
)
def test_noise_has_uniform_p_values(expected, options):
    p_values = list(p_values_of_noise(expected, 60, **options))
    assert kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.long
@pytest.mark.parametrize(
    "expected, options",
    [
        (np.geomspace(300, 2, 20), {}),
        (np.geomspace(5, 0.01, 30), {}),
        (np.geomspace(100, 1, 20), {"alpha": 0.2, "off": OFF}),
        # The off counts tell little of the background.
        (np.geomspace(30, 0.01, 20), {"alpha": 0.1, "off": OFF}),
    ],
)
def test_distribution_of_p_values(expected, options):
    n_toys = 400 if options else 1000
    p_values = np.array(list(p_values_of_noise(expected, n_toys, **options)))
    assert kstest(p_values, "uniform").statistic < (0.1 if options else 0.05)
    for level in (0.1, 0.03):
        rate = np.mean(p_values < level)
        assert abs(rate - level) < 3.5 * np.sqrt(level / n_toys)


def test_region_of_spectra():
    one, two = (spectrum(np.ones(20), np.ones(20), name=name) for name in "ab")
    residuals = SpectralResiduals.from_datasets(Datasets([one, two]))
    assert residuals.region.radius.to_value("deg") == 0.11 and residuals.is_of_spectra
    region = "icrs;circle(83.63, 22.01, 0.2)"
    other = spectrum(np.ones(20), np.ones(20), region, name="c")
    residuals = SpectralResiduals.from_datasets(Datasets([one, other]))
    assert residuals.region is None and residuals.is_of_spectra
