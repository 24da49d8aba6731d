# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small datasets whose fits have a closed form, for histories."""

import numpy as np
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel

#: Counts of the first dataset, and what the background of each bin is.
COUNTS, BACKGROUND = (150, 120, 100, 80), 100.0


def spectra(*names, counts=COUNTS):
    """Datasets with a background whose norm is 1 and fixed."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    datasets = Datasets()
    for idx, name in enumerate(names or ["run"]):
        map_ = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis])
        map_.data[:, 0, 0] = np.array(counts) + 10 * idx
        datasets.append(
            SpectrumDataset(
                name=name, counts=map_, background=map_.copy(data=BACKGROUND)
            )
        )
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    for par in datasets.models.parameters:
        par.frozen = True
    return datasets


def fitted(datasets, *names):
    """Result of a fit in which parameters of these names are free."""
    for par in datasets.models.parameters:
        par.frozen = par.name not in names
    return Fit("newton").run(datasets)


def ts_of_norm(counts=COUNTS, background=BACKGROUND):
    """Gain of the statistic by a free norm, 2 [N ln(N / B) - N + B] with the sums."""
    total, expected = np.sum(counts), background * len(counts)
    return 2 * (total * np.log(total / expected) - total + expected)
