# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import numpy as np
from gammapy.modeling.fit import result_without_fit
from gammapy.modeling.nuisance import fit_row
from gammapy.utils.roots import find_root_above

log = logging.getLogger(__name__)


class ParameterEstimator:
    #: Whether the estimates carry the rows of the fits, see `FluxPointsEstimator`.
    debug = False

    def estimate_best_fit(self, datasets, parameter):
        """Notes
        -----
        The error is that of the covariance times ``n_sigma``. Where no dataset
        contributes, value and error are NaN, "stat" is 0 and "success" is False. With
        ``debug`` there is also "nuisance_fit", the row of the fit, see
        `gammapy.modeling.nuisance`.
        """
        name = parameter.name
        row = None
        if np.any(datasets.contributes_to_stat):
            fitted = self.fit.run(datasets=datasets)
            estimates = {
                name: parameter.value,
                "stat": fitted.optimize_result.total_stat,
                "success": fitted.success,
                f"{name}_err": parameter.error * self.n_sigma,
            }
            if self.debug:
                result = fitted.optimize_result
                row = fit_row(datasets.models, result, skip=[parameter])
                row["success"] = bool(fitted.success)
        else:
            estimates = {
                name: np.nan,
                "stat": 0.0,
                "success": False,
                f"{name}_err": np.nan * self.n_sigma,
            }
            if self.debug:
                row = fit_row(
                    datasets.models,
                    message="No bin contributes to the statistic.",
                    errors={},
                    skip=datasets.parameters,
                )
        return estimates | ({} if row is None else {"nuisance_fit": row})

    def estimate_ts(self, datasets, parameter):
        """Notes
        -----
        The parameters are taken as they are at the best fit. For the null hypothesis
        the parameter is set to ``null_value``, and with ``reoptimize`` the other free
        ones are fitted again. With ``debug`` there is also "nuisance_null", the row of
        that fit.
        """
        contributes = np.any(datasets.contributes_to_stat)
        npred = self.estimate_npred(datasets=datasets)["npred"]
        if not contributes:
            npred[...] = np.nan
        stat = datasets.stat_sum() if contributes else np.nan

        rows = {}
        with datasets.parameters.restore_status():
            parameter.value = self.null_value
            if self.reoptimize:
                parameter.frozen = True
                fitted = self._fit_others(datasets)
                if self.debug:
                    rows["nuisance_null"] = fit_row(datasets.models, fitted)
            stat_null = datasets.stat_sum()

        return {"ts": stat_null - stat, "npred": npred, "stat_null": stat_null, **rows}

    def _fit_others(self, datasets):
        """Fit what is free beside the parameter of interest, which may be nothing."""
        if datasets.parameters.free_parameters:
            return self.fit.optimize(datasets=datasets)
        return result_without_fit(datasets, self.fit.backend)


class ParameterSensitivityEstimator:
    def _fcn(self, value, datasets):
        """Significance of a value in its Asimov dataset, less the one asked for."""
        self.parameter.value = value
        # Near the null value it is a difference of equal numbers, so it may be
        # negative, and NaN ends the search for the root (upstream issue 6719).
        ts_asimov = np.maximum(self.test.ts_asimov(datasets), 0)
        # Half of the measurements exceed the significance of the Asimov dataset
        # (Cowan et al. 2011), whatever the number of parameters.
        return np.sqrt(ts_asimov) - self.n_sigma

    def parameter_matching_significance(self, datasets):
        """Notes
        -----
        The value is above the null value, to the relative precision ``rtol`` of the
        distance. It is NaN, with a warning, when it is beyond the maximum of the
        parameter.
        """
        par, null = self.parameter, self.test.null_values[0]
        null = getattr(null, "value", null)
        # Not a range around the fitted value, which a deficit or a weak source leaves.
        start = np.nanmax([abs(par.value - null), par.error])
        value = null + find_root_above(
            lambda distance: self._fcn(null + distance, datasets),
            start if start > 0 else 1,
            rtol=self.rtol,
            n_steps=20,
        )
        if value > par.max:
            log.warning(
                f"The sensitivity of {par.name!r} is beyond its maximum {par.max:g}, "
                "so it is NaN. Raise the maximum."
            )
            return np.nan
        return value
