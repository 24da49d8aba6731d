# Licensed under a 3-clause BSD style license - see LICENSE.rst
import warnings
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import Table
import matplotlib.pyplot as plt
from gammapy.catalog import CATALOG_REGISTRY
from gammapy.datasets import FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from gammapy.utils.testing import mpl_plot_check, requires_data
from gammapy.visualization import plot_flux_points

#: erg in a TeV
ERG = 1.602176634
DNDE = "TeV-1 s-1 cm-2"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture()
def table():
    """Three points 2, 10 and 50 TeV: significant, significant, not."""
    low, middle, high = np.array([[1, 2, 4], [4, 10, 25], [25, 50, 100]]).T * u.TeV
    table = Table({"e_ref": middle, "e_min": low, "e_max": high})
    table["dnde"] = np.array([3e-12, 0.8e-13, 1e-15]) * u.Unit(DNDE)
    table["dnde_err"] = np.array([2e-13, 1e-14, 2e-15]) * u.Unit(DNDE)
    table["dnde_ul"] = np.array([4e-12, 1e-13, 5e-15]) * u.Unit(DNDE)
    table["sqrt_ts"] = [15.0, 8.0, 0.5]
    table.meta["SED_TYPE"] = "dnde"
    return table


@pytest.fixture()
def model():
    """Power law, 4e-12 at 1 TeV with an error of 10 percent; E^2 dN/dE is flat."""
    spectrum = PowerLawSpectralModel(index=2, amplitude=f"1e-11 {DNDE}")
    spectrum.amplitude.error = 1e-12
    return SkyModel(spectrum, name="source")


def read(table):
    flux_points = FluxPoints.from_table(table, format="gadf-sed", sed_type="dnde")
    flux_points.meta["n_sigma_ul"] = 2
    return flux_points


def containers(ax):
    """Points of each legend entry that has error bars."""
    return {entry.get_label(): entry for entry in ax.containers}


def bar_ends(container, axis):
    (*_, bars) = container.lines
    return [np.array(bar.get_segments())[:, :, axis] for bar in bars]


def test_points_and_limits(table, model):
    with mpl_plot_check():
        ax, ax_residuals = plot_flux_points(read(table), model)
    drawn = containers(ax)
    assert list(drawn) == ["Flux points", r"Upper limits ($2\sigma$)"]
    points, limits = drawn.values()
    assert_allclose(
        points[0].get_xydata(), [[2, 3e-12 * 4 * ERG], [10, 8e-14 * 100 * ERG]]
    )
    widths, errors = bar_ends(points, 0)[0], bar_ends(points, 1)[1]
    assert_allclose(widths, [[1, 4], [4, 25]])
    assert_allclose(errors[0], np.array([2.8e-12, 3.2e-12]) * 4 * ERG)
    # The limit is a line at its value with an arrow of a fixed length below.
    limit = 5e-15 * 2500 * ERG
    assert_allclose(bar_ends(limits, 1)[0], [[limit, limit]])
    assert_allclose(bar_ends(limits, 0)[0], [[25, 100]])
    assert_allclose(bar_ends(limits, 1)[1], [[0.6 * limit, limit]])
    assert ax.get_ylabel().startswith("e2dnde [") and "erg" in ax.get_ylabel()
    assert ax_residuals.get_xlabel() == "Energy [TeV]"


def test_residuals(table, model):
    _, ax = plot_flux_points(read(table), model)
    good, low = (entry[0] for entry in ax.containers)
    # The model is 1e-11 / E^2: 2.5e-12, 1e-13 and 4e-15.
    assert_allclose(good.get_xydata(), [[2, 0.5e-12 / 2e-13], [10, -2]])
    assert_allclose(low.get_xydata(), [[50, -3e-15 / 2e-15]])
    assert low.get_markerfacecolor() == "white"
    assert_allclose(bar_ends(ax.containers[0], 1)[1], [[1.5, 3.5], [-3, -1]])
    assert ax.get_ylabel() == "(flux - model) / error"
    low, high = ax.get_ylim()
    assert -low == high > 3.5


