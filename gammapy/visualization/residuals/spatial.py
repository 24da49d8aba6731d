# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of joint residuals. What they show is computed in `gammapy.datasets`."""

from dataclasses import replace
import matplotlib.pyplot as plt
from gammapy.datasets import SpatialResiduals
from gammapy.utils.arguments import check_choice, check_type
from gammapy.utils.deprecation import deprecated_renamed_argument
from gammapy.visualization.axes import check_plain_axes
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.sky.models import select_components
from gammapy.visualization.sky.names import check_models_style, name_all
from .compute import spatial_residuals
from .each import BY, draw_each, each_residuals
from .layout import axes_grid, group_names
from .panels import check_panels
from .panels.distribution import plot_distribution
from .style import draw_options, view_of

__all__ = [
    "SpatialResidualsPlotter",
    "plot_residuals_distribution",
    "plot_spatial_residuals",
]


class SpatialResidualsPlotter(BasePlotter):
    """Draws `~gammapy.datasets.SpatialResiduals`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals
    >>> from gammapy.visualization.residuals import SpatialResidualsPlotter
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpatialResiduals.from_datasets(datasets)
    >>> residuals.plotter = SpatialResidualsPlotter({"font.size": 8})
    >>> axes = residuals.plotter.plot(residuals, panels=["significance"])
    """

    @deprecated_renamed_argument("spots", "hot_spots", "2.2")
    def plot(
        self,
        residuals,
        *,
        panels=("counts", "npred", "significance", "distribution"),
        models=True,
        models_style="auto",
        region=None,
        vmin=None,
        vmax=None,
        vsig=5,
        stretch="auto",
        crop=True,
        hot_spots=None,
        axes=None,
    ):
        """Draw maps of counts, model and residuals.

        Parameters
        ----------
        residuals : `~gammapy.datasets.SpatialResiduals`
            Residuals.
        panels, models, models_style, region, vmin, vmax, vsig : optional
            As in `~gammapy.visualization.plot_spatial_residuals`.
        stretch, crop, hot_spots, axes : optional
            As in `~gammapy.visualization.plot_spatial_residuals`.

        Returns
        -------
        axes : dict of `~matplotlib.axes.Axes`
            Axes by panel name; lists of axes, one per energy group, when there are
            several.
        """
        panels = check_panels(panels)
        check_models_style("models_style", models_style)
        options = draw_options(
            region=region,
            vmin=vmin,
            vmax=vmax,
            vsig=vsig,
            stretch=stretch,
            crop=crop,
            hot_spots=hot_spots,
        )
        view = view_of(residuals, crop)
        options = replace(
            options,
            components=select_components(residuals.models, models),
            left_out=tuple(residuals.exclude),
            view=view,
        )
        with self._rc_context():
            grid = axes_grid(panels, axes, view, group_names(residuals))
            maps = []
            for panel in panels:
                for idx, ax in enumerate(grid[panel.name]):
                    maps += panel.draw(residuals, idx, ax, options)
                    ax.set_title(panel.full_title(residuals, idx), fontsize="medium")
            name_all(maps, models_style, is_new=axes is None)
        is_single = residuals.energy_axis.nbin == 1
        return {name: row[0] if is_single else row for name, row in grid.items()}

    def plot_each(
        self,
        residuals,
        *,
        panels=None,
        models=True,
        models_style="auto",
        crop=True,
        axes=None,
        **style,
    ):
        """Draw the maps of several datasets side by side, with shared colours.

        Parameters
        ----------
        residuals : dict of `~gammapy.datasets.SpatialResiduals`
            Residuals by the name of the dataset, on one geometry.
        panels, models, models_style, crop, axes : optional
            As in `~gammapy.visualization.plot_spatial_residuals` with
            ``by="dataset"``.
        **style
            Other options of that function about how maps are drawn: ``region``,
            ``vmin``, ``vmax``, ``vsig``, ``stretch``, ``hot_spots``.

        Returns
        -------
        axes : dict of dict of `~matplotlib.axes.Axes`
            Axes by the name of the dataset, by panel name.
        """
        check_models_style("models_style", models_style)
        options = draw_options(crop=crop, **style)
        with self._rc_context():
            return draw_each(
                residuals,
                panels=panels,
                axes=axes,
                models=models,
                models_style=models_style,
                crop=crop,
                options=options,
            )

    def plot_distribution(self, residuals, ax=None, mask=None):
        """Draw the distribution of the significance.

        Parameters
        ----------
        residuals : `~gammapy.datasets.SpatialResiduals`
            Residuals with one energy group.
        ax, mask : optional
            As in `~gammapy.visualization.plot_residuals_distribution`.

        Returns
        -------
        ax : `~matplotlib.axes.Axes`
            The axes.

        Raises
        ------
        ValueError
            If there are several energy groups, or no pixel is left inside the mask.
        """
        if residuals.energy_axis.nbin != 1:
            raise ValueError(
                f"There are {residuals.energy_axis.nbin} energy groups; draw the "
                "distribution of one, or use plot_spatial_residuals."
            )
        if not residuals.distribution(mask)["n_trials"][0] > 0:
            where = "" if mask is None else " in the mask"
            raise ValueError(f"No pixel{where} has a finite significance.")
        if ax is not None:
            check_plain_axes(ax)
        with self._rc_context():
            ax = plt.gca() if ax is None else ax
            return plot_distribution(residuals, ax, 0, mask)


