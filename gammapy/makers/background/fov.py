# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from types import NoneType
import numpy as np
from gammapy.datasets import Datasets, MapDataset
from gammapy.maps import Map, RegionGeom
from gammapy.modeling import Fit
from gammapy.modeling.automatic import run_fit
from gammapy.modeling.fit_log import log_row
from gammapy.modeling.fit_table import fit_row, unique_parameter_names
from gammapy.modeling.models import Models
from gammapy.utils.arguments import check_number, check_type
from .nuisance import (
    bins_in_range,
    energy_range,
    keep_row,
    masked_sum,
    nuisance_table,
    observation_id,
)
from .options import parse_options

log = logging.getLogger(__name__)

NUISANCE_LABEL = "fov_background"


class FoVBackgroundMaker:
    """Parameters
    ----------
    fit : `~gammapy.modeling.Fit`, optional
        Fit. Default is None, a fit with default options. It uses Newton's method if
        only norms are free, see `~gammapy.modeling.Fit`.
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range of the normalisation. Bins inside the range are used. The masks of
        the dataset do not change. Default is all energies.
    debug : bool, optional
        Whether to keep the fitted values in the ``meta_table`` of the dataset, see
        `FoVBackgroundMaker.nuisance`, and to log them in one line at level INFO. The
        fitted values do not depend on it. Default is False.

    Notes
    -----
    If a dataset does not meet the requirements, its ``mask_safe`` is set to
    False everywhere.

    Examples
    --------
    >>> from gammapy.datasets import MapDataset
    >>> from gammapy.makers import FoVBackgroundMaker
    >>> from gammapy.maps import Map, MapAxis
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    >>> background = Map.create(width=1, binsz=0.1, axes=[axis])
    >>> background.data += 4
    >>> dataset = MapDataset(counts=background * 1.5, background=background)
    >>> maker = FoVBackgroundMaker(energy_max="4 TeV")
    >>> dataset = maker.run(dataset)
    >>> dataset.background_model.parameters["norm"].value
    1.5
    """

    # Also of a maker that was pickled before there were these options.
    energy_min = None
    energy_max = None
    debug = False
    _fit_result = None

    def __init__(
        self,
        method="scale",
        exclusion_mask=None,
        # for a dataset without background model
        spectral_model="pl-norm",
        spatial_model=None,
        # what a dataset must have to be normalised
        min_counts=0,
        min_npred_background=0,
        fit=None,
        *,
        energy_min=None,
        energy_max=None,
        debug=False,
    ):
        common = parse_options(exclusion_mask, energy_min, energy_max, debug)
        check_number("min_counts", min_counts)
        check_number("min_npred_background", min_npred_background)
        check_type("fit", fit, (Fit, NoneType), "a Fit or None")
        self._upstream_FoVBackgroundMaker___init__(
            method,
            exclusion_mask,
            spectral_model,
            spatial_model,
            min_counts,
            min_npred_background,
            fit,
        )
        self.energy_min, self.energy_max, self.debug = common

    @staticmethod
    def nuisance(datasets):
        """Results of the normalisation of each observation, kept with ``debug=True``.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.MapDataset`
            Datasets, stacked or not.

        Returns
        -------
        table : `~astropy.table.Table`
            One row per observation: dataset that contains it, obs_id, method,
            energy_min, energy_max, counts_off (counts used by the normalisation),
            npred_off, n_bins, stat (in these bins), success, message, nfev, at_limit,
            undetermined, and value and error of the free parameters of the background
            model. None without debug.

        Notes
        -----
        The values are stored with the datasets, and written and read with them.

        Examples
        --------
        >>> from gammapy.datasets import MapDataset
        >>> from gammapy.makers import FoVBackgroundMaker
        >>> from gammapy.maps import Map, MapAxis
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
        >>> background = Map.create(width=1, binsz=0.1, axes=[axis])
        >>> background.data += 4
        >>> dataset = MapDataset(counts=background * 1.5, background=background)
        >>> maker = FoVBackgroundMaker(method="fit", debug=True)
        >>> dataset = maker.run(dataset)
        >>> table = FoVBackgroundMaker.nuisance(dataset)
        >>> print(table["counts_off", "npred_off", "norm", "norm_err"])
        counts_off npred_off norm norm_err
        ---------- --------- ---- --------
              1200      1200  1.5   0.0433
        """
        return nuisance_table(datasets, NUISANCE_LABEL)

    def run(self, dataset, observation=None):
        """Parameters
        ----------
        observation : `~gammapy.data.Observation`, optional
            Not used.

        Returns
        -------
        dataset : `~gammapy.datasets.MapDataset`
            The same dataset, with its background normalised.

        Raises
        ------
        TypeError
            If the dataset is on a region, or is not a map dataset.
        """
        check_type("dataset", dataset, MapDataset, "a MapDataset")
        if isinstance(dataset.counts.geom, RegionGeom):
            raise TypeError(
                f"FoVBackgroundMaker needs maps; {dataset.name!r} is on a region."
            )
        if dataset.background_model is None:
            dataset = self.make_default_fov_background_model(dataset)

        mask_fit, stat = dataset.mask_fit, np.nan
        masks = [dataset.mask_safe, self._normalisation_mask(dataset)]
        dataset.mask_fit = masks[1]
        try:
            dataset, outcome = self._normalise(dataset)
            if self.debug and outcome == "Scaled.":
                stat = dataset.stat_sum()
        finally:
            dataset.mask_fit = mask_fit
        if self.debug:
            row = self._row(dataset, masks, outcome, stat)
            keep_row(dataset, NUISANCE_LABEL, row)
            identify = {"dataset": dataset.name, "obs_id": row["obs_id"]}
            log_row(log, NUISANCE_LABEL, row, identify=identify)
        return dataset

    def _normalisation_mask(self, dataset):
        """Bins to normalise in: exclusion mask, fit mask and energy range."""
        mask = self.make_exclusion_mask(dataset)
        if dataset.mask_fit is not None:
            mask = mask * dataset.mask_fit
        if self.energy_min is not None or self.energy_max is not None:
            inside = bins_in_range(mask.geom, self.energy_min, self.energy_max)
            data = mask.data.astype(bool) & inside
            mask = Map.from_geom(mask.geom, data=data)
        return mask

    def _normalise(self, dataset):
        """Scale or fit, or mask the dataset, and say in words what was done."""
        self._fit_result = None
        reason = self._rejection(dataset)
        if reason:
            self._reject(dataset, reason)
            return dataset, f"Rejected: {reason}."
        if self.method == "fit":
            return self.make_background_fit(dataset), "Fitted."
        return self.make_background_scale(dataset), "Scaled."

    def _rejection(self, dataset):
        """Why a dataset cannot be normalised, "" when it can."""
        total = self._make_masked_summed_counts(dataset)
        if total["n_bins"] == 0:
            return "No bin is inside the masks and the energy range"
        counts, background = total["counts"], total["bkg"]
        excess = counts - (total["npred"] - background)
        with np.errstate(divide="ignore", invalid="ignore"):
            is_finite = np.isfinite(np.divide(excess, background))
        if not is_finite:
            return "Non-finite normalisation value"
        if background <= self.min_npred_background:
            return f"Only {int(background)} background counts outside exclusion mask"
        if counts <= self.min_counts:
            return f"Only {int(counts)} counts outside exclusion mask"
        return "Negative residuals counts" if excess <= 0 else ""

    def _make_masked_summed_counts(self, dataset):
        """Notes
        -----
        Bins with NaN predicted counts are ignored; "n_bins" includes them.
        """
        background = dataset.npred_background().data
        npred = background
        if dataset.evaluators or np.min(background) < 0:
            # It has the sources, and negative bins count as 0.
            npred = dataset.npred().data
        used = dataset.mask.data.astype(bool)
        n_bins = np.count_nonzero(used)
        if np.isnan(np.sum(npred)):
            used = used & ~np.isnan(npred)
        counts, total = masked_sum(dataset.counts.data, used), masked_sum(npred, used)
        bkg = total if npred is background else masked_sum(background, used)
        return {"counts": counts, "npred": total, "bkg": bkg, "n_bins": n_bins}

    def _verify_requirements(self, dataset):
        return not self._rejection(dataset)

    @staticmethod
    def _reject(dataset, reason):
        """Mask a dataset that could not be normalised, with a warning."""
        log.warning(
            f"FoVBackgroundMaker failed. {reason} for {dataset.name}. "
            "Setting mask to False."
        )
        geom = dataset.counts.geom
        dataset.mask_safe = Map.from_geom(geom, data=False, dtype=bool)

    def make_background_fit(self, dataset):
        """Notes
        -----
        The same dataset is returned, fully masked if the fit failed. Source
        models and templates do not change.
        """
        background_model = dataset.background_model
        others = Models(
            [model for model in dataset.models if model is not background_model]
        )
        with others.restore_status(restore_values=False):
            others.freeze()
            self._fit_result = run_fit(self.fit, Datasets([dataset]), self.tag, Fit)
        if not self._fit_result.success:
            self._reject(dataset, "Fit did not converge")
        return dataset

    def make_background_scale(self, dataset):
        """Notes
        -----
        The factor multiplies the norm, so a second call changes nothing.
        """
        total = self._make_masked_summed_counts(dataset)
        signal = total["npred"] - total["bkg"]
        norm = dataset.background_model.spectral_model.norm
        unscaled = total["bkg"] / norm.value
        norm.value = (total["counts"] - signal) / unscaled
        # The variance is that of all counts, those of the sources included.
        norm.error = np.sqrt(total["counts"]) / unscaled
        return dataset

    def _used_bins(self, dataset, masks):
        """Counts, prediction, number and energies of the bins that were used."""
        used = getattr(self._fit_result, "used_bins", None)
        if used is not None:
            # The fit has them at hand; the model need not be evaluated again.
            return used[0]
        mask = np.ones(dataset.data_shape, dtype=bool)
        for used in masks:
            if used is not None:
                mask &= used.data.astype(bool)
        energy_min, energy_max = energy_range(dataset.counts.geom, mask)
        return {
            "energy_min": energy_min,
            "energy_max": energy_max,
            "counts": masked_sum(dataset.counts.data, mask),
            "npred": masked_sum(dataset.npred().data, mask),
            "n_bins": int(mask.sum()),
        }

    def _row(self, dataset, masks, outcome, stat):
        """Row of one observation: used bins, and outcome.

        Parameters
        ----------
        dataset : `~gammapy.datasets.MapDataset`
            Dataset after the normalisation.
        masks : list of `~gammapy.maps.WcsNDMap` or None
            Masks of the bins that the normalisation used.
        outcome : str
            What was done; the message when there was no fit.
        stat : float
            Fit statistic when there was no fit.

        Returns
        -------
        row : dict
            The same entries whatever happened.
        """
        model, result = dataset.background_model, self._fit_result
        norm = model.spectral_model.norm if outcome == "Scaled." else None
        errors = {id(norm): norm.error} if norm is not None else {}
        covariance = None if result is None else result.covariance_result
        if covariance is not None and covariance.success:
            errors = {id(par): par.error for par in model.parameters}
        fitted = fit_row(
            Models([model]),
            None if result is None else result.optimize_result,
            message=outcome,
            names=_short_names(model),
            errors=errors,
        )
        if result is None:
            fitted["success"], fitted["stat"] = norm is not None, float(stat)
        elif not result.success and fitted["success"]:
            fitted["success"] = False
            fitted["message"] = str(covariance.message)

        used = self._used_bins(dataset, masks)
        return {
            "obs_id": observation_id(dataset),
            "method": self.method,
            "energy_min": used["energy_min"],
            "energy_max": used["energy_max"],
            "counts_off": used["counts"],
            "npred_off": used["npred"],
            "n_bins": used["n_bins"],
            **fitted,
        }


def _short_names(model):
    """Bare names of the parameters, with the part of the model where they clash."""
    names = [par.name for par in model.parameters]
    short = dict(zip(map(id, model.parameters), names, strict=True))
    if len(set(names)) < len(names):
        unique = unique_parameter_names([model])
        for key, name in short.items():
            if names.count(name) > 1:
                short[key] = unique[key].removeprefix(f"{model.name}.")
    return short
