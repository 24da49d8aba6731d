# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Profiles, surfaces, intervals, contours and flux points with free shapes."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import (
    draw,
    make_dataset,
    make_gauss,
    make_source,
)
from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel, Models

LOGGER = "gammapy.modeling.automatic"
NEWTON = "backend 'newton', all that"


def make_datasets():
    """A source whose position and spectrum are free, at its best fit."""
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    shape = make_gauss(sigma="0.25 deg")
    shape.lat_0.frozen = shape.sigma.frozen = True
    background = FoVBackgroundModel(dataset_name="one")
    datasets.models = Models([make_source("src", shape), background])
    draw(datasets)
    Fit("newton").run(datasets)
    return datasets


@pytest.fixture
def datasets():
    return make_datasets()


def state(datasets):
    return [(par.value, par.error, par.frozen) for par in datasets.parameters]


def scan_around(parameter, offsets=(-1.5, 0, 1)):
    parameter.scan_values = parameter.value + np.array(offsets) * parameter.error


@pytest.mark.parametrize("backend", [None, "newton"])
def test_profile(datasets, backend, caplog):
    """Rises and the other parameters are those that Minuit finds."""
    lon = datasets.parameters["lon_0"]
    scan_around(lon)
    before = state(datasets)
    with caplog.at_level(logging.DEBUG, LOGGER):
        found = Fit(backend, debug=True).stat_profile(datasets, lon, reoptimize=True)
    assert f"stat_profile: {NEWTON} varies has exact derivatives" in caplog.text
    wanted = Fit("minuit").stat_profile(datasets, lon, reoptimize=True)
    assert_allclose(found["stat_scan"], wanted["stat_scan"], atol=2e-3, rtol=0)
    for own, other in zip(found["fit_results"], wanted["fit_results"], strict=True):
        assert own.success and own.backend == "newton"
        for par, expected in zip(own.parameters, other.parameters, strict=True):
            tolerance = 0.03 * max(datasets.parameters[par.name].error, 1e-12)
            assert_allclose(par.value, expected.value, atol=tolerance, rtol=1e-9)
    table = found["nuisance"]
    assert np.all(table["success"]) and np.all(table["src.spectral.index_err"] > 0)
    assert state(datasets) == before


def test_surface_of_position_and_index(datasets):
    lon, index = (datasets.parameters[name] for name in ("lon_0", "index"))
    scan_around(lon, (-1, 1))
    scan_around(index, (-1, 1))
    found = Fit().stat_surface(datasets, lon, index, reoptimize=True)
    assert found["stat_scan"].shape == (2, 2)
    for result, stat in zip(
        found["fit_results"].ravel(), found["stat_scan"].ravel(), strict=True
    ):
        assert result.success
        for par, wanted in zip(datasets.parameters, result.parameters, strict=True):
            par.value = wanted.value
        assert_allclose(datasets.stat_sum(), stat, atol=1e-3, rtol=0)


def test_scan_over_which_a_source_leaves_its_cutout():
    """At each value the statistic is that of the datasets."""
    datasets = Datasets([make_dataset("one", n_pixels=40)])
    shape = make_gauss(sigma="0.1 deg", lon_0="-1 deg", lat_0="0 deg")
    shape.lat_0.frozen = shape.sigma.frozen = True
    datasets.models = Models([make_source("src", shape)])
    datasets.parameters["index"].frozen = True
    draw(datasets)
    shape.lon_0.scan_values = [-1, 0.9]
    found = Fit().stat_profile(datasets, shape.lon_0, reoptimize=True)
    for result, stat in zip(found["fit_results"], found["stat_scan"], strict=True):
        shape.lon_0.value = result.parameters["lon_0"].value
        datasets.parameters["amplitude"].value = result.parameters["amplitude"].value
        assert_allclose(datasets.stat_sum(), stat, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["lon_0", "index", "norm"])
def test_confidence(datasets, name, caplog):
    """The profile of stat_sum has risen by sigma squared at both ends."""
    before = state(datasets)
    with caplog.at_level(logging.DEBUG, LOGGER):
        found = Fit().confidence(datasets, name, sigma=2)
    assert f"confidence: {NEWTON} is free has exact derivatives" in caplog.text
    assert found["success"] and found["nfev"] > 0
    assert state(datasets) == before
    parameter, best = datasets.parameters[name], datasets.stat_sum()
    for distance in (found["errp"], -found["errn"]):
        value = parameter.value
        parameter.value, parameter.frozen = value + distance, True
        Fit("minuit").optimize(datasets)
        assert_allclose(datasets.stat_sum() - best, 4, atol=0.02)
        parameter.value, parameter.frozen = value, False
        Fit("newton").optimize(datasets)


@pytest.mark.parametrize("name", ["index", "norm"])
def test_ends_of_an_interval_to_1e_4(datasets, name):
    """Minuit, with a tight tolerance and the end held, finds a rise of 1 +- 2e-4."""
    found = Fit().confidence(datasets, name)
    parameter, best = datasets.parameters[name], datasets.stat_sum()
    values = datasets.parameters.value
    tight = Fit("minuit", optimize_opts={"tol": 1e-3})
    for distance in (found["errp"], -found["errn"]):
        datasets.parameters.value = values
        parameter.value, parameter.frozen = parameter.value + distance, True
        tight.optimize(datasets)
        parameter.frozen = False
        assert_allclose(datasets.stat_sum() - best, 1, atol=2e-4)


