# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The documentation of the options is valid, complete, and in the templates."""

import pytest
import yaml
from pydantic import BaseModel
from gammapy.analysis import AnalysisConfig
from gammapy.analysis.sections import ExclusionMakerConfig
from gammapy.analysis.template import OPTIONS_FILE, option_docs
from gammapy.scripts.main import cli
from gammapy.utils.testing import run_cli
from gammapy.workflow import WorkflowConfig
from gammapy.workflow.config import WorkflowStepEnum

both = pytest.mark.parametrize(
    ("cls", "command"), [(AnalysisConfig, "analysis"), (WorkflowConfig, "workflow")]
)


def added_keys(config, prefix=""):
    """Dotted names of the options that were added."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        is_section = isinstance(value, BaseModel)
        if is_section:
            yield from added_keys(value, f"{prefix}{name}.")
        elif (field.json_schema_extra or {}).get("added"):
            yield f"{prefix}{name}"


@both
def test_options_are_complete_and_valid(cls, command):
    text = OPTIONS_FILE.read_text()
    documented = cls.from_yaml(text)
    data = yaml.safe_load(text)
    keys = list(added_keys(cls()))
    assert "datasets.background.exclusion_maker" in keys
    maker = ExclusionMakerConfig()
    keys += added_keys(maker, "datasets.background.exclusion_maker.")
    keys.remove("residuals.energy_edges")  # instead of a range
    assert "# energy_edges" in text
    for key in keys:
        value = data
        for part in key.split("."):
            assert part in value, key
            value = value[part]
    assert documented.datasets.stack.by.offset == 2
    # What the text calls a default is one.
    ours, defaults = documented.datasets.background.exclusion_maker, maker
    for name in ("correlation_radius", "r_in", "width", "dilation", "n_rounds_max"):
        assert getattr(ours, name) == getattr(defaults, name)


@both
def test_doc_sections(cls, command):
    sections = cls._get_doc_sections()
    assert set(sections) >= {"general", "observations", "datasets", "residuals"}
    assert "map_selection" in sections["datasets"]
    assert "#     stack: {by: {zenith: " in sections["datasets"]
    assert sections["residuals"].startswith("# Section: residuals\n")
    # Comments do not change what the example means.
    everything = cls.from_yaml("\n".join(sections.values()))
    assert everything.datasets.stack is False


def test_steps():
    for step in WorkflowStepEnum:
        assert step.value in option_docs()["general"]


@both
def test_template(cls, command, tmp_path):
    path = tmp_path / "config.yaml"
    run_cli(cli, [command, "config", "--filename", str(path)])
    text = path.read_text()
    assert cls.read(path).model_dump_json() == cls().model_dump_json()
    for text_of_section in option_docs().values():
        assert text_of_section in text
    with pytest.raises(OSError, match="exists"):
        run_cli(cli, [command, "config", "--filename", str(path)])
    run_cli(cli, [command, "config", "--filename", str(path), "--overwrite"])
    # An option is used when its comment sign goes.
    block = option_docs()["residuals"].replace("# ", "", 1)
    lines = [
        line.removeprefix("# ") for line in block.splitlines() if "optional" not in line
    ]
    path.write_text(text + "\n".join(lines))
    assert cls.read(path).residuals.exclude == ["source"]
