# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from regions import CircleSkyRegion
from gammapy.datasets import Datasets, MapDataset
from gammapy.datasets.shape_images import shape_image
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit, why_not_smooth
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.models import (
    DiskSpatialModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianPrior,
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpatialModel,
    UniformPrior,
)

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
AXIS_TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")


def make_dataset(name, *, n_pixels=30, scale=1.0, psf=True):
    """Map with pixels of 0.1 deg; exposure and background fall to the sides."""
    geom = WcsGeom.create(npix=n_pixels, binsz=0.1, axes=[AXIS])
    geom_true = geom.to_image().to_cube([AXIS_TRUE])
    offset = geom.separation(geom.center_skydir).deg
    slope = np.exp(-0.5 * (offset / 1.5) ** 2)
    energy = AXIS_TRUE.center.value[:, np.newaxis, np.newaxis]
    dataset = MapDataset(
        name=name,
        counts=Map.from_geom(geom),
        exposure=Map.from_geom(
            geom_true, data=scale * 3e13 * slope * energy**0.5, unit="cm2 s"
        ),
        background=Map.from_geom(
            geom, data=scale * slope * np.array([3, 1, 0.4])[:, np.newaxis, np.newaxis]
        ),
        edisp=EDispKernelMap.from_gauss(AXIS, AXIS_TRUE, sigma=0.2, bias=0.0),
        psf=PSFMap.from_gauss(AXIS_TRUE, sigma=[0.15, 0.13, 0.11, 0.1, 0.09] * u.deg)
        if psf
        else None,
    )
    mask = np.broadcast_to(offset < 1.4, geom.data_shape)
    dataset.mask_safe = Map.from_geom(geom, data=mask.copy())
    return dataset


def make_source(name, shape, spectrum=None):
    spectrum = spectrum or PowerLawSpectralModel(
        index=2.3, amplitude="4e-12 cm-2 s-1 TeV-1", reference="2 TeV"
    )
    return SkyModel(spectral_model=spectrum, spatial_model=shape, name=name)


def make_gauss(**kwargs):
    values = {"lon_0": "0.22 deg", "lat_0": "-0.13 deg", "sigma": "0.35 deg"} | kwargs
    shape = GaussianSpatialModel(**values)
    shape.e.frozen = shape.phi.frozen = "e" not in kwargs
    return shape


def draw(datasets, seed=0):
    rng = np.random.default_rng(seed)
    for dataset in datasets:
        dataset.counts.data = rng.poisson(dataset.npred().data).astype(float)
    return datasets


def rich_datasets():
    """Two datasets, an ellipse, a round source, a point, a tilt, a link, priors."""
    datasets = Datasets(
        [
            make_dataset("one", n_pixels=22),
            make_dataset("two", n_pixels=22, scale=0.6),
        ]
    )
    parabola = LogParabolaSpectralModel(
        amplitude="3e-12 cm-2 s-1 TeV-1", reference="2 TeV", alpha=2.0, beta=0.2
    )
    ellipse = make_source("ellipse", make_gauss(e=0.7, phi="40 deg"), parabola)
    round_shape = make_gauss(lon_0="-0.5 deg", lat_0="0.4 deg", sigma="0.2 deg")
    cutoff = ExpCutoffPowerLawSpectralModel(
        amplitude="4e-12 cm-2 s-1 TeV-1", index=1.5, lambda_="0.1 TeV-1"
    )
    around = make_source("round", round_shape, cutoff)
    point = make_source("point", PointSpatialModel(lon_0="0.63 deg", lat_0="0.58 deg"))
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    backgrounds[0].spectral_model.tilt.frozen = False
    backgrounds[0].spectral_model.tilt.prior = GaussianPrior(mu=0.1, sigma=0.05)
    cutoff.index.prior = GaussianPrior(mu=2, sigma=0.3)
    point.spectral_model.index = cutoff.index
    datasets.models = Models([ellipse, around, point, *backgrounds])
    return draw(datasets)


def check_derivatives(datasets, *, tolerance=1e-3):
    """Compare with differences of stat_sum and of the gradient."""
    free = datasets.parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    values = statistic.values
    assert_allclose(statistic.stat(), datasets.stat_sum(), atol=1e-3, rtol=0)
    found = statistic.derivatives(values, second=True)
    scales = np.sqrt(2 / np.diag(found.fisher))
    for idx, scale in enumerate(scales):
        moved = np.tile(values, (2, 1))
        moved[:, idx] += np.array([-0.03, 0.03]) * scale
        stats, gradients = [], []
        for row in moved:
            gradients.append(statistic.derivatives(row).gradient)
            stats.append(datasets.stat_sum())
        slope = np.diff(stats)[0] / 0.06
        # The statistic convolves with the precision of a float32.
        assert_allclose(found.gradient[idx] * scale, slope, atol=3e-3, rtol=tolerance)
        curvature = (gradients[1] - gradients[0]) / 0.06 * scales
        expected = found.hessian[idx] * scales * scale
        assert_allclose(expected, curvature, atol=2 * tolerance, rtol=tolerance)
    statistic.stat(values)


def test_derivatives():
    check_derivatives(rich_datasets())


def test_derivatives_of_some_shapes():
    """Those that are asked for are the same, others are left out."""
    datasets = rich_datasets()
    parameters = list(datasets.parameters.free_parameters)
    statistic = datasets._smooth_statistic(parameters)
    everything = statistic.derivatives(statistic.values, second=True)
    source = statistic.sources[0]
    wanted = np.ones(len(parameters), dtype=bool)
    wanted[source.idx_shape] = False
    some = statistic.derivatives(statistic.values, second=True, shapes=wanted)
    assert len(source.idx_shape) > 0
    assert_allclose(some.gradient[wanted], everything.gradient[wanted])
    assert np.all(some.gradient[source.idx_shape] == 0)
    assert np.all(everything.gradient[source.idx_shape] != 0)
    place = np.ix_(wanted, wanted)
    assert_allclose(some.hessian[place], everything.hessian[place])


