# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Images on one pixel grid: where they lie, and how one is put into another."""

import numpy as np
from regions import PixelRegion, Regions, SkyRegion
from gammapy.maps import Geom, MapAxis, WcsGeom
from gammapy.utils.arguments import show
from gammapy.utils.regions import regions_to_compound_region

__all__ = []


def common_image_geom(datasets, geom=None):
    """Smallest image geometry of the common grid that holds all datasets and geom.

    Raises a TypeError for a dataset that is not on a WCS map and a ValueError for one
    on another grid.
    """
    for dataset in datasets:
        check_wcs(dataset)
    if geom is not None:
        check_geom(geom)
    images = {dataset.name: dataset.counts.geom.to_image() for dataset in datasets}
    first = datasets[0].name
    reference = images[first] if geom is None else geom.to_image()
    strangers = [
        name for name, image in images.items() if not image.is_aligned(reference)
    ]
    if strangers:
        to_what = f"dataset {first!r}" if geom is None else "the given geom"
        difference = describe_difference(images[strangers[0]], reference, grid=True)
        raise ValueError(
            f"Datasets {strangers} are not on the pixel grid of {to_what} "
            f"({difference}); make them with one reference geometry, or cutouts of it."
        )
    if geom is not None:
        images["geom"] = reference
    return joint_image_geom([reference, *images.values()])


def joint_image_geom(geoms):
    """Smallest image geometry that holds all of some images of one grid."""
    reference = geoms[0]
    corners = np.array([pixel_offset(reference, geom) for geom in geoms])
    sizes = np.array([geom.data_shape[::-1] for geom in geoms])
    low, high = corners.min(axis=0), (corners + sizes).max(axis=0)
    wcs = reference.wcs.deepcopy()
    wcs.wcs.crpix = reference.wcs.wcs.crpix - low
    return WcsGeom(wcs, npix=tuple(int(length) for length in high - low))


def check_wcs(dataset):
    """Raise a TypeError that says what else can be done without a WCS map."""
    geom = dataset.counts.geom
    if isinstance(geom, WcsGeom):
        if geom.axes.names != ["energy"]:
            raise TypeError(
                f"Dataset {dataset.name!r} has the axes {geom.axes.names}; residuals "
                "need one, 'energy'."
            )
        return
    if geom.is_region:
        advice = "it is a spectrum, use SpectralResiduals"
    else:
        advice = "make the dataset, or a cutout of it, on a WcsGeom"
    raise TypeError(
        f"Spatial residuals need WCS maps; dataset {dataset.name!r} is on a "
        f"{geom.__class__.__name__}: {advice}."
    )


def parse_region(region):
    """One sky region of a region, a list of them, or a string in the DS9 format.

    None stays None. Raises a ValueError that names what is no region, and a TypeError
    for one in pixels.
    """
    if region is None or isinstance(region, SkyRegion):
        return region
    if isinstance(region, PixelRegion):
        raise TypeError(
            f"The region {show(region)} is in pixels, which differ from map to map: "
            "use sky coordinates, region.to_sky(geom.wcs)."
        )
    parts = Regions.parse(region, format="ds9") if isinstance(region, str) else region
    expected = "expected a sky region such as 'icrs;circle(83.63, 22.01, 0.5)'."
    try:
        parts = list(parts)
    except TypeError:
        raise ValueError(f"Invalid region: {show(region)}, {expected}") from None
    if not parts or not all(isinstance(part, SkyRegion) for part in parts):
        raise ValueError(
            f"Invalid region: {show(region)}, it has no region of the sky; {expected}"
        )
    return parts[0] if len(parts) == 1 else regions_to_compound_region(parts)


def check_geom(geom):
    """Raise a TypeError when something is no geometry of a sky map."""
    if not isinstance(geom, WcsGeom):
        what = geom.__class__.__name__ if isinstance(geom, Geom) else show(geom)
        raise TypeError(f"geom: expected a WcsGeom on the datasets' grid, got {what}.")


