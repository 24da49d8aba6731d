# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .steps import (
    ExclusionMaskWorkflowStep,
    ObservationGroupsWorkflowStep,
    ReportWorkflowStep,
    ResidualsWorkflowStep,
    WriteWorkflowStep,
)

WORKFLOW_STEP_REGISTRY = Registry(
    [
        *_upstream_WORKFLOW_STEP_REGISTRY,
        ObservationGroupsWorkflowStep,
        ExclusionMaskWorkflowStep,
        ResidualsWorkflowStep,
        ReportWorkflowStep,
        WriteWorkflowStep,
    ]
)