@deprecated_renamed_argument("spots", "hot_spots", "2.2")
def plot_spatial_residuals(
    datasets,
    *,
    by=None,
    panels=None,
    models=True,
    models_style="auto",
    region=None,
    vmin=None,
    vmax=None,
    vsig=5,
    stretch="auto",
    crop=True,
    hot_spots=None,
    axes=None,
    **options,
):
    """Draw maps of counts, model and residuals of joint datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpatialResiduals`
        Datasets, one dataset, or computed residuals. With ``by="dataset"`` also a dict
        of residuals on one geometry, by the name of the dataset.
    by : {None, "dataset"}, optional
        "dataset" draws the residuals of the datasets side by side. Up to 4 datasets are
        in one row. All maps show the same part of the sky, and all maps of a panel have
        the same colours. None draws the joint residuals. Default is None.
    panels : list of str, optional
        Panels to draw: "counts", "npred", "excess", "distribution" (of the
        significance) and any residual method: "diff", "diff/model", "diff/sqrt(model)",
        "significance". Default is counts, npred, significance and distribution. With
        ``by="dataset"`` it is counts, npred and significance, or only significance for
        more than 4 datasets. At most 60 maps can be drawn.
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw on the maps: True for all, False for none, or names. Default
        is True. Fitted components have solid lines, frozen components have pale dotted
        lines, and components excluded with ``exclude`` have dashed lines and an upright
        cross.
    models_style : {"auto", "names", "markers"}, optional
        Names beside the components, or numbers with a legend, as in `plot_models`. All
        maps have the same style. "auto" uses names if all of them fit. Default is
        "auto".
    region : `~regions.SkyRegion`, list of them, or str, optional
        Region to outline on the maps. Default is None.
    vmin, vmax : float, optional
        Colour limits of "counts" and "npred". Default is 0 and the highest unmasked
        value, or 300 times the value that half a percent of the pixels exceed, if this
        is lower.
    vsig : float, optional
        The colours of all maps in sigma range from ``-vsig`` to ``vsig``. Each
        connected area beyond this range has a dot at its extreme, with the value, and
        contours every 2 sigma (or in wider steps) with their values. Contours without
        room for the value are not drawn. Default is 5.
    stretch : {"auto", "linear", "sqrt", "asinh", "log"}, optional
        Stretch of the colours of "counts" and "npred", see `astropy.visualization`. The
        colour bar names the stretch if it is not linear. "auto" selects "sqrt" or
        "asinh" if most of a map would be dark. Default is "auto".
    crop : bool, optional
        Whether to draw only the unmasked part of the maps. Default is True.
    hot_spots : `~gammapy.diagnostics.HotSpots`, optional
        Hot spots to draw as numbered circles, on maps whose energies overlap with those
        of the spot. Default is None.
    axes : dict of `~matplotlib.axes.Axes`, optional
        Axes by panel name, `~astropy.visualization.wcsaxes.WCSAxes` for maps. With
        several energy groups or datasets, lists of axes by panel name. For datasets
        also dicts by their names. Default is a new figure.
    **options
        Options of `SpatialResiduals.from_datasets`: ``energy_min``, ``energy_max``,
        ``energy_edges``, ``energy_unit``, ``kernel``, ``correlation_radius``,
        ``exclude``, ``geom``, ``apply_mask``.

    Returns
    -------
    axes : dict of `~matplotlib.axes.Axes`
        Axes by panel name; lists of axes, one per energy group, when there are
        several; dicts by the name of the dataset with ``by="dataset"``.

    Raises
    ------
    ValueError
        If a panel or option is not valid, or axes are missing, or there are too many
        maps, or several energy groups of each dataset.
    TypeError
        If axes have the wrong type. Nothing is drawn if there is an error.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization import plot_spatial_residuals
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> axes = plot_spatial_residuals(datasets, energy_max="0.1 TeV")
    >>> list(axes)
    ['counts', 'npred', 'significance', 'distribution']

    All datasets side by side:

    >>> axes = plot_spatial_residuals(datasets, by="dataset", panels=["significance"])
    >>> list(axes["significance"])
    ['Fermi-LAT']
    """
    if by is not None:
        check_choice("by", by, BY)
    if panels is not None:
        check_panels(panels)
    check_models_style("models_style", models_style)
    style = {
        "region": region,
        "vmin": vmin,
        "vmax": vmax,
        "vsig": vsig,
        "stretch": stretch,
        "crop": crop,
        "hot_spots": hot_spots,
    }
    draw_options(**style)
    style |= {"models": models, "models_style": models_style, "axes": axes}
    if by == "dataset":
        residuals = each_residuals(datasets, panels, options)
        plotter = next(iter(residuals.values())).plotter
        return plotter.plot_each(residuals, panels=panels, **style)
    residuals = spatial_residuals(datasets, options)
    if panels is not None:
        style["panels"] = panels
    return residuals.plotter.plot(residuals, **style)


def plot_residuals_distribution(residuals, ax=None, mask=None):
    """Draw the distribution of the significance.

    The histogram is compared with a normal distribution of the same mean and standard
    deviation, and with the distribution of noise, N(0, 1).

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpatialResiduals`
        Residuals with one energy group.
    ax : `~matplotlib.axes.Axes`, optional
        Axes. Default is the current axes.
    mask : `~gammapy.maps.WcsNDMap`, optional
        Boolean mask of the pixels to use. Default is all pixels.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If there are several energy groups, or no pixel is left inside the mask.
    TypeError
        If ``residuals`` is not a SpatialResiduals, or the axes are those of a map.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals
    >>> from gammapy.visualization import plot_residuals_distribution
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpatialResiduals.from_datasets(datasets)
    >>> ax = plot_residuals_distribution(residuals)
    """
    check_type("residuals", residuals, SpatialResiduals, "SpatialResiduals")
    return residuals.plotter.plot_distribution(residuals, ax=ax, mask=mask)
