# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.products import write_products
from gammapy.analysis.session import (
    compute_residuals,
    extract_groups,
    group_observations,
    is_in_bins,
    options_as_parameters,
    reduce_groups,
    run_fit,
)


class DatasetsWorkflowStep:
    def get_datasets(self):
        """Reduce the observations, each run or stacked, see ``datasets.stack``."""
        workflow = self.inputs
        # Bins can have changed since the groups were looked at.
        workflow.observation_groups = None
        if is_in_bins(self.config) and workflow.observations:
            workflow.observation_groups = group_observations(
                self.config, workflow.observations, self._create_geometry()
            )
        return self._upstream_DatasetsWorkflowStep_get_datasets()

    def _create_background_maker(self):
        with options_as_parameters(self, make_geom=self._create_geometry):
            return self._upstream_DatasetsWorkflowStep__create_background_maker()

    def _map_making(self):
        if not is_in_bins(self.config):
            return self._upstream_DatasetsWorkflowStep__map_making()
        self.outputs["datasets"].data = reduce_groups(
            self.config,
            self.inputs.observation_groups,
            self.inputs.observations,
            self._create_reference_dataset(),
            [
                self._create_dataset_maker(),
                self._create_safe_mask_maker(),
                self._create_background_maker(),
            ],
        )

    def _spectrum_extraction(self):
        if not is_in_bins(self.config):
            return self._upstream_DatasetsWorkflowStep__spectrum_extraction()
        output = self.outputs["datasets"]

        def extract():
            self._upstream_DatasetsWorkflowStep__spectrum_extraction()
            return output.data

        groups = self.inputs.observation_groups
        output.data = extract_groups(groups, self.inputs, extract)


class FitWorkflowStep:
    def _run(self):
        """Fit the models to the datasets, see `gammapy.analysis.Analysis.run_fit`."""
        self.outputs["fit_result"].data = run_fit(self.inputs, self.config)


class FluxPointsWorkflowStep:
    def _run(self):
        """Flux points of a model component, see the section ``flux_points``."""
        with options_as_parameters(self):
            return self._upstream_FluxPointsWorkflowStep__run()


class ObservationGroupsWorkflowStep(WorkflowStepBase):
    """Group the observations in bins, before anything is reduced."""

    tag = "observation-groups"
    outputs_names = ["observation_groups"]
    _products_as_workfllow_attributes = True

    def _run(self):
        geom = DatasetsWorkflowStep(self.config, log=self.log)._create_geometry()
        self.outputs["observation_groups"].data = group_observations(
            self.config, self.inputs.observations, geom
        )


class ResidualsWorkflowStep(WorkflowStepBase):
    """Compute the residuals of the fit, see the section ``residuals``."""

    tag = "residuals"
    outputs_names = ["spatial_residuals", "spectral_residuals"]
    _products_as_workfllow_attributes = True

    def _run(self):
        results = compute_residuals(self.inputs, self.config)
        for name, result in zip(self.outputs_names, results, strict=True):
            self.outputs[name].data = result


class WriteWorkflowStep(WorkflowStepBase):
    """Write all results to ``general.outdir``."""

    tag = "write"

    def _run(self):
        write_products(self.inputs, overwrite=self.overwrite)
