# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Cells: energy bins, rings or parts of a line, and the sums of datasets in them."""

from dataclasses import dataclass, field
import numpy as np
import astropy.units as u
from gammapy.modeling.models.backgrounds import is_background
from gammapy.utils.pbar import progress_bar
from .off_counts import alpha_summands, combine, has_several_alphas
from .planes import iter_planes, npred_parts, weight_levels, without_mask_fit

__all__ = []


@dataclass
class EnergyCells:
    """One cell per energy bin, of the pixels in a region.

    Parameters
    ----------
    n_cells : int
        Number of energy bins.
    masks : dict of `~numpy.ndarray`
        By the name of the dataset 1 or 0 for each pixel, shape (n_lat, n_lon), or 1.
    """

    n_cells: int
    masks: dict

    def of_plane(self, name, idx):
        """Mask of the pixels, and the cell of an energy bin of a dataset."""
        return self.masks[name], idx


@dataclass
class PixelCells:
    """Cells of pixels, all energies together.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    labels : dict of `~numpy.ndarray`
        By the name of the dataset the cell of each pixel, shape (n_lat, n_lon);
        ``n_cells`` stands for none.
    """

    n_cells: int
    labels: dict

    def of_plane(self, name, idx):
        """Mask of the pixels, and the cell of each pixel."""
        labels = self.labels[name]
        return labels < self.n_cells, labels


@dataclass
class CellSums:
    """Sums of joint datasets in cells, arrays of shape (n_cells,).

    ``sums`` are those of `~gammapy.datasets.residuals.planes.Plane.summands` by name,
    ``npred_models`` the predicted counts of each source component. ``parts`` are what
    `~gammapy.datasets.residuals.planes.npred_parts` gives, ``used`` has the pixels of
    each dataset that contribute at any energy, and ``energies`` the first and last
    energy at which one does.
    """

    n_cells: int
    sums: dict = field(default_factory=dict)
    npred_models: dict = field(default_factory=dict)
    parts: list | None = None
    used: dict = field(default_factory=dict)
    energies: u.Quantity | None = None

    def add(self, name, values, cells):
        """Add values of pixels to the sum of this name."""
        total = self.sums.setdefault(name, np.zeros(self.n_cells))
        add_to_cells(total, values, cells, combine(name))


@dataclass
class UsedPixels:
    """Weights of an energy bin of a dataset, 0 where the model was set to 0.

    ``cells`` is one cell or that of each pixel.
    """

    idx: int
    weights: np.ndarray
    cells: int | np.ndarray

    @classmethod
    def of_plane(cls, plane, cells):
        """Pixels of a `~gammapy.datasets.residuals.planes.Plane`."""
        weights = plane.weights
        if plane.counts_off is None and np.any((plane.npred == 0) & (weights > 0)):
            # Sums below 0 were set to 0, and what is added to them changes nothing.
            total = plane.npred_background.astype(float)
            for _name, cutout, into in plane.components:
                total[into] += cutout
            weights = np.where(total < 0, 0.0, weights)
        return cls(plane.idx, weights, cells)


def add_to_cells(total, values, cells, join=np.add):
    """Add values of pixels to the sums of their cells, in place.

    Parameters
    ----------
    total : `~numpy.ndarray`
        Sums, shape (n_cells,).
    values : `~numpy.ndarray`
        Values, finite.
    cells : int or `~numpy.ndarray`
        Cell of all values, or of each; ``n_cells`` and above stand for none.
    join : `~numpy.ufunc`, optional
        How they are joined. Default is `~numpy.add`.
    """
    if np.ndim(cells) == 0:
        total[cells] = join(total[cells], join.reduce(values, None))
        return
    if join is np.add:
        added = np.bincount(cells.ravel(), values.ravel(), minlength=len(total))
        total += added[: len(total)]
        return
    used = cells < len(total)
    join.at(total, cells[used], values[used])


def sum_cells(datasets, cells, bins, *, exclude=(), apply_mask=True, band=None):
    """Sum counts and model of joint datasets in cells.

    Masks, weights and the energy range apply to each bin before anything is summed.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    cells : `EnergyCells` or `PixelCells`
        Where each pixel belongs.
    bins : dict of `~numpy.ndarray`
        By the name of the dataset the energy bins that count.
    exclude : list of str, optional
        Names of components to leave out of the model. Default is none.
    apply_mask : bool, optional
        Whether ``mask_fit`` applies. Default is True.
    band : `~gammapy.datasets.residuals.bands.NpredBand`, optional
        What adds up the derivatives of the model. Default is None.

    Returns
    -------
    result : `CellSums`
        The sums; without any where all is masked.
    """
    levels = weight_levels(datasets, apply_mask)
    result = CellSums(cells.n_cells)
    result.npred_models = {
        model.name: np.zeros(cells.n_cells)
        for model in datasets.models
        if not is_background(model) and model.name not in exclude
    }
    several_alphas = has_several_alphas(
        datasets, lambda dataset: bins[dataset.name], apply_mask=apply_mask
    )
    energies = []
    for dataset in progress_bar(datasets, desc="Sums"):
        if not apply_mask:
            dataset = without_mask_fit(dataset)
        planes = iter_planes(
            dataset, bins[dataset.name], exclude=exclude, levels=levels
        )
        used = []
        for plane in planes:
            mask, of_pixels = cells.of_plane(dataset.name, plane.idx)
            plane.weights = plane.weights * mask
            _add_plane(result, plane, of_pixels, several_alphas)
            if plane.weights.any():
                used.append(UsedPixels.of_plane(plane, of_pixels))
        if not used:
            continue
        result.used[dataset.name] = np.any([part.weights > 0 for part in used], axis=0)
        energies.append(_energies(dataset, used))
        if band is not None:
            band.add(dataset, used, exclude)
    if energies:
        result.parts = npred_parts(result.sums, levels)
        result.energies = u.Quantity(
            [min(low for low, _high in energies), max(high for _low, high in energies)]
        )
    return result


def _add_plane(result, plane, cells, several_alphas):
    """Add all sums of one plane."""
    for name, values in plane.summands():
        result.add(name, values, cells)
    for name, values in alpha_summands(plane) if several_alphas else ():
        result.add(name, values, cells)
    for name, cutout, into in plane.components:
        weights = plane.weights[into]
        values = np.where(weights > 0, cutout, 0.0) * weights
        of_cutout = cells if np.ndim(cells) == 0 else cells[into]
        add_to_cells(result.npred_models[name], values, of_cutout)


def _energies(dataset, used):
    """First and last energy at which a dataset contributes."""
    edges = dataset.counts.geom.axes["energy"].edges
    # The planes come in the order of the energies.
    return edges[used[0].idx], edges[used[-1].idx + 1]
