# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Flux points and light curves of on-off data by Newton's method."""

import logging
import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
import astropy.units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator, LightCurveEstimator
from gammapy.estimators.points.norms import NormFluxPoints
from gammapy.maps import RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.modeling.tests.on_off_problems import make_on_off, minimum

N_BINS = 6
AT_REFERENCE = 1e13
EDGES = np.geomspace(1, 10, N_BINS // 2 + 1) * u.TeV


def make_sets():
    """Two runs; the last two energy bins have neither on nor off counts."""
    rng = np.random.default_rng(4)
    signal = np.array([30, 20, 12, 5, 0, 0])
    background = np.array([12, 8, 3, 1, 0, 0])
    return [
        {
            "n_on": rng.poisson(signal + background).astype(float),
            "n_off": rng.poisson(background / alpha).astype(float),
            "alpha": np.full(N_BINS, alpha),
            "mask": np.ones(N_BINS, dtype=bool),
        }
        for alpha in (0.1, 0.4)
    ]


@pytest.fixture()
def datasets():
    datasets = Datasets(
        [make_on_off(data, f"run-{idx}") for idx, data in enumerate(make_sets())]
    )
    for idx, dataset in enumerate(datasets):
        geom = dataset.counts.geom
        axis = geom.axes["energy"].copy(name="energy_true")
        exposure = geom.to_image().to_cube([axis])
        dataset.exposure = RegionNDMap.from_geom(
            exposure, data=AT_REFERENCE, unit="cm2 s"
        )
        start = Time("2020-01-01") + idx * u.d
        dataset.gti = GTI.create([0] * u.s, [1] * u.h, reference_time=start)
    spectrum = PowerLawSpectralModel(
        index=2.5, amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV"
    )
    datasets.models = [SkyModel(spectrum, name="src")]
    return datasets


def run(datasets, **kwargs):
    estimator = FluxPointsEstimator(
        energy_edges=EDGES, source="src", selection_optional="all", **kwargs
    )
    return estimator.run(datasets).to_table(sed_type="likelihood")


def written_out(datasets, idx):
    """The problem of a flux point as arrays."""
    bins = slice(2 * idx, 2 * idx + 2)
    template = datasets[0].npred_signal().data[bins, 0, 0]
    sets = [{key: data[key][bins] for key in data} for data in make_sets()]
    return {"templates": template[np.newaxis], "sets": sets}


def test_flux_points(datasets, caplog):
    """Against the likelihood written out with an expectation for each off bin."""
    caplog.set_level(logging.DEBUG, logger="gammapy.modeling.automatic")
    table = run(datasets)
    assert "backend 'newton'" in caplog.text
    assert "minuit" not in caplog.text
    assert table["success"].all()
    for idx, row in enumerate(table[:2]):
        problem = written_out(datasets, idx)
        best, norms = minimum(problem)
        assert_allclose(row["stat"], best, atol=1e-5)
        assert_allclose(row["norm"], norms[0], rtol=1e-3)

        def rise(value, wanted=0.0, problem=problem, best=best):
            return minimum(problem, {0: value})[0] - best - wanted

        assert_allclose(row["ts"], rise(0.0), rtol=1e-5)
        values = row["norm_scan"][::5]
        for value, stat in zip(values, row["stat_scan"][::5], strict=True):
            assert_allclose(stat, best + rise(value), atol=1e-5)
        far = row["norm"] + 5 * row["norm_err"]
        ends = [
            brentq(rise, row["norm"], far, (wanted,), rtol=1e-6) for wanted in (1, 4)
        ]
        assert_allclose(row["norm"] + row["norm_errp"], ends[0], rtol=1e-4)
        assert_allclose(row["norm_ul"], ends[1], rtol=1e-4)


def test_bin_without_counts(datasets):
    """Half the statistic is the signal: it has risen by 1 and 4 at once."""
    row = run(datasets)[2]
    signal = 2 * written_out(datasets, 2)["templates"].sum()
    assert_allclose([row["norm"], row["ts"]], 0, atol=1e-9)
    assert_allclose(row["norm_err"], 0.5 / signal)
    assert_allclose(row["norm_ul"], 2 / signal, rtol=1e-6)


def test_sensitivity_is_that_of_datasets(datasets, monkeypatch):
    expected = run(datasets)["norm_sensitivity"]
    monkeypatch.setattr(NormFluxPoints, "_knows_sensitivity", lambda *args: False)
    found = run(datasets)["norm_sensitivity"]
    assert_allclose(found, expected, rtol=1e-5)


def test_nuisance_is_that_of_minuit(datasets):
    options = {"energy_edges": EDGES[:3], "source": "src", "debug": True}
    fit = Fit(optimize_opts={"tol": 1e-4}, confidence_opts={"backend": "scipy"})
    found, expected = (
        FluxPointsEstimator(fit=each, **options).run(datasets).nuisance
        for each in (Fit(), fit)
    )
    assert set(found.colnames) == set(expected.colnames)
    for name in found.colnames:
        if name.split(".")[0] in ("counts", "counts_off", "alpha", "background"):
            assert_allclose(found[name], expected[name], rtol=1e-3, err_msg=name)


def test_light_curve(datasets, caplog):
    """Each run by itself."""
    caplog.set_level(logging.DEBUG, logger="gammapy.modeling.automatic")
    estimator = LightCurveEstimator(
        energy_edges=[EDGES[0].value, EDGES[2].value] * u.TeV,
        source="src",
        selection_optional=["ul"],
    )
    norm = estimator.run(datasets).norm.data.ravel()
    assert "backend 'newton'" in caplog.text
    for idx, value in enumerate(norm):
        problem = {
            "templates": datasets[0].npred_signal().data[:4, 0, 0][np.newaxis],
            "sets": [
                {key: value[:4] for key, value in make_sets()[idx].items()},
            ],
        }
        assert_allclose(value, minimum(problem)[1][0], rtol=1e-3)
