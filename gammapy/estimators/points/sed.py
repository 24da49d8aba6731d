# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import astropy.units as u
from gammapy.modeling.nuisance import add_pulls, best_fit_values, log_row
from .nuisance import PREFIX, flux_point_row

log = logging.getLogger(__name__)


class FluxPointsEstimator:
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
        """
        self._upstream_FluxPointsEstimator___init__(
            energy_edges,
            sum_over_energy_groups,
            n_jobs,
            parallel_backend,
            allow_multiple_telescopes,
            **kwargs,
        )
        self.debug = debug

    def estimate_flux_point(self, datasets, energy_min, energy_max):
        best_fit = best_fit_values(datasets.models) if self.debug else {}
        result = self._upstream_FluxPointsEstimator_estimate_flux_point(
            datasets, energy_min, energy_max
        )
        if not self.debug:
            return result
        row = add_pulls(flux_point_row(result), best_fit, is_part=True)
        log_row(log, "flux_point", row, identify=self._identify(datasets, result))
        return result | {f"{PREFIX}{name}": value for name, value in row.items()}

    def _identify(self, datasets, result):
        """What says in the log which flux point it is."""
        return {"e_min": result["e_min"], "e_max": result["e_max"]}
