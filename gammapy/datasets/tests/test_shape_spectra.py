# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra in the statistic with derivatives."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.datasets.tests.test_shape_terms import AXIS_TRUE, check_derivatives, draw
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit, why_not_smooth
from gammapy.modeling.models import (
    DiskSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    PointSpatialModel,
    SkyModel,
)

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6)
CIRCLE = "icrs;circle(0, 0, 0.3)"
BOX = "icrs;box(0.1, 0, 0.3, 0.4, 0)"


def make_spectrum(name, *, region=CIRCLE, psf=True):
    geom = RegionGeom.create(region, axes=[AXIS])
    geom_true = geom.to_image().to_cube([AXIS_TRUE])
    exposure = 2e10 * np.arange(1, 6)[:, np.newaxis, np.newaxis]
    dataset = SpectrumDataset(
        name=name,
        counts=RegionNDMap.from_geom(geom),
        exposure=RegionNDMap.from_geom(geom_true, data=exposure, unit="cm2 s"),
        background=RegionNDMap.from_geom(geom, data=3.0),
        edisp=EDispKernelMap.from_gauss(AXIS, AXIS_TRUE, sigma=0.2, bias=0.0),
        psf=PSFMap.from_gauss(AXIS_TRUE, sigma=[0.15, 0.13, 0.11, 0.1, 0.09] * u.deg)
        if psf
        else None,
    )
    mask = np.ones(geom.data_shape, dtype=bool)
    mask[0] = False
    dataset.mask_safe = RegionNDMap.from_geom(geom, data=mask)
    return dataset


def make_problem(shape, **kwargs):
    """Two spectra with a source of this shape, whose parameters are frozen."""
    datasets = Datasets([make_spectrum(name, **kwargs) for name in ("one", "two")])
    if shape is not None:
        shape.freeze()
    spectrum = LogParabolaSpectralModel(
        amplitude="2e-9 cm-2 s-1 TeV-1", reference="2 TeV", alpha=2.2, beta=0.1
    )
    source = SkyModel(spectral_model=spectrum, spatial_model=shape, name="src")
    datasets.models = [source, FoVBackgroundModel(dataset_name="one")]
    return draw(datasets)


@pytest.mark.parametrize(
    "shape, region, psf",
    [
        (None, CIRCLE, True),
        (PointSpatialModel(), CIRCLE, True),
        (GaussianSpatialModel(sigma="0.2 deg"), CIRCLE, True),
        (DiskSpatialModel(r_0="0.2 deg"), BOX, True),
        (DiskSpatialModel(r_0="0.2 deg"), BOX, False),
    ],
)
def test_derivatives_of_spectra(shape, region, psf):
    datasets = make_problem(shape, region=region, psf=psf)
    assert why_not_smooth(datasets) == ""
    check_derivatives(datasets)


def test_fit_of_spectra():
    """Amplitude, index, curvature and a background, from a start that is far off."""
    datasets = make_problem(PointSpatialModel())
    Fit(backend="minuit", optimize_opts={"tol": 1e-4, "strategy": 2}).run(datasets)
    expected = datasets.stat_sum()
    free = datasets.parameters.free_parameters
    values = np.array([par.value for par in free])
    spectrum = datasets.models["src"].spectral_model
    spectrum.amplitude.value *= 5
    spectrum.alpha.value = 4
    spectrum.beta.value = -0.5
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert result.backend == "newton"
    assert -1e-3 < result.total_stat - expected < 1e-5
    errors = np.array([par.error for par in free])
    assert np.max(abs(values - [par.value for par in free]) / errors) < 0.01
    assert_allclose(result.total_stat, datasets.stat_sum(), rtol=1e-12)
