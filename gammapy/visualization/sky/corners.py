# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small boxes in the corners of a map."""

from matplotlib.offsetbox import AnchoredOffsetbox, TextArea
from .labels import Scene

__all__ = []

FONTSIZE = 7
#: Corners, the preferred ones first.
CORNERS = ("lower left", "lower right", "upper left", "upper right")
STYLE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.65}
# What it costs to have a curve in the box instead of a text or marker.
COST_CURVE = 0.1


def corner_text(text):
    """Text for a corner."""
    return TextArea(text, textprops={"fontsize": FONTSIZE, "color": "black"})


def add_to_corner(child, ax, name):
    """Put a box into the corner of the axes where it covers least.

    Parameters
    ----------
    child : `~matplotlib.offsetbox.OffsetBox`
        Content.
    ax : `~matplotlib.axes.Axes`
        Axes with limits set, and with all that is not to be covered.
    name : str
        Name; the identifier of the box is "box:" with it.

    Returns
    -------
    box : `~matplotlib.offsetbox.AnchoredOffsetbox`
        Box.
    """
    scene = Scene(ax)
    box = AnchoredOffsetbox(
        CORNERS[0], child=child, pad=0.25, borderpad=0.3, prop={"size": FONTSIZE}
    )
    box.patch.set(boxstyle="square,pad=0", **STYLE)
    box.set(gid=f"box:{name}", zorder=6)
    ax.add_artist(box)

    def cost(corner):
        box.loc = AnchoredOffsetbox.codes[corner]
        extent = box.get_window_extent()
        return scene.n_covered(extent) + COST_CURVE * scene.n_crossing(extent)

    best = min(CORNERS, key=cost)
    box.loc = AnchoredOffsetbox.codes[best]
    return box
