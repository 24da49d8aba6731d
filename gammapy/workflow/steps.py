# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.background import (
    find_exclusion_mask,
    make_background_maker,
)
from gammapy.analysis.products import write_products
from gammapy.analysis.reduction import (
    extract_spectra,
    group_observations,
    is_in_bins,
    prepare_reduction,
    reduce_groups,
)
from gammapy.analysis.report import compute_report
from gammapy.analysis.session import compute_flux_points, compute_residuals, run_fit


class DatasetsWorkflowStep:
    def get_datasets(self):
        """Notes
        -----
        There is one dataset per observation, or observations are stacked, see
        ``datasets.stack``.
        """
        prepare_reduction(self.inputs, self)
        return self._upstream_DatasetsWorkflowStep_get_datasets()

    def _create_background_maker(self):
        return make_background_maker(self.inputs, self)

    def _map_making(self):
        if not is_in_bins(self.config):
            return self._upstream_DatasetsWorkflowStep__map_making()
        self.outputs["datasets"].data = reduce_groups(self.inputs, self)

    def _spectrum_extraction(self):
        self.outputs["datasets"].data = extract_spectra(self.inputs, self)


class FitWorkflowStep:
    def _run(self):
        self.outputs["fit_result"].data = run_fit(self.inputs, self.config)


class FluxPointsWorkflowStep:
    def _run(self):
        points = compute_flux_points(self.inputs, self.config)
        self.outputs["flux_points"].data = points


class ObservationGroupsWorkflowStep(WorkflowStepBase):
    """Group the observations in bins, before anything is reduced."""

    tag = "observation-groups"
    outputs_names = ["observation_groups"]
    _products_as_workfllow_attributes = True

    def _run(self):
        owner = DatasetsWorkflowStep(self.config, log=self.log)
        groups = group_observations(self.inputs, owner)
        self.outputs["observation_groups"].data = groups


class ExclusionMaskWorkflowStep(WorkflowStepBase):
    """Find the exclusion mask in the data, before anything is reduced."""

    tag = "exclusion-mask"
    outputs_names = ["exclusion_result"]
    _products_as_workfllow_attributes = True

    def _run(self):
        owner = DatasetsWorkflowStep(self.config, log=self.log)
        result = find_exclusion_mask(self.inputs, owner)
        self.outputs["exclusion_result"].data = result


class ResidualsWorkflowStep(WorkflowStepBase):
    """Compute the residuals of the fit, see the section ``residuals``."""

    tag = "residuals"
    outputs_names = ["spatial_residuals", "spectral_residuals"]
    _products_as_workfllow_attributes = True

    def _run(self):
        results = compute_residuals(self.inputs, self.config)
        for name, result in zip(self.outputs_names, results, strict=True):
            self.outputs[name].data = result


class ReportWorkflowStep(WorkflowStepBase):
    """Make the report of the fit, see the section ``report``."""

    tag = "report"
    outputs_names = ["report"]
    _products_as_workfllow_attributes = True

    def _run(self):
        self.outputs["report"].data = compute_report(self.inputs, self.config)


class WriteWorkflowStep(WorkflowStepBase):
    """Write all results to ``general.outdir``."""

    tag = "write"

    def _run(self):
        write_products(self.inputs, overwrite=self.overwrite)
