# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Rings, margins and regions of exclusion masks as they are on the sky."""

import numpy as np
import scipy.ndimage as ndi
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from gammapy.datasets.residuals.grids import image_slices, place
from gammapy.datasets.residuals.kernels.plane import PlaneKernel
from gammapy.datasets.residuals.kernels.rows import row_kernel
from gammapy.datasets.residuals.sky_geometry import cylinder_of, sky_mask
from .background import RingBackgroundMaker

__all__ = []

# Neighbours of a pixel, those at its corners included.
NEIGHBOURS = np.ones((3, 3), dtype=bool)

# What a Fourier transform leaves where there is nothing, relative to the maximum.
ROUNDING = 1e-9


def used_pixels(images, geom):
    """Pixels of an image that any of the datasets has."""
    used = np.zeros(geom.data_shape, dtype=bool)
    for image in images:
        into, part = image_slices(geom, image.counts.geom.to_image())
        used[into] |= image.mask_safe.data[0][part]
    return used


def measure_rings(image, r_in, width, mask):
    """Counts and acceptance in the ring around each position of an image.

    Parameters
    ----------
    image : `~gammapy.datasets.MapDataset`
        Counts and background of one energy bin.
    r_in, width : `~astropy.units.Quantity`
        Inner radius and width of the ring.
    mask : `~gammapy.maps.WcsNDMap`
        Exclusion mask on a larger image of the same grid.

    Returns
    -------
    off : dict of `~numpy.ndarray`
        Arrays of shape (n_lat, n_lon): "counts_off" and "acceptance_off", 0 where
        there is no ring.
    """
    geom = image.counts.geom.to_image()
    maker = RingBackgroundMaker(r_in, width, exclusion_mask=mask)
    kernel = row_kernel(geom, (r_in + width).to_value("deg"), r_in.to_value("deg"))
    inputs = {"counts_off": image.counts, "acceptance_off": image.background}
    if kernel is None and sky_mask(geom) is None:
        sums = {name: map_.data[0] for name, map_ in maker.make_maps_off(image).items()}
    else:
        if kernel is None:
            kernel = PlaneKernel(maker.kernel(image.counts).array)
        used = image_slices(geom, mask.geom)
        outside = place(mask.data[np.newaxis], geom.data_shape, *used)
        sums = {
            name: kernel.apply(map_.data * outside)[0] for name, map_ in inputs.items()
        }
    return {
        name: _without_rounding(values, np.max(inputs[name].data))
        for name, values in sums.items()
    }


def _without_rounding(values, scale):
    """Values without what is rounding of the largest one that was summed."""
    return np.where(values > ROUNDING * max(np.max(values), scale), values, 0.0)


def warn_of_rings(geom, used, radius):
    """Say in one line where rings, and what they surround, are wrong on the sky.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image. In a cylindrical projection each row has its own rings,
        and no warning is needed.
    used : `~numpy.ndarray` of bool
        Pixels that count, of the shape (n_lat, n_lon).
    radius : `~astropy.units.Quantity`
        Outer radius of the rings.
    """
    if cylinder_of(geom) is None:
        name = f"Rings within {radius:.3g}"
        PlaneKernel(NEIGHBOURS, radius.to_value("deg"), name=name).warn(geom, used)


def dilate(found, geom, margin):
    """Pixels within a margin around those that were found.

    Parameters
    ----------
    found : `~numpy.ndarray` of bool
        Pixels, of the shape (n_lat, n_lon).
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the image.
    margin : `~astropy.units.Quantity`
        Margin.

    Returns
    -------
    dilated : `~numpy.ndarray` of bool
        Pixels, of the same shape.
    """
    if margin.value == 0:
        return found
    structure = np.squeeze(geom.binary_structure(width=margin, kernel="disk"))
    # Gammapy rounds the radius up, to an odd number of pixels.
    radius = structure.shape[1] // 2 * geom.pixel_scales[0].to_value("deg")
    kernel = row_kernel(geom, radius)
    if kernel is None:
        return ndi.binary_dilation(found, structure=structure)
    return kernel.apply(found[np.newaxis].astype(float))[0] > 0.5


def label_regions(mask, geom):
    """Number the connected regions of a mask, also across the seam of the sky.

    Parameters
    ----------
    mask : `~numpy.ndarray` of bool
        Pixels, of the shape (n_lat, n_lon).
    geom : `~gammapy.maps.WcsGeom`
        Geometry of the image.

    Returns
    -------
    labels : `~numpy.ndarray` of int
        Numbers from 1 of the regions, 0 outside.
    n_regions : int
        Number of regions.
    """
    labels, n_labels = ndi.label(mask, structure=NEIGHBOURS)
    cylinder = cylinder_of(geom)
    if cylinder is None or not cylinder.is_around:
        return labels, n_labels
    pairs = _across_seam(labels, cylinder.period)
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n_labels + 1,) * 2)
    # What lies outside is a component of its own, the one with the number 0.
    n_components, numbers = connected_components(graph, directed=False)
    return numbers[labels], n_components - 1


def _across_seam(labels, period):
    """Pairs of labels of pixels that are neighbours where the sky closes."""
    n_y, n_x = labels.shape
    n_seams = n_x - period + 1
    left = labels[:, :n_seams]
    right = np.pad(labels[:, period - 1 :], ((1, 1), (0, 0)))
    pairs = [
        np.stack([left.ravel(), right[shift : shift + n_y].ravel()], axis=1)
        for shift in range(3)
    ]
    pairs = np.concatenate(pairs)
    return pairs[(pairs > 0).all(axis=1)]


def hysteresis(image, geom, low, high):
    """Pixels above the low threshold that are connected to one above the high."""
    is_high = image > high
    labels, n_regions = label_regions((image > low) | is_high, geom)
    is_found = np.zeros(n_regions + 1, dtype=bool)
    is_found[labels[is_high]] = True
    return is_found[labels]


def solid_angle(geom):
    """Solid angle of each pixel, the nominal one where an edge is beyond the sky."""
    values = geom.solid_angle()
    nominal = np.prod(geom.pixel_scales.to_value("deg"))
    values = values.to_value("deg2")
    return np.where(np.isfinite(values), values, nominal)
