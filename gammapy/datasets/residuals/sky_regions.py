# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixels inside a region of the sky."""

import numpy as np
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    CompoundSkyRegion,
    PixCoord,
    PointSkyRegion,
    PolygonPixelRegion,
)
from gammapy.maps import WcsGeom
from gammapy.utils.arguments import show
from .grids import common_image_geom
from .sky_geometry import cylinder_of, sky_mask, worst_disc

__all__ = []


def region_mask(geom, region):
    """Pixels of an image with the centre inside a region.

    It is `~gammapy.maps.WcsGeom.region_mask` where a disc in pixels is one on the sky.
    Elsewhere circles and annuli are taken on the sky, and any region wraps in a
    cylindrical projection.

    Parameters
    ----------
    geom : `~gammapy.maps.WcsGeom`
        Geometry of an image.
    region : `~regions.SkyRegion`
        Region.

    Returns
    -------
    mask : `~numpy.ndarray` of bool
        Array of shape (n_lat, n_lon).
    """
    size = geom.pixel_scales.to_value("deg").max()
    if worst_disc(geom, size).is_wrong:
        return _mask_on_sky(geom, region)
    return geom.region_mask(region).data


def _mask_on_sky(geom, region):
    if isinstance(region, CompoundSkyRegion):
        parts = region.region1, region.region2
        return region.operator(*(_mask_on_sky(geom, part) for part in parts))
    if isinstance(region, CircleSkyRegion):
        return geom.separation(region.center) < region.radius
    if isinstance(region, CircleAnnulusSkyRegion):
        separation = geom.separation(region.center)
        outside = ~(separation < region.inner_radius)
        return outside & (separation < region.outer_radius)
    cylinder = cylinder_of(geom)
    is_point = isinstance(region, PointSkyRegion)
    if is_point or cylinder is None or cylinder.period is None:
        return geom.region_mask(region).data
    return _wrapped_mask(geom, region.to_pixel(geom.wcs), cylinder.period)


def _wrapped_mask(geom, shape, period):
    """Pixels in a shape that may reach beyond the last column into the first."""
    if isinstance(shape, PolygonPixelRegion):
        x, y = shape.vertices.xy
        x = x - period * np.rint((x - x[0]) / period)
        shape = shape.copy(vertices=PixCoord(x, y))
    y, x = np.indices(geom.data_shape)
    shifts = (-period, 0, period)
    return np.any([shape.contains(PixCoord(x + shift, y)) for shift in shifts], axis=0)


def check_region(datasets, region):
    """Raise a ValueError when a region reaches beyond the pixels there are."""
    geoms = [
        dataset.counts.geom
        for dataset in datasets
        if isinstance(dataset.counts.geom, WcsGeom)
    ]
    if not geoms:
        return
    try:
        images = [common_image_geom(datasets)]
    except (TypeError, ValueError):  # no common grid: one of them has to hold it
        images = [geom.to_image() for geom in geoms]
    for image in images:
        around = _region_around(image, region)
        if not around.any():
            return
    raise ValueError(
        f"The region {show(region)} reaches beyond the maps of "
        f"{', '.join(datasets.names)}: "
        "counts there are not known. Use a smaller region, or region=None for all "
        "pixels."
    )


def _region_around(image, region):
    """Pixels around an image that are in a region, an image larger by one pixel."""
    padded = image.pad(1, axis_name=None)
    around = region_mask(padded, region)
    around[1:-1, 1:-1] = False
    on_sky, cylinder = sky_mask(padded), cylinder_of(image)
    # What has no coordinate is no sky, or for a map that ends at 180 deg, more of it.
    if on_sky is not None and (cylinder is None or cylinder.is_around):
        around &= on_sky
    return around


def pixels_in_region(dataset, region):
    """Pixels of a dataset inside the region, shape (n_lat, n_lon) or a plain 1."""
    geom = dataset.counts.geom
    if geom.is_hpx:
        raise TypeError(
            f"Dataset {dataset.name!r} is on a HpxGeom; residuals need WCS maps or "
            "regions: make a cutout of it on a WcsGeom."
        )
    if region is None:
        return 1.0
    if not isinstance(geom, WcsGeom):
        raise ValueError(
            f"Dataset {dataset.name!r} is a spectrum; a region can only be used "
            "for map datasets."
        )
    return region_mask(geom.to_image(), region).astype(float)