def describe_difference(geom, other, *, grid=False):
    """First thing in which two geometries differ, in words.

    Their printed texts are rounded, and thus may look the same.

    Parameters
    ----------
    geom, other : `~gammapy.maps.Geom`
        Geometries.
    grid : bool, optional
        Whether only the grids of pixels matter, which one may be a cutout of.
        Default is False.

    Returns
    -------
    difference : str
        Text such as "frame galactic instead of icrs", "" when they are the same.

    Examples
    --------
    >>> from gammapy.datasets.residuals.grids import describe_difference
    >>> from gammapy.maps import WcsGeom
    >>> geom = WcsGeom.create(npix=10, binsz=0.1, skydir=(83.6, 22.0))
    >>> other = WcsGeom.create(npix=10, binsz=0.1, skydir=(83.60001, 22.0))
    >>> describe_difference(geom, other)
    'centre of the reference pixel 83.6, 22 deg instead of 83.60001, 22 deg'
    """
    kinds = [each.__class__.__name__ for each in (geom, other)]
    if kinds[0] != kinds[1]:
        return f"a {kinds[0]} instead of a {kinds[1]}"
    if not grid and (not (geom.is_regular and other.is_regular) or geom == other):
        return ""
    for (name, mine), (_, its) in zip(
        _traits(geom, grid), _traits(other, grid), strict=False
    ):
        if mine != its:
            return f"{name} {mine} instead of {its}"
    return "their projections have other parameters"


def _traits(geom, grid):
    """Names and texts of what makes a geometry, with all digits that matter."""
    if not grid:
        yield "axes", ", ".join(geom.axes.names)
        yield "shape", str(tuple(int(n_pixels) for n_pixels in geom.data_shape))
    if isinstance(geom, WcsGeom):
        wcs = geom.wcs.wcs
        yield "frame", geom.frame
        yield "projection", geom.projection
        yield "pixels of", f"{_digits(geom.pixel_scales.to_value('deg'))} deg"
        yield "centre of the reference pixel", f"{_digits(wcs.crval)} deg"
        # Of a cutout the number differs by whole pixels.
        yield "reference pixel", _digits(wcs.crpix % 1 if grid else wcs.crpix)
    for axis in geom.axes:
        if isinstance(axis, MapAxis) and not grid:
            yield f"{axis.name} edges", f"{_digits(axis.edges.value)} {axis.unit}"


def _digits(values):
    return ", ".join(f"{value:.9g}" for value in np.ravel(values))


def pixel_offset(reference, image):
    """Pixel (x, y) of the reference where the first pixel of the image lies."""
    offset = reference.wcs.wcs.crpix - image.wcs.wcs.crpix
    return np.rint(offset).astype(int)


def overlap_slices(shape, offset, part_shape):
    """Slices of the overlap of an array and a part of it.

    Parameters
    ----------
    shape, part_shape : tuple of int
        Shapes (n_lat, n_lon).
    offset : tuple of int
        Pixel (x, y) of the array where the first pixel of the part lies. It may be
        outside.

    Returns
    -------
    into, part : tuple of slice
        Slices of the array and of the part; empty without an overlap.
    """
    slices = []
    for start, size, length in zip(offset[::-1], part_shape, shape, strict=True):
        low, high = max(start, 0), max(min(start + size, length), max(start, 0))
        slices.append((slice(low, high), slice(low - start, high - start)))
    return tuple(pair[0] for pair in slices), tuple(pair[1] for pair in slices)


def cutout_slices(geom, other):
    """Slices of the overlap of two geometries of one grid, in the first and second.

    Raises a ValueError when they are not on one grid.
    """
    if geom.is_region or geom.to_image() == other.to_image():
        everything = (slice(None), slice(None))
        return everything, everything
    if not geom.is_aligned(other):
        difference = describe_difference(other, geom, grid=True)
        if difference.startswith("their"):
            difference = describe_difference(other, geom)
        raise ValueError(
            "The map of a model is neither on the geometry of the counts nor on a "
            f"cutout of it: {difference}; reproject it (Map.interp_to_geom)."
        )
    return image_slices(geom.to_image(), other.to_image())


def image_slices(geom, image):
    """Slices of the overlap of two images of one grid, in the first and the second."""
    return overlap_slices(geom.data_shape, pixel_offset(geom, image), image.data_shape)


def place(images, shape, into, part):
    """Images put into larger or smaller ones, 0 where there is nothing.

    ``into`` and ``part`` are what `overlap_slices` returns.
    """
    placed = np.zeros((len(images), *shape), dtype=images.dtype)
    placed[(slice(None), *into)] = images[(slice(None), *part)]
    return placed
