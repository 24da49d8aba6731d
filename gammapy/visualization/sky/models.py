# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw the components of a model on a sky map."""

import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from matplotlib.colors import is_color_like
from gammapy.maps import Map
from gammapy.modeling.models import ModelBase
from gammapy.modeling.models.backgrounds import is_on_sky
from gammapy.utils.arguments import (
    check_integer,
    check_number,
    did_you_mean,
    show,
)
from gammapy.visualization.axes import check_wcs_axes
from gammapy.visualization.plotter import BasePlotter
from .components import DrawnMap, draw_components, has_place
from .names import check_models_style, legend_on_axes, name_components

__all__ = ["ModelsPlotter", "plot_models", "select_components"]


class ModelsPlotter(BasePlotter):
    """Draws `~gammapy.modeling.models.Models` on maps of the sky.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.maps import Map
    >>> from gammapy.modeling.models import Models, SkyModel
    >>> from gammapy.visualization.sky.models import ModelsPlotter
    >>> models = Models([SkyModel.create("pl", "gauss", name="source")])
    >>> ax = Map.create(width=2, binsz=0.1).plot()
    >>> ax = ModelsPlotter({"font.size": 8}).plot(models, ax)
    """

    def plot(
        self,
        models,
        ax,
        *,
        select=True,
        style="auto",
        left_out=(),
        max_names=None,
        fontsize=8,
        color="black",
    ):
        """Draw position, extension and name of the components.

        Parameters
        ----------
        models : `~gammapy.modeling.models.Models`
            Models.
        ax, select, style, left_out, max_names, fontsize, color : optional
            As in `~gammapy.visualization.plot_models`.

        Returns
        -------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`
            The axes.

        Raises
        ------
        ValueError
            If the colour or the style is not valid, or a name is not among the models.
        """
        check_wcs_axes(ax)
        check_models_style("style", style)
        if max_names is not None:
            check_integer("max_names", max_names, low=0)
        check_number("fontsize", fontsize, above=0)
        if not is_color_like(color):
            raise ValueError(
                f"color: expected a colour of matplotlib, got {show(color)}."
            )
        components = select_components(models, select, name="select")
        with self._rc_context():
            drawn = draw_components(components, ax, color=color, left_out=left_out)
            maps = [DrawnMap(ax, drawn, color)]
            used = name_components(maps, style, max_names=max_names, fontsize=fontsize)
            if used == "markers":
                legend_on_axes(maps[0], fontsize=fontsize)
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


def plot_models(
    models,
    ax,
    *,
    select=True,
    style="auto",
    left_out=(),
    max_names=None,
    fontsize=8,
    color="black",
):
    """Draw position, extension and name of model components on a sky map.

    A cross marks the position. If the error of the position is known, an ellipse
    contains the position with 95 percent probability (or a line, if only one coordinate
    has an error). The outline is that of ``to_region``. Components with free parameters
    have solid lines, frozen components have paler dotted lines, and components that
    were left out of the model have dashed lines and an upright cross. Templates and
    constant models have no position on the sky and are not drawn. If the centre of a
    component is outside the map, only the part of its outline inside the map is drawn.

    Names do not overlap with each other, with markers, or with other text on the map.
    If they do not all fit, components have numbers and a legend instead.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models`, list of models or model
        Models in any frame.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of any sky map, with limits set.
    select : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw: True for all, False for none, or names. Default is True.
    style : {"auto", "names", "markers"}, optional
        Labels of the crosses. "names": the names of components, as far as there is
        room. "markers": numbers in the order of the models, with a legend below the
        map, or on the map if the figure has no room. "auto": names if all of them fit,
        else numbers. Default is "auto".
    left_out : list of str, optional
        Names of components that were left out of the model. Default is none.
    max_names : int, optional
        Largest number of names, for the brightest components from 1 to 10 TeV. If it is
        set, "auto" is the same as "names". Default is 12.
    fontsize : float, optional
        Font size of the names in points. Default is 8.
    color : str, optional
        Colour of lines and names. Their rim is white for a dark colour, and black for a
        light one. Default is "black".

    Returns
    -------
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If a selected name is not among the models, or has no position on the sky, or
        the style is not known.
    TypeError
        If the axes are not those of a sky map, or ``models`` has the wrong type.

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
        models,
        ax,
        select=select,
        style=style,
        left_out=left_out,
        max_names=max_names,
        fontsize=fontsize,
        color=color,
    )


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
        Components that have a spatial model, in the order of the models, without
        background models.

    Raises
    ------
    ValueError
        If a name is not known, or that of a component without a position on the sky.
    TypeError
        If ``models`` has the wrong type.

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
        elif not has_place(model.spatial_model):
            kind = model.spatial_model.__class__.__name__
            reason = f"has a {kind}, which has no position on the sky"
        else:
            continue
        raise ValueError(
            f"{name}: {model.name!r} cannot be drawn on a map, because it {reason}; "
            "name others, or use True for all that can be drawn."
        )


def select_names(known, select=True, *, name="models"):
    """Names chosen by the ``models`` argument of the plot functions.

    Parameters
    ----------
    known : list of str
        All names.
    select : bool, list of str or `~gammapy.modeling.models.Models`
        True for all, False for none, names, or models. Models that are backgrounds
        or have no position on the sky need not be known.
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
