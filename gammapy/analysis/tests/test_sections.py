# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options that were added, in both configurations, and what errors say."""

import pytest
import yaml
from pydantic import ValidationError
import astropy.units as u
from gammapy.analysis import AnalysisConfig, validation
from gammapy.makers import ExclusionMaskMaker
from gammapy.utils.deprecation import GammapyDeprecationWarning
from gammapy.workflow import WorkflowConfig

both = pytest.mark.parametrize("cls", [AnalysisConfig, WorkflowConfig])

OPTIONS = """
datasets:
    stack: {by: {zenith: [35 deg, 36.7 deg, 41 deg], offset: 2}}
    background:
        exclusion_regions: ["icrs;circle(228.53, -59.16, 0.5)"]
        exclusion_maker: {r_in: 0.7 deg, threshold_high: 6, filename: mask.fits}
        energy_min: 1 TeV
        energy_max: 10 TeV
        debug: true
fit:
    models: {components: []}
    debug: true
flux_points: {debug: true}
residuals:
    energy_edges: [1 TeV, 3 TeV, 10 TeV]
    energy_unit: GeV
    kernel: gauss
    correlation_radius: 0.2 deg
    region: icrs;circle(228.53, -59.16, 0.3)
    panels: [counts, diff/model]
    models_style: markers
    stretch: sqrt
    crop: false
    method: diff
    exclude: [a]
    apply_mask: false
"""


def keys(data):
    """All keys of nested dictionaries, as dotted names."""
    for key, value in data.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in keys(value))


def as_dict(config):
    data = yaml.safe_load(config.to_yaml())
    data.pop("metadata")
    return data


@both
def test_options_are_written_only_when_set(cls, tmp_path):
    config = cls()
    old = set(keys(as_dict(config)))
    added = {"fit.models", "fit.debug", "flux_points.debug", "residuals"}
    background = {"exclusion_regions", "exclusion_maker", "energy_min", "energy_max"}
    background |= {"debug"}
    added |= {f"datasets.background.{name}" for name in background}
    assert not added & old
    assert as_dict(config)["datasets"]["stack"] is True
    config.datasets.stack = False
    assert as_dict(config)["datasets"]["stack"] is False
    config.residuals.kernel = "gauss"
    assert as_dict(config)["residuals"] == {"kernel": "gauss"}
    config.residuals.kernel = "tophat"
    assert "residuals" not in as_dict(config)

    config = cls.from_yaml(OPTIONS)
    assert added <= set(keys(as_dict(config)))
    config.write(tmp_path / "config.yaml")
    assert as_dict(cls.read(tmp_path / "config.yaml")) == as_dict(config)
    given = yaml.safe_load(OPTIONS)
    assert as_dict(config)["residuals"].keys() == given["residuals"].keys()
    maker = {"r_in": "0.7 deg", "threshold_high": 6, "filename": "mask.fits"}
    assert as_dict(config)["datasets"]["background"]["exclusion_maker"] == maker
    # without options it is not the same as none
    config.datasets.background.exclusion_maker = {}
    assert as_dict(config)["datasets"]["background"]["exclusion_maker"] == {}
    by = {"zenith": ["35.0 deg", "36.7 deg", "41.0 deg"], "offset": 2}
    assert as_dict(config)["datasets"]["stack"] == {"by": by}


@both
def test_update(cls):
    config = cls(datasets={"stack": False})
    config = config.update("datasets: {stack: {by: {zenith: 2}}}")
    assert config.datasets.stack.by.zenith == 2
    config = config.update("residuals: {energy_min: 1 TeV}")
    assert config.datasets.stack.by.zenith == 2
    assert config.residuals.energy_min == 1 * u.TeV
    assert config.update("datasets: {stack: false}").datasets.stack is False


PARAMETERS = """
flux_points: {parameters: {selection_optional: [ul, errn-errp], n_sigma_ul: 3}}
light_curve: {parameters: {selection_optional: all, atol: 1 s, reoptimize: true}}
excess_map: {parameters: {gamma_min_sensitivity: 5, selection_optional: [errn-errp]}}
"""


