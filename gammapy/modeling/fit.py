# Licensed under a 3-clause BSD style license - see LICENSE.rst
from gammapy.modeling.utils import _parse_datasets, check_counts, find_parameter
from gammapy.utils.arguments import (
    check_bool,
    check_choice,
    check_mapping,
    check_n_jobs,
    check_number,
)
from .automatic import is_automatic, settings_of
from .covariance import with_joint_covariance
from .fast_steps import confidence_step, contour_step, covariance_step, optimize_step
from .fit_log import log_row
from .fit_table import fit_row
from .information import add_fitted_data, with_entries, with_numbers
from .interval_ends import log_ends
from .newton_backend import covariance_from_result, fit_datasets, with_newton
from .result_fields import (
    FitResultFields,
    ResultFields,
    set_own_errors,
    unfitted_result,
)
from .scans import Scan


class Registry:
    register = with_newton(_upstream_Registry_register)


class Fit:
    """Parameters
    ----------
    backend : {"minuit", "newton", "scipy", "sherpa"}, optional
        Optimiser. "newton" is for models that are linear in their free parameters, see
        `~gammapy.modeling.linearity.why_not_linear`, and for those that
        `~gammapy.modeling.why_not_smooth` supports; it raises an error for
        others. Default is None: "minuit". Without any of the options below, scans and
        estimators then use "newton" automatically if the models support it. Minuit uses
        a faster evaluation of the fit statistic if the models support it, and the
        errors are those of the exact Hessian. The choice is logged at level DEBUG.
    debug : bool, optional
        Whether profiles keep the values of the nuisance parameters, as an
        `~astropy.table.Table` under the key "nuisance". Each fit, and the values at the
        ends of a confidence interval, are logged in one line at level INFO (shown after
        ``logging.basicConfig(level="INFO")``). The fitted values do not depend on it.
        Default is False.
    n_jobs : int, optional
        Number of processes for the datasets in a fit of spatial and spectral parameters
        with the backend "newton". The results do not depend on it, up to rounding
        errors. Default is None: one, or the number set with
        `~gammapy.utils.parallel.multiprocessing_manager`.
    parallel_backend : {"multiprocessing", "ray"}, optional
        How to start the processes. "ray" uses the nodes of the cluster to which
        ``ray.init`` has connected. Default is None: "multiprocessing".

    Notes
    -----
    An entry "backend" of ``optimize_opts``, ``covariance_opts`` or ``confidence_opts``
    sets another backend for this step. For "newton", "max_iter" is an option of the
    optimiser.

    Examples
    --------
    The background norm of a spectrum with 20 percent more counts than expected:

    >>> from gammapy.datasets import SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling import Fit
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> result = Fit(backend="newton").run([dataset])
    >>> norm = result.parameters["norm"]
    >>> print(f"{norm.value:.3f} +- {norm.error:.3f}")
    1.200 +- 0.173
    """

    # Also of a fit that was pickled before there were these.
    debug = False
    n_jobs = None
    parallel_backend = None
    _settings_not_asked = None
    run = with_joint_covariance(_upstream_Fit_run)

    def __init__(
        self,
        backend=None,
        optimize_opts=None,
        covariance_opts=None,
        confidence_opts=None,
        store_trace=False,
        *,
        debug=False,
        n_jobs=None,
        parallel_backend=None,
    ):
        options = (optimize_opts, covariance_opts, confidence_opts)
        for step, opts in zip(registry.register, options, strict=False):
            check_mapping(f"{step}_opts", opts)
        if backend is not None:
            known = [name for names in registry.register.values() for name in names]
            check_choice("backend", backend, list(dict.fromkeys(known)))
        self._upstream_Fit___init__(
            "minuit" if backend is None else backend, *options, store_trace
        )
        self.debug = check_bool("debug", debug)
        check_n_jobs(n_jobs, parallel_backend)
        self.n_jobs, self.parallel_backend = n_jobs, parallel_backend
        is_given = any(option is not None for option in (backend, *options))
        if not is_given and not store_trace:
            self._settings_not_asked = settings_of(self)

    @classmethod
    def not_asked_for(cls, **options):
        """Fit whose backend is a default of the calling code, not a choice of the user.

        Parameters
        ----------
        **options : dict
            Options of `Fit`.

        Returns
        -------
        fit : `Fit`
            A fit for which `Fit.is_automatic` is True.

        Examples
        --------
        >>> from gammapy.modeling import Fit
        >>> Fit.not_asked_for(confidence_opts={"backend": "scipy"}).is_automatic
        True
        """
        fit = cls(**options)
        fit._settings_not_asked = settings_of(fit)
        return fit

    @property
    def is_automatic(self):
        """Whether neither a backend nor options were set.

        Scans, flux points and background normalisations then use the backend "newton"
        if the models support it. It is False for a subclass that overrides steps of the
        fit.

        Examples
        --------
        >>> from gammapy.modeling import Fit
        >>> Fit().is_automatic, Fit("minuit").is_automatic
        (True, False)
        """
        return is_automatic(self, Fit, registry.register["optimize"])

    def step_backend(self, step):
        """Backend of a step.

        Parameters
        ----------
        step : {"optimize", "covariance", "confidence"}
            The step.

        Returns
        -------
        backend : str
            Name of the backend.

        Examples
        --------
        >>> from gammapy.modeling import Fit
        >>> Fit(confidence_opts={"backend": "scipy"}).step_backend("confidence")
        'scipy'
        """
        check_choice("step", step, ("optimize", "covariance", "confidence"))
        return getattr(self, f"{step}_opts").get("backend", self.backend)

    def optimize(self, datasets):
        known = _parse_datasets(datasets)[0]
        check_counts(known)
        if self.step_backend("optimize") == "newton":
            result = fit_datasets(
                datasets,
                OptimizeResult,
                self.store_trace,
                n_jobs=check_n_jobs(self.n_jobs, self.parallel_backend),
                parallel_backend=self.parallel_backend,
                **self.optimize_opts,
            )
        else:
            result = optimize_step(self, known, OptimizeResult)
            if result is None:
                result = self._upstream_Fit_optimize(datasets)
        if self.debug:
            log_row(log, "optimize", fit_row(known.models, result))
        return add_fitted_data(result, known)

    def confidence(self, datasets, parameter, sigma=1, reoptimize=True):
        """Parameters
        ----------
        parameter : `~gammapy.modeling.Parameter` or str
            Parameter of interest.

        Notes
        -----
        "errp" and "errn" are the distances of the ends from the best fit, in the unit
        of the parameter. Minuit always fits the other parameters, for any
        ``reoptimize``. For scipy there are "success" and "nfev" of each end.

        With ``debug`` the values of the other free parameters at both ends are logged,
        one line per end. This needs a fit at each end.

        Returns
        -------
        result : dict
            Entries "errp" and "errn" (distances of the ends, in the unit of the
            parameter), "nfev" and "success"; for scipy the last two for each end. If
            the fit statistic does not rise enough before a bound is reached, "newton"
            and "scipy" return NaN and ``success=False``; "minuit" returns the distance
            to the bound. Without a backend "newton" is used if the models support it.

        Raises
        ------
        ValueError
            If sigma is not above 0, the parameter is frozen or not a parameter of the
            models, or counts are negative.
        TypeError
            If an argument is of the wrong kind.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> fit = Fit()
        >>> result = fit.run([dataset])
        >>> interval = fit.confidence([dataset], "norm")
        >>> print(f"+{interval['errp']:.3f} -{interval['errn']:.3f}")
        +0.182 -0.165
        """
        check_number("sigma", sigma, above=0)
        reoptimize = check_bool("reoptimize", reoptimize)
        known = _parse_datasets(datasets)
        check_counts(known[0])
        par = find_parameter(known[1], parameter)
        if par.frozen:
            name = par.name
            raise ValueError(f"parameter: {name!r} is frozen; free it and fit first.")
        result = confidence_step(self, known[0], par, sigma, reoptimize)
        if result is None:
            result = self._upstream_Fit_confidence(datasets, par, sigma, reoptimize)
        if self.debug:
            refit = reoptimize or self.step_backend("confidence") == "minuit"
            log_ends(log, self, datasets, parameter, result, refit, OptimizeResult)
        return result

    def covariance(self, datasets, optimize_result=None):
        is_newton = self.step_backend("covariance") == "newton"
        if not is_newton or getattr(optimize_result, "norm_fit", None) is None:
            known = _parse_datasets(datasets)[0]
            found = covariance_step(self, known, optimize_result, CovarianceResult)
            return found or self._upstream_Fit_covariance(datasets, optimize_result)
        method = "hesse" if self.backend == "minuit" else ""
        return covariance_from_result(
            datasets, optimize_result, CovarianceResult, method, **self.covariance_opts
        )

    def stat_profile(
        self,
        datasets,
        parameter,
        reoptimize=False,
        *,
        debug=None,
        n_jobs=None,
        parallel_backend=None,
    ):
        """Parameters
        ----------
        debug : bool, optional
            Whether to return and log the nuisance parameters. Default is None, the
            setting of the fit.
        n_jobs : int, optional
            Number of processes for fits with Minuit. The results do not depend on it.
            Default is None: one, or the number set with
            `~gammapy.utils.parallel.multiprocessing_manager`.
        parallel_backend : {"multiprocessing", "ray"}, optional
            How to start the processes. Default is None: "multiprocessing".

        Raises
        ------
        ValueError
            If ``n_jobs`` is not positive, the parallel backend or the parameter is not
            known, there are no scan values or one is not finite, or if counts are
            negative.
        TypeError
            If an argument is of the wrong kind.

        Notes
        -----
        The scan values are those of the parameter: ``scan_values``, or ``scan_min``,
        ``scan_max`` and ``scan_n_values``. All parameters are reset at the end, also
        after an error.

        If only norms are fitted and no backend was set, this takes milliseconds, see
        `Fit`. Other fits start at each value from the parameters before the scan.

        "fit_results" has one `OptimizeResult` per value; its ``minuit`` is None if it
        comes from another process. With ``debug`` and ``reoptimize`` there is also
        "nuisance", an `~astropy.table.Table` with one row per value: the value, stat,
        success, message, nfev, at_limit, undetermined, and value, error and pull of
        each fitted parameter. The pull is the difference from the value before the scan
        in units of the error before the scan. ``meta["best_fit"]`` has these values and
        errors.

        Examples
        --------
        The statistic along the tilt of a background, and the norms that go with it:

        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> tilt = dataset.models.parameters["tilt"]
        >>> tilt.scan_values = [-0.2, 0, 0.2]
        >>> profile = Fit().stat_profile([dataset], tilt, reoptimize=True, debug=True)
        >>> (profile["stat_scan"] - profile["stat_scan"].min()).round(2).tolist()
        [0.79, 0.0, 0.79]
        >>> norms = profile["nuisance"]["run-bkg.spectral.norm"]
        >>> norms.round(2).tolist()
        [0.95, 1.2, 1.5]
        """
        datasets, parameters = _parse_datasets(datasets=datasets)
        scanned = [find_parameter(parameters, parameter)]
        debug = self.debug if debug is None else check_bool("debug", debug)
        label = "stat_profile"
        scan = Scan(self, datasets, scanned, reoptimize, debug, label, OptimizeResult)
        return scan.run(n_jobs, parallel_backend)

    def stat_contour(self, datasets, x, y, numpoints=10, sigma=1):
        """Notes
        -----
        Without a backend, and with "newton", Newton's method is used if it supports the
        models, see `~gammapy.modeling.why_not_smooth`. The points are in equal steps of
        the angle around the error ellipse. Otherwise Minuit is used.
        """
        known, parameters = _parse_datasets(datasets)
        x, y = find_parameter(parameters, x, "x"), find_parameter(parameters, y, "y")
        found = contour_step(self, known, x, y, numpoints, sigma)
        return found or self._upstream_Fit_stat_contour(
            datasets, x, y, numpoints, sigma
        )

    def stat_surface(
        self,
        datasets,
        x,
        y,
        reoptimize=False,
        *,
        debug=None,
        n_jobs=None,
        parallel_backend=None,
    ):
        """Parameters
        ----------
        debug : bool, optional
            Whether to return and log the nuisance parameters. Default is None, the
            setting of the fit.
        n_jobs, parallel_backend : optional
            As in `Fit.stat_profile`.

        Returns
        -------
        results : dict
            "NAME_scan" for both parameters, "stat_scan" (shape (n_x, n_y)),
            "fit_results" (same shape, empty without ``reoptimize``), and "nuisance"
            as in `Fit.stat_profile`, with a row per point, y running fastest.

        Raises
        ------
        ValueError
            As `Fit.stat_profile`, and if both parameters are the same.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> parameters = dataset.models.parameters
        >>> norm, tilt = parameters["norm"], parameters["tilt"]
        >>> norm.scan_values, tilt.scan_values = [1.0, 1.2, 1.4], [-0.1, 0.1]
        >>> surface = Fit().stat_surface([dataset], norm, tilt)
        >>> surface["stat_scan"].shape
        (3, 2)
        """
        datasets, parameters = _parse_datasets(datasets=datasets)
        scanned = [
            find_parameter(parameters, value, name)
            for value, name in ((x, "x"), (y, "y"))
        ]
        debug = self.debug if debug is None else check_bool("debug", debug)
        label = "stat_surface"
        scan = Scan(self, datasets, scanned, reoptimize, debug, label, OptimizeResult)
        return scan.run(n_jobs, parallel_backend)

    def fit_nuisance(self, datasets):
        """Fit all free parameters, for one value of a scan.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.

        Returns
        -------
        result : `OptimizeResult`
            Result, with the errors of this fit. Without free parameters, only the fit
            statistic.

        Raises
        ------
        NotLinearError
            If the backend is "newton" and the model is not linear in the free
            parameters.

        Examples
        --------
        >>> from gammapy.datasets import Datasets, SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> dataset.models.parameters["norm"].frozen = True
        >>> Fit().fit_nuisance(Datasets([dataset])).message
        'No free parameters.'
        """
        if len(datasets.parameters.free_parameters) == 0:
            return result_without_fit(datasets, self.backend)
        # The scan logs a line of its own for this fit.
        debug, self.debug = self.debug, False
        try:
            result = self.optimize(datasets)
        finally:
            self.debug = debug
        set_own_errors(result)
        return result


class OptimizeResult:
    # What a fit by Newton's method leaves, and a fit in another process.
    _undetermined = ()
    _norm_fit = None
    _used_bins = None
    _factor_covariance = None
    _fitted_data = None

    aic = ResultFields.aic
    bic = ResultFields.bic
    covariance = ResultFields.covariance
    factor_covariance = ResultFields.factor_covariance
    minuit = ResultFields.minuit
    models = ResultFields.models
    n_free = ResultFields.n_free
    norm_fit = ResultFields.norm_fit
    undetermined = ResultFields.undetermined
    used_bins = ResultFields.used_bins
    __str__ = with_numbers(_upstream_OptimizeResult___str__)
    to_dict = with_entries(_upstream_OptimizeResult_to_dict)


class FitResult:
    aic = FitResultFields.aic
    bic = FitResultFields.bic
    n_free = FitResultFields.n_free
    used_bins = FitResultFields.used_bins
    factor_covariance = FitResultFields.factor_covariance
    undetermined = FitResultFields.undetermined


def result_without_fit(datasets, backend, message="No free parameters."):
    """Result without a fit, with the fit statistic of the models."""
    return unfitted_result(OptimizeResult, datasets, backend, message)
