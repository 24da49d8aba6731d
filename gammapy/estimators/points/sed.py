# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.datasets.actors import DatasetsActor
from gammapy.maps.energy_bins import energy_unit
from gammapy.modeling import Fit
from gammapy.modeling.fit_log import log_row
from gammapy.modeling.fit_table import add_pulls, best_fit_values
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.utils import _parse_datasets
from gammapy.utils.arguments import check_bool, did_you_mean, listed, parse_edges
from gammapy.utils.parallel import ParallelMixin
from ..notes import NOTES, warn_notes
from ..reference import with_positive_reference
from .norms import NormFluxPoints, newton_fit
from .nuisance import BEST_FIT, IDENTIFY, ROWS, flux_point_row
from .used_energies import UsedEnergies, warn_of_partial_ranges

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunState:
    """What the flux points of one run have in common; empty outside a run.

    Parameters
    ----------
    norm_points : `~gammapy.estimators.points.norms.NormFluxPoints`, optional
        Where only norms are fitted, what makes them without the optimiser.
    best_fit : dict, optional
        With ``debug``, what the values of a flux point are compared with.
    newton : `~gammapy.modeling.Fit`, optional
        Fit by Newton's method where shapes or spectra of others are refitted.
    used_energies : `~gammapy.estimators.points.used_energies.UsedEnergies`, optional
        Energies that have data; None for datasets that are in other processes.
    """

    norm_points: NormFluxPoints | None = None
    best_fit: dict | None = None
    used_energies: UsedEnergies | None = None
    newton: Fit | None = None

    @classmethod
    def from_estimator(cls, estimator, datasets):
        """State of a run of an estimator on datasets."""
        is_local = isinstance(datasets, Datasets)
        norm_points = NormFluxPoints.from_estimator(
            estimator, datasets, FluxPointsEstimator
        )
        return cls(
            norm_points=norm_points,
            newton=None if norm_points else newton_fit(estimator, datasets),
            best_fit=best_fit_values(datasets.models) if estimator.debug else None,
            used_energies=UsedEnergies(datasets) if is_local else None,
        )


