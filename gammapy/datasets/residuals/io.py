# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""FITS files of spatial residuals: one image per map, and a table with the rest."""

import json
import logging
import warnings
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from gammapy.maps import Map
from gammapy.modeling.models import DatasetModels, Models
from gammapy.utils.arguments import (
    check_bool,
    check_integer,
    check_list,
    check_number,
    check_type,
    parse_quantity,
    show,
)
from gammapy.utils.atomic import as_path, write_files
from .grids import describe_difference
from .image_hdus import COUNTS, image_hdus
from .kernels import KERNELS, is_in_amplitudes

__all__ = []

log = logging.getLogger(__name__)

META = "RESIDUALS"
COUNT_UNITS = [u.Unit(unit) for unit in COUNTS.values()]
FORMAT = 3
#: Format before which significances of weighted sums had another definition.
FORMAT_WEIGHTED = 2
#: Format before which maps of matched filters were in amplitudes of their source.
FORMAT_FLUX = 3

#: What a file holds: maps, kernels that there are, and entries beside the maps.
MAPS = (
    "counts",
    "npred",
    "npred_background",
    "variance",
    "sqrt_ts",
    "mask",
    "coverage",
)
ENTRIES = (
    "datasets_names",
    "kernel",
    "correlation_radius",
    "n_pixels_correlated",
    "exclude",
    "models",
    "format",
)
#: What files of today hold where there is something to hold.
LATER_ENTRIES = ("kernel_radius",)


def write_spatial_residuals(residuals, filename, overwrite=False):
    """Write to a FITS file, see `SpatialResiduals.write`."""
    hdulist = fits.HDUList([fits.PrimaryHDU()])
    # What was read from an old file stays what it is.
    is_old = is_in_amplitudes(residuals)
    for name, map_ in residuals._maps.items():
        hdulist.extend(image_hdus(name, map_, units={} if is_old else COUNTS))
    meta = residuals._meta | {"models": models_to_yaml(residuals.models)}
    number = FORMAT_FLUX - 1 if is_old else FORMAT
    meta |= {"format": number, "maps": list(residuals._maps)}
    # A header has no room for a text of any length, and a column has.
    table = Table({"META": [json.dumps(meta).encode()]})
    hdulist.append(fits.BinTableHDU(table, name=META))
    write_hdulist(hdulist, filename, overwrite)


