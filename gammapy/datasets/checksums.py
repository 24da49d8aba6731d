# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Checksums of the data of a fit."""

import hashlib
import numpy as np
from gammapy.modeling.utils import COUNTS

__all__ = ["data_checksum"]

#: Maps of the ratio of exposures, which a measured background needs.
RATIOS = ("acceptance", "acceptance_off")


def data_checksum(datasets):
    """Checksum of the fitted data: counts inside the masks, the masks and the bins.

    The fit statistics of two fits can be compared if it is the same. It does not depend
    on models, exposures, responses and backgrounds, nor on the names and the order of
    the datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or list of `~gammapy.datasets.Dataset`
        Datasets.

    Returns
    -------
    checksum : str
        Checksum, "" for datasets of unknown type.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.datasets.checksums import data_checksum
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL_datasets.yaml"
    >>> datasets = Datasets.read(path)
    >>> data_checksum(datasets) == data_checksum(datasets.copy())
    True
    """
    parts = [_dataset_checksum(dataset) for dataset in datasets]
    if not all(parts):
        return ""
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()


def is_weighted(dataset):
    """Whether the statistic of a dataset is weighted, so that it has no chi2."""
    return dataset.stat_type == "cash_weighted"


def _used(dataset):
    """Which bins are fitted, an index of the arrays of counts."""
    mask = dataset.mask
    return np.s_[:] if mask is None else mask.data.astype(bool)


def _dataset_checksum(dataset):
    if getattr(dataset, "counts", None) is not None:
        arrays = _count_arrays(dataset)
    elif hasattr(dataset, "data"):
        arrays = _table_arrays(dataset)
    else:
        return ""
    digest = hashlib.sha256(dataset.stat_type.encode())
    for array in arrays:
        array = np.ascontiguousarray(array)
        # Numbers of any kind and byte order count the same.
        array = array.astype("<f8" if array.dtype.kind in "iuf" else array.dtype)
        digest.update(str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


def _count_arrays(dataset):
    """Arrays of counts, masks and bins."""
    geom, used = dataset.counts.geom, _used(dataset)
    for axis in geom.axes:
        # A file may keep another unit, and round.
        edges = axis.edges.to("TeV") if axis.name == "energy" else axis.edges
        yield np.array([f"{edge:.6e}" for edge in np.atleast_1d(edges.value)], "S")
    yield np.array(geom.data_shape)
    if dataset.mask is not None:
        weights = dataset.mask.data
        yield weights if is_weighted(dataset) else np.packbits(weights.astype(bool))
    names = COUNTS.get(dataset.stat_type, ["counts"])
    names = [*names, *(RATIOS if dataset.stat_type == "wstat" else ())]
    for name in names:
        map_ = getattr(dataset, name)
        yield np.zeros(0) if map_ is None else map_.data[used]


def _table_arrays(dataset):
    """Columns of numbers of flux points, and their mask."""
    table = dataset.data.to_table()
    for name in sorted(table.colnames):
        if table[name].dtype.kind in "iuf":
            yield np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)
    if dataset.mask is not None:
        yield np.packbits(np.asarray(dataset.mask, dtype=bool))