def test_error_that_reaches_towards_the_model(table, model):
    for sign, size in (("n", 0.5), ("p", 4)):
        table[f"dnde_err{sign}"] = size * table["dnde_err"].quantity
    _, ax = plot_flux_points(read(table), model)
    residuals = ax.containers[0][0].get_ydata()
    # The first point is above the model, the second one below.
    assert_allclose(residuals, [2.5 / 0.5, -2 / 4])


def test_model_with_band(table, model):
    ax, _ = plot_flux_points(read(table), model)
    (curve,) = [line for line in ax.lines if line.get_label() == "source"]
    assert_allclose(curve.get_ydata(), 1e-11 * ERG)
    assert_allclose(curve.get_xdata()[[0, -1]], [1, 100])
    (band,) = [entry for entry in ax.collections if "sigma" in str(entry.get_label())]
    edges = band.get_paths()[0].vertices[:, 1]
    # 10 percent of the amplitude, from samples.
    assert_allclose(
        [edges.min(), edges.max()], np.array([0.9, 1.1]) * 1e-11 * ERG, rtol=0.01
    )
    model.spectral_model.amplitude.error = 0
    ax, _ = plot_flux_points(read(table), model)
    assert not [line for line in ax.collections if "source" in str(line.get_label())]


def test_points_without_limits_are_open(table):
    table.remove_column("dnde_ul")
    ax, ax_residuals = plot_flux_points(read(table))
    assert ax_residuals is None
    points, low = (entry[0] for entry in ax.containers)
    assert ax.containers[1].get_label() == "Not significant, without limit"
    assert_allclose(low.get_xdata(), [50])
    assert_allclose(points.get_xdata(), [2, 10])
    assert low.get_markerfacecolor() == "white"


def test_without_test_statistic_errors_decide(table):
    table.remove_column("sqrt_ts")
    table["dnde_err"][1] = 0.5e-13  # 1.6 errors above 0
    ax, _ = plot_flux_points(read(table))
    points, limits = containers(ax).values()
    assert points[0].get_xdata().tolist() == [2]
    assert_allclose(np.ravel(bar_ends(limits, 0)[0]), [4, 25, 25, 100])


def test_threshold_of_the_flux_points(table):
    flux_points = read(table)
    flux_points.sqrt_ts_threshold_ul = 10
    ax, _ = plot_flux_points(flux_points)
    assert containers(ax)["Flux points"][0].get_xdata().tolist() == [2]


def test_missing_values(table):
    for name in ("dnde", "dnde_err", "sqrt_ts"):
        table[name][0] = np.nan
    table["dnde_ul"][2] = np.nan
    ax, _ = plot_flux_points(read(table))
    drawn = {
        label: entry[0].get_xdata().tolist()
        for label, entry in containers(ax).items()
        if entry[0]
    }
    assert_allclose(drawn["Flux points"], [10])
    assert_allclose(drawn["Not significant, without limit"], [50])
    for name in ("dnde", "dnde_ul"):
        table[name] = np.nan
    ax, _ = plot_flux_points(read(table))
    assert not ax.containers and ax.get_legend() is None


def test_ticks(table, model):
    """Decades have ticks on both axes, and all labels are on one line."""
    axes = plot_flux_points(read(table), model)
    axes[0].figure.canvas.draw()
    low, high = axes[0].get_ylim()
    ticks = axes[0].get_yticks()
    inside = ticks[(ticks >= low) & (ticks <= high)]
    assert_allclose(np.log10(inside), np.round(np.log10(inside)))
    assert len(inside) >= 1
    axis = axes[1].xaxis
    shown = {
        tick.label1.get_text(): tick.label1.get_window_extent().y1
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        if tick.label1.get_text()
    }
    assert {"1", "10", "100"} <= set(shown)
    assert np.ptp(list(shown.values())) < 1.5  # pixels
    assert axes[0].get_xlim() == axes[1].get_xlim()
    low, high = axes[0].get_xlim()
    assert 0.8 < low < 1 and 100 < high < 125


def test_narrow_range_has_a_decade(table):
    table["dnde"] = 3e-12 * (table["e_ref"].value / 2) ** -2 * u.Unit(DNDE)
    table["dnde_err"] = 0.02 * table["dnde"].quantity
    table["sqrt_ts"] = 50.0
    ax, _ = plot_flux_points(read(table))
    low, high = ax.get_ylim()
    assert np.floor(np.log10(high)) >= np.log10(low)
    # Not more than the nearer decade: 12 * ERG * 1e-12 is 1.9e-11.
    assert low >= 0.9e-11 and high < 4e-11


