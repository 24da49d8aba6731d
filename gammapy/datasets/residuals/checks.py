# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checks of datasets for residuals, and of excluded models."""

import logging
from gammapy.modeling.models import ModelBase
from gammapy.utils.arguments import did_you_mean, show
from .grids import describe_difference

log = logging.getLogger(__name__)

__all__ = []

#: Statistic of the residuals for the fit statistics of datasets.
STAT_KINDS = {"cash": "cash", "cash_weighted": "cash", "wstat": "wstat"}

#: What on-off datasets have besides counts.
OFF_ARRAYS = ("counts_off", "acceptance", "acceptance_off")


def joint_stat_kind(datasets):
    """Return "cash" or "wstat", the statistic of all datasets.

    Raises a ValueError when there are no datasets or they mix statistics, and a
    TypeError when a dataset has no counts.
    """
    if len(datasets) == 0:
        raise ValueError("datasets: expected at least one dataset, got none.")

    kinds = {}
    for dataset in datasets:
        if dataset.stat_type not in STAT_KINDS:
            raise TypeError(
                f"Dataset {dataset.name!r} has the statistic {dataset.stat_type!r}: "
                f"residuals need counts, so one of {', '.join(STAT_KINDS)}."
            )
        check_data(dataset)
        if dataset.counts.unit != "":
            raise ValueError(
                f"Counts of dataset {dataset.name!r} have the unit "
                f"{str(dataset.counts.unit)!r}: only plain numbers are Poisson counts."
            )
        kinds.setdefault(STAT_KINDS[dataset.stat_type], []).append(dataset.name)

    if len(kinds) > 1:
        raise ValueError(
            "Datasets with a modelled and with a measured background cannot be "
            f"joined: {kinds['cash']} use cash, {kinds['wstat']} use wstat. "
            "Compute the residuals of each kind separately."
        )
    return next(iter(kinds))


def check_data(dataset):
    """Raise a ValueError when a dataset lacks its counts, or its maps do not fit."""
    if dataset.counts is None:
        raise ValueError(f"Dataset {dataset.name!r} has no counts.")
    needed = OFF_ARRAYS if dataset.stat_type == "wstat" else ()
    for name in needed:
        if getattr(dataset, name) is None:
            raise ValueError(f"On-off dataset {dataset.name!r} has no {name}.")
    # Of on-off data the background is profiled, which is not to be asked for.
    names = (*needed, "mask_safe", "mask_fit")
    for name in names if needed else (*names, "background"):
        map_ = getattr(dataset, name)
        if map_ is None:
            continue
        difference = describe_difference(map_.geom, dataset.counts.geom)
        if difference:
            raise ValueError(
                f"Dataset {dataset.name!r}: {name} is not on the geometry of its "
                f"counts: {difference}."
            )


def parse_names(datasets, exclude):
    """Names of models, given as names or models.

    Raises a ValueError for a name that is unknown, a TypeError for what is no name.
    """
    if exclude is None:
        return []
    names = [exclude] if isinstance(exclude, (str, ModelBase)) else exclude
    try:
        names = [name if isinstance(name, str) else name.name for name in names]
    except (AttributeError, TypeError):
        raise TypeError(
            f"exclude: expected names of models, or models, got {show(exclude)}."
        ) from None
    check_model_names(datasets, names)
    return names


def check_model_names(datasets, names):
    """Raise a ValueError for the first name that is no model of any dataset."""
    known = list(datasets.models.names) if datasets.models is not None else []
    for name in names:
        if name not in known:
            raise ValueError(
                f"exclude: there is no model named {name!r}"
                f"{did_you_mean(name, known)}; the models are {known}."
            )


def log_without_models(datasets):
    """Say which datasets have no models, so that the background is all there is."""
    names = [dataset.name for dataset in datasets if not dataset.models]
    if names:
        log.info(f"No models are set on {', '.join(names)}: only background.")
