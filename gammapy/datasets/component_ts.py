# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Test statistic of one component of a model, by a fit without it."""

from dataclasses import dataclass
import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2
from gammapy.modeling import Fit
from gammapy.modeling.automatic import choose_profile, run_fit
from gammapy.modeling.fit_table import unique_parameter_names
from gammapy.modeling.linearity import proportional_norms
from gammapy.modeling.models import FoVBackgroundModel
from gammapy.stats.deviation import log_p_to_sigma
from gammapy.utils.arguments import did_you_mean, listed, show
from .model_copies import with_own_models

__all__ = ["ComponentTS"]

#: Fall of the statistic in a fit with the component that is said.
FALL = 0.1


@dataclass(frozen=True)
class ComponentTS:
    """Test statistic of one component, from `Datasets.ts_of`.

    Parameters
    ----------
    name : str
        Name of the component.
    ts : float
        Fit statistic without the component minus that with it.
    n_free : int
        Degrees of freedom: free parameters of the component alone that the data
        determine.
    sigma : float
        Significance of TS for this number of degrees of freedom (Wilks 1938, Ann. Math.
        Stat. 9, 60). For one degree of freedom it is the square root of TS. NaN for
        none.
    stat, stat_without : float
        Fit statistic with and without the component, each at its minimum. It includes
        the priors of other models, but not those of the component.
    success : bool
        Whether the fits succeeded.
    note : str
        Limitations, "" for none.

    Examples
    --------
    >>> from gammapy.datasets import ComponentTS
    >>> found = ComponentTS("src", 25.0, 1, 5.0, stat=75.0, stat_without=100.0)
    >>> print(found)
    src: TS = 25.0 for 1 degree of freedom, 5.0 sigma
    """

    name: str
    ts: float
    n_free: int
    sigma: float
    stat: float
    stat_without: float
    success: bool = True
    note: str = ""

    def __str__(self):
        plural = "" if self.n_free == 1 else "s"
        text = f"{self.name}: TS = {self.ts:.1f} for {self.n_free} degree{plural} of "
        text += "freedom"
        if np.isfinite(self.sigma):
            text += f", {self.sigma:.1f} sigma"
        return f"{text}. {self.note}" if self.note else text


def ts_of(datasets, component):
    """Test statistic of a component, see `Datasets.ts_of`.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets of this process.
    component : `~gammapy.modeling.models.ModelBase` or str
        Model, or its name.

    Returns
    -------
    ts : `ComponentTS`
        The result.
    """
    component = find_component(datasets.unique_models, component)
    name = component.name
    full = with_own_models(datasets)
    rest = with_own_models(datasets, without=[name])
    own = _OwnParameters(full, name)
    notes, problems, undetermined = _fit_with(full)
    n_free = len(own.determined(undetermined))
    if len(rest.parameters.free_parameters) > 0:
        result = run_fit(Fit(), rest, "ts_of", Fit)
        if not result.success:
            problems.append(f"The fit without it failed: {result.message}")
    stat, stat_without = _stat(full, without=name), _stat(rest)
    ts = stat_without - stat
    if ts < -FALL:
        problems.append("The fit with it is not at its minimum.")
    notes += [*problems, *own.notes(undetermined), *_notes_of_data(full, n_free)]
    return ComponentTS(
        name=name,
        ts=ts,
        n_free=n_free,
        sigma=sigma_of(ts, n_free),
        stat=stat,
        stat_without=stat_without,
        success=not problems,
        note=" ".join(notes),
    )


def find_component(models, component):
    """Model by its name, or as it is.

    Parameters
    ----------
    models : list of `~gammapy.modeling.models.ModelBase`
        Models.
    component : str or `~gammapy.modeling.models.ModelBase`
        Which one.

    Returns
    -------
    model : `~gammapy.modeling.models.ModelBase`
        The model.

    Raises
    ------
    ValueError
        If there is no such model.
    TypeError
        If the argument has the wrong type.
    """
    known = [model.name for model in models]
    for model in models:
        if model is component or model.name == component:
            return model
    name = component if isinstance(component, str) else getattr(component, "name", None)
    if not isinstance(name, str):
        raise TypeError(
            f"component: expected a model or its name, got {show(component)}; choose "
            f"from {listed(known)}."
        )
    what = show(name) if name is component else f"another {name!r}"
    hint = "" if name in known else did_you_mean(name, known)
    raise ValueError(
        f"component: the models of the datasets have no model {what}{hint}; choose "
        f"from {listed(known)}."
    )


