# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models


@pytest.fixture()
def background_datasets():
    """Two spectra of four bins, each with 12 counts and a background of 10."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    background = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    datasets = Datasets(
        [
            SpectrumDataset(name=name, counts=background * 1.2, background=background)
            for name in ["a", "b"]
        ]
    )
    datasets.models = Models(
        [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    )
    return datasets


def test_stat_profile_only_free_parameter(background_datasets):
    norm_a, norm_b = [m.parameters["norm"] for m in background_datasets.models]
    norm_a.scan_values = [1.2, 1.5]
    norm_b.frozen = True
    result = Fit().stat_profile(background_datasets, norm_a, reoptimize=True)

    # 40 counts expected and 48 measured
    difference = 2 * (40 * 0.3 - 48 * np.log(1.5 / 1.2))
    assert_allclose(np.diff(result["stat_scan"]), difference, rtol=1e-5)
    assert result["fit_results"] == []
    assert norm_a.value == 1
    assert not norm_a.frozen


def test_stat_surface_only_free_parameters(background_datasets):
    norm_a, norm_b = [m.parameters["norm"] for m in background_datasets.models]
    norm_a.scan_values = [1.2, 1.5]
    norm_b.scan_values = [1]
    result = Fit().stat_surface(background_datasets, norm_a, norm_b, reoptimize=True)

    difference = 2 * (40 * 0.3 - 48 * np.log(1.5 / 1.2))
    assert_allclose(np.diff(result["stat_scan"], axis=0), [[difference]], rtol=1e-5)
    assert result["fit_results"] == []


def test_scan_errors(background_datasets):
    tilt_a, tilt_b = [m.parameters["tilt"] for m in background_datasets.models]
    for tilt in [tilt_a, tilt_b]:
        tilt.frozen = False
        tilt.scan_values = [0]

    fit = Fit()
    fit.run(background_datasets)
    profile = fit.stat_profile(background_datasets, tilt_a, reoptimize=True)
    surface = fit.stat_surface(background_datasets, tilt_a, tilt_b, reoptimize=True)

    for result in [profile["fit_results"][0], surface["fit_results"][0, 0]]:
        parameters = result.models["a-bkg"].parameters
        assert_allclose(parameters["norm"].value, 1.2, rtol=1e-3)
        assert_allclose(parameters["norm"].error, np.sqrt(48) / 40, rtol=1e-3)
        assert parameters["tilt"].error == 0


def test_scan_errors_no_covariance(background_datasets):
    model = background_datasets.models["a-bkg"]
    Fit().run(background_datasets)
    model.parameters["tilt"].scan_values = [0]
    fit = Fit(backend="scipy", optimize_opts={"method": "L-BFGS-B"})
    profile = fit.stat_profile(
        background_datasets, model.parameters["tilt"], reoptimize=True
    )

    assert profile["fit_results"][0].parameters["norm"].error == 0
    assert_allclose(model.parameters["norm"].error, np.sqrt(48) / 40, rtol=1e-3)


def test_linked_parameter_names(background_datasets):
    model_a, model_b = background_datasets.models
    tilt, norm = model_a.parameters["tilt"], model_b.parameters["norm"]
    model_b.spectral_model.tilt = tilt
    tilt.frozen = False
    model_a.parameters["norm"].frozen = True
    names = ["a-bkg.spectral.tilt", "b-bkg.spectral.norm"]

    fit = Fit(store_trace=True)
    result = fit.run(background_datasets)
    assert result.trace.colnames[1:] == names

    for par, name in zip([tilt, norm], names, strict=True):
        par.scan_n_values = 2
        assert f"{name}_scan" in fit.stat_profile(background_datasets, par)

    surface = fit.stat_surface(background_datasets, tilt, norm)
    assert list(surface)[:2] == [f"{name}_scan" for name in names]

    contour = fit.stat_contour(background_datasets, tilt, norm, numpoints=4)
    assert list(contour)[:2] == names
