# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.table import QTable, Table
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.utils.testing import mpl_plot_check, requires_data
from gammapy.visualization import plot_nuisance


@pytest.fixture()
def table():
    table = Table(
        {
            "src.spectral.amplitude": [1.0, 2.0, 3.0] * u.Unit("cm-2 s-1 TeV-1"),
            "success": [True, False, True],
            "norm": [0.9, 1.0, 1.2],
            "norm_err": [0.1, np.nan, 0.2],
            "norm_null": [1.0, 1.0, 1.0],
            "norm_null_err": [0.1, 0.1, 0.1],
            "src.spatial.lon_0": [1.0, 2.0, 3.0] * u.deg,
            "src.spatial.lon_0_err": [1.0, 1.0, 1.0] * u.deg,
        },
    )
    table.meta["scan"] = ["src.spectral.amplitude"]
    return table


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_profile(table):
    with mpl_plot_check():
        axes = plot_nuisance(table, parameters=["norm", "src.spatial.lon_0"])
    labels = [container.get_label() for container in axes[0].containers]
    assert labels == ["Fit", "Failed fit"]
    good, failed = (container[0] for container in axes[0].containers)
    assert good.get_xydata().tolist() == [[1, 0.9], [3, 1.2]]
    assert failed.get_xydata().tolist() == [[2, 1.0]]
    (bars,) = axes[0].containers[0][2]
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert_allclose(ends, [[0.8, 1.0], [1.0, 1.4]])
    assert axes[1].get_ylabel() == "lon_0 [deg]\nsrc"
    assert "amplitude" in axes[1].get_xlabel() and "TeV" in axes[1].get_xlabel()


def test_best_fit_is_a_band(table):
    (ax,) = plot_nuisance(table, "norm", best_fit={"norm": (1.1, 0.2)})
    assert ax.lines[-1].get_ydata() == [1.1, 1.1]
    (band,) = ax.patches
    assert_allclose([band.get_y(), band.get_y() + band.get_height()], [0.9, 1.3])
    table.meta["best_fit"] = {"norm": (1.1, 0.2)}
    assert len(plot_nuisance(table, "norm")[0].patches) == 1


def test_identifying_columns(table):
    for name, factor in [("e_min", 1), ("e_ref", 2), ("e_max", 4)]:
        table[name] = factor * np.array([1, 4, 16]) * u.TeV
    (ax,) = plot_nuisance(table, "norm")
    assert ax.get_xlabel() == "Energy [TeV]" and ax.get_xscale() == "log"
    table.remove_columns(["e_min", "e_ref", "e_max"])
    table["obs_id"] = ["11", "12", "13"]
    (ax,) = plot_nuisance(table, "norm")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["11", "12", "13"]
    assert [container[0].get_xdata().tolist() for container in ax.containers] == [
        [0, 2],
        [1],
    ]


def test_run_in_several_datasets(table):
    table["obs_id"] = ["11", "11", ""]
    table["dataset"] = ["zenith-angle-20-40", "far", "sum"]
    axes = plot_nuisance(table, ["norm", "norm_null"])
    axes[0].figure.canvas.draw()
    labels = [tick.get_text() for tick in axes[1].get_xticklabels()]
    assert labels == ["zenith-angle-20-40: 11", "far: 11", "sum"]
    drawn = [container[0].get_xydata().tolist() for container in axes[0].containers]
    assert drawn == [[[0, 0.9], [2, 1.2]], [[1, 1.0]]]
    figure = axes[0].figure
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert (
        min(box.y0 for box in boxes) >= 0
        and max(box.y1 for box in boxes) <= figure.bbox.y1
    )


def test_power_of_ten_is_in_the_unit(table):
    """Matplotlib writes it where it covers the end of a long label."""
    name, lon = "src.spectral.amplitude", "src.spatial.lon_0"
    table[name] *= 1e-13
    for suffix in ("", "_err"):
        table[lon + suffix] *= 1e7
    axes = plot_nuisance(table, ["norm", lon])
    axes[0].figure.canvas.draw()
    assert axes[1].get_xlabel() == f"{name} [1e-13 / (TeV s cm2)]"
    assert axes[1].get_ylabel() == "lon_0 [1e+07 deg]\nsrc"
    axis = axes[1].xaxis
    texts = [tick.get_text() for tick in axis.get_ticklabels()]
    assert len(texts) >= 3
    assert_allclose([float(text) for text in texts], axis.get_ticklocs() / 1e-13)
    for ax in axes:
        for axis in (ax.xaxis, ax.yaxis):
            assert axis.get_offset_text().get_text() == ""
    assert axes[0].get_ylabel() == "norm"


