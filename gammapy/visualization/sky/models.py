# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw the components of a model on a sky map."""

import numpy as np
import astropy.units as u
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from matplotlib.colors import is_color_like, to_rgb
from gammapy.maps import Map
from gammapy.modeling.models import (
    ModelBase,
    TemplateSpatialModel,
)
from gammapy.modeling.models.backgrounds import is_on_sky
from gammapy.utils.arguments import (
    check_integer,
    check_number,
    did_you_mean,
    show,
)
from gammapy.visualization.axes import check_wcs_axes
from gammapy.visualization.plotter import BasePlotter
from .labels import place_labels
from .outlines import (
    add_line,
    crosses_axes,
    curve_vertices,
    error_outline,
    halo,
    is_inside,
    sky_outlines,
)

__all__ = ["ModelsPlotter", "plot_models", "select_components"]


class ModelsPlotter(BasePlotter):
    """Draws `~gammapy.modeling.models.Models` on maps of the sky.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings that hold while it draws. Default is None.

    Examples
    --------
    >>> from gammapy.maps import Map
    >>> from gammapy.modeling.models import Models, SkyModel
    >>> from gammapy.visualization.sky.models import ModelsPlotter
    >>> models = Models([SkyModel.create("pl", "gauss", name="source")])
    >>> ax = Map.create(width=2, binsz=0.1).plot()
    >>> ax = ModelsPlotter({"font.size": 8}).plot(models, ax)
    """

    def plot(self, models, ax, *, select=True, max_names=12, fontsize=8, color="black"):
        """Draw position, extension and name of the components.

        Parameters
        ----------
        models : `~gammapy.modeling.models.Models`
            Models.
        ax, select, max_names, fontsize, color : optional
            As in `~gammapy.visualization.plot_models`.

        Returns
        -------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`
            The axes.

        Raises
        ------
        ValueError
            If the colour is none, or a name is not among the models.
        """
        check_wcs_axes(ax)
        check_integer("max_names", max_names, low=0)
        check_number("fontsize", fontsize, above=0)
        if not is_color_like(color):
            raise ValueError(
                f"color: expected a colour of matplotlib, got {show(color)}."
            )
        components = [
            model
            for model in select_components(models, select, name="select")
            if _has_place(model.spatial_model)
        ]
        with self._rc_context():
            drawn = [(model, _plot_component(model, ax, color)) for model in components]
            named = [(model, anchor) for model, anchor in drawn if anchor is not None]
            named.sort(key=lambda pair: _brightness(pair[0]), reverse=True)
            place_labels(_name_labels(named[:max_names], color), ax, fontsize=fontsize)
        return ax

    def sky_axes(self, ax=None):
        """Axes that show the sky.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes. Default is None, the current ones, as far as there are any.

        Returns
        -------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`
            These axes when they show the sky, else new ones of all of it.
        """
        if ax is None and plt.gcf().axes:
            ax = plt.gca()
        if isinstance(ax, WCSAxes):
            return ax
        with self._rc_context():
            return Map.create(binsz=1).plot()


def plot_models(models, ax, *, select=True, max_names=12, fontsize=8, color="black"):
    """Draw position, extension and name of model components on a sky map.

    A cross marks the position, with the ellipse that holds it at 95 percent
    probability when its error is known (a line when only one coordinate has an
    error). The outline is that of ``to_region``. Components with free parameters are
    drawn in solid lines, frozen ones paler and dotted. Templates and constant models
    have no place on the sky and are left out, as is what lies outside the map; of a
    component centred outside the outline is drawn where it reaches in.

    Names keep clear of each other, of markers and of other text on the map; one that
    finds no free place is left out.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models`, list of models or model
        Models in any frame.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of a sky map, with its limits set, by Gammapy or not.
    select : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Which components to draw: True all, False none, or names. Default is True.
    max_names : int, optional
        Number of names to write; the components that are brightest from 1 to 10 TeV
        keep theirs. Default is 12.
    fontsize : float, optional
        Font size of the names in points. Default is 8.
    color : str, optional
        Colour of lines and names; their rim is white when it is dark, and black when
        it is light. Default is "black".

    Returns
    -------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If a selected name is not among the models, or has no place on the sky.
    TypeError
        If the axes are not those of a sky map, or these are no models.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals
    >>> from gammapy.visualization import plot_models
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpatialResiduals.from_datasets(datasets)
    >>> ax = residuals.sqrt_ts.plot()
    >>> ax = plot_models(residuals.models, ax)
    """
    return ModelsPlotter().plot(
        models, ax, select=select, max_names=max_names, fontsize=fontsize, color=color
    )


def _name_labels(named, color):
    """Labels of models at their anchors."""
    return [
        {
            "text": model.name,
            "xy": anchor,
            "gid": f"name:{model.name}",
            "color": _style(model, color)["color"],
            "path_effects": halo(_rim(color)),
        }
        for model, anchor in named
    ]


