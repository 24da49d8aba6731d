# Licensed under a 3-clause BSD style license - see LICENSE.rst
import operator
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
import astropy.units as u
from gammapy.data import GTI
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset, norm_templates
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import Map, MapAxis, RegionNDMap, WcsGeom
from gammapy.modeling import Fit, Parameter
from gammapy.modeling.linearity import NotLinearError, linear_norms, why_not_linear
from gammapy.modeling.models import (
    SPECTRAL_MODEL_REGISTRY,
    CompoundSpectralModel,
    ConstantTemporalModel,
    FoVBackgroundModel,
    GaussianPrior,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    ScaleSpectralModel,
    SkyModel,
    TemplateNPredModel,
    TemplateSpectralModel,
    UniformPrior,
)
from gammapy.modeling.newton import confidence_norm, fit_norms
from gammapy.modeling.newton.quadratic import minimise_quadratic
from gammapy.modeling.templates import NormTemplates
from gammapy.stats import GaussianPriorPenalty

REGION = "icrs;circle(0, 0, 0.1)"
TIGHT = {"backend": "minuit", "tol": 1e-8, "strategy": 1}


def make_spectrum(name="set", n_bins=6, background=30.0):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_bins)
    axis_true = axis.copy(name="energy_true")
    dataset = SpectrumDataset(
        name=name,
        exposure=RegionNDMap.create(REGION, axes=[axis_true], unit="cm2 s", data=2e13),
        background=RegionNDMap.create(REGION, axes=[axis], data=background),
    )
    dataset.mask_safe = RegionNDMap.create(REGION, axes=[axis], dtype=bool, data=True)
    dataset.counts = RegionNDMap.create(REGION, axes=[axis])
    return dataset


