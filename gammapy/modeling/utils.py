# Licensed under a 3-clause BSD style license - see LICENSE.rst
from contextlib import contextmanager
import numpy as np
from gammapy.utils.arguments import did_you_mean, listed, show

#: Maps of Poisson counts, by fit statistic.
COUNTS = {
    "cash": ["counts"],
    "cash_weighted": ["counts"],
    "wstat": ["counts", "counts_off"],
}


def _parse_datasets(datasets):
    is_list = isinstance(datasets, (list, tuple))
    strange = (
        [dataset for dataset in datasets if not hasattr(dataset, "name")]
        if is_list
        else []
    )
    if strange or not (is_list or hasattr(datasets, "stat_sum")):
        raise TypeError(
            "datasets: expected Datasets, a list of datasets or one dataset, got "
            f"{show(datasets)}."
        )
    if is_list and not datasets:
        raise ValueError("datasets: expected at least one dataset, got none.")
    datasets = list(datasets) if is_list else datasets
    return _upstream__parse_datasets(datasets)


def find_parameter(parameters, parameter, name="parameter"):
    """Parameter of models by its name, index, or as it is.

    Parameters
    ----------
    parameters : `~gammapy.modeling.Parameters`
        All parameters.
    parameter : `~gammapy.modeling.Parameter`, str or int
        Which one.
    name : str, optional
        Argument, for the error. Default is "parameter".

    Returns
    -------
    parameter : `~gammapy.modeling.Parameter`
        The parameter.

    Raises
    ------
    ValueError
        If there is no such parameter.
    TypeError
        If the argument has the wrong type.
    """
    known = list(dict.fromkeys(parameters.names))
    try:
        return parameters[parameter]
    except TypeError:
        raise TypeError(
            f"{name}: expected a parameter or its name, got {show(parameter)}; choose "
            f"from {listed(known)}."
        ) from None
    except (IndexError, ValueError):
        given = getattr(parameter, "name", parameter)
        hint = did_you_mean(given, known) if isinstance(given, str) else ""
        what = show(given) if given is parameter else f"another {given!r}"
        raise ValueError(
            f"{name}: the models of the datasets have no parameter {what}"
            f"{'' if given in known else hint}; choose from {listed(known)}."
        ) from None


def check_counts(datasets):
    """Raise a ValueError for counts inside the masks that no statistic can be of.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets; those of other data than counts, or in another process, are left out.
    """
    for dataset in datasets:
        # Those of another process would send their maps.
        is_remote = hasattr(dataset, "_ray_get")
        # A dataset of a user's own class need not say what it fits.
        stat_type = getattr(dataset, "stat_type", None)
        names = [] if is_remote else COUNTS.get(stat_type, [])
        for name in names:
            map_ = getattr(dataset, name, None)
            # That a NaN is not larger either makes it one pass.
            if map_ is None or np.min(map_.data, initial=0) >= 0:
                continue
            _check_inside(dataset, name, map_)


def _check_inside(dataset, name, map_):
    is_bad = ~(map_.data >= 0)
    if dataset.mask is not None:
        is_bad = is_bad & (dataset.mask.data != 0)
    if is_bad.any():
        lowest = np.min(map_.data[is_bad])
        raise ValueError(bad_counts(dataset.name, np.sum(is_bad), lowest, name))


def bad_counts(dataset_name, n_bad, lowest, name="counts"):
    """Message on counts that are negative or no numbers."""
    what = f"are negative (lowest {lowest:g})"
    if not np.isfinite(lowest):
        what = "are not finite"
    return (
        f"Dataset {dataset_name!r} has {n_bad} bins inside its mask with {name} that "
        f"{what}; mask them with mask_safe."
    )


def set_values(parameters, values):
    """Set the values of parameters.

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters.
    values : list of float
        Their values.
    """
    for par, value in zip(parameters, values, strict=True):
        par.value = value


@contextmanager
def values_restored(parameters):
    """Context after which parameters have the values that they had.

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        Parameters.

    Yields
    ------
    None
        Nothing.
    """
    values = [par.value for par in parameters]
    try:
        yield
    finally:
        set_values(parameters, values)
