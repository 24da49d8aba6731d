"""Profiles of the backgrounds of two spectra with 48 counts where 40 are expected."""

import sys
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models

axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
datasets = Datasets(
    [
        SpectrumDataset(name=name, counts=background * 1.2, background=background)
        for name in ["a", "b"]
    ]
)
models = Models([FoVBackgroundModel(dataset_name=name) for name in datasets.names])
datasets.models = models
fit = Fit()
norm_a, norm_b = [model.spectral_model.norm for model in models]
tilt_a = models[0].spectral_model.tilt
is_wrong = False

print("1. Profile of the only free parameter")
norm_a.scan_values = [1, 1.2]
norm_b.frozen = True
try:
    profile = fit.stat_profile(datasets, norm_a, reoptimize=True)
    print(f"stat_scan: {profile['stat_scan']}")
except ValueError as error:
    print(f"ValueError: {error}")
    is_wrong = True

print("2. Error of the norm at tilt = 0, which is sqrt(48) / 40 = 0.173")
tilt_a.frozen = False
tilt_a.scan_values = [0]
fit.run(datasets)
profile = fit.stat_profile(datasets, tilt_a, reoptimize=True)
error = profile["fit_results"][0].parameters["norm"].error
print(f"{error:.3f}")
is_wrong |= abs(error - 0.1732) > 0.002

print("3. Profile of the norm of b-bkg, while the tilts are linked")
models[1].spectral_model.tilt = tilt_a
norm_b.scan_values = [1, 1.2]
(name, *_others) = fit.stat_profile(datasets, norm_b)
print(name)
is_wrong |= name != "b-bkg.spectral.norm_scan"
sys.exit(is_wrong)
