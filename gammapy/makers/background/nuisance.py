# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance values of background makers, kept in the ``meta_table`` of datasets.

The meta table survives parallel reduction and stacking, but it drops units and needs
the same columns for every run. So a unit is part of the name of its column.
"""

import re
import numpy as np
import astropy.units as u
from astropy.table import Table, vstack
from gammapy.modeling.nuisance import fill_masked, format_table

__all__ = []

PREFIX = "nuisance."
NAME_UNIT = re.compile(r"^nuisance\.(?P<name>.*?)( \[(?P<unit>.*)\])?$")


def keep_row(dataset, row):
    """Keep a row in the meta table of a dataset, in place of an earlier one.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset, changed in place.
    row : dict
        Row with quantities where there are units.
    """
    if dataset.meta_table is None:
        table = Table()
    else:
        table = dataset.meta_table.copy()
        table.remove_columns([_ for _ in table.colnames if _.startswith(PREFIX)])
    for name, value in row.items():
        if isinstance(value, u.Quantity):
            table[f"{PREFIX}{name} [{value.unit}]"] = [value.value]
        else:
            table[f"{PREFIX}{name}"] = [value]
    dataset.meta_table = table


def nuisance_table(datasets):
    """Collect the rows that datasets keep.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.MapDataset`
        Datasets, stacked or not.

    Returns
    -------
    table : `~astropy.table.Table`
        One row per run with the name of its dataset in front, None without rows.
    """
    from gammapy.datasets import Datasets

    tables = [_rows_of_dataset(_) for _ in Datasets(datasets)]
    tables = [_ for _ in tables if _ is not None]
    if not tables:
        return None
    return format_table(fill_masked(vstack(tables, metadata_conflicts="silent")))


def _rows_of_dataset(dataset):
    """Rows of one dataset; stacking has put the runs side by side in one cell."""
    names = dataset.meta_table.colnames if dataset.meta_table is not None else []
    names = [_ for _ in names if _.startswith(PREFIX)]
    if not names:
        return None
    table = Table()
    for column in names:
        match = NAME_UNIT.match(column)
        values = np.asarray(dataset.meta_table[column]).ravel()
        unit = match["unit"]
        table[match["name"]] = values if unit is None else u.Quantity(values, unit)
    table.add_column([dataset.name] * len(table), index=0, name="dataset")
    return table
