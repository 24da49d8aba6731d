# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""FITS files of spatial residuals: one image per map, and a table with the rest."""

import json
import logging
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.maps import Map
from gammapy.modeling.models import DatasetModels, Models
from gammapy.utils.atomic import staging_folder
from gammapy.utils.scripts import make_path

__all__ = []

log = logging.getLogger(__name__)

META = "RESIDUALS"
FORMAT = 1


def write_spatial_residuals(residuals, filename, overwrite=False):
    """Write to a FITS file, see `SpatialResiduals.write`."""
    hdulist = fits.HDUList([fits.PrimaryHDU()])
    for name, map_ in residuals._maps.items():
        hdulist.extend(map_.to_hdulist(hdu=name)[1:])
    meta = residuals._meta | {"models": _models_to_yaml(residuals.models)}
    meta |= {"format": FORMAT, "maps": list(residuals._maps)}
    # A header has no room for a text of any length, and a column has.
    table = Table({"meta": [json.dumps(meta).encode()]})
    hdulist.append(fits.BinTableHDU(table, name=META))
    write_hdulist(hdulist, filename, overwrite)


def write_hdulist(hdulist, filename, overwrite=False):
    """Write a FITS file that is there as a whole or not at all.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        What to write.
    filename : `pathlib.Path` or str
        File name; what a link points to is replaced, not the link.
    overwrite : bool, optional
        Whether to replace an existing file. Default is False.

    Raises
    ------
    OSError
        If the file exists and is not to be replaced, or has no folder.
    """
    path = make_path(filename)
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise OSError(f"File {str(path)!r} {what}.")
    if path.exists() and not overwrite:
        raise OSError(f"File {str(path)!r} exists; overwrite=True replaces it.")
    path = path.resolve()
    with staging_folder(path.parent) as stage:
        # The same suffixes, by which a file is compressed or not.
        hdulist.writeto(stage / path.name)
        (stage / path.name).replace(path)


def read_spatial_residuals(filename):
    """Maps and keyword arguments for `SpatialResiduals` from a FITS file."""
    path = make_path(filename)
    with fits.open(path, memmap=False) as hdulist:
        if META not in hdulist:
            raise ValueError(
                f"File {str(path)!r} has no spatial residuals: it lacks the "
                f"extension {META}."
            )
        meta = json.loads(hdulist[META].data["meta"][0])
        maps = {name: _read_map(hdulist, name) for name in meta.pop("maps")}
    if meta.pop("format") > FORMAT:
        log.warning(f"File {str(path)!r} was written by a later version of gammapy.")
    models = meta.pop("models")
    meta["models"] = DatasetModels(Models.from_yaml(models) if models else [])
    if meta["correlation_radius"] is not None:
        meta["correlation_radius"] = u.Quantity(meta["correlation_radius"])
    return maps, meta


def _read_map(hdulist, name):
    """Map with the byte order of the machine, which FITS does not keep."""
    map_ = Map.from_hdulist(hdulist, hdu=name)
    map_.data = map_.data.astype(map_.data.dtype.newbyteorder("="))
    return map_


def _models_to_yaml(models):
    """Models as text; those that need another file are left out, and named."""
    kept, left_out = [], []
    for model in models or []:
        parts = (model, getattr(model, "spatial_model", None))
        is_template = any(hasattr(_, "map") for _ in parts)
        (left_out if is_template else kept).append(model)
    if left_out:
        names = ", ".join(_.name for _ in left_out)
        log.warning(f"Templates are not written with the residuals: {names}.")
    return Models(kept).to_yaml(full_output=True) if kept else ""
