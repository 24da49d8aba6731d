# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Axes and geometries of a configuration that do not depend on the kind of dataset."""

import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import MapDataset
from gammapy.datasets.residuals.grids import parse_region
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

__all__ = []


def energy_axis(settings, name="energy"):
    """Energy axis with bins of equal width in the logarithm.

    Parameters
    ----------
    settings : `EnergyAxisConfig`
        Range and number of bins.
    name : {"energy", "energy_true"}, optional
        Name of the axis. Default is "energy".

    Returns
    -------
    axis : `~gammapy.maps.MapAxis`
        Axis, None when the settings are not complete.
    """
    if settings.min is None or settings.max is None or not settings.nbins:
        return None
    return MapAxis.from_energy_bounds(
        settings.min,
        settings.max,
        nbin=settings.nbins,
        unit=settings.min.unit,
        name=name,
    )


def empty_maps(datasets, name):
    """Empty map dataset, also if the configuration is for spectra.

    Parameters
    ----------
    datasets : `DatasetsConfig`
        Section of the datasets. Maps without a centre have that of the ON region.
    name : str
        Name of the dataset.

    Returns
    -------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.

    Raises
    ------
    ValueError
        If there is no frame.
    """
    axes, wcs = datasets.geom.axes, datasets.geom.wcs
    is_at_region = datasets.type == "1d" and wcs.skydir.lon is None
    place = datasets.on_region if is_at_region else wcs.skydir
    if place.frame is None:
        raise ValueError(
            "datasets.geom.wcs.skydir: expected frame, lon and lat, got no frame."
        )
    skydir = None
    if place.lon is not None:
        skydir = SkyCoord(place.lon, place.lat, frame=place.frame)
    geom = WcsGeom.create(
        skydir=skydir,
        frame=place.frame,
        binsz=wcs.binsize,
        width=tuple(
            width.to_value("deg") for width in (wcs.width.width, wcs.width.height)
        ),
        axes=[energy_axis(axes.energy)],
    )
    binsz = wcs.binsize_irf
    return MapDataset.create(
        geom,
        name=name,
        energy_axis_true=energy_axis(axes.energy_true, name="energy_true"),
        binsz_irf=None if binsz is None else binsz.to_value("deg"),
    )


def mask_of_regions(regions, geom):
    """Mask that is False in the regions.

    Parameters
    ----------
    regions : list of str
        Regions.
    geom : `~gammapy.maps.WcsGeom` or `~gammapy.maps.RegionGeom`
        Geometry of the datasets. Around a region there is a mask as wide as a field
        of view.

    Returns
    -------
    mask : `~gammapy.maps.WcsNDMap`
        Mask.
    """
    if isinstance(geom, RegionGeom):
        center = geom.center_skydir
        image = WcsGeom.create(
            skydir=center, width=10 * u.deg, binsz=0.02, frame=center.frame.name
        )
    else:
        image = geom.to_image()
    return image.region_mask([parse_region(region) for region in regions], inside=False)
