# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Impacts: which parameters affect the result of a fit most?"""

import json
import logging
import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.datasets.core import local_datasets
from gammapy.datasets.model_copies import with_own_models
from gammapy.datasets.residuals.energies import energy_groups
from gammapy.modeling import Fit
from gammapy.modeling.automatic import run_fit
from gammapy.modeling.fit_table import is_at_limit
from gammapy.modeling.models import ScaleSpectralModel
from gammapy.utils.arguments import (
    check_choice,
    check_integer,
    check_n_jobs,
    check_number,
    explain_options,
    parse_edges,
    parse_quantity,
)
from .fit_state import FitState
from .impact_groups import check_groups, group_members, pull_of
from .impact_refits import ImpactRefits, RefittedShift
from .impact_shifts import Response
from .impact_targets import (
    ParameterTarget,
    find_source,
    flux_target,
    parameter_target,
    show_range,
)
from .impacts import Impacts

__all__ = ["ImpactEstimator"]

log = logging.getLogger(__name__)

METHODS = ("covariance", "refit")

#: Share of an impact, and of the error of the result, by which a refit may differ from
#: the covariance where the statistic is parabolic.
SHARE, SHARE_OF_ERROR = 0.02, 0.005

#: Columns and their types: there may be no rows.
COLUMNS = {
    "name": str,
    "kind": str,
    "value": float,
    "error": float,
    "unit": str,
    "pull": float,
    "pull_err": float,
    "impact": float,
    "impact_refit": float,
    "impact_refit_down": float,
    "correlation": float,
    "flag": str,
    "target": str,
}


