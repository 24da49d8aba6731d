# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import SpectralResiduals
from gammapy.diagnostics.absorbed import Absorbed
from gammapy.diagnostics.derivatives import differentiate
from gammapy.diagnostics.fitted_bins import read_bins
from .goodness_fields import norms_field, on_off_spectrum, source_field


def derivatives_of(datasets):
    free = list(datasets.parameters.free_parameters)
    names = [par.name for par in free]
    bins = read_bins(datasets)
    found = differentiate(datasets, bins, free)
    return bins, names, [part.full(len(free)) for part in found]


def test_norms():
    datasets = norms_field(500, n_pix=12, n_energy=3)
    mask = datasets[0].mask_fit
    mask.data[:, :, 4:6] = False
    bins, _names, (slopes,) = derivatives_of(datasets)
    dataset, used = datasets[0], mask.data.ravel()
    assert_allclose(bins[0].npred, dataset.npred().data.ravel()[used])
    background = dataset.npred_background().data.ravel()[used]
    assert_allclose(slopes[:, 0], background, rtol=1e-9)
    for number, model in enumerate(dataset.models[1:], start=1):
        template = model.map.data.ravel()[used]
        assert_allclose(slopes[:, number], template, rtol=1e-6, atol=1e-12)


def test_shapes():
    """Of a Gaussian and a power law the derivatives are known."""
    datasets = source_field(n_pix=30, n_energy=5)
    model = datasets.models["source"]
    model.spectral_model.index.error = 0.02
    model.spatial_model.sigma.error = 0.003
    model.spatial_model.lon_0.error = 0.003
    bins, names, (slopes,) = derivatives_of(datasets)
    geom = datasets[0].counts.geom
    signal = datasets[0].npred_signal().data
    sigma = 0.35
    separation = geom.to_image().separation(geom.center_skydir).to_value("deg")
    wanted = signal * (separation**2 / sigma**3 - 2 / sigma)
    scale = abs(wanted).max()
    found = bins[0].cube(slopes[:, names.index("sigma")])
    assert_allclose(found, wanted, atol=0.02 * scale)
    lon = (geom.to_image().get_coord().lon.to_value("deg") + 180) % 360 - 180
    wanted = signal * lon / sigma**2
    found = bins[0].cube(slopes[:, names.index("lon_0")])
    assert_allclose(found, wanted, atol=0.02 * abs(wanted).max())
    # Integrals of E^-g: from the next power in one bin.
    axis = geom.axes["energy"]
    low, high = axis.edges.value[:-1], axis.edges.value[1:]
    mean = (np.log(low) + 1) / low - (np.log(high) + 1) / high
    log_energy = mean / (1 / low - 1 / high)
    wanted = -signal.sum(axis=(1, 2)) * log_energy
    found = bins[0].cube(slopes[:, names.index("index")]).sum(axis=(1, 2))
    assert_allclose(found, wanted, rtol=1e-3)


def test_nothing_is_changed(monkeypatch):
    datasets = source_field(n_pix=20, n_energy=3)
    parameters = list(datasets.parameters)
    before = [par.value for par in parameters]
    npred = datasets[0].npred().data.copy()
    derivatives_of(datasets)
    assert [par.value for par in parameters] == before
    assert np.all(datasets[0].npred().data == npred)

    evaluator = datasets[0].evaluators["source"]
    place = evaluator.compute_npred().geom
    calls = []

    def fails():
        calls.append(place)
        if len(calls) > 3:
            raise RuntimeError("no memory")
        return datasets[0].npred_background()

    monkeypatch.setattr(evaluator, "compute_npred", fails)
    bins = read_bins(norms_field(100, n_pix=20, n_energy=3))
    with pytest.raises(RuntimeError, match="no memory"):
        differentiate(datasets, bins, parameters)
    assert [par.value for par in parameters] == before


def test_bounds():
    """Nothing is evaluated beyond a bound."""
    datasets = source_field(n_pix=20, n_energy=3)
    sigma = datasets.models["source"].spatial_model.sigma
    sigma.value, sigma.error, sigma.max = 0.35, 0.004, 0.35
    _bins, names, (slopes,) = derivatives_of(datasets)
    one_sided = slopes[:, names.index("sigma")]
    assert np.isfinite(one_sided).all()
    sigma.max = np.nan
    both = derivatives_of(datasets)[2][0][:, names.index("sigma")]
    assert_allclose(one_sided, both, atol=0.1 * abs(both).max())
    amplitude = datasets.models["source"].spectral_model.amplitude
    amplitude.min = amplitude.max = amplitude.value
    slopes = derivatives_of(datasets)[2][0]
    assert np.all(slopes[:, names.index("amplitude")] == 0)


