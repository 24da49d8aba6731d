# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import (
    AXIS,
    AXIS_TRUE,
    draw,
    make_dataset,
    make_gauss,
    make_source,
)
from gammapy.irf import RecoPSFMap
from gammapy.maps import Map, WcsGeom
from gammapy.modeling import Fit, why_not_smooth
from gammapy.modeling.models import (
    ConstantSpatialModel,
    ExpDecayTemporalModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
    TemplateSpatialModel,
)
from gammapy.modeling.tests.smooth_problems import SPECTRA


def template_shape(*, depends_on_energy=False):
    """Template whose width falls with energy."""
    geom = WcsGeom.create(npix=16, binsz=0.1, axes=[AXIS_TRUE])
    sigma = np.full(5, 0.4)
    if depends_on_energy:
        sigma = np.linspace(0.6, 0.2, 5)
    offset = geom.separation(geom.center_skydir).deg
    values = np.exp(-0.5 * (offset / sigma[:, np.newaxis, np.newaxis]) ** 2)
    template = Map.from_geom(geom, data=values, unit="sr-1")
    if not depends_on_energy:
        template = template.sum_over_axes(keepdims=False)
    return TemplateSpatialModel(template, normalize=False)


def one_dataset(model, *, gti=None, psf=None):
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    datasets[0].gti = gti
    if psf is not None:
        datasets[0].psf = psf
    datasets.models = Models([model, FoVBackgroundModel(dataset_name="one")])
    return draw(datasets)


def fixed_gauss(spectrum=None):
    model = make_source("src", make_gauss(), spectrum)
    for par in model.spatial_model.parameters:
        par.frozen = True
    return model


def check_terms(datasets):
    """All is of the form; the statistic and its derivatives are right anywhere."""
    assert why_not_smooth(datasets) == ""
    free = datasets.parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    assert_allclose(statistic.stat(), datasets.stat_sum(), atol=1e-3, rtol=0)
    rng = np.random.default_rng(1)
    for par in free:
        par.value = par.value * rng.uniform(0.95, 1.05) + 0.01 * (par.value == 0)
    assert_allclose(statistic.stat(), datasets.stat_sum(), atol=1e-3, rtol=0)
    values = statistic.values
    found = statistic.derivatives(values, second=True)
    scales = np.sqrt(2 / np.diag(found.fisher))
    for idx, scale in enumerate(scales):
        stats, gradients = [], []
        for sign in (-1, 1):
            moved = values.copy()
            moved[idx] += 0.02 * sign * scale
            there = statistic.derivatives(moved)
            stats.append(there.stat)
            gradients.append(there.gradient)
        slope = np.diff(stats)[0] / 0.04
        assert_allclose(found.gradient[idx] * scale, slope, atol=2e-3, rtol=1e-3)
        bends = (gradients[1] - gradients[0]) / 0.04 * scales
        assert_allclose(
            found.hessian[idx] * scales * scale, bends, atol=2e-3, rtol=1e-3
        )


@pytest.mark.parametrize("depends_on_energy", [False, True])
def test_templates(depends_on_energy):
    shape = template_shape(depends_on_energy=depends_on_energy)
    spectrum = PowerLawSpectralModel(amplitude="1e-8 cm-2 s-1 TeV-1", index=2.2)
    check_terms(one_dataset(make_source("src", shape, spectrum)))


@pytest.mark.parametrize("shape", [None, ConstantSpatialModel()])
def test_no_shape(shape):
    model = make_source("src", shape)
    # Per pixel, or per sr.
    amplitude = 1e-13 if shape is None else 3e-8
    model.spectral_model.amplitude.value = amplitude
    check_terms(one_dataset(model))


@pytest.mark.parametrize("free_shape", [False, True])
@pytest.mark.parametrize("name", ["psf", "edisp"])
def test_response_left_out(name, free_shape):
    model = make_source("src", make_gauss()) if free_shape else fixed_gauss()
    model.apply_irf[name] = False
    datasets = one_dataset(model)
    if name == "edisp":
        # The true energies are then taken as they are.
        datasets[0].edisp = None
    check_terms(datasets)


