# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .background import find_exclusion_mask, make_background_maker
from .products import write_datasets, write_products
from .reduction import (
    extract_spectra,
    group_observations,
    is_in_bins,
    prepare_reduction,
    reduce_groups,
)
from .report import compute_report
from .session import compute_flux_points, compute_residuals, run_fit


class Analysis:
    """Notes
    -----
    The results of the steps are attributes: ``observations``,
    ``observation_groups``, ``exclusion_result``, ``datasets``, ``fit_result``,
    ``spatial_residuals``, ``spectral_residuals``, ``report``, ``flux_points``.

    Examples
    --------
    >>> from gammapy.analysis import Analysis, AnalysisConfig
    >>> config = AnalysisConfig.from_yaml('''
    ... observations: {datastore: $GAMMAPY_DATA/hess-dl3-dr1, obs_ids: [23523, 23526]}
    ... datasets:
    ...     type: 1d
    ...     stack: true
    ...     on_region: {frame: icrs, lon: 83.63 deg, lat: 22.01 deg, radius: 0.11 deg}
    ...     geom:
    ...         axes:
    ...             energy: {min: 1 TeV, max: 10 TeV, nbins: 4}
    ...             energy_true: {min: 0.5 TeV, max: 20 TeV, nbins: 8}
    ...     background: {method: reflected}
    ...     containment_correction: false
    ... fit:
    ...     models:
    ...         components:
    ...         -   name: crab
    ...             type: SkyModel
    ...             spectral:
    ...                 type: PowerLawSpectralModel
    ...                 parameters: [{name: index, value: 2.6, frozen: true}]
    ... ''')
    >>> analysis = Analysis(config)
    >>> analysis.get_observations()
    >>> analysis.get_datasets()
    >>> analysis.run_fit()
    >>> analysis.get_residuals()
    >>> len(analysis.spectral_residuals.to_table("significance"))
    4
    """

    # Also of an analysis that was pickled before there were these.
    observation_groups = None
    exclusion_result = None
    spatial_residuals = None
    spectral_residuals = None
    report = None

    def get_observation_groups(self):
        """Group the observations in the bins of ``datasets.stack.by``.

        Only their headers are read. `~gammapy.visualization.plot_observation_groups`
        shows observations and bins before the data reduction.

        Returns
        -------
        groups : `~gammapy.data.ObservationGroups`
            Groups, also the attribute ``observation_groups``; a single one without
            bins.
        """
        self.observation_groups = group_observations(self, self)
        return self.observation_groups

    def get_exclusion_mask(self):
        """Find the exclusion mask, see ``datasets.background.exclusion_maker``.

        `Analysis.get_datasets` calls this method. Call it to check the mask first.

        Returns
        -------
        result : `~gammapy.makers.ExclusionMaskResult`
            Mask, significance and rounds, also the attribute ``exclusion_result``.
        """
        self.exclusion_result = find_exclusion_mask(self, self)
        return self.exclusion_result

    def get_datasets(self):
        """Notes
        -----
        There is one dataset per observation, or observations are stacked, see
        ``datasets.stack``. The result is the attribute ``datasets``.
        """
        prepare_reduction(self, self)
        self._upstream_Analysis_get_datasets()

    def _create_background_maker(self):
        return make_background_maker(self, self)

    def _map_making(self):
        if not is_in_bins(self.config):
            return self._upstream_Analysis__map_making()
        self.datasets = reduce_groups(self, self)

    def _spectrum_extraction(self):
        self.datasets = extract_spectra(self, self)

    def write_datasets(self, overwrite=True, write_covariance=True):
        """Notes
        -----
        With ``general.datasets_file: NAME.yaml``, additional files are written
        beside the datasets: NAME_background.ecsv (fitted background of each
        observation, with ``datasets.background.debug``), NAME_groups.ecsv and
        NAME_groups.png (if observations are stacked in bins), and NAME_exclusion.fits
        (if the exclusion mask was found in the data).
        """
        write_datasets(self, overwrite=overwrite, write_covariance=write_covariance)

    def run_fit(self):
        """Notes
        -----
        An existing ``mask_fit`` of a dataset is kept, and ``fit.fit_range``
        restricts it further. If the datasets have no source model, ``fit.models`` is
        read. With ``fit.history`` the fit is added to a
        `~gammapy.diagnostics.FitHistory`, under the name ``fit.step``.
        """
        self.fit_result = run_fit(self, self.config)

    def get_residuals(self):
        """Residuals of the fit, see the section ``residuals``.

        The results are the attributes ``spatial_residuals`` (None for spectra) and
        ``spectral_residuals``. `Analysis.write` writes tables and figures of them.
        """
        self.spatial_residuals, self.spectral_residuals = compute_residuals(
            self, self.config
        )

    def get_report(self):
        """Report of the fit, see the section ``report``.

        Returns
        -------
        report : `~gammapy.report.FitReport`
            Report, also the attribute ``report``; `Analysis.write` writes the page.
        """
        self.report = compute_report(self, self.config)
        return self.report

    def get_flux_points(self):
        self.flux_points = compute_flux_points(
            self, self.config, n_jobs=self.config.general.n_jobs
        )

    def write(self, outdir=None, *, overwrite=True):
        """Write all existing results.

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
