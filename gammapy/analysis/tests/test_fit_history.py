# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of both interfaces that are kept in a history."""

from types import SimpleNamespace
import pytest
import yaml
from numpy.testing import assert_allclose
from gammapy.analysis import AnalysisConfig
from gammapy.analysis.session import run_fit
from gammapy.diagnostics import FitHistory
from gammapy.diagnostics.tests.history_fields import spectra, ts_of_norm
from gammapy.modeling import Fit
from gammapy.scripts.main import cli
from gammapy.utils.testing import check_bad_input, run_cli
from gammapy.workflow import WorkflowConfig

CONFIGS = [AnalysisConfig, WorkflowConfig]


def session(*names):
    """Session with a background of which parameters of these names are free."""
    datasets = spectra()
    for par in datasets.models.parameters:
        par.frozen = par.name not in names
    return SimpleNamespace(datasets=datasets, models=datasets.models, fit=Fit("newton"))


@pytest.mark.parametrize("config_class", CONFIGS)
def test_history(tmp_path, config_class):
    folder = tmp_path / "history"
    config = config_class.from_yaml(f"fit: {{history: {folder}, step: a}}")
    start = session("norm")
    before = start.datasets.stat_sum()
    run_fit(start, config)
    config.fit.step = "b"
    run_fit(session("norm", "tilt"), config)
    table = FitHistory(folder).table()
    assert table["name"].tolist() == ["a", "b"]
    assert table["n_dof"][1] == 1 and table["success"].all()
    assert_allclose(before - table["stat"][0], ts_of_norm(), rtol=1e-6)
    # A step is replaced.
    run_fit(session("norm", "tilt"), config)
    assert len(FitHistory(folder)) == 2


@pytest.mark.parametrize("config_class", CONFIGS)
def test_steps_without_a_name(tmp_path, config_class):
    config = config_class.from_yaml(f"fit: {{history: {tmp_path}}}")
    for _number in range(2):
        run_fit(session("norm"), config)
    assert FitHistory(tmp_path).names == ["fit-1", "fit-2"]


@pytest.mark.parametrize("config_class", CONFIGS)
def test_no_history(tmp_path, monkeypatch, config_class):
    monkeypatch.chdir(tmp_path)
    run_fit(session("norm"), config_class())
    assert not list(tmp_path.iterdir())
    config = config_class.from_yaml("fit: {step: a}")
    check_bad_input(
        lambda: run_fit(session("norm"), config), ValueError, "fit.step", "fit.history"
    )


def test_files_of_configurations_stay_the_same():
    # What is not asked for is not written.
    assert "history" not in AnalysisConfig().to_yaml()
    config = AnalysisConfig.from_yaml("fit: {history: steps, step: one}")
    written = yaml.safe_load(config.to_yaml())["fit"]
    assert (written["history"], written["step"]) == ("steps", "one")


def test_shell_keeps_steps(tmp_path):
    FitHistory(tmp_path / "history").add("a", spectra())
    path = tmp_path / "config.yaml"
    text = f"general: {{outdir: {tmp_path}}}\nfit: {{history: {tmp_path}/history, "
    path.write_text(text + "step: a}\n")
    args = ["analysis", "run", "--filename", str(path), "--out", f"{tmp_path}/a.yaml"]
    # Before anything is reduced, for which there are no observations.
    result = run_cli(cli, [*args, "--step", "fit"], exit_code=1)
    assert "Step 'a' of the history" in result.output
    assert "--overwrite" in result.output
