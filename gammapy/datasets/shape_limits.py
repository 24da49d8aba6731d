# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Limits of free shapes: smallest sizes, longest steps, and where a fit starts."""

import numpy as np
import astropy.units as u
from .shape_kinds import KINDS, SMALLEST_SIZE, shape_size

__all__ = []

# Where a shape that is symmetric has no slope, the fit starts from one that is not.
SMALLEST_ECCENTRICITY, ECCENTRICITY = 0.1, 0.3

# A smaller size, in pixels, is none to start from, but the other one is: thin ellipses
# would be led to needles.
SMALL_SIZE, START_SIZE = 0.25, 1.0

# A needle has no image, nor derivatives.
LARGEST_ECCENTRICITY = 0.999

# Longest steps of parameters without a length.
REACH_E, REACH_EDGE, REACH_PHI = 0.3, 0.3, u.Quantity(30, "deg")


def smallest_sizes(source):
    """Index and lower limit of each free size of a source, in its unit."""
    for idx, par in _sizes(source):
        yield idx, SMALLEST_SIZE * pixel_size(source, par)


def needles(source):
    """Index and upper limit of each free eccentricity of a source."""
    for idx, par in zip(source.idx_shape, source.shape, strict=True):
        if par.name == "e":
            yield idx, LARGEST_ECCENTRICITY


def pixel_size(source, parameter):
    """Size of the largest pixels that show a source, in the unit of a parameter."""
    scales = [image.geom.pixel_scales for image, _grids in source.drawings]
    return max(np.max(scale.to_value(parameter.unit)) for scale in scales)


def shape_reach(source):
    """Index and longest step of each free parameter of a shape.

    A shape goes not farther than its size, and a size not below a third of itself.
    """
    if not source.shape:
        return
    model = source.model.spatial_model
    sizes = KINDS[type(model)].sizes
    for idx, par in zip(source.idx_shape, source.shape, strict=True):
        if par.name in ("lon_0", "lat_0"):
            size = shape_size(model)
            size = 0 if size is None else size.to_value(par.unit)
            yield idx, max(size, 2 * pixel_size(source, par))
        elif par.name in sizes:
            yield idx, max(0.7 * par.value, pixel_size(source, par))
        elif par.name == "e":
            yield idx, REACH_E
        elif par.name == "edge_width":
            yield idx, REACH_EDGE
        elif par.name == "eta":
            yield idx, max(0.5 * par.value, 0.05)
        elif par.name == "phi":
            yield idx, REACH_PHI.to_value(par.unit)


def start_values(sources, parameters, values, bounds, stat):
    """Values to start from, away from those where a shape has no slope.

    Parameters
    ----------
    sources : list of `~gammapy.datasets.shape_sources.SourceTerms`
        Sources.
    parameters : list of `~gammapy.modeling.Parameter`
        Free parameters.
    values : `~numpy.ndarray`
        Their values.
    bounds : tuple of `~numpy.ndarray`
        Lower and upper bounds.
    stat : callable
        Statistic at some values.

    Returns
    -------
    values : `~numpy.ndarray`
        Values to start from.
    """
    values = values.copy()
    low, high = bounds
    index = {id(par): idx for idx, par in enumerate(parameters)}
    for source in sources:
        for idx, par in _sizes(source):
            pixel = pixel_size(source, par)
            if values[idx] < SMALL_SIZE * pixel:
                values[idx] = START_SIZE * pixel
            values[idx] = np.clip(values[idx], low[idx], high[idx])
        own = {par.name: index[id(par)] for par in source.shape}
        if "e" in own and "phi" in own and values[own["e"]] < SMALLEST_ECCENTRICITY:
            unit = parameters[own["phi"]].unit
            tries = _ellipses(values, own["e"], own["phi"], unit, bounds[1])
            values = min(tries, key=stat)
    return values


def _ellipses(values, idx_e, idx_phi, unit, high):
    """A few ellipses in place of a circle."""
    turn = u.Quantity(45, "deg").to_value(unit)
    tries = np.tile(values, (4, 1))
    tries[:, idx_e] = min(ECCENTRICITY, high[idx_e])
    tries[:, idx_phi] += turn * np.arange(4)
    return tries


def _sizes(source):
    if not source.shape:
        return
    sizes = KINDS[type(source.model.spatial_model)].sizes
    for idx, par in zip(source.idx_shape, source.shape, strict=True):
        if par.name in sizes:
            yield idx, par