def test_confidence_without_the_others(datasets):
    index, best = datasets.parameters["index"], datasets.stat_sum()
    found = Fit("newton").confidence(datasets, index, reoptimize=False)
    for distance in (found["errp"], -found["errn"]):
        value = index.value
        index.value = value + distance
        assert_allclose(datasets.stat_sum() - best, 1, atol=5e-3)
        index.value = value


def test_confidence_beyond_a_bound(datasets):
    lon = datasets.parameters["lon_0"]
    lon.max = lon.value + 0.3 * lon.error
    found = Fit().confidence(datasets, lon)
    assert not found["success"] and np.isnan(found["errp"])
    assert "before the bound of 'lon_0': max is" in found["message"]
    assert found["errn"] > 0.5 * lon.error


def test_confidence_of_an_amplitude_that_no_bin_sees(datasets):
    source = make_source("far", make_gauss(lon_0="8 deg"))
    source.spatial_model.parameters.freeze_all()
    datasets.models = Models([*datasets.models, source])
    amplitude = source.spectral_model.amplitude
    found = Fit("newton").confidence(datasets, amplitude)
    assert not found["success"] and np.isnan(found["errp"])
    assert "do not determine amplitude" in found["message"]


def test_contour(datasets, caplog):
    """On each point the profile has risen by 1; and Minuit draws the same line."""
    lon, index = (datasets.parameters[name] for name in ("lon_0", "index"))
    with caplog.at_level(logging.DEBUG, LOGGER):
        found = Fit().stat_contour(datasets, lon, "index", numpoints=4)
    assert f"stat_contour: {NEWTON} is free has exact derivatives" in caplog.text
    assert found["success"]
    names = ["src.spatial.lon_0", "src.spectral.index"]
    points, best = np.transpose([found[name] for name in names]), datasets.stat_sum()
    assert points.shape == (4, 2)
    lon.frozen = index.frozen = True
    for lon.value, index.value in points:
        Fit("minuit").optimize(datasets)
        assert_allclose(datasets.stat_sum() - best, 1, atol=5e-3)


def two_sources():
    """Two of them side by side, with their shapes frozen."""
    one = make_source("a", make_gauss(sigma="0.2 deg"))
    two = make_source("b", make_gauss(lon_0="-0.4 deg", sigma="0.2 deg"))
    for source in (one, two):
        source.spatial_model.parameters.freeze_all()
    return one, two


@pytest.mark.parametrize("backend", [None, "newton"])
def test_flux_points(backend, caplog):
    """The index of another source is refitted in each energy bin."""
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    one, two = two_sources()
    datasets.models = Models([one, two, FoVBackgroundModel(dataset_name="one")])
    draw(datasets)
    Fit("newton").run(datasets)
    before = state(datasets)
    tables = []
    for fit in (Fit(backend), Fit("minuit")):
        estimator = FluxPointsEstimator(
            energy_edges=[1, 10] * u.TeV,
            source="a",
            reoptimize=True,
            selection_optional=["errn-errp", "ul"],
            fit=fit,
        )
        with caplog.at_level(logging.DEBUG, LOGGER):
            tables.append(estimator.run(datasets).to_table(sed_type="likelihood"))
    assert f"FluxPointsEstimator: {NEWTON} is free has exact derivatives" in caplog.text
    found, wanted = tables
    error = found["norm_err"][0]
    for name in ("norm", "norm_errp", "norm_errn", "norm_ul"):
        assert_allclose(found[name], wanted[name], atol=0.02 * error, rtol=0)
    for name in ("stat", "ts"):
        assert_allclose(found[name], wanted[name], atol=2e-3, rtol=0)
    assert np.all(found["success"])
    assert state(datasets) == before


@pytest.mark.parametrize("backend", [None, "newton"])
def test_light_curve(backend, caplog):
    """Position and index of another source are refitted in each night."""
    datasets = Datasets([make_dataset(name, n_pixels=14) for name in ("one", "two")])
    for number, dataset in enumerate(datasets):
        start = number * u.d
        dataset.gti = GTI.create(start, start + 30 * u.min, Time("2020-01-01"))
    one, two = two_sources()
    two.spatial_model.lon_0.frozen = False
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([one, two, *backgrounds])
    draw(datasets)
    Fit("newton").run(datasets)
    before = state(datasets)
    curves = []
    for fit in (Fit(backend), Fit("minuit")):
        estimator = LightCurveEstimator(
            energy_edges=[1, 10] * u.TeV,
            source="a",
            reoptimize=True,
            selection_optional=["errn-errp", "ul"],
            fit=fit,
        )
        with caplog.at_level(logging.DEBUG, LOGGER):
            curves.append(estimator.run(datasets))
    assert f"LightCurveEstimator: {NEWTON} is free has exact derivatives" in caplog.text
    found, wanted = curves
    assert found.norm.data.shape == (2, 1, 1, 1)
    assert abs(found.norm.data[0] - found.norm.data[1]) > 5e-3
    error = found.norm_err.data
    for name in ("norm", "norm_errp", "norm_errn", "norm_ul"):
        difference = getattr(found, name).data - getattr(wanted, name).data
        assert np.all(abs(difference) < 0.02 * error)
    for name in ("stat", "ts"):
        own, other = (getattr(curve, name).data for curve in curves)
        assert_allclose(own, other, atol=2e-3, rtol=0)
    assert np.all(found.success.data)
    assert state(datasets) == before
