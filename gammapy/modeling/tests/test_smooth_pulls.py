# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Values and errors of many simulated fields."""

import pytest
import numpy as np
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import make_dataset, make_source
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    DiskSpatialModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
)
from gammapy.modeling.tests.smooth_problems import free_values, set_free


def make_spectrum(amplitude, index=2.2):
    return PowerLawSpectralModel(
        amplitude=f"{amplitude} cm-2 s-1 TeV-1", index=index, reference="2 TeV"
    )


def make_field():
    """Two datasets, four sources and 26 free parameters."""
    names, scales = ["a", "b"], [5.0, 3.0]
    datasets = Datasets(
        [
            make_dataset(name, scale=scale, n_pixels=22)
            for name, scale in zip(names, scales, strict=True)
        ]
    )
    cutoff = ExpCutoffPowerLawSpectralModel(
        amplitude="9e-12 cm-2 s-1 TeV-1",
        index=1.7,
        lambda_="0.1 TeV-1",
        reference="2 TeV",
    )
    sources = [
        make_source(
            "cutoff",
            GaussianSpatialModel(lon_0="-0.5 deg", lat_0="-0.4 deg", sigma="0.25 deg"),
            cutoff,
        ),
        make_source(
            "gauss",
            GaussianSpatialModel(
                lon_0="0.5 deg",
                lat_0="0.45 deg",
                sigma="0.28 deg",
                e=0.85,
                phi="40 deg",
            ),
            make_spectrum(6e-12),
        ),
        make_source(
            "point",
            PointSpatialModel(lon_0="-0.53 deg", lat_0="0.52 deg"),
            make_spectrum(3e-12, 2.5),
        ),
        make_source(
            "disk",
            DiskSpatialModel(
                lon_0="0.55 deg", lat_0="-0.5 deg", r_0="0.36 deg", edge_width=0.5
            ),
            make_spectrum(6e-12),
        ),
    ]
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in names]
    for par in sources[1].spatial_model.parameters:
        par.frozen = False
    for background in backgrounds:
        background.spectral_model.tilt.frozen = False
    datasets.models = Models([*sources, *backgrounds])
    return datasets


def pulls(n_fields, *, seed=0):
    """Deviations from the truth in errors, shape (n_fields, n_parameters)."""
    datasets = make_field()
    rng = np.random.default_rng(seed)
    truth = free_values(datasets)
    assert len(truth) == 26
    expected = [dataset.npred().data for dataset in datasets]
    rows = []
    for _number in range(n_fields):
        set_free(datasets, truth)
        for dataset, npred in zip(datasets, expected, strict=True):
            dataset.counts.data = rng.poisson(npred).astype(float)
        result = Fit(backend="newton").run(datasets)
        assert result.success, result.message
        free = datasets.parameters.free_parameters
        errors = np.array([par.error for par in free])
        rows.append((free_values(datasets) - truth) / errors)
    return np.array(rows)


def check_pulls(rows, *, width, mean, n_sigma=0.0):
    """Widths, means and coverage, the last of all parameters together."""
    n_fields = len(rows)
    assert np.max(abs(np.std(rows, axis=0) - 1)) < width
    assert np.max(abs(np.mean(rows, axis=0))) < mean
    for limit, share in ((1, 0.6827), (1.96, 0.95)):
        error = np.sqrt(share * (1 - share) / n_fields)
        inside = np.mean(abs(rows) < limit, axis=0)
        # The largest of 26 deviations is below 3.5 for 99 percent of all such tests.
        assert np.max(abs(inside - share)) < 3.5 * error + n_sigma
        assert abs(np.mean(inside) - share) < 0.01 + error


def test_pulls():
    """A few fields: each pull by itself, and all of them together."""
    rows = pulls(3)
    assert np.max(abs(rows)) < 4.5
    assert abs(np.std(rows) - 1) < 0.25
    assert abs(np.mean(rows)) < 0.3


@pytest.mark.long
def test_pulls_of_many_fields():
    check_pulls(pulls(1000), width=0.08, mean=0.12)


@pytest.mark.long
def test_errors_that_migrad_leaves():
    """Those of three parameters are a fifth too small, the others are right."""
    datasets = make_field()
    rng = np.random.default_rng(0)
    for dataset in datasets:
        dataset.counts.data = rng.poisson(dataset.npred().data).astype(float)
    result = Fit().run(datasets)
    free = datasets.parameters.free_parameters
    scales = np.array([par.scale for par in free])
    errors = np.array([par.error for par in free])
    minuit = result.optimize_result.minuit
    ratios = np.sort(np.array(minuit.errors) * scales / errors)
    assert np.all(abs(ratios[:3] - 0.8) < 0.03)
    assert np.max(abs(ratios[3:] - 1)) < 0.05
    minuit.hesse()
    ratios = np.array(minuit.errors) * scales / errors
    assert np.max(abs(ratios - 1)) < 0.06
