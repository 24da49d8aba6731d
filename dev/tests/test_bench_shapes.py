# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Benchmark of fits of shapes: results agree, the table is what was measured."""

import json
import sys
from dataclasses import replace
from pathlib import Path
import pytest
import numpy as np
from numpy.testing import assert_allclose

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "bench"))
sys.path.insert(0, str(ROOT / "examples"))
from page import replace_part  # noqa: E402
from shapes import (  # noqa: E402
    LINES,
    PAGE,
    REFERENCE,
    agreement,
    agrees,
    render,
    report,
    write_start,
)
from shapes_worker import Worker  # noqa: E402
from j1702_scene import SMALL  # noqa: E402


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bench") / "start"
    scene = replace(SMALL, run_bins=SMALL.run_bins[:1], pixel=0.15, bins_per_decade=3)
    write_start(scene, directory)
    worker = Worker()
    about = worker.load(directory)
    assert about["n_datasets"] == 1
    assert about["n_free"] == 8
    assert about["look_up"] > 0
    return worker


def test_fit(worker):
    answer = worker.time("fit")
    assert answer["seconds"] > 0
    found = answer["result"]
    assert found["success"]
    assert found["idx_lon"] == 2
    exact = worker.exact_errors()["errors"]
    again = worker.time("fit")["result"]
    assert agrees(agreement(again, found, exact))


def test_profile(worker):
    best = worker.time("fit")["result"]
    value, error = (best[name][best["idx_lon"]] for name in ("values", "errors"))
    scan = [value - error, value, value + error]
    stats = np.array(worker.time("profile", scan=scan)["result"]["stats"])
    assert_allclose(stats[1], best["stat"], atol=1e-3)
    assert_allclose(stats[[0, 2]] - stats[1], 1, atol=0.2)


def test_runs():
    worker = Worker()
    about = worker.simulate_runs(3)
    assert about["n_free"] > 20
    assert [dataset.name for dataset in worker.datasets] == ["run-0", "run-1", "run-2"]
    counts = worker.datasets[0].counts.data
    assert 20 < counts.sum() < 1000
    worker.time("calls", n_calls=1)


def line(**kwargs):
    same = {"stat": 2e-4, "values": 0.003, "errors": 0.001}
    return {"fork": 2.0, "agreement": same} | kwargs


def measured():
    lines = {
        "fit": line(upstream=200.0),
        "profile": line(upstream=3000.0, is_projected=True, fork=12.0),
        "runs": line(n_free=386, megabytes=700.0, megabytes_datasets=1500.0),
    }
    return {"shape": [11, 80, 80], "n_datasets": 4, "n_free": 26, "lines": lines}


def test_table():
    reference = {"version": "2.1", "date": "2026-11-26", "machine": "a machine"}
    text = render(measured(), reference)
    assert "4 datasets of (11, 80, 80) bins, 26 free parameters" in text
    assert "Gammapy 2.1 was run on 2026-11-26 (a machine)" in text
    rows = [row.split("\n     - ") for row in text.split("\n   * - ")[1:]]
    assert rows[0][1:] == ["200", "2", "100"]
    assert rows[1][1:] == ["3000 [#projected]_", "12", "250"]
    assert rows[2][0].startswith(LINES[-1].title)
    assert "times the calls of Minuit" in text
    assert "386 free parameters together; the datasets take 1500 MB" in text
    page = replace_part(PAGE.read_text(), "shapes", text)
    assert text in page


def test_report(capsys):
    known = measured()["lines"]
    by_name = {line.what: line for line in LINES}
    assert report(by_name["fit"], known["fit"])
    assert "2.1 200 s (measured), 100" in capsys.readouterr().out
    assert report(by_name["runs"], known["runs"])
    differs = line(upstream=1.0, agreement={"stat": np.nan})
    assert not report(by_name["fit"], differs)
    assert "DISAGREE" in capsys.readouterr().out


def test_reference_has_machine_and_date():
    reference = json.loads(REFERENCE.read_text())
    assert reference["version"] == "2.1"
    assert reference["date"].startswith("20")
    assert reference["machine"]
    fit = reference["fit"]["result"]
    assert len(fit["values"]) == len(fit["errors"]) == 26
    # Its calls take as long as the fit did.
    assert_allclose(
        fit["n_calls"] * reference["call"], reference["fit"]["seconds"], rtol=0.2
    )
