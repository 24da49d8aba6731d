# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Terms of the model of datasets that is linear in norms, for Newton's method."""

from contextlib import contextmanager
import numpy as np
from gammapy.modeling.newton.on_off import OffMaps
from gammapy.modeling.newton.terms import DatasetTerms, Term

__all__ = []


def dataset_terms(dataset, indices, scales, known=()):
    """Make the terms of a dataset, but for those that are known.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    indices : dict
        Index of each norm by its id.
    scales : dict
        Norms of whole components by name.
    known : list of `Term`
        Terms of this dataset and these norms that were made before.

    Returns
    -------
    terms : `DatasetTerms`
        Terms.
    """
    names = {term.name for term in known}
    sources = _source_terms(dataset, indices, scales, names)
    mask = dataset.mask
    off, background = None, []
    if dataset.stat_type == "wstat":
        off = _off_maps(dataset)
    else:
        background = _background(dataset, indices, names)
    return DatasetTerms(
        name=dataset.name,
        axis=dataset.counts.geom.axes["energy"],
        shape=dataset.counts.data.shape,
        terms=[*known, *sources, *background],
        mask=None if mask is None else mask.data,
        is_weighted=dataset.stat_type == "cash_weighted",
        off=off,
    )


def _off_maps(dataset):
    shape = dataset.counts.data.shape
    used = np.ones(shape, dtype=bool)
    if dataset.mask is not None:
        used = np.broadcast_to(dataset.mask.data != 0, shape)
    return OffMaps(
        counts=dataset.counts.data,
        counts_off=dataset.counts_off.data,
        acceptance=dataset.acceptance.data,
        acceptance_off=dataset.acceptance_off.data,
        alpha=dataset.alpha.data,
        is_used=used,
    )


def _source_terms(dataset, indices, scales, exclude):
    # The package of residuals begins with what imports `Datasets`, which imports this.
    from .residuals.planes import npred_sources

    for name, data, into, part in npred_sources(dataset, exclude):
        if name in scales:
            index, value = indices[id(scales[name])], 1.0
        else:
            index, value = _norm_of(dataset.models[name].spectral_model, indices)
        yield Term(
            name=name,
            index=index,
            data=data[(slice(None), *part)],
            factor=np.full(len(data), 1 / value),
            into=into,
        )


def _background(dataset, indices, exclude):
    model = dataset.background_model
    name = f"background of {dataset.name}" if model is None else model.name
    if dataset.background is None or name in exclude:
        return
    data = dataset.background.data
    unit = dataset.background.unit
    if unit != "":
        data = dataset.background.quantity.to_value("")
    factor, index = np.ones(len(data)), None
    if model is not None:
        index, value = _norm_of(model.spectral_model, indices)
        values = model.evaluate_geom(geom=dataset.background.geom)
        values = np.asarray(getattr(values, "value", values)) / value
        if values.size == len(data):
            factor = values.reshape(-1).astype(float)
        else:
            data = data * values
    everything = (slice(None), slice(None))
    yield Term(name=name, index=index, data=data, factor=factor, into=everything)


def _norm_of(spectrum, indices):
    """Index and value of the norm of a spectrum; None and 1 when it is fixed."""
    if spectrum is not None:
        for par in spectrum.parameters:
            if id(par) in indices:
                return indices[id(par)], par.value
    return None, 1.0


@contextmanager
def norms_not_zero(parameters):
    """Set norms that are 0 to another value for a while.

    The evaluators give zeros for them, and there is nothing to divide by.
    """
    changed = [(par, par.value) for par in parameters if par.value == 0]
    try:
        for par, _ in changed:
            par.value = _reference(par)
        yield
    finally:
        for par, value in changed:
            par.value = value


def _reference(parameter):
    """A value other than 0, of the size of usual ones to keep clear of underflow."""
    for value in (parameter.error, parameter.scale):
        if np.isfinite(value) and value > 0:
            return value
    return 1.0