@pytest.mark.parametrize("free_shape", [False, True])
def test_times(free_shape):
    model = make_source("src", make_gauss()) if free_shape else fixed_gauss()
    model.temporal_model = ExpDecayTemporalModel(t0="2 h", t_ref=51544.0 * u.d)
    for par in model.temporal_model.parameters:
        par.frozen = True
    datasets = one_dataset(model, gti=GTI.create(0 * u.h, 3 * u.h, "2000-01-01"))
    check_terms(datasets)
    model.temporal_model.t0.frozen = False
    reason = "'t0' of 'src' is free, of a ExpDecayTemporalModel"
    assert why_not_smooth(datasets) == reason


def test_psf_in_reconstructed_energy():
    psf = RecoPSFMap.from_gauss(AXIS, sigma=[0.15, 0.12, 0.1] * u.deg)
    datasets = one_dataset(fixed_gauss(), psf=psf)
    check_terms(datasets)
    datasets.models["src"].spatial_model.sigma.frozen = False
    reason = (
        "dataset 'one' has a PSF in reconstructed energy, and 'sigma' of 'src' is free"
    )
    assert why_not_smooth(datasets) == reason


@pytest.mark.parametrize("spatial_model", [None, GaussianSpatialModel(sigma="1 deg")])
def test_template_of_counts(spatial_model):
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    part = datasets[0].background.cutout(
        datasets[0].counts.geom.center_skydir, width=1.0 * u.deg
    )
    spectrum = PowerLawNormSpectralModel(tilt=0.1)
    spectrum.tilt.frozen = False
    norm = 1.0 if spatial_model is None else 1e-3
    template = TemplateNPredModel(
        part * norm,
        spectral_model=spectrum,
        spatial_model=spatial_model,
        name="counts",
        datasets_names=["one"],
    )
    datasets.models = Models([template, FoVBackgroundModel(dataset_name="one")])
    check_terms(draw(datasets))


def test_background_with_a_shape():
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    shape = GaussianSpatialModel(sigma="2 deg", lon_0="0.3 deg")
    background = FoVBackgroundModel(
        dataset_name="one",
        spatial_model=shape,
        spectral_model=PowerLawNormSpectralModel(norm=4e-3),
    )
    for par in shape.parameters:
        par.frozen = True
    background.spectral_model.tilt.frozen = False
    datasets.models = Models([background, fixed_gauss()])
    check_terms(draw(datasets))
    shape.sigma.frozen = False
    reason = "'sigma' of 'one-bkg' is free, of a GaussianSpatialModel"
    assert why_not_smooth(datasets) == reason


@pytest.mark.parametrize("name", SPECTRA)
def test_spectra(name):
    """All parameters of all spectra, but for a kink."""
    spectrum = SPECTRA[name]()
    if name == "bpl":
        spectrum.ebreak.frozen = True
    check_terms(one_dataset(fixed_gauss(spectrum)))


@pytest.mark.parametrize(
    "name, parameter", [("bpl", "ebreak"), ("absorbed", "redshift")]
)
def test_kinks(name, parameter):
    spectrum = SPECTRA[name]()
    spectrum.parameters[parameter].frozen = False
    reason = f"{parameter!r} of 'src' is free, where the spectrum has a kink"
    assert why_not_smooth(one_dataset(fixed_gauss(spectrum))) == reason


def test_fit_beside_a_free_shape():
    """A template, counts and a point that moves: Minuit goes on and gains nothing."""
    datasets = Datasets([make_dataset("one", n_pixels=14)])
    spectrum = PowerLawSpectralModel(amplitude="1e-8 cm-2 s-1 TeV-1", index=2.2)
    template = make_source("template", template_shape(depends_on_energy=True), spectrum)
    point = make_source("point", PointSpatialModel(lon_0="0.33 deg", lat_0="0.21 deg"))
    counts = TemplateNPredModel(datasets[0].background * 0.3, name="counts")
    background = FoVBackgroundModel(dataset_name="one")
    background.spectral_model.norm.frozen = True
    datasets.models = Models([template, point, counts, background])
    draw(datasets)
    result = Fit(backend="newton").run(datasets)
    assert result.success
    stat = datasets.stat_sum()
    assert_allclose(result.total_stat, stat, atol=1e-3, rtol=0)
    minuit = Fit(backend="minuit").optimize(datasets)
    assert minuit.total_stat > stat - 2e-3
    assert isinstance(datasets.models["template"], SkyModel)
