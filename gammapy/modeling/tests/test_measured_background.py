# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.visualization import plot_nuisance
from .test_newton import REGION, make_source


@pytest.fixture()
def on_off():
    """On-off spectrum with a source and an alpha of 1/4; the last bin is masked."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    axis_true = axis.copy(name="energy_true")

    def make_map(values, **kwargs):
        data = np.array(values).reshape(-1, 1, 1)
        return RegionNDMap.create(REGION, axes=[axis], data=data, **kwargs)

    dataset = SpectrumDatasetOnOff(
        name="on-off",
        counts=make_map([30.0, 12, 7, 3]),
        counts_off=make_map([40.0, 24, 11, 5]),
        acceptance=make_map([1.0, 1, 1, 1]),
        acceptance_off=make_map([4.0, 4, 4, 4]),
        exposure=RegionNDMap.create(REGION, axes=[axis_true], unit="cm2 s", data=2e13),
        mask_safe=make_map([True, True, True, False], dtype=bool),
    )
    dataset.models = [make_source(amplitude=3e-13)]
    return Datasets([dataset])


def profiled(n_on, n_off, alpha, signal):
    """Sum of alpha times b where the derivative by b of the likelihood is 0.

    (1 + alpha) - n_on alpha / (signal + alpha b) - n_off / b = 0, on a fine grid.
    """
    grid = np.linspace(1e-3, 100, 2_000_001)
    total = 0.0
    for on, off, source in zip(n_on, n_off, signal, strict=True):
        logs = on * np.log(source + alpha * grid) + off * np.log(grid)
        total += alpha * grid[np.argmax(logs - (1 + alpha) * grid)]
    return total


def test_profile_of_an_on_off_fit(on_off):
    amplitude = on_off.parameters["amplitude"]
    amplitude.scan_values = [1e-13, 5e-13]
    profile = Fit().stat_profile(on_off, amplitude, reoptimize=True, debug=True)
    table = profile["nuisance"]
    assert_allclose(table["stat"], profile["stat_scan"])
    assert table["counts.on-off"].tolist() == [49, 49]
    assert table["counts_off.on-off"].tolist() == [75, 75]
    assert table["alpha.on-off"].tolist() == [0.25, 0.25]
    for row, value in zip(table, amplitude.scan_values, strict=True):
        amplitude.value = value
        signal = on_off[0].npred_signal().data[:3, 0, 0]
        expected = profiled([30, 12, 7], [40, 24, 11], 0.25, signal)
        assert_allclose(row["background.on-off"], expected, rtol=1e-4)
    (ax,) = plot_nuisance(table)
    assert "background" in ax.get_ylabel()


def test_flux_points_of_an_on_off_fit(on_off):
    estimator = FluxPointsEstimator(
        energy_edges=[1, 3.2, 10] * u.TeV, source="src", reoptimize=True, debug=True
    )
    table = estimator.run(on_off).nuisance
    assert table["counts_off.on-off"].tolist() == [64, 11]
    assert table["alpha.on-off"].tolist() == [0.25, 0.25]
    # Without a source, on and off counts are those of one background.
    expected = (np.array([42, 7]) + [64, 11]) / 5
    assert_allclose(table["background.on-off_null"], expected, rtol=1e-6)
    assert np.isfinite(table["stat"]).all()
    assert len(plot_nuisance(table)) == 1
