# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Flux points from templates of all components, if only norms are fitted.

The predicted counts of an energy bin are a part of those of the whole cube. So one
evaluation of each component is sufficient for all flux points, with errors, upper
limits and scans.
"""

import copy
import logging
from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.maps.energy_bins import energy_unit, format_energy_range
from gammapy.modeling import Fit
from gammapy.modeling.automatic import (
    STEPS,
    Choice,
    choose,
    choose_others,
    replaced_method,
    why_not_asked,
)
from gammapy.modeling.fit_table import (
    norm_row,
    undetermined_names,
    unique_parameter_names,
)
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.newton import confidence_norm, fit_norms
from gammapy.modeling.newton.asimov import asimov_ts, keeps_all_bins
from gammapy.modeling.newton.sums import stats_along
from ..notes import limit_note, undetermined_notes
from ..parameter import ParameterEstimator, value_of_significance

__all__ = []

log = logging.getLogger(__name__)

#: Methods that an estimator must not have changed, for they are not called.
REPLACED = (
    "get_scale_model",
    "estimate_best_fit",
    "estimate_ts",
    "estimate_errn_errp",
    "estimate_ul",
    "estimate_scan",
    "estimate_counts",
    "estimate_npred",
    "estimate_npred_excess",
)

#: Method that is not called where templates tell the sensitivity.
SENSITIVITY = "estimate_sensitivity"


@dataclass(frozen=True)
class EnergyBin:
    """What reference fluxes need of an axis with one energy bin.

    Such an axis takes as long to make as a fit. All have the shape (1,).
    """

    center: u.Quantity
    edges_min: u.Quantity
    edges_max: u.Quantity

    @classmethod
    def from_edges(cls, edges):
        """Bin between two energies."""
        # The mean of the logarithms has the digits of the center of an axis.
        center = np.exp(np.mean(np.log(edges.value), keepdims=True))
        return cls(center * edges.unit, edges[:1], edges[1:])


class NormFluxPoints:
    """Flux points by Newton's method.

    Make them with `from_estimator`.

    Parameters
    ----------
    estimator : `~gammapy.estimators.FluxPointsEstimator`
        The options.
    models : `~gammapy.modeling.models.DatasetModels`
        Models of the datasets.
    norm : `~gammapy.modeling.Parameter`
        Norm that multiplies the source.
    templates : `~gammapy.modeling.templates.NormTemplates`
        Templates of the norm, which is the first one, and of all that is fitted with
        it.
    """

    def __init__(self, estimator, models, norm, templates):
        self.estimator = estimator
        self.norm = norm
        self.templates = templates
        self.others = templates.parameters[1:]
        self.names = unique_parameter_names(models)
        self._all_names = self.names | {id(norm): f"norm of {estimator.source}"}
        self.model = estimator.get_scale_model(models)
        self._numbers = {}

    @classmethod
    def from_estimator(cls, estimator, datasets, base):
        """Make the templates.

        Parameters
        ----------
        estimator : `~gammapy.estimators.FluxPointsEstimator`
            The options.
        datasets : `~gammapy.datasets.Datasets`
            Datasets.
        base : type
            `~gammapy.estimators.FluxPointsEstimator`, of which the estimator may be a
            subclass.

        Returns
        -------
        points : `NormFluxPoints`
            None when these options, datasets or models need the optimiser. A message
            at level DEBUG says which way is taken and why.
        """
        fit, norm = estimator.fit, estimator.norm.copy()
        reason = why_not_asked(fit, STEPS) or _why_not(estimator, datasets, base)
        choice = Choice(fit.backend, reason=reason)
        if not reason:
            source, others = _norms(estimator, datasets)
            new = _copies(datasets, datasets.models)
            try:
                scales = {source.name: norm}
                choice = choose(fit, new, others, steps=STEPS, scales=scales)
            except NotLinearError:
                # The backend "newton" was asked for, and can do without templates.
                choice = choose_others(fit, datasets, others)
                if choice.backend != "newton" or not choice.is_fast:
                    raise
        choice.log(estimator.tag)
        if choice.templates is None:
            return None
        return cls(estimator, datasets.models, norm, choice.templates)

    def estimate(self, datasets, energy_min, energy_max):
        """Estimate a flux point.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.
        energy_min, energy_max : `~astropy.units.Quantity`
            Energy bounds.

        Returns
        -------
        result : dict
            As of `~gammapy.estimators.FluxPointsEstimator.estimate_flux_point`; None
            when the optimiser has to make it.
        """
        groups = self._select(energy_min, energy_max)
        templates = self._slice(groups)
        if not templates.planes.n_bins.any():
            return None
        fit = fit_norms(templates)
        templates = fit.templates
        is_known = fit.success and not fit.undetermined[0]
        if not is_known and self.estimator.fit.is_automatic:
            choice = Choice(self.estimator.fit.backend, reason=fit.message)
            choice.log(self.estimator.tag)
            return None
        unknown = undetermined_names(fit, templates.parameters, self._all_names)
        for note in undetermined_notes(unknown):
            self.estimator._note(note)
        used = [idx for idx, group in enumerate(groups) if group is not None]
        result = self._reference(groups)
        result |= {
            "norm": fit.values[0],
            "stat": fit.stat,
            "success": fit.success,
            "norm_err": fit.errors[0] * self.estimator.n_sigma,
        }
        npred = templates.npred_sums(fit.values)
        null = self._fit_at(templates, fit, self.estimator.null_value)
        result |= self._test(null, fit) | {"npred": npred[used]}
        result |= self._selected(null.templates, fit)
        if "sensitivity" in self.estimator.selection_optional:
            if self._knows_sensitivity(templates):
                result["norm_sensitivity"] = self._sensitivity(templates, fit)
            else:
                sliced = self._sliced_datasets(datasets, energy_min, energy_max, fit)
                norm = sliced.models[self.estimator.source].spectral_model.norm
                result |= self.estimator.estimate_sensitivity(sliced, norm)
        excess = templates.template_sums(0) * fit.values[0]
        result |= {
            "counts": templates.counts_sums().astype(int)[used],
            "datasets": [datasets.names[idx] for idx in used],
            "npred_excess": excess[used],
        }
        if self.estimator.debug:
            result["nuisance_fit"] = self._row(templates, fit)
        return result

    def _row(self, templates, fit):
        """Row of nuisance values of a fit."""
        row = norm_row(fit.select(slice(1, None)), self.others, self.names)
        return row | templates.measured_background(fit.values)

    # --- energies ----------------------------------------------------------

    def _select(self, energy_min, energy_max):
        """First and last energy bin of each dataset; None where there is none."""
        return [
            self._group(dataset.axis, energy_min, energy_max)
            for dataset in self.templates.datasets
        ]

    def _group(self, axis, energy_min, energy_max):
        """First and last bin of an axis, as `slice_by_energy` finds them."""
        bounds = u.Quantity([energy_min, energy_max]).to_value("TeV").tolist()
        key = axis.edges.to_value("TeV").tobytes()
        known = self._numbers.setdefault(key, {})
        if not known.keys() >= set(bounds):
            # Those of all flux points at once: it takes as long as one.
            energies = [*self.estimator.energy_edges.to_value("TeV"), *bounds]
            known |= _edge_numbers(axis, energies)
        first, end = (known[bound] for bound in bounds)
        return (first, end - 1) if first < end else None

    def _slice(self, groups):
        """Templates of the bins of a flux point."""
        planes = self.templates.planes
        first, last = np.transpose(
            [(1, 0) if group is None else group for group in groups]
        )
        is_inside = planes.energy >= first[planes.dataset]
        return self.templates.select_planes(
            is_inside & (planes.energy <= last[planes.dataset])
        )

    def _reference(self, groups):
        """Energies and fluxes of the reference model."""
        edges = u.Quantity(
            [
                dataset.axis.edges[[group[0], group[1] + 1]]
                for dataset, group in zip(self.templates.datasets, groups, strict=True)
                if group is not None
            ]
        )
        energies = u.Quantity([edges.min(), edges.max()])
        if np.any(self.model(energies).value < 0):
            unit = energy_unit(self.templates.datasets[0].axis)
            log.warning(
                f"The spectrum of {self.estimator.source!r} is negative within "
                f"{format_energy_range(*energies, unit)}, so its flux points may "
                "not be meaningful."
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            fluxes = self.model.reference_fluxes(EnergyBin.from_edges(energies))
        return {name: value.item() for name, value in fluxes.items()}

    # --- what is asked of a flux point -------------------------------------

    def _fit_at(self, templates, fit, value):
        """Fit of the others with the norm at a value."""
        return fit_norms(templates, start=fit.values, fixed={self.norm: value})

    def _test(self, null, fit):
        """Test statistic against the null hypothesis, from the fits of both."""
        stat = null.stat
        if np.isposinf(stat):
            # Counts without a background: finite, as Gammapy truncates the logarithm.
            stat = null.templates.stat_sum(null.values)
        result = {"ts": stat - fit.stat, "stat_null": stat}
        if self.estimator.debug and self.estimator.reoptimize:
            result["nuisance_null"] = self._row(null.templates, null)
        return result

    def _selected(self, templates, fit):
        """Asymmetric errors, upper limit and scan, as far as they are selected."""
        selected, result = self.estimator.selection_optional, {}
        if "errn-errp" in selected:
            n_sigma = self.estimator.n_sigma
            errors = confidence_norm(templates, fit, self.norm, sigma=n_sigma)
            for end, sign in (("errp", 1), ("errn", -1)):
                result[f"norm_{end}"] = errors[end]
                if end in errors["beyond_bound"]:
                    note = limit_note(f"norm_{end}", self.norm, n_sigma, sign)
                    self.estimator._note(note)
        if "ul" in selected:
            n_sigma = self.estimator.n_sigma_ul
            errors = confidence_norm(
                templates, fit, self.norm, sigma=n_sigma, ends="upper"
            )
            result["norm_ul"] = errors["errp"] + fit.values[0]
            if errors["beyond_bound"]:
                self.estimator._note(limit_note("norm_ul", self.norm, n_sigma, 1))
        if "scan" in selected:
            # Without other values they depend on value and error.
            norm = self.estimator.norm.copy()
            norm.value, norm.error = fit.values[0], fit.errors[0]
            values = norm.scan_values
            stats = self._scan(templates, fit, values)
            result |= {"norm_scan": values, "stat_scan": stats}
        return result

    def _scan(self, templates, fit, values):
        """Statistic at values of the norm."""
        if templates.n_norms == 1:
            return stats_along(templates, values)
        stats = []
        for value in values:
            held = self._fit_at(templates, fit, value)
            templates = held.templates
            stats.append(held.stat)
        return np.array(stats)

    def _knows_sensitivity(self, templates):
        """Whether templates are all that a sensitivity needs."""
        own = replaced_method(self.estimator, ParameterEstimator, [SENSITIVITY])
        return not own and keeps_all_bins(templates)

    def _sensitivity(self, templates, fit):
        """Norm above its null value that makes the source significant."""
        norms, null = fit.values.copy(), fit.values.copy()
        null[0] = self.estimator.null_value
        norm = self.norm.copy()
        norm.value, norm.error = fit.values[0], fit.errors[0]

        def excess(value):
            norms[0] = value
            ts = asimov_ts(templates, norms, null)
            return np.sqrt(max(ts, 0)) - self.estimator.n_sigma_sensitivity

        return value_of_significance(excess, norm, null[0]) - null[0]

    def _sliced_datasets(self, datasets, energy_min, energy_max, fit):
        """Datasets and models of a flux point at its best fit."""
        sliced = datasets.slice_by_energy(energy_min=energy_min, energy_max=energy_max)
        models = datasets.models._slice_by_energy(
            energy_min=energy_min, energy_max=energy_max
        )
        positions = {id(par): idx for idx, par in enumerate(datasets.models.parameters)}
        parameters = models.parameters
        for par, value in zip(self.others, fit.values[1:], strict=True):
            parameters[positions[id(par)]].value = value
        source = models[self.estimator.source]
        source.parameters.freeze_all()
        source.spectral_model = self.estimator.get_scale_model(models)
        norm = source.spectral_model.norm
        norm.value, norm.error = fit.values[0], fit.errors[0]
        sliced.models = models
        if not self.estimator.reoptimize:
            sliced.parameters.freeze_all()
            norm.frozen = False
        return sliced


def newton_fit(estimator, datasets):
    """Fit by Newton's method for flux points with free shapes and spectra of others.

    Parameters
    ----------
    estimator : `~gammapy.estimators.FluxPointsEstimator`
        The options.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Returns
    -------
    fit : `~gammapy.modeling.Fit`
        None where the fit of the estimator is to be taken.
    """
    is_local = isinstance(datasets, Datasets) and bool(datasets.models)
    if not (estimator.fit.is_automatic and estimator.reoptimize and is_local):
        return None
    others = _norms(estimator, datasets)[1]
    choice = choose_others(estimator.fit, datasets, others)
    choice.log(estimator.tag)
    if choice.backend != "newton":
        return None
    return Fit("newton", debug=estimator.fit.debug)


def _norms(estimator, datasets):
    """Source of flux points, and the norms that are fitted with it."""
    source = datasets.models[estimator.source]
    # A parameter that is linked to one of the source is frozen with it.
    own = {id(par) for par in source.parameters}
    free = datasets.parameters.free_parameters if estimator.reoptimize else []
    return source, [par for par in free if id(par) not in own]


def _why_not(estimator, datasets, base):
    """Why the optimiser has to make the flux points; "" when it need not."""
    own = replaced_method(estimator, base, REPLACED)
    if own:
        return f"{type(estimator).__name__} has its own {own}()"
    if not isinstance(datasets, Datasets):
        return f"the datasets are in a {type(datasets).__name__}"
    if not datasets.models or not datasets.energy_axes_are_aligned:
        return "there are no models, or no common energies"
    if estimator.sum_over_energy_groups:
        return "sum_over_energy_groups adds up bins"
    if estimator.norm.frozen:
        return "the norm is frozen"
    for dataset in datasets:
        if dataset.stat_type == "cash_weighted":
            return f"dataset {dataset.name!r} has weights"
        if dataset.counts is not None and np.any(dataset.counts.data < 0):
            return f"dataset {dataset.name!r} has negative counts"
    return ""


def _copies(datasets, models):
    """The same datasets, to be evaluated again.

    What changed in place since the last evaluation, such as the exposure, is seen then,
    as in the slices that the optimiser works on.
    """
    copies = [copy.copy(dataset) for dataset in datasets]
    for dataset in copies:
        dataset.models = models
    return Datasets(copies)


def _edge_numbers(axis, energies):
    """Number of the nearest edge of an axis to each energy in TeV."""
    # Not by `MapAxis.group_table`, whose tables take longer than a fit.
    pixels = axis.coord_to_pix(u.Quantity(energies, "TeV"))
    numbers = np.round(np.clip(pixels, -0.5, axis.nbin - 0.5) + 0.5).astype(int)
    return dict(zip(energies, numbers.tolist(), strict=True))
