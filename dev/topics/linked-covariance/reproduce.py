"""After a fit with linked parameters the correlation between models is 0."""

import sys
import numpy as np
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Covariance, Fit, Parameter, Parameters
from gammapy.modeling.models import FoVBackgroundModel, TemplateNPredModel

axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
background.data[:, 0, 0] = [100, 50]
signal = background.copy(data=background.data[::-1].copy())
maps = {"counts": background + signal, "background": background}


def find_correlation(is_linked):
    """Of the norms of signal and background."""
    datasets = Datasets([SpectrumDataset(name=name, **maps) for name in ["a", "b"]])
    models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    if is_linked:
        models[1].spectral_model.norm = models[0].spectral_model.norm
    datasets.models = [TemplateNPredModel(signal, name="signal"), *models]
    Fit().run(datasets)
    free = datasets.parameters.free_parameters
    return datasets.models.covariance.get_subcovariance(free).correlation[0, 1]


print(f"background norms not linked: {find_correlation(False):.2f}")
linked = find_correlation(True)
print(f"background norms linked: {linked:.2f}, expected -0.80")

parameters = Parameters([Parameter("x", 1), Parameter("y", 1)])
matrix = np.array([[0.04, np.nan], [np.nan, np.nan]])
covariance = Covariance.from_factor_matrix(parameters, matrix)
print(
    f"variance beside a parameter without one: {covariance.data[0, 0]}, expected 0.04"
)

sys.exit(int(abs(linked) < 0.5 or np.isnan(covariance.data[0, 0])))
