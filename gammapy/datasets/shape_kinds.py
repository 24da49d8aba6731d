# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What is known of each spatial model: its sizes, and on which scale its image changes.

A new shape is one more entry of `KINDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
import numpy as np
import astropy.units as u
from gammapy.modeling.models import (
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PointSpatialModel,
    Shell2SpatialModel,
    ShellSpatialModel,
)

__all__ = []

#: Step of the differences, in units of the scale on which a shape changes.
STEP = 5e-3

#: The same where edges are hard, in pixels of the drawing: less is noise of the pixels,
#: 0.4 of the second moment of a disk for 0.3 of a pixel, and 0.02 for one.
STEP_HARD = 1.0

#: Smallest size of a source, in pixels: smaller ones are drawn as one pixel.
SMALLEST_SIZE = 0.05

# Largest steps of e and phi (in rad) where edges are hard.
STEP_E, STEP_PHI = 0.05, 0.2

# Where a width is at least this many pixels, an image follows it without jumps: an
# edge drawn with erf has a sigma of 0.3 widths, and a Gaussian is known from samples
# that are 1.7 sigma apart to a part in a thousand (Poisson summation).
PIXELS_EDGE, PIXELS_ETA = 2.0, 0.5


@dataclass(frozen=True)
class ShapeKind:
    """What the statistic needs to know of a kind of shape.

    Attributes
    ----------
    sizes : tuple of str
        Parameters that are lengths; the first one is the largest semiaxis.
    sharpness : callable
        Gives, for a model, the length on which its image changes, in units of the
        first size.
    is_hard : callable
        Tells, for a model and the size of the pixels in which it is drawn, in deg,
        whether edges jump from one pixel to the next.
    reach_inside : float
        Share of the evaluation radius that must be in a cutout.
    has_kinks : bool
        Whether the slopes of the image jump where the source passes a pixel.
    """

    sizes: tuple = ()
    sharpness: Callable = lambda model: 1.0
    is_hard: Callable = lambda model, pixel: False
    reach_inside: float = 1.0
    has_kinks: bool = False


def _is_hard_disk(model, pixel):
    edge = model.edge_width.value * _minor(model, model.r_0)
    return edge < PIXELS_EDGE * pixel


def _is_hard_eta(model, pixel):
    return model.eta.value * _minor(model, model.r_0) < PIXELS_ETA * pixel


def _minor(model, size):
    return size.quantity.to_value("deg") * _thinness(model)


def _thinness(model):
    """Ratio of the axes of an ellipse."""
    if not hasattr(model, "e"):
        return 1.0
    return float(np.sqrt(1 - min(model.e.value, 0.999) ** 2))


#: What is known of each spatial model whose parameters may be free.
KINDS = {
    # Four sigma are enough of a Gaussian, of which five are drawn.
    GaussianSpatialModel: ShapeKind(("sigma",), reach_inside=0.8),
    # A point is shared between four pixels.
    PointSpatialModel: ShapeKind(has_kinks=True),
    DiskSpatialModel: ShapeKind(
        ("r_0",),
        sharpness=lambda model: np.clip(model.edge_width.value, 0.01, 1),
        is_hard=_is_hard_disk,
        # Ten percent more than the radius and the edge are drawn.
        reach_inside=0.9,
    ),
    # The slope of a projected sphere has no end at its rim.
    ShellSpatialModel: ShapeKind(
        ("radius", "width"), is_hard=lambda model, pixel: True
    ),
    Shell2SpatialModel: ShapeKind(("r_0",), is_hard=lambda model, pixel: True),
    GeneralizedGaussianSpatialModel: ShapeKind(
        ("r_0",),
        sharpness=lambda model: np.clip(2 * model.eta.value, 0.02, 1),
        is_hard=_is_hard_eta,
        reach_inside=0.8,
    ),
}

#: Spatial models whose derivatives are known to be right.
SHAPES = tuple(KINDS)


def shape_size(model):
    """Smallest axis of a shape; None for a point."""
    sizes = KINDS[type(model)].sizes
    if not sizes:
        return None
    return getattr(model, sizes[0]).quantity * _thinness(model)


def shape_steps(model, parameters):
    """Steps of the differences for the parameters of a shape, in their units."""
    kind = KINDS[type(model)]
    sharp, thin = kind.sharpness(model), _thinness(model)
    major = getattr(model, kind.sizes[0]).quantity
    steps = _moves(model, major * thin * sharp)
    steps |= dict.fromkeys(kind.sizes, major * sharp)
    steps |= {"e": u.Quantity(thin**2 * sharp), "phi": u.Quantity(thin * sharp, "rad")}
    for name in ("edge_width", "eta"):
        if hasattr(model, name):
            steps[name] = u.Quantity(max(getattr(model, name).value, 0.01))
    return [STEP * steps[par.name].to_value(par.unit) for par in parameters]


def hard_steps(model, parameters, pixel):
    """The same where edges are hard: they move by a part of a pixel of the drawing.

    Parameters
    ----------
    model : `~gammapy.modeling.models.SpatialModel`
        Spatial model.
    parameters : list of `~gammapy.modeling.Parameter`
        Its parameters that are free.
    pixel : float
        Size of the pixels in which it is drawn, in deg.

    Returns
    -------
    steps : list of float
        Steps.
    """
    kind = KINDS[type(model)]
    move = u.Quantity(STEP_HARD * pixel, "deg")
    major = getattr(model, kind.sizes[0]).quantity
    share = (move / major).to_value("")
    steps = _moves(model, move) | dict.fromkeys(kind.sizes, move)
    if "width" in kind.sizes:
        steps["width"] = min(move, 0.3 * abs(model.width.quantity))
    if hasattr(model, "e"):
        e, thin = max(model.e.value, 0.1), _thinness(model)
        steps["e"] = u.Quantity(min(share * thin / e, STEP_E))
        steps["phi"] = u.Quantity(min(share / e**2, STEP_PHI), "rad")
    if hasattr(model, "eta"):
        is_shell = type(model) is Shell2SpatialModel
        eta = min(share, 0.3 * model.eta.value) if is_shell else 0.1 * model.eta.value
        steps["eta"] = u.Quantity(eta)
    if hasattr(model, "edge_width"):
        steps["edge_width"] = u.Quantity(share)
    return [steps[par.name].to_value(par.unit) for par in parameters]


def _moves(model, length):
    """Steps of the position that move it by a length."""
    return {
        "lon_0": length / max(np.cos(model.lat_0.quantity), 0.01),
        "lat_0": length,
    }
