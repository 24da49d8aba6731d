# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""n_free, AIC and BIC of fits, against numbers worked out by hand."""

import copy
import pickle
import pytest
import yaml
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PowerLawSpectralModel,
    SkyModel,
)

BACKENDS = ["minuit", "newton"]


def geom():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    return RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis])


def make_map(data, **kwargs):
    return RegionNDMap.from_geom(geom(), data=np.reshape(data, (-1, 1, 1)), **kwargs)


def make_dataset(name, counts, **kwargs):
    """Background of 10 per bin; the last of three bins is masked."""
    maps = {"counts": make_map(counts), "background": make_map([10.0] * 3)}
    dataset = SpectrumDataset(**maps, name=name, **kwargs)
    dataset.mask_safe = make_map([True, True, False])
    return dataset


@pytest.fixture
def datasets():
    return Datasets([make_dataset("one", [9, 17, 50]), make_dataset("two", [4, 8, 50])])


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_norms(datasets, backend):
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    result = Fit(backend).run(datasets)
    # The norms are 26 / 20 and 12 / 20; 38 events are inside the masks.
    stat = 2 * (26 - 26 * np.log(13) + 12 - 12 * np.log(6))
    assert result.n_free == 2
    assert_allclose(result.total_stat, stat, rtol=1e-6)
    assert_allclose(result.aic, stat + 4, rtol=1e-6)
    assert_allclose(result.bic, stat + 2 * np.log(38), rtol=1e-6)
    both = result.optimize_result
    assert (both.n_free, both.aic, both.bic) == (2, result.aic, result.bic)


@pytest.mark.parametrize("backend", BACKENDS)
def test_linked_parameters_count_once(datasets, backend):
    one, two = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    two.spectral_model.norm = one.spectral_model.norm
    datasets.models = [one, two]
    result = Fit(backend).run(datasets)
    assert result.n_free == 1
    stat = 2 * (38 - 38 * np.log(9.5))
    assert_allclose(result.aic, stat + 2, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_priors_do_not_count(datasets, backend):
    model = FoVBackgroundModel(dataset_name="one")
    model.spectral_model.norm.prior = GaussianPrior(mu=1, sigma=0.01)
    dataset = datasets[0]
    dataset.models = [model]
    result = Fit(backend).run([dataset])
    norm = model.spectral_model.norm.value
    stat = 2 * (20 * norm - 26 * np.log(10 * norm))
    assert abs(result.total_stat - stat) > 5
    assert_allclose(result.aic, stat + 2, rtol=1e-6)
    assert_allclose(result.bic, stat + np.log(26), rtol=1e-6)


@pytest.mark.parametrize("backend", [None, "newton"])
def test_undetermined_norms_do_not_count(datasets, backend):
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets[1].mask_safe = make_map([False] * 3)
    result = Fit(backend).run(datasets)
    assert result.undetermined == ["two-bkg.spectral.norm"]
    assert result.n_free == 1


def test_on_off_counts_all_events():
    axis = geom().axes[0].copy(name="energy_true")
    geom_true = geom().to_image().to_cube([axis])
    dataset = SpectrumDatasetOnOff(
        counts=make_map([5, 6, 50]),
        counts_off=make_map([7, 9, 90]),
        acceptance=make_map([1.0] * 3),
        acceptance_off=make_map([2.0] * 3),
        exposure=RegionNDMap.from_geom(geom_true, data=1e12, unit="cm2 s"),
        mask_safe=make_map([True, True, False]),
        name="onoff",
    )
    spectrum = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    spectrum.index.frozen = True
    dataset.models = [SkyModel(spectrum, name="source")]
    result = Fit().run([dataset])
    assert result.n_free == 1
    assert_allclose(result.bic - result.total_stat, np.log(5 + 6 + 7 + 9))
    assert_allclose(result.aic - result.total_stat, 2)


def test_none_for_weights(datasets):
    dataset = make_dataset("one", [9, 17, 50], stat_type="cash_weighted")
    dataset.mask_safe = make_map([1.0, 0.5, 0])
    datasets[0].models = [FoVBackgroundModel(dataset_name="one")]
    dataset.models = datasets[0].models
    for weighted in ([dataset], [dataset, datasets[1]]):
        result = Fit().run(weighted)
        assert (result.n_free, result.aic, result.bic) == (1, None, None)
    text = str(result)
    assert "n free     : 1\n" in text and "aic" not in text


def test_no_events_and_nothing_free(datasets):
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.parameters["norm"].frozen = True
    datasets.models[1].parameters["norm"].frozen = True
    result = Fit().fit_nuisance(datasets)
    assert result.n_free == 0
    empty = make_dataset("one", [0, 0, 50])
    empty.models = [FoVBackgroundModel(dataset_name="one")]
    empty.models.parameters["norm"].min = 0
    result = Fit("newton").run([empty])
    assert_allclose(result.aic, 2, atol=1e-6)
    assert result.bic is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_they_survive(datasets, backend, tmp_path):
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    result = Fit(backend).run(datasets)
    result.optimize_result._minuit = None
    numbers = {"n_free": 2, "aic": result.aic, "bic": result.bic}
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert {name: getattr(other, name) for name in numbers} == numbers
    result.write(tmp_path / "fit.yaml")
    data = yaml.safe_load((tmp_path / "fit.yaml").read_text())["OptimizeResult"]
    assert {name: data[name] for name in numbers} == numbers
    lines = [line.strip() for line in str(result).splitlines()]
    aic = f"aic        : {result.aic:.2f}"
    assert lines[lines.index("n free     : 2") + 1] == aic
    # Results that were pickled before there were these.
    del result.optimize_result._fitted_data
    assert (result.n_free, result.aic, result.bic) == (2, None, None)


def test_results_of_scans(datasets):
    datasets.models = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    norm = datasets.models[0].parameters["norm"]
    norm.scan_values = [0.9, 1.1]
    results = Fit().stat_profile(datasets, norm, reoptimize=True)["fit_results"]
    assert [result.n_free for result in results] == [1, 1]
