# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance values of background makers, kept in the ``meta_table`` of datasets.

The meta table survives parallel reduction and stacking, but its stacking drops units
and needs the same columns in every run. So a row is kept as JSON text, in one column:
runs with different free parameters can be stacked too.
"""

import json
import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.modeling.nuisance import stack_rows

__all__ = []

COLUMN = "nuisance"


def keep_row(dataset, row):
    """Keep a row in the meta table of a dataset, in place of an earlier one.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset; it gets a new meta table.
    row : dict
        Row with quantities where there are units.
    """
    table = Table() if dataset.meta_table is None else dataset.meta_table.copy()
    table[COLUMN] = [json.dumps(row, default=_quantity_to_list)]
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

    rows = [
        {"dataset": dataset.name, **row}
        for dataset in Datasets(datasets)
        for row in _rows_of_dataset(dataset)
    ]
    return stack_rows(rows) if rows else None


def _rows_of_dataset(dataset):
    """Rows of one dataset; stacking has put the runs side by side in one cell."""
    table = dataset.meta_table
    if table is None or COLUMN not in table.colnames:
        return []
    rows = [json.loads(_) for _ in np.ravel(np.asarray(table[COLUMN]))]
    return [{name: _from_json(value) for name, value in _.items()} for _ in rows]


def _quantity_to_list(value):
    return [float(value.value), str(value.unit)]


def _from_json(value):
    return u.Quantity(*value) if isinstance(value, list) else value
