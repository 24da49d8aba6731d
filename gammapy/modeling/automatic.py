# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Choice of the backend of a fit, and the reason for it.

Gammapy uses Minuit unless another backend is set. If only norms are fitted, Newton's
method gives the same numbers much faster, so methods that make many fits use it
automatically.
"""

import logging
from dataclasses import dataclass
from .fit_progress import with_progress
from .iminuit import optimize_iminuit
from .newton.templates import NormTemplates

__all__ = ["Choice", "choose"]

log = logging.getLogger(__name__)

#: Steps of a fit, each of which may have its own backend.
STEPS = ("optimize", "covariance", "confidence")

#: Methods of `~gammapy.modeling.Fit` that a subclass with its own way replaces.
METHODS = ("run", *STEPS, "stat_profile")

#: What is said where Minuit gets the statistic with derivatives.
FAST = "on the statistic from factored components, which is exact"

#: Why Newton's method is taken.
NORMS = "all that is free is norms"
SMOOTH_SCAN = "all that varies has exact derivatives"
SMOOTH = "all that is free has exact derivatives"

#: Why Newton's method is not taken where something else was asked for.
GIVEN = "the backend or options were given"


@dataclass(frozen=True)
class Choice:
    """Backend of a fit.

    Parameters
    ----------
    backend : str
        Name of the backend.
    templates : `~gammapy.modeling.templates.NormTemplates` or None
        Templates of the norms for Newton's method. None for other backends, and where
        they differ from fit to fit.
    reason : str
        Why this backend is used.
    at_each_value : bool
        Whether each value of a scan has templates of its own. Default is False.
    is_fast : bool
        Whether the backend works on the statistic with derivatives, see
        `~gammapy.modeling.why_not_smooth`. Default is False.

    Examples
    --------
    >>> from gammapy.modeling.automatic import Choice
    >>> Choice("minuit", reason="'index' of 'src' is free and not a norm").templates
    """

    backend: str
    templates: NormTemplates | None = None
    reason: str = ""
    at_each_value: bool = False
    is_fast: bool = False

    def log(self, label):
        """Log at level DEBUG which backend is used, and why.

        Parameters
        ----------
        label : str
            What takes it.
        """
        log.debug(f"{label}: backend {self.backend!r}, {self.reason}")


def choose(fit, datasets, parameters, *, steps=("optimize",), scales=None, **options):
    """Backend for a fit of some parameters, with the templates that Newton needs.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        What was asked for.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters to vary.
    steps : tuple of str, optional
        Steps of the fit that are to be made. Default is ("optimize",).
    scales : dict, optional
        Norms of whole components, see `~gammapy.datasets.Datasets.norm_templates`.
        Default is None.
    **options : dict
        Options ``reuse`` and ``changed`` of the same.

    Returns
    -------
    choice : `Choice`
        "newton" with templates, or the backend of the fit without.

    Raises
    ------
    ValueError
        If there are no templates, and the backend "newton" was asked for.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling import Fit
    >>> from gammapy.modeling.automatic import choose
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> datasets = Datasets([dataset])
    >>> free = datasets.parameters.free_parameters
    >>> choose(Fit(), datasets, free).backend
    'newton'
    >>> choice = choose(Fit("minuit"), datasets, free)
    >>> choice.backend, choice.reason
    ('minuit', 'the backend or options were given')
    """
    reason = why_not_asked(fit, steps)
    if reason:
        return Choice(fit.backend, reason=reason)
    try:
        templates = datasets.norm_templates(parameters, scales=scales, **options)
    except ValueError as error:
        if not fit.is_automatic:
            raise
        return Choice(fit.backend, reason=str(error))
    return Choice("newton", templates, "all that is fitted is norms")


def choose_for_scan(fit, datasets, scanned, free):
    """Backend for fits at values of some parameters.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        What was asked for.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    scanned, free : list of `~gammapy.modeling.Parameter`
        Parameters that are scanned, and that are fitted at each value.

    Returns
    -------
    choice : `Choice`
        "newton" with the templates of all of them; without templates where each value
        has its own; or the backend of the fit.

    Raises
    ------
    ValueError
        If there are no templates of norms, and the backend "newton" was asked for.
    """
    varied = [*scanned, *free]
    asked = why_not_asked(fit)
    reason = asked or datasets.why_not_linear(varied)
    choice = Choice(fit.backend, reason=reason)
    if not reason:
        choice = choose(fit, datasets, varied)
        if choice.templates is not None:
            return Choice("newton", choice.templates, "all that varies is norms")
    if free and not asked and not datasets.why_not_linear(free):
        reason = f"at each value, for {choice.reason}"
        return Choice("newton", reason=reason, at_each_value=True)
    if free and not asked and not datasets._why_not_smooth(varied):
        return Choice("newton", reason=SMOOTH_SCAN, is_fast=True)
    return choice


def choose_statistic(fit, datasets, step="optimize"):
    """Whether Minuit gets the statistic with derivatives in a step of a fit.

    Parameters
    ----------
    fit, datasets
        As for `choose`.
    step : {"optimize", "covariance", "confidence"}, optional
        Step of the fit. Default is "optimize".

    Returns
    -------
    choice : `Choice`
        The backend of the step; with ``is_fast`` where it does.
    """
    backend = fit.step_backend(step)
    reason = "" if fit.is_automatic else GIVEN
    if not reason and backend != "minuit":
        reason = "it is that of this step"
    if not reason and not hasattr(datasets, "_why_not_smooth"):
        reason = f"the datasets are in a {type(datasets).__name__}"
    if not reason:
        free = list(datasets.parameters.free_parameters)
        reason = datasets._why_not_smooth(free) if free else "nothing is free"
    return Choice(backend, reason=reason or FAST, is_fast=not reason)


def choose_profile(fit, datasets, step="optimize", *, norms=True):
    """Backend for intervals and contours of free parameters.

    Parameters
    ----------
    fit, datasets
        As for `choose`.
    step : {"optimize", "confidence"}, optional
        Step of the fit whose backend counts. Default is "optimize".
    norms : bool, optional
        Whether fits of norms alone have a way of their own. Default is True.

    Returns
    -------
    choice : `Choice`
        "newton", with ``is_fast`` where not only norms are free, or that of the fit.
    """
    reason = why_not_asked(fit, (step,))
    if not reason and not hasattr(datasets, "_why_not_smooth"):
        reason = f"the datasets are in a {type(datasets).__name__}"
    if reason:
        return Choice(fit.step_backend(step), reason=reason)
    free = list(datasets.parameters.free_parameters)
    if norms and not datasets.why_not_linear(free):
        return Choice("newton", reason=NORMS)
    reason = datasets._why_not_smooth(free)
    if reason:
        return Choice(fit.step_backend(step), reason=reason)
    return Choice("newton", reason=SMOOTH, is_fast=True)


def choose_others(fit, datasets, parameters):
    """Backend for fits of parameters with a norm of a source whose others are frozen.

    Parameters
    ----------
    fit, datasets, parameters
        As for `choose`.

    Returns
    -------
    choice : `Choice`
        "newton" where all of them have exact derivatives, or that of the fit.
    """
    reason = why_not_asked(fit) or datasets._why_not_smooth(parameters)
    if reason:
        return Choice(fit.backend, reason=reason)
    return Choice("newton", reason=SMOOTH, is_fast=True)


def run_fit(fit, datasets, label, fit_class):
    """Run a fit, with Newton's method if it is available and no backend was set.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        What was asked for.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    label : str
        Who asks, for the log.
    fit_class : type
        `~gammapy.modeling.Fit`.

    Returns
    -------
    result : `~gammapy.modeling.FitResult`
        Result.
    """
    choice = choose_profile(fit, datasets)
    if fit.is_automatic and choice.backend == "newton":
        start = [(par, par.value) for par in datasets.parameters.free_parameters]
        try:
            result = fit_class("newton", debug=fit.debug).run(datasets)
        except ValueError as error:
            reason = str(error)
        else:
            if result.success:
                choice.log(label)
                return result
            reason = result.message
            for par, value in start:
                par.value = value
        choice = Choice(fit.backend, reason=reason)
    choice.log(label)
    return fit.run(datasets)


def why_not_asked(fit, steps=("optimize",)):
    """Reason why Newton's method must not be used for steps of a fit; "" if it may be.

    It may where it was asked for, and where no backend was.
    """
    if fit.is_automatic:
        return ""
    backends = [fit.step_backend(step) for step in steps]
    if backends[0] != "newton":
        return GIVEN
    if set(backends) != {"newton"}:
        return "another backend was given for some of its steps"
    return ""


def settings_of(fit):
    """Backends of a fit and their options, a dict."""
    options = {step: dict(getattr(fit, f"{step}_opts")) for step in STEPS}
    # A trace is that of an optimiser.
    return {"backend": fit.backend, **options, "store_trace": fit.store_trace}


def is_automatic(fit, fit_class, optimizers):
    """Whether neither a backend nor a way of its own was asked of a fit.

    Parameters
    ----------
    fit : `~gammapy.modeling.Fit`
        Fit, which records its settings if the user set none.
    fit_class : type
        `~gammapy.modeling.Fit`, of which it may be a subclass.
    optimizers : dict
        Optimisers by name: somebody may have registered another one.
    """
    is_own = bool(replaced_method(fit, fit_class, METHODS))
    is_own |= any(name in vars(fit) for name in METHODS)
    is_own |= optimizers.get("minuit") is not with_progress(optimize_iminuit)
    return not is_own and fit._settings_not_asked == settings_of(fit)


def replaced_method(instance, base, names):
    """First of some methods that the class of an object has its own of, else "".

    Parameters
    ----------
    instance : object
        An object.
    base : type
        Class that it should have the methods of.
    names : list of str
        Names of the methods.

    Returns
    -------
    name : str
        Name of the method.
    """
    for name in names:
        if getattr(type(instance), name) is not getattr(base, name):
            return name
    return ""
