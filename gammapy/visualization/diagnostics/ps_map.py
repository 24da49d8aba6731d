# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps of deviation probabilities."""

import numpy as np
from gammapy.datasets.residuals.grids import parse_region
from gammapy.visualization.plotter import BasePlotter
from gammapy.visualization.residuals.layout import axes_grid, group_names
from gammapy.visualization.residuals.panels import check_panels
from gammapy.visualization.residuals.panels.base import (
    DrawOptions,
    MapPanel,
    energy_slice,
)
from gammapy.visualization.residuals.style import check_map_style, view_of
from gammapy.visualization.sky.models import select_components
from gammapy.visualization.sky.names import check_models_style, name_all

__all__ = ["PSMapPlotter"]

#: PS of 5 sigma, where its colours end.
PS_LIMIT = 6.24


class DeviationPanel(MapPanel):
    """Map of a signed deviation, with contours beyond its colours."""

    def __init__(self, name, title, label, limit):
        super().__init__(name, title)
        self._label = label
        self._limit = limit

    def image(self, residuals, idx):
        return energy_slice(getattr(residuals, self.name), idx)

    def label(self, residuals):
        return self._label

    def limit(self, options):
        """Where the colours end."""
        return self._limit

    def limits(self, residuals, idx, data, options):
        limit = self.limit(options)
        return -limit, limit

    def extremes_from(self, options):
        return self.limit(options)

    def kernel_shape(self, residuals, idx):
        return None


class SigmaPanel(DeviationPanel):
    """Map of the deviation in sigma, whose colours end where the user likes."""

    def limit(self, options):
        return options.vsig


class EnergyPanel(MapPanel):
    """Map of the energy that deviates most."""

    cmap = "viridis"
    line_color = "white"

    def image(self, residuals, idx):
        image = energy_slice(residuals.worst_energy, idx)
        return image.copy(data=np.log10(image.data), unit="")

    def label(self, residuals):
        return f"log10(worst energy / {residuals.worst_energy.unit})"

    def kernel_shape(self, residuals, idx):
        return None

    def limits(self, residuals, idx, data, options):
        edges = residuals.energy_axis.edges.to_value(residuals.worst_energy.unit)
        return tuple(np.log10(edges[[0, -1]]))


PANELS = {
    panel.name: panel
    for panel in (
        DeviationPanel("ps", "PS", r"PS (-log$_{10}$ p, with sign)", PS_LIMIT),
        SigmaPanel("sigma", "PS in sigma", r"Deviation [$\sigma$]", None),
        EnergyPanel("worst_energy", "Worst energy"),
    )
}


class PSMapPlotter(BasePlotter):
    """Draws `~gammapy.diagnostics.PSMap`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import PSMapEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> ps_map = PSMapEstimator().run(datasets)
    >>> list(ps_map.plot(panels=["sigma"]))
    ['sigma']
    """

    def plot(
        self,
        ps_map,
        *,
        panels=("ps", "worst_energy"),
        models=True,
        models_style="auto",
        region=None,
        vsig=5,
        crop=True,
        axes=None,
    ):
        """Draw maps of the deviation and of the energy that deviates most.

        Parameters
        ----------
        ps_map : `~gammapy.diagnostics.PSMap`
            Result.
        panels : list of str, optional
            Panels to draw: "ps", "sigma", "worst_energy". Default is "ps" and
            "worst_energy".
        models, models_style, region : optional
            As in `~gammapy.visualization.plot_spatial_residuals`.
        vsig : float, optional
            Limit of the colours of "sigma". The colours of "ps" always end at 5 sigma.
            Default is 5.
        crop : bool, optional
            Whether to draw only the unmasked part of the maps. Default is True.
        axes : optional
            As in `~gammapy.visualization.plot_spatial_residuals`.

        Returns
        -------
        axes : dict of `~matplotlib.axes.Axes`
            Axes by the name of the panel.

        Raises
        ------
        ValueError
            If a panel or option is not valid, before anything is drawn.
        """
        selected = check_panels(panels, PANELS)
        check_models_style("models_style", models_style)
        check_map_style(None, None, vsig, "linear", crop)
        shown = [] if ps_map.models is None else ps_map.models
        view = view_of(ps_map, crop)
        options = DrawOptions(
            components=select_components(shown, models),
            region=parse_region(region),
            vsig=vsig,
            left_out=tuple(ps_map.meta.get("exclude", ())),
            view=view,
        )
        with self._rc_context():
            grid = axes_grid(selected, axes, view, group_names(ps_map))
            maps = []
            for panel in selected:
                (ax,) = grid[panel.name]
                maps += panel.draw(ps_map, 0, ax, options)
                ax.set_title(panel.full_title(ps_map, 0), fontsize="medium")
            name_all(maps, models_style, is_new=axes is None)
        return {name: row[0] for name, row in grid.items()}
