# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.analysis.products import write_datasets, write_products


class Workflow:
    # Also of a workflow that was pickled before there were these.
    observation_groups = None
    exclusion_result = None
    spatial_residuals = None
    spectral_residuals = None
    report = None

    def run(self, steps=None, overwrite=None, **kwargs):
        """Run steps.

        Parameters
        ----------
        steps : list of str, optional
            Steps. Default is ``general.steps``, with ``general.overwrite``.
        overwrite : bool or list of bool, optional
            Whether the steps replace existing results. If a list is shorter than the
            list of steps, the rest is True. Default is True.
        **kwargs : dict
            Options of the steps.
        """
        if steps is None:
            general = self.config.general
            steps, overwrite = general.steps, general.overwrite
        if isinstance(overwrite, list):
            overwrite = overwrite + [True] * (len(steps) - len(overwrite))
        self._upstream_Workflow_run(steps, overwrite, **kwargs)

    def get_observation_groups(self):
        """Group the observations, see `Analysis.get_observation_groups`.

        Returns
        -------
        groups : `~gammapy.data.ObservationGroups`
            Groups, also the attribute ``observation_groups``.
        """
        self.run(steps=["observation-groups"])
        return self.observation_groups

    def get_exclusion_mask(self):
        """Find the exclusion mask in the data, see `Analysis.get_exclusion_mask`.

        Returns
        -------
        result : `~gammapy.makers.ExclusionMaskResult`
            Mask, significance and rounds, also the attribute ``exclusion_result``.
        """
        self.run(steps=["exclusion-mask"])
        return self.exclusion_result

    def get_residuals(self):
        """Residuals of the fit, see `Analysis.get_residuals`."""
        self.run(steps=["residuals"])

    def get_report(self):
        """Report of the fit, see `Analysis.get_report`.

        Returns
        -------
        report : `~gammapy.report.FitReport`
            Report, also the attribute ``report``.
        """
        self.run(steps=["report"])
        return self.report

    def write_datasets(self, overwrite=True, write_covariance=True):
        """Notes
        -----
        Additional tables are written beside the datasets, see
        `Analysis.write_datasets`.
        """
        write_datasets(self, overwrite=overwrite, write_covariance=write_covariance)

    def write(self, outdir=None, *, overwrite=True):
        """Write all existing results, see `Analysis.write`.

        Parameters
        ----------
        outdir : str or `~pathlib.Path`, optional
            Folder, created if it does not exist. Default is ``general.outdir``.
        overwrite : bool, optional
            Whether to replace existing files. Default is True.

        Returns
        -------
        paths : list of `~pathlib.Path`
            The files.
        """
        return write_products(self, outdir, overwrite=overwrite)