def sigma_of(ts, n_free):
    """Standard deviations of a TS, NaN for no degrees of freedom.

    Parameters
    ----------
    ts : float
        Test statistic.
    n_free : int
        Degrees of freedom.

    Returns
    -------
    sigma : float
        Standard deviations, 0 or more.
    """
    if n_free == 0 or not np.isfinite(ts):
        return np.nan
    ts = max(ts, 0.0)
    log_p = chi2.logsf(ts, n_free)
    if not np.isfinite(log_p):
        # The first term of the asymptotic series (DLMF 8.11.2).
        half, x = n_free / 2, ts / 2
        log_p = (half - 1) * np.log(x) - x - gammaln(half)
    return float(log_p_to_sigma(log_p))


def _fit_with(datasets):
    """Fit with the component, where that is fast.

    Elsewhere the models are taken as they are: the fit that they come from took as
    long as this would.

    Returns
    -------
    notes, problems, undetermined : tuple
        Notes, failures, and unique names of parameters that the data
        do not determine.
    """
    if len(datasets.parameters.free_parameters) == 0:
        return [], [], set()
    if choose_profile(Fit(), datasets).backend != "newton":
        return [], [], set()
    before = datasets.stat_sum()
    result = run_fit(Fit(), datasets, "ts_of", Fit)
    notes, problems = [], []
    if not result.success:
        problems.append(f"The fit with it failed: {result.message}")
    fall = before - datasets.stat_sum()
    if fall > FALL:
        notes.append(
            f"The models were not at their minimum: a fit lowered the statistic by "
            f"{fall:.2g}. This minimum is used."
        )
    return notes, problems, set(result.undetermined)


def _stat(datasets, without=None):
    """Statistic, but for the priors of one model and penalties on its parameters."""
    models = [model for model in datasets.unique_models if model.name != without]
    parameters = [par for model in models for par in model.parameters]
    known = {id(par) for par in parameters}
    terms = [dataset.stat_sum() for dataset in datasets]
    # As in `Datasets.stat_sum`, once for each model to which a parameter is linked.
    terms += [par.prior_stat_sum() for par in parameters if par.prior is not None]
    for penalty in datasets._penalties or []:
        if all(id(par) in known for par in penalty.parameters):
            terms.append(penalty.stat_sum())
    return float(sum(terms))


class _OwnParameters:
    """Free parameters of a component, and what they mean for its TS."""

    def __init__(self, datasets, name):
        models = datasets.unique_models
        self.model = next(model for model in models if model.name == name)
        self.others = [
            par
            for model in models
            if model is not self.model
            for par in model.parameters
        ]
        self.names = unique_parameter_names(models)
        shared = {id(par) for par in self.others}
        free = self.model.parameters.free_unique_parameters
        self.own = [par for par in free if id(par) not in shared]
        self.shared = [par for par in free if id(par) in shared]

    def determined(self, undetermined):
        """Those that the data determine."""
        return [par for par in self.own if self.names[id(par)] not in undetermined]

    def notes(self, undetermined):
        """What makes the distribution of TS another than that of Wilks."""
        counted = self.determined(undetermined)
        left_out = [par for par in self.own if self.names[id(par)] in undetermined]
        if self.shared:
            yield f"{_names(self.shared)}: shared with other models and not counted."
        if left_out:
            yield f"{_names(left_out)}: not determined by the data and not counted."
        if not counted:
            yield "None of its own parameters is free: there is no significance."
        if isinstance(self.model, FoVBackgroundModel):
            yield "Without this model the background is not scaled."
            return
        norms = proportional_norms(self.model.spectral_model)
        strengths = [par for par in counted if id(par) in norms]
        bounded = [par for par in strengths if par.min >= 0]
        if bounded:
            yield (
                f"{_names(bounded)} cannot be below {bounded[0].min:g}: about half of "
                "all noise has TS = 0."
            )
        rest = [par for par in counted if id(par) not in norms]
        if strengths and rest:
            yield (
                f"{_names(rest)} are not defined without it, so noise has higher TS "
                "than Wilks' theorem says: sigma is before trials."
            )


def _names(parameters):
    return ", ".join(par.name for par in parameters)


def _notes_of_data(datasets, n_free):
    names = [dataset.name for dataset in datasets if _is_weighted(dataset)]
    if names and n_free:
        yield f"{', '.join(names)}: weighted data: Wilks' theorem does not hold."


def _is_weighted(dataset):
    return getattr(dataset, "stat_type", None) == "cash_weighted"
