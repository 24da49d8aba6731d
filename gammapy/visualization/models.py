# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw the components of a model on a sky map."""

import numpy as np
import astropy.units as u
from regions import PointSkyRegion
from matplotlib import patheffects

__all__ = ["plot_models", "select_components"]

# Where a label may go, in units of its distance; the first that is free is taken.
DIRECTIONS = [(1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)]
DISTANCES = (7, 16, 28, 42, 58)  # points

STYLES = {
    "free": {"color": "black", "linestyle": "-"},
    "frozen": {"color": "dimgray", "linestyle": ":"},
}


def plot_models(models, ax, *, select=True, max_names=12, fontsize=8):
    """Draw position, extension and name of model components on a sky map.

    The marker carries the error of the position when the model knows it. Components
    with free parameters are drawn in solid black, frozen ones dotted in grey.
    Templates and constant models have no place on the sky and are left out, as are
    positions outside the map.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models` or list of models
        Models.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of a sky map, with its limits set.
    select : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Which components to draw: True all, False none, or names. Default is True.
    max_names : int, optional
        Number of names to write; the brightest components keep theirs. Default is 12.
    fontsize : float, optional
        Font size of the names in points. Default is 8.

    Returns
    -------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If a selected name is not among the models.

    Examples
    --------
    >>> from gammapy.visualization import plot_models
    >>> ax = residuals.sqrt_ts.plot()  # doctest: +SKIP
    >>> plot_models(residuals.models, ax)  # doctest: +SKIP
    """
    components = [_ for _ in select_components(models, select) if _is_on(_, ax)]
    for model in components:
        _plot_outline(model, ax)
        _plot_position(model, ax)
    brightest = sorted(components, key=_brightness, reverse=True)[:max_names]
    _plot_names(brightest, components, ax, fontsize)
    return ax


def select_components(models, select=True):
    """Source components chosen by the ``models`` argument of the plot functions.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models` or None
        All models.
    select : bool, list of str or `~gammapy.modeling.models.Models`
        True for all, False for none, names, or models.

    Returns
    -------
    components : list of `~gammapy.modeling.models.SkyModel`
        Components that have a spatial model, in the order of the models.
    """
    sources = [_ for _ in models or [] if hasattr(_, "spatial_model")]
    names = select_names([_.name for _ in sources], select)
    return [_ for _ in sources if _.name in names]


def select_names(known, select=True):
    """Names chosen by the ``models`` argument of the plot functions.

    Parameters
    ----------
    known : list of str
        All names.
    select : bool, list of str or `~gammapy.modeling.models.Models`
        True for all, False for none, names, or models.

    Returns
    -------
    names : list of str
        The chosen names.

    Raises
    ------
    ValueError
        If a name is not known.
    """
    if select is True:
        return known
    if select is False or select is None:
        return []
    select = [select] if isinstance(select, str) else select
    names = [_ if isinstance(_, str) else _.name for _ in select]
    unknown = [_ for _ in names if _ not in known]
    if unknown:
        raise ValueError(f"There are no components {unknown}; there are {known}.")
    return names


def _is_on(model, ax):
    """Whether a component has a position inside the axes."""
    # The subpackage maps loads this one, so models can only be loaded here.
    from gammapy.modeling.models import TemplateSpatialModel

    spatial = model.spatial_model
    if isinstance(spatial, TemplateSpatialModel):
        return False
    if not hasattr(spatial, "lon_0") or not hasattr(spatial, "lat_0"):
        return False
    x, y = ax.wcs.world_to_pixel(spatial.position)
    (x_min, x_max), (y_min, y_max) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    return x_min <= x <= x_max and y_min <= y <= y_max


def _style(model):
    is_frozen = len(model.parameters.free_parameters) == 0
    return STYLES["frozen" if is_frozen else "free"]


def _halo(width=2.5):
    """A white rim keeps lines and letters legible on any colour map."""
    return [patheffects.withStroke(linewidth=width, foreground="white", alpha=0.7)]


