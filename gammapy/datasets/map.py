# Licensed under a 3-clause BSD style license - see LICENSE.rst
from astropy.io import fits
from astropy.table import Table
from gammapy.utils.plotter import LazyPlotter
from gammapy.utils.scripts import make_path
from .residuals.dataset_maps import residual_map


class MapDataset:
    plotter = LazyPlotter("MapDatasetPlotter")

    def residuals(self, method="diff", *, energy_min=None, energy_max=None, **kwargs):
        """Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method, see `gammapy.stats.residuals`. Default is "diff".
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Bins inside the range are used. Default is all energies.
        **kwargs : dict, optional
            Arguments of `~gammapy.maps.WcsNDMap.smooth`. If any of them is set, the
            defaults of the others are ``width="0.1 deg"``, ``kernel="gauss"`` and
            ``mode="constant"``. Default is no smoothing.

        Raises
        ------
        ValueError
            If the method is not known, no bin is in the energy range, or a spectrum is
            to be smoothed. Also if the smoothed significance of an on-off dataset has
            another kernel than "box" or "disk".

        Notes
        -----
        The masks apply before the smoothing, and the effect of their
        borders is corrected: a uniform difference stays uniform. Bins with NaN
        predicted counts are masked. Outside the masks and the energy range the
        residuals are NaN.

        Smoothed "diff/sqrt(model)" is the smoothed difference divided by its standard
        deviation under the model, and smoothed "significance" is scaled by it, so noise
        has the width 1. On-off datasets are compared with the predicted signal and the
        scaled off counts. Only "significance" includes the fluctuation of the off
        counts. With the statistic "cash_weighted" the masks are weights of counts and
        model.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> residuals = datasets[0].residuals(
        ...     "significance", energy_max="0.1 TeV", width="0.1 deg"
        ... )
        """
        return residual_map(
            self, method, energy_min=energy_min, energy_max=energy_max, smooth=kwargs
        )

    def plot_residuals_spatial(
        self,
        ax=None,
        method="diff",
        # how it is smoothed, a number is in pixels
        smooth_kernel="gauss",
        smooth_radius="0.1 deg",
        *,
        energy_min=None,
        energy_max=None,
        models=False,
        models_style="auto",
        **kwargs,
    ):
        """Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method, see `gammapy.stats.residuals`. Default is "diff".
        smooth_kernel : {"gauss", "disk", "box"}
            Kernel of the smoothing. Default is "gauss".
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Default is all energies.
        models : bool, list of str or `~gammapy.modeling.models.Models`, optional
            Components to draw: True for all, False for none, or names. Default is
            False.
        models_style : {"auto", "names", "markers"}, optional
            Labels of the components, see `~gammapy.visualization.plot_models`. Default
            is "auto".
        **kwargs : dict, optional
            Arguments of `~gammapy.maps.WcsNDMap.plot`. Without ``vmin`` and ``vmax``
            the colours end at 5 sigma, or for "diff" and "diff/model" at the extremes
            of the data.

        Raises
        ------
        ValueError
            As in `MapDataset.residuals`, or if the dataset has no map, or a component
            is not known. Nothing is drawn in this case.

        Notes
        -----
        Counts, model and masks are summed over energy first, then smoothed
        as in `MapDataset.residuals`. A corner of the map shows the kernel with its
        size. In maps in sigma, each connected area beyond the range of the colours has
        a dot at its extreme, with the value.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> ax = datasets[0].plot_residuals_spatial(
        ...     method="significance", energy_max="0.1 TeV", models=True
        ... )
        """
        return self.plotter.plot_residuals_spatial(
            self,
            ax,
            method=method,
            smooth_kernel=smooth_kernel,
            smooth_radius=smooth_radius,
            energy_min=energy_min,
            energy_max=energy_max,
            models=models,
            models_style=models_style,
            **kwargs,
        )

    def plot_residuals_spectral(
        self,
        ax=None,
        method="diff",
        # what is summed, and how the masks look
        region=None,
        kwargs_fit=None,
        kwargs_safe=None,
        *,
        energy_min=None,
        energy_max=None,
        **kwargs,
    ):
        """Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method, see `gammapy.stats.residuals`. Default is "diff".
        region : `~regions.SkyRegion` or str, optional
            Region whose pixels are summed. Default is all pixels.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Default is all energies.

        Raises
        ------
        ValueError
            If the method is not known or all bins are masked. Nothing is drawn in this
            case.

        Notes
        -----
        The residuals are those of `SpectralResiduals`: only unmasked pixels are used.
        The error bars are those of the likelihood of the counts in each direction, and
        thus not symmetric for few counts. A fully masked energy bin is a gap. The
        unmasked energies of each mask are shaded.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> ax = datasets[0].plot_residuals_spectral(
        ...     method="significance", region="galactic;circle(184.6, -5.8, 0.5)"
        ... )
        """
        return self.plotter.plot_residuals_spectral(
            self,
            ax,
            method=method,
            region=region,
            kwargs_fit=kwargs_fit,
            kwargs_safe=kwargs_safe,
            energy_min=energy_min,
            energy_max=energy_max,
            **kwargs,
        )

    def plot_residuals(
        self,
        ax_spatial=None,
        ax_spectral=None,
        # arguments of one panel
        kwargs_spatial=None,
        kwargs_spectral=None,
        *,
        energy_min=None,
        energy_max=None,
        models=False,
        models_style="auto",
        method=None,
    ):
        """Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. Default is all energies.
        models : bool, list of str or `~gammapy.modeling.models.Models`, optional
            Components to draw on the map. Default is False.
        models_style : {"auto", "names", "markers"}, optional
            Labels of the components, see `~gammapy.visualization.plot_models`. Default
            is "auto".
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}, optional
            Residual method of both panels. Default is None, the default of each panel.

        Raises
        ------
        ValueError
            As in the methods for the panels. Nothing is drawn in this case.

        Notes
        -----
        ``kwargs_spatial`` and ``kwargs_spectral`` take precedence over
        other arguments.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> region = "galactic;circle(184.6, -5.8, 0.5)"
        >>> ax_spatial, ax_spectral = datasets[0].plot_residuals(
        ...     method="significance", kwargs_spectral={"region": region}, models=True
        ... )
        """
        return self.plotter.plot_residuals(
            self,
            ax_spatial,
            ax_spectral,
            kwargs_spatial=kwargs_spatial,
            kwargs_spectral=kwargs_spectral,
            method=method,
            energy_min=energy_min,
            energy_max=energy_max,
            models=models,
            models_style=models_style,
        )

    @classmethod
    def _read_lazy(cls, name, filename, cache, format="gadf"):
        dataset = cls._upstream_MapDataset__read_lazy(name, filename, cache, format)
        # It is small, and without it a dataset does not know its observations.
        with fits.open(make_path(filename), memmap=False) as hdulist:
            if "META_TABLE" in hdulist:
                dataset.meta_table = Table.read(hdulist, hdu="META_TABLE")
        return dataset
