# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Put labels beside points without covering anything."""

import numpy as np
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.transforms import Bbox

__all__ = []

# Where a label may go, seen from its point. The first ones are preferred.
ANGLES = np.deg2rad([45, 135, 315, 225, 0, 180, 90, 270, 20, 160, 340, 200])
DISTANCES = (7, 14, 22, 32, 44, 58, 74, 92)  # points
LEADER_FROM = 20  # points; farther labels have a line to their point
MARKER_SIZE = 8  # points
# What a label may do when there is no better place, in units of 10 points of distance.
COST_CURVE = 3
COST_LEADER = 1.5
COST_ACROSS = 3


def place_labels(labels, ax, *, fontsize):
    """Write labels beside points of the axes.

    No label covers another one, another text of the axes, or a marker of a position,
    and none leaves the axes. Lines are crossed where that saves a long way. A label
    that finds no place is not written.

    Parameters
    ----------
    labels : list of dict
        Properties of `~matplotlib.axes.Axes.annotate`, among them ``text``, ``xy``
        and ``color``, in the order of importance.
    ax : `~matplotlib.axes.Axes`
        Axes with limits set.
    fontsize : float
        Font size in points.
    """
    if not labels:
        return
    settle_axes(ax)
    scene = _Scene(ax)
    for label in labels:
        # WCSAxes know only once drawn what lies inside them.
        style = label | {"fontsize": fontsize, "annotation_clip": False, "zorder": 6}
        style["textcoords"] = "offset points"
        trial = ax.annotate(xytext=(0, 0), **style)
        size = trial.get_window_extent().size
        trial.remove()
        place = scene.find(ax.transData.transform(label["xy"]), size)
        if place is not None:
            offset, alignment, corner = place
            arrow = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "relpos": corner}
            arrow["color"] = label["color"]
            ax.annotate(
                xytext=offset,
                arrowprops=None if corner is None else arrow,
                **alignment,
                **style,
            )


def settle_axes(ax):
    """Give the axes the place that they will have when drawn."""
    locator = ax.get_axes_locator()
    ax.apply_aspect(locator(ax, None) if locator else None)


class _Scene:
    """What is on the axes, in display coordinates."""

    def __init__(self, ax):
        self.scale = ax.figure.dpi / 72
        self.inside = ax.get_window_extent().padded(-2 * self.scale)
        self.texts = [
            text.get_window_extent()
            for text in ax.texts
            if text.get_visible() and text.get_text()
        ]
        self.placed, self.leaders, self.curves, points = [], [], [], []
        for line in ax.findobj(
            lambda text: str(text.get_gid()).startswith("position:")
        ):
            points.extend(line.get_transform().transform(line.get_xydata()))
        for contours in ax.findobj(ContourSet):
            to_display = contours.get_transform()
            self.curves += [
                to_display.transform_path(path) for path in contours.get_paths()
            ]
        for line in ax.findobj(_is_curve):
            path = line.get_transform().transform_path(Path(line.get_xydata()))
            self.curves.append(path)
        half = MARKER_SIZE * self.scale / 2
        self.markers = [Bbox([point - half, point + half]) for point in points]

    def find(self, point, size):
        """Cheapest free place and take it; None when none is free."""
        best, lowest = None, np.inf
        for distance in DISTANCES:
            # A label that is farther away cannot be cheaper any more.
            if distance / 10 >= lowest:
                break
            has_leader = distance >= LEADER_FROM
            for rank, angle in enumerate(ANGLES):
                box, offset, alignment = self._candidate(point, size, distance, angle)
                leader = _leader(point, box) if has_leader else None
                cost = distance / 10 + 0.02 * rank + self._cost(box, leader)
                if cost < lowest:
                    best, lowest = (box, leader, offset, alignment), cost
        if best is None:
            return None
        box, leader, offset, alignment = best
        self.placed.append(box)
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

    def _cost(self, box, leader):
        """How bad a place is, infinite where it must not be."""
        inside = self.inside
        if not (inside.x0 <= box.x0 and box.x1 <= inside.x1):
            return np.inf
        if not (inside.y0 <= box.y0 and box.y1 <= inside.y1):
            return np.inf
        padded = box.padded(self.scale)
        obstacles = [*self.texts, *self.placed, *self.markers]
        if any(padded.overlaps(obstacle) for obstacle in obstacles):
            return np.inf
        if any(other.intersects_bbox(padded, filled=False) for other in self.leaders):
            return np.inf
        cost = COST_CURVE * sum(
            curve.intersects_bbox(box, filled=False) for curve in self.curves
        )
        return cost + (0 if leader is None else self._leader_cost(leader))

    def _leader_cost(self, leader):
        def crossed(boxes):
            return sum(leader.intersects_bbox(box, filled=False) for box in boxes)

        if crossed(self.placed):
            return np.inf
        # It begins at a marker.
        n_markers = max(crossed(self.markers) - 1, 0)
        n_leaders = sum(
            leader.intersects_path(other, filled=False) for other in self.leaders
        )
        return COST_LEADER + COST_ACROSS * (crossed(self.texts) + n_markers + n_leaders)


def _is_curve(artist):
    gid = str(artist.get_gid())
    is_outline = gid.startswith(("outline:", "position-error:")) or gid == "region"
    return is_outline and isinstance(artist, Line2D)


def _leader(point, box):
    return Path([point, np.clip(point, box.min, box.max)])
