# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Benchmarks: what is measured agrees, what is written is what was measured."""

import json
import sys
from dataclasses import replace
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "bench"))
from environment import fork_environment  # noqa: E402
from growth import plot_growth  # noqa: E402
from norms import (  # noqa: E402
    EDGES,
    LINES,
    TRIAL,
    WORKER,
    agrees,
    difference,
    keep,
    measure,
    parse,
    pick_bin,
    report,
    select_lines,
    summarise,
)
from norms_worker import Worker  # noqa: E402
from page import replace_part, write_page  # noqa: E402
from speed import write_datasets  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.rst"

MACHINE = {
    "cpu": "a processor",
    "n_cores": 2,
    "memory": 24,
    "system": "Linux",
    "python": "3.11.7",
    "numpy": "2.4.6",
}
WHERE = "2 cores of a processor, 24 GiB of memory, Linux, Python 3.11.7, numpy 2.4.6"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bench") / "small"
    write_datasets(replace(TRIAL, run_bins=TRIAL.run_bins[:2]), directory)
    return directory


@pytest.fixture(scope="module")
def worker(directory):
    worker = Worker()
    about = worker.load(directory)
    assert about["n_datasets"] == 2
    assert about["shape"] == [8, 45, 45]
    return worker


def norms_json():
    """Numbers as `norms.py` keeps them."""
    line = {
        "seconds": {"upstream": 30.0, "fork": 0.5, "debug": 0.505, "floor": 0.4},
        "n_times": {"upstream": 3, "fork": 21, "debug": 21, "floor": 21},
        "scale": 1,
        "gain": 60.0,
        "floor": {"ratio": 1.25, "spread": 0.01},
        "debug": {"ratio": 1.012, "spread": 0.004},
        "agreement": {"max_values": 0.004, "max_stats": 2e-5},
        "date": "2026-11-26",
    }
    points = line | {"scale": 5.0, "gain": 123.4}
    fit = line | {"cubes": {"upstream": 4.2, "fork": 1.3}}
    return {"lines": {"fit": fit, "points": points}, "machine": MACHINE}


# --- measure ---


def test_fit_starts_and_ends_at_the_same(worker):
    first, second = (worker.time("fit")["result"] for _ in range(2))
    assert_allclose(first["values"], second["values"], rtol=1e-9)
    assert len(first["values"]) == len(first["errors"]) == 6
    assert np.all(np.array(first["errors"]) > 0)
    # It went somewhere from there.
    start = [value for value, _ in worker.start]
    assert np.all(np.array(start) != first["values"][:3])


def test_profile_holds_the_others(worker):
    best = worker.time("fit")["result"]
    value, error = best["values"][0], best["errors"][0]
    scan = [value - error, value, value + error]
    result = worker.time("profile", scan=scan)["result"]
    assert_allclose(result["stats"][1], best["stats"][0], rtol=1e-9)
    above = np.array(result["stats"])[[0, 2]] - best["stats"][0]
    assert_allclose(above, 1, atol=0.15)
    assert_allclose(np.reshape(result["values"], (3, 2))[1], best["values"][1:3])


def test_flux_points_with_debug_are_the_same(worker):
    answers = [
        worker.time("points", edges=EDGES, debug=debug) for debug in (False, True)
    ]
    with_and_without = [answer["result"] for answer in answers]
    assert with_and_without[0] == with_and_without[1]
    assert np.shape(with_and_without[0]["values"]) == (25,)
    norms = pick_bin(with_and_without[0], 2, 5)["values"]
    assert norms[0] == with_and_without[0]["values"][2]
    assert norms[4] > norms[0] + norms[1]  # upper limit at 2 sigma


def test_free_norms_are_counted(directory):
    other = Worker()
    other.load(directory, n_datasets=6)
    assert len(other.free) == 7
    assert len(other.datasets) == 6
    other.load(directory, n_free=3)
    names = [par.name for par in other.datasets.parameters.free_parameters]
    assert names == ["amplitude"] * 3


def test_the_fork_agrees_with_itself(directory):
    with fork_environment(WORKER) as one, fork_environment(WORKER) as other:
        results = measure(one, other, directory, LINES[:3], (1, 1))
    assert results["versions"]["fork"] == results["versions"]["plain"]
    assert results["shape"] == [8, 45, 45]
    assert list(results["lines"]) == ["fit", "profile", "points"]
    for line in results["lines"].values():
        assert agrees(line["agreement"])
        assert line["agreement"]["max_values"] < 1e-6
        assert line["n_times"] == dict.fromkeys(line["n_times"], 1)
        assert line["gain"] > 0
    assert [line["scale"] for line in results["lines"].values()] == [1, 1, 5]
    cubes = results["lines"]["fit"]["cubes"]
    assert_allclose(cubes["fork"], cubes["upstream"], rtol=0.5)


# --- compare ---


def test_differences():
    result = {"values": [1.0, 2.0], "errors": [0.1, 0.5], "stats": [10.0]}
    moved = {"values": [1.0005, 2.001], "errors": [0.1, 0.5], "stats": [10.001]}
    agreement = difference(result, moved)
    assert_allclose(agreement["max_values"], 0.005)
    assert_allclose(agreement["max_stats"], 0.001)
    assert agrees(agreement)
    moved["values"][0] = 1.002
    assert not agrees(difference(result, moved))
    moved["values"][0] = np.nan
    assert not agrees(difference(result, moved))
    assert not agrees(difference(result, result | {"stats": [10.02]}))


def test_ratios_are_of_neighbours():
    seconds = {
        "upstream": [30.0],
        "fork": [1.0, 2.0, 1.0, 4.0],
        "debug": [1.1, 2.2, 1.1, 4.4],
        "floor": [0.5, 1.0, 0.5, 2.0],
    }
    ratios = summarise(seconds, scale=5)
    assert_allclose(ratios["gain"], 5 * 30 / 1.5)
    assert_allclose(ratios["floor"]["ratio"], 2)
    assert_allclose(ratios["debug"]["ratio"], 1.1)
    assert_allclose(ratios["debug"]["spread"], 0, atol=1e-12)


def test_report_says_what_is_missed(capsys):
    measured = norms_json()["lines"]
    fit, _, points, _ = LINES
    assert report(measured["fit"], fit)
    assert "MISSED" not in capsys.readouterr().out

    slow = measured["points"] | {"gain": 99.0, "floor": {"ratio": 2, "spread": 0}}
    assert report(slow, points)
    out = capsys.readouterr().out
    assert out.count("MISSED") == 2
    assert "one bin times 5" in out

    wrong = measured["fit"] | {"agreement": {"max_values": 1.0, "max_stats": 0.0}}
    assert not report(wrong, fit)
    assert "DISAGREE" in capsys.readouterr().out


def test_runs_are_left_out_without_data(monkeypatch, capsys):
    monkeypatch.setenv("GAMMAPY_DATA", "nowhere")
    lines = select_lines(["fit", "background"])
    assert [line.what for line in lines] == ["fit"]
    assert "hess-dl3-dr1" in capsys.readouterr().out


def test_lines_are_kept_until_measured_again(monkeypatch, tmp_path):
    monkeypatch.setattr("norms.FILE", tmp_path / "bench" / "norms.json")
    keep({"lines": {"fit": {"gain": 1}, "points": {"gain": 2}}, "growth": 3})
    for new in ({"lines": {"fit": {"gain": 4}}}, {"growth": 5}):
        lines = keep(new)["lines"]
        assert {what: line["gain"] for what, line in lines.items()} == {
            "fit": 4,
            "points": 2,
        }


@pytest.mark.parametrize("args", [["--rounds", "2"], ["--trial", "--docs"]])
def test_bad_options(args):
    with pytest.raises(SystemExit):
        parse(args)


# --- page and picture ---


def test_page_is_written_from_the_numbers(tmp_path):
    page = tmp_path / "benchmarks.rst"
    page.write_text(PAGE.read_text())
    (tmp_path / "norms.json").write_text(json.dumps(norms_json()))
    write_page(page, tmp_path)
    once = page.read_text()
    fit = ["30", "0.5", "60", "1.25", "+1.2 %", "4.2", "1.3"]
    assert "".join(f"     - {cell}\n" for cell in fit) in once
    assert "     - 30 [*]_\n     - 0.5\n     - 123\n" in once
    assert f"Measured on 2026-11-26: {WHERE}." in once
    assert ".. [*] Gammapy 2.1 made one" in once

    def outside(text):
        parts = text.split(".. begin norms")
        return parts[0], parts[1].split(".. end norms")[1]

    assert outside(once) == outside(PAGE.read_text())
    write_page(page, tmp_path)
    assert page.read_text() == once


def test_page_needs_its_comments():
    with pytest.raises(ValueError, match="begin norms"):
        replace_part("Benchmarks\n", "norms", "")


def test_picture_shows_the_times():
    rows = [
        {"n": n, "upstream": 20.0 * n, "fork": 0.1 * n, "floor": 0.05 * n}
        for n in (1, 4, 16)
    ]
    figure = plot_growth({"datasets": rows, "values": rows, "norms": rows[:2]})
    for ax, n_rows in zip(figure.axes, (3, 3, 2), strict=True):
        assert ax.get_xscale() == ax.get_yscale() == "log"
        upstream, fork, floor = ax.get_lines()
        assert_allclose(upstream.get_ydata(), [20, 80, 320][:n_rows])
        assert_allclose(fork.get_ydata(), [0.1, 0.4, 1.6][:n_rows])
        assert_allclose(floor.get_xdata(), [1, 4, 16][:n_rows])
        labels = [tick.get_text() for tick in ax.get_xticklabels()]
        assert labels == ["1", "4", "16"][:n_rows]
    names = [text.get_text() for text in figure.axes[1].texts]
    assert names == ["Gammapy 2.1", "fork", "templates alone"]