def test_given_axes(table):
    axes = plt.figure().subplots(2)
    assert plot_nuisance(table, ["norm", "norm_null"], axes=axes) == list(axes)
    with pytest.raises(ValueError, match="2 axes for 1 parameters"):
        plot_nuisance(table, "norm", axes=axes)


def test_bad_input(table):
    with pytest.raises(ValueError, match=r"no parameters \['tilt'\].*'norm'"):
        plot_nuisance(table, ["tilt"])
    with pytest.raises(ValueError, match="no parameter to draw"):
        plot_nuisance(table["success", "norm"])
    assert plt.get_fignums() == []


def test_quantity_tables(table):
    axes = plot_nuisance(QTable(table))
    assert len(axes) == 2


@pytest.fixture()
def surface():
    """Table as `Fit.stat_surface` makes it; the scan is not regular in x."""
    x, y = (
        np.ravel(grid) for grid in np.meshgrid([1.0, 2, 4], [0.5, 0.7], indexing="ij")
    )
    table = Table(
        {
            "src.spectral.amplitude": x * u.Unit("cm-2 s-1 TeV-1"),
            "bkg.norm": y,
            "success": [True, True, False, True, True, True],
            "tilt": 10 * x + y,
            "tilt_err": 0.1 * x,
            "src.spatial.lon_0": y * u.deg,
            "src.spatial.lon_0_err": y * u.deg,
        }
    )
    table.meta["scan"] = ["src.spectral.amplitude", "bkg.norm"]
    table.meta["best_fit"] = {
        "src.spectral.amplitude": (1.5, 0.2),
        "bkg.norm": (0.6, 0.1),
    }
    return table


def test_surface(surface):
    axes = plot_nuisance(surface)
    axes[0].figure.canvas.draw()
    (image,) = axes[0].collections
    assert_allclose(image.get_array(), [[10.5, 20.5, 40.5], [10.7, 20.7, 40.7]])
    corners = image.get_coordinates()
    assert_allclose(corners[0, :, 0], [0.5, 1.5, 3, 5])
    assert_allclose(corners[:, 0, 1], [0.4, 0.6, 0.8])
    failed, star = axes[0].lines
    assert failed.get_xydata().tolist() == [[2, 0.5]] and failed.get_marker() == "X"
    assert star.get_xydata().tolist() == [[1.5, 0.6]]
    texts = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert texts == ["Failed fit", "Best fit"]
    assert axes[0].get_ylabel() == "bkg.norm"
    assert axes[1].get_xlabel() == "src.spectral.amplitude [1 / (TeV s cm2)]"
    labels = [axis.get_ylabel() for axis in axes[0].figure.axes[2:]]
    assert labels[0] == "tilt" and labels[1] == "lon_0 [deg]\nsrc"


def test_surface_in_any_order_and_with_gaps(surface):
    shuffled = surface[[5, 2, 0, 3, 1]]
    (ax,) = plot_nuisance(shuffled, "tilt", best_fit={})
    values = ax.collections[0].get_array()
    expected = [[10.5, 20.5, np.nan], [10.7, 20.7, 40.7]]
    np.testing.assert_allclose(values.filled(np.nan), expected)
    assert len(ax.lines) == 1


def test_surface_of_one_value(surface):
    row = surface[:1]
    (ax,) = plot_nuisance(row, "tilt")
    assert ax.collections[0].get_array().tolist() == [[10.5]]
    # The best fit is outside the scan, and nothing failed.
    row.meta["best_fit"]["bkg.norm"] = (9.0, 0.1)
    assert not plot_nuisance(row, "tilt")[0].lines


