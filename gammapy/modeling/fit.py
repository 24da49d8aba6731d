# Licensed under a 3-clause BSD style license - see LICENSE.rst
import contextlib
import itertools
import numpy as np
from astropy.table import Table
from gammapy.modeling.utils import _parse_datasets
from gammapy.utils.pbar import progress_bar
from .covariance import Covariance
from .newton import reusing_newton, with_newton
from .nuisance import (
    add_pulls,
    best_fit_values,
    factor_covariance,
    fit_row,
    log_row,
    stack_rows,
    unique_parameter_names,
)


class Registry:
    register = with_newton(_upstream_Registry_register)


class Fit:
    """Fit models to datasets.

    Parameters
    ----------
    backend : {"minuit", "newton", "scipy", "sherpa"}
        Optimiser. "newton" is for models that are linear in their free parameters,
        see `~gammapy.modeling.linearity.why_not_linear`: it is exact and far faster,
        and raises an error for others. Default is "minuit".
    optimize_opts, covariance_opts, confidence_opts : dict, optional
        Options of the optimiser, the covariance and the confidence intervals, passed
        to the backend. An entry "backend" takes another backend for that step.
        For minuit, an entry "migrad_opts" goes to `iminuit.Minuit.migrad`; for scipy,
        ``confidence_opts`` go to `scipy.optimize.brentq`; for newton, "max_iter" is an
        option of the optimiser. Default is None.
    store_trace : bool, optional
        Whether to keep the values of all function calls. Default is False.
    debug : bool, optional
        Whether profiles keep the values that the nuisance parameters took, as an
        `~astropy.table.Table` under the key "nuisance", and each fit is logged in one
        line at level INFO (shown after ``logging.basicConfig(level="INFO")``), as are
        the values at the ends of a confidence interval. It changes no fitted value.
        Default is False.
    """

    #: Also of a fit that was pickled before there was this option.
    debug = False

    def __init__(
        self,
        backend="minuit",
        # options of the steps of a fit
        optimize_opts=None,
        covariance_opts=None,
        confidence_opts=None,
        store_trace=False,
        *,
        debug=False,
    ):
        self._upstream_Fit___init__(
            backend, optimize_opts, covariance_opts, confidence_opts, store_trace
        )
        self.debug = debug

    def optimize(self, datasets):
        result = self._upstream_Fit_optimize(datasets)
        if self.debug:
            models = _parse_datasets(datasets)[0].models
            log_row(log, "optimize", fit_row(models, result))
        return result

    def confidence(self, datasets, parameter, sigma=1, reoptimize=True):
        """Confidence interval of a parameter that is at its best fit.

        With ``debug`` the values that the other free parameters take at both ends are
        logged, one line per end. For that, a fit is made at each end.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Datasets.
        parameter : `~gammapy.modeling.Parameter` or str
            Parameter of interest.
        sigma : float, optional
            Number of standard deviations. Default is 1.
        reoptimize : bool, optional
            Whether the other free parameters are fitted along the way; minuit always
            does. Default is True.

        Returns
        -------
        result : dict
            Entries "errp" and "errn" (distances of the ends), "nfev" and "success", for
            scipy each of the last two per end.

        Examples
        --------
        >>> import logging
        >>> logging.basicConfig(level="INFO")  # doctest: +SKIP
        >>> Fit(debug=True).confidence(datasets, "amplitude")  # doctest: +SKIP
        """
        result = self._upstream_Fit_confidence(datasets, parameter, sigma, reoptimize)
        if self.debug:
            datasets, parameters = _parse_datasets(datasets=datasets)
            backend = self.confidence_opts.get("backend", self.backend)
            refit = reoptimize or backend == "minuit"
            for end, key, sign in [("lower", "errn", -1), ("upper", "errp", 1)]:
                with _restored(datasets.parameters, self):
                    par = parameters[parameter]
                    par.value, par.frozen = par.value + sign * result[key], True
                    message = result.get("message", result.get(f"message_{key}", ""))
                    self._log_end(datasets, par, end, refit, message)
        return result

    def _log_end(self, datasets, parameter, end, refit, message):
        """Log one end of a confidence interval; the parameter is there and frozen."""
        models = datasets.models
        if not np.isfinite(parameter.value):
            row = fit_row(models, message=message, errors={}, skip=models.parameters)
        elif refit:
            row = fit_row(models, self._fit_nuisance(datasets))
        else:
            kept = "The other parameters were kept."
            row = fit_row(models, result_without_fit(datasets, self.backend, kept))
        name = unique_parameter_names(models)[id(parameter)]
        identify = {"end": end, name: _scanned_value(parameter)}
        log_row(log, "confidence", row, identify=identify)

    def covariance(self, datasets, optimize_result=None):
        with reusing_newton(self, optimize_result):
            return self._upstream_Fit_covariance(datasets, optimize_result)

    def stat_profile(self, datasets, parameter, reoptimize=False, *, debug=None):
        """Fit statistic along the scan values of one parameter.

        The values come from the parameter: ``scan_values``, or ``scan_min``,
        ``scan_max`` and ``scan_n_values``. All parameters are put back at the end,
        whatever happens. A progress bar can be shown.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Datasets.
        parameter : `~gammapy.modeling.Parameter` or str
            Parameter to scan.
        reoptimize : bool, optional
            Whether the other free parameters are fitted at each value.
            Default is False.
        debug : bool, optional
            Whether to return and log the fitted values of the other parameters.
            Default is None, the setting of the fit.

        Returns
        -------
        profile : dict
            "NAME_scan" (values, shape (n_values,), NAME is the unique name of the
            parameter), "stat_scan" (statistic, same shape), "fit_results" (one
            `OptimizeResult` per value; empty without ``reoptimize``), and with
            ``debug`` and ``reoptimize`` "nuisance", an `~astropy.table.Table` with
            one row per value: the value, stat, success, message, nfev, at_limit, and
            of each fitted parameter its value, error and pull: the difference from
            the value before the scan in units of the error then. Its
            ``meta["best_fit"]`` has these values and errors.

        Examples
        --------
        >>> fit = Fit()  # doctest: +SKIP
        >>> profile = fit.stat_profile(
        ...     datasets, "amplitude", reoptimize=True, debug=True
        ... )  # doctest: +SKIP
        >>> profile["nuisance"].pprint()  # doctest: +SKIP
        """
        datasets, parameters = _parse_datasets(datasets=datasets)
        parameter = parameters[parameter]
        debug = self.debug if debug is None else debug
        return self._scan(datasets, [parameter], reoptimize, debug, "stat_profile")

    def stat_surface(self, datasets, x, y, reoptimize=False, *, debug=None):
        """Fit statistic on the grid of the scan values of two parameters.

        It takes as many evaluations, or fits, as the grid has points. See also
        `Fit.stat_contour` and `Fit.stat_profile`.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
            Datasets.
        x, y : `~gammapy.modeling.Parameter` or str
            Parameters to scan.
        reoptimize : bool, optional
            Whether the other free parameters are fitted at each point.
            Default is False.
        debug : bool, optional
            Whether to return and log the fitted values of the other parameters.
            Default is None, the setting of the fit.

        Returns
        -------
        surface : dict
            "NAME_scan" for both parameters, "stat_scan" (shape (n_x, n_y)),
            "fit_results" (same shape, empty without ``reoptimize``), and "nuisance"
            as in `Fit.stat_profile`, with a row per point, y running fastest.
        """
        datasets, parameters = _parse_datasets(datasets=datasets)
        scanned = [parameters[x], parameters[y]]
        debug = self.debug if debug is None else debug
        return self._scan(datasets, scanned, reoptimize, debug, "stat_surface")

    def _scan(self, datasets, scanned, reoptimize, debug, label):
        """Statistic, fit results and nuisance values on a grid of parameter values."""
        # Each access of the datasets' models makes them anew.
        models = datasets.models
        names_by_id = unique_parameter_names(models)
        names = [names_by_id[id(par)] for par in scanned]
        values = [par.scan_values for par in scanned]
        best_fit = best_fit_values(models)
        points = list(itertools.product(*values))
        stats, fit_results, rows = [], [], []
        with datasets.parameters.restore_status():
            for point in progress_bar(points, desc="Scan values"):
                for par, value in zip(scanned, point, strict=True):
                    par.value = value
                if not reoptimize:
                    stats.append(datasets.stat_sum())
                    continue
                for par in scanned:
                    par.frozen = True
                result = self._fit_nuisance(datasets)
                fit_results.append(result)
                stats.append(result.total_stat)
                if debug:
                    identify = {
                        name: _scanned_value(par)
                        for name, par in zip(names, scanned, strict=True)
                    }
                    row = fit_row(models, result, names=names_by_id)
                    row = add_pulls(row, best_fit)
                    log_row(log, label, row, identify=identify)
                    rows.append({**identify, **row})

        shape = tuple(len(_) for _ in values)
        if len(shape) > 1 and reoptimize:
            fit_results = _object_array(fit_results, shape)
        scan = {f"{name}_scan": _ for name, _ in zip(names, values, strict=True)}
        scan |= {
            "stat_scan": np.array(stats).reshape(shape),
            "fit_results": fit_results,
        }
        if debug and reoptimize:
            scan["nuisance"] = stack_rows(
                rows, meta={"scan": names, "best_fit": best_fit}
            )
        return scan

    def _fit_nuisance(self, datasets):
        """Fit what is free; with nothing free the statistic alone is the result."""
        if len(datasets.parameters.free_parameters) == 0:
            return result_without_fit(datasets, self.backend)
        # The scan logs a line of its own for this fit.
        debug, self.debug = self.debug, False
        try:
            result = self.optimize(datasets)
        finally:
            self.debug = debug
        _set_own_errors(result)
        return result


