# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Peaks of maps, and the highest of overlapping peaks."""

from dataclasses import dataclass
import numpy as np
import scipy.ndimage as ndi

__all__ = []

#: Pixels that touch, at a corner or a side.
TOUCHING = np.ones((3, 3), dtype=bool)


@dataclass
class Peak:
    """Peak of a map.

    ``sqrt_ts`` is signed, ``x`` and ``y`` are in pixels, not whole ones, ``pixel`` is
    the row and column next to it, and ``scan_map`` what it was found in.
    """

    sqrt_ts: float
    x: float
    y: float
    pixel: tuple
    scan_map: object = None


def find_peaks(image, threshold):
    """Peaks of both signs of an image.

    A peak is the highest of its neighbours. Neighbours that are equally high, as those
    of a top-hat are, are one, in the middle of them.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Significance, of shape (n_y, n_x). NaN is no peak.
    threshold : float
        Lowest absolute value.

    Returns
    -------
    peaks : list of `Peak`
        Peaks, the highest first.
    """
    peaks = []
    for sign in (1, -1):
        values = np.where(np.isnan(image), -np.inf, sign * image)
        highest = ndi.maximum_filter(values, footprint=TOUCHING, mode="nearest")
        is_peak = (values >= threshold) & (values == highest)
        labels, n_peaks = ndi.label(is_peak, structure=TOUCHING)
        places = ndi.find_objects(labels)
        for number, place in zip(range(1, n_peaks + 1), places, strict=True):
            rows, columns = np.nonzero(labels[place] == number)
            rows, columns = rows + place[0].start, columns + place[1].start
            if _has_higher_neighbour(values, rows, columns):
                continue
            peaks.append(_peak(values, rows, columns, sign))
    return sorted(peaks, key=lambda peak: -abs(peak.sqrt_ts))


def _has_higher_neighbour(values, rows, columns):
    """Whether equal pixels lead to higher ones, so that they are a terrace."""
    level = values[rows[0], columns[0]]
    start = np.zeros(values.shape, dtype=bool)
    start[rows, columns] = True
    plateau = ndi.binary_propagation(start, TOUCHING, mask=values == level)
    around = ndi.binary_dilation(plateau, TOUCHING)
    return bool(np.max(values[around]) > level)


def _peak(values, rows, columns, sign):
    """Peak at the centre of equal pixels, of one between its neighbours."""
    y, x = rows.mean(), columns.mean()
    nearest = np.argmin((rows - y) ** 2 + (columns - x) ** 2)
    pixel = int(rows[nearest]), int(columns[nearest])
    if rows.size == 1:
        y += vertex(values[max(pixel[0] - 1, 0) : pixel[0] + 2, pixel[1]])
        x += vertex(values[pixel[0], max(pixel[1] - 1, 0) : pixel[1] + 2])
    return Peak(float(sign * values[pixel]), float(x), float(y), pixel)


def vertex(values):
    """Where a parabola through three values is highest, seen from the middle one.

    Parameters
    ----------
    values : `~numpy.ndarray`
        The values, shape (3,).

    Returns
    -------
    place : float
        Between -0.5 and 0.5; 0 for fewer values, and where they have no maximum.
    """
    if values.size < 3 or not np.isfinite(values).all():
        return 0.0
    curvature = values[0] - 2 * values[1] + values[2]
    if curvature >= 0:
        return 0.0
    return float(np.clip(0.5 * (values[0] - values[2]) / curvature, -0.5, 0.5))


def merge_peaks(peaks, reach, separation):
    """One peak for all that overlap: the highest.

    Parameters
    ----------
    peaks : list of `Peak`
        Peaks of all maps.
    reach : callable
        Radius of a peak in deg.
    separation : callable
        Angle between a peak and each of others in deg, an array.

    Returns
    -------
    spots : list of `Peak`
        The highest first; none lies within the radius of another of the same sign.
    """
    spots = []
    for peak in sorted(peaks, key=lambda peak: -abs(peak.sqrt_ts)):
        others = [spot for spot in spots if spot.sqrt_ts * peak.sqrt_ts > 0]
        if others:
            limits = np.maximum([reach(spot) for spot in others], reach(peak))
            if np.any(separation(peak, others) < limits):
                continue
        spots.append(peak)
    return spots
