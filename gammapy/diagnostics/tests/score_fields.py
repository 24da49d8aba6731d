# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small simulated fields in which one thing differs from the model that is fitted."""

import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    DiskSpatialModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    LogParabolaSpectralModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

AXIS = MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=6)
AXIS_TRUE = MapAxis.from_energy_bounds("0.6 TeV", "60 TeV", nbin=8, name="energy_true")

#: Position of an unknown source.
UNKNOWN = SkyCoord("-0.6 deg", "0.4 deg", frame="icrs")


def make_datasets(*, scale=1.0, pixel=0.1):
    """Two datasets without counts."""
    scales = {"one": scale, "two": 0.6 * scale}
    return Datasets([make_dataset(name, scales[name], pixel) for name in scales])


def make_dataset(name, scale, pixel):
    """Map of 3 deg; exposure falls to the sides."""
    geom = WcsGeom.create(npix=round(3 / pixel), binsz=pixel, axes=[AXIS])
    geom_true = geom.to_image().to_cube([AXIS_TRUE])
    offset = geom.separation(geom.center_skydir).deg
    slope = np.exp(-0.5 * (offset / 1.5) ** 2)
    energy = AXIS_TRUE.center.value[:, np.newaxis, np.newaxis]
    background = 4.0 * (AXIS.center.value / AXIS.center.value[0]) ** -1.5
    flat = scale * (pixel / 0.1) ** 2
    sigma = np.linspace(0.13, 0.09, AXIS_TRUE.nbin) * u.deg
    return MapDataset(
        name=name,
        counts=Map.from_geom(geom),
        exposure=Map.from_geom(
            geom_true, data=scale * 1e14 * slope * energy**0.3, unit="cm2 s"
        ),
        background=Map.from_geom(
            geom, data=flat * slope * background[:, np.newaxis, np.newaxis]
        ),
        edisp=EDispKernelMap.from_gauss(AXIS, AXIS_TRUE, sigma=0.2, bias=0.0),
        psf=PSFMap.from_gauss(AXIS_TRUE, sigma=sigma),
        mask_safe=Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool)),
    )


def power_law(**values):
    defaults = {"amplitude": "3e-12 cm-2 s-1 TeV-1", "index": 2.2}
    return PowerLawSpectralModel(reference="3 TeV", **{**defaults, **values})


def gauss(**values):
    defaults = {"lon_0": "0.23 deg", "lat_0": "-0.12 deg", "sigma": "0.25 deg"}
    shape = GaussianSpatialModel(**{**defaults, **values})
    shape.sigma.min = 0
    return shape


def point(**values):
    return PointSpatialModel(**{"lon_0": "0.23 deg", "lat_0": "-0.12 deg", **values})


def make_source(shape=None, spectrum=None, name="src"):
    return SkyModel(spectrum or power_law(), shape or gauss(), name=name)


def backgrounds(**values):
    models = [FoVBackgroundModel(dataset_name=name) for name in ("one", "two")]
    for name, value in values.items():
        getattr(models[0].spectral_model, name).value = value
    return models


def curved(beta):
    return LogParabolaSpectralModel(
        amplitude="3e-12 cm-2 s-1 TeV-1", reference="3 TeV", alpha=2.2, beta=beta
    )


def cut(lambda_):
    return ExpCutoffPowerLawSpectralModel(
        amplitude="3e-12 cm-2 s-1 TeV-1", reference="3 TeV", index=2, lambda_=lambda_
    )


def generalized(eta):
    return GeneralizedGaussianSpatialModel(
        lon_0="0.23 deg", lat_0="-0.12 deg", r_0="0.35 deg", eta=eta
    )


def disk(**values):
    shape = {"lon_0": "0.23 deg", "lat_0": "-0.12 deg", "r_0": "0.5 deg"}
    return DiskSpatialModel(**{**shape, **values})


def freeze(model, *names):
    for name in names:
        model.parameters[name].frozen = True
    return model


