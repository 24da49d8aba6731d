# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the tables of bad input share: good values of all that functions take."""

from types import SimpleNamespace
import pytest
import numpy as np
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, MapDataset, SpatialResiduals, SpectralResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    ConstantSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.newton import fit_norms
from gammapy.modeling.templates import NormTemplates
from gammapy.utils.testing import check_bad_input

AXIS = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4, name="energy_true")
PIXELS = {"npix": 20, "binsz": 0.1, "skydir": (83.6, 22.0)}
GEOM = WcsGeom.create(**PIXELS, axes=[AXIS])


def make_dataset(name, lowest=0.0):
    """Dataset with a source that can be drawn, one that cannot, and a background."""
    data = np.random.default_rng(0).poisson(1, GEOM.data_shape).astype(float)
    data[0, 10, 10] = lowest
    exposure = Map.from_geom(GEOM.to_image().to_cube([TRUE]), unit="m2 s", data=1e10)
    mask = Map.from_geom(GEOM, data=True, dtype=bool)
    mask.data[:, :2] = False
    dataset = MapDataset(
        counts=Map.from_geom(GEOM, data=data),
        background=Map.from_geom(GEOM, data=1.0),
        exposure=exposure,
        mask_safe=mask,
        mask_fit=mask.copy(),
        name=name,
    )
    spatial = GaussianSpatialModel(lon_0="83.6 deg", lat_0="22 deg", sigma="0.2 deg")
    shapes = {"crab": spatial, "flat": ConstantSpatialModel()}
    spectrum = PowerLawSpectralModel(amplitude="1e-15 cm-2 s-1 TeV-1")
    models = [SkyModel(spectrum.copy(), shape, name=n) for n, shape in shapes.items()]
    for model in models:
        model.parameters.freeze_all()
    dataset.models = [*models, FoVBackgroundModel(dataset_name=name)]
    return dataset


@pytest.fixture(scope="module")
def scene():
    """Good values of all that the functions take."""
    dataset = make_dataset("run")
    datasets = Datasets([dataset])
    norm = dataset.models["run-bkg"].parameters["norm"]
    norm.scan_values = [0.9, 1.1]
    templates = NormTemplates.from_datasets(datasets)
    figure = plt.figure()
    nuisance = Table({"tilt": [1.0, 2.0], "norm": [1.0, 1.1], "norm_err": [0.1, 0.1]})
    nuisance["success"] = True
    yield SimpleNamespace(
        dataset=dataset,
        datasets=datasets,
        models=dataset.models,
        spatial=SpatialResiduals.from_datasets(datasets),
        spectral=SpectralResiduals.from_datasets(datasets),
        norm=norm,
        stranger=norm.copy(),
        minuit=Fit(),
        negative=[make_dataset("negative", lowest=-1)],
        broken=[make_dataset("broken", lowest=np.nan)],
        templates=templates,
        fit=fit_norms(templates),
        energy="10 TeV",
        pair=[1.0, 2.0],
        other_sky=Map.create(**PIXELS | {"skydir": (10, 10)}, dtype=bool),
        other_frame=Map.create(**PIXELS, frame="galactic", dtype=bool),
        nuisance=nuisance,
        sky_axes=figure.add_subplot(121, projection=GEOM.to_image().wcs),
        axes=figure.add_subplot(122),
    )
    plt.close("all")


def state(scene):
    """What a function might have changed, to compare."""
    dataset = scene.dataset
    maps = (dataset.counts, dataset.background, dataset.mask_safe, dataset.mask_fit)
    arrays = [image.data.tobytes() for image in maps]
    values = [(par.value, par.frozen) for par in dataset.models.parameters]
    return arrays, values, dataset.models.names, plt.get_fignums()


@pytest.fixture
def check_row(scene):
    """Check a row of a table: function, argument, value, kind of the error, words.

    Words are separated by bars. The message has the argument, too, and nothing that
    the function was given has changed.
    """

    def check(function, argument, value, error, words):
        before = state(scene)
        value = value(scene) if callable(value) else value
        check_bad_input(
            lambda: function(scene, **{argument: value}),
            error,
            argument,
            *words.split("|"),
        )
        assert state(scene) == before

    return check
