# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The gallery of residual patterns shows what its text says."""

import sys
from pathlib import Path
import pytest
import numpy as np
import matplotlib.image
import matplotlib.pyplot as plt
from gammapy.datasets import SpatialResiduals, SpectralResiduals

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide"
sys.path.insert(0, str(GUIDE))
import make_patterns_pictures as patterns  # noqa: E402


@pytest.fixture(scope="module")
def fitted():
    """Fitted datasets of each mistake."""
    return {
        name: patterns.fit_mistake(mistake)
        for name, mistake in patterns.MISTAKES.items()
    }


@pytest.fixture(scope="module")
def spectra(fitted):
    """Significance against energy where the page draws it."""
    return {
        name: SpectralResiduals.from_datasets(
            datasets, patterns.MISTAKES[name].region
        ).to_table()["sqrt_ts"]
        for name, datasets in fitted.items()
    }


@pytest.fixture(scope="module")
def rows(fitted):
    """Rows of the table of the page."""
    return {
        name: patterns.describe(datasets, patterns.MISTAKES[name])
        for name, datasets in fitted.items()
    }


def n_sign_changes(values):
    """Sign changes of values that are clearly not 0."""
    signs = np.sign(values[np.abs(values) > 1.5])
    return np.count_nonzero(np.diff(signs))


def test_page_quotes_the_table(rows):
    lines = patterns.table_lines(list(rows.values()))
    assert patterns.TABLE.search(patterns.PAGE.read_text())[0] == lines


def test_page_has_the_pictures():
    text = patterns.PAGE.read_text()
    for name in patterns.MISTAKES:
        assert text.count(f"../images/patterns_{name}.png") == 1
        path = patterns.IMAGES / f"patterns_{name}.png"
        assert path.stat().st_size < 120_000
        assert matplotlib.image.imread(path).shape[:2] == (336, 800)


def test_map_or_spectrum_or_mean(rows):
    noise = rows["none"]
    assert noise["highest"] < 4 and noise["chi2 of the spectrum"] < 15
    for name in ("index", "curvature", "tilt"):  # noise in the map
        assert abs(rows[name]["width"] - 1) < 0.05 and abs(rows[name]["mean"]) < 0.05
        assert rows[name]["chi2 of the spectrum"] > 40
    assert rows["position"]["width"] > 1.15  # noise in the spectrum
    assert rows["position"]["chi2 of the spectrum"] < 15
    assert rows["norm"]["mean"] < -0.4 and abs(rows["norm"]["width"] - 1) < 0.05
    assert rows["point"]["highest"] > 7 and rows["extended"]["highest"] < 5


def test_spectra(spectra):
    assert np.all(spectra["point"] > 0)
    for name, number in {"index": 1, "curvature": 2, "tilt": 1, "norm": 0}.items():
        assert n_sign_changes(spectra[name]) == number
    assert spectra["index"][0] < -3 < 3 < spectra["index"][-1]
    assert spectra["curvature"][0] < 0 and spectra["curvature"][-1] < 0


def test_maps(fitted):
    center = patterns.source().position
    images = {
        name: SpatialResiduals.from_datasets(datasets).sqrt_ts.reduce_over_axes()
        for name, datasets in fitted.items()
    }
    coords = images["none"].geom.get_coord()
    offset = coords.skycoord.separation(center).deg
    # It has to move to smaller longitudes, where it is red.
    model = fitted["position"].models["source"].position
    lon = coords.skycoord.l.wrap_at("360d").deg
    image, near = images["position"].data, offset < 0.4
    assert center.l < model.l
    assert np.nanmean(image[near & (lon < center.l.deg)]) > 1
    assert np.nanmean(image[near & (lon > model.l.deg)]) < -1
    image = images["extension"].data
    assert np.nanmean(image[offset < 0.07]) < -3
    assert np.nanmean(image[(offset > 0.2) & (offset < 0.3)]) > 2


def test_larger_radius_finds_the_extended_source(fitted):
    maps = {
        name: SpatialResiduals.from_datasets(datasets, correlation_radius="0.4 deg")
        for name, datasets in fitted.items()
    }
    highest = {name: np.nanmax(maps_of.sqrt_ts.data) for name, maps_of in maps.items()}
    assert highest["extended"] > 7 and highest["none"] < 4


def test_plot(fitted):
    mistake = patterns.MISTAKES["index"]
    figure = patterns.plot(fitted["index"], mistake)
    ax_map, ax_spectrum = figure.axes[:2]
    assert ax_map.get_title() == mistake.title
    points = ax_spectrum.containers[0].lines[0].get_ydata()
    assert len(points) == 7 and points[0] < -3
    plt.close(figure)
