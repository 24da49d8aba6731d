# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How large the image of a source is."""

import numpy as np
import astropy.units as u

__all__ = []

#: Part of an image within its radius.
CONTAINMENT = 0.68


def containment_radius(image, geom, containment=CONTAINMENT):
    """Radius of the circle around the middle pixel that holds a part of an image.

    The circle has the solid angle of the pixels that hold this part, taken from the
    middle outwards.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Image with odd numbers of rows and columns, without negative values.
    geom : `~gammapy.maps.WcsGeom`
        Geometry that gives the size of a pixel.
    containment : float, optional
        Part of the sum of the image. Default is 0.68.

    Returns
    -------
    radius : `~astropy.units.Quantity`
        Radius in deg, NaN for an image without anything.
    """
    if not image.sum() > 0:
        return np.nan * u.deg
    scales = u.Quantity(geom.pixel_scales).to_value("deg")
    n_y, n_x = np.array(image.shape) // 2
    y, x = np.mgrid[-n_y : n_y + 1, -n_x : n_x + 1]
    distances = np.hypot(x * scales[0], y * scales[1])
    # Pixels at one distance come in whole rings.
    values, rings = np.unique(distances.round(9), return_inverse=True)
    rings = rings.reshape(image.shape)
    inside = np.cumsum(np.bincount(rings.ravel(), image.ravel(), values.size))
    n_pixels = np.cumsum(np.bincount(rings.ravel()))
    parts = np.concatenate([[0], inside / inside[-1]])
    solid_angles = np.concatenate([[0], n_pixels * np.prod(scales)])
    return np.sqrt(np.interp(containment, parts, solid_angles) / np.pi) * u.deg


def containment_radii(inputs, bins, geom):
    """Radii with 68 percent of the counts of a source, one per energy group.

    Parameters
    ----------
    inputs : list of `~gammapy.datasets.residuals.kernels.matched_filter.FilterInput`
        One per dataset.
    bins : list of list of `~numpy.ndarray` of bool
        For each dataset and energy group the bins that belong to it.
    geom : `~gammapy.maps.WcsGeom`
        Geometry that gives the size of a pixel.

    Returns
    -------
    radii : `~astropy.units.Quantity`
        Radii in deg; NaN for a group in which no bin is used.
    """
    return u.Quantity(
        [
            containment_radius(_sum_of_stamps(inputs, of_group), geom)
            for of_group in zip(*bins, strict=True)
        ]
    )


def _sum_of_stamps(inputs, bins):
    """Counts of the source in all datasets, in the middle of one image."""
    shape = np.max([item.stamps.shape[1:] for item in inputs], axis=0)
    total = np.zeros(shape)
    for item, select in zip(inputs, bins, strict=True):
        image = item.stamps[select & (item.n_pixels > 0)].sum(axis=0)
        low = (shape - image.shape) // 2
        rows, columns = (
            slice(start, start + size)
            for start, size in zip(low, image.shape, strict=True)
        )
        total[rows, columns] += image
    return total
