# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a history keeps of the residuals of a step: their width, spots, goodness."""

import logging
from dataclasses import dataclass, field
from gammapy.datasets import SpatialResiduals, SpectralResiduals
from gammapy.maps import WcsGeom
from gammapy.utils.arguments import check_list, show
from gammapy.utils.ecsv import write_plain
from .goodness import GoodnessOfFitEstimator
from .goodness_result import GoodnessOfFit
from .history_record import finite
from .history_step import DISTRIBUTION, GOODNESS, HOT_SPOTS, SPECTRUM
from .hot_spot_estimator import HotSpotEstimator
from .hot_spots import HotSpots

__all__ = []

log = logging.getLogger(__name__)

#: Residual method of the table against energy.
METHOD = "significance"


@dataclass
class Summary:
    """Results to be written with a step.

    Parameters
    ----------
    writers : dict
        By file name a function that writes to a path.
    facts : dict
        Plain data for the record of the step.
    notes : list of str
        What could not be done.
    """

    writers: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def summarise(datasets, joint, *, residuals, hot_spots, goodness):
    """Make what was not given, and collect it.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    joint : `~gammapy.datasets.Datasets` or list
        The same as the user gave them, which know the joint covariance.
    residuals, hot_spots, goodness : object
        See `FitHistory.add`.

    Returns
    -------
    summary : `Summary`
        Summary.
    """
    summary = Summary()
    for found in _residuals(datasets, residuals, summary.notes):
        _add_residuals(found, summary)
    found = _hot_spots(datasets, hot_spots, summary.notes)
    summary.facts["spots"] = None if found is None else _add_spots(found, summary)
    found = _goodness(joint, goodness)
    if found is not None:
        _add_goodness(found, summary)
    return summary


def _is_image(datasets):
    """Whether the datasets have maps of counts on the sky."""
    return bool(len(datasets)) and all(
        isinstance(getattr(dataset, "_geom", None), WcsGeom)
        and getattr(dataset, "counts", None) is not None
        for dataset in datasets
    )


def _has_counts(datasets):
    return bool(len(datasets)) and all(
        getattr(dataset, "counts", None) is not None for dataset in datasets
    )


def _residuals(datasets, given, notes):
    """Residuals that were given, or those of all pixels and energies."""
    if given is False:
        return []
    if given not in (None, True):
        given = [given] if isinstance(given, RESIDUALS) else given
        expected = "SpatialResiduals, SpectralResiduals or a list of both"
        given = check_list("residuals", given, expected)
        for value in given:
            if not isinstance(value, RESIDUALS):
                raise TypeError(f"residuals: expected {expected}, got {show(value)}.")
        return given
    kinds = [SpatialResiduals] if _is_image(datasets) else []
    kinds += [SpectralResiduals] if _has_counts(datasets) else []
    return [
        found
        for kind in kinds
        for found in _tried(kind.from_datasets, datasets, kind.__name__, notes)
    ]


RESIDUALS = (SpatialResiduals, SpectralResiduals)


def _tried(make, datasets, what, notes):
    """Result of a function in a list, or a note if it fails, as it is optional."""
    try:
        return [make(datasets)]
    except (TypeError, ValueError) as error:
        notes.append(f"No {what}: {error}")
        log.warning(notes[-1])
        return []


def _add_residuals(residuals, summary):
    if isinstance(residuals, SpatialResiduals):
        table = residuals.distribution()
        summary.writers[DISTRIBUTION] = _table_writer(table)
        facts = {name: finite(table[name][0]) for name in ("mean", "std")}
        summary.facts["residuals"] = facts
    else:
        summary.writers[SPECTRUM] = _table_writer(residuals.to_table(METHOD))


def _table_writer(table):
    return lambda path: write_plain(table, path)


def _hot_spots(datasets, given, notes):
    """Spots that were given or asked for; without toys where there is no word."""
    if given is False:
        return None
    if isinstance(given, HotSpots):
        return given
    if isinstance(given, HotSpotEstimator):
        return given.run(datasets)
    if given not in (None, True):
        raise TypeError(
            "hot_spots: expected HotSpots, a HotSpotEstimator, True or False, got "
            f"{show(given)}."
        )
    estimator = HotSpotEstimator(n_toys=0, random_state=0)
    if given:
        return estimator.run(datasets)
    if not _is_image(datasets):
        return None
    return next(iter(_tried(estimator.run, datasets, "HotSpots", notes)), None)


def _add_spots(spots, summary):
    """Facts of the highest spot."""
    summary.writers[HOT_SPOTS] = spots.write
    summary.facts.setdefault("verdicts", {})["hot spots"] = spots.verdict
    table, meta = spots.table, spots.meta
    facts = {"number": len(table), "threshold": meta.get("threshold")}
    if len(table):
        row = table[0]
        names = ("lon", "lat", "sqrt_ts", "p_global", "separation")
        facts |= {name: finite(row[name]) for name in names}
        facts |= {"nearest": str(row["nearest"]), "frame": meta.get("frame", "")}
    return facts


def _goodness(datasets, given):
    """Test of the goodness of fit that was given or asked for."""
    if given in (None, False):
        return None
    if isinstance(given, GoodnessOfFit):
        return given
    if given is True:
        given = GoodnessOfFitEstimator(n_toys=0, random_state=0)
    if not isinstance(given, GoodnessOfFitEstimator):
        raise TypeError(
            "goodness: expected a GoodnessOfFit, a GoodnessOfFitEstimator, True or "
            f"False, got {show(given)}."
        )
    return given.run(datasets)


def _add_goodness(goodness, summary):
    summary.writers[GOODNESS] = goodness.write
    summary.facts.setdefault("verdicts", {})["goodness"] = goodness.verdict
    summary.facts["goodness"] = {
        "p_value": finite(goodness.p_value),
        "p_worst": finite(goodness.p_worst),
        "is_bad": goodness.is_bad,
    }