def test_light_curve(table):
    table = QTable(table)
    rows = table[[0, 1, 2, 0]]
    rows["time_min"] = [58849.0, 58849.0, 58850.0, 58850.0] * u.d
    rows["time_max"] = rows["time_min"] + 0.5 * u.d
    for name, factor in [("e_min", 1), ("e_ref", 2), ("e_max", 3)]:
        rows[name] = factor * np.array([1, 3, 1, 3]) * u.TeV
    rows["success"] = True
    rows = Table(rows)
    (ax,) = plot_nuisance(rows, "norm")
    assert ax.get_xlabel() == "Time [MJD]" and ax.get_xscale() == "linear"
    assert [container.get_label() for container in ax.containers] == [
        "1-3 TeV",
        "3-9 TeV",
    ]
    low, high = (container[0].get_xydata() for container in ax.containers)
    assert low.tolist() == [[58849.25, 0.9], [58850.25, 1.2]]
    assert high.tolist() == [[58849.25, 1.0], [58850.25, 0.9]]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("bin-0-bkg.spectral.norm", ["background norm", "bin-0-bkg"]),
        ("bin-0-bkg.spectral.tilt", ["background tilt", "bin-0-bkg"]),
        ("src.spectral.amplitude", ["amplitude", "src"]),
        # No line ends inside a number.
        ("3FHL J0534.5+2201.spatial.lon_0", ["lon_0", "3FHL J0534.5+2201"]),
        (
            "zenith-angle-20-40-offset-0.5-1.5-bkg.spectral.norm",
            ["background norm", "zenith-angle-20-40-", "offset-0.5-1.5-bkg"],
        ),
        ("HESS J1702-420B extended.spatial.e", ["e", "HESS J1702-420B", "extended"]),
        ("sum.spectral.model1.amplitude", ["model1.amplitude", "sum"]),
        ("background.pha_obs23523", ["background", "pha_obs23523"]),
        ("norm", ["norm"]),
    ],
)
def test_labels(name, expected):
    table = Table({name: [1.0], f"{name}_err": [0.1], "success": [True]})
    (ax,) = plot_nuisance(table, name)
    assert ax.get_ylabel().splitlines() == expected


def profile(n_values=5):
    """Parabola of the statistic with its least value at 5 and an error of 0.5."""
    x = np.linspace(4, 6, n_values)
    table = Table({"src.spectral.amplitude": x * u.Unit("cm-2 s-1 TeV-1")})
    table["stat"] = 1000 + ((x - 5) / 0.5) ** 2
    table["success"] = True
    table["run-bkg.spectral.norm"] = 1.1 - 0.01 * x
    table["run-bkg.spectral.norm_err"] = 0.02
    table.meta["scan"] = ["src.spectral.amplitude"]
    table.meta["best_fit"] = {
        "src.spectral.amplitude": (5.1, 0.5),
        "run-bkg.spectral.norm": (1.05, 0.03),
    }
    return table


def test_statistic_above_a_profile():
    table = profile()
    with mpl_plot_check():
        (ax,) = plot_nuisance(table)
    figure = ax.figure
    top, below = figure.axes
    assert below is ax
    curve, best, *levels = top.lines
    assert_allclose(
        curve.get_xydata(), np.transpose([[4, 4.5, 5, 5.5, 6], [4, 1, 0, 1, 4]])
    )
    assert list(best.get_xdata()) == [5.1, 5.1]
    assert [line.get_ydata()[0] for line in levels] == [1, 4]
    assert [text.get_text() for text in top.texts] == [r"1$\sigma$", r"2$\sigma$"]
    assert top.get_ylabel() == r"$\Delta$ stat"
    assert top.get_xlim() == ax.get_xlim()
    assert figure.axes[0].get_window_extent().y0 > ax.get_window_extent().y1
    assert top.get_legend() is not None and ax.get_legend() is None


def test_failed_fits_of_a_profile():
    """They neither are the least value nor on the curve."""
    table = profile()
    table["stat"][3], table["success"][3] = 10.0, False
    table["stat"][4] = np.nan
    (ax,) = plot_nuisance(table)
    curve, failed = ax.figure.axes[0].lines[:2]
    assert_allclose(curve.get_ydata(), [4, 1, 0])
    assert_allclose(failed.get_xydata(), [[5.5, -990]])
    table["success"] = False
    assert len(plot_nuisance(table)[0].figure.axes) == 1


def test_given_axes_of_a_profile():
    """With one more there is the statistic."""
    axes = plt.figure().subplots(2)
    assert plot_nuisance(profile(), axes=axes) == [axes[1]]
    assert len(axes[0].lines) == 4 and axes[0].figure.get_supxlabel() == ""
    ax = plt.figure().subplots()
    assert plot_nuisance(profile(), axes=ax) == [ax]


def test_explanation_of_bars_and_band():
    (ax,) = plot_nuisance(profile())
    assert ax.figure.get_supxlabel() == (
        r"Bars: 1$\sigma$ of the fit at each value of the scanned parameter, which is "
        r"fixed; band: 1$\sigma$ of the best fit"
    )
    table = profile()
    table.meta.pop("best_fit")
    table["obs_id"] = ["1", "2", "3", "4", "5"]
    (ax,) = plot_nuisance(table["obs_id", *table.colnames[2:5]])
    expected = r"Bars: 1$\sigma$ of the fit of each observation"
    assert ax.figure.get_supxlabel() == expected


