# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of the Crab: what is measured agrees, what is written was measured."""

import json
import sys
from pathlib import Path
import pytest
import numpy as np
from gammapy.utils.testing import requires_data

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "bench"))
import crab  # noqa: E402
from crab_worker import Worker  # noqa: E402
from machine import describe, machine_text  # noqa: E402
from page import write_page  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.rst"


def measured():
    """Numbers as `crab.py` keeps them."""
    line = {
        "seconds": {"upstream": 12.0, "fork": 0.1},
        "gain": 120.0,
        "agreement": {"max_values": 0.003, "max_stats": 2e-5},
        "date": "2026-11-26",
    }
    versions = {"fork": "2.2", "plain": "2.1"}
    lines = {"points": line, "fit": line}
    return {"versions": versions, "lines": lines, "machine": describe()}


@requires_data()
def test_worker():
    worker = Worker()
    worker.load()
    result = worker.time("points")["result"]
    # Ten bins, five quantities of each, and two statistics.
    assert [len(result[name]) for name in ("values", "errors", "stats")] == [50, 50, 20]
    assert np.isfinite(result["values"]).all()
    assert crab.agrees(crab.difference(result, result))


def test_difference():
    ours = {"values": [1.0, 2.0], "errors": [0.1, 0.5], "stats": [3.0]}
    theirs = {"values": [1.01, 2.1], "errors": [9, 9], "stats": [3.0004]}
    found = crab.difference(ours, theirs)
    assert found == pytest.approx({"max_values": 0.2, "max_stats": 4e-4})
    assert not crab.agrees(found)
    assert not crab.agrees({"max_values": np.nan, "max_stats": 0})


def test_report(capsys):
    assert crab.report(measured()["lines"]["points"], crab.LINES[0])
    text = capsys.readouterr().out
    assert "2.1 / fork 120.0   >= 100: met" in text
    assert "agree" in text


def test_page(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(PAGE.read_text())
    (tmp_path / "crab.json").write_text(json.dumps(measured()))
    write_page(page, tmp_path)
    assert "- 12\n     - 0.1\n     - 120\n" in page.read_text()
    assert f"Measured on 2026-11-26: {machine_text(describe())}." in page.read_text()


def test_arguments():
    options = crab.parse(["--lines", "fit", "--rounds", "1"])
    assert (options.lines, options.rounds) == (["fit"], 1)
    with pytest.raises(SystemExit):
        crab.parse(["--turns", "0"])
