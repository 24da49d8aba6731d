# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The bins of datasets that a fit uses, with their counts and model, as arrays."""

from dataclasses import dataclass, field
import numpy as np
from gammapy.datasets.residuals.checks import joint_stat_kind
from gammapy.datasets.residuals.planes import iter_planes, weight_levels
from gammapy.maps import MapAxis, WcsGeom
from gammapy.stats.fit_statistics import get_wstat_mu_bkg

__all__ = []


@dataclass
class FittedBins:
    """Bins of one dataset that are not masked, and have a finite model.

    Parameters
    ----------
    name, stat_type : str
        Name and statistic of the dataset.
    axis : `~gammapy.maps.MapAxis`
        Energy axis.
    shape : tuple of int
        Shape of its maps, (n_energy, n_lat, n_lon).
    index : `~numpy.ndarray` of int
        Flat indices of the bins in the maps, shape (n_bins,), increasing.
    counts, npred, weights : `~numpy.ndarray`
        Counts, expected counts and weights of the masks, shape (n_bins,).
    counts_off, alpha, mu_sig : `~numpy.ndarray` or None
        Off counts, ratio of acceptances and expected signal of on-off datasets, of
        which ``npred`` is the signal and the profiled background.
    images : dict of `~numpy.ndarray`
        By name of each component its predicted counts in these bins, summed over
        energy, shape (n_lat, n_lon).
    image : `~gammapy.maps.WcsGeom` or None
        Geometry of one image, None for spectra.
    """

    name: str
    stat_type: str
    axis: MapAxis
    shape: tuple
    index: np.ndarray
    counts: np.ndarray
    npred: np.ndarray
    weights: np.ndarray
    counts_off: np.ndarray | None = None
    alpha: np.ndarray | None = None
    mu_sig: np.ndarray | None = None
    images: dict = field(default_factory=dict)
    image: WcsGeom | None = None

    @property
    def is_on_off(self):
        """Whether the background is the one of off counts."""
        return self.counts_off is not None

    @property
    def is_weighted(self):
        """Whether the masks are weights."""
        return self.stat_type == "cash_weighted"

    @property
    def expected(self):
        """Expected counts of which cells are made, shape (n_bins,).

        The on counts of on-off data must not have a part in them, so that the
        background is that of the off counts alone.
        """
        if self.is_on_off:
            return np.maximum(self.mu_sig, 0) + self.alpha * self.counts_off
        return self.npred

    def cube(self, values):
        """Values of the bins as a map, 0 elsewhere.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Values, shape (n_bins,).

        Returns
        -------
        cube : `~numpy.ndarray`
            Array of the shape of the maps.
        """
        cube = np.zeros(self.shape, dtype=np.asarray(values).dtype)
        cube.ravel()[self.index] = values
        return cube


def profiled_background(counts, counts_off, alpha, mu_sig):
    """Off counts that are expected, those with which the likelihood is highest.

    Parameters
    ----------
    counts, counts_off, alpha, mu_sig : `~numpy.ndarray`
        Counts, off counts, ratio of the acceptances and expected signal.

    Returns
    -------
    mu_bkg : `~numpy.ndarray`
        Expected off counts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(get_wstat_mu_bkg(counts, counts_off, alpha, mu_sig))


def read_bins(datasets):
    """Bins of datasets that a fit uses.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets. They are not changed.

    Returns
    -------
    bins : list of `FittedBins`
        Bins of each dataset.

    Raises
    ------
    ValueError
        If there are no datasets, one has no counts, or all bins are masked.
    TypeError
        If a dataset is not made of counts.
    """
    for dataset in datasets:
        joint_stat_kind([dataset])
        if dataset.counts.geom.is_hpx:
            raise TypeError(
                f"Dataset {dataset.name!r} is on a HpxGeom; cells need WCS maps or "
                "spectra: make a cutout of it on a WcsGeom."
            )
    if len(datasets) == 0:
        joint_stat_kind(datasets)
    bins = [_read_dataset(dataset, weight_levels([dataset])) for dataset in datasets]
    if not any(part.index.size for part in bins):
        names = ", ".join(dataset.name for dataset in datasets)
        raise ValueError(
            f"All bins of the datasets {names} are masked: there is nothing to test; "
            "change mask_fit or mask_safe."
        )
    return bins


def _read_dataset(dataset, levels):
    geom = dataset.counts.geom
    n_energy, *image_shape = dataset.data_shape
    columns = {name: [] for name in ("index", "counts", "npred", "weights")}
    on_off = {name: [] for name in ("counts_off", "alpha", "background")}
    is_on_off = dataset.stat_type == "wstat"
    images = {}
    everything = np.ones(n_energy, dtype=bool)
    for plane in iter_planes(dataset, everything, levels=levels):
        used = np.flatnonzero(plane.weights > 0)
        columns["index"].append(used + plane.idx * plane.weights.size)
        for name in ("counts", "npred", "weights"):
            columns[name].append(getattr(plane, name).ravel()[used])
        if is_on_off:
            on_off["counts_off"].append(plane.counts_off.ravel()[used])
            on_off["alpha"].append(plane.alpha.ravel()[used])
            on_off["background"].append(plane.npred_background.ravel()[used])
        for name, cutout, into in plane.components:
            image = images.setdefault(name, np.zeros(image_shape))
            image[into] += np.where(plane.weights[into] > 0, cutout, 0)
    columns = {name: _joined(parts, name) for name, parts in columns.items()}
    if is_on_off:
        on_off = {name: _joined(parts, name) for name, parts in on_off.items()}
        columns |= _with_profile(columns, **on_off)
    return FittedBins(
        name=dataset.name,
        stat_type=dataset.stat_type,
        axis=geom.axes["energy"],
        shape=tuple(dataset.data_shape),
        images=images,
        image=None if geom.is_region else geom.to_image(),
        **columns,
    )


def _joined(parts, name):
    kind = int if name == "index" else float
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)


def _with_profile(columns, counts_off, alpha, background):
    """Columns of on-off data; planes have the off counts as they are."""
    mu_sig = columns["npred"] - background
    mu_bkg = profiled_background(columns["counts"], counts_off, alpha, mu_sig)
    npred = mu_sig + alpha * mu_bkg
    return {"counts_off": counts_off, "alpha": alpha, "mu_sig": mu_sig, "npred": npred}
