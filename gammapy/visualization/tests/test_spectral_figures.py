# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Titles, ranges, units and ticks of figures against energy."""

import warnings
from itertools import pairwise
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleSkyRegion,
)
import matplotlib.pyplot as plt
from gammapy.datasets import (
    Datasets,
    SpectralResiduals,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from gammapy.maps import Map, MapAxis, RegionGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.utils.testing import requires_data
from gammapy.visualization import plot_spectral_residuals
from gammapy.visualization.energies import format_energy_axis
from gammapy.visualization.residuals.titles import region_text

CRAB = "$GAMMAPY_DATA/joint-crab/spectra/hess"
FERMI = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture()
def dataset():
    """Spectrum in keV from 1e7 to 1e11, of which 1e9 to 1e10 are used."""
    axis = MapAxis.from_energy_bounds("1e7 keV", "1e11 keV", nbin=8)
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.11)", axes=[axis])
    counts = np.array([0, 90, 80, 60, 100, 121, 5, 0.0]).reshape(geom.data_shape)
    mask = np.array([0, 0, 0, 0, 1, 1, 0, 0], dtype=bool).reshape(geom.data_shape)
    return SpectrumDataset(
        counts=Map.from_geom(geom, data=counts),
        background=Map.from_geom(geom, data=100.0),
        mask_safe=Map.from_geom(geom, data=mask),
        name="spectrum",
    )


def tick_labels(axis):
    """Tops of the labels that are shown, in pixels, by their text."""
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    low, high = sorted(axis.get_view_interval())
    return {
        tick.label1.get_text(): tick.label1.get_window_extent().y1
        for tick in ticks
        if tick.label1.get_text() and low <= tick.get_loc() <= high
    }


POSITION = SkyCoord(344.2, -0.15, unit="deg", frame="galactic")
DEG = u.deg


@pytest.mark.parametrize(
    "region, text",
    [
        (None, "all pixels"),
        (
            CircleSkyRegion(POSITION, 0.5 * DEG),
            "circle of 0.5 deg at l, b = 344.20, -0.15 deg",
        ),
        (
            CircleSkyRegion(SkyCoord(83.633, 22.014, unit="deg"), 6.6 * u.arcmin),
            "circle of 0.11 deg at RA, Dec = 83.63, 22.01 deg",
        ),
        (
            CircleAnnulusSkyRegion(POSITION, 0.3 * DEG, 0.5 * DEG),
            "annulus of 0.3 to 0.5 deg at l, b = 344.20, -0.15 deg",
        ),
        (
            EllipseSkyRegion(POSITION, 1 * DEG, 0.5 * DEG),
            "ellipse of 1 x 0.5 deg at l, b = 344.20, -0.15 deg",
        ),
        (
            RectangleSkyRegion(POSITION, 2 * DEG, 1 * DEG),
            "rectangle of 2 x 1 deg at l, b = 344.20, -0.15 deg",
        ),
        (PointSkyRegion(POSITION), "point at l, b = 344.20, -0.15 deg"),
        (
            PolygonSkyRegion(SkyCoord([0, 1, 1], [0, 0, 1], unit="deg")),
            "region of the type PolygonSkyRegion",
        ),
    ],
)
def test_region_text(region, text):
    assert region_text(region) == text


def test_title(dataset):
    top, bottom = plot_spectral_residuals(dataset)
    # 100 of 100 and 121 of 100 counts: ts is 2 (121 ln 1.21 - 21) = 4.13.
    where, what = top.get_title().splitlines()
    assert where == "circle of 0.11 deg at RA, Dec = 83.63, 22.01 deg"
    assert what.startswith("cash, sum of ts 4.1 in 2 bins, p = 0.13")
    assert bottom.get_title() == ""
    assert top.get_window_extent().y1 < top.figure.bbox.y1 - 30


def test_title_that_is_there_stays(dataset):
    axes = plt.figure().subplots(2)
    axes[0].set_title("mine")
    plot_spectral_residuals(dataset, axes=axes)
    assert axes[0].get_title() == "mine"


def test_title_of_a_tiny_p_value(dataset):
    dataset.counts.data *= 100
    top, _ = plot_spectral_residuals(dataset)
    assert top.get_title().endswith("in 2 bins, p < 1e-300")


def test_title_of_the_points_alone(dataset):
    _, ax = Datasets([dataset]).plot_residuals()
    assert "sum of ts 4.1 in 2 bins" in ax.get_title()


def test_range_and_unit(dataset):
    """Half a decade of what is masked, in TeV."""
    axes = plot_spectral_residuals(dataset, method="significance")
    for ax in axes:
        assert_allclose(ax.get_xlim(), (10**-0.5, 10**1.5))
    assert axes[1].get_xlabel() == "Energy [TeV]"


