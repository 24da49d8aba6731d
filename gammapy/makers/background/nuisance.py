# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Nuisance parameters of background makers, kept in the ``meta_table`` of datasets.

The meta table is kept in parallel data reduction and stacking. But stacking drops units
and requires the same columns for all observations. Therefore each row is stored as JSON
text, in one column per kind of maker. So observations with different free parameters
can be stacked, too.
"""

import json
import numpy as np
import astropy.units as u
from astropy.table import Table
from gammapy.maps.energy_bins import bins_within, energy_unit
from gammapy.modeling.fit_log import show_value
from gammapy.modeling.fit_table import stack_rows

__all__ = []

#: Columns are named after the label of the maker, which is also that of its log lines.
PREFIX = "nuisance."


def keep_row(dataset, label, row):
    """Keep a row in the meta table of a dataset.

    It replaces an earlier row of the same observation. The rows of observations that
    were stacked into the dataset are kept.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset; it gets a new meta table.
    label : str
        Kind of maker, such as "fov_background".
    row : dict
        Row with an "obs_id", and with quantities where there are units.
    """
    texts = [
        text
        for text in _texts(dataset, label)
        if json.loads(text)["obs_id"] != row["obs_id"]
    ]
    texts.append(json.dumps(row, default=_quantity_to_list))

    # No cell can be added to a table that has columns and no row.
    is_empty = dataset.meta_table is None or len(dataset.meta_table) == 0
    table = Table() if is_empty else dataset.meta_table.copy(copy_data=False)
    # Stacking reads the first row alone, so that one has the texts of all runs.
    padding = [[""] * len(texts)] * (max(len(table), 1) - 1)
    column = np.array([texts, *padding])
    table[PREFIX + label] = column[:, 0] if len(texts) == 1 else column
    dataset.meta_table = table


def nuisance_table(datasets, label):
    """Collect the rows that datasets keep.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.Dataset`
        Datasets, stacked or not.
    label : str
        Kind of maker, such as "fov_background".

    Returns
    -------
    table : `~astropy.table.Table`
        One row per observation, with the name of its dataset first; None without rows.
    """
    from gammapy.datasets import Datasets

    rows = [
        {"dataset": dataset.name, **_row_from_text(text)}
        for dataset in Datasets(datasets)
        for text in _texts(dataset, label)
    ]
    return stack_rows(rows) if rows else None


def _texts(dataset, label):
    """Rows of one dataset; stacking has put the runs side by side in one cell."""
    table = getattr(dataset, "meta_table", None)
    if table is None or PREFIX + label not in table.colnames:
        return []
    texts = np.ravel(np.asarray(table[PREFIX + label])).astype(str)
    return [str(text) for text in texts if text]


def _row_from_text(text):
    return {
        name: u.Quantity(*value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }


def _quantity_to_list(value):
    return [float(value.value), str(value.unit)]


def observation_id(dataset):
    """Observation of an unstacked dataset, else the name of the dataset."""
    table = dataset.meta_table
    if table is not None and "OBS_ID" in table.colnames and len(table) == 1:
        obs_id = table["OBS_ID"][0]
        if np.ndim(obs_id) == 0:
            return str(obs_id)
    return dataset.name


def bins_in_range(geom, energy_min=None, energy_max=None):
    """Bins of a geometry inside an energy range, shape (n_energy, 1, 1)."""
    axis = geom.axes["energy"]
    return bins_within(axis, energy_min, energy_max)[:, np.newaxis, np.newaxis]


def masked_sum(values, used):
    """Sum of the values in the used bins; those that are not a number do not count."""
    # Many times faster than values[used].sum().
    total = np.einsum("ijk,ijk->", values, used, dtype=float)
    return float(total if np.isfinite(total) else np.nansum(values[used]))


def energy_range(geom, used):
    """First and last energy at which a bin is used, NaN when none is."""
    edges = geom.axes["energy"].edges
    edges = edges.to(energy_unit(edges))
    bins = np.nonzero(used.any(axis=(1, 2)))[0]
    if bins.size == 0:
        return np.nan * edges.unit, np.nan * edges.unit
    return edges[bins[0]], edges[bins[-1] + 1]


def bins_used(dataset, energy_min=None, energy_max=None):
    """Bins inside the masks of a dataset and an energy range.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    energy_min, energy_max : `~astropy.units.Quantity`, optional
        Energy range; bins inside count. Default is all energies.

    Returns
    -------
    used : `~numpy.ndarray`
        Boolean array of the shape of the counts, not shared with the dataset.
    """
    geom = dataset.counts.geom
    used = np.broadcast_to(bins_in_range(geom, energy_min, energy_max), geom.data_shape)
    mask = dataset.mask
    return used.copy() if mask is None else used & mask.data.astype(bool)


def on_off_row(dataset, used):
    """Row of a background that was measured in off regions.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDatasetOnOff`
        Dataset with off counts.
    used : `~numpy.ndarray`
        Bins to sum, boolean.

    Returns
    -------
    row : dict
        Entries obs_id, energy_min, energy_max, n_bins, counts, counts_off, alpha (mean
        over bins), background, success and message.
    """
    geom = dataset.counts.geom
    low, high = energy_range(geom, used)
    row = {
        "obs_id": observation_id(dataset),
        "energy_min": low,
        "energy_max": high,
        "n_bins": int(used.sum()),
        "counts": masked_sum(dataset.counts.data, used),
        "counts_off": 0.0,
        "alpha": np.nan,
        "background": np.nan,
        "success": False,
        "message": "",
    }
    if not used.any():
        row["message"] = "No bin is inside the masks and the energy range."
    elif dataset.counts_off is not None:
        counts_off = dataset.counts_off.data[used]
        alpha = dataset.acceptance.data[used] / dataset.acceptance_off.data[used]
        row["counts_off"] = float(counts_off.sum())
        row["alpha"] = float(alpha.mean())
        row["background"] = float((alpha * counts_off).sum())
        row["success"] = True
    return row


def log_counts(logger, label, dataset, row):
    """Log a row without fitted parameters as one line at level INFO.

    The line reads ``LABEL dataset=NAME obs_id=... counts=... success=... message=...``,
    and the record has the row as its attribute ``nuisance``.

    Parameters
    ----------
    logger : `~logging.Logger`
        Logger of the calling module.
    label : str
        Kind of maker, such as "ring_background".
    dataset : `~gammapy.datasets.MapDatasetOnOff`
        Dataset.
    row : dict
        Row from `on_off_row`, and more.
    """
    named = {"dataset": dataset.name, **row}
    words = [
        f"{name}={show_value(value)}" for name, value in named.items() if value != ""
    ]
    logger.info(" ".join([label, *words]), extra={"nuisance": named})
