# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Reports of fits of both interfaces."""

import json
from types import SimpleNamespace
import pytest
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.analysis.products import write_products
from gammapy.analysis.report import compute_report
from gammapy.analysis.session import run_fit
from gammapy.diagnostics.tests.history_fields import spectra
from gammapy.modeling import Fit
from gammapy.utils.testing import check_bad_input
from gammapy.workflow import WORKFLOW_STEP_REGISTRY, Workflow, WorkflowConfig
from gammapy.workflow.config import WorkflowStepEnum

CONFIGS = [AnalysisConfig, WorkflowConfig]


def session(config):
    """Session with a background whose norm is fitted."""
    datasets = spectra()
    for par in datasets.models.parameters:
        par.frozen = par.name != "norm"
    names = ("flux_points", "exclusion_result", "observation_groups", "report")
    names += ("spatial_residuals", "spectral_residuals")
    return SimpleNamespace(
        config=config,
        datasets=datasets,
        models=datasets.models,
        fit=Fit("newton"),
        **dict.fromkeys(names),
    )


@pytest.mark.parametrize("config_class", CONFIGS)
def test_report(tmp_path, config_class):
    config = config_class.from_yaml(
        f"""
        general: {{outdir: {tmp_path}}}
        fit: {{history: {tmp_path / "history"}, step: norm}}
        report:
            title: A spectrum
            n_toys: 0
            parameter: run-bkg.norm
            sections: [parameters, history, impacts]
        """
    )
    start = session(config)
    start.fit_result = run_fit(start, config)
    start.report = compute_report(start, config)
    write_products(start)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["report"] == "A spectrum"
    assert list(data["sections"]) == ["parameters", "impacts", "history"]
    (step,) = data["sections"]["history"]["history"]["steps"]
    assert step["name"] == "norm"
    stat = data["sections"]["parameters"]["fit"]["stat"]
    assert stat == pytest.approx(start.datasets.stat_sum())
    assert "<title>A spectrum: " in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("config_class", CONFIGS)
def test_bad_report(config_class):
    def make(text):
        return lambda: config_class.from_yaml(f"report: {{{text}}}")

    for text in ("sections: [map]", "n_toys: -1", "p_threshold: 0", "n_toy: 3"):
        with pytest.raises(ValueError, match=rf"report\.{text.split(':')[0]}"):
            make(text)()
    config = config_class.from_yaml("report: {parameter: source.index, n_toys: 0}")
    start = session(config)
    start.fit_result = run_fit(start, config)
    check_bad_input(
        lambda: compute_report(start, config), ValueError, "parameter", "source.index"
    )


def test_step_of_both():
    config = AnalysisConfig.from_yaml("report: {n_toys: 0, sections: [parameters]}")
    one = Analysis(config)
    one.datasets = spectra()
    one.datasets.models.parameters["norm"].frozen = False
    one.run_fit()
    assert one.get_report() is one.report and one.report.level == "good"
    assert one.report.findings[0]["section"] == "parameters"


def test_workflow_reads_datasets_and_reports(tmp_path):
    datasets = spectra()
    for par in datasets.models.parameters:
        par.frozen = par.name != "norm"
    Fit("newton").run(datasets)
    paths = [tmp_path / name for name in ("datasets.yaml", "models.yaml")]
    datasets.write(paths[0], filename_models=paths[1])
    config = WorkflowConfig.from_yaml(
        f"""
        general:
            outdir: {tmp_path}
            datasets_file: {paths[0]}
            models_file: {paths[1]}
            steps: [data-selection, fit, report, write]
            overwrite: [false]
        report: {{n_toys: 0, sections: [parameters]}}
        """
    )
    workflow = Workflow(config)
    workflow.run()
    data = json.loads((tmp_path / "report.json").read_text())
    assert workflow.report.level == data["level"] == "good"
    stat = data["sections"]["parameters"]["fit"]["stat"]
    assert stat == pytest.approx(datasets.stat_sum())
    # The same once more, by its method.
    workflow.report = None
    assert workflow.get_report() is workflow.report


@pytest.mark.parametrize("step", WorkflowStepEnum)
def test_steps_of_the_configuration_exist(step):
    assert WORKFLOW_STEP_REGISTRY.get_cls(step.value).tag == step.value
