# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Test of a new source: amplitude by a fit of norms from 0, then index, place, size."""

import numpy as np
import astropy.units as u
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel
from gammapy.modeling.newton import fit_norms
from gammapy.modeling.utils import set_values
from gammapy.utils.parallel import run_multiprocessing
from gammapy.utils.pbar import progress_bar
from .score_candidates import range_of
from .score_models import ModelCopies
from .score_rows import Changed, Row
from .score_steps import Stepper

__all__ = []

#: Spectrum of a source of which only the position is given.
INDEX, AMPLITUDE = 2.0, u.Quantity(1e-13, "cm-2 s-1 TeV-1")

#: How far the index may go, and the position where nothing is said, in pixels.
REACH_INDEX, REACH_PIXELS = 1.5, 4

#: Names of parameters that may be norms.
NORMS = ("amplitude", "norm", "const")


def source_at(position, name, pixel):
    """Point source with a power law, of which the position may move.

    Parameters
    ----------
    position : `~astropy.coordinates.SkyCoord`
        Position.
    name : str
        Name.
    pixel : float or None
        Size of the pixels in deg.

    Returns
    -------
    model : `~gammapy.modeling.models.SkyModel`
        Model.
    """
    shape = PointSpatialModel.from_position(position)
    stretch = max(np.cos(shape.lat_0.quantity), 0.01)
    reach = u.Quantity(REACH_PIXELS * (pixel or 0.05), "deg")
    for par, width in ((shape.lon_0, reach / stretch), (shape.lat_0, reach)):
        width = float(width.to_value(par.unit))
        par.min, par.max = par.value - width, par.value + width
    spectrum = PowerLawSpectralModel(index=INDEX, amplitude=AMPLITUDE)
    spectrum.amplitude.min = 0
    return SkyModel(spectrum, shape, name=name)


def run_sources(datasets, models, *, n_jobs=1, parallel_backend=None):
    """Test new sources, each by itself.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models at their best fit. They are not changed.
    models : list of `~gammapy.modeling.models.SkyModel`
        Sources with power laws.
    n_jobs : int, optional
        Number of processes that share the sources. Default is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes them. Default is None, that of `gammapy.utils.parallel`.

    Returns
    -------
    found : list of tuple
        For each source what `run_source` returns.
    """
    if n_jobs == 1 or len(models) < 2:
        shown = progress_bar(models, desc="New sources")
        return [run_source(datasets, model) for model in shown]
    return run_multiprocessing(
        run_source,
        [(datasets, model) for model in models],
        backend=parallel_backend,
        pool_kwargs={"processes": min(n_jobs, len(models))},
        task_name="New sources",
    )


def run_source(datasets, model):
    """Test a new source.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models at their best fit. They are not changed.
    model : `~gammapy.modeling.models.SkyModel`
        Source with a power law.

    Returns
    -------
    row : `~gammapy.diagnostics.score_rows.Row` or None
        The test, None where it cannot be made.
    note : str
        Why, or what could not be done, "" for nothing.
    """
    free = list(datasets.parameters.free_parameters)
    plain = ModelCopies(datasets, more=model, shapes=False)
    amplitude = plain.copy_of(model.spectral_model.amplitude)
    others = [plain.copy_of(par) for par in free]
    norms = [amplitude, *(par for par in others if par.name in NORMS)]
    reason = plain.datasets.why_not_linear(norms)
    if reason:
        norms = [amplitude]
        reason = plain.datasets.why_not_linear(norms)
    if reason:
        return None, f"no source could be tested at {model.name}: {reason}"
    templates = plain.datasets.norm_templates(norms)
    null = fit_norms(templates, fixed={amplitude: 0.0})
    best = fit_norms(templates)
    ts = max(float(null.stat - best.stat), 0.0)
    set_values(norms, best.values)
    spectrum, shape = model.spectral_model, model.spatial_model
    own = [spectrum.amplitude, spectrum.index, shape.lon_0, shape.lat_0]
    row = Row(
        name=f"source {model.name}",
        kind="source",
        component=model.name,
        n_free=1,
        n_one_sided=1,
        ts=ts,
        ts_step=ts,
        changed=[_changed(model, spectrum.amplitude, amplitude.value, 0.0)],
        model=model.to_dict(),
    )
    if not (ts > 0 and np.isfinite(ts)):
        return row, ""
    reason = plain.datasets._why_not_smooth(
        [*others, *(plain.copy_of(par) for par in own)]
    )
    if reason:
        note = f"of {model.name} the amplitude alone was tested: {reason}"
        return row, note
    copies = ModelCopies(datasets, more=model)
    for par in [*free, spectrum.amplitude]:
        copies.copy_of(par).value = plain.copy_of(par).value
    _add_shape(row, copies, free, model, own)
    return row, ""


def _add_shape(row, copies, free, model, own):
    """Let all parameters of the source make a step from the best amplitude."""
    family = copies.parts[-1].family
    parameters = [copies.copy_of(par) for par in own]
    if family is not None:
        parameters.append(family.variance)
    index = parameters[1]
    index.min, index.max = index.value - REACH_INDEX, index.value + REACH_INDEX
    everything = [*(copies.copy_of(par) for par in free), *parameters]
    statistic = copies.datasets._smooth_statistic(everything)
    low, high = np.transpose([range_of(par) for par in everything])
    stepper = Stepper(statistic, low, high)
    gain, gained = stepper.run(np.arange(len(everything)))
    row.n_free = len(parameters)
    row.ts, row.ts_step = row.ts + gain, row.ts_step + gained
    row.changed = [
        _changed(model, par, copies.copy_of(par).value, 0.0 if idx == 0 else par.value)
        for idx, par in enumerate(own)
    ]
    if family is not None:
        size = family.size_values()["sigma"]
        row.changed.append(Changed(model.name, "sigma", 0, "deg", 0.0, size))


def _changed(model, parameter, value, before):
    unit = str(parameter.unit)
    return Changed(model.name, parameter.name, 0, unit, before, value)
