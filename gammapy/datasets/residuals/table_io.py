# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of residuals in bins: a table of all sums, in a text."""

import logging
from astropy.table import Table
from regions import CompoundSkyRegion, Regions
from gammapy.utils.arguments import show
from gammapy.utils.ecsv import read_ecsv, write_ecsv
from .grids import parse_region

__all__ = []

log = logging.getLogger(__name__)

FORMAT = 1
#: Entry of the metadata that says whose residuals the file holds.
KIND = "residuals"
#: What the columns of components and of weights begin with.
COMPONENT, PART, SUM = "component:", "part:", "sum:"
#: Columns without which there are no residuals.
NEEDED = tuple(
    f"{SUM}{name}"
    for name in ("counts", "npred", "npred_background", "variance", "coverage")
)


def write_residuals(residuals, filename, overwrite=False):
    """Write to an ECSV file, see `BinnedResiduals.write`."""
    table = Table(residuals._bin_columns())
    for name, values in residuals._arrays.items():
        table[f"{SUM}{name}"] = values
    for name, values in residuals._npred_models.items():
        table[f"{COMPONENT}{name}"] = values
    # One part with the weight 1 is the model itself.
    parts = residuals._parts or []
    for idx, (_weight, values) in enumerate(parts):
        table[f"{PART}{idx}"] = values
    if residuals.npred_err is not None:
        table["npred_err"] = residuals.npred_err
    meta = {
        "datasets_names": residuals.datasets_names,
        "exclude": residuals.exclude,
        "components": residuals.components,
        "weights": [float(weight) for weight, _values in parts],
        "bins": residuals._bin_meta(),
    }
    write_ecsv(
        table,
        filename,
        key=KIND,
        kind=type(residuals).__name__,
        number=FORMAT,
        meta=meta,
        overwrite=overwrite,
    )


def read_residuals(filename, kind):
    """Table, metadata of the bins and keyword arguments from a file.

    Parameters
    ----------
    filename : `pathlib.Path` or str
        File name.
    kind : str
        Class whose residuals it should hold.

    Returns
    -------
    table, meta, kwargs : `~astropy.table.Table`, dict, dict
        Columns of the bins among others, what else describes the bins, and the
        arguments of `BinnedResiduals`.
    """
    return read_ecsv(filename, _parse, key=KIND, kind=kind, number=FORMAT)


def _parse(table):
    meta = table.meta
    missing = [name for name in NEEDED if name not in table.colnames]
    if missing:
        raise ValueError(f"it lacks the columns {', '.join(missing)}")
    kwargs = {
        "arrays": _columns(table, SUM),
        "npred_models": {
            name: table[f"{COMPONENT}{name}"].data for name in meta["components"]
        },
        "datasets_names": list(meta["datasets_names"]),
        "exclude": list(meta["exclude"]),
        "parts": _parts(table, meta["weights"]),
        "npred_err": _optional(table, "npred_err"),
    }
    return table, meta["bins"], kwargs


def _columns(table, start):
    """Arrays of the columns whose names begin with a text, by the rest of the name."""
    return {
        name.removeprefix(start): table[name].data
        for name in table.colnames
        if name.startswith(start)
    }


def _parts(table, weights):
    """Weights and predicted counts that have them, None where all weights are 1."""
    if not weights:
        return None
    return [(weight, table[f"{PART}{idx}"].data) for idx, weight in enumerate(weights)]


def _optional(table, name):
    return table[name].data if name in table.colnames else None


def region_to_text(region):
    """Region in the DS9 format, for a file; None for one that has no such text."""
    if region is None:
        return None
    try:
        text = Regions(_simple_regions(region)).serialize(format="ds9", precision=12)
    except Exception:  # of any kind, and the numbers do not depend on it
        log.warning(f"The region {show(region)} has no text and is not written.")
        return None
    # On one line, without the comment and the settings at the beginning.
    lines = text.strip().splitlines()
    return ";".join(line for line in lines if not line.startswith(("#", "global")))


def _simple_regions(region):
    """Regions whose union is a region."""
    if not isinstance(region, CompoundSkyRegion):
        return [region]
    if region.operator.__name__ not in ("or_", "logical_or"):
        raise ValueError("no union")
    parts = (region.region1, region.region2)
    return [simple for part in parts for simple in _simple_regions(part)]


def region_from_text(text):
    """Region that `region_to_text` made a text of."""
    return None if text is None else parse_region(text)
