# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The same datasets with models of their own, to be fitted without a trace."""

from gammapy.modeling.models.copies import copy_models
from .residuals.planes import independent_copy, without_background_cache
from .shape_evaluators import own_evaluator

__all__ = []


def with_own_models(datasets, without=()):
    """The same datasets, sharing all maps, with copies of their models.

    What is done to their parameters does not reach the datasets that were given.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets of this process, which are not changed.
    without : list of str, optional
        Names of models to leave out. Default is none.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        The datasets. Linked parameters are linked, and penalties are kept but for
        those on parameters that are left out.
    """
    models = datasets.unique_models
    penalties = list(datasets._penalties or [])
    # Together, for they share parameters.
    copied = copy_models([*models, *penalties])
    kept = {
        id(model): other
        for model, other in zip(models, copied, strict=False)
        if model.name not in without
    }
    copies = type(datasets)([_with_models(dataset, kept) for dataset in datasets])
    known = {id(par) for model in kept.values() for par in model.parameters}
    copies._penalties = [
        penalty
        for penalty in copied[len(models) :]
        if all(id(par) in known for par in penalty.parameters)
    ] or None
    return copies


def _with_models(dataset, kept):
    """A dataset with some models; its evaluators begin with the responses known."""
    if dataset.models is None:
        return without_background_cache(dataset)
    models = [kept[id(model)] for model in dataset.models if id(model) in kept]
    other = independent_copy(dataset, models)
    for model in models:
        # Flux points have none.
        evaluator = getattr(dataset, "evaluators", {}).get(model.name)
        if evaluator is not None:
            # Responses take long to look up.
            other.evaluators[model.name] = own_evaluator(evaluator)
            other.evaluators[model.name].model = model
    return other
