# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residuals of joint datasets in energy."""

import numpy as np
from astropy.table import Table
from gammapy.modeling.models.backgrounds import is_background
from gammapy.stats.residual_methods import METHODS
from gammapy.stats.residuals import (
    check_residual_method,
    compute_residual_errors,
    compute_residuals,
)
from gammapy.utils.arguments import check_bool, explain_options, show
from gammapy.utils.pbar import progress_bar
from gammapy.utils.plotter import LazyPlotter
from ..core import local_datasets
from .checks import joint_stat_kind, log_without_models, parse_names
from .energies import bins_of_range, common_energy_axis
from .grids import parse_region
from .off_counts import alpha_summands, combine, has_several_alphas, on_off_statistic
from .planes import (
    iter_planes,
    npred_parts,
    weight_levels,
    without_mask_fit,
)
from .significance import summed_significance
from .sky_regions import check_region, pixels_in_region

__all__ = ["SpectralResiduals"]


class SpectralResiduals:
    """Counts and model per energy bin in a region, for one or several datasets.

    Made by `SpectralResiduals.from_datasets`.

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
    ):
        self._axis = axis
        self._arrays = arrays
        self._parts = parts
        self._npred_models = npred_models
        self._region = region
        self._datasets_names = list(datasets_names)
        self._exclude = list(exclude)

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
    ):
        """Compute the joint residuals of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Map or spectrum datasets with or without off counts, or one dataset.
        region : `~regions.SkyRegion` or str, optional
            Region whose pixels are summed: those with the centre inside. It must lie
            inside the map, and may cross the seam of one around the sky. Only for map
            datasets. Default is all pixels.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range; bins outside are masked. Default is all energies.
        exclude : list of str, optional
            Names of model components to leave out of the model. Default is None.
        apply_mask : bool, optional
            Whether ``mask_fit`` applies; ``mask_safe`` always does. Default is True.

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
        datasets = local_datasets(datasets)
        if "background" in datasets.models.names:
            raise ValueError("A component is named 'background': rename it.")
        if region is not None:
            check_region(datasets, parse_region(region))
        return cls._from_datasets(
            datasets,
            region,
            energy_min=energy_min,
            energy_max=energy_max,
            exclude=exclude,
            apply_mask=apply_mask,
        )

    @classmethod
    def _from_datasets(
        cls, datasets, region, *, energy_min, energy_max, exclude=None, apply_mask=True
    ):
        """Compute the residuals without looking at what Gammapy 2.1 allowed.

        A part of the region may lie outside, and a component be named "background".
        """
        apply_mask = check_bool("apply_mask", apply_mask)
        datasets = local_datasets(datasets)
        joint_stat_kind(datasets)
        exclude = parse_names(datasets, exclude)
        region = parse_region(region)
        axis = common_energy_axis(datasets)
        axis_mask = bins_of_range(datasets[0], energy_min, energy_max)
        region_masks = {
            dataset.name: pixels_in_region(dataset, region) for dataset in datasets
        }
        if not any(np.any(mask) for mask in region_masks.values()):
            raise ValueError(
                f"No pixel of the datasets has its centre in the region {show(region)}."
            )

        log_without_models(datasets)
        levels = weight_levels(datasets, apply_mask)
        sums = {}
        npred_models = {
            model.name: np.zeros(axis.nbin)
            for model in datasets.models
            if not is_background(model) and model.name not in exclude
        }
        several_alphas = has_several_alphas(
            datasets, lambda dataset: axis_mask, apply_mask=apply_mask
        )
        for dataset in progress_bar(datasets, desc="Spectra"):
            if not apply_mask:
                dataset = without_mask_fit(dataset)
            for plane in iter_planes(
                dataset, axis_mask, exclude=exclude, levels=levels
            ):
                plane.weights = plane.weights * region_masks[dataset.name]
                for name, values in plane.summands():
                    total = sums.setdefault(name, np.zeros(axis.nbin))
                    total[plane.idx] += values.sum()
                for name, values in alpha_summands(plane) if several_alphas else ():
                    total = sums.setdefault(name, np.zeros(axis.nbin))
                    join = combine(name)
                    total[plane.idx] = join(total[plane.idx], join.reduce(values, None))
                for name, value in plane.component_sums(plane.weights):
                    npred_models[name][plane.idx] += value

        if not sums or not sums["coverage"].any():
            where = "" if region is None else " in the region"
            raise ValueError(
                f"All bins of the datasets are masked{where}, or have no finite model."
            )
        return cls(
            axis,
            sums,
            parts=npred_parts(sums, levels),
            npred_models=npred_models,
            region=region,
            datasets_names=datasets.names,
            exclude=exclude,
        )

    @property
    def energy_axis(self):
        """Energy axis, a `~gammapy.maps.MapAxis`."""
        return self._axis

    @property
    def components(self):
        """Names of the source components."""
        return list(self._npred_models)

    @property
    def region(self):
        """Region, None for all pixels."""
        return self._region

    @property
    def datasets_names(self):
        """Names of the datasets."""
        return self._datasets_names

    @property
    def exclude(self):
        """Names of the components that were left out of the model."""
        # Those that an earlier release pickled have none.
        return getattr(self, "_exclude", [])

    @property
    def mask(self):
        """Energy bins in which at least one dataset contributes."""
        return self._arrays["coverage"] > 0

    @property
    def sqrt_ts(self):
        """Significance per energy bin, NaN where all is masked."""
        return summed_significance(self._arrays, self.mask, self._parts)

    @property
    def is_on_off(self):
        """Whether the background is the one of off counts."""
        return "counts_off" in self._arrays

    @property
    def _stat(self):
        """Statistic that gives the error bars, None for Cash."""
        return on_off_statistic(self._arrays) if self.is_on_off else None

    def to_table(self, method="diff"):
        """Residuals as a table.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "diff".

        Returns
        -------
        table : `~astropy.table.Table`
            One row per energy bin with the columns e_min, e_max, e_ref, counts,
            npred, npred_background, npred_MODEL for each component, residual,
            residual_errn, residual_errp and sqrt_ts. Bins that are fully masked are
            NaN.

        Raises
        ------
        ValueError
            If the method is not known.
        """
        check_residual_method(method)
        arrays, edges = self._arrays, self._axis.edges
        table = Table(meta={"method": method, "datasets": self.datasets_names})
        table["e_min"] = edges[:-1]
        table["e_max"] = edges[1:]
        table["e_ref"] = self._axis.center
        for name in ("counts", "npred", "npred_background"):
            table[name] = arrays[name]
        for name, values in self._npred_models.items():
            if name != "background":
                table[f"npred_{name}"] = values
        counts, npred, variance = (
            arrays[name] for name in ("counts", "npred", "variance")
        )
        sqrt_ts = self.sqrt_ts
        if METHODS[method].is_significance:
            table["residual"] = sqrt_ts
        else:
            table["residual"] = compute_residuals(
                counts, npred, method, variance=variance
            )
        errors = compute_residual_errors(
            counts, npred, method, variance=variance, stat=self._stat
        )
        table["residual_errn"], table["residual_errp"] = errors
        table["sqrt_ts"] = sqrt_ts
        for name in table.colnames[3:]:
            table[name] = np.where(self.mask, table[name], np.nan)
            table[name].info.format = ".4g"
        return table

    def __str__(self):
        table = self.to_table("significance")
        used = table[self.mask]
        return (
            f"{self.__class__.__name__}\n\n"
            f"  datasets_names : {self.datasets_names}\n"
            f"  energy range   : {used['e_min'][0]:.4g} - {used['e_max'][-1]:.4g}"
            f" {used['e_min'].unit}\n"
            f"  energy bins    : {len(used)} of {len(table)}\n"
            f"  counts         : {np.sum(used['counts']):.0f}\n"
            f"  npred          : {np.sum(used['npred']):.2f}\n"
            f"  sum of ts      : {np.sum(used['sqrt_ts'] ** 2):.2f}\n"
        )