def test_labels_on_one_line(dataset):
    _, ax = plot_spectral_residuals(dataset)
    ax.figure.canvas.draw()
    tops = tick_labels(ax.xaxis)
    assert {"1", "2", "5", "10"} <= set(tops)
    assert np.ptp(list(tops.values())) < 1.5


def test_labels_on_one_line_with_other_ticks():
    with plt.rc_context({"xtick.major.size": 12, "xtick.minor.pad": 8}):
        _, ax = plt.subplots()
        format_energy_axis(ax, 0.3, 30)
        ax.figure.canvas.draw()
        assert np.ptp(list(tick_labels(ax.xaxis).values())) < 1.5


@pytest.mark.parametrize("limits", [(0.01, 2), (1, 40), (0.3, 200)])
def test_labels_on_narrow_axes(limits):
    """They do not run into each other."""
    _, ax = plt.subplots(figsize=(2, 2))
    format_energy_axis(ax, *limits)
    ax.figure.canvas.draw()
    ticks = [*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks()]
    boxes = [
        tick.label1.get_window_extent()
        for tick in ticks
        if tick.label1.get_text() and limits[0] <= tick.get_loc() <= limits[1]
    ]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) >= 2
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_plot_fit(dataset):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*converter")
        axes = dataset.plot_fit(kwargs_residuals={"method": "significance"})
    axes[0].figure.canvas.draw()
    for ax in axes:
        assert_allclose(ax.get_xlim(), (10**-0.5, 10**1.5))
    assert axes[0].get_xlabel() == "" and "TeV" in axes[1].get_xlabel()
    assert axes[0].get_ylabel() == "Counts"
    x = axes[1].containers[0][0].get_xdata(orig=False)
    assert_allclose(x[4:6], [10**0.25, 10**0.75])
    assert "cash, sum of ts 4.1 in 2 bins" in axes[0].get_title()
    assert not any(
        tick.label1.get_visible() for tick in axes[0].xaxis.get_major_ticks()
    )
    tops = tick_labels(axes[1].xaxis)
    assert {"1", "10"} <= set(tops) and np.ptp(list(tops.values())) < 1.5


def test_plot_fit_on_given_axes(dataset):
    """Their unit stays, and so does their title."""
    axes = plt.figure().subplots(2)
    for ax in axes:
        ax.xaxis.set_units(u.GeV)
    given = dataset.plot_fit(*axes)
    assert given == tuple(axes)
    assert axes[0].get_title() == ""
    assert_allclose(axes[1].get_xlim(), (10**2.5, 10**4.5))
    assert "GeV" in axes[1].get_xlabel()


def test_linear_energies(dataset):
    axis = MapAxis.from_energy_edges(np.linspace(0, 8, 9) * u.TeV, interp="lin")
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.11)", axes=[axis])
    counts = Map.from_geom(geom, data=dataset.counts.data)
    background = Map.from_geom(geom, data=100.0)
    linear = SpectrumDataset(counts=counts, background=background, name="linear")
    ax = linear.plot_residuals_spectral()
    assert ax.get_xscale() == "linear"
    assert_allclose(ax.get_xlim(), (0, 8))


@requires_data()
def test_spectra_of_files():
    """Spectra in keV of the Crab: TeV, without the masked decades."""
    datasets = Datasets(
        [
            SpectrumDatasetOnOff.read(f"{CRAB}/pha_obs{obs_id}.fits")
            for obs_id in (23523, 23526)
        ]
    )
    spectrum = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectrum, name="crab")]
    for dataset in datasets:
        axes = dataset.plot_fit()
        mask = dataset.mask_safe.data.squeeze()
        edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
        lowest = edges[:-1][mask].min()
        for ax in axes:
            low, high = ax.get_xlim()
            assert_allclose(low, lowest / 10**0.5, rtol=1e-6)
            assert_allclose(high, 100, rtol=1e-6)
        assert "TeV" in axes[1].get_xlabel()
    top, bottom = plot_spectral_residuals(datasets, method="significance")
    residuals = SpectralResiduals.from_datasets(datasets)
    assert bottom.get_xlabel() == "Energy [TeV]"
    text = f"on region\nwstat, sum of ts {np.nansum(residuals.sqrt_ts**2):.1f} in 43"
    assert top.get_title().startswith(text)


@requires_data()
def test_maps_of_files():
    datasets = Datasets.read(
        f"{FERMI}_datasets.yaml", filename_models=f"{FERMI}_models.yaml"
    )
    region = "galactic;circle(184.6, -5.8, 0.5)"
    top, bottom = plot_spectral_residuals(datasets, region, method="significance")
    where, what = top.get_title().splitlines()
    assert where == "circle of 0.5 deg at l, b = 184.60, -5.80 deg"
    assert what.startswith("cash, sum of ts 17.4 in 5 bins, p = 0.0")
    top.figure.canvas.draw()
    assert np.ptp(list(tick_labels(bottom.xaxis).values())) < 1.5