def result_without_fit(datasets, backend, message="No free parameters."):
    """Result where nothing is to be fitted: the statistic is that of the models.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    backend : str
        Backend that a fit would have used.
    message : str, optional
        Why nothing is fitted. Default is "No free parameters.".

    Returns
    -------
    result : `OptimizeResult`
        A successful result with one evaluation.
    """
    return OptimizeResult(
        models=datasets.models.copy(),
        nfev=1,
        total_stat=datasets.stat_sum(),
        trace=Table(),
        backend=backend,
        method="",
        success=True,
        message=message,
    )


@contextlib.contextmanager
def _restored(parameters, fit):
    """Put back all that a fit changes, to the last bit, whatever happens."""
    states = [(par, vars(par).copy()) for par in parameters]
    minuit = fit._minuit
    try:
        yield
    finally:
        fit._minuit = minuit
        for par, state in states:
            vars(par).update(state)


def _set_own_errors(result):
    """Give the models of a result the errors of its own fit, not of an earlier one."""
    parameters = result.models.parameters
    n_free = len(parameters.free_unique_parameters)
    result.models.covariance = Covariance.from_factor_matrix(
        parameters, factor_covariance(result.minuit, n_free)
    )


def _scanned_value(parameter):
    """Value of a parameter, a quantity when it has a unit."""
    return float(parameter.value) if parameter.unit == "" else parameter.quantity


def _object_array(items, shape):
    """Array of objects, also when they look like sequences."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)
