# Licensed under a 3-clause BSD style license - see LICENSE.rst
import copy
import logging
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.datasets.actors import DatasetsActor
from gammapy.modeling import Fit
from gammapy.modeling.nuisance import add_pulls, best_fit_values, log_row
from .norms import NormFluxPoints
from .nuisance import ROWS, flux_point_row

log = logging.getLogger(__name__)


class FluxPointsEstimator:
    # Where only norms are fitted, what makes the flux points without the optimiser.
    _norm_points = None
    # With ``debug``, what the values of a flux point are compared with.
    _best_fit = None

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
        """Take all that 2.1 takes, and ``debug`` (bool, keyword only).

        With ``debug`` the flux points have a table of the values that the other
        parameters took in each energy bin, `FluxPoints.nuisance`, and each bin is
        logged in one line at level INFO. It changes no flux point.

        Without a fit, or with one that was made without backend and options, Newton's
        method makes the flux points where only norms are fitted, see
        `~gammapy.modeling.Fit`.
        """
        kwargs.setdefault(
            "fit", Fit.not_asked_for(confidence_opts={"backend": "scipy"})
        )
        self._upstream_FluxPointsEstimator___init__(
            energy_edges,
            sum_over_energy_groups,
            n_jobs,
            parallel_backend,
            allow_multiple_telescopes,
            **kwargs,
        )
        self.debug = debug

    def run(self, datasets):
        if not isinstance(datasets, DatasetsActor):
            datasets = Datasets(datasets)
        estimator = copy.copy(self)
        estimator._norm_points = NormFluxPoints.from_estimator(self, datasets)
        if self.debug:
            estimator._best_fit = best_fit_values(datasets.models)
        if estimator._norm_points is not None:
            # Other processes would only have to be told.
            estimator.n_jobs = 1
        return estimator._upstream_FluxPointsEstimator_run(datasets)

    def estimate_flux_point(self, datasets, energy_min, energy_max):
        best_fit = self._best_fit
        if self.debug and best_fit is None:
            best_fit = best_fit_values(datasets.models)
        result = None
        if self._norm_points is not None:
            result = self._norm_points.estimate(datasets, energy_min, energy_max)
        if result is None:
            result = self._upstream_FluxPointsEstimator_estimate_flux_point(
                datasets, energy_min, energy_max
            )
        if not self.debug:
            return result
        row = add_pulls(flux_point_row(result), best_fit, is_part=True)
        log_row(log, "flux_point", row, identify=self._identify(datasets, result))
        return result | {ROWS: row}

    def _identify(self, datasets, result):
        """What says in the log which flux point it is."""
        return {"e_min": result["e_min"], "e_max": result["e_max"]}
