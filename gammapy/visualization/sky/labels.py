# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Put labels beside points without covering anything."""

from dataclasses import dataclass
import numpy as np
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from .outlines import halo, rim_of

__all__ = []

# Where a label may go, seen from its point. The first ones are preferred.
ANGLES = np.deg2rad([45, 135, 315, 225, 0, 180, 90, 270, 20, 160, 340, 200])
DISTANCES = (7, 14, 22, 32, 44, 58, 74, 92)  # points
LEADER_FROM = 20  # points; farther labels have a line to their point
LEADER_RIM = 1.6  # points
MARKER_SIZE = 8  # points
# What the identifiers of lines begin with that labels should not cross.
OUTLINES = ("outline:", "position-error:", "spot:")
# What a label may do when there is no better place, in units of 10 points of distance.
COST_CURVE = 3
COST_LEADER = 1.5
COST_ACROSS = 3
# What it costs to cover something, for labels that must be written.
COST_COVERED = 100


def place_labels(
    labels,
    ax,
    *,
    fontsize,
    leader_from=LEADER_FROM,
    cost_curve=COST_CURVE,
    must=False,
):
    """Write labels beside points of the axes.

    No label covers another one, another text of the axes, or a marker of a position,
    and none leaves the axes. Lines are crossed where that saves a long way. A label
    that finds no place is not written, unless it must be.

    Parameters
    ----------
    labels : list of dict
        Properties of `~matplotlib.axes.Axes.annotate`, among them ``text``, ``xy``
        and ``color``, in the order of importance.
    ax : `~matplotlib.axes.Axes`
        Axes with limits set.
    fontsize : float
        Font size in points.
    leader_from : float, optional
        Labels that are as far from their point, in points, have a line to it. Default
        is 20.
    cost_curve : float, optional
        What it costs to cross a curve, in units of 10 points of distance. Default is 3.
    must : bool, optional
        Whether a label that finds no free place covers something, as little as it
        can. Default is False.

    Returns
    -------
    missing : list of dict
        Labels that were not written.
    """
    missing = []
    if not labels:
        return missing
    scene = Scene(ax)
    costs = _Costs(cost_curve, COST_COVERED if must else np.inf)
    for label in labels:
        # WCSAxes know only once drawn what lies inside them.
        style = label | {"fontsize": fontsize, "annotation_clip": False, "zorder": 6}
        style["textcoords"] = "offset points"
        trial = ax.annotate(xytext=(0, 0), **style)
        size = trial.get_window_extent().size
        trial.remove()
        point = ax.transData.transform(label["xy"])
        place = scene.find(point, size, leader_from, costs)
        if place is None:
            missing.append(label)
            continue
        offset, alignment, corner = place
        arrow = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "relpos": corner}
        rim = halo(rim_of(label["color"]), LEADER_RIM)
        arrow |= {"color": label["color"], "path_effects": rim}
        ax.annotate(
            xytext=offset,
            arrowprops=None if corner is None else arrow,
            **alignment,
            **style,
        )
    return missing


def settle_axes(ax):
    """Give the axes the place that they will have when drawn."""
    locator = ax.get_axes_locator()
    ax.apply_aspect(locator(ax, None) if locator else None)


@dataclass(frozen=True)
class _Costs:
    """What it costs to cross a curve, and to cover a text or marker."""

    curve: float
    covered: float