class ImpactEstimator:
    r"""Rank the parameters of a fit by their effect on its result.

    Each free parameter is changed by its error, and all others are adjusted to their
    best values. The shift of the result is the impact: the covariance of parameter and
    result, divided by the error of the parameter. In units of the error of the result,
    the impact is their correlation. With ``method="refit"`` the other parameters are
    also fitted, with each parameter changed by plus and minus its error. Impacts are
    flagged if refit and covariance differ by more than 2 percent.

    The parameters of a group are changed together by one standard deviation, in the
    direction that shifts the result most. The square of the impact of a group, divided
    by the variance of the result, is its fraction of the variance.

    Parameters
    ----------
    of : `~gammapy.modeling.Parameter`, `~gammapy.modeling.models.SkyModel` or str
        The result: a free parameter, or its name such as "source.amplitude". With
        energies, a model or its name.
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Energy range of the integral flux of the model. Default is None: the result is a
        parameter.
    energy_edges : `~astropy.units.Quantity` or list of str, optional
        Edges of flux points of the model, at edges of energy bins of all datasets. The
        norm of each flux point is fitted together with all free parameters of other
        models, as `~gammapy.estimators.FluxPointsEstimator` does with
        ``reoptimize=True``. Default is None.
    method : {"covariance", "refit"}, optional
        "covariance" computes impacts from the covariance, without evaluating the
        models. "refit" also computes them by fits. Default is "covariance".
    n_refit : int, optional
        Number of parameters to refit, those with the largest impacts, and the same
        number of groups. Default is None, all.
    groups : list of str or dict, optional
        Groups of parameters: "background", "positions", "sizes" and "spectra", or a
        dict with lists of parameters, names, models or patterns such as
        "run-\*-bkg.\*". Parameters that define the result are not included. With an
        empty list there are no groups. Default is None, these four.
    background_scatter : float, optional
        Expected scatter of background norms around 1, in addition to their errors. The
        unit of pulls includes it. Default is 0.
    n_jobs : int, optional
        Number of processes for the fits. Default is
        `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. Default is "multiprocessing".

    Raises
    ------
    ValueError, TypeError
        If an option is out of range or of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import ImpactEstimator
    >>> from gammapy.modeling import Fit
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = Fit("newton").run(datasets)
    >>> impacts = ImpactEstimator("Crab Nebula.amplitude").run(datasets)
    >>> impacts.ranking(1)["name"].tolist()
    ['Crab Nebula.spectral.alpha']
    """

    @explain_options
    def __init__(
        self,
        of,
        *,
        energy_min=None,
        energy_max=None,
        energy_edges=None,
        method="covariance",
        n_refit=None,
        groups=None,
        background_scatter=0,
        n_jobs=None,
        parallel_backend=None,
    ):
        self.of = of
        self.energies = _energy_range(energy_min, energy_max, energy_edges)
        self.energy_edges = energy_edges
        if energy_edges is not None:
            self.energy_edges = parse_edges("energy_edges", energy_edges)
        check_choice("method", method, METHODS)
        self.method = method
        if n_refit is not None:
            n_refit = check_integer(
                "n_refit", n_refit, low=0, expected="a number of parameters"
            )
        self.n_refit = n_refit
        self.groups = check_groups(groups)
        self.background_scatter = check_number(
            "background_scatter", background_scatter, low=0
        )
        self.n_jobs = check_n_jobs(n_jobs, parallel_backend)
        self.parallel_backend = parallel_backend

    def run(self, datasets):
        """Rank the parameters of the fit of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets with models at their best fit, with the covariance of this fit, as
            after `~gammapy.modeling.Fit.run`. They are not changed. A list of datasets
            has no correlations between models. Flux points need no covariance.

        Returns
        -------
        impacts : `Impacts`
            Result.

        Raises
        ------
        ValueError
            If the parameter or model does not exist, is frozen or has no error, or an
            energy is not an edge of a bin.
        TypeError
            If something is of the wrong kind.
        """
        local = local_datasets(datasets)
        if self.energy_edges is None:
            parts = [self._part(datasets, local, self._target(local))]
            notes = _notes_of_covariance(datasets, parts[0].state)
        else:
            parts, notes = self._points(local)
        rows = []
        for part in parts:
            ranked, more = part.rank()
            rows += ranked
            notes += more
        notes = list(dict.fromkeys(notes))
        for note in notes:
            log.warning(note)
        columns = {
            name: np.array([row[name] for row in rows], dtype=dtype)
            for name, dtype in COLUMNS.items()
        }
        return Impacts(Table(columns), self._meta(local, parts), notes)

    def _target(self, local):
        """What is asked for, as something with a value and a gradient."""
        if self.energies is None:
            return parameter_target(local, self.of)
        return flux_target(local, self.of, self.energies)

    def _points(self, local):
        """Parts of all flux points, and notes."""
        edges = energy_groups(local, None, None, self.energy_edges)
        number = find_source(local.unique_models, self.of)
        parts, notes = [], []
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            energies = u.Quantity([low, high])
            label = show_range(energies)
            point = flux_point(local, number, energies)
            if not point.parameters.free_parameters or not any(
                point.contributes_to_stat
            ):
                notes.append(f"{label}: no dataset has data there.")
                continue
            result = run_fit(Fit(), point, "impacts", Fit)
            if not result.success:
                notes.append(f"{label}: the fit failed: {result.message}")
                continue
            name = local.unique_models[number].name
            target = parameter_target(point, f"{name}.norm")
            label = f"norm of {name}, {label}"
            target = ParameterTarget(label, target.number, "")
            parts.append(self._part(point, point, target, energies))
        if not parts:
            raise ValueError(
                f"energy_edges: no flux point could be fitted. {' '.join(notes)}"
            )
        return parts, notes

    def _part(self, datasets, local, target, energies=None):
        """Rows of one result."""
        state = FitState.from_datasets(datasets, local)
        energies = self.energies if energies is None else energies
        part = _Part(self, local, state, target, energies)
        part.check()
        return part

    def _meta(self, datasets, parts):
        """Options, results and correlations as plain data."""
        groups = self.groups
        if isinstance(groups, dict):
            groups = {
                name: [getattr(one, "name", one) for one in members]
                for name, members in groups.items()
            }
        else:
            groups = list(groups)
        correlations = {part.target.name: part.correlations() for part in parts}
        return {
            "datasets_names": datasets.names,
            "method": self.method,
            "n_refit": self.n_refit,
            "groups": groups,
            "background_scatter": self.background_scatter,
            "targets": [part.describe() for part in parts],
            # As a text, for YAML takes long for matrices.
            "correlations": json.dumps(correlations),
        }


