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
            If the colour or the style is none, or a name is not among the models.
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

    A cross marks the position, with the ellipse that holds it at 95 percent
    probability when its error is known (a line when only one coordinate has an
    error). The outline is that of ``to_region``. Components with free parameters are
    drawn in solid lines, frozen ones paler and dotted, and those that were left out of
    the model dashed, with an upright cross. Templates and constant models have no
    place on the sky and are not drawn, nor is what lies outside the map; of a
    component centred outside the outline is drawn where it reaches in.

    Names keep clear of each other, of markers and of other text on the map. Where they
    do not all fit, components have numbers instead, and a legend.

    Parameters
    ----------
    models : `~gammapy.modeling.models.Models`, list of models or model
        Models in any frame.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes of a sky map, with its limits set, by Gammapy or not.
    select : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Which components to draw: True all, False none, or names. Default is True.
    style : {"auto", "names", "markers"}, optional
        What stands beside the crosses: "names" writes the names that find a free place;
        "markers" writes numbers, in the order of the models, and a legend below the
        map, or on it where the figure has no room. "auto" writes names when all of them
        fit, else numbers. Default is "auto".
    left_out : list of str, optional
        Names of components that were left out of the model. Default is none.
    max_names : int, optional
        Number of names to write; the components that are brightest from 1 to 10 TeV
        keep theirs. When it is given, "auto" means "names". Default is 12.
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
        If a selected name is not among the models, or has no place on the sky, or if
        there is no such style.
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
        elif not has_place(model.spatial_model):
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
