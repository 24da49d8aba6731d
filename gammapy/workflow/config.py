# Licensed under a 3-clause BSD style license - see LICENSE.rst
from pydantic import field_validator, model_serializer, model_validator
from gammapy.analysis.report import ReportConfig
from gammapy.analysis.sections import (
    ExclusionMakerConfig,
    ModelsType,
    RegionType,
    ResidualsConfig,
    StackType,
)
from gammapy.analysis.template import add_option_docs
from gammapy.analysis.validation import (
    added,
    estimator_parameters,
    explain_errors,
    settings_of,
    update_sections,
    without_defaults,
)
from gammapy.estimators import (
    ExcessMapEstimator,
    FluxPointsEstimator,
    LightCurveEstimator,
)
from gammapy.utils.types import PathType


def deep_update(d, u):
    """Notes
    -----
    The dictionary is changed. A section replaces a value that is not a section.
    """
    return update_sections(d, u)


class WorkflowStepEnum:
    observation_groups = "observation-groups"
    exclusion_mask = "exclusion-mask"
    residuals = "residuals"
    report = "report"
    write = "write"


class GammapyBaseConfig:
    @model_validator(mode="wrap")
    @classmethod
    def _explain_errors(cls, value, handler):
        return explain_errors(cls, value, handler)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler):
        return without_defaults(self, handler)


class FluxPointsConfig:
    debug: bool = added(False)

    _parameters_are_valid = estimator_parameters(
        FluxPointsEstimator, "energy_edges", "source", "fit"
    )


class LightCurveConfig:
    _parameters_are_valid = estimator_parameters(
        LightCurveEstimator, "time_intervals", "energy_edges", "source", "fit"
    )


class ExcessMapConfig:
    _parameters_are_valid = estimator_parameters(
        ExcessMapEstimator, "correlation_radius", "energy_edges"
    )


class FitConfig:
    models: Optional[ModelsType] = added()
    debug: bool = added(False)
    history: Optional[PathType] = added()
    step: Optional[str] = added()


class BackgroundConfig:
    exclusion_regions: Optional[List[RegionType]] = added()
    exclusion_maker: Optional[ExclusionMakerConfig] = added()
    energy_min: Optional[EnergyType] = added()
    energy_max: Optional[EnergyType] = added()
    debug: bool = added(False)


class DatasetsConfig:
    stack: StackType = True


class GeneralConfig:
    @field_validator("steps")
    @classmethod
    def _steps_are_known(cls, steps):
        known = [step.value for step in WorkflowStepEnum]
        for step in steps:
            if step not in known:
                raise ValueError(f"{step!r} is no step; choose from {', '.join(known)}")
        return steps


class WorkflowConfig:
    residuals: ResidualsConfig = added(ResidualsConfig())
    report: ReportConfig = added(ReportConfig())

    @classmethod
    def from_yaml(cls, config_str):
        # Its errors are one line.
        settings_of(config_str)
        return cls._upstream_WorkflowConfig_from_yaml(config_str)

    @staticmethod
    def _get_doc_sections():
        return add_option_docs(
            WorkflowConfig._upstream_WorkflowConfig__get_doc_sections()
        )
