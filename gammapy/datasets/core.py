# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.modeling import Parameters
from gammapy.modeling.automatic import replaced_method
from gammapy.utils.arguments import show
from gammapy.utils.plotter import LazyPlotter
from .filenames import check_filenames, file_stem
from .norm_templates import make_norm_templates, why_not_linear


class Dataset:
    _residuals_labels = _upstream_Dataset__residuals_labels | {
        "significance": "significance"
    }

    def to_dict(self):
        """Notes
        -----
        In "filename", spaces and characters that are not allowed in file names
        are replaced by underscores.

        Examples
        --------
        >>> from gammapy.datasets import MapDataset
        >>> MapDataset(name="runs/zenith 20").to_dict()["filename"]
        'runs_zenith_20.fits'
        """
        data = self._upstream_Dataset_to_dict()
        return data | {"filename": f"{file_stem(self.name).replace(' ', '_')}.fits"}


class Datasets:
    plotter = LazyPlotter("DatasetsPlotter")

    @property
    def parameters(self):
        return self._stacked_parameters().unique_parameters

    def _stacked_parameters(self):
        """Parameters of all models; one that is linked is in them more than once.

        Not from self.models: each access makes the joint models and their covariance,
        which took as long as the statistic of a small dataset.
        """
        return Parameters.from_stack([model.parameters for model in self.unique_models])

    @property
    def unique_models(self):
        """Models of the datasets without duplicates, a list.

        Unlike `Datasets.models` it does not create joint models, so it is faster.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectrumDataset
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> datasets = Datasets([SpectrumDataset(name="run")])
        >>> datasets.models = [FoVBackgroundModel(dataset_name="run")]
        >>> [model.name for model in datasets.unique_models]
        ['run-bkg']
        """
        models = {id(model): model for data in self for model in data.models or []}
        return list(models.values())

    def why_not_linear(self, parameters=None):
        """Reason why the predicted counts are not linear in parameters.

        Parameters
        ----------
        parameters : list of `~gammapy.modeling.Parameter`, optional
            Parameters to vary. Default is the free parameters.

        Returns
        -------
        reason : str
            The first reason, see `gammapy.modeling.linearity.why_not_linear`; empty if
            they are linear.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectrumDataset
        >>> Datasets([SpectrumDataset(name="run")]).why_not_linear()
        "dataset 'run' has no counts"
        """
        from .map import MapDataset, MapDatasetOnOff

        if replaced_method(self, Datasets, ["stat_sum"]):
            return f"{type(self).__name__} has a statistic of its own"
        if parameters is None:
            parameters = self.parameters.free_parameters
        classes = {"wstat": MapDatasetOnOff}
        classes |= dict.fromkeys(("cash", "cash_weighted"), MapDataset)
        return why_not_linear(self, parameters, classes)

    def norm_templates(self, parameters=None, *, scales=None, reuse=None, changed=()):
        """Templates of norms, with which `gammapy.modeling.newton` fits them.

        Parameters
        ----------
        parameters : list of `~gammapy.modeling.Parameter`, optional
            Norms, free or frozen. Default is the free norms.
        scales : dict, optional
            Norms of whole components, by name. Each multiplies the present predicted
            counts of the component. Default is None.
        reuse : `~gammapy.modeling.templates.NormTemplates`, optional
            Templates of the same datasets and norms, from before other parameters
            changed. Default is None.
        changed : list of str
            Names of the models that changed since then. All other templates are taken
            from ``reuse``.

        Returns
        -------
        templates : `~gammapy.modeling.templates.NormTemplates`
            Templates.

        Raises
        ------
        NotLinearError
            If the model is not linear in these parameters, or not finite.
        ValueError
            If there is nothing to fit, or counts or bounds are not valid.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> datasets = Datasets([dataset])
        >>> datasets.models = [FoVBackgroundModel(dataset_name="run")]
        >>> datasets.norm_templates().names
        ["'norm' of 'run-bkg'"]
        """
        if parameters is None:
            parameters = self.parameters.free_parameters
        return make_norm_templates(
            self, parameters, scales=scales, reuse=reuse, changed=changed
        )

    def stat_sum(self):
        """Returns
        -------
        stat_sum : float
            Sum of the statistic at the current parameters, with priors and penalties.
        """
        total = 0.0
        for dataset in self:
            total += dataset.stat_sum()

        prior = self._stacked_parameters().prior_stat_sum()
        for penalty in self._penalties or []:
            prior += penalty.stat_sum()
        return total + prior

    def write(
        self,
        filename,
        # what is written beside the datasets, and how
        filename_models=None,
        overwrite=False,
        write_covariance=True,
        checksum=True,
    ):
        """Raises
        ------
        ValueError
            If datasets would be written to the same file, before anything is written.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from gammapy.datasets import Datasets, SpectrumDatasetOnOff
        >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
        >>> datasets = Datasets([SpectrumDatasetOnOff.read(path)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     datasets.write(Path(folder) / "datasets.yaml")
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['datasets.yaml', 'pha_obs23523.fits']
        """
        check_filenames(self)
        self._upstream_Datasets_write(
            filename,
            filename_models=filename_models,
            overwrite=overwrite,
            write_covariance=write_covariance,
            checksum=checksum,
        )

    def ts_of(self, component):
        """Test statistic of one component of the model.

        Copies of the models are fitted without the component, and with it if this is
        fast. Neither the datasets nor their models are changed. Newton's method is used
        if it is available, see `~gammapy.modeling.Fit`. Otherwise Minuit is used, which
        takes longer, and the models must be at their best fit.

        Parameters
        ----------
        component : `~gammapy.modeling.models.ModelBase` or str
            Model, or its name. If it is a background model, the background is not
            scaled without it.

        Returns
        -------
        ts : `~gammapy.datasets.ComponentTS`
            TS, degrees of freedom, sigma, the fit statistic with and without the
            component, and a note if sigma is not reliable: at a bound, or if parameters
            are not defined without the component.

        Raises
        ------
        ValueError
            If there is no such model.
        TypeError
            If ``component`` has the wrong type.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> found = datasets.ts_of("Crab Nebula")
        >>> found.n_free, round(found.sigma)
        (3, 145)
        """
        # What is fitted there is made of datasets.
        from .component_ts import ts_of

        return ts_of(local_datasets(self), component)

    def _why_not_smooth(self, parameters):
        """Why `_smooth_statistic` cannot be made, "" when it can."""
        # This module is loaded before those of the shapes.
        from .shape_conditions import why_not_shapes

        return why_not_shapes(self, parameters)

    def _smooth_statistic(self, parameters):
        """Statistic with its derivatives, for the backend "newton" of `Fit`."""
        from .shape_terms import SmoothStatistic

        return SmoothStatistic(self, parameters)

    def _spread(self, n_jobs, parallel_backend=None):
        """These datasets, or what stands for them where they are in processes."""
        from .shape_shared import spread

        return spread(self, n_jobs, parallel_backend)

    def plot_residuals(
        self,
        ax_spatial=None,
        ax_spectral=None,
        # arguments of one panel
        kwargs_spatial=None,
        kwargs_spectral=None,
        *,
        region=None,
        method="significance",
        energy_min=None,
        energy_max=None,
        models=True,
        **options,
    ):
        """Draw the joint residuals as a map and against energy, side by side.

        The left panel is the map of `~gammapy.visualization.plot_spatial_residuals`,
        with the region outlined. The right panel has the residuals of
        `~gammapy.visualization.plot_spectral_residuals` in this region. For spectrum
        datasets only the right panel is drawn.

        Parameters
        ----------
        ax_spatial : `~astropy.visualization.wcsaxes.WCSAxes`, optional
            Axes of the map. Default is new axes.
        ax_spectral : `~matplotlib.axes.Axes`, optional
            Axes of the residuals against energy. Default is new axes, and the current
            axes for spectra.
        kwargs_spatial : dict, optional
            Arguments for the map, which take precedence over those below: "method",
            options of `SpatialResiduals.from_datasets`, and "vmin", "vmax", "vsig",
            "stretch", "crop", "models", "models_style", "region". Default is None.
        kwargs_spectral : dict, optional
            Arguments for the other panel, which take precedence over those below:
            "method" and options of `SpectralResiduals.from_datasets`. Default is None.
        region : `~regions.SkyRegion` or str, optional
            Region whose pixels are summed in the panel against energy. Default is all
            pixels.
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "significance".
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Default is all energies.
        models : bool, list of str or `~gammapy.modeling.models.Models`, optional
            Components to draw on the map: True for all, False for none, or names.
            Default is True.
        **options
            Options of `SpatialResiduals.from_datasets`; ``exclude``, ``apply_mask``
            and ``energy_unit`` are for both panels.

        Returns
        -------
        ax_spatial, ax_spectral : tuple of `~matplotlib.axes.Axes`
            The axes. For spectra ``ax_spatial`` is None.

        Raises
        ------
        ValueError
            If the datasets cannot be combined or an option is not valid. Nothing is
            drawn in this case.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> ax_spatial, ax_spectral = datasets.plot_residuals(
        ...     region="galactic;circle(184.6, -5.8, 0.5)", energy_max="0.1 TeV"
        ... )
        """
        return self.plotter.plot_residuals(
            self,
            ax_spatial,
            ax_spectral,
            kwargs_spatial=kwargs_spatial,
            kwargs_spectral=kwargs_spectral,
            region=region,
            method=method,
            models=models,
            energy_min=energy_min,
            energy_max=energy_max,
            **options,
        )