@both
def test_parameters(cls):
    config = cls.from_yaml(PARAMETERS)
    assert as_dict(config)["light_curve"]["parameters"]["atol"] == "1 s"
    before = dict(config.excess_map.parameters)
    with pytest.raises(ValidationError, match="has no option 'foo'; options are n_si"):
        config.excess_map.parameters = {"foo": 1}
    assert config.excess_map.parameters == before
    config.excess_map.parameters = {"n_sigma": 2}
    config.flux_points.parameters = {}


def test_processes_of_estimators():
    # Workflow does not hand general.n_jobs to them.
    text = "{section}: {{parameters: {{n_jobs: 2}}}}"
    for section in ("flux_points", "light_curve"):
        WorkflowConfig.from_yaml(text.format(section=section))
        with pytest.raises(ValidationError, match="'n_jobs' has its own key, here or"):
            AnalysisConfig.from_yaml(text.format(section=section))


@both
def test_options_of_exclusion_maker(cls):
    maker = cls(datasets={"background": {"exclusion_maker": {}}})
    maker = maker.datasets.background.exclusion_maker
    # The defaults are those of the class.
    defaults = vars(ExclusionMaskMaker())
    assert {"mask": None} | maker.options == defaults
    with pytest.raises(ValidationError, match="threshold_low 6.0 is not between"):
        maker.threshold_low = 6
    assert maker.threshold_low == 3
    maker.threshold_high = 7
    maker.threshold_low = 6
    assert maker.options["threshold_low"] == 6


@both
@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("residual: {}", "residual", "did you mean 'residuals'; keys are general, obs"),
        (
            "datasets: {stak: true}",
            "datasets.stak",
            "did you mean 'stack'; keys are t",
        ),
        ("fit: 3", "fit", "Set keys of fit_range, models, debug"),
        ("datasets: {stack: maybe}", "datasets.stack", "Set true, false, or bins of"),
        ("datasets: {stack: {by: {}}}", "datasets.stack", "zenith, offset or both"),
        ("datasets: {stack: {zenith: 2}}", "datasets.stack.zenith", "keys are by"),
        (
            "datasets: {stack: {by: {zenit: 2}}}",
            "datasets.stack.by.zenit",
            "did you mean 'zenith'; keys are zenith, offset",
        ),
        (
            "datasets: {stack: {by: {zenith: [1, 2]}}}",
            "datasets.stack.by.zenith",
            "such as [20 deg, 40 deg, 60 deg], got [1, 2]",
        ),
        (
            "datasets: {background: {method: fov}}",
            "datasets.background.method",
            "'reflected', 'fov_background' or 'ring'",
        ),
        (
            "datasets: {background: {energy_min: 1 Tev}}",
            "datasets.background.energy_min",
            "give an energy such as '1 TeV'",
        ),
        (
            "datasets: {background: {energy_min: [{}]}}",
            "datasets.background.energy_min",
            "give an energy such as '1 TeV'",
        ),
        (
            "datasets: {background: {exclusion_regions: [circle]}}",
            "datasets.background.exclusion_regions.0",
            "Invalid region: 'circle'",
        ),
        (
            "datasets: {background: {exclusion_maker: true}}",
            "datasets.background.exclusion_maker",
            "Set keys of correlation_radius, r_in, width",
        ),
        (
            "datasets: {background: {exclusion_maker: {radius: 1 deg}}}",
            "datasets.background.exclusion_maker.radius",
            "keys are correlation_radius, r_in, width",
        ),
        (
            "datasets: {background: {exclusion_maker: {r_in: 0.05 deg}}}",
            "datasets.background.exclusion_maker",
            "correlation_radius 0.1 deg is not between 0 and r_in 0.05 deg",
        ),
        (
            "flux_points: {parameters: {selection: all}}",
            "flux_points.parameters",
            "FluxPointsEstimator has no option 'selection', did you mean 'selection_op",
        ),
        (
            "flux_points: {parameters: {source: a}}",
            "flux_points.parameters",
            "'source' has its own key",
        ),
        (
            "flux_points: {parameters: {selection_optional: [uls]}}",
            "flux_points.parameters",
            "selection_optional is 'all', or a list of errn-errp, ul, scan",
        ),
        (
            "light_curve: {parameters: {reoptimise: true}}",
            "light_curve.parameters",
            "did you mean 'reoptimize'; options are atol, ",
        ),
        (
            "excess_map: {parameters: {energy_edges: []}}",
            "excess_map.parameters",
            "'energy_edges' has its own key",
        ),
        (
            "excess_map: {parameters: {correlate: true}}",
            "excess_map.parameters",
            "did you mean 'correlate_off'; options are n_sigma, n_sigma_ul",
        ),
        ("fit: {models: {}}", "fit.models", "components: [...]"),
        (
            "fit: {fit_range: {mn: 1 TeV}}",
            "fit.fit_range.mn",
            "did you mean 'min'; keys are min, max",
        ),
        (
            "residuals: {kernel: disk}",
            "residuals.kernel",
            "'tophat', 'gauss', 'point-source' or 'none'",
        ),
        (
            "residuals: {panels: [count]}",
            "residuals.panels.0",
            "'counts', 'npred', ",
        ),
        (
            "residuals: {models_style: marker}",
            "residuals.models_style",
            "'auto', 'names' or 'markers'",
        ),
        (
            "residuals: {stretch: root}",
            "residuals.stretch",
            "'auto', 'linear', 'sqrt', 'asinh' or 'log'",
        ),
        (
            "residuals: {method: chi}",
            "residuals.method",
            "'diff', 'diff/model', ",
        ),
        (
            "residuals: {region: 3}",
            "residuals.region",
            "'icrs;circle(83.63, 22.",
        ),
        (
            "residuals: {correlation_radius: 1 foo}",
            "residuals.correlation_radius",
            "give an angle such as '0.5 deg'",
        ),
        (
            "residuals: {energy_unit: deg}",
            "residuals.energy_unit",
            "expected a unit of energy such as 'TeV', got 'deg'",
        ),
        (
            "residuals: {energy_min: 1 TeV, energy_edges: [1 TeV, 2 TeV]}",
            "residuals",
            "set energy_edges or energy_min and energy_max",
        ),
    ],
)
def test_errors_name_key_and_values(cls, text, key, message):
    with pytest.raises(ValidationError) as error:
        cls.from_yaml(text)
    lines = str(error.value).splitlines()
    assert key in lines
    assert message in lines[lines.index(key) + 1]