def _energy_range(energy_min, energy_max, energy_edges):
    """Energy range as a quantity, None without one."""
    given = {"energy_min": energy_min, "energy_max": energy_max}
    is_given = [value is not None for value in given.values()]
    if not any(is_given):
        return None
    if energy_edges is not None or not all(is_given):
        raise ValueError(
            "Set energy_min and energy_max for a flux, energy_edges for flux points, "
            "or none of them for a parameter."
        )
    low, high = [parse_quantity(name, value, "TeV") for name, value in given.items()]
    if not low < high:
        raise ValueError(f"energy_max: {high} is not above energy_min = {low}.")
    return u.Quantity([low, high.to(low.unit)])


def _notes_of_covariance(datasets, state):
    """Whether the correlations between models are there."""
    is_between = state.owners[:, np.newaxis] != state.owners
    is_between &= state.is_known & state.is_known[:, np.newaxis]
    is_joint = isinstance(datasets, Datasets) and datasets._covariance is not None
    if is_joint or not is_between.any() or np.any(state.covariance[is_between]):
        return []
    return [
        "The covariance has no correlations between models: pass the Datasets that "
        "were fitted instead of a list."
    ]


def flux_point(datasets, number, energies):
    """Datasets in an energy bin, where the flux of a model has a free norm.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, which are not changed.
    number : int
        Number of the model.
    energies : `~astropy.units.Quantity`
        Energy range, shape (2,).

    Returns
    -------
    point : `~gammapy.datasets.Datasets`
        Slices with models of their own; all parameters of the source but the norm are
        frozen.
    """
    copies = with_own_models(datasets)
    models = copies.unique_models
    model = models[number]
    model.parameters.freeze_all()
    model.spectral_model = ScaleSpectralModel(model.spectral_model)
    model.spectral_model.norm.frozen = False
    point = copies.slice_by_energy(*energies)
    for dataset in point:
        own = copies[dataset.name].models
        dataset.models = [one for one in models if any(one is two for two in own)]
    return point