def test_line_without_a_best_fit(table):
    """At a norm of 1 and a tilt of 0; other parameters have none."""
    for name in ("run-bkg.spectral.tilt", "index"):
        table[name], table[f"{name}_err"] = table["norm"], table["norm_err"]
    axes = plot_nuisance(table, ["norm", "run-bkg.spectral.tilt", "index"])
    lines = [[line for line in ax.lines if line.get_linestyle() == "--"] for ax in axes]
    assert [len(found) for found in lines] == [1, 1, 0]
    assert list(lines[0][0].get_ydata()) == [1, 1]
    assert list(lines[1][0].get_ydata()) == [0, 0]
    assert lines[0][0].get_label() == "Norm of 1"


def test_best_fit_without_an_error(table):
    (ax,) = plot_nuisance(table, "norm", best_fit={"norm": (1.1, np.nan)})
    assert ax.lines[-1].get_ydata() == [1.1, 1.1] and not ax.patches


def test_runs_of_groups(table):
    """Runs that are stacked have the colour of their dataset."""
    runs = table[[0, 2, 0, 2]]
    runs["success"] = True
    runs["dataset"] = ["zenith-0-20", "zenith-0-20", "zenith-20-40", "zenith-20-40"]
    runs["obs_id"] = ["11", "12", "13", "14"]
    (ax,) = plot_nuisance(runs, "norm")
    drawn = {
        entry.get_label(): (entry[0].get_color(), entry[0].get_xdata().tolist())
        for entry in ax.containers
    }
    assert drawn == {"zenith-0-20": ("C0", [0, 1]), "zenith-20-40": ("C1", [2, 3])}
    assert ax.get_ylabel() == "background norm"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[-2:] == ["zenith-0-20", "zenith-20-40"]
    # Each run by itself, or one stacked dataset: nothing to tell apart.
    for names in (["a", "b", "c", "d"], ["a"] * 4):
        runs["dataset"] = names
        (ax,) = plot_nuisance(runs, "norm")
        assert [entry.get_label() for entry in ax.containers] == ["Fit"]


def test_no_empty_margin(table):
    """What is drawn reaches the edges of the figure, to a tenth of an inch."""
    runs = table[[0, 2, 0, 2]]
    runs["obs_id"] = ["11", "12", "13", "14"]
    for one in (profile(), runs):
        figure = plot_nuisance(one)[0].figure
        figure.canvas.draw()
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        margins = [box.x0, box.y0, width - box.x1, height - box.y1]
        assert min(margins) > -0.01 and max(margins) < 0.1


def test_energies_in_the_unit_of_a_reader(table):
    for name, factor in [("e_min", 1), ("e_ref", 2), ("e_max", 4)]:
        table[name] = factor * np.array([1e9, 4e9, 16e9]) * u.keV
    (ax,) = plot_nuisance(table, "norm")
    assert ax.get_xlabel() == "Energy [TeV]"
    assert_allclose(ax.get_xlim(), (1, 64))


@requires_data()
def test_real_data_from_files(tmp_path):
    """Band and curve are the same as before the table was written."""
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    datasets = Datasets.read(
        f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    )
    for par in datasets.parameters:
        par.frozen = par.name not in ("amplitude", "norm")
    fit = Fit(backend="newton", debug=True)
    fit.run(datasets)
    norm = datasets.parameters["norm"]
    value, error = norm.value, norm.error
    amplitude = datasets.parameters["amplitude"]
    amplitude.scan_n_values = 5
    profile = fit.stat_profile(datasets, amplitude, reoptimize=True)["nuisance"]
    profile.write(tmp_path / "profile.ecsv")
    estimator = FluxPointsEstimator(
        energy_edges=datasets[0].counts.geom.axes["energy"].edges[[0, 2, 5]],
        source="Crab Nebula",
        fit=fit,
        reoptimize=True,
        debug=True,
    )
    estimator.run(datasets).write(tmp_path / "points.fits")
    points = FluxPoints.read(tmp_path / "points.fits").nuisance
    name = "Fermi-LAT-bkg.spectral.norm"
    for table in (Table.read(tmp_path / "profile.ecsv"), points):
        (ax,) = plot_nuisance(table, name)
        (band,) = ax.patches
        ends = [band.get_y(), band.get_y() + band.get_height()]
        assert_allclose(ends, [value - error, value + error], rtol=1e-4)
        assert ax.get_ylabel() == "background norm\nFermi-LAT-bkg"
    assert ax.get_xlabel() == "Energy [TeV]"