def test_errors_of_assignments():
    config = AnalysisConfig()
    with pytest.raises(ValidationError, match="did you mean 'method'; keys are method"):
        config.datasets.background.methods = "ring"
    with pytest.raises(ValidationError, match="'fov_background' or 'ring'"):
        config.datasets.background.method = "fov"
    assert config.datasets.background.method is None


def test_all_errors_at_once():
    with pytest.raises(ValidationError) as error:
        AnalysisConfig.from_yaml("{general: {n_jobs: two, outdr: x}, fitt: {}}")
    names = [".".join(problem["loc"]) for problem in error.value.errors()]
    assert names == ["general.n_jobs", "general.outdr", "fitt"]


def test_steps():
    with pytest.raises(ValidationError, match="'fitt' is no step; choose from data"):
        WorkflowConfig.from_yaml("general: {steps: [fitt]}")
    steps = ["observation-groups", "exclusion-mask", "residuals", "write"]
    config = WorkflowConfig(general={"steps": steps})
    assert config.general.steps == steps


@both
@pytest.mark.parametrize(
    ("section", "text", "value"),
    [
        ("ResidualsConfig", "residuals: {shape: gauss}", "gauss"),
        ("FluxPointsConfig", "flux_points: {shape: gauss}", "gauss"),
    ],
)
def test_old_key(cls, section, text, value, monkeypatch):
    """Made-up names, in a section that was there and in one that was added."""
    new = {"ResidualsConfig": "kernel", "FluxPointsConfig": "source"}[section]
    monkeypatch.setitem(validation.RENAMED_KEYS, section, {"shape": new})
    with pytest.warns(GammapyDeprecationWarning, match=f"'shape'.*use '{new}'"):
        config = cls.from_yaml(text)
    assert getattr(getattr(config, text.split(":")[0]), new) == value
    assert "shape" not in config.to_yaml()
    with pytest.raises(ValidationError, match=f"expected one of '{new}' and 'shape'"):
        cls.from_yaml(text.replace("}", f", {new}: a}}"))
    with pytest.raises(ValidationError, match="There is no such key"):
        cls.from_yaml("fit: {shape: gauss}")
