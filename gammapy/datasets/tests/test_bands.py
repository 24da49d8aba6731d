# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Uncertainty of the model in residuals against energy."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.datasets import (
    Datasets,
    MapDataset,
    MapDatasetOnOff,
    SpectralResiduals,
)
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
GEOM = WcsGeom.create(skydir=(0, 0), npix=(30, 20), binsz=0.05, axes=[AXIS])
REGION = "icrs;circle(0.1, 0.1, 0.3)"
# Free parameters of the models below, in their order.
N_FREE = 7


def make_datasets(seed=0):
    """Two datasets with a source that both see, and a background model each."""
    datasets = Datasets()
    random = np.random.default_rng(seed)
    for name, level in (("one", 1.0), ("two", 3.0)):
        dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name=name)
        dataset.psf = dataset.edisp = None
        dataset.exposure.data += 1e10
        dataset.background.data += level
        dataset.mask_safe.data[...] = True
        dataset.mask_safe.data[:, :, :5] = False
        datasets.append(dataset)
    datasets["one"].mask_fit = GEOM.energy_mask(energy_min=AXIS.edges[1])
    source = SkyModel(
        spatial_model=GaussianSpatialModel(
            lon_0="0.1 deg", lat_0="0.05 deg", sigma="0.17 deg"
        ),
        spectral_model=PowerLawSpectralModel(
            amplitude="2e-11 cm-2 s-1 TeV-1", index=2.2
        ),
        name="src",
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([source, *backgrounds])
    for dataset in datasets:
        npred = dataset.npred()
        dataset.counts = npred.copy(data=random.poisson(npred.data))
    return datasets


def make_covariance(parameters, seed=1):
    """Correlated errors of about what a fit would give."""
    errors = {
        "amplitude": 1.5e-12,
        "index": 0.1,
        "lon_0": 0.01,
        "lat_0": 0.01,
        "sigma": 0.01,
        "norm": 0.05,
    }
    scale = np.array([0 if par.frozen else errors[par.name] for par in parameters])
    random = np.random.default_rng(seed)
    n_parameters = len(parameters)
    vectors = random.normal(size=(n_parameters, n_parameters))
    matrix = vectors @ vectors.T + n_parameters * np.eye(n_parameters)
    root = np.sqrt(np.diag(matrix))
    return matrix / np.outer(root, root) * np.outer(scale, scale)


@pytest.fixture()
def datasets():
    datasets = make_datasets()
    models = datasets.models
    models.covariance = make_covariance(models.parameters)
    datasets.models = models
    assert len(datasets.parameters.free_parameters) == N_FREE
    return datasets


def npred_by_hand(datasets):
    """Model inside masks and region, pixel by pixel, shape (n_energy,)."""
    inside = GEOM.to_image().region_mask(REGION).data
    return sum(
        np.where(dataset.mask.data & inside, dataset.npred().data, 0).sum(axis=(1, 2))
        for dataset in datasets
    )


def band_by_hand(datasets, covariance):
    """Band from small steps of all parameters, in their order."""
    slopes = []
    for par in datasets.parameters.free_parameters:
        value, step = par.value, 1e-2 * par.error
        ends = []
        for sign in (-1, 1):
            par.value = value + sign * step
            ends.append(npred_by_hand(datasets))
        par.value = value
        slopes.append((ends[1] - ends[0]) / (2 * step))
    slopes = np.array(slopes)
    return np.sqrt(np.diag(slopes.T @ covariance @ slopes))


def free_covariance(datasets):
    models = datasets.models
    free = models.parameters.free_parameters
    return models.covariance.get_subcovariance(free).data


def test_band_against_small_steps(datasets):
    covariance = free_covariance(datasets)
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    expected = band_by_hand(datasets, covariance)
    assert_allclose(result.npred_err, expected, rtol=5e-3)
    table = result.to_table("diff/model")
    assert_allclose(table["npred_err"], expected, rtol=5e-3)
    assert_allclose(table["residual_band"], expected / table["npred"], rtol=5e-3)
    table = result.to_table("significance")
    ratio = expected / np.sqrt(table["npred"])
    assert_allclose(table["residual_band"], ratio, rtol=5e-3)
    # Correlations matter: without them the band is another one.
    alone = band_by_hand(datasets, np.diag(np.diag(covariance)))
    assert np.any(np.abs(alone / expected - 1) > 0.01)


def check_against_draws(datasets, n_draws, rtol):
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    free = datasets.parameters.free_parameters
    values = [par.value for par in free]
    errors = np.array([par.error for par in free])
    # Their scales differ by more than a decomposition of the covariance bears.
    correlation = free_covariance(datasets) / np.outer(errors, errors)
    random = np.random.default_rng(2)
    draws = random.multivariate_normal(np.zeros(len(free)), correlation, n_draws)
    draws = values + errors * draws
    npred = []
    for draw in draws:
        for par, value in zip(free, draw, strict=True):
            par.value = value
        npred.append(npred_by_hand(datasets))
    assert_allclose(np.std(npred, axis=0), result.npred_err, rtol=rtol)


def test_band_against_few_draws(datasets):
    check_against_draws(datasets, 60, rtol=0.3)


@pytest.mark.long
def test_band_against_draws(datasets):
    check_against_draws(datasets, 500, rtol=0.1)


def test_nothing_changes(datasets):
    free = datasets.parameters.free_parameters
    # An error that was set by hand stays, and is the one that counts.
    free[0].error *= 2
    # With one energy bin masked and without models that were evaluated before.
    npred = [dataset.npred().data.copy() for dataset in datasets]
    evaluator = datasets[0].evaluators["src"]
    image, before = evaluator._compute_npred, vars(evaluator).copy()
    values = [(par.value, par.error) for par in datasets.parameters]
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert values == [(par.value, par.error) for par in datasets.parameters]
    assert evaluator._compute_npred is image
    changed = [k for k, value in before.items() if vars(evaluator)[k] is not value]
    assert not changed
    for dataset, data in zip(datasets, npred, strict=True):
        assert np.array_equal(dataset.npred().data, data)
    alone = band_by_hand(datasets, np.diag([par.error**2 for par in free]))
    assert np.all(result.npred_err < 3 * alone)


def test_values_are_put_back_after_an_error(datasets, monkeypatch):
    values = datasets.parameters.value.copy()
    evaluator = type(datasets[0].evaluators["src"])
    compute = evaluator.compute_npred

    def fail_when_moved(self):
        if not np.array_equal(datasets.parameters.value, values):
            raise RuntimeError("moved")
        return compute(self)

    monkeypatch.setattr(evaluator, "compute_npred", fail_when_moved)
    with pytest.raises(RuntimeError, match="moved"):
        SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert np.array_equal(datasets.parameters.value, values)


def test_bounds_are_kept(datasets, monkeypatch):
    sigma = datasets.models["src"].spatial_model.sigma
    sigma.min = sigma.value
    expected = band_by_hand(datasets, free_covariance(datasets))
    evaluator = type(datasets[0].evaluators["src"])
    compute, seen = evaluator.compute_npred, []

    def spy(self):
        seen.append(sigma.value)
        return compute(self)

    monkeypatch.setattr(evaluator, "compute_npred", spy)
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert min(seen) == sigma.min and max(seen) > sigma.min
    assert_allclose(result.npred_err, expected, rtol=2e-2)


def test_bounds_without_room(datasets):
    """A parameter that its bounds hold does not move: its error is not meaningful."""
    sigma = datasets.models["src"].spatial_model.sigma
    covariance = free_covariance(datasets)
    idx = list(datasets.parameters.free_parameters).index(sigma)
    covariance[idx] = covariance[:, idx] = 0
    expected = band_by_hand(datasets, covariance)
    sigma.min = sigma.max = sigma.value
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert_allclose(result.npred_err, expected, rtol=1e-3)


def test_excluded_components_have_no_part(datasets):
    result = SpectralResiduals.from_datasets(datasets, REGION, exclude="src", band=True)
    free = datasets.parameters.free_parameters
    covariance = free_covariance(datasets)
    for idx, par in enumerate(free):
        if par.name != "norm":
            covariance[idx] = covariance[:, idx] = 0
    assert_allclose(result.npred_err, band_by_hand(datasets, covariance), rtol=1e-6)


def test_covariance_of_a_fit(datasets, caplog):
    fitted = make_datasets()
    fit_result = Fit().run(fitted)
    joint = SpectralResiduals.from_datasets(fitted, REGION, band=True)
    free = fitted.parameters.free_parameters
    places = [fitted.parameters.index(par) for par in free]
    matrix = fit_result.covariance_result.matrix[np.ix_(places, places)]
    assert_allclose(joint.npred_err, band_by_hand(fitted, matrix), rtol=5e-3)
    assert not caplog.records
    options = {"region": REGION, "band": fit_result.models}
    given = SpectralResiduals.from_datasets(list(fitted), **options)
    assert_allclose(given.npred_err, joint.npred_err, rtol=1e-6)
    assert not caplog.records
    SpectralResiduals.from_datasets(list(fitted), REGION, band=True)
    assert "ignores correlations between models" in caplog.text


@pytest.mark.parametrize("error", [0.0, np.nan])
def test_no_errors(error, caplog):
    datasets = make_datasets()
    for par in datasets.parameters:
        par.error = error
    with caplog.at_level(logging.WARNING):
        result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert result.npred_err is None
    assert "There is no band: the free parameters" in caplog.text
    assert not {"npred_err", "residual_band"} & set(result.to_table().colnames)
    caplog.clear()
    assert SpectralResiduals.from_datasets(datasets, REGION).npred_err is None
    assert not caplog.records


@pytest.mark.parametrize("error", [0.0, np.nan])
def test_undetermined_parameters_are_named(datasets, caplog, error):
    datasets.models["src"].spectral_model.index.error = error
    SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert "ignores parameters without an error: 'index' of 'src'." in caplog.text


def test_on_off_has_the_band_of_the_signal(datasets):
    dataset = datasets["one"]
    ones = Map.from_geom(GEOM, data=1.0)
    on_off = MapDatasetOnOff.from_map_dataset(
        dataset, acceptance=ones, acceptance_off=ones * 2
    )
    on_off.mask_fit = dataset.mask_fit
    on_off.models = [datasets.models["src"]]
    result = SpectralResiduals.from_datasets(on_off, REGION, band=True)
    amplitude = datasets.models["src"].spectral_model.amplitude
    for par in datasets.parameters:
        par.frozen = par is not amplitude
    alone = SpectralResiduals.from_datasets(on_off, REGION, band=True)
    table = alone.to_table()[alone.mask]
    # The signal is proportional to its amplitude.
    expected = table["npred_src"] * amplitude.error / amplitude.value
    assert_allclose(table["npred_err"], expected)
    assert np.all(result.npred_err[alone.mask] > expected)


def test_weights_of_masks(datasets):
    dataset = datasets["two"]
    dataset.mask_fit = Map.from_geom(GEOM, data=0.25)
    plain = SpectralResiduals.from_datasets(
        dataset, REGION, apply_mask=False, band=True
    )
    dataset.stat_type = "cash_weighted"
    weighted = SpectralResiduals.from_datasets(dataset, REGION, band=True)
    assert_allclose(weighted.npred_err, plain.npred_err / 4)


def test_model_below_zero_does_not_move():
    datasets = Datasets(make_datasets()[:1])
    datasets.models = [datasets.models["src"]]
    dataset = datasets[0]
    dataset.background.data[...] = 0.0
    amplitude = datasets.models["src"].spectral_model.amplitude
    amplitude.value *= -1
    amplitude.error = abs(amplitude.value)
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    assert result.to_table()["npred"][1] == 0
    assert result.npred_err[1] == 0


@pytest.mark.long
def test_band_against_simulated_fits():
    """The scatter of the model in 200 fits of simulated counts is the band."""
    datasets = make_datasets()
    truth = [dataset.npred().data.copy() for dataset in datasets]
    start = [par.value for par in datasets.parameters]
    for dataset, data in zip(datasets, truth, strict=True):
        dataset.counts.data = data.copy()
    Fit("newton").run(datasets)
    band = SpectralResiduals.from_datasets(datasets, REGION, band=True).npred_err
    random = np.random.default_rng(3)
    npred = []
    for _trial in range(200):
        for dataset, data in zip(datasets, truth, strict=True):
            dataset.counts.data = random.poisson(data).astype(float)
        for par, value in zip(datasets.parameters, start, strict=True):
            par.value = value
        Fit("newton").run(datasets)
        npred.append(npred_by_hand(datasets))
    assert_allclose(np.std(npred, axis=0), band, rtol=0.2)


def test_write_and_read(datasets, tmp_path):
    path = tmp_path / "residuals.ecsv"
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    result.write(path)
    other = SpectralResiduals.read(path)
    assert other.to_table().colnames == result.to_table().colnames
    for name in result.to_table().colnames:
        assert_allclose(other.to_table()[name], result.to_table()[name], rtol=1e-15)
    assert other.region.radius == result.region.radius
    assert str(other) == str(result)
    with pytest.raises(OSError, match="exists; overwrite=True"):
        result.write(path)
    # A file without a band, as one that was made without asking for it.
    table = Table.read(path)
    table.remove_column("npred_err")
    table.write(path, overwrite=True)
    assert SpectralResiduals.read(path).npred_err is None


def test_bad_files(datasets, tmp_path):
    path = tmp_path / "table.ecsv"
    with pytest.raises(OSError, match="There is no file"):
        SpectralResiduals.read(path)
    Table({"a": [1]}).write(path)
    with pytest.raises(ValueError, match="has no SpectralResiduals: it is damaged"):
        SpectralResiduals.read(path)
    with pytest.raises(TypeError, match="band: expected True or False, got 'yes'"):
        SpectralResiduals.from_datasets(datasets, band="yes")


def test_drawn_band(datasets):
    result = SpectralResiduals.from_datasets(datasets, REGION, band=True)
    for method in ("diff", "significance"):
        axes = result.plotter.plot(result, method=method)
        table = result.to_table(method)
        low = [table["npred"] - table["npred_err"], -table["residual_band"]]
        high = [table["npred"] + table["npred_err"], table["residual_band"]]
        for ax, bottom, top in zip(axes, low, high, strict=True):
            (patch,) = [patch for patch in ax.patches if patch.get_gid() == "band"]
            data = patch.get_data()
            assert_allclose(data.baseline, bottom)
            assert_allclose(data.values, top)
            assert_allclose(data.edges, AXIS.edges.value)
        labels = [text.get_text() for text in axes[0].get_legend().get_texts()]
        assert r"Model $\pm 1\sigma$" in labels
        plt.close(axes[0].figure)
    plain = SpectralResiduals.from_datasets(datasets, REGION)
    axes = plain.plotter.plot(plain)
    assert not [patch for patch in axes[0].patches if patch.get_gid() == "band"]
    plt.close(axes[0].figure)
