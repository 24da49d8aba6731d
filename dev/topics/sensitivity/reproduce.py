"""Sensitivities that are NaN, or not the value with the significance asked for."""

import logging
import sys
import warnings
import numpy as np
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator, ParameterSensitivityEstimator
from gammapy.estimators.map.ts import BrentqFluxEstimator, SimpleMapDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.stats import WStatCountsStatistic

logging.disable()
warnings.simplefilter("ignore")
wrong = []


def show(what, value, is_right):
    print(f"{what}: {value:.3f}{'' if is_right else ' <--'}")
    if not is_right:
        wrong.append(what)


axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
region = "icrs;circle(0, 0, 0.1)"
one = RegionNDMap.create(region, axes=[axis], data=1.0)
exposure = RegionNDMap.create(
    region, axes=[axis.copy(name="energy_true")], unit="cm2 s", data=1e14
)

print("Flux points of on-off data with 600 background counts, norm of the sensitivity")
for n_on in [540, 580, 620]:
    dataset = SpectrumDatasetOnOff(
        counts=one * n_on,
        counts_off=one * 3000,
        acceptance=one,
        acceptance_off=one * 5,
        exposure=exposure,
    )
    dataset.models = SkyModel(PowerLawSpectralModel(), name="source")
    estimator = FluxPointsEstimator(
        energy_edges=axis.edges,
        source="source",
        selection_optional=["sensitivity"],
        n_sigma_sensitivity=5,
    )
    value = estimator.run(Datasets([dataset])).norm_sensitivity.data.item()
    show(f"  {n_on} counts", value, np.isfinite(value))

print("Significance of the amplitude that is to have 5 sigma, 600 background counts")
for amplitude in [-1e-13, 1e-12]:
    spectral_model = PowerLawSpectralModel(amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    dataset = SpectrumDataset(counts=one, background=one * 600, exposure=exposure)
    dataset.models = SkyModel(spectral_model)
    estimator = ParameterSensitivityEstimator(spectral_model.amplitude, 0, n_sigma=5)
    signal = estimator.run(Datasets([dataset])) / 1e-12 * 90
    ts = 2 * ((signal + 600) * np.log(1 + signal / 600) - signal)
    is_right = np.isclose(ts**0.5, 5, rtol=0.01)
    show(f"  fitted amplitude {amplitude:g}", ts**0.5, is_right)

print("TS map, norm of the sensitivity at a position")
for counts in [0, 3, 40]:
    dataset = SimpleMapDataset(
        model=np.array([1.0, 4.0, 1.0]),
        counts=np.array([0.0, counts, 0.0]),
        background=np.array([2.0, 3.0, 5.0]),
        norm_guess=1.0,
    )
    estimator = BrentqFluxEstimator(
        rtol=1e-3,
        n_sigma=1,
        n_sigma_ul=2,
        n_sigma_sensitivity=5,
        selection_optional=["sensitivity"],
    )
    norm = estimator.run(dataset)["norm_sensitivity"]
    show(f"  {counts} counts", norm, np.isfinite(norm))

print("Excess of 3 sigma over 1e6 off counts")
for alpha in [0.01, 0.05, 0.1]:
    stat = WStatCountsStatistic(0, 1e6, alpha)
    excess = stat.n_sig_matching_significance(3)
    show(f"  alpha = {alpha}", float(excess), np.isfinite(excess))

sys.exit(int(len(wrong) > 0))
