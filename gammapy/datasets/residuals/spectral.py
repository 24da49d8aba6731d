# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in energy."""

import numpy as np
import astropy.units as u
from gammapy.maps import MapAxis
from gammapy.maps.energy_bins import energy_format, energy_unit, format_energy_range
from gammapy.utils.arguments import check_bool, explain_options, show
from gammapy.utils.plotter import LazyPlotter
from ..core import local_datasets
from .bands import make_band
from .binned import BinnedResiduals
from .cells import EnergyCells, sum_cells
from .checks import joint_stat_kind, log_without_models, parse_names
from .energies import bins_of_range, common_energy_axis, in_unit
from .grids import parse_region
from .sky_regions import check_region, pixels_in_region
from .table_io import region_from_text, region_to_text

__all__ = ["SpectralResiduals"]


class SpectralResiduals(BinnedResiduals):
    """Counts and model per energy bin in a region, for one or several datasets.

    Created by `SpectralResiduals.from_datasets`.

    Parameters
    ----------
    axis : `~gammapy.maps.MapAxis`
        Energy axis.
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_energy,): "counts", "npred", "npred_background", "variance",
        "coverage" (number of pixels that count), and for on-off datasets
        "counts_off", "acceptance", "acceptance_off" and, where alpha differs, the sums
        of `gammapy.datasets.residuals.off_counts`.
    npred_models : dict of `~numpy.ndarray`
        Predicted counts of each component, by name.
    region : `~regions.SkyRegion`, optional
        Region. Default is None, all pixels.
    datasets_names : list of str
        Names of the datasets.
    exclude : list of str
        Names of the components that were left out of the model.
    parts : list of tuple, optional
        Weights of masks and the predicted counts that have this weight, of shape
        (n_energy,). Default is None, all have the weight 1.
    npred_err : `~numpy.ndarray`, optional
        Standard deviation of "npred" from the covariance of the models, shape
        (n_energy,). Default is None, not known.
    """

    plotter = LazyPlotter("SpectralResidualsPlotter")

    def __init__(
        self,
        axis,
        arrays,
        *,
        npred_models,
        region=None,
        datasets_names=(),
        exclude=(),
        parts=None,
        npred_err=None,
    ):
        super().__init__(
            arrays,
            npred_models=npred_models,
            datasets_names=datasets_names,
            exclude=exclude,
            parts=parts,
            npred_err=npred_err,
        )
        self._axis = axis
        self._region = region

    @classmethod
    @explain_options
    def from_datasets(
        cls,
        datasets,
        region=None,
        *,
        energy_min=None,
        energy_max=None,
        exclude=None,
        apply_mask=True,
        band=False,
        energy_unit=None,
    ):
        """Compute the joint residuals of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Map or spectrum datasets with or without off counts, or one dataset.
        region : `~regions.SkyRegion` or str, optional
            Region. Pixels with their centre inside are summed. It must lie inside the
            maps, and may cross the seam of an all-sky map. Only for map datasets.
            Default is all pixels.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range; bins outside are masked. Default is all energies.
        exclude : list of str, optional
            Names of model components to leave out of the model. Default is None.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.
        band : bool or `~gammapy.modeling.models.DatasetModels`, optional
            Whether to compute `npred_err`, the error band of the model, from the
            covariance of `~gammapy.datasets.Datasets` after a fit, or with models that
            were read. A list of datasets has no correlations between models: pass the
            models of the fit, ``fit_result.models``. It takes two evaluations of the
            model for each free parameter. Default is False.
        energy_unit : `~astropy.units.Unit` or str, optional
            Unit of the energies in tables, figures and texts. Default is that of the
            energy axis of the datasets, see `~gammapy.maps.energy_bins.energy_unit`.

        Returns
        -------
        residuals : `SpectralResiduals`
            Residuals.

        Raises
        ------
        ValueError
            If the datasets do not share an energy axis, mix statistics or are fully
            masked in the region, if the region has no pixel or reaches beyond the
            maps, or if a name is unknown.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectralResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(
        ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
        ... )
        >>> region = "galactic;circle(184.6, -5.8, 0.5)"
        >>> residuals = SpectralResiduals.from_datasets(datasets, region)
        >>> table = residuals.to_table("diff/sqrt(model)")
        >>> table["counts"].tolist()
        [1751.0, 472.0, 177.0, 37.0, 9.0]
        """
        local = local_datasets(datasets)
        if "background" in local.models.names:
            raise ValueError("A component is named 'background': rename it.")
        if region is not None:
            check_region(local, parse_region(region))
        return cls._from_datasets(
            datasets,
            region,
            energy_min=energy_min,
            energy_max=energy_max,
            exclude=exclude,
            apply_mask=apply_mask,
            band=band,
            energy_unit=energy_unit,
        )

    @classmethod
    def _from_datasets(
        cls,
        datasets,
        region,
        *,
        energy_min,
        energy_max,
        exclude=None,
        apply_mask=True,
        band=False,
        energy_unit=None,
    ):
        """Compute the residuals without two of the checks.

        A part of the region may lie outside, and a component be named "background".
        """
        apply_mask = check_bool("apply_mask", apply_mask)
        source, datasets = datasets, local_datasets(datasets)
        joint_stat_kind(datasets)
        exclude = parse_names(datasets, exclude)
        region = parse_region(region)
        axis = common_energy_axis(datasets, unit=energy_unit)
        axis_mask = bins_of_range(datasets[0], energy_min, energy_max)
        region_masks = {
            dataset.name: pixels_in_region(dataset, region) for dataset in datasets
        }
        if not any(np.any(mask) for mask in region_masks.values()):
            raise ValueError(
                f"No pixel of the datasets has its centre in the region {show(region)}."
            )

        log_without_models(datasets)
        band = make_band(band, source, datasets, axis.nbin)
        sums = sum_cells(
            datasets,
            EnergyCells(axis.nbin, region_masks),
            dict.fromkeys(datasets.names, axis_mask),
            exclude=exclude,
            apply_mask=apply_mask,
            band=band,
        )
        if not sums.used:
            where = "" if region is None else " in the region"
            raise ValueError(
                f"All bins of the datasets are masked{where}, or have no finite model."
            )
        return cls(
            axis,
            sums.sums,
            parts=sums.parts,
            npred_models=sums.npred_models,
            region=_region_of_spectra(datasets) if region is None else region,
            datasets_names=datasets.names,
            exclude=exclude,
            npred_err=None if band is None else band.npred_err,
        )

    @property
    def energy_axis(self):
        """Energy axis, a `~gammapy.maps.MapAxis`."""
        return self._axis

    @property
    def region(self):
        """Region, None for all pixels.

        Spectra have that of their geometry, None when it is not the same for all.
        """
        return self._region

    @property
    def is_of_spectra(self):
        """Whether each dataset has one pixel, the region of a spectrum."""
        return bool(np.max(self._arrays["coverage"]) <= len(self.datasets_names))

    def to_table(self, method="diff"):
        table = super().to_table(method)
        for name in ("e_min", "e_max", "e_ref"):
            table[name].info.format = energy_format(self._axis.edges)
        return table

    to_table.__doc__ = BinnedResiduals.to_table.__doc__

    def _bin_columns(self):
        edges = self._axis.edges
        return {"e_min": edges[:-1], "e_max": edges[1:], "e_ref": self._axis.center}

    def _bin_meta(self):
        return {
            "region": region_to_text(self._region),
            "interp": str(self._axis.interp),
            "energy_unit": str(self._axis.unit),
        }

    @classmethod
    def _from_bins(cls, table, meta, *, arrays, **kwargs):
        low, high = table["e_min"].quantity, table["e_max"].quantity
        edges = u.Quantity([*low, high[-1]])
        axis = MapAxis.from_energy_edges(edges, interp=meta["interp"])
        # Older files have the unit of the datasets, which may not be legible.
        axis = in_unit(axis, energy_unit(axis, meta.get("energy_unit")))
        return cls(axis, arrays, region=region_from_text(meta["region"]), **kwargs)

    def __str__(self):
        table = self.to_table("significance")
        used = table[self.mask]
        bounds = used["e_min"].quantity[0], used["e_max"].quantity[-1]
        energies = format_energy_range(*bounds, self._axis.unit)
        return (
            f"{self.__class__.__name__}\n\n"
            f"  datasets_names : {self.datasets_names}\n"
            f"  energy range   : {energies}\n"
            f"  energy bins    : {len(used)} of {len(table)}\n"
            f"  counts         : {np.sum(used['counts']):.0f}\n"
            f"  npred          : {np.sum(used['npred']):.2f}\n"
            f"  sum of ts      : {np.sum(used['sqrt_ts'] ** 2):.2f}\n"
        )


def _region_of_spectra(datasets):
    """Region that all datasets share as their geometry, None when there is none."""
    geoms = [dataset.counts.geom for dataset in datasets]
    if not all(geom.is_region for geom in geoms):
        return None
    regions = [geom.region for geom in geoms]
    return regions[0] if all(region == regions[0] for region in regions) else None