def write_hdulist(hdulist, filename, overwrite=False):
    """Write a FITS file completely or not at all.

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
    path = as_path(filename)
    overwrite = check_bool("overwrite", overwrite)
    # The name keeps its suffixes, by which a file is compressed or not.
    write_files({path: hdulist.writeto}, overwrite=overwrite, make_folders=False)


def read_spatial_residuals(filename):
    """Maps and keyword arguments for `SpatialResiduals` from a FITS file.

    Raises an OSError for what is no FITS file, and a ValueError for one that holds
    something else or is damaged. Both name the file.
    """
    path = as_path(filename)
    # What is wrong with a file shows in errors of any kind.
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "File may have been", AstropyUserWarning)
            with fits.open(path, memmap=False) as hdulist:
                maps, meta = _from_hdulist(hdulist)
    except OSError as error:
        text = f"Cannot read file {str(path)!r}: {error.strerror or error}"
        raise type(error)(_one_line(text)) from error
    except Exception as error:
        text = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        text = text or error.__class__.__name__
        raise ValueError(
            _one_line(f"File {str(path)!r} has no spatial residuals: it {text}")
            if isinstance(error, (KeyError, _NotResiduals))
            else _one_line(f"File {str(path)!r} is damaged: {text}")
        ) from error
    _check_format(path, meta.pop("format"), meta["kernel"])
    return maps, meta


def _check_format(path, number, kernel):
    """Warn when a file was written by another version."""
    if number > FORMAT:
        log.warning(f"File {str(path)!r} was written by a later version of gammapy.")
    notes = []
    if number < FORMAT_WEIGHTED:
        notes.append(
            "its significances of kernels other than top-hats and single pixels have "
            "too many high values for few counts, and its matched filters have other "
            "weights. Compute the residuals again."
        )
    if number < FORMAT_FLUX and KERNELS[kernel].has_bin_weights:
        notes.append(
            "its maps are in units of the amplitude of the source of the kernel, not "
            "of its flux, cm-2 s-1."
        )
    if notes:
        text = " And ".join(notes)
        log.warning(f"File {str(path)!r} has the format {number}: {text}")


class _NotResiduals(ValueError):
    """What a file lacks that holds something else."""


def _one_line(text):
    return " ".join(text.split())


def _from_hdulist(hdulist):
    """Maps and metadata, the format among them, of an open file."""
    if META not in hdulist:
        raise _NotResiduals(f"lacks the extension {META}.")
    meta = json.loads(hdulist[META].data["meta"][0])
    if not isinstance(meta, dict):
        raise ValueError(f"expected a dict in the extension {META}, got {show(meta)}.")
    maps = {name: read_map(hdulist, name) for name in meta.pop("maps")}
    missing = [name for name in MAPS if name not in maps]
    if missing:
        raise ValueError(f"it lacks the maps {', '.join(missing)}.")
    geom = maps["counts"].geom
    for name, map_ in maps.items():
        if difference := describe_difference(map_.geom, geom):
            raise ValueError(f"the map {name} is not on that of counts: {difference}.")
    meta["models"] = models_from_yaml(meta["models"])
    _check_meta(meta, geom.axes["energy"].nbin)
    return maps, meta


def models_from_yaml(text):
    """Models from the text that `models_to_yaml` gave."""
    try:
        return DatasetModels(Models.from_yaml(text) if text else [])
    except Exception as error:
        raise ValueError(f"its models cannot be read: {error}") from error


def _check_meta(meta, n_groups):
    """Parse the radius; an error that names an entry that is not as it was written."""
    if unknown := set(meta) - {*ENTRIES, *LATER_ENTRIES}:
        raise ValueError(f"unknown entries {', '.join(sorted(unknown))}.")
    check_integer("format", meta["format"])
    check_list("datasets_names", meta["datasets_names"], "names of datasets")
    if meta["kernel"] not in list(KERNELS):
        raise ValueError(
            f"kernel: got {show(meta['kernel'])}; known are {tuple(KERNELS)}."
        )
    check_number("n_pixels_correlated", meta["n_pixels_correlated"], above=0)
    check_type("exclude", meta["exclude"], list, "names of models")
    if meta["correlation_radius"] is not None:
        name = "correlation_radius"
        radius = meta[name] = parse_quantity(name, meta[name], "deg")
        check_number(name, radius.value, above=0)
    if "kernel_radius" in meta:
        meta["kernel_radius"] = _parse_radii(meta["kernel_radius"], n_groups)


def _parse_radii(radii, n_groups):
    """Radii of the kernel, NaN for energy groups without any bin."""
    name = "kernel_radius"
    if len(check_list(name, radii, "radii")) != n_groups:
        raise ValueError(f"{name}: {len(radii)} radii for {n_groups} energy groups.")
    try:
        return u.Quantity([u.Quantity(radius) for radius in radii]).to("deg")
    except (TypeError, ValueError, u.UnitConversionError):
        raise ValueError(f"{name}: expected radii, got {show(radii)}.") from None


def read_map(hdulist, name):
    """Map with the byte order of the machine, which FITS does not keep."""
    try:
        map_ = Map.from_hdulist(hdulist, hdu=name)
    except Exception as error:
        raise ValueError(f"it has no map {name}: {error}") from error
    map_.data = map_.data.astype(map_.data.dtype.newbyteorder("="))
    if map_.unit in COUNT_UNITS:
        # Counts have a unit in files only.
        map_.unit = u.dimensionless_unscaled
    return map_


def models_to_yaml(models):
    """Models as text; those that need another file are left out, and named."""
    kept, left_out = [], []
    for model in models or []:
        parts = (model, getattr(model, "spatial_model", None))
        is_template = any(hasattr(part, "map") for part in parts)
        (left_out if is_template else kept).append(model)
    if left_out:
        names = ", ".join(model.name for model in left_out)
        log.warning(f"Templates are not written with the residuals: {names}.")
    return Models(kept).to_yaml(full_output=True) if kept else ""