def test_derivatives_with_weights_and_without_psf():
    datasets = Datasets([make_dataset("one", psf=False)])
    datasets.models = Models([make_source("src", make_gauss())])
    draw(datasets)
    dataset = datasets[0]
    dataset.stat_type = "cash_weighted"
    weights = np.linspace(0.2, 1.0, dataset.counts.data.size)
    dataset.mask_fit = Map.from_geom(
        dataset.counts.geom, data=weights.reshape(dataset.counts.data.shape)
    )
    dataset.mask_safe = None
    check_derivatives(datasets)


def test_cutout_at_the_edge_and_fixed_components():
    datasets = Datasets([make_dataset("one")])
    edge = make_source("edge", make_gauss(lon_0="1.2 deg", lat_0="1.1 deg"))
    disk = make_source("disk", DiskSpatialModel(r_0="0.3 deg"))
    for par in disk.parameters:
        par.frozen = True
    datasets.models = Models([edge, disk])
    check_derivatives(draw(datasets))


@pytest.mark.parametrize("e, sigma", [(0.002, 0.2), (0.5, 0.048), (0.98, 0.52)])
def test_images(e, sigma):
    """Small sources, which are drawn on a finer grid, and e close to its bounds."""
    shape = make_gauss(e=e, phi="20 deg", sigma=sigma * u.deg)
    geom = WcsGeom.create(npix=40, binsz=0.1)
    parameters = list(shape.parameters)
    image = shape_image(shape, parameters, geom)
    first, pairs = image.derivatives(second=True)
    for idx, par in enumerate(parameters):
        steps = {"e": 1e-4, "phi": 1e-2}
        step = steps.get(par.name, 1e-3 * sigma)
        value, ends = par.value, []
        for sign in (1, -1):
            par.value = value + sign * step
            ends.append((image.value(), image.derivatives()[0]))
        par.value = value
        slope = (ends[0][0] - ends[1][0]) / (2 * step)
        largest = np.max(abs(first[idx]))
        assert_allclose(first[idx], slope, atol=1e-3 * largest + 2e-5)
        for other in range(idx + 1):
            bend = (ends[0][1][other] - ends[1][1][other]) / (2 * step)
            largest = np.max(abs(pairs[idx, idx])) * np.max(abs(pairs[other, other]))
            atol = 1e-3 * np.sqrt(largest) + 1e-4
            assert_allclose(pairs[idx, other], bend, atol=atol)


# --- what is not of this form ----------------------------------------------


def check_reason(datasets, reason):
    assert why_not_smooth(datasets) == reason
    with pytest.raises(NotLinearError) as error:
        Fit(backend="newton").run(datasets)
    assert reason in str(error.value)


@pytest.fixture()
def datasets():
    datasets = Datasets([make_dataset("one")])
    background = FoVBackgroundModel(dataset_name="one")
    datasets.models = Models([make_source("src", make_gauss()), background])
    return draw(datasets)


def test_smooth(datasets):
    assert why_not_smooth(datasets) == why_not_smooth(list(datasets)) == ""


def test_other_shape(datasets):
    other = TemplateSpatialModel(Map.create(npix=5, unit="sr-1"), normalize=False)
    other.lon_0.frozen = False
    datasets.models = [make_source("other", other)]
    check_reason(datasets, "'lon_0' of 'other' is free, of a TemplateSpatialModel")


def test_other_statistic(datasets):
    datasets[0].stat_type = "chi2"
    check_reason(datasets, "dataset 'one' has the statistic 'chi2'")


def test_spectrum_has_no_image(datasets):
    center = datasets[0].counts.geom.center_skydir
    spectrum = datasets[0].to_spectrum_dataset(
        CircleSkyRegion(center, 0.5 * u.deg), name="run"
    )
    spectrum.models = [make_source("src", make_gauss())]
    check_reason(
        Datasets([spectrum]),
        "'lon_0' of 'src' is free, which is in dataset 'run', a spectrum without an "
        "image",
    )


def test_other_prior(datasets):
    datasets.models["src"].spatial_model.sigma.prior = UniformPrior(min=0, max=1)
    check_reason(datasets, "'sigma' of 'src' has a UniformPrior")


def test_response_left_out(datasets):
    datasets.models["src"].apply_irf["exposure"] = False
    reason = "'src' has no exposure applied"
    check_reason(datasets, reason)


# --- bad input ---------------------------------------------------------------


def test_counts_that_are_no_numbers(datasets):
    datasets[0].counts.data[0, 15, 15] = np.nan
    with pytest.raises(ValueError, match="'one' has 1 bins inside its mask"):
        Fit(backend="newton").run(datasets)


def test_background_that_is_no_number(datasets):
    datasets[0].background.data[0, 15, 15] = np.nan
    with pytest.raises(ValueError, match="background of dataset 'one' is not finite"):
        Fit(backend="newton").run(datasets)


def test_exposure_that_is_no_number(datasets):
    before = datasets.parameters.value
    datasets[0].exposure.data[0, 15, 15] = np.nan
    with pytest.raises(ValueError, match="'src' is not a number"):
        Fit(backend="newton").run(datasets)
    assert_allclose(datasets.parameters.value, before, rtol=1e-12)