def _plot_outline(model, ax):
    try:
        region = model.spatial_model.to_region()
    except ValueError:  # no extension, for instance a Gaussian with sigma 0
        return
    if isinstance(region, PointSkyRegion) or not hasattr(region, "to_pixel"):
        return
    artist = region.to_pixel(ax.wcs).as_artist(
        facecolor="none",
        edgecolor=_style(model)["color"],
        linestyle=_style(model)["linestyle"],
        linewidth=1.2,
        path_effects=_halo(),
    )
    artist.set_gid(f"outline:{model.name}")
    ax.add_artist(artist)


def _plot_position(model, ax):
    """Cross whose arms are the errors of the position, if there are any."""
    spatial = model.spatial_model
    color = _style(model)["color"]
    x, y = ax.wcs.world_to_pixel(spatial.position)
    (line,) = ax.plot(
        x, y, marker="x", markersize=5, color=color, path_effects=_halo(), zorder=5
    )
    line.set_gid(f"position:{model.name}")

    errors = [spatial.lon_0.error, spatial.lat_0.error]
    # An ellipse needs both: with one coordinate frozen there is none.
    if not all(np.isfinite(errors)) or min(errors) <= 0:
        return
    error = spatial.position_error.to_pixel(ax.wcs).as_artist(
        facecolor="none", edgecolor=color, linewidth=0.9, path_effects=_halo(1.8)
    )
    error.set_gid(f"position-error:{model.name}")
    ax.add_artist(error)


def _brightness(model):
    """Integral flux from 1 to 10 TeV, to rank components by."""
    try:
        flux = model.spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        return float(np.squeeze(flux.to_value("cm-2 s-1")))
    except (ValueError, NotImplementedError, u.UnitConversionError):
        return 0.0


def _plot_names(models, components, ax, fontsize):
    """Write names beside their markers, where they do not cover anything."""
    if not models:
        return
    ax.apply_aspect()
    renderer = ax.figure.canvas.get_renderer()
    pixels = [ax.wcs.world_to_pixel(_.spatial_model.position) for _ in components]
    markers = ax.transData.transform(np.array(pixels))
    taken = []
    for model in models:
        text, box = _place_name(model, ax, renderer, markers, taken, fontsize)
        text.set_gid(f"name:{model.name}")
        taken.append(box)


def _place_name(model, ax, renderer, markers, taken, fontsize):
    """Annotate at the first free place; at the last one tried when none is free."""
    x, y = ax.wcs.world_to_pixel(model.spatial_model.position)
    inside = ax.get_window_extent(renderer)
    for distance in DISTANCES:
        for right, up in DIRECTIONS:
            text = ax.annotate(
                model.name,
                (x, y),
                xytext=(right * distance, up * distance),
                textcoords="offset points",
                # WCSAxes know only once drawn what lies inside them.
                annotation_clip=False,
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
                fontsize=fontsize,
                color=_style(model)["color"],
                path_effects=_halo(),
                zorder=6,
                arrowprops={
                    "arrowstyle": "-",
                    "linewidth": 0.6,
                    "color": _style(model)["color"],
                }
                if distance > DISTANCES[1]
                else None,
            )
            # The text alone: the leader line may cross other things.
            box = _text_extent(text, renderer)
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1
            fits &= inside.y0 <= box.y0 and box.y1 <= inside.y1
            free = not any(box.overlaps(_) for _ in taken)
            free &= not any(box.contains(*_) for _ in markers)
            if fits and free:
                return text, box
            if (distance, right, up) != (DISTANCES[-1], *DIRECTIONS[-1]):
                text.remove()
    return text, box


def _text_extent(text, renderer):
    """Bounding box of an annotation's text, without its leader line."""
    arrow, text.arrow_patch = text.arrow_patch, None
    box = text.get_window_extent(renderer)
    text.arrow_patch = arrow
    return box