def local_datasets(datasets):
    """Datasets of this process.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets, one dataset, or a `~gammapy.datasets.actors.DatasetsActor`.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        The datasets, with penalties on their parameters; of those that live in another
        process a copy.

    Raises
    ------
    TypeError
        If ``datasets`` has the wrong type.
    """
    if hasattr(datasets, "_actor"):
        datasets = [datasets]
    penalties = getattr(datasets, "_penalties", None)
    try:
        datasets = None if datasets is None else Datasets(datasets)
    except (AttributeError, TypeError):
        raise TypeError(_no_datasets(datasets)) from None
    if datasets is None:
        raise TypeError(_no_datasets(datasets))
    datasets = Datasets([_local_dataset(dataset) for dataset in datasets])
    datasets._penalties = penalties
    return datasets


def _no_datasets(value):
    return (
        "datasets: expected Datasets, a list of datasets or one dataset, got "
        f"{show(value)}."
    )


def _local_dataset(dataset):
    if isinstance(dataset, Dataset):
        return dataset
    # A subclass of what this module defines.
    from .map import MapDataset

    maps = ("counts", "background", "exposure", "psf", "edisp", "mask_safe", "mask_fit")
    maps = {name: getattr(dataset, name) for name in maps}
    return MapDataset(**maps, models=dataset.models, name=dataset.name)
