# Licensed under a 3-clause BSD style license - see LICENSE.rst
from functools import partial
from gammapy.utils.arguments import check_mapping
from gammapy.utils.plotter import LazyPlotter
from gammapy.utils.scripts import make_path
from .filenames import file_stem


class PlotMixin:
    plotter = LazyPlotter("SpectrumDatasetPlotter")

    def plot_fit(
        self,
        ax_spectrum=None,
        ax_residuals=None,
        # arguments of one panel
        kwargs_spectrum=None,
        kwargs_residuals=None,
    ):
        """Raises
        ------
        ValueError
            If the residual method is not known or all bins are masked, before anything
            is drawn.

        Notes
        -----
        Give both axes or none. The method of the residuals is the entry "method" of
        ``kwargs_residuals``. New axes have the unit in which energies of the dataset
        are shown, TeV for spectra of Cherenkov telescopes in keV, and a title with
        region, statistic and the sum over the bins with its p-value. Of masked energies
        half a decade is shown.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
        >>> folder = "$GAMMAPY_DATA/joint-crab/spectra/hess"
        >>> dataset = SpectrumDatasetOnOff.read(f"{folder}/pha_obs23523.fits")
        >>> spectrum = PowerLawSpectralModel(amplitude="4e-11 TeV-1 s-1 cm-2")
        >>> dataset.models = SkyModel(spectrum, name="crab")
        >>> ax_spectrum, ax_residuals = dataset.plot_fit(
        ...     kwargs_residuals={"method": "significance"}
        ... )
        """
        kwargs_spectrum = check_mapping("kwargs_spectrum", kwargs_spectrum)
        kwargs_residuals = check_mapping("kwargs_residuals", kwargs_residuals)
        plot = partial(
            self._upstream_PlotMixin_plot_fit,
            kwargs_spectrum=kwargs_spectrum,
            kwargs_residuals=kwargs_residuals,
        )
        axes = (
            None if ax_spectrum is ax_residuals is None else (ax_spectrum, ax_residuals)
        )
        return self.plotter.plot_fit(self, plot, axes, **kwargs_residuals)

    def plot_masks(self, ax=None, kwargs_fit=None, kwargs_safe=None):
        """Examples
        --------
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> folder = "$GAMMAPY_DATA/joint-crab/spectra/hess"
        >>> dataset = SpectrumDatasetOnOff.read(f"{folder}/pha_obs23523.fits")
        >>> ax = dataset.plot_counts()
        >>> ax = dataset.plot_masks(ax, kwargs_safe={"color": "pink"})
        """
        return self.plotter.plot_masks(
            self, ax, kwargs_fit=kwargs_fit, kwargs_safe=kwargs_safe
        )

    def plot_residuals(self, *args, **kwargs):
        """Not for a spectrum, which has no map.

        See `SpectrumDataset.plot_residuals_spectral` and `SpectrumDataset.plot_fit`.

        Parameters
        ----------
        *args, **kwargs
            Not used.

        Raises
        ------
        NotImplementedError
            Always; it names the methods that serve.
        """
        raise NotImplementedError(
            f"Dataset {self.name!r} is a spectrum and has no map of residuals; use "
            "plot_residuals_spectral or plot_fit."
        )


class SpectrumDatasetOnOff:
    @classmethod
    def from_dict(cls, data, **kwargs):
        """Notes
        -----
        The dataset has the ``mask_fit`` of the file, and the name of the dictionary.
        OGIP files have no ``mask_fit``.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
        >>> data = {"name": "run", "filename": path}
        >>> SpectrumDatasetOnOff.from_dict(data).name
        'run'
        """
        return cls.read(make_path(data["filename"]), name=data.get("name"))

    def to_dict(self):
        """Notes
        -----
        In "filename" what is no part of a file name is an underscore.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDatasetOnOff
        >>> SpectrumDatasetOnOff(name="23523").to_dict()["filename"]
        'pha_obs23523.fits'
        """
        data = self._upstream_SpectrumDatasetOnOff_to_dict()
        return data | {"filename": f"pha_obs{file_stem(self.name)}.fits"}
