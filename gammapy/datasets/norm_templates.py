# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Templates of the norms of datasets, and why there are none of others."""

from collections import Counter
import numpy as np
from gammapy.modeling import Parameter
from gammapy.modeling.automatic import replaced_method
from gammapy.modeling.linearity import (
    NotLinearError,
    parameter_name,
    why_not_model,
    why_not_prior,
)
from gammapy.modeling.newton.collected import Rows, Sums
from gammapy.modeling.newton.templates import NormTemplates
from gammapy.modeling.utils import bad_counts
from gammapy.utils.arguments import check_list, check_type
from .norm_terms import dataset_terms, norms_not_zero

__all__ = []

#: Datasets with fewer bins are kept bin by bin, sums would not make them faster.
N_BINS_SUMMED = 2000

#: Methods of datasets that the templates stand for.
METHODS = ("npred", "npred_signal", "npred_background", "stat_sum")


def make_norm_templates(datasets, parameters, *, scales=None, reuse=None, changed=()):
    """Make templates of norms, see `~gammapy.datasets.Datasets.norm_templates`."""
    _check_parameters(parameters)
    if reuse is not None:
        check_type("reuse", reuse, NormTemplates, "NormTemplates")
    scales = scales or {}
    models = datasets.unique_models
    norms = [*scales.values(), *parameters]
    names = [f"{par.name!r} of {name!r}" for name, par in scales.items()]
    names += [parameter_name(models, par) for par in parameters]
    reasons = [datasets.why_not_linear(parameters)]
    reasons += [
        why_not_prior(norm, name) for norm, name in zip(norms, names, strict=True)
    ]
    for reason in filter(None, reasons):
        raise NotLinearError(f"Not linear in norms: {reason}.")
    described = _describe_norms(norms, names, _occurrences(models, scales))
    indices = {id(par): idx for idx, par in enumerate(norms)}
    rows, sums = Rows(len(norms)), Sums(len(norms))
    kept = []
    with norms_not_zero(parameters):
        for number, dataset in enumerate(datasets):
            old = () if reuse is None else reuse.datasets[number].terms
            known = [term for term in old if term.name not in changed]
            terms = dataset_terms(dataset, indices, scales, known)
            kept.append(terms)
            _collect(number, terms, dataset.counts.data, rows, sums)
    columns, matrix = rows.finish()
    templates = NormTemplates(
        parameters=norms,
        datasets=kept,
        planes=sums.finish(),
        matrix=matrix,
        **described,
        **columns,
    )
    if not templates.planes.n_bins.any():
        names = [dataset.name for dataset in datasets]
        raise ValueError(f"The masks of datasets {names} hide all of their bins.")
    return templates


def _collect(number, dataset, counts, rows, sums):
    """Add the bins and the sums of one dataset."""
    is_summed = counts.size > N_BINS_SUMMED
    for energies in dataset.chunks():
        inside = dataset.inside(energies)
        part = counts[energies]
        _check_counts(dataset.name, part, inside > 0, "counts")
        if dataset.off is not None:
            off = dataset.off.counts_off[energies]
            _check_counts(dataset.name, off, inside > 0, "counts_off")
        first_plane = sums.n_planes - energies.start
        weights = dataset.weights(energies)
        sums.add(number, dataset, energies, weights, is_summed)
        keep = inside > 0
        if is_summed:
            # What no off counts belong to is in no sum.
            keep &= (part > 0) | (weights == 0)
        idx = np.unravel_index(np.flatnonzero(keep), keep.shape)
        into = (idx[0] + energies.start, *idx[1:])
        rows.add(dataset, first_plane, into, part[idx], inside[idx])


def _check_counts(dataset_name, counts, inside, name):
    is_broken = ~((counts >= 0) & (counts < np.inf)) & inside
    if is_broken.any():
        n_broken, lowest = np.sum(is_broken), np.min(counts[is_broken])
        raise ValueError(bad_counts(dataset_name, n_broken, lowest, name))