def select_components(models, select=True, *, name="models"):
    """Source components chosen by the ``models`` argument of the plot functions.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models`, list of models, model or None
        All models.
    select : bool, list of str or `~gammapy.modeling.models.Models`
        True for all, False for none, names, or models.
    name : str, optional
        Argument that selects, for the errors. Default is "models".

    Returns
    -------
    components : list of `~gammapy.modeling.models.SkyModel`
        Components that have a spatial model, in the order of the models. Background
        models are none.

    Raises
    ------
    ValueError
        If a name is not known, or that of a component without a place on the sky.
    TypeError
        If these are no models.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization.sky.models import select_components
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> [model.name for model in select_components(datasets.models)]
    ['Crab Nebula']
    """
    models = _as_list(models)
    sources = [
        model
        for model in models
        if getattr(model, "spatial_model", None) is not None and is_on_sky(model)
    ]
    if isinstance(select, str):
        select = [select]
    if isinstance(select, (list, tuple)):
        _check_drawable([model for model in models if model.name in select], name)
    names = select_names([source.name for source in sources], select, name=name)
    return [source for source in sources if source.name in names]


def _as_list(models):
    """Models as a list, a TypeError when they are none."""
    models = [models] if isinstance(models, ModelBase) else models
    is_text = isinstance(models, str)
    try:
        items = None if is_text else list([] if models is None else models)
    except TypeError:
        items = None
    if items is None or not all(isinstance(item, ModelBase) for item in items):
        raise TypeError(f"models: expected models, or one, got {show(models)}.")
    return items


def _check_drawable(models, name):
    """Raise a ValueError that says why a model that was named cannot be drawn."""
    for model in models:
        if not is_on_sky(model):
            reason = "is a background"
        elif model.spatial_model is None:
            reason = "has no spatial model"
        elif not _has_place(model.spatial_model):
            kind = model.spatial_model.__class__.__name__
            reason = f"has a {kind}, which has no place on the sky"
        else:
            continue
        raise ValueError(
            f"{name}: {model.name!r} cannot be drawn on a map, for it {reason}; name "
            "others, or True for all that can be drawn."
        )


def select_names(known, select=True, *, name="models"):
    """Names chosen by the ``models`` argument of the plot functions.

    Parameters
    ----------
    known : list of str
        All names.
    select : bool, list of str or `~gammapy.modeling.models.Models`
        True for all, False for none, names, or models. Models that are backgrounds
        or have no place on the sky need not be known.
    name : str, optional
        Argument that selects, for the errors. Default is "models".

    Returns
    -------
    names : list of str
        The chosen names.

    Raises
    ------
    ValueError
        If a name is not known.
    TypeError
        If it is something else.

    Examples
    --------
    >>> from gammapy.visualization.sky.models import select_names
    >>> select_names(["source", "diffuse"], "source")
    ['source']
    """
    if select is None or isinstance(select, (bool, np.bool_)):
        return list(known) if select else []
    if isinstance(select, str) or hasattr(select, "spectral_model"):
        select = [select]
    try:
        names = [
            chosen if isinstance(chosen, str) else chosen.name
            for chosen in select
            if isinstance(chosen, str) or chosen.name in known or is_on_sky(chosen)
        ]
    except (AttributeError, TypeError):
        raise TypeError(
            f"{name}: expected True, False, names or Models, got {show(select)}."
        ) from None
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{name}: there are no components {unknown}"
            f"{did_you_mean(unknown[0], known)}; there are {known}."
        )
    return names


def _has_place(spatial_model):
    """Whether a spatial model has a position that says where it is."""
    return (
        not isinstance(spatial_model, TemplateSpatialModel)
        and hasattr(spatial_model, "lon_0")
        and hasattr(spatial_model, "lat_0")
    )


def _style(model, color):
    """Frozen components are paler, on the way to the colour of the rim."""
    if len(model.parameters.free_parameters) > 0:
        return {"color": to_rgb(color), "linestyle": "-"}
    paler = 0.75 * np.array(to_rgb(color)) + 0.25 * np.array(to_rgb(_rim(color)))
    return {"color": tuple(paler), "linestyle": ":"}


def _rim(color):
    return "white" if np.mean(to_rgb(color)) < 0.5 else "black"


def _plot_component(model, ax, color):
    """Draw outline and position; where to write the name, None outside the map."""
    spatial, style = model.spatial_model, _style(model, color)
    rim = _rim(color)
    curves = [curve_vertices(outline, ax) for outline in _outlines(spatial)]
    curves = [curve for curve in curves if crosses_axes(curve, ax)]
    for curve in curves:
        gid = f"outline:{model.name}"
        add_line(*curve.T, ax, gid, lw=1.2, path_effects=halo(rim), **style)
    if is_inside(spatial.position, ax):
        _plot_position(model, ax, style["color"], rim)
        return np.array(ax.wcs.world_to_pixel(spatial.position), dtype=float)
    return _innermost(curves, ax)


def _outlines(spatial_model):
    try:
        return sky_outlines(spatial_model.to_region())
    except ValueError:  # no extension, for instance a Gaussian with sigma 0
        return []


def _plot_position(model, ax, color, rim):
    """Cross, inside the outline of its error."""
    spatial = model.spatial_model
    x, y = ax.wcs.world_to_pixel(spatial.position)
    style = {"color": color, "path_effects": halo(rim, 2)}
    gid = f"position:{model.name}"
    add_line(x, y, ax, gid, marker="x", markersize=5, zorder=5, ls="", **style)
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


def _brightness(model):
    """Integral flux from 1 to 10 TeV, to rank components by."""
    try:
        flux = model.spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        return float(np.nan_to_num(np.squeeze(flux.to_value("cm-2 s-1"))))
    except (ValueError, NotImplementedError, u.UnitConversionError):
        return 0.0
