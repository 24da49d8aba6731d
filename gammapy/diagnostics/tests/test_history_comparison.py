# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What changed between two steps of a history."""

import json
import pytest
import numpy as np
from numpy.testing import assert_allclose
from astropy.table import Table
from gammapy.diagnostics import FitHistory, GoodnessOfFit, HotSpots
from .history_fields import fitted, spectra, ts_of_norm


def hot_spots(*rows):
    """Spots of some lon, lat and significance, of a radius of 0.1 deg."""
    lon, lat, sqrt_ts = np.transpose(rows) if rows else np.zeros((3, 0))
    columns = {name: np.zeros(len(lon)) for name in HotSpots.COLUMNS}
    columns |= {"lon": lon, "lat": lat, "sqrt_ts": sqrt_ts}
    columns |= {"radius": np.full(len(lon), 0.1)}
    columns |= {"nearest": np.array(["B"] * len(lon), dtype=str)}
    return HotSpots(Table(columns), {"frame": "galactic", "threshold": 4.0})


def goodness(**p_values):
    rows = [
        (test, 9, 1.0, 1.0, 1.0, 1.0, 0, p_value) for test, p_value in p_values.items()
    ]
    names = list(GoodnessOfFit.COLUMNS)
    return GoodnessOfFit(Table(rows=rows, names=names), {"p_threshold": 0.01})


@pytest.fixture
def history(tmp_path):
    history = FitHistory(tmp_path)
    datasets = spectra()
    result = fitted(datasets, "norm")
    history.add(
        "norm",
        datasets,
        result,
        hot_spots=hot_spots((10, 1, 7.8), (12, 1, -5.0), (11, 1, 4.5)),
        goodness=goodness(all=0.001, image=0.5, spectrum=0.5),
    )
    result = fitted(datasets, "norm", "tilt")
    history.add(
        "tilt",
        datasets,
        result,
        # 0.07 deg away, another sign, and one that is new.
        hot_spots=hot_spots((10.05, 1.05, 4.2), (12, 1, 5.5), (15, 1, 4.1)),
        goodness=goodness(all=0.2, image=0.45, spectrum=0.002),
    )
    return history


def test_parameters(history):
    comparison = history.compare("norm", "tilt")
    table = comparison.parameters
    before, after = (history[name].datasets.models.parameters for name in history.names)
    assert abs(table["n_errors"][0]) > abs(table["n_errors"][1])
    table.add_index("name")
    tilt, moved = (table.loc[f"run-bkg.spectral.{name}"] for name in ("tilt", "norm"))
    assert tilt["change"] == "freed"
    assert_allclose(tilt["value"], after["tilt"].value)
    # The error of a norm is sqrt(450) / 400.
    assert_allclose(moved["error_before"], np.sqrt(450) / 400, rtol=1e-4)
    wanted = (after["norm"].value - 450 / 400) / (np.sqrt(450) / 400)
    assert_allclose(moved["n_errors"], wanted, rtol=1e-4)
    assert moved["change"] == "moved"
    # It had no error before.
    assert_allclose(tilt["n_errors"], after["tilt"].value / after["tilt"].error)


def test_spots(history):
    table = history.compare("norm", "tilt").spots
    assert table["change"].tolist() == ["stayed", "came", "came", "went", "went"]
    assert_allclose(table["lon"], [10.05, 12, 15, 12, 11])
    assert_allclose(table["sqrt_ts_before"], [7.8, np.nan, np.nan, -5, 4.5])
    assert_allclose(table["sqrt_ts"], [4.2, 5.5, 4.1, np.nan, np.nan])


def test_tests(history):
    table = history.compare("norm", "tilt").tests
    assert table["test"].tolist() == ["all", "image", "spectrum"]
    # Tables of the normal distribution: 0.5, 0.45, 0.2 are 0, 0.1257, 0.8416 sigma,
    # 0.002 and 0.001 are 2.8782 and 3.0902.
    assert_allclose(table["change"], [0.8416 - 3.0902, 0.1257, 2.8782], atol=1e-4)


def test_text(history):
    comparison = history.compare(0, 1)
    text = str(comparison)
    assert comparison.verdict == history.verdict
    assert text.startswith("'tilt' against 'norm': TS = ")
    assert "the highest spot was +7.8 sigma, is +4.2 sigma." in text
    assert "stayed: +7.8 is now +4.2 sigma at 10.05, +1.05 deg near B" in text
    assert "went: -5.0 sigma" in text and "came: +5.5 sigma" in text
    assert "spectrum: p = 0.5 is now 0.002" in text and "image: p" not in text
    assert "run-bkg.spectral.tilt: 0 is now" in text and ", freed" in text
    assert "Doubts" not in text
    assert "spectrum: p" in comparison._repr_html_()


def test_plain_data(history):
    data = json.loads(json.dumps(history.compare("norm", "tilt").to_dict()))
    assert data["n_dof"] == 1 and data["caveats"] == []
    assert data["spots"][1]["sqrt_ts_before"] is None
    assert len(data["parameters"]) == 2


def test_against_an_older_step(history):
    datasets = spectra()
    history.add("fixed", datasets)
    comparison = history.compare("fixed", "norm")
    assert_allclose(comparison.ts, ts_of_norm(), rtol=1e-6)
    assert_allclose(comparison.aic, 2 - ts_of_norm(), rtol=1e-6)
    assert_allclose(comparison.bic, np.log(450) - ts_of_norm(), rtol=1e-6)
    assert comparison.spots is None and comparison.tests is None
    assert comparison.caveats == ["'fixed' was not fitted."]
    assert "Doubts about sigma" in str(comparison)


def test_nothing_changed(history):
    comparison = history.compare("norm", "norm")
    assert len(comparison.parameters) == 0 and comparison.components == []
    assert set(comparison.spots["change"]) == {"stayed"}
    assert comparison.verdict.startswith(
        "'norm' against 'norm': TS = 0.0 for 0 more parameters (no sigma: same model)"
    )


def test_no_spots(history):
    datasets = spectra()
    history.add("none", datasets, hot_spots=hot_spots())
    comparison = history.compare("norm", "none")
    assert set(comparison.spots["change"]) == {"went"}
    assert "the highest spot was +7.8 sigma, is below 4" in comparison.verdict
    assert len(history.compare("none", "none").spots) == 0