class Scene:
    """What is on the axes, in display coordinates.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes with limits set.
    """

    def __init__(self, ax):
        settle_axes(ax)
        self.scale = ax.figure.dpi / 72
        self.inside = ax.get_window_extent().padded(-2 * self.scale)
        texts = [text for text in ax.texts if text.get_visible() and text.get_text()]
        boxes = [_text_box(text) for text in texts]
        self.leaders = [
            _leader(ax.transData.transform(text.xy), _text_box(text))
            for text in texts
            if _has_leader(text)
        ]
        boxes += [box.get_window_extent() for box in ax.findobj(_is_box)]
        self.n_texts = len(boxes)
        half = MARKER_SIZE * self.scale / 2
        self.markers = [
            Bbox([point - half, point + half])
            for line in ax.findobj(_is_marker)
            for point in line.get_transform().transform(line.get_xydata())
        ]
        self.obstacles = [*boxes, *self.markers]
        self.curves = []
        for contours in ax.findobj(ContourSet):
            to_display = contours.get_transform()
            self.curves += [
                to_display.transform_path(path) for path in contours.get_paths()
            ]
        for line in ax.findobj(_is_curve):
            path = line.get_transform().transform_path(Path(line.get_xydata()))
            self.curves.append(path)

    @property
    def texts(self):
        """Boxes of what was written before."""
        return self.obstacles[: self.n_texts]

    @property
    def placed(self):
        """Boxes of what `find` and `take` have added."""
        return self.obstacles[self.n_texts + len(self.markers) :]

    def take(self, box):
        """Keep a box free from now on."""
        self.obstacles.append(box)

    def is_inside(self, box):
        """Whether a box is inside the axes."""
        inside = self.inside
        return bool(
            inside.x0 <= box.x0
            and box.x1 <= inside.x1
            and inside.y0 <= box.y0
            and box.y1 <= inside.y1
        )

    def n_covered(self, box):
        """Number of texts and markers that a box covers."""
        if not self.obstacles:
            return 0
        x0, y0, x1, y1 = np.transpose([other.extents for other in self.obstacles])
        overlap = (x0 < box.x1) & (x1 > box.x0) & (y0 < box.y1) & (y1 > box.y0)
        return int(np.sum(overlap))

    def n_crossing(self, box):
        """Number of curves and leaders through a box."""
        lines = [*self.curves, *self.leaders]
        return sum(line.intersects_bbox(box, filled=False) for line in lines)

    def find(self, point, size, leader_from, costs):
        """Cheapest place and take it; None when none is free."""
        best, lowest = None, np.inf
        for distance in DISTANCES:
            # A label that is farther away cannot be cheaper any more.
            if distance / 10 >= lowest:
                break
            has_leader = distance >= leader_from
            for rank, angle in enumerate(ANGLES):
                box, offset, alignment = self._candidate(point, size, distance, angle)
                leader = _leader(point, box) if has_leader else None
                cost = distance / 10 + 0.02 * rank + self._cost(box, leader, costs)
                if cost < lowest:
                    best, lowest = (box, leader, offset, alignment), cost
        if best is None:
            return None
        box, leader, offset, alignment = best
        self.take(box)
        if leader is None:
            return offset, alignment, None
        self.leaders.append(leader)
        return offset, alignment, tuple((leader.vertices[1] - box.min) / box.size)

    def _candidate(self, point, size, distance, angle):
        """Box, offset from the point and alignment of a label at a place."""
        direction = np.array([np.cos(angle), np.sin(angle)])
        # The side of the label that is next to the point: -1, 0, 1.
        side = np.where(np.abs(direction) > 0.3, np.sign(direction), 0)
        corner = point + distance * direction * self.scale + (side - 1) / 2 * size
        alignment = {
            "ha": {1: "left", 0: "center", -1: "right"}[side[0]],
            "va": {1: "bottom", 0: "center", -1: "top"}[side[1]],
        }
        return Bbox([corner, corner + size]), tuple(distance * direction), alignment

    def _cost(self, box, leader, costs):
        """How bad a place is, infinite where it must not be."""
        if not self.is_inside(box):
            return np.inf
        padded = box.padded(self.scale)
        n_covered = self.n_covered(padded) + sum(
            other.intersects_bbox(padded, filled=False) for other in self.leaders
        )
        cost = n_covered * costs.covered if n_covered else 0
        if np.isinf(cost):
            return cost
        cost += costs.curve * sum(
            curve.intersects_bbox(box, filled=False) for curve in self.curves
        )
        return cost + (0 if leader is None else self._leader_cost(leader, costs))

    def _leader_cost(self, leader, costs):
        def crossed(boxes):
            return sum(leader.intersects_bbox(box, filled=False) for box in boxes)

        n_placed = crossed(self.placed)
        # It begins at a marker.
        n_markers = max(crossed(self.markers) - 1, 0)
        n_leaders = sum(
            leader.intersects_path(other, filled=False) for other in self.leaders
        )
        cost = COST_LEADER + COST_ACROSS * (crossed(self.texts) + n_markers + n_leaders)
        return cost + (n_placed * costs.covered if n_placed else 0)


def _text_box(text):
    """Box of a text, without the line of an annotation to its point."""
    if isinstance(text, Annotation):
        # This moves it to where it will be.
        text.get_window_extent()
    return Text.get_window_extent(text)


def _has_leader(text):
    is_annotation = isinstance(text, Annotation) and text.xycoords == "data"
    return is_annotation and text.arrow_patch is not None


def _is_box(artist):
    return str(artist.get_gid()).startswith("box:")


def _is_marker(artist):
    gid = str(artist.get_gid())
    is_position = gid.startswith(("position:", "extreme-position:"))
    return is_position and isinstance(artist, Line2D)


def _is_curve(artist):
    gid = str(artist.get_gid())
    is_outline = gid.startswith(OUTLINES) or gid == "region"
    return is_outline and isinstance(artist, Line2D)


def _leader(point, box):
    return Path([point, np.clip(point, box.min, box.max)])