class FluxPointsEstimator:
    """Parameters
    ----------
    debug : bool, optional
        Whether to keep the nuisance parameters of each energy bin in the table
        `FluxPoints.nuisance`, and to log each bin in one line at level INFO. The flux
        points do not depend on it. Default is False.

    Notes
    -----
    Without ``fit``, or with a fit without backend and options, Newton's
    method is used if only norms are fitted, see `~gammapy.modeling.Fit`. It uses one
    process for any ``n_jobs``.

    If the spectrum of the source is negative, the reference model has the opposite
    sign. A deficit has a negative norm, flux and ``sqrt_ts``, and its upper limit is
    above its flux.

    If an energy bin is partly masked, the flux is that of the whole bin, for the
    assumed shape of the spectrum. A warning names the energies with data.

    ``norm_ul``, ``norm_errp`` and ``norm_errn`` are NaN if the fit statistic does not
    rise enough before a bound of the norm is reached. Norms of other components that a
    bin does not determine keep their values. One warning for each names the bound, or
    the norms, and the energy bins.

    Examples
    --------
    Does the background norm depend on the energy?

    >>> import astropy.units as u
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.estimators import FluxPointsEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> estimator = FluxPointsEstimator(
    ...     energy_edges=[10, 100, 2000] * u.GeV,
    ...     source="Crab Nebula",
    ...     reoptimize=True,
    ...     debug=True,
    ... )
    >>> flux_points = estimator.run(datasets)
    >>> pulls = flux_points.nuisance["Fermi-LAT-bkg.spectral.norm_pull"]
    >>> pulls.round(1).tolist()
    [-1.0, 1.3]
    """

    _decides_sign = False
    # What a run makes once for all its flux points.
    _run_state = RunState()
    # Whether notes are said at the end of a run, and those of the current flux point.
    _warns_of_notes = True
    _notes = None

    def __init__(
        self,
        energy_edges=[1, 10] * u.TeV,
        sum_over_energy_groups=False,
        # how the energy bins are shared out
        n_jobs=None,
        parallel_backend=None,
        allow_multiple_telescopes=False,
        *,
        debug=False,
        **kwargs,
    ):
        edges = parse_edges("energy_edges", energy_edges)
        debug = check_bool("debug", debug)
        kwargs.setdefault(
            "fit", Fit.not_asked_for(confidence_opts={"backend": "scipy"})
        )
        self._upstream_FluxPointsEstimator___init__(
            energy_edges if isinstance(energy_edges, u.Quantity) else edges,
            sum_over_energy_groups,
            n_jobs,
            parallel_backend,
            allow_multiple_telescopes,
            **kwargs,
        )
        self.debug = debug

    def run(self, datasets):
        is_local = not isinstance(datasets, DatasetsActor)
        if is_local:
            datasets = Datasets(_parse_datasets(datasets)[0])
        known = list(datasets.models.names)
        if isinstance(self.source, str) and self.source not in known:
            raise ValueError(
                f"source: there is no model {self.source!r}"
                f"{did_you_mean(self.source, known)}; choose from {listed(known)}."
            )
        if is_local:
            datasets = with_positive_reference(datasets, self.source, self.energy_edges)
        self._run_state = state = RunState.from_estimator(self, datasets)
        try:
            flux_points = self._upstream_FluxPointsEstimator_run(datasets)
        finally:
            del self._run_state
        if state.best_fit is not None and flux_points.nuisance is not None:
            flux_points.nuisance.meta[BEST_FIT] = state.best_fit
        if state.used_energies is not None:
            warn_of_partial_ranges(
                state.used_energies,
                flux_points.geom.axes["energy"],
                where=self._where(datasets),
            )
        if self._warns_of_notes:
            warn_notes(log, flux_points._notes, self.source)
        return flux_points

    @ParallelMixin.n_jobs.getter
    def n_jobs(self):
        """Number of processes; one where Newton's method makes the flux points."""
        # Other processes would only have to be told the templates.
        if self._run_state.norm_points is not None:
            return 1
        return super().n_jobs

    def estimate_flux_point(self, datasets, energy_min, energy_max):
        best_fit = self._run_state.best_fit
        if self.debug and best_fit is None:
            best_fit = best_fit_values(datasets.models)
        self._notes = notes = []
        try:
            result = self._estimate(datasets, energy_min, energy_max)
        finally:
            del self._notes
        result |= self._legible_energies(result) | {NOTES: {"notes": notes}}
        if not self.debug:
            return result
        used = self._run_state.used_energies
        if used is None and isinstance(datasets, Datasets):
            used = UsedEnergies(datasets)
        row = add_pulls(flux_point_row(result, used), best_fit, is_part=True)
        log_row(log, "flux_point", row, identify=self._identify(datasets, result))
        return result | {ROWS: row}

    def _legible_energies(self, result):
        """Energies of a flux point of spectra in keV in the unit that was given."""
        energies = {name: result[name] for name in IDENTIFY}
        unit = result["e_max"].unit
        if energy_unit(self.energy_edges.to(unit)) == unit:
            return energies
        unit = energy_unit(self.energy_edges)
        return {name: energy.to(unit) for name, energy in energies.items()}

    def _estimate(self, datasets, energy_min, energy_max):
        """Flux point by Newton's method where that can make it, or by the optimiser."""
        norm_points, result = self._run_state.norm_points, None
        if norm_points is not None:
            result = norm_points.estimate(datasets, energy_min, energy_max)
        if result is None and self._run_state.newton is not None:
            result = self._estimate_by_newton(datasets, energy_min, energy_max)
        if result is None:
            result = self._upstream_FluxPointsEstimator_estimate_flux_point(
                datasets, energy_min, energy_max
            )
        return result

    def _estimate_by_newton(self, datasets, energy_min, energy_max):
        """Flux point whose fits are by Newton's method; None where one failed."""
        given, self.fit = self.fit, self._run_state.newton
        try:
            result = self._upstream_FluxPointsEstimator_estimate_flux_point(
                datasets, energy_min, energy_max
            )
        except NotLinearError:
            return None
        finally:
            self.fit = given
        # Where no bin contributes there is nothing to fit once more.
        if result["success"] or not np.isfinite(result["stat"]):
            return result
        self._notes.clear()
        return None

    def _note(self, note):
        """Keep notes until all flux points are computed."""
        if self._notes is None:
            super()._note(note)
        else:
            self._notes.append(note)

    def _where(self, datasets):
        """What a warning about these flux points begins with."""
        return ""

    def _identify(self, datasets, result):
        """What says in the log which flux point it is."""
        return {"e_min": result["e_min"], "e_max": result["e_max"]}
