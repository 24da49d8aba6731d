# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base class of residuals against energy, radius and distance along a line."""

import numpy as np
from astropy.table import Table
from gammapy.stats.residual_methods import METHODS
from gammapy.stats.residuals import (
    check_residual_method,
    compute_residual_errors,
    compute_residuals,
)
from .off_counts import on_off_statistic
from .p_value import p_value_of_sum
from .significance import summed_significance
from .table_io import read_residuals, write_residuals

__all__ = []


class BinnedResiduals:
    """Counts and model per bin, for one or several datasets.

    A subclass defines the bins: `_bin_columns`, `_bin_meta`, `_from_bins`.

    Parameters
    ----------
    arrays : dict of `~numpy.ndarray`
        Arrays of shape (n_bins,): "counts", "npred", "npred_background", "variance",
        "coverage" (number of pixels that count), and for on-off datasets
        "counts_off", "acceptance", "acceptance_off" and, where alpha differs, the sums
        of `gammapy.datasets.residuals.off_counts`.
    npred_models : dict of `~numpy.ndarray`
        Predicted counts of each component, by name.
    datasets_names : list of str
        Names of the datasets.
    exclude : list of str
        Names of the components that were left out of the model.
    parts : list of tuple, optional
        Weights of masks and the predicted counts that have this weight, of shape
        (n_bins,). Default is None, all have the weight 1.
    npred_err : `~numpy.ndarray`, optional
        Standard deviation of "npred" from the covariance of the models, shape
        (n_bins,). Default is None, not known.
    """

    def __init__(
        self,
        arrays,
        *,
        npred_models,
        datasets_names=(),
        exclude=(),
        parts=None,
        npred_err=None,
    ):
        self._arrays = arrays
        self._parts = parts
        self._npred_models = npred_models
        self._datasets_names = list(datasets_names)
        self._exclude = list(exclude)
        self._npred_err = npred_err

    @property
    def components(self):
        """Names of the source components."""
        return list(self._npred_models)

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
    def npred_err(self):
        """Standard deviation of the predicted counts, None where it is not known.

        It is that of the model from its covariance, an array of shape (n_bins,).
        """
        return getattr(self, "_npred_err", None)

    @property
    def mask(self):
        """Bins in which at least one dataset contributes."""
        return self._arrays["coverage"] > 0

    @property
    def sqrt_ts(self):
        """Significance per bin, NaN where all is masked."""
        return summed_significance(self._arrays, self.mask, self._parts)

    @property
    def sum_ts(self):
        """Sum of the squares of the significance in all bins that are not masked."""
        return float(np.nansum(self.sqrt_ts[self.mask] ** 2))

    @property
    def p_value(self):
        """P-value of `sum_ts`, without the effect of the fit.

        It is computed from the moments of the statistic at the predicted counts. A fit
        to these counts makes the sum smaller, so the p-value is too large after a fit.
        `~gammapy.diagnostics.GoodnessOfFitEstimator` takes the fit into account. NaN if
        all bins are masked.
        """
        sqrt_ts = np.where(self.mask, self.sqrt_ts, np.nan)
        return p_value_of_sum(self._arrays, sqrt_ts, is_weighted=self.is_weighted)

    def worst_bin(self):
        """Bin in which counts and model differ most.

        Returns
        -------
        row : `~astropy.table.Row` or None
            Its row of ``to_table("significance")``, None when nothing is known.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectralResiduals
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(f"{path}_datasets.yaml")
        >>> row = SpectralResiduals.from_datasets(datasets).worst_bin()
        >>> row["e_min"].round().item()
        10.0
        """
        known = np.isfinite(self.sqrt_ts) & self.mask
        if not known.any():
            return None
        sizes = np.where(known, np.abs(self.sqrt_ts), -1)
        return self.to_table("significance")[int(np.argmax(sizes))]

    @property
    def is_on_off(self):
        """Whether the background is the one of off counts."""
        return "counts_off" in self._arrays

    @property
    def is_weighted(self):
        """Whether the masks have weights, those of the statistic cash_weighted."""
        return any(weight != 1 for weight, _npred in self._parts or [])

    @property
    def _stat(self):
        """Statistic that gives the error bars, None for Cash."""
        return on_off_statistic(self._arrays) if self.is_on_off else None

    def _bin_columns(self):
        """Columns that say what the bins are, a dict of names and values."""
        raise NotImplementedError

    def _bin_meta(self):
        """What else a file needs to know of the bins, plain data."""
        raise NotImplementedError

    @classmethod
    def _from_bins(cls, table, meta, **kwargs):
        """Residuals from the table and metadata of a file."""
        raise NotImplementedError

    def to_table(self, method="diff"):
        """Residuals as a table.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "diff".

        Returns
        -------
        table : `~astropy.table.Table`
            One row per bin: the columns of the bin, counts, npred, npred_background,
            npred_MODEL for each component, residual, residual_errn, residual_errp and
            sqrt_ts. With the error band of the model there are also npred_err, its
            standard deviation, and residual_band, the same in the unit of the residual.
            Fully masked bins are NaN.

        Raises
        ------
        ValueError
            If the method is not known.
        """
        check_residual_method(method)
        table = Table(meta={"method": method, "datasets": self.datasets_names})
        for name, values in self._bin_columns().items():
            table[name] = values
        n_bin_columns = len(table.colnames)
        for name, values in self._counts_columns(method).items():
            table[name] = np.where(self.mask, values, np.nan)
        for name in table.colnames[n_bin_columns:]:
            table[name].info.format = ".4g"
        return table

    def _counts_columns(self, method):
        """Columns of counts, model and residuals, a dict of names and arrays."""
        arrays = self._arrays
        columns = {
            name: arrays[name] for name in ("counts", "npred", "npred_background")
        }
        for name, values in self._npred_models.items():
            if name != "background":
                columns[f"npred_{name}"] = values
        counts, npred, variance = (
            arrays[name] for name in ("counts", "npred", "variance")
        )
        sqrt_ts = self.sqrt_ts
        if METHODS[method].is_significance:
            columns["residual"] = sqrt_ts
        else:
            columns["residual"] = compute_residuals(
                counts, npred, method, variance=variance
            )
        errors = compute_residual_errors(
            counts, npred, method, variance=variance, stat=self._stat
        )
        columns["residual_errn"], columns["residual_errp"] = errors
        columns["sqrt_ts"] = sqrt_ts
        if self.npred_err is not None:
            columns["npred_err"] = self.npred_err
            # The significance changes by this much where counts and model are equal.
            unit = "diff/sqrt(model)" if METHODS[method].is_significance else method
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = METHODS[unit].scale(npred, variance)
                columns["residual_band"] = np.divide(self.npred_err, scale)
        return columns

    def plot(self, method="significance", **kwargs):
        """Draw counts and model, with the residuals below.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method. Default is "significance".
        **kwargs
            ``models`` and ``axes``, as for
            `~gammapy.visualization.plot_spectral_residuals`.

        Returns
        -------
        ax_counts, ax_residuals : tuple of `~matplotlib.axes.Axes`
            The axes.
        """
        return self.plotter.plot(self, method=method, **kwargs)

    def write(self, filename, *, overwrite=False):
        """Write to an ECSV file with the table, and all other data in its header.

        The file is written completely or not at all.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.
        overwrite : bool, optional
            Whether to replace an existing file. Default is False.

        Raises
        ------
        OSError
            If the file exists and is not to be replaced, or has no folder.
        """
        write_residuals(self, filename, overwrite)

    @classmethod
    def read(cls, filename):
        """Read a file that was written with ``write``.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.

        Returns
        -------
        residuals : object of this class
            Residuals, with the same numbers.

        Raises
        ------
        OSError
            If there is no such file.
        ValueError
            If the file holds something else.
        """
        table, meta, kwargs = read_residuals(filename, cls.__name__)
        return cls._from_bins(table, meta, **kwargs)
