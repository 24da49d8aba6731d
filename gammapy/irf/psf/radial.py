# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Kernels of a PSF that depends on the distance from the source alone."""

import numpy as np
from scipy.interpolate import make_interp_spline
from gammapy.maps import Map
from gammapy.utils.array import round_up_to_odd

__all__ = []


def radial_profiles(psf, energy, position):
    """Values of a PSF at the centres of its bins in distance, for each energy.

    Parameters
    ----------
    psf : `~gammapy.irf.PSFMap` or `~gammapy.irf.RecoPSFMap`
        PSF.
    energy : `~astropy.units.Quantity`
        Energies, shape (n_energy,).
    position : `~astropy.coordinates.SkyCoord`
        Position.

    Returns
    -------
    profiles : `~numpy.ndarray`
        Shape (n_energy, n_rad).
    """
    rad = psf.psf_map.geom.axes["rad"].center
    coords = {
        psf.energy_name: energy[:, np.newaxis],
        "rad": rad[np.newaxis],
        "skycoord": position,
    }
    return psf.psf_map.interp_by_coord(coords, method="linear")


def radial_kernel(psf, geom, position, radii, factors):
    """Map of the PSF around the centre of a geometry, not normalised.

    In each energy bin the PSF is evaluated on a finer grid, out to a radius, and summed
    over each pixel. Between the centres of its bins in distance it is linear, as when
    the map of the PSF is interpolated in all of its dimensions: energy and position are
    the same for a whole image, so that what is left is one dimension.

    Parameters
    ----------
    psf : `~gammapy.irf.PSFMap` or `~gammapy.irf.RecoPSFMap`
        PSF.
    geom : `~gammapy.maps.WcsGeom`
        Geometry, with an odd number of pixels along each side.
    position : `~astropy.coordinates.SkyCoord`
        Where the PSF is taken from.
    radii : `~astropy.units.Quantity`
        Radius in each energy bin, shape (n_energy,).
    factors : list of int
        Finer pixels per side of a pixel, in each energy bin.

    Returns
    -------
    kernel : `~gammapy.maps.WcsNDMap`
        Sums of the finer pixels.
    """
    nodes = psf.psf_map.geom.axes["rad"].center
    # A geometry with more energies than the PSF has none beyond those.
    energy = geom.axes[psf.energy_name].center[: len(radii)]
    profiles = radial_profiles(psf, energy, position)
    sizes = odd_numbers(2 * radii / geom.pixel_scales.max())
    separations = _fine_separations(geom.to_image(), sizes, factors, nodes.unit)
    kernel = Map.from_geom(geom)
    for image, profile, size, factor in zip(
        kernel.data, profiles, sizes, factors, strict=False
    ):
        grid = separations[factor]
        rad = grid[_middle(grid.shape, factor * size)]
        # A spline of degree 1 goes on as a line at both ends.
        values = make_interp_spline(nodes.value, profile, k=1)(rad)
        fine = np.clip(values, 0, np.inf).reshape(size, factor, size, factor)
        image[_middle(image.shape, size)] = np.nansum(fine, axis=(1, 3))
    return kernel


def _fine_separations(image, sizes, factors, unit):
    """Distances from the centre on finer grids, by the factor.

    The grids of all energies with one factor have the same centre, so that the smaller
    ones are the middle of the largest, which is all that is computed.
    """
    separations = {}
    for factor in set(factors):
        largest = max(
            size for size, other in zip(sizes, factors, strict=False) if other == factor
        )
        radius = (largest - 0.5) / 2 * image.pixel_scales.max()
        grid = image.to_odd_npix(max_radius=radius).upsample(factor)
        separation = grid.get_coord().skycoord.separation(image.center_skydir)
        separations[factor] = separation.to_value(unit)
    return separations


def odd_numbers(widths):
    """Odd numbers of pixels that hold widths in pixels, as `WcsGeom` finds them."""
    return [int(round_up_to_odd(width)) for width in widths.to_value("")]


def _middle(shape, size):
    """Slices of the middle of an array, from whose sides the size differs by even."""
    starts = [(length - size) // 2 for length in shape]
    return tuple(slice(start, start + size) for start in starts)
