# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a panel of a figure of residuals is."""

from dataclasses import dataclass
import numpy as np
from gammapy.datasets.residuals.kernels import shape_of
from gammapy.maps.energy_bins import format_energy_range
from gammapy.visualization.sky.components import DrawnMap, draw_components
from gammapy.visualization.sky.contours import plot_contours
from gammapy.visualization.sky.extremes import (
    find_extremes,
    mark_extremes,
    write_extremes,
)
from gammapy.visualization.sky.image import BAR_PAD, BAR_WIDTH, plot_image, plot_region
from gammapy.visualization.sky.kernel import plot_kernel
from gammapy.visualization.sky.stretch import power_and_unit, scale_label

__all__ = []


@dataclass(frozen=True)
class DrawOptions:
    """What is drawn on the maps of a figure, and where their colours end."""

    components: list
    region: object = None
    vmin: float | None = None
    vmax: float | None = None
    vsig: float = 5
    spots: object = None
    left_out: tuple = ()
    stretch: str = "auto"
    view: object = None


@dataclass(frozen=True)
class Colours:
    """Where the colours of maps end, and how values become colours between."""

    limits: tuple
    name: str = "linear"
    stretch: object = None


class Panel:
    """A panel draws one thing about one energy group of `SpatialResiduals`.

    Parameters
    ----------
    name : str
        Name, as it is given to ``panels``.
    title : str
        Title, in front of the energy range.
    """

    #: Whether it needs the axes of a sky map.
    is_map = True

    def __init__(self, name, title):
        self.name = name
        self.title = title

    def full_title(self, residuals, idx):
        """Title with the range of the energy group."""
        edges = residuals.energy_axis.edges[idx : idx + 2]
        energies = format_energy_range(*edges, edges.unit)
        return f"{self.title}, {energies}"

    def colours(self, items, options):
        """Colours that items share, pairs of residuals and energy group.

        None for a panel without colours.
        """
        return None

    def draw(self, residuals, idx, ax, options, colours=None):
        """Draw an energy group on axes; the options are `DrawOptions`.

        Without ``colours`` a map has its own. Returns a list of the
        `~gammapy.visualization.sky.components.DrawnMap` whose components need their
        names.
        """
        raise NotImplementedError

    def size(self, map_size):
        """Width and height in inches, where maps have this size without colour bar."""
        raise NotImplementedError


class MapPanel(Panel):
    """Map with a colour bar, the components of the model and a region on top."""

    #: Colour map, and colour of what is drawn on it.
    cmap = "RdBu_r"
    line_color = "black"
    spot_color = "darkgreen"

    def image(self, residuals, idx):
        """Map of an energy group, a `~gammapy.maps.WcsNDMap`."""
        raise NotImplementedError

    def label(self, residuals):
        """Text at the colour bar."""
        raise NotImplementedError

    def values(self, residuals, idx):
        """All values that colours are made for, an array."""
        return np.ravel(self.image(residuals, idx).data)

    def limits(self, residuals, idx, data, options):
        """Both limits of the colours of values, of which some are of the residuals."""
        raise NotImplementedError

    def stretch(self, values, limits, options):
        """Name and stretch of the colours, None for linear ones."""
        return "linear", None

    def colours(self, items, options):
        values = np.concatenate([self.values(*item) for item in items])
        limits = self.limits(*items[0], values, options)
        return Colours(limits, *self.stretch(values, limits, options))

    def size(self, map_size):
        width, height = map_size
        return width + BAR_PAD + BAR_WIDTH, height

    def draw(self, residuals, idx, ax, options, colours=None):
        image = self.image(residuals, idx)
        if colours is None:
            colours = self.colours([(residuals, idx)], options)
        power, unit = power_and_unit(image.unit, colours.limits)
        plot_image(
            image,
            ax,
            cmap=self.cmap,
            limits=colours.limits,
            label=scale_label(self.label(residuals) + unit, colours.name),
            stretch=colours.stretch,
            view=options.view,
            power=power,
        )
        plot_region(options.region, ax)
        components = draw_components(
            options.components, ax, color=self.line_color, left_out=options.left_out
        )
        if options.spots is not None:
            edges = residuals.energy_axis.edges[idx : idx + 2]
            options.spots.plotter.plot(
                options.spots, ax, energy_range=edges, color=self.spot_color
            )
        limit = self.extremes_from(options)
        extremes = [] if limit is None else find_extremes(image.data, limit)
        mark_extremes(extremes, ax)
        plot_kernel(self.kernel_shape(residuals, idx), image.geom, ax)
        if limit is not None:
            plot_contours(image.data, ax, limit)
        write_extremes(extremes, ax)
        return [DrawnMap(ax, components, self.line_color)]

    def extremes_from(self, options):
        """Value beyond which extremes are written and contours drawn, None for none."""
        return None

    def kernel_shape(self, residuals, idx):
        """Kernel of an energy group to draw, None for none."""
        return shape_of(residuals, idx)


def energy_slice(map_, idx):
    """Image of one energy group."""
    return map_.slice_by_idx({"energy": idx})


def within_mask(values, mask):
    """Values where a mask is, all without a mask."""
    return values if mask is None else values[np.squeeze(mask.data).astype(bool)]
