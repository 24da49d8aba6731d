# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the difference of two fits means: significances, and where there are none."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.diagnostics.history_record import parameter_rows
from gammapy.diagnostics.nested import LikelihoodRatio
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

#: A chi2 of 5 degrees of freedom is above 25 with a probability of 1.3933e-4.
SIGMA_OF_25_5 = 3.80935


def source(spectral=None, spatial=None, name="source"):
    spectral = spectral or PowerLawSpectralModel(amplitude="1e-12 TeV-1 s-1 cm-2")
    return SkyModel(spectral, spatial or PointSpatialModel(), name=name)


def record(models, stat, name="step"):
    models = Models(models)
    rows = parameter_rows(models)
    return {
        "name": name,
        "stat": stat,
        "data": "same",
        "is_weighted": False,
        "n_free": len(models.parameters.free_unique_parameters),
        "fit": {"success": True},
        "parameters": rows,
        "components": [
            {
                "name": model.name,
                "type": type(model).__name__,
                "parts": {
                    "spatial": type(getattr(model, "spatial_model", None)).__name__,
                    "spectral": type(getattr(model, "spectral_model", None)).__name__,
                },
            }
            for model in models
        ],
    }


def ratio(before, after, ts=25.0):
    return LikelihoodRatio.from_records(
        record(before, 100.0, "before"), record(after, 100.0 - ts, "after")
    )


def changed(model, **changes):
    """Copy of a model with parameters free or frozen, or of another value."""
    model = model.copy(name=model.name)
    for name, value in changes.items():
        par = model.parameters[name]
        if isinstance(value, bool):
            par.frozen = not value
        else:
            par.value = value
    return model


def test_an_index_is_freed():
    free = source()
    found = ratio([changed(free, index=False)], [free])
    assert found.ts == 25 and found.n_dof == 1 and found.caveats == {}
    assert_allclose(found.sigma, 5)
    # From the larger one to the smaller one there is no significance.
    found = ratio([free], [changed(free, index=False)], ts=-25)
    assert found.n_dof == -1 and np.isnan(found.sigma)
    assert found.sentences == ["source.spectral.index was free, and is frozen now."]


def test_a_source_is_added():
    models = [source(name="old"), FoVBackgroundModel(dataset_name="run")]
    new = source(spatial=GaussianSpatialModel(sigma="0.1 deg"))
    new.spectral_model.amplitude.min = 0
    found = ratio(models, [new, *models])
    assert found.n_dof == 5 and found.words == "index, position, size, bound"
    assert "position of source is not defined without it." in found.sentences
    assert "The amplitude of source cannot be negative." in found.sentences
    assert_allclose(found.sigma, SIGMA_OF_25_5, atol=1e-4)
    # Where and what it is was known before: it is one parameter, inside its range.
    new = changed(source(), index=False, lon_0=False, lat_0=False)
    found = ratio(models, [new, *models])
    assert found.n_dof == 1 and found.caveats == {}
    assert_allclose(found.sigma, 5)


def test_a_background_is_added():
    found = ratio([source()], [source(), FoVBackgroundModel(dataset_name="run")])
    assert found.caveats == {} and found.n_dof == 1


def test_a_component_without_anything_free_is_added():
    new = source(name="new")
    new.parameters.freeze_all()
    found = ratio([source()], [source(), new])
    assert found.words == "not nested" and np.isnan(found.sigma)


@pytest.mark.parametrize(
    ("larger", "is_bound"),
    [(LogParabolaSpectralModel, False), (ExpCutoffPowerLawSpectralModel, True)],
)
def test_a_spectrum_gets_another_parameter(larger, is_bound):
    found = ratio([source()], [source(larger())])
    assert found.n_dof == 1 and (found.words == "bound") == is_bound
    assert_allclose(found.sigma, 5)