def make_map(name="map", n_bins=4, n_pixels=25):
    """Map with an exposure, a background that falls to zero, and masks."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_bins)
    geom = WcsGeom.create(npix=n_pixels, binsz=0.1, axes=[axis])
    geom_true = WcsGeom.create(
        npix=n_pixels, binsz=0.1, axes=[axis.copy(name="energy_true")]
    )
    offset = geom.separation(geom.center_skydir).deg
    background = Map.from_geom(
        geom, data=np.broadcast_to(offset < 1.1, geom.data_shape)
    )
    background.data = background.data * np.array([0.3, 0.1, 0.03, 0.01])[:, None, None]
    dataset = MapDataset(
        name=name,
        exposure=Map.from_geom(geom_true, data=3e13, unit="cm2 s"),
        background=background,
        counts=Map.from_geom(geom),
    )
    mask = np.broadcast_to(offset < 1.0, geom.data_shape)
    dataset.mask_safe = Map.from_geom(geom, data=mask.copy())
    dataset.mask_fit = geom.energy_mask(energy_min=1.5 * u.TeV)
    return dataset


def make_background(counts):
    """A spectrum with a background of 180 counts alone, and its norm."""
    dataset = make_spectrum()
    dataset.models = [FoVBackgroundModel(dataset_name="set")]
    dataset.counts.data[:, 0, 0] = counts
    return Datasets([dataset]), dataset.models[0].spectral_model.norm


def make_source(name="src", index=2.0, amplitude=1e-12, **kwargs):
    spectrum = PowerLawSpectralModel(
        index=index, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1")
    )
    spectrum.index.frozen = True
    model = SkyModel(spectral_model=spectrum, name=name, **kwargs)
    if model.spatial_model is not None:
        model.spatial_model.freeze()
    return model


def draw(datasets, seed=0):
    rng = np.random.default_rng(seed)
    for dataset in datasets:
        dataset.counts.data = rng.poisson(dataset.npred().data).astype(float)
    return datasets


@pytest.fixture()
def spectra():
    """Two spectra with a common source."""
    datasets = Datasets([make_spectrum("one"), make_spectrum("two")])
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([make_source(), *backgrounds])
    return draw(datasets)


@pytest.fixture()
def maps():
    """Two maps with a common extended and a point source, which are cutouts."""
    datasets = Datasets([make_map("one"), make_map("two")])
    extended = make_source(
        "extended", spatial_model=GaussianSpatialModel(sigma="0.2 deg")
    )
    point = make_source(
        "point",
        amplitude=2e-13,
        spatial_model=PointSpatialModel(lon_0="0.35 deg", lat_0="-0.2 deg"),
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = Models([extended, point, *backgrounds])
    return draw(datasets)


@pytest.fixture(params=["summed", "kept"])
def summed(request, monkeypatch):
    """Empty bins of the maps as sums, or each one for itself."""
    limit = {"summed": 0, "kept": 10**9}[request.param]
    monkeypatch.setattr(norm_templates, "N_BINS_SUMMED", limit)
    return request.param


def set_values(parameters, values):
    for par, value in zip(parameters, values, strict=True):
        par.value = value


def free(datasets):
    return list(datasets.parameters.free_parameters)


def assert_same_stat(datasets, norms):
    made = NormTemplates.from_datasets(datasets)
    set_values(made.parameters, norms)
    assert_allclose(made.stat_sum(norms), datasets.stat_sum(), rtol=1e-9)


# --- the statistic ---------------------------------------------------------

POINTS = [
    (1e-12, 2e-13, 1.0, 1.0),
    (0, 0, 1.0, 0.7),
    (-1e-13, 2e-13, 1.2, 1.0),
    (-3e-12, 0, 1.0, 1.0),
    (1e-12, -1e-12, 0.5, 0.0),
    (1e-12, 1e-12, -0.1, 1.0),
    (0, 0, 0, 0),
    (1e-9, 1e-15, 1e3, 1e-9),
]


@pytest.mark.parametrize("norms", POINTS)
@pytest.mark.parametrize("stat_type", ["cash", "cash_weighted"])
def test_stat_sum_is_that_of_the_datasets(maps, norms, stat_type, summed):
    for dataset in maps:
        dataset.stat_type = stat_type
    if stat_type == "cash_weighted":
        weights = np.linspace(-0.2, 1.5, maps[0].mask_fit.data.size)
        maps[0].mask_fit.data = weights.reshape(maps[0].mask_fit.data.shape)
    assert_same_stat(maps, norms)


def test_stat_sum_at_many_points_of_the_same_templates(maps, summed):
    made = NormTemplates.from_datasets(maps)
    rng = np.random.default_rng(1)
    for _ in range(30):
        norms = rng.normal(size=4) * [1e-12, 1e-13, 0.5, 0.5] + [0, 0, 0.7, 0.7]
        set_values(made.parameters, norms)
        assert_allclose(made.stat_sum(norms), maps.stat_sum(), rtol=1e-9)


@pytest.mark.parametrize("norms", [(1e-12, 1, 1), (0, 0, 0), (-1e-11, 1, -1)])
def test_stat_sum_of_spectra_with_priors(spectra, norms):
    amplitude, norm, _ = free(spectra)
    amplitude.prior = GaussianPrior(mu=2e-12, sigma=1e-12, weight=2)
    norm.prior = GaussianPrior(mu=1.1, sigma=0.1)
    spectra.models["src"].spectral_model.index.prior = UniformPrior(min=1, max=3)
    assert_same_stat(spectra, norms)


def test_prior_of_a_linked_norm_counts_once_for_each_model(spectra):
    norm = spectra.models["one-bkg"].spectral_model.norm
    norm.prior = GaussianPrior(mu=1.1, sigma=0.1)
    spectra.models["two-bkg"].spectral_model.norm = norm
    assert len(free(spectra)) == 2
    assert_same_stat(spectra, (1e-12, 0.8))


def test_only_bins_with_counts_are_kept(maps, monkeypatch):
    monkeypatch.setattr(norm_templates, "N_BINS_SUMMED", 0)
    made = NormTemplates.from_datasets(maps)
    n_counts = sum(
        np.sum((dataset.counts.data > 0) & dataset.mask.data) for dataset in maps
    )
    assert made.counts.size == n_counts
    made.stat_sum([1e-12, 1e-13, 1, 1])
    assert made.counts.size == n_counts
    negative = [-1e-12, 1e-13, 1, 1]
    made.stat_sum(negative)
    made.used_bins(np.array(negative))
    # A query changes nothing; extended templates are others.
    assert made.counts.size == n_counts
    assert made.extended(negative).counts.size > n_counts
    with pytest.raises(AttributeError):
        made.counts = None


def test_templates_leave_the_datasets_as_they_are(maps):
    parameters = free(maps)
    set_values(parameters, [0, 2e-13, 0, 1])
    before = [dataset.npred().data.copy() for dataset in maps]
    NormTemplates.from_datasets(maps)
    assert [par.value for par in parameters] == [0, 2e-13, 0, 1]
    for dataset, npred in zip(maps, before, strict=True):
        assert_allclose(dataset.npred().data, npred, rtol=1e-13)
    set_values(parameters, [1e-12, 0, 1, 0])
    expected = Datasets([dataset.copy(name=dataset.name) for dataset in maps])
    expected.models = maps.models.copy()
    for dataset, other in zip(maps, expected, strict=True):
        assert_allclose(dataset.npred().data, other.npred().data, rtol=1e-12)


def test_norms_are_put_back_after_an_error(maps):
    parameters = free(maps)
    set_values(parameters, [0, 0, 0, 1])
    maps[1].counts.data[-1, 12, 12] = np.nan
    with pytest.raises(ValueError, match="'two' has 1 bins inside its mask"):
        NormTemplates.from_datasets(maps)
    assert [par.value for par in parameters] == [0, 0, 0, 1]


def test_chosen_parameters(maps):
    amplitude, *_, norm = free(maps)
    amplitude.frozen = True
    made = NormTemplates.from_datasets(maps, [amplitude, norm])
    assert made.parameters == [amplitude, norm]
    set_values([amplitude, norm], [3e-12, 0.5])
    assert_allclose(made.stat_sum([3e-12, 0.5]), maps.stat_sum(), rtol=1e-12)


def test_slice_by_energy(maps, summed):
    made = NormTemplates.from_datasets(maps)
    # Bins that were looked at before stay in the slice.
    made = made.extended(POINTS[3])
    edges = maps[0].counts.geom.axes["energy"].edges
    part = made.slice_by_energy(edges[1], edges[3])
    sliced = maps.slice_by_energy(edges[1], edges[3])
    sliced.models = maps.models
    for norms in POINTS:
        set_values(made.parameters, norms)
        assert_allclose(part.stat_sum(norms), sliced.stat_sum(), rtol=1e-9)
    with pytest.raises(ValueError, match="No energy bin lies inside"):
        made.slice_by_energy("20 TeV", "30 TeV")


@pytest.mark.parametrize(
    "name, parameter, value",
    [
        ("extended", "sigma", 0.3),
        ("point", "lon_0", -0.5),
        ("point", "lon_0", 30),  # outside
        ("point", "index", 3),
        ("one-bkg", "tilt", 0.3),
    ],
)
def test_templates_of_what_has_changed(maps, name, parameter, value, summed):
    free = [par for par in maps.parameters.free_parameters if par.name != "lat_0"]
    first = NormTemplates.from_datasets(maps, free)
    kept = [term.data for dataset in first.datasets for term in dataset.terms]
    norms = 1.1 * first.values
    stat = first.stat_sum(norms)
    maps.models[name].parameters[parameter].value = value
    again = NormTemplates.from_datasets(maps, free, reuse=first, changed=[name])
    fresh = NormTemplates.from_datasets(maps, free)
    assert_allclose(again.stat_sum(norms), fresh.stat_sum(norms), rtol=1e-12)
    assert abs(again.stat_sum(norms) - stat) > 1e-3
    results = [fit_norms(templates) for templates in (again, fresh)]
    assert_allclose(*[result.values for result in results], rtol=1e-9, atol=1e-20)
    # Nothing else was evaluated again, and the first templates are as they were.
    data = [term.data for dataset in again.datasets for term in dataset.terms]
    n_kept = sum(any(values is old for old in kept) for values in data)
    assert n_kept >= 4
    assert first.stat_sum(norms) == stat


def test_all_kinds_of_components(spectra):
    axis = spectra[0].counts.geom.axes["energy"]
    energy = [0.5, 2, 20] * u.TeV
    table = TemplateSpectralModel(energy, [5, 1, 0.1] * u.Unit("1e-12 cm-2 s-1 TeV-1"))
    product = SkyModel(table * PowerLawNormSpectralModel(), name="product")
    scaled = SkyModel(
        ScaleSpectralModel(PowerLawSpectralModel()),
        temporal_model=ConstantTemporalModel(),
        name="scaled",
    )
    shape = RegionNDMap.create(REGION, axes=[axis], data=3.0)
    template = TemplateNPredModel(shape, datasets_names=["one"], name="template")
    for dataset in spectra:
        dataset.gti = GTI.create(0 * u.h, 1 * u.h)
    spectra.models = [*spectra.models, product, scaled, template]
    made = NormTemplates.from_datasets(spectra)
    assert [name.split("'")[3] for name in made.names] == [
        "src",
        "one-bkg",
        "product",
        "scaled",
        "template",
        "two-bkg",
    ]
    for norms in ([1e-12, 1, 2, 3, 4, 5], [0] * 6, [-1e-12, 1, -0.1, 0.5, 0, 1]):
        set_values(made.parameters, norms)
        assert_allclose(made.stat_sum(norms), spectra.stat_sum(), rtol=1e-9)


# --- the fit ---------------------------------------------------------------


def test_one_norm_is_the_ratio_of_the_sums():
    datasets, _ = make_background([10, 20, 0, 7, 1, 50])
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert fit.success
    assert_allclose(fit.values, 88 / 180, rtol=1e-10)
    assert_allclose(fit.errors, np.sqrt(88) / 180, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e12, 1e13, 1e14])
def test_huge_counts(scale):
    dataset = make_spectrum()
    dataset.background.data *= scale
    dataset.models = [FoVBackgroundModel(dataset_name="set"), make_source()]
    datasets = Datasets([dataset])
    source, norm = free(datasets)[::-1]
    set_values([norm, source], [1.1, scale * 1e-12])
    dataset.counts.data = dataset.npred().data
    set_values([norm, source], [0.3, 0])
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert fit.success
    names = [par.name for par in free(datasets)]
    expected = [{"norm": 1.1, "amplitude": scale * 1e-12}[name] for name in names]
    assert_allclose((fit.values - expected) / fit.errors, 0, atol=1e-4)


def test_prior_that_is_stronger_than_the_counts():
    datasets, norm = make_background(25)
    norm.prior = GaussianPrior(mu=1.3, sigma=1e-6)
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert_allclose(fit.values, 1.3, atol=1e-9)
    assert_allclose(fit.errors, 1e-6, rtol=1e-6)


def test_bound_that_is_hit():
    datasets, norm = make_background(15)
    norm.min = 0.7
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert fit.success
    assert fit.values == [0.7]
    assert fit.at_bound == [True]
    # The statistic rises by 1 where its parabola has: checked with the real one.
    norm.value = 0.7
    stat = datasets.stat_sum()
    norm.value = 0.7 + fit.errors[0]
    assert_allclose(datasets.stat_sum() - stat, 1, rtol=0.02)


def test_no_counts_end_at_the_bound():
    datasets, norm = make_background(0)
    norm.min = 0
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert fit.success
    assert fit.values == [0]
    # The statistic is 2 * 180 * norm.
    assert_allclose(fit.errors, 1 / 360, rtol=1e-6)


def test_start_where_the_counts_have_no_model():
    dataset = make_spectrum()
    dataset.background = None
    dataset.models = [make_source()]
    dataset.counts.data += 4
    datasets = Datasets([dataset])
    (amplitude,) = free(datasets)
    for start in (0, -1e-12, 1e-20, 1e-3):
        amplitude.value = start
        fit = fit_norms(NormTemplates.from_datasets(datasets))
        assert fit.success
        amplitude.value = 1e-12
        expected = 24 / dataset.npred().data.sum() * 1e-12
        assert_allclose(fit.values, expected, rtol=1e-6)


def make_bent(seed):
    """A source on few counts, with a fixed background: empty bins may get negative."""
    rng = np.random.default_rng(seed)
    dataset = make_spectrum(n_bins=12)
    dataset.background.data = rng.uniform(0.05, 0.5, 12).reshape(12, 1, 1)
    dataset.counts.data = rng.poisson(dataset.background.data).astype(float)
    dataset.counts.data[-1] = 0
    dataset.models = [make_source(index=rng.uniform(1, 3))]
    return Datasets([dataset])


@pytest.mark.parametrize("seed", range(8))
def test_minimum_on_a_bend(seed):
    datasets = make_bent(seed)
    (amplitude,) = free(datasets)
    fit = fit_norms(NormTemplates.from_datasets(datasets))
    assert fit.success

    def stat(value):
        amplitude.value = value
        return datasets.stat_sum()

    low, high = fit.values[0] + fit.errors[0] * np.array([-0.5, 0.5])
    other = minimize_scalar(stat, bounds=(low, high), options={"xatol": 1e-22})
    assert_allclose(fit.stat, stat(fit.values[0]), rtol=1e-12)
    assert fit.stat <= other.fun + 1e-6
    assert abs(other.x - fit.values[0]) < 1e-3 * fit.errors[0]


def test_some_minima_are_on_bends():
    is_bent = []
    for seed in range(8):
        datasets = make_bent(seed)
        fit = fit_norms(NormTemplates.from_datasets(datasets))
        datasets.parameters["amplitude"].value = fit.values[0]
        npred = (datasets[0].npred_signal() + datasets[0].background).data
        is_bent.append(np.min(abs(npred)) < 1e-6)
    assert 0 < sum(is_bent) < 8


@pytest.mark.parametrize("amplitude", [1e-12, 1e-14, -1e-13])
def test_fit_of_maps(maps, amplitude, monkeypatch):
    """Sums and single bins give the same, also with bins whose model is negative."""
    extended, point, *norms = free(maps)
    set_values([extended, point], [abs(amplitude), 0])
    draw(maps, seed=3)
    if amplitude < 0:
        for dataset in maps:
            dataset.counts.data[:, 9:16, 9:16] = 0
        point.frozen = True
    fits = []
    for limit in (0, 10**9):
        monkeypatch.setattr(norm_templates, "N_BINS_SUMMED", limit)
        fits.append(fit_norms(NormTemplates.from_datasets(maps)))
    summed, kept = fits
    assert summed.success
    assert (summed.values[0] < 0) == (amplitude < 0)
    assert_allclose(summed.stat, kept.stat, rtol=1e-11)
    assert_allclose(summed.values, kept.values, atol=1e-6 * np.min(kept.errors))
    assert_allclose(summed.errors, kept.errors, rtol=1e-6)

    result = Fit(optimize_opts=TIGHT | {"tol": 1e-3}).optimize(maps)
    assert summed.stat <= result.total_stat + 1e-6
    assert_allclose(summed.stat, result.total_stat, atol=1e-4)
    difference = [par.value for par in free(maps)] - summed.values
    assert_allclose(difference / summed.errors, 0, atol=2e-3)


def test_equal_templates_are_named(spectra):
    models = [*spectra.models, make_source("twin", amplitude=3e-12)]
    spectra.models = models
    fit = fit_norms(NormTemplates.from_datasets(spectra))
    assert fit.success
    assert "'amplitude' of 'src', 'amplitude' of 'twin': they keep" in fit.message
    assert "bkg" not in fit.message
    # What is determined has its value and error nevertheless.
    is_norm = ["bkg" in name for name in NormTemplates.from_datasets(spectra).names]
    assert_allclose(np.isfinite(fit.errors), is_norm)
    assert_allclose(fit.undetermined, ~np.array(is_norm))
    # Their sum is determined, and their difference is not.
    assert len(fit.values) == 4
    assert fit.n_dof == 3
    spectra.models = models[:-1]
    alone = fit_norms(NormTemplates.from_datasets(spectra))
    assert alone.n_dof == 3
    assert_allclose(fit.stat, alone.stat, atol=1e-6)
    assert_allclose(fit.values[is_norm], alone.values[1:], rtol=1e-5)
    assert_allclose(fit.errors[is_norm], alone.errors[1:], rtol=1e-4)


def test_norm_without_effect_is_named(spectra):
    shape = spectra[0].background.copy(data=np.zeros(spectra[0].data_shape))
    nothing = TemplateNPredModel(shape, datasets_names=["one"], name="nothing")
    spectra.models = [*spectra.models, nothing]
    norm = spectra.models["nothing"].spectral_model.norm
    norm.value = 1.7
    fit = fit_norms(NormTemplates.from_datasets(spectra))
    assert fit.success
    assert fit.message == (
        "Optimization terminated successfully. The data do not determine 'norm' of "
        "'nothing': it keeps its value, without an error."
    )
    assert fit.n_dof == 3
    assert_allclose(fit.values[fit.undetermined], 1.7, rtol=1e-15)
    # A prior determines it.
    norm.prior = GaussianPrior(mu=1.2, sigma=0.3)
    fit = fit_norms(NormTemplates.from_datasets(spectra))
    assert not fit.undetermined.any()
    index = [par is norm for par in free(spectra)].index(True)
    assert_allclose([fit.values[index], fit.errors[index]], [1.2, 0.3], rtol=1e-9)


def test_fixed_norms_are_a_profile(spectra):
    amplitude = spectra.parameters["amplitude"]
    amplitude.scan_values = np.array([-0.2, 0, 0.5, 1, 2]) * 1e-12
    made = NormTemplates.from_datasets(spectra)
    fits = [
        fit_norms(made, fixed={amplitude: value}) for value in amplitude.scan_values
    ]
    profile = Fit(optimize_opts=TIGHT).stat_profile(spectra, amplitude, reoptimize=True)
    assert_allclose([fit.stat for fit in fits], profile["stat_scan"], atol=1e-6)
    for fit, result in zip(fits, profile["fit_results"], strict=True):
        norms = [model.spectral_model.norm.value for model in result.models[1:]]
        assert_allclose(fit.values[1:], norms, rtol=1e-5)
        assert fit.errors[0] == 0


def test_fit_norms_changes_no_parameter(spectra):
    before = [(par.value, par.error, par.factor) for par in spectra.parameters]
    made = NormTemplates.from_datasets(spectra)
    fit_norms(made, fixed={made.parameters[0]: 0})
    assert before == [(par.value, par.error, par.factor) for par in spectra.parameters]


def test_fixed_norm_with_a_unit(spectra):
    made = NormTemplates.from_datasets(spectra)
    amplitude = made.parameters[0]
    fit = fit_norms(made, fixed={amplitude: 2e-8 * u.Unit("m-2 s-1 TeV-1")})
    assert_allclose(fit.values[0], 2e-12, rtol=1e-12)


def test_start_anywhere(spectra):
    made = NormTemplates.from_datasets(spectra)
    expected = fit_norms(made)
    for amplitude in (-1e100, -1e-9, 0, 1e-300, 1e-15, 1e-6, 1e200, 1e308):
        for norm in (-10, 0, 1e-30, 1e9):
            with np.errstate(over="ignore", invalid="ignore"):
                fit = fit_norms(made, start=[amplitude, norm, 1])
            assert fit.success
            assert_allclose(fit.values, expected.values, rtol=1e-5)


def test_overflow_is_a_failure(spectra):
    made = NormTemplates.from_datasets(spectra)
    with np.errstate(all="ignore"):
        fit = fit_norms(made, fixed={made.parameters[0]: 1e308})
    assert not fit.success
    assert not np.isfinite(fit.stat)


def test_bad_norms(spectra):
    made = NormTemplates.from_datasets(spectra)
    with pytest.raises(ValueError, match="'amplitude' of 'src' cannot be nan"):
        fit_norms(made, start=[np.nan, 1, 1])
    index = spectra.models["src"].spectral_model.index
    with pytest.raises(ValueError, match="'index' is no norm of these templates"):
        fit_norms(made, fixed={index: 2})
    with pytest.raises(ValueError, match="'index' is no norm .* 'norm' of 'one-bkg'"):
        confidence_norm(made, fit_norms(made), index)


def test_too_few_steps(spectra):
    fit = fit_norms(NormTemplates.from_datasets(spectra), max_iter=1)
    assert not fit.success
    assert fit.message == "No convergence in 1 steps."


def test_minimise_quadratic_in_a_box():
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = rng.integers(1, 7)
        root = rng.normal(size=(n, n))
        hessian, gradient = root @ root.T + 0.1 * np.eye(n), rng.normal(size=n)
        low, high = -rng.exponential(size=n), rng.exponential(size=n)
        low[rng.random(n) < 0.2] = 0
        x = minimise_quadratic(gradient, hessian, low, high)
        assert np.all((low <= x) & (x <= high))
        slope = gradient + hessian @ x
        assert_allclose(slope[(x > low) & (x < high)], 0, atol=1e-8)
        assert np.all(slope[(x == low) & (x < high)] > -1e-8)
        assert np.all(slope[(x == high) & (x > low)] < 1e-8)


# --- against Minuit --------------------------------------------------------


def random_problem(seed):
    """Datasets of all sorts, and a name of what is special about them."""
    rng = np.random.default_rng(seed)
    # Few for the first ones, which are not only run with the long tests.
    names = [
        f"set-{number}" for number in range(rng.integers(1, 3 if seed < 30 else 4))
    ]
    level = rng.choice([0.03, 0.3, 3, 30, 100])
    datasets, models = Datasets(), Models()
    for name in names:
        dataset = make_spectrum(name, n_bins=rng.integers(4, 12))
        shape = dataset.background.data.shape
        dataset.background.data = level * rng.uniform(0.5, 1.5, shape)
        dataset.mask_fit = dataset.counts.copy(data=rng.random(shape) < 0.9)
        dataset.mask_fit.data[:3] = True
        if rng.random() < 0.3:
            dataset.stat_type = "cash_weighted"
            dataset.mask_safe.data = rng.uniform(0.3, 1.5, shape)
        datasets.append(dataset)
        background = FoVBackgroundModel(dataset_name=name)
        background.spectral_model.norm.min = 0
        models.append(background)
    for idx in range(rng.integers(1, 3)):
        amplitude = level * rng.choice([0.05, 0.3, 2]) * 1e-13
        source = make_source(f"src-{idx}", rng.uniform(0, 1) + 2 * idx, amplitude)
        if rng.random() < 0.7:
            source.spectral_model.amplitude.min = 0
        models.append(source)
    datasets.models = models
    draw(datasets, seed)
    if len(names) > 1 and rng.random() < 0.3:
        linked = models[0].spectral_model.norm
        models[1].spectral_model.norm = linked
        datasets.models = models
    if len(names) > 1 and rng.random() < 0.2:
        datasets[0].counts.data[...] = 0
    for par in free(datasets):
        if rng.random() < 0.3:
            sigma = abs(par.value) * rng.uniform(0.05, 0.5)
            mean = par.value + rng.normal() * sigma
            par.prior = GaussianPrior(mu=mean, sigma=sigma)
        if rng.random() < 0.1:
            par.max = par.value * rng.uniform(0.9, 1.5)
        par.value = np.clip(
            par.value * rng.uniform(0.5, 2),
            np.nan_to_num(par.min, nan=-np.inf),
            # On a bound Minuit would not move at all.
            np.nan_to_num(par.max * 0.98, nan=np.inf),
        )
    return datasets


def check_against_minuit(seed):
    datasets = random_problem(seed)
    start = datasets.parameters.value
    parameters = free(datasets)
    result = Fit(backend="newton").run(datasets)
    norms = np.array([par.value for par in parameters])
    errors = np.array([par.error for par in parameters])
    at_bound = result.minuit.fit.at_bound
    assert_allclose(result.total_stat, result.minuit.fit.stat, rtol=1e-9, atol=1e-9)
    for par, value in zip(parameters, norms, strict=True):
        assert not value < par.min
        assert not value > par.max

    set_values(datasets.parameters, start)
    # At a bound Minuit's own variable has no derivative, and it stops before.
    for par, value, is_hit in zip(parameters, norms, at_bound, strict=True):
        if is_hit:
            par.value, par.frozen = value, True
    if at_bound.all():
        return "all at bounds"
    assert result.success
    if result.undetermined:
        return "undetermined"
    with np.errstate(all="ignore"):
        options = TIGHT | {"migrad_opts": {"ncall": 500}}
        minuit = Fit(optimize_opts=options, covariance_opts=TIGHT | {"strategy": 2})
        other = minuit.optimize(datasets)
        hesse = minuit.covariance(datasets)
    assert result.total_stat <= other.total_stat + 1e-6
    if not (other.success and hesse.success):
        return "Minuit failed"
    assert_allclose(result.total_stat, other.total_stat, rtol=0, atol=1e-6)
    fitted = [
        row for row in zip(parameters, norms, errors, strict=True) if not row[0].frozen
    ]
    # The steps of Hesse are not small where a bound is near.
    is_near = [
        np.nanmin(abs(norm - np.array([par.min, par.max, np.inf]))) < error
        for par, norm, error in fitted
    ]
    if any(abs(par.value - norm) > 5e-5 * error for par, norm, error in fitted):
        # Its estimate of the distance to the minimum was wrong: once more from there.
        minuit.optimize(datasets)
    for par, norm, error in fitted:
        assert abs(par.value - norm) < 1e-4 * error
        if not any(is_near):
            assert_allclose(par.error, error, rtol=0.01)
    return "bound" if at_bound.any() else "inside"


def test_against_minuit():
    kinds = [check_against_minuit(seed) for seed in range(30)]
    assert kinds.count("bound") > 2
    assert kinds.count("inside") > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30, 300))
def test_against_minuit_often(seed):
    check_against_minuit(seed)


# --- the backend of Fit ----------------------------------------------------


def test_fit_leaves_what_a_minuit_fit_leaves(spectra):
    spectra.models["two-bkg"].spectral_model.norm.frozen = True
    other = Datasets([dataset.copy(name=dataset.name) for dataset in spectra])
    other.models = spectra.models.copy()
    opts = {"backend": "minuit", "tol": 1e-4, "strategy": 2}
    expected = Fit(optimize_opts=opts, covariance_opts=opts).run(other)
    result = Fit(backend="newton").run(spectra)
    assert result.success
    assert result.backend == "newton"
    assert_allclose(result.total_stat, expected.total_stat, atol=1e-5)
    assert_allclose(result.total_stat, spectra.stat_sum(), rtol=1e-12)
    for ours, theirs in (
        (spectra.models, other.models),
        (result.models, expected.models),
        (result.parameters.free_parameters, expected.parameters.free_parameters),
    ):
        parameters = getattr(ours, "parameters", ours)
        for par, reference in zip(
            parameters, getattr(theirs, "parameters", theirs), strict=True
        ):
            assert par.frozen == reference.frozen
            assert_allclose(par.value, reference.value, rtol=3e-4)
            assert_allclose(par.error, reference.error, rtol=0.02)
    covariance = result.covariance_result.matrix
    assert covariance.shape == expected.covariance_result.matrix.shape
    variance = np.diag(expected.covariance_result.matrix)
    scale = np.sqrt(np.outer(variance, variance))
    scale[scale == 0] = 1e-300
    difference = covariance - expected.covariance_result.matrix
    assert np.max(abs(difference / scale)) < 0.03
    assert_allclose(spectra.models.covariance.data, covariance)


def test_covariance_alone(spectra):
    fit = Fit(backend="newton")
    matrix = fit.run(spectra).covariance_result.matrix
    result = fit.covariance(spectra)
    assert result.success
    assert_allclose(result.matrix, matrix, rtol=1e-12)
    # The fit's own options are not changed by the one that went before.
    assert fit.covariance_opts == {"backend": "newton"}
    minuit = Fit(covariance_opts={"backend": "newton"})
    assert_allclose(minuit.run(spectra).covariance_result.matrix, matrix, rtol=0.01)


@pytest.mark.parametrize("transform", ["log", "sqrt"])
def test_transformed_parameters(spectra, transform):
    fit = Fit(backend="newton")
    expected = fit.run(spectra)
    values = [par.value for par in free(spectra)]
    for par in free(spectra):
        par.scale_transform = transform
    result = fit.run(spectra)
    assert_allclose([par.value for par in free(spectra)], values, rtol=1e-6)
    matrices = [fit.covariance_result.matrix for fit in (result, expected)]
    assert_allclose(*matrices, rtol=1e-4)


def test_value_at_a_bound_is_not_beyond(spectra, caplog):
    for seed in range(20):
        bound = np.random.default_rng(seed).uniform(1.3, 9)
        norm = spectra.models["one-bkg"].spectral_model.norm
        norm.min, norm.value = bound, 2 * bound
        Fit(backend="newton").optimize(spectra)
        assert norm.value >= bound
        assert_allclose(norm.value, bound, rtol=1e-14)
    assert "outside bounds" not in caplog.text


def test_trace_and_debug(spectra, caplog):
    caplog.set_level("INFO")
    result = Fit(backend="newton", store_trace=True, debug=True).optimize(spectra)
    assert result.trace.colnames == [
        "total_stat",
        "src.spectral.amplitude",
        "one-bkg.spectral.norm",
        "two-bkg.spectral.norm",
    ]
    assert_allclose(result.trace["total_stat"][-1], result.total_stat, rtol=1e-9)
    assert np.all(np.diff(result.trace["total_stat"]) < 1e-9)
    (record,) = [
        record
        for record in caplog.records
        if record.getMessage().startswith("optimize")
    ]
    error = np.sqrt(np.diag(result.minuit.fit.covariance))[1]
    assert_allclose(record.nuisance["one-bkg.spectral.norm_err"], error, rtol=1e-9)


def test_profile_with_errors(spectra):
    amplitude = spectra.parameters["amplitude"]
    amplitude.scan_values = np.array([0, 1e-12])
    tables = [
        Fit(backend=backend).stat_profile(
            spectra, amplitude, reoptimize=True, debug=True
        )["nuisance"]
        for backend in ("newton", "minuit")
    ]
    for name in ("one-bkg.spectral.norm", "one-bkg.spectral.norm_err", "stat"):
        assert_allclose(tables[0][name], tables[1][name], rtol=0.02)


def test_flux_points(spectra):
    points = []
    for options in ({"backend": "newton"}, TIGHT | {"strategy": 2}):
        estimator = FluxPointsEstimator(
            energy_edges=[1, 3, 10] * u.TeV,
            source="src",
            fit=Fit(
                options["backend"],
                optimize_opts=options,
                confidence_opts={"backend": options["backend"]},
            ),
            selection_optional=["errn-errp", "ul"],
            reoptimize=True,
        )
        points.append(estimator.run(spectra))
    for name in ("norm", "norm_err", "norm_errp", "norm_errn", "norm_ul", "ts"):
        ours, minuit = [getattr(point, name).data for point in points]
        # The covariance that Migrad leaves is not as good as that of Hesse.
        assert_allclose(ours, minuit, rtol=0.04 if name == "norm_err" else 1e-3)


@pytest.mark.parametrize("sigma", [1, 2])
def test_confidence(spectra, sigma):
    Fit(backend="newton").run(spectra)
    for par in free(spectra):
        result = Fit(backend="newton").confidence(spectra, par, sigma=sigma)
        fit = Fit(confidence_opts={"backend": "minuit", "tol": 1e-3})
        minos = fit.confidence(spectra, par, sigma=sigma)
        assert result["success"]
        assert_allclose(result["errp"], minos["errp"], rtol=2e-3)
        assert_allclose(result["errn"], minos["errn"], rtol=2e-3)


def test_confidence_is_where_the_statistic_has_risen(spectra):
    Fit(backend="newton").run(spectra)
    amplitude, best = spectra.parameters["amplitude"], spectra.stat_sum()
    fit = Fit(backend="newton")
    result = fit.confidence(spectra, amplitude, sigma=1.5, reoptimize=False)
    value = amplitude.value
    for key, sign in (("errp", 1), ("errn", -1)):
        amplitude.value = value + sign * result[key]
        assert_allclose(spectra.stat_sum() - best, 1.5**2, rtol=1e-6)


def test_confidence_ends_at_a_bound(spectra):
    amplitude = spectra.parameters["amplitude"]
    fit = Fit(backend="newton")
    fit.run(spectra)
    amplitude.min = amplitude.value - 0.3 * amplitude.error
    result = fit.confidence(spectra, amplitude)
    assert not result["success"]
    assert np.isnan(result["errn"])
    assert result["beyond_bound"] == ["errn"]
    assert (
        "rise by 1 before the bound of 'amplitude' of 'src': min" in result["message"]
    )
    assert result["errp"] > 0.9 * amplitude.error


def test_confidence_of_a_frozen_parameter(spectra):
    with pytest.raises(ValueError, match="'index' is frozen; free it and fit first"):
        Fit(backend="newton").confidence(spectra, "index")


# --- what is not linear, and what makes no sense ---------------------------


@pytest.mark.parametrize("cls", linear_norms(), ids=lambda cls: cls.__name__)
def test_listed_models_are_linear(cls):
    model = cls(PowerLawSpectralModel()) if cls is ScaleSpectralModel else cls()
    norm = getattr(model, linear_norms()[cls])
    edges = np.geomspace(0.3, 30, 6) * u.TeV
    reference = norm.value

    def evaluate(factor):
        norm.value = factor * reference
        return model(edges), model.integral(edges[:-1], edges[1:])

    for factor in (-3, -1e-6, 1e-9, 0.1, 7, 1e12):
        for value, one in zip(evaluate(factor), evaluate(1), strict=True):
            assert_allclose(value, factor * one, rtol=1e-10)


def test_each_linear_model_of_gammapy_is_listed():
    """Those that are not are known not to be, or to have no norm."""
    missing = {
        cls.__name__
        for cls in SPECTRAL_MODEL_REGISTRY
        if cls not in linear_norms()
        and {"norm", "amplitude"} & set(cls.default_parameters.names)
    }
    assert missing == set()


def test_eligible(spectra, maps):
    assert why_not_linear(spectra) == ""
    assert why_not_linear(maps) == why_not_linear(list(maps)) == ""


def check_reason(datasets, reason):
    assert why_not_linear(datasets) == reason
    with pytest.raises(NotLinearError, match="Not linear in norms: ") as error:
        Fit(backend="newton").run(datasets)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    "model, name",
    [("src", "index"), ("one-bkg", "tilt"), ("extended", "sigma"), ("point", "lon_0")],
)
def test_other_free_parameters(spectra, maps, model, name):
    datasets = spectra if model in spectra.models.names else maps
    datasets.models[model].parameters[name].frozen = False
    # The backend takes shapes and spectra another way, see test_smooth_fits.
    reason = f"{name!r} of {model!r} is free and not a norm"
    assert why_not_linear(datasets) == reason


def test_sum_of_spectra(spectra):
    spectrum = PowerLawSpectralModel() + PowerLawSpectralModel()
    spectrum.freeze()
    spectrum.model2.amplitude.frozen = False
    spectra.models = [SkyModel(spectrum, name="sum")]
    # Here and below: the backend fits these spectra another way.
    reason = "'amplitude' of 'sum' is free and part of a sum of spectra"
    assert why_not_linear(spectra) == reason


def test_ratio_of_spectra(spectra):
    ratio = CompoundSpectralModel(
        PowerLawSpectralModel(), PowerLawNormSpectralModel(), operator.truediv
    )
    ratio.model1.freeze()
    spectra.models = [SkyModel(ratio, name="ratio")]
    assert "'norm' of 'ratio' is free" in why_not_linear(spectra)


def test_two_norms_of_one_component(spectra):
    spectrum = PowerLawSpectralModel() * PowerLawNormSpectralModel()
    spectrum.model1.index.frozen = True
    spectra.models = [SkyModel(spectrum, name="product")]
    assert why_not_linear(spectra) == (
        "'amplitude' and 'norm' of 'product' are free and multiply each other"
    )


def test_piecewise_norm(spectra):
    pieces = SPECTRAL_MODEL_REGISTRY.get_cls("piecewise-norm")(energy=[1, 10] * u.TeV)
    spectra.models = [FoVBackgroundModel(spectral_model=pieces, dataset_name="one")]
    assert why_not_linear(spectra) == "'norm_0' of 'one-bkg' is free and not a norm"


def test_norm_inside_a_scaled_spectrum(spectra):
    scaled = ScaleSpectralModel(spectra.models["src"].spectral_model)
    spectra.models = [*spectra.models, SkyModel(scaled, name="scaled")]
    check_reason(spectra, "'amplitude' is free and 'scaled' is scaled with it")


def test_subclass_is_not_listed(spectra):
    class SquaredNormSpectralModel(PowerLawNormSpectralModel):
        norm = Parameter("norm", 1)

        @staticmethod
        def evaluate(energy, norm):
            return norm**2

    squared = SquaredNormSpectralModel()
    spectra.models = [FoVBackgroundModel(spectral_model=squared, dataset_name="one")]
    check_reason(spectra, "'norm' of 'one-bkg' is free and not a norm")


def test_priors(spectra):
    norm = spectra.models["one-bkg"].spectral_model.norm
    norm.prior = UniformPrior(min=0, max=2)
    check_reason(spectra, "'norm' of 'one-bkg' has a UniformPrior")
    norm.prior = GaussianPrior(mu=1, sigma=0)
    check_reason(
        spectra, "the prior on 'norm' of 'one-bkg' has no positive width or weight"
    )


def test_penalties(spectra):
    models = spectra.models
    penalty = GaussianPriorPenalty(models.parameters.free_parameters)
    spectra.models = Models(list(models), penalties=[penalty])
    check_reason(spectra, "the datasets have penalties")


def test_statistics(spectra):
    spectra[1].stat_type = "wstat"
    check_reason(
        spectra, "dataset 'two' has the statistic 'wstat' and is a SpectrumDataset"
    )
    spectra[1].stat_type = "chi2"
    check_reason(spectra, "dataset 'two' has the statistic 'chi2'")


def test_own_prediction(spectra):
    class Shifted(SpectrumDataset):
        def npred(self):
            return super().npred() + 1

    dataset = Shifted(name="shifted", counts=spectra[0].counts)
    datasets = Datasets([*spectra, dataset])
    assert why_not_linear(datasets) == "dataset 'shifted' has its own npred()"


def test_no_counts(spectra):
    spectra[0].counts = None
    assert why_not_linear(spectra) == "dataset 'one' has no counts"


def test_foreign_parameter(spectra):
    stranger = PowerLawSpectralModel().amplitude
    reason = "'amplitude' is no parameter of the models of the datasets"
    assert why_not_linear(spectra, [stranger]) == reason


def test_other_functions_than_stat_sum(spectra):
    from gammapy.modeling.newton_backend import optimize_newton

    with pytest.raises(NotLinearError, match="must be their method stat_sum"):
        optimize_newton(spectra.parameters, lambda: 0)


def test_no_free_parameter(spectra):
    spectra.models.freeze()
    with pytest.raises(ValueError, match="No free parameters for fitting"):
        Fit(backend="newton").run(spectra)
    # A scan of the only free norm has none left.
    fit = fit_norms(NormTemplates.from_datasets(spectra))
    assert fit.success
    assert_allclose(fit.stat, spectra.stat_sum(), rtol=1e-12)


def test_no_models():
    datasets = Datasets([make_spectrum()])
    datasets[0].counts.data += 20
    made = NormTemplates.from_datasets(datasets)
    assert_allclose(made.stat_sum([]), datasets.stat_sum(), rtol=1e-12)


def test_all_bins_masked(spectra):
    for dataset in spectra:
        dataset.mask_safe.data[...] = False
    with pytest.raises(ValueError, match=r"datasets \['one', 'two'\] hide all"):
        Fit(backend="newton").run(spectra)


def test_one_dataset_masked(spectra):
    spectra[0].mask_safe.data[...] = False
    made = NormTemplates.from_datasets(spectra)
    fit = fit_norms(made)
    assert fit.success
    assert "The data do not determine 'norm' of 'one-bkg'" in fit.message
    assert made.names[np.flatnonzero(fit.undetermined)[0]] == "'norm' of 'one-bkg'"


def test_reversed_bounds(spectra):
    norm = spectra.models["one-bkg"].spectral_model.norm
    for low, high in ((2, 1), (np.inf, np.nan), (np.nan, -np.inf)):
        norm.min, norm.max = low, high
        with pytest.raises(ValueError, match="bounds of 'norm' of 'one-bkg' are rev"):
            Fit(backend="newton").run(spectra)
    norm.min, norm.max = -np.inf, np.inf
    assert Fit(backend="newton").run(spectra).success


def test_value_that_is_not_a_number(spectra):
    norm = spectra.models["one-bkg"].spectral_model.norm
    norm.value = np.nan
    with pytest.raises(ValueError, match="'norm' of 'one-bkg' is nan; set it"):
        NormTemplates.from_datasets(spectra)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_model_that_is_not_finite(maps, value, summed):
    maps[0].background.data[-1, 0, 0] = value
    expected = maps.stat_sum()
    made = NormTemplates.from_datasets(maps)
    assert_allclose(made.stat_sum(made.values), expected, rtol=1e-12)
    assert np.isfinite(fit_norms(made).stat)
    maps[0].background.data[-1, 12, 12] = value
    with pytest.raises(NotLinearError, match="1 bins inside the mask .* 'one-bkg'"):
        NormTemplates.from_datasets(maps)
