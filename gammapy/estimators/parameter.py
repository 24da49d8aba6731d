# Licensed under a 3-clause BSD style license - see LICENSE.rst
import logging
import numpy as np
from gammapy.modeling.fit import result_without_fit
from gammapy.modeling.fit_table import fit_row
from gammapy.modeling.measured_background import measured_background
from gammapy.utils.roots import find_root_above
from .notes import limit_note

log = logging.getLogger(__name__)

#: Distance from a bound, in errors, below which to look whether an end is the bound.
NEAR_BOUND = 1e-2


class ParameterEstimator:
    #: Whether the estimates carry the rows of the fits, see `FluxPointsEstimator`.
    debug = False

    def estimate_best_fit(self, datasets, parameter):
        """Notes
        -----
        The error is that of the covariance times ``n_sigma``. If no dataset
        contributes, value and error are NaN, "stat" is 0 and "success" is False. With
        ``debug`` there is also "nuisance_fit", the row of the fit, see
        `gammapy.modeling.fit_table`.
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
                row |= measured_background(datasets)
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

    def estimate_errn_errp(self, datasets, parameter):
        """Notes
        -----
        An error is NaN if the fit statistic does not rise by ``n_sigma`` squared
        before a bound of the parameter is reached. A warning says so.
        """
        result = self._upstream_ParameterEstimator_estimate_errn_errp(
            datasets, parameter
        )
        for end, sign in (("errp", 1), ("errn", -1)):
            key = f"{parameter.name}_{end}"
            limit = parameter.value + sign * result[key]
            if self._is_beyond(datasets, parameter, limit, key, self.n_sigma, sign):
                result[key] = np.nan
        return result

    def estimate_ul(self, datasets, parameter):
        """Notes
        -----
        The upper limit is NaN if the fit statistic does not rise by
        ``n_sigma_ul`` squared before the maximum of the parameter is reached. A warning
        says so.
        """
        result = self._upstream_ParameterEstimator_estimate_ul(datasets, parameter)
        key = f"{parameter.name}_ul"
        if self._is_beyond(
            datasets, parameter, result[key], key, self.n_sigma_ul, sign=1
        ):
            result[key] = np.nan
        return result

    def _is_beyond(self, datasets, parameter, limit, key, n_sigma, sign):
        """Whether an end of an interval lies beyond a bound; a note says so."""
        bound = parameter.max if sign > 0 else parameter.min
        if not (np.isfinite(bound) and np.any(datasets.contributes_to_stat)):
            return False
        # Minuit ends at the bound, or next to it, and others find no end.
        size = np.nanmax([parameter.error, abs(limit - parameter.value), 0.0])
        if sign * (bound - limit) > NEAR_BOUND * size:
            return False
        rise = self._rise_at(datasets, parameter, bound)
        is_beyond = bool(rise < (1 - NEAR_BOUND) * n_sigma**2)
        if is_beyond:
            self._note(limit_note(key, parameter, n_sigma, sign))
        return is_beyond

    def _rise_at(self, datasets, parameter, value):
        """Rise of the statistic above its minimum, with the others fitted."""
        stat = datasets.stat_sum()
        with datasets.parameters.restore_status():
            parameter.value, parameter.frozen = value, True
            if self.reoptimize:
                self._fit_others(datasets)
            return datasets.stat_sum() - stat

    def _note(self, note):
        """Say at once what a user must know of a result."""
        what, reason = note
        log.warning(f"{what}: {reason}.")

    def estimate_ts(self, datasets, parameter):
        """Notes
        -----
        The parameters must be at the best fit. For the null hypothesis the
        parameter is set to ``null_value``, and with ``reoptimize`` the other free
        parameters are fitted again. With ``debug`` there is also "nuisance_null", the
        row of this fit.
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
                    row = fit_row(datasets.models, fitted)
                    rows["nuisance_null"] = row | measured_background(datasets)
            stat_null = datasets.stat_sum()

        return {"ts": stat_null - stat, "npred": npred, "stat_null": stat_null, **rows}

    def _fit_others(self, datasets):
        """Fit what is free beside the parameter of interest, which may be nothing."""
        if datasets.parameters.free_parameters:
            return self.fit.optimize(datasets=datasets)
        return result_without_fit(datasets, self.fit.backend)


class ParameterSensitivityEstimator:
    def _fcn(self, value, datasets):
        # The significance of a value in its Asimov dataset minus the required one.
        self.parameter.value = value
        # Near the null value it is a difference of equal numbers, so it may be
        # negative, and NaN ends the search for the root.
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
        null = self.test.null_values[0]
        return value_of_significance(
            lambda value: self._fcn(value, datasets),
            self.parameter,
            getattr(null, "value", null),
            rtol=self.rtol,
        )


def value_of_significance(function, parameter, null, *, rtol=0.01):
    """Value of a parameter at which a source has the required significance.

    Parameters
    ----------
    function : callable
        Significance of a value in the Asimov data minus the required significance.
    parameter : `~gammapy.modeling.Parameter`
        Parameter with the value and error that tell where to begin, and its maximum.
    null : float
        Value without a source.
    rtol : float, optional
        Relative precision of the distance. Default is 0.01.

    Returns
    -------
    value : float
        The value, above ``null``; NaN when it is beyond the maximum.
    """
    # Not a range around the fitted value, which a deficit or a weak source leaves.
    start = np.nanmax([abs(parameter.value - null), parameter.error])
    value = null + find_root_above(
        lambda distance: function(null + distance),
        start if start > 0 else 1,
        rtol=rtol,
        n_steps=20,
    )
    if value > parameter.max:
        log.warning(
            f"The sensitivity of {parameter.name!r} is beyond its maximum "
            f"{parameter.max:g}, so it is NaN. Increase the maximum."
        )
        return np.nan
    return value
