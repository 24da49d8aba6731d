# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shapes of model components on a sky map: outlines, crosses, errors of positions."""

from dataclasses import dataclass
import numpy as np
import astropy.units as u
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from gammapy.modeling.models import SkyModel, TemplateSpatialModel
from .outlines import (
    add_line,
    crosses_axes,
    curve_vertices,
    error_outline,
    halo,
    is_inside,
    rim_of,
    sky_outlines,
)

__all__ = []

FITTED, FROZEN, LEFT_OUT = "fitted", "frozen", "left out"
LINES = {FITTED: "-", FROZEN: ":", LEFT_OUT: "--"}
MARKERS = {FITTED: "x", FROZEN: "x", LEFT_OUT: "+"}
MARKER_SIZES = {"x": 5, "+": 7}
# Frozen components are paler by this part of the way to the colour of the rim.
PALER = 0.25


@dataclass(frozen=True)
class DrawnComponent:
    """Component on a map, and where its name belongs, None where it is not seen."""

    model: SkyModel
    number: int
    state: str
    anchor: np.ndarray | None


@dataclass(frozen=True)
class DrawnMap:
    """Map with components in a colour, whose names are not yet written."""

    ax: Axes
    components: list
    color: str

    @property
    def seen(self):
        """Components that are seen on the map."""
        return [item for item in self.components if item.anchor is not None]


def draw_components(models, ax, *, color, left_out=()):
    """Draw outline and position of components.

    Parameters
    ----------
    models : list of `~gammapy.modeling.models.SkyModel`
        Components; those without a position on the sky are not drawn.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of a sky map, with its limits set.
    color : str
        Colour of lines.
    left_out : list of str, optional
        Names of components that were left out of the model. Default is none.

    Returns
    -------
    components : list of `DrawnComponent`
        Components with a place, numbered from 1 in the order of the models.
    """
    placed = [model for model in models if has_place(model.spatial_model)]
    drawn = []
    for number, model in enumerate(placed, start=1):
        state = _state(model, left_out)
        anchor = _draw_component(model, state, ax, color)
        drawn.append(DrawnComponent(model, number, state, anchor))
    return drawn


def has_place(spatial_model):
    """Whether a spatial model has a position that says where it is."""
    return (
        not isinstance(spatial_model, TemplateSpatialModel)
        and hasattr(spatial_model, "lon_0")
        and hasattr(spatial_model, "lat_0")
    )


def _state(model, left_out):
    if model.name in left_out:
        return LEFT_OUT
    is_fitted = len(model.parameters.free_parameters) > 0
    return FITTED if is_fitted else FROZEN


def color_of(state, color):
    """Colour of a component, paler when it is frozen."""
    if state != FROZEN:
        return to_rgb(color)
    paler = (1 - PALER) * np.array(to_rgb(color)) + PALER * np.array(
        to_rgb(rim_of(color))
    )
    return tuple(paler)


def marker_style(state):
    """Marker of a position."""
    marker = MARKERS[state]
    return {"marker": marker, "markersize": MARKER_SIZES[marker]}


def _draw_component(model, state, ax, color):
    """Draw outline and position; where to write the name, None outside the map."""
    spatial, rim = model.spatial_model, rim_of(color)
    style = {"color": color_of(state, color), "linestyle": LINES[state]}
    curves = [curve_vertices(outline, ax) for outline in _outlines(spatial)]
    curves = [curve for curve in curves if crosses_axes(curve, ax)]
    for curve in curves:
        gid = f"outline:{model.name}"
        add_line(*curve.T, ax, gid, lw=1.2, path_effects=halo(rim), **style)
    if is_inside(spatial.position, ax):
        _draw_position(model, state, ax, color)
        return np.array(ax.wcs.world_to_pixel(spatial.position), dtype=float)
    return _innermost(curves, ax)


def _outlines(spatial_model):
    try:
        return sky_outlines(spatial_model.to_region())
    except ValueError:  # no extension, for instance a Gaussian with sigma 0
        return []


def _draw_position(model, state, ax, color):
    """Cross, inside the outline of its error."""
    spatial = model.spatial_model
    x, y = ax.wcs.world_to_pixel(spatial.position)
    style = {
        "color": color_of(state, color),
        "path_effects": halo(rim_of(color), 2),
    }
    marker = marker_style(state)
    add_line(x, y, ax, f"position:{model.name}", zorder=5, ls="", **marker, **style)
    error = error_outline(spatial)
    if error is not None:
        vertices = curve_vertices(error, ax)
        add_line(*vertices.T, ax, f"position-error:{model.name}", lw=0.9, **style)


def _innermost(curves, ax):
    """Vertex of curves that is nearest to the centre of the axes."""
    if not curves:
        return None
    vertices = np.concatenate(curves)
    center = np.mean(ax.get_xlim()), np.mean(ax.get_ylim())
    return vertices[np.nanargmin(np.hypot(*(vertices - center).T))]


def brightness(model):
    """Integral flux from 1 to 10 TeV in cm-2 s-1, to rank components by."""
    try:
        flux = model.spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        return float(np.nan_to_num(np.squeeze(flux.to_value("cm-2 s-1"))))
    except (ValueError, NotImplementedError, u.UnitConversionError):
        return 0.0
