# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Maps as FITS images that say what they are to any reader."""

import numpy as np
import astropy.units as u

__all__ = []

#: Units of maps of counts, which have none in Python.
COUNTS = {
    "counts": "count",
    "npred": "count",
    "npred_background": "count",
    "variance": "count2",
}

#: Energies of groups that a header has room for.
N_GROUPS = 999


def image_hdus(name, map_, units=COUNTS):
    """Image of a map with unit, axes and energies in its header, with its bands.

    The header has the unit of the values as ``BUNIT``, the energies of image i of a
    cube as ``E_MINi`` and ``E_MAXi`` in the unit ``E_UNIT``, and a third axis that
    counts the energy groups. `~gammapy.maps.Map.from_hdulist` reads it as before.

    Parameters
    ----------
    name : str
        Name of the map, that of the extension in upper case.
    map_ : `~gammapy.maps.WcsNDMap`
        Map.
    units : dict, optional
        Units of maps that have none, by name. Default is those of counts.

    Returns
    -------
    hdus : list of `~astropy.io.fits.hdu.base.ExtensionHDU`
        The image, and for a cube the table of its energies.
    """
    image, *bands = map_.to_hdulist(hdu=name)[1:]
    if map_.is_mask:
        image.data = map_.data.astype(np.uint8)
    describe_image(image.header, map_, unit=units.get(name, ""))
    return [image, *bands]


def describe_image(header, map_, unit=""):
    """Add unit, axes and energies of a map to the header of its image.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Header, which is changed.
    map_ : `~gammapy.maps.WcsNDMap`
        Map.
    unit : str, optional
        Unit of a map that has none. Default is "".
    """
    if map_.unit != u.dimensionless_unscaled:
        unit = map_.unit.to_string("fits")
    # An empty unit is none.
    header.remove("BUNIT", ignore_missing=True)
    if unit:
        header["BUNIT"] = (unit, "unit of the values")
    if map_.geom.is_image:
        return
    header["WCSAXES"] = 3
    header["CTYPE3"] = ("GROUP", "number of the energy group")
    header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, 1.0, 1.0
    edges = map_.geom.axes["energy"].edges
    unit = edges.unit.to_string("fits")
    header["E_UNIT"] = (unit, "unit of E_MINi and E_MAXi, of image i")
    for idx, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True), start=1):
        if idx <= N_GROUPS:
            header[f"E_MIN{idx}"] = (low.value, f"[{unit}]")
            header[f"E_MAX{idx}"] = (high.value, f"[{unit}]")
