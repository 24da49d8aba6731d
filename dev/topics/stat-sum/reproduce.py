"""Time of the joint statistic beside that of the statistics of the datasets."""

import sys
import timeit
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling.models import FoVBackgroundModel

axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
datasets = Datasets(
    [
        SpectrumDataset(name=f"run-{idx}", counts=background, background=background)
        for idx in range(20)
    ]
)
datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]


def sum_of_datasets():
    """Sum of the statistics, there are no priors."""
    return sum(dataset._fit_statistic.stat_sum_dataset(dataset) for dataset in datasets)


assert abs(datasets.stat_sum() - sum_of_datasets()) < 1e-9

times = {
    name: min(timeit.repeat(function, number=5, repeat=5)) / 5 * 1e3
    for name, function in {
        "20 datasets alone": sum_of_datasets,
        "Datasets.models": lambda: datasets.models,
        "Datasets.stat_sum": datasets.stat_sum,
    }.items()
}
for name, time in times.items():
    print(f"{name:20}{time:6.2f} ms")
sys.exit(times["Datasets.stat_sum"] > 4 * times["20 datasets alone"])