def test_units(table, model):
    ax, ax_residuals = plot_flux_points(
        read(table), model, sed_type="dnde", energy_unit="GeV"
    )
    assert ax_residuals.get_xlabel() == "Energy [GeV]"
    assert_allclose(ax.containers[0][0].get_xydata()[0], [2000, 3e-12])
    assert ax.get_ylabel().startswith("dnde [") and "TeV" in ax.get_ylabel()


def test_dataset(table, model):
    """Its model is drawn; the flux points stay as they are."""
    dataset = FluxPointsDataset(data=read(table), models=[model])
    before = dataset.data.to_table(sed_type="dnde").as_array().tolist()
    ax, ax_residuals = plot_flux_points(dataset)
    assert ax_residuals is not None
    assert "source" in ax.get_legend_handles_labels()[1]
    assert dataset.data.to_table(sed_type="dnde").as_array().tolist() == before
    two = FluxPointsDataset(data=read(table), models=[model, model.copy(name="other")])
    _, ax_residuals = plot_flux_points(two)
    # Twice the model, 5e-12 and 2e-13.
    assert_allclose(ax_residuals.containers[0][0].get_ydata(), [-10, -12])


def test_given_axes(table, model):
    axes = plt.figure().subplots(2)
    assert plot_flux_points(read(table), model, axes=axes) == tuple(axes)
    with pytest.raises(ValueError, match="two axes, of fluxes and residuals, got 1"):
        plot_flux_points(read(table), model, axes=axes[0])
    with pytest.raises(ValueError, match="expected one axes, got 2"):
        plot_flux_points(read(table), axes=axes)


@pytest.mark.parametrize(
    "options, error, match",
    [
        ({"model": 3}, TypeError, "model: expected a SkyModel"),
        ({"sed_type": "flux"}, ValueError, "sed_type: got 'flux'; choose"),
        ({"energy_unit": "m"}, ValueError, "energy_unit: expected a unit of energy"),
    ],
)
def test_bad_input(table, options, error, match):
    with pytest.raises(error, match=match):
        plot_flux_points(read(table), **options)
    assert plt.get_fignums() == []


def test_no_flux_points(table):
    with pytest.raises(TypeError, match="flux_points: expected flux points"):
        plot_flux_points(table)


def test_methods_of_the_dataset_do_not_warn(table, model):
    dataset = FluxPointsDataset(data=read(table), models=[model])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*converter")
        dataset.plot_fit()
        dataset.plot_spectrum(ax=plt.figure().subplots())


@requires_data()
def test_light_curve():
    path = "$GAMMAPY_DATA/estimators/pks2155_hess_lc/pks2155_hess_lc.fits"
    with pytest.raises(ValueError, match=r"only an energy axis, got .*time"):
        plot_flux_points(FluxPoints.read(path, format="lightcurve"))


@requires_data()
def test_catalogue():
    """Limits of a source of 3FHL; Matplotlib has nothing to complain of."""
    source = CATALOG_REGISTRY.get_cls("3fhl")()[5]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*converter")
        ax, ax_residuals = plot_flux_points(source.flux_points, source.sky_model())
    limits = containers(ax)[r"Upper limits ($2\sigma$)"]
    (low, last), _ = (bar_ends(limits, axis)[0] for axis in (0, 1))
    assert_allclose([low, last], [[150, 500], [500, 2000]])
    assert ax_residuals.get_xlabel() == "Energy [GeV]"


@requires_data()
def test_masked_table():
    """Masked entries of a file are no numbers."""
    path = "$GAMMAPY_DATA/tests/spectrum/flux_points/diff_flux_points.fits"
    flux_points = FluxPoints.read(path)
    ax, _ = plot_flux_points(flux_points, sed_type="dnde")
    drawn = containers(ax)
    n_points = len(drawn["Flux points"][0].get_xdata())
    n_limits = len(bar_ends(drawn[r"Upper limits ($2\sigma$)"], 1)[0])
    n_open = len(drawn["Not significant, without limit"][0].get_xdata())
    assert (n_points, n_limits, n_open) == (18, 5, 1)
    assert ax.get_xlabel() == "Energy [MeV]"
