# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The command ``gammapy history``."""

import pytest
import matplotlib.pyplot as plt
from gammapy.diagnostics import FitHistory
from gammapy.diagnostics.tests.history_fields import fitted, spectra
from gammapy.scripts.main import cli
from gammapy.utils.testing import run_cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    history = FitHistory(tmp_path_factory.mktemp("history"))
    datasets = spectra()
    history.add("fixed", datasets, note="The start.")
    history.add("norm", datasets, fitted(datasets, "norm"))
    history.add("tilt", datasets, fitted(datasets, "norm", "tilt"))
    return str(history.folder)


def test_table(folder):
    output = run_cli(cli, ["history", folder]).output
    history = FitHistory(folder)
    assert output == str(history)
    assert "The start." not in output
    output = run_cli(cli, ["history", folder, "--notes"]).output
    assert "The start." in output and history[0].record["time"] in output


def test_compare(folder):
    output = run_cli(cli, ["history", folder, "--compare", "norm", "tilt"]).output
    assert output == str(FitHistory(folder).compare("norm", "tilt"))
    assert run_cli(cli, ["history", folder, "--compare", "-2", "-1"]).output == output


def test_step(folder):
    output = run_cli(cli, ["history", folder, "--step", "tilt"]).output
    assert "Step 'tilt'" in output and "run-bkg.spectral.tilt" in output


def test_plot(folder, tmp_path):
    path = tmp_path / "new" / "history.png"
    args = ["history", folder, "--plot", str(path)]
    run_cli(cli, args)
    assert plt.imread(path).std() > 0.05
    output = run_cli(cli, args, exit_code=2).output
    assert "exists; --overwrite replaces it" in output
    run_cli(cli, [*args, "--overwrite"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ["--compare", "norm", "tilted"],
            ["'tilted' is no step", "did you mean 'tilt'"],
        ),
        (["--compare", "norm", "7"], ["out of range"]),
        (["--compare", "norm"], ["--compare"]),
        (["--step", "none"], ["'none' is no step"]),
        (["--plot", "history.what"], ["history.what is not a figure"]),
    ],
)
def test_bad_options(folder, args, words):
    output = run_cli(cli, ["history", folder, *args], exit_code=2).output
    assert all(word in output for word in words) and output.count("\n") == 1


def test_no_history(tmp_path):
    output = run_cli(cli, ["history", str(tmp_path)], exit_code=2).output
    assert "has no step of a history" in output
    output = run_cli(cli, ["history", str(tmp_path / "none")], exit_code=2).output
    assert "does not exist" in output and output.count("\n") == 1
