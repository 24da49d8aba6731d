# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Benchmarks: the machine, the date, and the figure of the whole analysis."""

import json
import re
import sys
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "bench"))
import page  # noqa: E402
import story  # noqa: E402
from machine import describe, machine_text, today  # noqa: E402

MACHINE = describe()


def speed_json():
    """Numbers as `speed.py` keeps them."""
    seconds = {"upstream": 6.0, "residuals": 0.5, "residuals_cold": 12.0}
    agreement = {"max_counts": 0.0, "max_sqrt_ts": 1e-6}
    copies = {"1": {"seconds": 0.004}, "10": {"seconds": 0.012}}
    return {
        "seconds": seconds,
        "cubes": {"upstream": 10.0, "residuals": 0.8},
        "copies": copies,
        "agreement": {"stacked": agreement, "joint": agreement},
        "date": "2026-11-25",
        "machine": MACHINE,
    }


def maps_json():
    """Numbers as `speed.py` keeps them for the figure."""
    seconds = {"upstream": 6.0, "residuals": 0.5}
    return {"seconds": seconds, "date": "2026-11-25", "machine": MACHINE}


def shapes_json():
    """Numbers as `shapes.py` keeps them."""
    lines = {
        "fit": {"upstream": 188.0, "fork": 0.84},
        "profile": {"upstream": 1346.0, "fork": 7.5, "is_projected": True},
        "points": {"upstream": 276.0, "fork": 8.0},
    }
    lines = {what: line | {"date": "2026-11-26"} for what, line in lines.items()}
    return {"lines": lines, "machine": MACHINE}


def test_machine():
    assert MACHINE["n_cores"] >= 1 and MACHINE["memory"] > 0
    assert MACHINE["numpy"] == np.__version__ and MACHINE["cpu"]
    text = machine_text(MACHINE)
    assert f"cores of {MACHINE['cpu']}, {MACHINE['memory']} GiB of memory" in text
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", today())


def test_dates_of_lines(tmp_path):
    file = tmp_path / "some.json"
    known = {"lines": {"old": {"seconds": 1, "date": "2026-11-01"}}}
    file.write_text(json.dumps(known))
    kept = page.keep_lines(file, {"lines": {"new": {"seconds": 2}}})
    assert kept["lines"]["old"]["date"] == "2026-11-01"
    assert kept["lines"]["new"]["date"] == today()
    text = page.measured_text(kept)
    assert text == f"Measured on 2026-11-01 and {today()}: {machine_text(MACHINE)}."


def test_residuals_have_seconds():
    rows = page.render_residuals(speed_json()).split("\n   * - ")[1:]
    cells = [row.split("\n\n")[0].split("\n     -") for row in rows]
    cells = [[cell.strip() for cell in row] for row in cells]
    assert cells == [
        ["Datasets that a fit has used, s", "6", "0.5", "12.0"],
        ["Datasets just read, s", "6", "12", "0.5"],
        ["Peak memory above that of the datasets, cubes", "10.0", "0.8", "12.5"],
        ["1 small dataset, s", "", "0.004", ""],
        ["10 small datasets, s", "", "0.012", ""],
    ]
    assert "Measured on 2026-11-25" in rows[-1]


def test_story():
    shapes, maps = shapes_json(), maps_json()
    tasks = story.collect(shapes, maps)
    expected = [188 / 0.84, 1346 / 7.5, 276 / 8, 12]
    assert_allclose([task.ratio for task in tasks], expected)
    text = story.render_story(tasks, shapes, maps)
    assert "- 1346 (projected)\n     - 7.5\n     - 179\n" in text
    assert "Residual map\n     - 6\n     - 0.5\n     - 12\n" in text
    assert "Measured on 2026-11-26" in text and "Measured on 2026-11-25" in text


def test_figure():
    tasks = story.collect(shapes_json(), maps_json())
    ax = story.plot_story(tasks)
    assert ax.get_xscale() == "log"
    plain, fork = (
        [bar.get_width() for bar in container] for container in ax.containers
    )
    assert plain == [188, 1346, 276, 6] and fork == [0.84, 7.5, 8, 0.5]
    texts = [text.get_text() for text in ax.texts]
    assert "1346 s  (projected)" in texts and "0.84 s,  224 times faster" in texts
    assert ax.get_xlim()[0] < min(fork)
    # All numbers are inside of the figure.
    ax.figure.canvas.draw()
    width = ax.figure.bbox.width
    assert all(text.get_window_extent().x1 < width for text in ax.texts)
    plt.close(ax.figure)


def test_page_shows_what_was_measured():
    """Seconds, machine and date are on the page, and the figure is there."""
    text = page.PAGE.read_text()
    for name in ("story", "residuals", "norms", "crab", "diagnostics"):
        part = text.split(f".. begin {name}")[1].split(f".. end {name}")[0]
        assert re.search(r"[Mm]easured on \d{4}-\d\d-\d\d", part), name
    assert story.PICTURE.stat().st_size < 150_000


def test_nothing_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(story, "FOLDER", tmp_path)
    assert story.main() == 1
    assert "no shapes.json and no maps.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "seconds, text", [(188.2, "188"), (12, "12"), (0.8375, "0.84"), (0.0046, "0.0046")]
)
def test_seconds(seconds, text):
    assert page.seconds_text(seconds) == text
