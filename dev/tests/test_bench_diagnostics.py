# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The benchmark of diagnostics: what is measured, and what is written of it."""

import json
import sys
from dataclasses import replace
from pathlib import Path
import pytest
import numpy as np
from gammapy.modeling import Fit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev" / "bench"))
import diagnostics  # noqa: E402
from machine import describe, machine_text  # noqa: E402
from page import write_page  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.rst"


@pytest.fixture(scope="module")
def work():
    """One small dataset, of which amplitudes and the norm are fitted."""
    scene = replace(
        diagnostics.FULL,
        steps=diagnostics.FULL.steps[:3],
        run_bins=diagnostics.FULL.run_bins[:1],
        width=3.0,
        pixel=0.1,
        bins_per_decade=3,
        bins_above_fit=3,
    )
    datasets = diagnostics.make_datasets(scene)
    for par in datasets.parameters.free_parameters:
        par.frozen = par.name not in ("amplitude", "norm")
    Fit(backend="newton").run(datasets)
    return diagnostics.Work(datasets, n_toys=2)


def test_measure(work, monkeypatch):
    monkeypatch.setattr(diagnostics, "N_SPOT_TOYS", 2)
    before = list(work.datasets.parameters.value)
    seconds = diagnostics.measure(work, diagnostics.LINES, n_rounds=1)
    names = {line.what for line in diagnostics.LINES} | {"map", "derivatives"}
    assert names < set(seconds)
    for line in diagnostics.LINES:
        assert np.isfinite(diagnostics.ratio_of(line, seconds))
    assert list(work.datasets.parameters.value) == before


def test_ratio():
    seconds = {"goodness": 3.0, "map": 0.5, "derivatives": 1.0, "toys": 60.0}
    by_name = {line.what: line for line in diagnostics.LINES}
    assert diagnostics.ratio_of(by_name["goodness"], seconds) == 1.5
    assert diagnostics.ratio_of(by_name["toys"], seconds) == 0.1


def test_page(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(PAGE.read_text())
    row = {"seconds": 1.234, "ratio": 0.5, "date": "2026-11-26"}
    lines = {line.what: row for line in diagnostics.LINES}
    parts = {"map": 0.02, "derivatives": 3.0, "convolutions": 0.003}
    file = tmp_path / "diagnostics.json"
    machine = describe()
    known = {"lines": lines, "parts": parts, "machine": machine}
    file.write_text(json.dumps(known))
    write_page(page, tmp_path)
    text = page.read_text()
    part = text.split(".. begin diagnostics")[1].split(".. end diagnostics")[0]
    assert part.count("- 0.50") == len(diagnostics.LINES)
    assert "A residual map took 20 ms, the derivatives 3 s" in part
    assert f"Measured on 2026-11-26: {machine_text(machine)}." in part
    assert text.count(".. begin") == PAGE.read_text().count(".. begin")
