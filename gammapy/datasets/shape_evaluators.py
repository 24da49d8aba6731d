# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Evaluators of sources, with responses that are looked up."""

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

    2.1 makes a new one only for a source that moves, and cuts off one that grows.
    """
    if evaluator.evaluation_mode != "local" or not evaluator.contributes:
        return False
    if evaluator.geom.is_region:
        return False
    model = evaluator.model
    half = (evaluator.cutout_width - evaluator.psf_width) / 2
    moved = evaluator.position.separation(model.position)
    kind = KINDS.get(type(model.spatial_model))
    share = 1.0 if kind is None else kind.reach_inside
    return bool(moved + share * model.evaluation_radius > half)