def why_not_linear(datasets, parameters, classes):
    """Say why the model is not linear in parameters, see `gammapy.modeling.linearity`.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters to vary.
    classes : dict of type
        Class of datasets whose own methods give a statistic, by its name.

    Returns
    -------
    reason : str
        The first reason, empty when there is none.
    """
    selected = {id(par) for par in parameters}
    reasons = ["the datasets have penalties" if datasets._penalties else ""]
    reasons += [_why_not_dataset(dataset, classes) for dataset in datasets]
    models = datasets.unique_models
    reasons += [why_not_model(model, selected) for model in models]
    reasons += [why_not_prior(par, parameter_name(models, par)) for par in parameters]
    known = {id(par) for par in datasets.parameters}
    reasons += [
        f"{par.name!r} is no parameter of the models of the datasets"
        for par in parameters
        if id(par) not in known
    ]
    return next((reason for reason in reasons if reason), "")


def _why_not_dataset(dataset, classes):
    name = getattr(dataset, "name", dataset)
    if not isinstance(dataset, classes["cash"]):
        return f"dataset {name!r} is a {type(dataset).__name__}, not a MapDataset"
    is_on_off = isinstance(dataset, classes["wstat"])
    dataset_class = classes.get(dataset.stat_type)
    if dataset_class is None or is_on_off != (dataset_class is classes["wstat"]):
        kind = f" and is a {type(dataset).__name__}" if dataset_class else ""
        return f"dataset {name!r} has the statistic {dataset.stat_type!r}{kind}"
    own = replaced_method(dataset, dataset_class, METHODS)
    if own:
        return f"dataset {name!r} has its own {own}()"
    if dataset.counts is None:
        return f"dataset {name!r} has no counts"
    geom = dataset.counts.geom
    if geom.is_hpx or geom.axes.names != ["energy"]:
        return f"dataset {name!r} is not on a map or region with an energy axis alone"
    return _why_not_off(dataset) if is_on_off else ""


def _why_not_off(dataset):
    """Say why off counts give no statistic."""
    for name in ("counts_off", "acceptance", "acceptance_off"):
        if getattr(dataset, name) is None:
            return f"dataset {dataset.name!r} has no {name}"
    if np.any(dataset.alpha.data < 0):
        return f"dataset {dataset.name!r} has acceptances below 0"
    return ""


def _check_parameters(parameters):
    """Raise a TypeError when something is no list of parameters."""
    if hasattr(parameters, "__len__") and len(parameters) == 0:
        return  # the statistic alone is wanted
    expected = "a list of parameters"
    for parameter in check_list("parameters", parameters, expected):
        check_type("parameters", parameter, Parameter, expected)


def _occurrences(models, scales):
    """How often each parameter occurs: in each model to which it is linked."""
    occurrences = Counter()
    for model in models:
        parameters = list(model.parameters)
        if model.name in scales:
            own = {id(par) for par in model.spectral_model.parameters}
            parameters = [par for par in parameters if id(par) not in own]
            parameters.append(scales[model.name])
        occurrences.update(parameters)
    return occurrences


def _describe_norms(parameters, names, occurrences):
    """Names, values, bounds and priors of the norms."""
    values = np.array([par.value for par in parameters], dtype=float)
    bounds = [_bounds(par, name) for par, name in zip(parameters, names, strict=True)]
    minima, maxima = np.array(bounds, dtype=float).reshape(-1, 2).T
    for name, value in zip(names, values, strict=True):
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}; set it to a number to start from.")
    mean, precision = np.zeros((2, len(parameters)))
    constant = 0.0
    indices = {id(par): idx for idx, par in enumerate(parameters)}
    # A linked parameter counts once for each of its models, as in Datasets.stat_sum.
    for par, number in occurrences.items():
        if par.prior is None:
            continue
        if id(par) not in indices:
            constant += number * par.prior_stat_sum()
            continue
        idx, prior = indices[id(par)], par.prior
        mean[idx], sigma = prior.mu.value, prior.sigma.value
        precision[idx] = number * prior.weight / sigma**2
        constant += number * prior.weight * prior.evaluate(mean[idx], mean[idx], sigma)
    return {
        "names": names,
        "values": values,
        "minima": minima,
        "maxima": maxima,
        "prior_mean": mean,
        "prior_precision": precision,
        "constant": float(constant),
    }


def _bounds(parameter, name):
    low = -np.inf if np.isnan(parameter.min) else parameter.min
    high = np.inf if np.isnan(parameter.max) else parameter.max
    if parameter.scale_transform != "lin":
        # Its square root or logarithm is what other optimisers vary.
        low = max(low, 0.0)
    if low > high or low == np.inf or high == -np.inf:
        raise ValueError(
            f"The bounds of {name} are reversed: min is {parameter.min} and max is "
            f"{parameter.max}."
        )
    return low, high