def extra(amplitude):
    """A point source that the fit does not have."""
    shape = PointSpatialModel.from_position(UNKNOWN)
    return make_source(shape, power_law(amplitude=amplitude), name="new")


#: By the name of the test: true models by the strength of what is missing (1 is about 4
#: to 5 sigma, 0 none), and the models that are fitted.
FIELDS = {
    "tilt of one-bkg": (
        lambda size: [make_source(), *backgrounds(tilt=0.12 * size)],
        lambda: [make_source(), *backgrounds()],
    ),
    "index of src": (
        lambda size: [make_source(spectrum=power_law(index=2.2 + 0.09 * size))],
        lambda: [freeze(make_source(), "index")],
    ),
    "curvature of src": (
        lambda size: [make_source(spectrum=curved(0.1 * size))],
        lambda: [make_source()],
    ),
    "cutoff of src": (
        lambda size: [make_source(spectrum=cut(f"{0.05 * size} TeV-1"))],
        lambda: [make_source()],
    ),
    "position of src": (
        lambda size: [make_source(gauss(lon_0=f"{0.23 + 0.022 * size} deg"))],
        lambda: [freeze(make_source(), "lon_0", "lat_0")],
    ),
    "sigma of src": (
        lambda size: [make_source(gauss(sigma=f"{0.25 + 0.018 * size} deg"))],
        lambda: [freeze(make_source(), "sigma")],
    ),
    "ellipse of src": (
        lambda size: [make_source(gauss(e=0.42 * size, phi="35 deg"))],
        lambda: [make_source()],
    ),
    "ellipse of disk": (
        lambda size: [make_source(disk(e=0.45 * size, phi="35 deg"), name="disk")],
        lambda: [make_source(disk(), name="disk")],
    ),
    "extension of src": (
        lambda size: (
            [make_source(gauss(sigma=f"{0.04 * size} deg"))]
            if size
            else [make_source(point())]
        ),
        lambda: [make_source(point())],
    ),
    "profile of src": (
        lambda size: [make_source(generalized(0.5 + 0.3 * size))],
        lambda: [make_source()],
    ),
    "source source-1": (
        lambda size: [make_source(), extra(f"{6e-14 * size} cm-2 s-1 TeV-1")],
        lambda: [make_source()],
    ),
}


def make_field(name, seed, *, size=1.0, scale=1.0):
    """Simulated datasets with the fitted models of a test.

    Parameters
    ----------
    name : str
        Test, one of `FIELDS`.
    seed : int
        Seed.
    size : float, optional
        Strength of what is missing. Default is 1.
    scale : float, optional
        Exposure. Default is 1.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        Datasets at their best fit.
    """
    true, fitted = FIELDS[name]
    # Point sources are drawn in four pixels: smaller ones for what is as small.
    pixel = 0.05 if name.startswith("extension") else 0.1
    datasets = make_datasets(scale=scale, pixel=pixel)
    datasets.models = _with_backgrounds(true(size))
    simulate(datasets, seed)
    datasets.models = _with_backgrounds(fitted())
    Fit(backend="newton").run(datasets)
    return datasets


def simulate(datasets, seed):
    """Draw counts of the models."""
    random = np.random.default_rng(seed)
    for dataset in datasets:
        dataset.counts.data = random.poisson(dataset.npred().data).astype(float)


def _with_backgrounds(models):
    has_backgrounds = any(isinstance(model, FoVBackgroundModel) for model in models)
    return models if has_backgrounds else [*models, *backgrounds()]


def ts_of_refit(datasets, tests, name):
    """Gain of a new fit in which the step of a test was taken, and the fit."""
    stat = datasets.stat_sum()
    models = datasets.models
    datasets.models = tests.take(name, models)
    result = Fit(backend="newton").run(datasets)
    ts = stat - datasets.stat_sum()
    datasets.models = models
    return ts, result