class _Part:
    """One result: its rows, and what they are made of."""

    def __init__(self, estimator, datasets, state, target, energies):
        self.estimator = estimator
        self.datasets = datasets
        self.state = state
        self.target = target
        self.energies = energies
        self.response = Response(state.covariance, target.gradient(datasets))

    def check(self):
        """Raise an error where the covariance says nothing of the result."""
        if not self.response.error > 0:
            raise ValueError(
                f"datasets: the {self.target.name} has no error; run Fit().run on "
                "these datasets first, and check whether it is at a bound or not "
                "determined."
            )

    def rank(self):
        """Rows of the table, the largest impact first, groups last; and notes."""
        shifts, notes = self._shifts(), list(self._notes())
        shifts.sort(key=lambda shift: (shift.kind == "group", -_size(shift.impact)))
        refitted = [RefittedShift()] * len(shifts)
        if self.estimator.method == "refit":
            refits = ImpactRefits(
                with_own_models(self.datasets), self.target, self.response
            )
            numbers = self._to_refit(shifts)
            found, more = refits.run(
                [shifts[number] for number in numbers],
                n_jobs=self.estimator.n_jobs,
                parallel_backend=self.estimator.parallel_backend,
            )
            notes += more
            for number, refit in zip(numbers, found, strict=True):
                refitted[number] = refit
        rows = [
            self._row(shift, refit)
            for shift, refit in zip(shifts, refitted, strict=True)
        ]
        return rows, notes

    def _notes(self):
        """Which parameters of the result have no parabola."""
        for number in np.flatnonzero(self.response.gradient):
            par, name = self.state.parameters[number], self.state.names[number]
            if is_at_limit(par, self.response.errors[number]):
                yield (
                    f"{name} is at a bound: its error is one-sided, and it has no "
                    "correlations."
                )

    def _to_refit(self, shifts):
        """Numbers of the shifts that are to be fitted, of those that are sorted."""
        kinds = [shift.kind for shift in shifts]
        kept = []
        for kind in ("parameter", "group"):
            numbers = [number for number, one in enumerate(kinds) if one == kind]
            kept += numbers[: self.estimator.n_refit]
        return kept

    def _shifts(self):
        """What is moved: parameters and groups."""
        state, response = self.state, self.response
        is_target = isinstance(self.target, ParameterTarget)
        shifts = [
            response.of_parameter(number, name)
            for number, name in enumerate(state.names)
            if not (is_target and number == self.target.number)
        ]
        models = self.datasets.unique_models
        members = group_members(self.estimator.groups, models, state)
        own = set(np.flatnonzero(response.gradient))
        for name, numbers in members.items():
            others = [number for number in numbers if number not in own]
            if others:
                shifts.append(response.of_group(name, others))
        return shifts

    def _row(self, shift, refitted):
        row = {name: "" if dtype is str else np.nan for name, dtype in COLUMNS.items()}
        row |= {
            "name": shift.name,
            "kind": shift.kind,
            "impact": shift.impact,
            "impact_refit": refitted.up,
            "impact_refit_down": refitted.down,
            "correlation": shift.impact / self.response.error,
            "flag": self._flag(shift, refitted),
            "target": self.target.name,
        }
        if shift.kind == "group":
            return row
        (number,) = shift.members
        par, error = self.state.parameters[number], float(shift.change[0])
        model = self.datasets.unique_models[self.state.owners[number]]
        pull, pull_err = pull_of(par, error, model, self.estimator.background_scatter)
        return row | {
            "value": float(par.value),
            "error": error if error > 0 else np.nan,
            "unit": par.unit.to_string("fits"),
            "pull": float(pull),
            "pull_err": float(pull_err),
        }

    def _flag(self, shift, refitted):
        """Why an impact is not reliable, "" if it is."""
        if not np.isfinite(shift.impact):
            return "no error"
        if shift.kind == "parameter":
            (number,) = shift.members
            par = self.state.parameters[number]
            if is_at_limit(par, float(shift.change[0])):
                return "at a bound"
        if refitted.problem:
            return refitted.problem
        found = np.array([refitted.up, -refitted.down])
        allowed = SHARE * abs(shift.impact) + SHARE_OF_ERROR * self.response.error
        is_off = np.any(abs(found - shift.impact) > allowed)
        return "not parabolic" if is_off else ""

    def describe(self):
        """The result in numbers."""
        energies = None
        if self.energies is not None:
            energies = [f"{energy:.6g}" for energy in self.energies]
        return {
            "name": self.target.name,
            "value": self.target.value(self.datasets),
            "error": self.response.error,
            "error_alone": self.response.error_alone,
            "unit": self.target.unit,
            "energies": energies,
        }

    def correlations(self):
        """Names of all free parameters, their models, and the matrix."""
        state, errors = self.state, self.response.errors
        scales = np.where(errors > 0, errors, 1)
        matrix = state.covariance / np.outer(scales, scales)
        models = self.datasets.unique_models
        return {
            "names": state.names,
            "models": [models[owner].name for owner in state.owners],
            "matrix": np.round(matrix, 6).tolist(),
        }


def _size(impact):
    """Size of an impact for sorting, those that are not known last."""
    return abs(impact) if np.isfinite(impact) else -1.0
