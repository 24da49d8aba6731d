# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Input of the information criteria of a fit: number of events, and priors."""

from dataclasses import dataclass
import numpy as np
from .utils import COUNTS

__all__ = []

#: Statistics that are -2 ln L up to a constant of the data. With weights it is not.
LIKELIHOODS = ("cash", "wstat", "chi2", "distrib", "profile")


@dataclass(frozen=True)
class FittedData:
    """What was fitted, in numbers.

    Parameters
    ----------
    n_free : int
        Number of free parameters, linked ones once.
    n_events : float or None
        Events inside the masks, of on-off data the off events, too; of flux points
        their number. None where the statistic is no likelihood.
    prior_stat : float
        What priors and penalties add to the statistic.
    """

    n_free: int
    n_events: float | None
    prior_stat: float

    @classmethod
    def from_datasets(cls, datasets):
        """Of datasets, with their parameters as a fit left them.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets. Those in processes of their own are not asked: there is no number
            of events then.

        Returns
        -------
        data : `FittedData`
            The numbers.
        """
        events = [_n_events(dataset) for dataset in datasets]
        is_known = all(number is not None for number in events)
        models = datasets.models
        return cls(
            n_free=len(models.parameters.free_unique_parameters),
            n_events=sum(events) if is_known else None,
            prior_stat=_prior_stat(models),
        )


def add_fitted_data(result, datasets):
    """Note what was fitted: n_free, and what the information criteria need.

    Parameters
    ----------
    result : `~gammapy.modeling.OptimizeResult`
        Result, which is given the numbers.
    datasets : `~gammapy.datasets.Datasets`
        Datasets, as the fit left them.

    Returns
    -------
    result : `~gammapy.modeling.OptimizeResult`
        The result.
    """
    result._fitted_data = FittedData.from_datasets(datasets)
    return result


def likelihood_stat(result):
    """Statistic of a result without priors, None where it is no likelihood."""
    data = result._fitted_data
    if data is None or data.n_events is None:
        return None
    return float(result.total_stat) - data.prior_stat


def numbers_of(result):
    """Number of parameters and information criteria of a result, by name."""
    return {"n_free": result.n_free, "aic": result.aic, "bic": result.bic}


def with_numbers(describe):
    """Method ``__str__`` of `OptimizeResult` with these numbers, but for None.

    Parameters
    ----------
    describe : callable
        The method without.

    Returns
    -------
    describe : callable
        The method.
    """

    def describe_all(self):
        n_free, *criteria = numbers_of(self).items()
        lines = [f"n free     : {n_free[1]}"]
        lines += [
            f"{name:11}: {value:.2f}" for name, value in criteria if value is not None
        ]
        text = "".join(f"\t{line}\n" for line in lines)
        return f"{describe(self).rstrip()}\n{text}\n"

    return describe_all


def with_entries(to_dict):
    """Method ``to_dict`` of `OptimizeResult` with these numbers.

    Parameters
    ----------
    to_dict : callable
        The method without.

    Returns
    -------
    to_dict : callable
        The method.
    """

    def to_dict_of_all(self):
        data = to_dict(self)
        data[type(self).__name__] |= numbers_of(self)
        return data

    return to_dict_of_all


def _prior_stat(models):
    """What priors and penalties add, those of linked parameters for each model."""
    stat = models.parameters.prior_stat_sum()
    return float(stat + sum(part.stat_sum() for part in models._penalties or []))


def _n_events(dataset):
    """Events of a dataset inside its mask; None where it has no likelihood."""
    # A dataset of another process would send its maps; others need not say what
    # they fit.
    if hasattr(dataset, "_ray_get"):
        return None
    stat_type = getattr(dataset, "stat_type", None)
    if stat_type not in LIKELIHOODS:
        return None
    mask = None if dataset.mask is None else np.asarray(_data(dataset.mask)) != 0
    if stat_type not in COUNTS:
        return float(np.prod(dataset.data_shape) if mask is None else np.sum(mask))
    maps = [getattr(dataset, name, None) for name in COUNTS[stat_type]]
    return float(sum(_sum(map_.data, mask) for map_ in maps if map_ is not None))


def _data(mask):
    """Values of a mask, which may be a map."""
    return getattr(mask, "data", mask)


def _sum(values, mask):
    # float32 counts of a large map would be added up in float32.
    return np.sum(values, dtype=float, where=True if mask is None else mask)