def test_evaluators_keep_what_they_have(monkeypatch):
    """The model is not computed again afterwards: copies of evaluators are used."""
    datasets = source_field(n_pix=20, n_energy=3)
    npred = datasets[0].npred().data
    evaluator = datasets[0].evaluators["source"]
    images = evaluator.compute_npred()
    derivatives_of(datasets)
    assert evaluator.compute_npred() is images
    assert_allclose(datasets[0].npred().data, npred, rtol=0)


def test_same_as_the_band():
    """Sums of derivatives in bins with the covariance are the band of a spectrum."""
    datasets = source_field(n_pix=20, n_energy=3)
    models = datasets.models
    random = np.random.default_rng(0)
    free = np.array([not par.frozen for par in models.parameters])
    roots = random.normal(size=(free.size, free.size)) * free[:, np.newaxis]
    scale = 0.01 * np.array([abs(par.value) or 0.1 for par in models.parameters])
    models.covariance = scale * (roots @ roots.T) * scale[:, np.newaxis]
    datasets.models = models
    bins, _names, (slopes,) = derivatives_of(datasets)
    sums = np.array([bins[0].cube(column).sum(axis=(1, 2)) for column in slopes.T])
    covariance = models.covariance.data[np.ix_(free, free)]
    wanted = np.sqrt(np.einsum("ik,ij,jk->k", sums, covariance, sums))
    result = SpectralResiduals.from_datasets(datasets, band=True)
    assert_allclose(result.npred_err, wanted, rtol=1e-10)


def test_on_off():
    """Of on-off data only the signal depends on the parameters."""
    datasets = on_off_spectrum(n_energy=5)
    datasets[0].counts.data += 20
    datasets[0].counts_off.data += 60
    _bins, names, (slopes,) = derivatives_of(datasets)
    amplitude = datasets.models[0].spectral_model.amplitude.value
    signal = datasets[0].npred_signal().data.ravel()
    found = slopes[:, names.index("amplitude")] * amplitude
    assert_allclose(found, signal, rtol=1e-9)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_absorbed(is_weighted):
    """The moments are those of normal deviates, from the whole matrix."""
    random = np.random.default_rng(3)
    n_bins, n_cells, n = 60, 12, 4
    npred = random.uniform(1, 3, n_bins)
    weights = random.uniform(0.2, 1, n_bins) if is_weighted else np.ones(n_bins)
    slopes = random.normal(size=(n_bins, n))
    label = np.repeat(np.arange(n_cells), n_bins // n_cells)
    into = (label == np.arange(n_cells)[:, np.newaxis]).astype(float)
    covariance = np.linalg.inv((slopes.T * (weights / npred)) @ slopes)
    # Counts of unit variance times this are the differences after the fit.
    response = into @ (
        np.diag(weights)
        - weights[:, np.newaxis] * slopes @ covariance @ (slopes.T * (weights / npred))
    )
    response = response * np.sqrt(npred)
    error = np.sqrt(into @ (weights**2 * npred))
    matrix = response @ response.T / np.outer(error, error)

    cell_slopes = into @ (weights[:, np.newaxis] * slopes) / error[:, np.newaxis]
    weighted = None
    if is_weighted:
        other = into @ (weights[:, np.newaxis] ** 2 * slopes) / error[:, np.newaxis]
        weighted = other, (slopes.T * (weights**2 / npred)) @ slopes
    absorbed = Absorbed(cell_slopes, covariance, weighted)
    for cells in (np.arange(n_cells), np.array([1, 4, 5])):
        part = matrix[np.ix_(cells, cells)]
        moments = [
            factor * np.trace(np.linalg.matrix_power(part, power))
            for factor, power in ((1, 1), (2, 2), (8, 3))
        ]
        wanted = np.array([1, 2, 8]) * cells.size - moments
        assert_allclose(absorbed.moments(cells), wanted, rtol=1e-9)
