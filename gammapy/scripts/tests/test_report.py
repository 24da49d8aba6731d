# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy report``, as a user runs it."""

import json
import pytest
from gammapy.datasets import Datasets
from gammapy.diagnostics import FitHistory
from gammapy.diagnostics.tests.score_fields import (
    backgrounds,
    make_datasets,
    make_source,
    simulate,
)
from gammapy.modeling import Fit
from gammapy.scripts.main import cli
from gammapy.utils.testing import run_cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    datasets = make_datasets()
    datasets.models = [make_source(), *backgrounds()]
    simulate(datasets, 0)
    result = Fit(backend="newton").run(datasets)
    FitHistory(folder / "history").add("one", datasets, result, hot_spots=False)
    datasets.write(folder / "datasets.yaml", filename_models=folder / "models.yaml")
    return folder


def run(folder, *options, exit_code=0):
    paths = [str(folder / "datasets.yaml"), str(folder / "models.yaml")]
    args = ["report", *paths, "--n-toys", "0", *(str(option) for option in options)]
    return run_cli(cli, args, exit_code=exit_code).output


def test_page(folder):
    out = folder / "page.html"
    options = ("--history", folder / "history", "--title", "Mine")
    text = run(folder, "--out", out, *options)
    assert "FitReport" in text and f"Written: {out}, {out.with_suffix('.json')}" in text
    data = json.loads(out.with_suffix(".json").read_text())
    assert data["level"] == "good" and data["report"] == "Mine"
    assert data["verdict"] in text
    assert [
        step["name"] for step in data["sections"]["history"]["history"]["steps"]
    ] == ["one"]
    names = [path.split("/")[-1] for path in data["sections"]["provenance"]["files"]]
    assert names == ["datasets.yaml", "models.yaml"]
    datasets = Datasets.read(folder / "datasets.yaml", folder / "models.yaml")
    index = datasets.models["src"].parameters["index"]
    rows = {row["name"]: row for row in data["sections"]["parameters"]["parameters"]}
    assert rows["src.spectral.index"]["value"] == index.value
    # What is there stays, unless told otherwise.
    text = run(folder, "--out", out, exit_code=2)
    assert "page.html" in text and "--overwrite" in text
    run(folder, "--out", out, "--overwrite", "--sections", "parameters")
    data = json.loads(out.with_suffix(".json").read_text())
    assert list(data["sections"]) == ["parameters"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "page.pdf"), ("page.pdf", ".html")),
        (("--sections", "map"), ("map", "maps")),
        (("--parameter", "src.indez"), ("indez",)),
        (("--region", "here"), ("here",)),
        (("--history", "nowhere"), ("nowhere",)),
        (("--n-toys", "-1"), ("--n-toys",)),
    ],
)
def test_bad_input(folder, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    text = run(folder, *options, exit_code=2)
    line = text.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []
