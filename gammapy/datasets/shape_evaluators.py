# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Evaluators of sources, with responses that are looked up."""

import copy
from .shape_kinds import KINDS

__all__ = []


def own_evaluators(dataset, sources):
    """Evaluators of sources in a dataset, with their responses looked up.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    sources : list of `~gammapy.modeling.models.SkyModel`
        Sources.

    Yields
    ------
    name, evaluator : tuple
        Those that contribute.
    """
    names = {model.name for model in sources}
    for name, evaluator in dataset.evaluators.items():
        if name not in names:
            continue
        if evaluator.needs_update or is_outgrown(evaluator):
            evaluator.update(
                dataset.exposure,
                dataset.psf,
                dataset.edisp,
                dataset.counts.geom,
                dataset.mask_image,
            )
        if evaluator.contributes:
            yield name, evaluator


def is_outgrown(evaluator):
    """Whether a source reaches out of the cutout that its evaluator once made.

    An evaluator makes a new one only for a source that moves, so one that grows is cut
    off.
    """
    if evaluator.evaluation_mode != "local" or not evaluator.contributes:
        return False
    if evaluator.geom.is_region:
        return False
    model = evaluator.model
    half = (evaluator.cutout_width - evaluator.psf_width) / 2
    moved = evaluator.position.separation(model.position)
    # Models of `gammapy.datasets.shape_family` know it themselves.
    kind = KINDS.get(type(model.spatial_model), model.spatial_model)
    share = getattr(kind, "reach_inside", 1.0)
    return bool(moved + share * model.evaluation_radius > half)


def own_evaluator(evaluator):
    """Evaluator that shares the responses, and keeps what it computes to itself.

    Parameters
    ----------
    evaluator : `~gammapy.datasets.evaluator.MapEvaluator`
        Evaluator. It is not changed.

    Returns
    -------
    other : `~gammapy.datasets.evaluator.MapEvaluator`
        Copy.
    """
    other = copy.copy(evaluator)
    # These are methods of the first one, which would change its images.
    del other.methods_sequence
    return other


def copied_evaluator(evaluator, model):
    """Evaluator of another model that has the responses of the first one.

    Parameters
    ----------
    evaluator : `~gammapy.datasets.evaluator.MapEvaluator`
        Evaluator with responses. It is not changed.
    model : `~gammapy.modeling.models.SkyModel`
        Model at the same position, or nearby.

    Returns
    -------
    other : `~gammapy.datasets.evaluator.MapEvaluator`
        Evaluator of the model, that keeps what it computes to itself.
    """
    other = own_evaluator(evaluator)
    other.model = model
    # What depends on values of the parameters, or on their number.
    del other._norm_idx
    other._cached_parameter_values = None
    other._cached_parameter_values_previous = None
    other._cached_parameter_values_spatial = None
    other.reset_cache_properties()
    return other