def test_reference_energies():
    # Where the amplitude is free it is a convention, but not for a log parabola.
    free = source()
    before = changed(free, lon_0=False)
    assert ratio([before], [changed(free, reference=3.0)]).words == ""
    fixed = changed(changed(free, reference=3.0), amplitude=False)
    before = changed(before, amplitude=False)
    assert ratio([before], [fixed]).words == "not nested"
    curved = source(LogParabolaSpectralModel())
    before = changed(changed(curved, lon_0=False), alpha=False)
    after = changed(changed(curved, reference=3.0), alpha=False)
    assert ratio([before], [after]).words == "not nested"


def test_a_point_gets_a_size():
    found = ratio([source()], [source(spatial=GaussianSpatialModel(sigma="0.1 deg"))])
    assert found.n_dof == 1 and found.words == "bound"
    assert "source.spatial.sigma starts at its bound, 0." in found.sentences
    # Frozen at 0 it is the same.
    wide = source(spatial=GaussianSpatialModel(sigma="0.1 deg"))
    found = ratio([changed(wide, sigma=0.0, e=0.0)], [wide])
    assert found.words == "same model, bound"
    point = changed(changed(wide, sigma=0.0), sigma=False)
    assert ratio([point], [wide]).words == "bound"
    # From another size it is a parameter like others.
    known = changed(changed(wide, sigma=0.2), sigma=False)
    assert ratio([known], [wide]).words == ""


def test_a_round_source_gets_an_ellipse():
    before = source(spatial=GaussianSpatialModel(sigma="0.1 deg"))
    found = ratio([before], [changed(changed(before, e=0.5), e=True, phi=True)])
    assert found.n_dof == 2 and found.words == "bound, shape"
    assert "source.spatial.phi is not defined where e is 0." in found.sentences


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            [source(name="old")],
            [source(name="new")],
            "old was removed.",
        ),
        (
            [source(spatial=GaussianSpatialModel(sigma="0.1 deg"))],
            [source()],
            "The spatial model of source was GaussianSpatialModel",
        ),
        (
            [changed(source(), index=False, lon_0=False)],
            [changed(changed(source(), index=2.5), index=False)],
            "source.spectral.index is frozen at another value, 2.5",
        ),
    ],
)
def test_not_nested(before, after, words):
    found = ratio(before, after)
    assert "not nested" in found.words and np.isnan(found.sigma)
    assert any(text.startswith(words) for text in found.sentences)
    assert found.ts == 25


def test_links():
    models = Models([source(name="a"), source(name="b")])
    linked = models.copy()
    linked["b"].spectral_model.index = linked["a"].spectral_model.index
    found = ratio(linked, models)
    assert found.n_dof == 1 and found.caveats == {}
    assert_allclose(found.sigma, 5)
    assert ratio(models, linked, ts=-3).words == "not nested"


def test_statistic_rises():
    free = source()
    found = ratio([changed(free, index=False)], [free], ts=-3)
    assert found.words == "rose" and np.isnan(found.sigma)


def test_problems_of_fits():
    before = record([changed(source(), index=False)], 100.0)
    after = record([source()], 75.0)
    failed = after | {"fit": {"success": False}}
    found = LikelihoodRatio.from_records(before, failed)
    assert found.words == "fit failed" and found.sigma > 4
    found = LikelihoodRatio.from_records(before, after | {"is_weighted": True})
    assert found.words == "weighted" and np.isnan(found.sigma)
    found = LikelihoodRatio.from_records(before, after | {"data": "other"})
    assert found.words == "other data" and np.isnan(found.ts) and found.n_dof is None
    unknown = LikelihoodRatio.from_records(before | {"data": ""}, after | {"data": ""})
    assert unknown.words == "other data"


def test_a_parameter_at_its_limit():
    free = source()
    free.spectral_model.index.min = free.spectral_model.index.value
    found = ratio([source(name="source")], [free], ts=0)
    assert "source.spectral.index is at a bound." in found.sentences
