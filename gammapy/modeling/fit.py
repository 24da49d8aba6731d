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
        Optimiser. "newton" is for models that are linear in their free parameters,
        see `~gammapy.modeling.linearity.why_not_linear`, and for those of which
        `~gammapy.modeling.why_not_smooth` says nothing; it raises an error for others.
        Default is None: "minuit". Then, without any of the options below, scans and
        estimators that make many such fits take "newton" for them by themselves, and
        Minuit gets a faster statistic where `~gammapy.modeling.why_not_smooth` says
        nothing; errors are those of the exact Hessian then. Level DEBUG says so.
    debug : bool, optional
        Whether profiles keep the values that the nuisance parameters took, as an
        `~astropy.table.Table` under the key "nuisance", and each fit is logged in one
        line at level INFO (shown after ``logging.basicConfig(level="INFO")``), as are
        the values at the ends of a confidence interval. It changes no fitted value.
        Default is False.
    n_jobs : int, optional
        Number of processes over which the backend "newton" spreads the datasets of a
        fit of shapes and spectra. The numbers are the same for any, up to rounding.
        Default is None: one, or what
        `~gammapy.utils.parallel.multiprocessing_manager` says.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. With "ray" they are on the nodes of the cluster to which
        ``ray.init`` has connected. Default is None: "multiprocessing".

    Notes
    -----
    An entry "backend" of ``optimize_opts``, ``covariance_opts`` or ``confidence_opts``
    takes another backend for that step. For "newton", "max_iter" is an option of the
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
        """Fit that somebody's code chose, so that nobody asked for its backend.

        Parameters
        ----------
        **options : dict
            Options of `Fit`.

        Returns
        -------
        fit : `Fit`
            A fit for which `Fit.is_automatic` holds.

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
        """Whether no backend and no options of one were asked for.

        Scans, flux points and background normalisations then take the backend "newton"
        where only norms are free. It is False for a subclass with steps of its own.

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
        of the parameter. Minuit fits the other parameters along the way whatever
        ``reoptimize``; for scipy there are "success" and "nfev" of each end.

        With ``debug`` the values that the other free parameters take at both ends are
        logged, one line per end. For that, a fit is made at each end.

        Returns
        -------
        result : dict
            Entries "errp" and "errn" (distances of the ends, in the unit of the
            parameter), "nfev" and "success", for scipy each of the last two per end.
            Where the statistic does not rise enough before a bound, newton and scipy
            give NaN and no success; minuit gives the distance to the bound. Without a
            backend "newton" is taken where it can be.

        Raises
        ------
        ValueError
            If sigma is not above 0, the parameter frozen or none of the models, or if
            counts are negative.
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
            Whether to return and log the fitted values of the other parameters.
            Default is None, the setting of the fit.
        n_jobs : int, optional
            Number of processes for fits that are not of norms. The numbers are the same
            for any. Default is None: one, or what
            `~gammapy.utils.parallel.multiprocessing_manager` says.
        parallel_backend : {"multiprocessing", "ray"}, optional
            How to run them. Default is None: "multiprocessing".

        Raises
        ------
        ValueError
            If ``n_jobs`` is no positive number, there is no such parallel backend or
            parameter, there are no scan values or one is not finite, or if counts are
            negative.
        TypeError
            If an argument is of the wrong kind.

        Notes
        -----
        The values come from the parameter: ``scan_values``, or ``scan_min``,
        ``scan_max`` and ``scan_n_values``. All parameters are put back at the end,
        whatever happens.

        Where only norms are fitted and no backend was asked for, this takes
        milliseconds, see `Fit`. Other fits start at each value from the parameters as
        they were before.

        "fit_results" has one `OptimizeResult` per value; from another process its
        ``minuit`` is None. With ``debug`` and ``reoptimize`` there is also "nuisance",
        an `~astropy.table.Table` with one row per value: the value, stat, success,
        message, nfev, at_limit, undetermined, and of each fitted parameter its value,
        error and pull:
        the difference from the value before the scan in units of the error then. Its
        ``meta["best_fit"]`` has these values and errors.

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
        Without a backend, and with "newton", fits by Newton's method find the points
        where all that is free has exact derivatives, see
        `~gammapy.modeling.why_not_smooth`: as seen from the best fit, in equal steps of
        the angle of an ellipse of errors. Others are left to Minuit.
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
            Whether to return and log the fitted values of the other parameters.
            Default is None, the setting of the fit.
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
        """Fit what is free, for a point of a scan.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets.

        Returns
        -------
        result : `OptimizeResult`
            Result, with the errors of this very fit. With nothing free, the statistic
            alone.

        Raises
        ------
        NotLinearError
            If the backend is "newton" and the model not linear in what is free.

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
    """Result where nothing is to be fitted: the statistic is that of the models."""
    return unfitted_result(OptimizeResult, datasets, backend, message)
